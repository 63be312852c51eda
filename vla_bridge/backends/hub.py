"""A policy folder on this machine, or one that the user named on the Hugging Face hub; nothing else is downloaded."""

from __future__ import annotations

import os
import re
from pathlib import Path

from robots.errors import CheckpointError

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "SHA256SUMS", "*.md")


def local_folder(path: Path) -> Path:
    """Return the policy's folder; one that is named `org/name` and does not exist here is downloaded first.

    After this call LeRobot and Transformers are offline, whatever a file in the folder names.

    Raises:
        CheckpointError: There is no such folder, or it cannot be downloaded.
    """
    folder = path
    if not path.exists() and HUB_NAME.fullmatch(str(path)):
        folder = _download(str(path))
    if not folder.is_dir():
        raise CheckpointError(f"There is no policy folder {path}.")
    go_offline()
    return folder


def go_offline() -> None:
    """Make every later look-up of a hub name in this process end at the local cache."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from huggingface_hub import constants

    constants.HF_HUB_OFFLINE = True  # it may have read the environment before


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(WANTED)))
    except (LocalEntryNotFoundError, ConnectionError) as error:
        why = "HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") else "the hub cannot be reached"
        raise CheckpointError(
            f"{name} is no folder here, and it is not in the cache of the Hugging Face hub while {why}."
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{name} is no folder here and cannot be downloaded from the hub: {reason}") from error
