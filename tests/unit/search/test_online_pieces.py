"""The online phase piece by piece: configuration, buffer, mixed batches, fading sensors, interventions."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from search_fixtures import KinematicWorld, perfect_detector

from robots.errors import UsageError
from search_policy.episodes.dataset import frames_of
from search_policy.episodes.rollout import Rollout, RolloutConfig
from search_policy.learning.batches import DecisionSource
from search_policy.learning.losses import intervention_weights
from search_policy.learning.replay import transitions
from search_policy.learning.reward import RewardConfig
from search_policy.motion.viewpoints import candidate_views
from search_policy.observations import ObsGroups
from search_policy.online.buffer import draw_rows, extend, join, split_batch
from search_policy.online.config import OnlineConfig, SensorConfig
from search_policy.online.interventions import OracleTakeover, Supervised
from search_policy.online.rounds import summary_of
from search_policy.online.sensors import hide, sensor_draws, share_present
from search_policy.searchers.choosers import RandomChooser, tempered
from search_policy.skill import SearchConfig


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"episodes": -1}, "must not be negative"),
        ({"episodes_per_round": 0}, "at least 1"),
        ({"updates_per_episode": 0}, "at least 1"),
        ({"demonstration_share": 1.0}, r"\[0, 1\)"),
        ({"engine": "rya"}, "Did you mean 'ray'"),
        ({"address": "auto"}, "belongs to engine ray"),
        ({"temperature": 0.0}, "positive"),
        ({"intervention_weight": 0.5}, "at least 1"),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(values, said):
    with pytest.raises(UsageError, match=said):
        OnlineConfig(**values)


@pytest.mark.parametrize("values", [{"floor": 1.5}, {"start": 5, "end": 4}, {"start": -1}])
def test_a_wrong_sensor_schedule_is_refused(values):
    with pytest.raises(UsageError, match=r"online.sensors"):
        SensorConfig(**values)


def test_the_last_round_takes_what_is_left():
    config = OnlineConfig(episodes=45, episodes_per_round=20, updates_per_episode=3)
    assert (config.rounds, [config.episodes_of(number) for number in range(3)], config.updates) == (3, [20, 20, 5], 135)


def numbered(frames, count):
    return frames.select(np.unique(frames.episode)[:count])


def test_the_buffer_drops_the_oldest_whole_episodes_and_keeps_numbers(frames):
    four = numbered(frames, 4)
    kept, lengths = None, np.unique(four.episode, return_counts=True)[1]
    for _ in range(3):
        kept = extend(kept, four, capacity=len(four) + int(lengths[-1]))
    assert sorted(set(kept.episode.tolist())) == [7, 8, 9, 10, 11]
    assert len(kept) == len(four) + lengths[-1]
    np.testing.assert_array_equal(kept.image[-len(four) :], four.image)
    decisions = transitions(kept, RewardConfig(), 0.99)
    np.testing.assert_array_equal(kept.episode[decisions.index], kept.episode[decisions.next_index])


@given(st.integers(1, 200), st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_the_buffer_never_exceeds_its_capacity_unless_by_one_episode(frames, capacity, rounds):
    kept = None
    for _ in range(rounds):
        kept = extend(kept, frames, capacity)
        assert len(kept) <= capacity or len(set(kept.episode.tolist())) == 1
        assert kept.action[-1] == -1


@given(st.integers(1, 512), st.floats(0.0, 0.99))
def test_batches_are_split_as_told(size, share):
    first, second = split_batch(size, share, online=7)
    assert first + second == size
    assert abs(first - size * share) <= 0.5
    assert split_batch(size, share, online=0) == (size, 0)


def test_half_and_half_is_exact_and_an_empty_draw_leaves_the_generator_alone():
    assert split_batch(256, 0.5, online=3) == (128, 128)
    rng = np.random.default_rng(0)
    assert len(draw_rows(rng, 5, 0)) == 0
    assert rng.random() == np.random.default_rng(0).random()


def source(frames, groups):
    embedding = torch.rand(len(frames), 8, generator=torch.Generator().manual_seed(0))
    return DecisionSource(frames, transitions(frames, RewardConfig(), 0.99), embedding, groups)


def test_joined_batches_hold_both_parts_in_order(frames):
    decisions = source(frames, ObsGroups())
    rows = np.arange(6)
    whole, parts = decisions.batch(rows), join(decisions.batch(rows[:2]), decisions.batch(rows[2:]))
    assert_equal(whole, parts)


def assert_equal(first, second):
    for item in dataclasses.fields(first):
        a, b = getattr(first, item.name), getattr(second, item.name)
        if dataclasses.is_dataclass(a):
            assert_equal(a, b)
        elif isinstance(a, torch.Tensor):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
        else:
            assert a == b


schedules = st.tuples(st.floats(0.0, 1.0), st.integers(0, 50), st.integers(0, 50)).map(
    lambda v: SensorConfig(floor=v[0], start=v[1], end=v[1] + v[2])
)


@given(schedules, st.lists(st.integers(0, 200), min_size=2, max_size=8))
def test_the_share_of_sensors_only_falls_from_one_to_the_floor(config, updates):
    shares = [share_present(config, update) for update in sorted(updates)]
    assert all(late <= early + 1e-12 for early, late in itertools.pairwise(shares))
    assert all(config.floor - 1e-12 <= share <= 1.0 for share in shares)
    assert share_present(config, config.end) == config.floor
    if config.start < config.end:
        assert share_present(config, config.start) == 1.0


@given(st.integers(0, 99), st.integers(1, 40), st.integers(0, 40))
@settings(max_examples=20)
def test_an_episodes_sensors_do_not_depend_on_how_many_episodes_follow(seed, episodes, more):
    few, many = sensor_draws(seed, 1, episodes, 4), sensor_draws(seed, 1, episodes + more, 4)
    np.testing.assert_array_equal(few, many[:episodes])


def test_the_share_of_episodes_that_keep_an_entry_is_the_schedules():
    draws = sensor_draws(0, 0, 20_000, 4)
    for share in (0.0, 0.25, 0.8, 1.0):
        np.testing.assert_allclose((draws < share).mean(axis=0), share, atol=0.012)


def test_hidden_entries_become_zero_and_are_flagged_and_the_rest_stays(frames):
    groups = ObsGroups()
    batch = source(frames, groups).batch(np.arange(5))
    widths = (3, 1, 1, frames.views.shape[1])
    poisoned = dataclasses.replace(
        batch, privileged=torch.where(torch.arange(batch.privileged.shape[1]) < 3, torch.nan, batch.privileged)
    )
    present = torch.tensor([[False, True, True, True]] * 4 + [[False, True, True, False]])
    hidden = hide(poisoned, present, widths, hint=3)
    width = sum(widths)
    assert hidden.privileged.shape == (5, width + 4)
    assert not hidden.privileged[:, :3].any()
    torch.testing.assert_close(hidden.privileged[:4, 3:width], batch.privileged[:4, 3:])
    torch.testing.assert_close(hidden.privileged[:, width:], present.float())
    torch.testing.assert_close(hidden.next_privileged[:, width:], present.float())
    torch.testing.assert_close(hidden.hint[:4], batch.hint[:4])
    assert hidden.hint[4] == 0
    assert not hidden.privileged[4, 5:width].any()
    assert_equal(hidden.state, batch.state)


@given(st.floats(0.2, 5.0), st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6))
def test_a_temperature_keeps_the_order_and_never_wakes_the_impossible(temperature, weights):
    probabilities = np.array([0.0, *weights]) / sum(weights)
    share = tempered(probabilities, temperature)
    assert share.sum() == pytest.approx(1.0)
    assert share[0] == 0.0
    assert np.argmax(share) == np.argmax(probabilities)
    np.testing.assert_allclose(tempered(probabilities, 1.0), probabilities, atol=1e-12)


@given(st.lists(st.tuples(st.floats(1e-3, 20.0), st.booleans()), min_size=1, max_size=8), st.floats(1.0, 10.0))
def test_interventions_weigh_their_factor_at_least_and_the_rest_is_untouched(rows, factor):
    weight = torch.tensor([row[0] for row in rows], dtype=torch.float64)
    taken = torch.tensor([row[1] for row in rows])
    result = intervention_weights(weight, taken, factor)
    torch.testing.assert_close(result[~taken], weight[~taken])
    assert bool((result[taken] >= factor).all())
    torch.testing.assert_close(result[taken], factor * weight[taken].clamp(min=1.0))


def run_supervised(after, seed, detector=perfect_detector):
    world, search = KinematicWorld(), SearchConfig()
    views = candidate_views(world.region, search.views)
    watched = Supervised(RandomChooser(), OracleTakeover(world, views, after))
    rollout = Rollout.build(world, watched, search, RolloutConfig(max_steps=250), seed=seed)
    return watched.mark(rollout.run("bookshelf_duck", seed, watched.watch(detector)))


def test_an_oracle_takes_over_after_fruitless_decisions_and_the_data_say_so():
    episodes = [run_supervised(2, seed) for seed in range(12)]
    flags = [[record.intervened for record in episode.decisions[:-1]] for episode in episodes]
    assert all(not any(row[:2]) and all(row[2:]) for row in flags)
    assert any(any(row) for row in flags)
    frames = frames_of(episodes)
    assert summary_of(frames)["interventions"] == frames.intervention.sum() == sum(map(sum, flags))
    assert not frames.intervention[frames.action == -1].any()


def test_being_taken_over_shortens_episodes():
    alone, helped = ([run_supervised(after, seed).steps for seed in range(12)] for after in (99, 1))
    assert np.mean(helped) < np.mean(alone)


def test_a_person_cannot_choose_a_view_that_is_not_open():
    class Stubborn:
        def begin(self, task):
            pass

        def override(self, observation, state):
            return 99

    watched = Supervised(RandomChooser(), Stubborn())
    rollout = Rollout.build(KinematicWorld(), watched, SearchConfig(), RolloutConfig(max_steps=20), seed=0)
    with pytest.raises(UsageError, match="view 99 is not open"):
        rollout.run("bookshelf_duck", 0, watched.watch(perfect_detector))


def test_data_sets_from_before_interventions_load_as_none(frames):
    values = {item.name: getattr(frames, item.name) for item in dataclasses.fields(frames)}
    old = type(frames)(**{name: value for name, value in values.items() if name != "intervention"})
    assert old.intervention.shape == (len(frames),)
    assert not old.intervention.any()
