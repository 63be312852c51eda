"""Boundary values are frozen, and array specifications say what is wrong."""

import dataclasses

import numpy as np
import pytest

from robots.errors import SpecError, UsageError
from robots.region import SearchRegion
from robots.specs import ArraySpec
from robots.types import Action, ActionChunk, ActionSpace, Detection, Privileged


def test_arrays_in_values_are_read_only():
    action = Action(ActionSpace.JOINT_VELOCITY, np.zeros(7))
    with pytest.raises(ValueError, match="read-only"):
        action.values[0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        action.gripper = 0.0
    with pytest.raises(ValueError, match="read-only"):
        Privileged({"target": np.zeros(3)}).values["target"][0] = 1.0


def test_a_chunk_is_indexed_by_action():
    chunk = ActionChunk(ActionSpace.JOINT_POSITION, np.arange(14.0).reshape(2, 7), np.array([0.0, 1.0]), 0.1, 3.0)
    assert len(chunk) == 2
    assert chunk[1].gripper == 1.0
    assert chunk[1].values.tolist() == list(range(7, 14))


def test_detection_geometry():
    detection = Detection((10.0, 20.0, 30.0, 60.0), 0.5, "duck")
    assert detection.center_px == (20.0, 40.0)
    assert detection.area_px == 800.0
    assert Detection((5.0, 5.0, 1.0, 1.0), 0.5, "duck").area_px == 0.0


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 3), np.float64), "dtype float32, got float64"),
        (np.zeros((2, 4), np.float32), r"shape \(-1, 3\), got \(2, 4\)"),
        (np.full((1, 3), np.nan, np.float32), "not finite"),
        (np.full((1, 3), 2.0, np.float32), "above the largest allowed value 1.0"),
        (np.full((1, 3), -2.0, np.float32), "below the smallest allowed value -1.0"),
    ],
)
def test_spec_names_the_array_and_the_mismatch(array, words):
    spec = ArraySpec("velocity", (-1, 3), "float32", "m/s", low=-1.0, high=1.0)
    with pytest.raises(SpecError, match=f"velocity.*{words}"):
        spec.validate(array)


def test_spec_zeros_fit_their_own_spec():
    for spec in (
        ArraySpec("image", (8, 8, 3), "uint8", "rgb"),
        ArraySpec("state", (-1,), "float32", "rad", low=0.5, high=2.0),
    ):
        assert spec.validate(spec.zeros()) is not None


def test_unknown_names_get_choices_and_the_nearest():
    error = UsageError.unknown("task", "bookshelf_pinapple", ["bookshelf_pineapple", "bookshelf_duck"], where="x.yaml")
    assert str(error) == (
        "Unknown task 'bookshelf_pinapple' in x.yaml. Valid choices: bookshelf_duck, bookshelf_pineapple. "
        "Did you mean 'bookshelf_pineapple'?"
    )


@pytest.mark.parametrize("change", [{"y_min_m": 1.0}, {"depth_m": 0.0}, {"shelf_z_m": ()}, {"shelf_z_m": (0.5, 0.1)}])
def test_impossible_regions_are_refused(change):
    measures = {"front_x_m": 0.6, "depth_m": 0.3, "y_min_m": -0.4, "y_max_m": 0.4, "shelf_z_m": (0.1, 0.4)}
    with pytest.raises(UsageError):
        SearchRegion.bookcase(**(measures | {"clearance_m": 0.28} | change))
