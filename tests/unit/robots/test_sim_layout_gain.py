"""The best order of looks is the best one, and cues that say nothing are worth nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.layout_gain import Looks, looks_needed, seconds_needed
from robots.errors import UsageError
from robots.sim.furniture import BOOKCASE, CABINET
from robots.sim.layouts import bayes

SEEDS = st.integers(0, 2**32 - 1)


def problem(seed, count):
    """Return probabilities (count,) and costs (count + 1, count) of places at random in a room."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0.0, 1.0, (count + 1, 3))
    cost = 0.1 + np.linalg.norm(places[:, None] - places[None, :count], axis=2)
    return rng.dirichlet(np.ones(count)), cost


def every_order(count):
    return np.array(list(itertools.permutations(range(count))))


@given(SEEDS, st.integers(1, 6))
@settings(max_examples=40)
def test_no_order_needs_fewer_looks_than_likeliest_first(seed, count):
    probability, _ = problem(seed, count)
    best = bayes.expected_looks(bayes.likeliest_first(probability), probability)
    assert best == pytest.approx(bayes.expected_looks(every_order(count), probability).min())


@given(SEEDS, st.integers(1, 6))
@settings(max_examples=40)
def test_the_exact_order_is_as_cheap_as_the_cheapest_of_all(seed, count):
    probability, cost = problem(seed, count)
    order = bayes.exact_order(probability, cost)
    assert sorted(order) == list(range(count))
    least = bayes.expected_cost(every_order(count), probability, cost).min()
    assert bayes.expected_cost(order, probability, cost) == pytest.approx(least)


def test_expected_cost_is_the_mean_over_targets_of_the_walk_to_them():
    probability, cost = problem(7, 4)
    order = np.array([2, 0, 3, 1])
    walks = np.cumsum([cost[4, 2], cost[2, 0], cost[0, 3], cost[3, 1]])
    assert bayes.expected_cost(order, probability, cost) == pytest.approx(probability[order] @ walks)


def test_improved_orders_come_within_a_few_per_cent_of_exact_ones():
    over = []
    for seed in range(12):
        probability, cost = problem(seed, 9)
        exact, found = bayes.exact_order(probability, cost), bayes.cheapest_order(probability, cost)
        pair = bayes.expected_cost(np.array([found, exact]), probability, cost)
        over.append(pair[0] / pair[1] - 1.0)
    assert min(over) >= -1e-9
    assert np.mean(over) < 0.03


def test_exact_orders_of_too_many_looks_are_refused():
    with pytest.raises(UsageError, match="at most 16"):
        bayes.exact_order(np.full(17, 1 / 17), np.ones((18, 17)))


@pytest.mark.parametrize("furniture", [BOOKCASE, CABINET])
def test_every_cell_is_cleared_by_one_look_into_its_compartment(furniture):
    looks = Looks.of(furniture.region)
    assert (looks.shares.sum(axis=1) == 1.0).all()
    assert (looks.shares.sum(axis=0) > 0.0).all()
    columns = len(looks.shares) // len(furniture.region.compartments)
    owners = np.repeat(np.arange(len(furniture.region.compartments)), columns)
    assert (np.array([view.shelf for view in looks.views])[looks.shares.argmax(axis=1)] == owners).all()


def test_cues_that_say_nothing_win_nothing_and_clear_ones_win():
    looks = Looks.of(CABINET.region)
    count = len(looks.views)
    same = np.tile(np.random.default_rng(0).dirichlet(np.ones(count)), (20, 1))
    for coverage, fixed, optimal in (looks_needed(same), seconds_needed(same, looks.seconds)):
        assert optimal == pytest.approx(fixed)
        assert (coverage >= optimal - 1e-9).all()
    told = np.eye(count)[np.arange(40) % count]
    _, fixed, optimal = looks_needed(told)
    assert optimal == pytest.approx(1.0)
    assert fixed.mean() > 3.0
