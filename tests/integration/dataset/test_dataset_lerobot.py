"""Recorded datasets as LeRobot sees them: exact values, action chunks, policy features, statistics, training."""

import json

import numpy as np
import pytest

from handoff.dataset.frames import Sources
from handoff.dataset.recording import Recording
from handoff.dataset.statistics import total_statistics
from handoff.dataset.tables import read_table
from handoff.dataset.verify import verify
from robots.errors import UsageError
from robots.types import Task
from tests.dataset_fakes import image, layout, record, truth

pytestmark = pytest.mark.slow
STEPS = 8


def make(root, *, video=False, px=16, episodes=2):
    used = layout(video=video, px=px, privileged={"target_position_m": (3,)})
    with Recording(root, used, Sources(privileged=truth), wait=True) as recording:
        for number in range(episodes):
            task = Task("shelf", "duck", f"Pick up duck {number}.")
            record(recording.episode(), STEPS + number, task=task, px=px).raise_failure()
    return root


def opened(root, **options):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("local/test", root=root, video_backend="pyav", **options)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return make(tmp_path_factory.mktemp("data") / "exact")


def test_images_and_numbers_come_back_exactly(recorded):
    dataset = opened(recorded)
    assert (dataset.num_episodes, len(dataset)) == (2, 2 * STEPS + 1)
    for row, index in ((0, 0), (STEPS - 1, STEPS - 1), (STEPS + 3, 3)):
        item = dataset[row]
        picture = (item["observation.images.wrist"].numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)
        np.testing.assert_array_equal(picture, image(index))
        expected = np.float32([0.1 * index, 0.2 * index, 0.3 * index, 0.25])
        np.testing.assert_array_equal(item["observation.state"].numpy(), expected)
        np.testing.assert_allclose(item["action"].numpy()[:3], 0.1 * np.arange(1, 4) * (index + 1), rtol=1e-6)
        np.testing.assert_allclose(item["privileged.target_position_m"].numpy(), [0.5, 0.1, 1.0], rtol=1e-6)
    assert dataset[STEPS]["task"] == "Pick up duck 1."
    assert [dataset[i]["next.done"].item() for i in (0, STEPS - 1, STEPS, 2 * STEPS)] == [False, True, False, True]
    assert dataset[2 * STEPS]["next.reward"].item() == 1.0


def test_video_comes_back_within_the_codec_s_error(tmp_path):
    dataset = opened(make(tmp_path / "film", video=True, px=64))
    for row, index in ((0, 0), (STEPS - 1, STEPS - 1), (STEPS, 0), (2 * STEPS, STEPS)):
        picture = dataset[row]["observation.images.wrist"].numpy().transpose(1, 2, 0) * 255
        error = np.abs(picture - image(index, 64)).mean()
        assert error < 12.0, f"row {row}: mean error {error:.1f} of 255"
    assert verify(tmp_path / "film").ok


def test_action_chunks_end_with_their_episode(recorded):
    dataset = opened(recorded, delta_timestamps={"action": [step / 15 for step in range(4)]})
    item = dataset[STEPS - 2]
    assert item["action"].shape == (4, 4)
    assert item["action_is_pad"].tolist() == [False, False, True, True]
    np.testing.assert_array_equal(item["action"][1].numpy(), item["action"][3].numpy())


def test_a_policy_is_never_offered_privileged_values(recorded):
    from lerobot.utils.feature_utils import dataset_to_policy_features

    features = dataset_to_policy_features(opened(recorded).meta.features)
    assert set(features) == {"observation.images.wrist", "observation.state", "action"}
    assert "privileged.target_position_m" in opened(recorded).meta.features


def test_joined_statistics_are_lerobot_s(recorded):
    from lerobot.datasets.compute_stats import aggregate_stats

    rows = read_table(next(recorded.glob("meta/episodes/*/*.parquet"))).to_pylist()
    theirs = [
        {
            column: {
                key.split("/")[2]: np.array(value) for key, value in row.items() if key.startswith(f"stats/{column}/")
            }
            for column in {key.split("/")[1] for key in row if key.startswith("stats/")}
        }
        for row in rows
    ]
    expected, ours = aggregate_stats(theirs), total_statistics(rows)
    assert set(ours) == set(expected)
    for column, values in expected.items():
        for name, value in values.items():
            np.testing.assert_allclose(ours[column][name], value, rtol=1e-6, atol=1e-9, err_msg=f"{column} {name}")


def test_merging_again_adds_to_the_end_and_other_columns_are_refused(tmp_path):
    root = make(tmp_path / "data", episodes=1)
    make(root, episodes=2)
    notes = json.loads((root / "meta/baton.json").read_text())["episodes"]
    assert [note["name"] for note in notes] == ["episode-000000", "episode-000001", "episode-000002"]
    assert verify(root).ok
    assert [opened(root)[row]["observation.state"][0].item() for row in (0, STEPS, 2 * STEPS)] == [0.0, 0.0, 0.0]
    with pytest.raises(UsageError, match=r"other columns"), Recording(root, layout(px=18), wait=True) as recording:
        record(recording.episode(), px=18).raise_failure()
    assert verify(root).ok
    assert opened(root).num_episodes == 3


def test_act_learns_from_it(recorded):
    import torch
    from lerobot.configs.types import FeatureType
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.utils.feature_utils import dataset_to_policy_features

    torch.manual_seed(0)
    dataset = opened(recorded, delta_timestamps={"action": [step / 15 for step in range(4)]})
    features = dataset_to_policy_features(dataset.meta.features)
    outputs = {name: feature for name, feature in features.items() if feature.type is FeatureType.ACTION}
    policy = ACTPolicy(
        ACTConfig(
            input_features={name: feature for name, feature in features.items() if name not in outputs},
            output_features=outputs,
            chunk_size=4,
            n_action_steps=4,
            dim_model=32,
            n_heads=2,
            dim_feedforward=32,
            n_encoder_layers=1,
            n_vae_encoder_layers=1,
            pretrained_backbone_weights=None,
            device="cpu",
        )
    )
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3)
    batch = next(iter(torch.utils.data.DataLoader(dataset, batch_size=8)))
    losses = []
    for _ in range(4):
        loss, _ = policy.forward(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], losses
