"""Frozen transformers backbones: a tiny DINOv2 written here, loaded strictly, never trained, referred to by hash."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from robots.errors import CheckpointError, UsageError
from search_policy.learning.batches import input_sizes
from search_policy.learning.checkpoint import load_actor, save_actor
from search_policy.learning.config import NetworkConfig, TrainConfig
from search_policy.learning.networks import Actor, ActorSpec
from search_policy.learning.pretrain import Auxiliary, LabelledFrames, Pretraining
from search_policy.observations import ObsGroups
from search_policy.pixels.backbones import FrozenBackbone, backbone_hash, find_backbone
from search_policy.pixels.config import PixelConfig
from search_policy.pixels.encoders import FrozenEncoder, build_encoder


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    """A folder as `save_pretrained` writes it: two layers of width 16, four patches."""
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    folder = tmp_path_factory.mktemp("dino")
    torch.manual_seed(0)
    size = {"image_size": 28, "patch_size": 14, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    Dinov2Model(Dinov2Config(**size)).save_pretrained(folder)
    square = {"height": 28, "width": 28}
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
    BitImageProcessor(size=square, do_center_crop=False, image_mean=mean, image_std=std).save_pretrained(folder)
    return folder


@pytest.fixture
def copied(dino, tmp_path):
    return shutil.copytree(dino, tmp_path / "copy")


@pytest.fixture
def image():
    return torch.randint(0, 256, (3, 84, 84, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_features_are_the_class_token_beside_the_mean_patch(dino, image):
    from transformers import AutoImageProcessor, AutoModel

    pixels = AutoImageProcessor.from_pretrained(dino)(images=list(image.permute(0, 3, 1, 2)), return_tensors="pt")
    with torch.no_grad():
        tokens = AutoModel.from_pretrained(dino).eval()(**pixels).last_hidden_state
    expected = torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)
    backbone = FrozenBackbone.load(dino)
    assert backbone.width == 32
    torch.testing.assert_close(backbone.features(image), expected)


def test_the_processor_normalises(dino):
    """A backbone is fed (x / 255 - mean) / std of its own processor."""
    backbone, seen = FrozenBackbone.load(dino), []
    backbone._model.register_forward_pre_hook(
        lambda _m, _a, kwargs: seen.append(kwargs["pixel_values"]), with_kwargs=True
    )
    backbone.features(torch.full((1, 84, 84, 3), 51, dtype=torch.uint8))
    expected = (0.2 - torch.tensor([0.4, 0.5, 0.6])) / torch.tensor([0.2, 0.25, 0.3])
    torch.testing.assert_close(seen[0][0].mean(dim=(1, 2)), expected, rtol=1e-4, atol=1e-4)


def test_the_hash_follows_weights_and_processor(copied):
    before = backbone_hash(copied)
    processor = json.loads((copied / "preprocessor_config.json").read_text())
    (copied / "preprocessor_config.json").write_text(json.dumps({**processor, "image_mean": [0.5] * 3}))
    after = backbone_hash(copied)
    tensors = load_file(copied / "model.safetensors")
    tensors["layernorm.bias"] += 1.0
    save_file(tensors, copied / "model.safetensors", {"format": "pt"})
    assert len({before, after, backbone_hash(copied)}) == 3


@pytest.mark.parametrize("change", ["missing", "unexpected", "mismatched"])
def test_weights_must_be_exactly_those_of_the_configuration(copied, change):
    tensors = load_file(copied / "model.safetensors")
    if change == "missing":
        del tensors["layernorm.bias"]
    elif change == "unexpected":
        tensors["head.weight"] = torch.zeros(2)
    else:
        tensors["layernorm.bias"] = torch.zeros(5)
    save_file(tensors, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"layernorm\.bias|head\.weight|cannot be read"):
        FrozenBackbone.load(copied)


@pytest.mark.parametrize("damage", ["truncated", "config", "no_processor", "no_weights", "pickle"])
def test_damaged_folders_are_one_sentence(copied, damage):
    weights = copied / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "config":
        (copied / "config.json").write_text("{")
    elif damage == "no_processor":
        (copied / "preprocessor_config.json").unlink()
    else:
        weights.rename(copied / ("pytorch_model.bin" if damage == "pickle" else "elsewhere"))
    with pytest.raises((CheckpointError, UsageError)) as caught:
        FrozenBackbone.load(copied)
    assert str(copied) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_never_reaches_for_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in ("runs/dino", "/nowhere/at/all", "dino"):
        with pytest.raises(UsageError, match="There is no backbone"):
            find_backbone(name)


def test_an_unknown_encoder_names_the_choices():
    with pytest.raises(UsageError, match="compact, hf:DIR, published"):
        build_encoder("resnet", 8)


class TestEncoder:
    def test_images_and_cached_features_embed_alike(self, dino, image):
        encoder = build_encoder(f"hf:{dino}", 8)
        features = encoder.backbone.features(image)
        assert torch.equal(encoder(image), encoder(features))
        assert encoder(image).abs().max() <= 1.0

    def test_only_the_projection_learns(self, dino, image):
        encoder = build_encoder(f"hf:{dino}", 8)
        encoder(image).sum().backward()
        assert {name.split(".")[0] for name, _ in encoder.named_parameters()} == {"head"}
        assert all(p.grad is None and not p.requires_grad for p in encoder.backbone._model.parameters())
        assert not encoder.train().backbone._model.training

    def test_weights_of_another_backbone_are_refused(self, dino, copied):
        processor = json.loads((copied / "preprocessor_config.json").read_text())
        (copied / "preprocessor_config.json").write_text(json.dumps({**processor, "image_mean": [0.5] * 3}))
        first, second = build_encoder(f"hf:{dino}", 8), build_encoder(f"hf:{copied}", 8)
        with pytest.raises(RuntimeError, match="SHA-256"):
            second.load_state_dict(first.state_dict())


def spec_of(frames, encoder):
    network = dataclasses.replace(NetworkConfig(), encoder=encoder, embedding=8)
    return ActorSpec(input_sizes(frames, ObsGroups()), network)


class TestExportedActor:
    def test_it_holds_the_hash_and_not_the_backbone(self, dino, frames, tmp_path):
        actor = Actor(spec_of(frames, f"hf:{dino}")).eval()
        save_actor(actor, tmp_path / "actor", {})
        keys = load_file(tmp_path / "actor/actor.safetensors")
        assert not any("_model" in key or "attention" in key for key in keys)
        assert bytes(keys["encoder.backbone_sha256"].tolist()).hex() == backbone_hash(dino)
        again = load_actor(tmp_path / "actor")
        image = torch.tensor(frames.image[:2])
        assert torch.equal(again.encoder(image), actor.encoder(image))

    def test_a_missing_backbone_is_named_with_its_hash_and_may_lie_beside_the_actor(self, copied, frames, tmp_path):
        actor, sha256 = Actor(spec_of(frames, f"hf:{copied}")), backbone_hash(copied)
        save_actor(actor, tmp_path / "actor", {})
        moved = copied.rename(tmp_path / "moved")
        with pytest.raises(CheckpointError, match=sha256):
            load_actor(tmp_path / "actor")
        shutil.copytree(moved, tmp_path / "actor/backbone")
        assert isinstance(load_actor(tmp_path / "actor").encoder, FrozenEncoder)

    def test_a_changed_backbone_is_refused(self, copied, frames, tmp_path):
        save_actor(Actor(spec_of(frames, f"hf:{copied}")), tmp_path / "actor", {})
        processor = json.loads((copied / "preprocessor_config.json").read_text())
        (copied / "preprocessor_config.json").write_text(json.dumps({**processor, "image_mean": [0.5] * 3}))
        with pytest.raises(CheckpointError, match="SHA-256"):
            load_actor(tmp_path / "actor")


def test_a_projection_is_pretrained_on_cached_features(dino, frames, tmp_path):
    spec = spec_of(frames, f"hf:{dino}")
    encoder = build_encoder(spec.network.encoder, 8)
    labelled = LabelledFrames(frames, encoder, tmp_path)
    assert labelled.inputs.shape == (len(frames), 32)
    before = encoder.head[1].weight.clone()
    rng = np.random.default_rng(0)
    Pretraining(encoder, Auxiliary(spec), TrainConfig().pixels).update(labelled.draw(rng, 8), rng)
    assert not torch.equal(before, encoder.head[1].weight)


def test_a_frozen_backbone_refuses_losses_between_augmented_images(dino, frames):
    spec = spec_of(frames, f"hf:{dino}")
    encoder = build_encoder(spec.network.encoder, 8)
    with pytest.raises(UsageError, match="drac and curl"):
        Pretraining(encoder, Auxiliary(spec), PixelConfig(drac=0.1))
