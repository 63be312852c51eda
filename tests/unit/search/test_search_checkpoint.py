import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from search_fixtures import INTRINSICS, KinematicWorld

from handoff.shipped import shipped_policy
from robots.errors import CheckpointError, SpecError
from robots.sim.furniture import find_furniture
from robots.sim.tasks import find_task, scene_of
from robots.types import Privileged
from search_policy.learning.batches import input_sizes
from search_policy.learning.checkpoint import load_actor, save_actor
from search_policy.learning.config import TrainConfig
from search_policy.learning.networks import Actor, ActorSpec
from search_policy.observations import PRIVILEGED_KEYS, AgentState, ObsGroups, downsample, privileged_vector
from search_policy.searchers.choosers import SHIPPED, PolicyChooser
from search_policy.skill import SearchSkill


@pytest.fixture
def exported(frames, tmp_path):
    torch.manual_seed(0)
    config = TrainConfig()
    actor = Actor(ActorSpec(input_sizes(frames, config.groups), config.network)).eval()
    save_actor(actor, tmp_path / "actor", {"method": "aawr"})
    return actor, tmp_path / "actor"


def state_of(episodes, index=0):
    return episodes[index].decisions[0].state


def test_an_export_loads_to_the_same_policy(exported, episodes):
    actor, folder = exported
    again = load_actor(folder)
    np.testing.assert_array_equal(actor.probabilities(state_of(episodes)), again.probabilities(state_of(episodes)))
    assert (folder / "actor.safetensors").stat().st_size < 5_000_000
    assert not again.training


def test_choices_are_deterministic_given_the_seed(exported, episodes):
    chooser = PolicyChooser.load(exported[1], greedy=False)

    def choices(seed):
        chooser.reset(np.random.default_rng(seed))
        return [chooser.choose(state_of(episodes, i)) for i in range(10)]

    assert choices(1) == choices(1)
    assert len({tuple(choices(seed)) for seed in range(5)}) > 1


def test_a_masked_view_is_never_chosen(exported, episodes):
    state = state_of(episodes)
    only = np.zeros_like(state.mask)
    only[7] = True
    for greedy in (True, False):
        chooser = PolicyChooser.load(exported[1], greedy=greedy)
        assert chooser.choose(dataclasses.replace(state, mask=only)) == 7


def damage_byte(folder):
    path = folder / "actor.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def truncate(folder):
    path = folder / "actor.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def rewrite(folder, change):
    import hashlib

    path, config = folder / "actor.safetensors", folder / "config.json"
    tensors = change(load(path.read_bytes()))
    path.write_bytes(save(tensors))
    described = json.loads(config.read_text())
    described["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    config.write_text(json.dumps(described))


def drop_key(folder):
    rewrite(folder, lambda tensors: {name: value for name, value in tensors.items() if name != "head.bias.bias"})


def add_key(folder):
    rewrite(folder, lambda tensors: tensors | {"extra": torch.zeros(1)})


def change_shape(folder):
    rewrite(folder, lambda tensors: tensors | {"head.bias.bias": torch.zeros(3)})


def config_edit(**changes):
    def edit(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


@pytest.mark.parametrize(
    "damage",
    [
        damage_byte,
        truncate,
        drop_key,
        add_key,
        change_shape,
        lambda folder: (folder / "actor.safetensors").unlink(),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "config.json").write_text("[]"),
        config_edit(format="other"),
        config_edit(sizes={}),
        config_edit(network={"embedding": 12}),
        config_edit(keys=[]),
    ],
)
def test_damage_is_one_sentence(exported, damage):
    damage(exported[1])
    with pytest.raises(CheckpointError) as error:
        load_actor(exported[1])
    assert "\n" not in str(error.value)
    assert "actor" in str(error.value)


def test_no_privileged_value_fits_into_an_agent_state():
    fields = {field.name for field in dataclasses.fields(AgentState)}
    assert not fields & set(PRIVILEGED_KEYS)
    assert not any("privileged" in name or "target" in name for name in fields)
    assert not set(ObsGroups().actor) & set(ObsGroups().critic)


def test_the_critics_input_follows_its_group():
    privileged = Privileged({key: np.full(2, number) for number, key in enumerate(PRIVILEGED_KEYS)})
    np.testing.assert_array_equal(privileged_vector(privileged, ObsGroups(critic=PRIVILEGED_KEYS[1:2])), [1, 1])
    assert privileged_vector(privileged, ObsGroups(critic=())).shape == (0,)
    with pytest.raises(SpecError, match="target_position"):
        privileged_vector(Privileged({}), ObsGroups())


def test_downsampling_averages_areas():
    image = np.zeros((168, 224, 3), dtype=np.uint8)
    image[::2] = 200
    small = downsample(image)
    assert small.shape == (84, 84, 3)
    assert (small == 100).all()
    gradient = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 200, axis=0).repeat(3, axis=2)
    assert (np.diff(downsample(gradient)[0, :, 0].astype(int)) >= 0).all()
    with pytest.raises(SpecError, match="smaller"):
        downsample(np.zeros((60, 84, 3), dtype=np.uint8))


def test_views_that_show_little_new_are_left_out_while_others_do(exported, episodes):
    state = state_of(episodes)
    views = state.views.copy()
    views[:, :2] = 0.01
    views[4, 0] = 1.0
    chooser = PolicyChooser.load(exported[1])
    assert chooser.choose(dataclasses.replace(state, views=views)) == 4
    views[4, 0] = 0.0
    views[:, :2] = 0.0
    assert (chooser.probabilities(dataclasses.replace(state, views=views)) > 0).all()


@pytest.mark.parametrize("folder", sorted(SHIPPED.parent.glob("*/")), ids=lambda path: path.name)
def test_every_shipped_policy_fits_the_furniture_of_its_tasks(folder):
    """Loaded with its insight, it chooses one of the views that a search skill offers there."""
    training = json.loads((folder / "config.json").read_text())["training"]
    for task in training["tasks"]:
        skill = SearchSkill(PolicyChooser.load(folder), find_furniture(scene_of(task)).region, INTRINSICS)
        skill.reset(find_task(task, (training["targets"] or [None])[-1]))
        state = skill.state(KinematicWorld().observe())
        assert state.mask[PolicyChooser.load(folder).choose(state)]
        assert shipped_policy(task, (training["targets"] or [""])[-1]) == folder
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 5e6
    assert (folder / "CARD.md").is_file()


def test_the_quick_configuration_parses():
    import draccus

    path = Path(__file__).parents[3] / "configs/search/quick.yaml"
    with path.open() as file:
        config = draccus.load(TrainConfig, file)
    assert config == TrainConfig()
