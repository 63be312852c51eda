"""Images reach a policy in the size that it declares, or are refused by name before anything moves."""

from dataclasses import replace

import numpy as np
import pytest

from robots.errors import SchemaError
from robots.images import resized
from robots.specs import ArraySpec
from robots.types import CameraIntrinsics
from tests.bridge_fakes import DESCRIPTION, SCHEMA, observation
from vla_bridge.observations import assemble, check_robot

ROBOT = replace(
    DESCRIPTION,
    cameras={"wrist": CameraIntrinsics(168, 168, 100.0), "third_person": CameraIntrinsics(224, 168, 100.0)},
)


def schema(camera, height, width, channels=3, dtype="uint8"):
    spec = ArraySpec(f"observation.images.{camera}", (height, width, channels), dtype, "rgb")
    return replace(SCHEMA, observation=(spec,))


def seen(images):
    return replace(observation(1.0), images=images)


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("camera", "height", "width"), [("wrist", 96, 96), ("third_person", 96, 128)])
def test_an_image_is_resized_by_the_function_that_recorded_it(camera, height, width):
    wanted = schema(camera, height, width)
    check_robot(ROBOT, wanted, privileged=False)
    size = ROBOT.cameras[camera]
    image = noise(size.height_px, size.width_px)
    (sent,) = assemble(seen({camera: image}), wanted, None).values()
    assert sent.shape == (height, width, 3)
    np.testing.assert_array_equal(sent, resized(image, height, width))


@pytest.mark.parametrize("size", [(168, 168), (-1, -1)])
def test_an_image_that_needs_no_other_size_is_not_copied(size):
    wanted = schema("wrist", *size)
    check_robot(ROBOT, wanted, privileged=False)
    image = noise(168, 168)
    (sent,) = assemble(seen({"wrist": image}), wanted, None).values()
    assert np.shares_memory(sent, image)
    assert sent.shape == (168, 168, 3)


@pytest.mark.parametrize(("camera", "height", "width"), [("wrist", 96, 128), ("third_person", 96, 96)])
def test_another_aspect_ratio_is_refused_with_both_sizes_and_the_remedy(camera, height, width):
    with pytest.raises(SchemaError) as caught:
        check_robot(ROBOT, schema(camera, height, width), privileged=False)
    message = str(caught.value)
    own = ROBOT.cameras[camera]
    for part in (camera, f"{own.height_px} x {own.width_px}", f"{height} x {width}", "resize: policy"):
        assert part in message


@pytest.mark.parametrize("spec", [schema("wrist", 96, 96, channels=1), schema("wrist", 96, 96, dtype="float32")])
def test_what_is_no_rgb_image_is_refused(spec):
    with pytest.raises(SchemaError, match="wrist"):
        check_robot(ROBOT, spec, privileged=False)


def test_a_camera_that_changes_its_size_while_it_runs_is_refused():
    with pytest.raises(SchemaError, match=r"observation\.images\.wrist.*120 x 168"):
        assemble(seen({"wrist": noise(120, 168)}), schema("wrist", 96, 96), None)
