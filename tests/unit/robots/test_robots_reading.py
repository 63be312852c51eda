"""Nothing a file holds is guessed: every mistake is named with its place."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robots.errors import SpecError, UsageError
from robots.reading import read
from robots.region import Compartment, Opening, SearchRegion
from robots.sim.furniture import FURNITURE


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Leaf:
    size_m: float
    count: int = 1

    def __post_init__(self) -> None:
        if self.size_m < 0:
            raise UsageError("size_m must not be negative.")


@dataclass(frozen=True, slots=True)
class Tree:
    name: str
    color: Color
    leaves: tuple[Leaf, ...]
    corner_m: tuple[float, float] = (0.0, 0.0)
    named: dict[str, float] = field(default_factory=dict)
    note: str | None = None
    alive: bool = True


GOOD = {"name": "oak", "color": "red", "leaves": [{"size_m": 1, "count": 2}], "named": {"a": 1.5}}


@given(
    st.builds(
        Tree,
        name=st.text(),
        color=st.sampled_from(Color),
        leaves=st.lists(st.builds(Leaf, st.floats(0, 9), st.integers())).map(tuple),
        corner_m=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
        named=st.dictionaries(st.text(), st.floats(-1, 1)),
        note=st.none() | st.text(),
        alive=st.booleans(),
    )
)
def test_what_json_keeps_reads_back_equal(tree):
    assert read(Tree, json.loads(json.dumps(asdict(tree))), "tree") == tree


def test_integers_are_taken_for_numbers_and_defaults_filled_in():
    tree = read(Tree, GOOD, "tree")
    assert tree.leaves == (Leaf(1.0, 2),)
    assert isinstance(tree.leaves[0].size_m, float)
    assert tree.alive


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "unknown field 'colour'.*Did you mean 'color'"),
        ({"color": "green"}, r"tree\.color: expected one of red, blue, got 'green'"),
        ({"leaves": [{"size_m": float("nan")}]}, r"tree\.leaves\[0\]\.size_m: expected a finite number"),
        ({"leaves": [{"size_m": True}]}, r"size_m: expected a finite number, got True"),
        ({"leaves": [{"size_m": 1.0, "count": 1.5}]}, "count: expected an integer"),
        ({"leaves": [{"count": 1}]}, r"tree\.leaves\[0\]: missing fields: size_m"),
        ({"leaves": [{"size_m": -1.0}]}, r"tree\.leaves\[0\]: size_m must not be negative"),
        ({"leaves": "oak"}, r"tree\.leaves: expected a list"),
        ({"corner_m": [1.0]}, r"tree\.corner_m: expected 2 values, got 1"),
        ({"named": {"a": "b"}}, r"tree\.named\.a: expected a finite number"),
        ({"named": []}, r"tree\.named: expected a mapping"),
        ({"alive": 1}, r"tree\.alive: expected true or false"),
        ({"name": 3}, r"tree\.name: expected text"),
    ],
)
def test_mistakes_are_named_with_their_place(change, message):
    with pytest.raises(SpecError, match=message):
        read(Tree, GOOD | change, "tree")


@pytest.mark.parametrize("scene", FURNITURE)
def test_regions_read_back_from_json(scene):
    region = FURNITURE[scene].region
    assert SearchRegion.from_dict(json.loads(json.dumps(region.to_dict()))) == region


def test_a_compartment_holds_its_inside_only():
    drawer = Compartment("drawer", 0.5, 0.2, -0.1, 0.1, 0.0, 0.1, Opening.TOP)
    region = SearchRegion((drawer,))
    assert region.index_of((0.6, 0.0, 0.05)) == 0
    assert region.index_of((0.6, 0.0, 0.2)) is None
    assert drawer.holds((0.6, 0.0, 0.15), slack_m=0.06)


@pytest.mark.parametrize("order", [(), (1, 0), (0, 0)])
def test_regions_list_each_compartment_once_from_the_lowest_up(order):
    shelves = SearchRegion.bookcase(
        front_x_m=0.6, depth_m=0.3, y_min_m=-0.4, y_max_m=0.4, shelf_z_m=(0.0, 0.4), clearance_m=0.3
    ).compartments
    with pytest.raises(UsageError, match="search region"):
        SearchRegion(tuple(shelves[index] for index in order))


def test_unknown_compartments_get_choices():
    with pytest.raises(UsageError, match="Did you mean 'cabinet_left'"):
        FURNITURE["cabinet"].region.find("cabinet_lef")
