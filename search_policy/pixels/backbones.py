"""Frozen transformers backbones: read from a local directory, identified by their hash, never trained."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from robots.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from transformers import BaseImageProcessor, PreTrainedModel

PREFIX = "hf:"
CONFIG, PROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model*.safetensors"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# Only the tokens are used: a pooling layer may be missing from the file, or be there in vain.
UNUSED = "pooler."


class FrozenBackbone:
    """A vision model of transformers with its own processor, in evaluation mode and without gradient.

    It is not a torch module, so that it stays out of the state of whatever module holds it.

    Attributes:
        folder: Where it was read.
        sha256: Of configuration, processor and weights.
        width: Length of the features.
    """

    def __init__(self, folder: Path, model: PreTrainedModel, processor: BaseImageProcessor, sha256: str) -> None:
        self.folder, self.sha256 = folder, sha256
        self._model = model.eval().requires_grad_(requires_grad=False)
        self._processor = processor
        self._registers = int(getattr(model.config, "num_register_tokens", 0) or 0)
        self.width = self.features(torch.zeros(1, 84, 84, 3, dtype=torch.uint8)).shape[1]

    @classmethod
    def load(cls, folder: Path) -> FrozenBackbone:
        """Read configuration, processor and safetensors weights; no code of the folder is run.

        Raises:
            UsageError: A file is missing.
            CheckpointError: The weights are damaged, or are not exactly those that the configuration needs.
        """
        sha256 = backbone_hash(folder)
        model, processor = _read(folder)
        return cls(folder, model, processor, sha256)

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """Return the class token beside the mean of the patch tokens, or a convolutional map's mean, (b, width).

        Args:
            image: uint8 (b, h, w, 3); resized and normalised by the backbone's own processor.
        """
        pixels = self._processor(images=image.permute(0, 3, 1, 2), return_tensors="pt")["pixel_values"]
        hidden: Tensor = self._model(pixel_values=pixels).last_hidden_state.float()
        if hidden.ndim == 4:
            return hidden.mean(dim=(2, 3))
        return torch.cat([hidden[:, 0], hidden[:, 1 + self._registers :].mean(dim=1)], dim=1)

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenBackbone:
        return self


def find_backbone(name: str) -> Path:
    """Return the folder of a backbone, `DIR`, or a hub id that the user named, which is then fetched once.

    Raises:
        UsageError: There is no such folder, and the hub does not give it.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    # `runs/dino` looks like a hub id too: with a folder `runs` here, it is a mistyped path.
    if not HUB_ID.fullmatch(name) or folder.parent.is_dir():
        raise UsageError(f"There is no backbone in {name}: encoder hf:DIR needs a folder written by save_pretrained.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, PROCESSOR, WEIGHTS])).resolve()
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"The backbone {name} is no folder here, and the hub does not give it: {reason}") from error


def backbone_hash(folder: Path) -> str:
    """Return the SHA-256 of what decides a backbone's features.

    Raises:
        UsageError: A file is missing.
    """
    weights = sorted(folder.glob(WEIGHTS))
    if not weights:
        raise UsageError(f"{folder} holds no model.safetensors; pickled weights are never read.")
    digest = hashlib.sha256()
    for path in (folder / CONFIG, folder / PROCESSOR, *weights):
        if not path.is_file():
            raise UsageError(f"{folder} holds no {path.name}: a backbone is a folder written by save_pretrained.")
        with path.open("rb") as stream:
            digest.update(f"{path.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()};".encode())
    return digest.hexdigest()


def locate_backbone(name: str, actor: Path, sha256: str) -> Path:
    """Return the folder of an exported actor's backbone: as the actor names it, or `backbone/` beside its weights.

    Args:
        name: As the actor's configuration names it.
        actor: Folder of the exported actor.
        sha256: Hash of the backbone that the actor was trained with.

    Raises:
        CheckpointError: It is in neither place.
    """
    for folder in (Path(name).expanduser(), actor / "backbone"):
        if folder.is_dir():
            return folder
    raise CheckpointError(
        f"{actor} sees through the frozen backbone {name}, which is not there: "
        f"put the one with SHA-256 {sha256} into {actor / 'backbone'}."
    )


def _read(folder: Path) -> tuple[PreTrainedModel, BaseImageProcessor]:
    from transformers import AutoImageProcessor, AutoModel
    from transformers.utils import logging

    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    showed = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        processor = AutoImageProcessor.from_pretrained(folder, **options)
        model, report = AutoModel.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **options
        )
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"The backbone in {folder} cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        if showed:
            logging.enable_progress_bar()
    for fault in ("missing", "unexpected", "mismatched"):
        names = sorted(str(key) for key in report[f"{fault}_keys"] if not str(key).startswith(UNUSED))
        if names:
            raise CheckpointError(f"The weights in {folder} do not fit {CONFIG}: {fault} {', '.join(names[:3])}.")
    return model, processor
