"""What both policies promise: they learn what the instruction names, save whole, and see nothing privileged."""

import json

import numpy as np
import pytest
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.factory import get_policy_class, make_pre_post_processors
from lerobot.policies.pi0.modeling_pi0 import PI0Policy, PI0Pytorch
from lerobot.policies.rtc.configuration_rtc import RTCConfig

from robots.errors import SchemaError, SpecError, UsageError
from tests.policy_toys import ACTION, STATE, TARGET, THIRD, WRIST, build, hits, learn, observation, squares
from vla_bridge.policies import FilmConfig, Pi0MiniConfig
from vla_bridge.policies.pi0_mini.modeling_pi0_mini import Pi0MiniModel, Pi0MiniPolicy

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("default::FutureWarning"),
    pytest.mark.filterwarnings("default::UserWarning"),
]
BOTH = ((WRIST, 32, 32), (THIRD, 32, 48))
SMALL = {"width": 32, "depth": 1, "mlp_width": 32, "eye_width": 16, "patch": 2}
KINDS = {
    "film": ("film", {"width": 16, "hidden_width": 32}),
    "pi0_mini": ("pi0_mini", SMALL),
    "siglip": ("pi0_mini", {**SMALL, "vision": "siglip", "image_resolution": (32, 32)}),
}


@pytest.fixture(scope="module", params=KINDS)
def toy(request):
    kind, options = KINDS[request.param]
    return build(kind, cameras=BOTH, states=8, actions=8, **options)


def batch_for(toy, count=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = {key: feature.shape for key, feature in toy.config.input_features.items()}
    return toy.before(
        {
            **{key: torch.rand(count, *size, generator=generator) for key, size in shape.items()},
            ACTION: torch.randn(count, 8, 8, generator=generator),
            TARGET: torch.tensor([[0.2, -0.3, 1.0]]).repeat(count, 1),
            "task": ["Pick up the red mug."] * count,
        }
    )


def chunk_of(toy, seen, seed=0):
    torch.manual_seed(seed)
    return toy.after(toy.policy.predict_action_chunk(toy.before(seen)))


def test_a_chunk_is_finite_and_depends_on_image_state_and_instruction(toy):
    seen = observation(BOTH, 8)
    chunk = chunk_of(toy, seen)
    assert chunk.shape == (1, 8, 8)
    assert torch.isfinite(chunk).all()
    assert torch.equal(chunk, chunk_of(toy, seen))
    for key, value in (
        (WRIST, 1.0 - seen[WRIST]),
        (THIRD, 1.0 - seen[THIRD]),
        (STATE, -seen[STATE]),
        ("task", "Pick up the lemon."),
    ):
        assert not torch.allclose(chunk, chunk_of(toy, {**seen, key: value}), atol=1e-6), key


def test_a_saved_policy_is_the_same_wherever_its_folder_is_moved(toy, tmp_path):
    toy.save(tmp_path / "first")
    for file in (tmp_path / "first").glob("*.json"):
        assert str(tmp_path) not in file.read_text()
        json.loads(file.read_text())
    moved = (tmp_path / "first").rename(tmp_path / "moved")
    loaded = get_policy_class(toy.config.type).from_pretrained(moved)
    assert not loaded.training
    before, after = make_pre_post_processors(loaded.config, pretrained_path=str(moved))
    torch.manual_seed(0)
    chunk = after(loaded.predict_action_chunk(before(observation(BOTH, 8))))
    assert torch.equal(chunk, chunk_of(toy, observation(BOTH, 8)))


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_damaged_weights_are_an_error_and_never_a_random_policy(toy, tmp_path, damage):
    weights = toy.save(tmp_path / "policy") / "model.safetensors"
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-64])
    else:
        from safetensors.torch import save_file

        save_file({"another.weight": torch.zeros(2)}, weights)
    from safetensors import SafetensorError

    with pytest.raises((OSError, SafetensorError, RuntimeError)):
        get_policy_class(toy.config.type).from_pretrained(tmp_path / "policy")


def test_the_loss_per_sample_has_the_mean_loss_as_its_mean(toy):
    toy.policy.eval()
    batch = batch_for(toy)
    torch.manual_seed(3)
    mean, parts = toy.policy(batch)
    torch.manual_seed(3)
    each, _ = toy.policy(batch, reduction="none")
    assert each.shape == (4,)
    assert mean.item() == pytest.approx(each.mean().item(), rel=1e-5)
    assert parts["loss"] == pytest.approx(mean.item(), rel=1e-5)


def test_every_parameter_is_trained(toy):
    toy.policy.train()
    toy.policy.zero_grad()
    with torch.no_grad():
        for name, parameter in toy.policy.named_parameters():
            if ".film." in name:
                parameter.normal_(std=0.1)  # a zero-initialised FiLM passes no gradient on to the instruction
    toy.policy(batch_for(toy))[0].backward()
    unused = [name for name, parameter in toy.policy.named_parameters() if parameter.grad is None]
    # pi0 asks the prefix only for its keys and values, so what its last layer computes after them reaches nothing.
    last = f"language_model.layers.{getattr(toy.config, 'depth', 0) - 1}."
    assert [name for name in unused if last not in name and not name.endswith("language_model.norm.weight")] == []


def test_the_target_is_used_in_training_alone(toy):
    batch = batch_for(toy)
    without = {key: value for key, value in batch.items() if key != TARGET}
    toy.policy.eval()
    chunks = []
    for seen in (batch, without, {**batch, TARGET: -batch[TARGET]}):
        torch.manual_seed(0)
        chunks.append(toy.policy.predict_action_chunk(seen))
    assert torch.equal(chunks[0], chunks[1])
    assert torch.equal(chunks[0], chunks[2])
    assert "target_loss" not in toy.policy(without)[1]
    assert ("target_loss" in toy.policy(batch)[1]) == (getattr(toy.config, "vision", "") != "siglip")


def test_augmentation_is_for_training_alone(toy):
    batch, losses = batch_for(toy), {}
    for training in (True, False):
        toy.policy.train(training)
        losses[training] = []
        for seed in (5, 6):
            torch.manual_seed(seed)
            batch_loss = toy.policy({**batch, ACTION: batch[ACTION].clone()})[0].item()
            losses[training].append(batch_loss)
    toy.policy.eval()
    assert losses[True][0] != losses[True][1]
    assert (losses[False][0] == losses[False][1]) == (toy.config.type == "film")  # pi0 draws noise and time


def test_a_missing_camera_is_an_error_and_not_a_black_image(toy):
    seen = observation(BOTH, 8)
    del seen[THIRD]
    with pytest.raises(SchemaError, match=THIRD):
        toy.policy.predict_action_chunk(toy.before(seen))


def test_an_instruction_beyond_the_context_is_refused(toy):
    with pytest.raises(SpecError, match="context holds 32"):
        toy.before(observation(BOTH, 8, task="pick up the red mug " * 9))


def test_actions_are_given_out_one_by_one_and_forgotten_on_reset(toy):
    batch = toy.before(observation(BOTH, 8))
    toy.policy.reset()
    torch.manual_seed(0)
    given = [toy.policy.select_action(batch) for _ in range(4)]
    assert torch.equal(torch.stack(given, dim=1), toy_chunk(toy, batch)[:, :4])
    toy.policy.select_action(batch)
    toy.policy.reset()
    torch.manual_seed(0)
    assert torch.equal(toy.policy.select_action(batch), given[0])


def toy_chunk(toy, batch):
    torch.manual_seed(0)
    return toy.policy.predict_action_chunk(batch)


@pytest.mark.parametrize("config", [FilmConfig, Pi0MiniConfig])
def test_features_that_cannot_be_served_are_refused(config):
    image, state = PolicyFeature(FeatureType.VISUAL, (3, 32, 32)), PolicyFeature(FeatureType.STATE, (8,))
    action = PolicyFeature(FeatureType.ACTION, (8,))
    whole = {"input_features": {WRIST: image, STATE: state}, "output_features": {ACTION: action}, "device": "cpu"}
    config(**whole).validate_features()
    for wrong, message in (
        ({"input_features": {STATE: state}}, "needs an image"),
        ({"input_features": {WRIST: image}}, STATE),
        ({"output_features": {}}, ACTION),
        ({"input_features": {**whole["input_features"], "observation.privileged.boxes": state}}, "privileged"),
    ):
        with pytest.raises(UsageError, match=message):
            config(**{**whole, **wrong}).validate_features()


def test_options_of_pi0_that_do_not_apply_are_refused():
    with pytest.raises(UsageError, match="Did you mean 'siglip'"):
        Pi0MiniConfig(device="cpu", vision="siglipp")
    for options, message in (
        ({"max_action_dim": 7}, "max_action_dim is 7"),
        ({"empty_cameras": 1}, "empty cameras"),
    ):
        with pytest.raises(UsageError, match=message):
            build("pi0_mini", states=8, actions=8, **options)


def test_pi0_mini_is_pi0_but_for_its_sizes_and_its_eyes():
    assert issubclass(Pi0MiniPolicy, PI0Policy)
    for name in ("predict_action_chunk", "select_action", "save_pretrained", "supports_rtc", "prepare_action"):
        assert getattr(Pi0MiniPolicy, name) is not None
        assert name not in vars(Pi0MiniPolicy)
    for name in ("forward", "sample_actions", "denoise_step", "embed_suffix", "sample_noise", "sample_time"):
        assert getattr(Pi0MiniModel, name) is getattr(PI0Pytorch, name)


def test_sizes_stay_those_of_small_policies():
    cameras = ((WRIST, 96, 96), (THIRD, 96, 128))
    count = {
        kind: sum(p.numel() for p in build(kind, cameras=cameras, states=8, actions=8).policy.parameters())
        for kind in ("film", "pi0_mini")
    }
    assert 200_000 < count["film"] < 400_000
    assert 700_000 < count["pi0_mini"] < 2_000_000


def test_real_time_chunking_follows_the_chunk_under_execution():
    toy = build("pi0_mini", cameras=BOTH, states=8, actions=8, **SMALL, rtc_config=RTCConfig(execution_horizon=6))
    batch = toy.before(observation(BOTH, 8))
    assert toy.policy.supports_rtc()
    left = torch.ones(1, 6, 8)
    chunks = {}
    for name, options in (("free", {}), ("guided", {"inference_delay": 2, "prev_chunk_left_over": left})):
        torch.manual_seed(0)
        chunks[name] = toy.policy.predict_action_chunk(batch, **options)
    error = {name: (chunk[:, :2] - 1.0).abs().mean() for name, chunk in chunks.items()}
    assert error["guided"] < 0.5 * error["free"]


def test_film_does_not_learn_from_steps_after_the_end():
    toy = build("film", cameras=BOTH, states=8, actions=8, width=16, hidden_width=32)
    toy.policy.eval()
    batch = batch_for(toy)
    padded = torch.arange(8)[None].repeat(4, 1) >= 5
    spoilt = torch.where(padded[:, :, None], 1e3, batch[ACTION])
    losses = [toy.policy({**batch, ACTION: action, "action_is_pad": padded})[0] for action in (batch[ACTION], spoilt)]
    assert torch.equal(*losses)


@pytest.mark.slow
def test_film_reaches_for_what_the_instruction_names():
    toy = build("film", shift_px=0)
    learn(toy, steps=90)
    assert hits(toy, named=0) >= 0.9
    assert hits(toy, named=1) >= 0.9, "the same images with another object named"


@pytest.mark.slow
def test_pi0_mini_fits_what_the_instruction_names():
    """A fixed handful of images, each once with either of two objects named: only the instruction tells them apart."""
    size = {"width": 64, "depth": 2, "mlp_width": 128, "eye_width": 16, "patch": 3}
    toy = build("pi0_mini", shift_px=0, brightness=0.0, contrast=0.0, **size)
    scenes = squares(np.random.default_rng(0), 4)
    parts = [toy.before(scenes.batch(named)) for named in (0, 1)]
    batch = {key: torch.cat([part[key] for part in parts]) for key in parts[0] if torch.is_tensor(parts[0][key])}
    optimizer = torch.optim.AdamW(toy.policy.parameters(), 3e-3)
    for _ in range(120):
        toy.policy.train()
        loss, _ = toy.policy(batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(toy.policy.parameters(), 1.0)
        optimizer.step()
    ends = toy.after(toy.policy.predict_action_chunk(batch))[:, -1]
    wanted = torch.cat([scenes.places[:, named] for named in (0, 1)])
    assert (ends - wanted).norm(dim=1).median() < 0.2
    assert (ends - wanted.roll(4, 0)).norm(dim=1).median() > 0.4
