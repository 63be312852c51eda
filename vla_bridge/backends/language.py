"""Whether a policy reads the instruction as it was trained to: the right tokenizer, and a whole sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robots.errors import CheckpointError, SpecError

TOKENS = "observation.language.tokens"
MASK = "observation.language.attention_mask"
EMBEDDINGS = ("embed_tokens", "embed", "token_embedding", "word_embeddings")


class Language:
    """The tokenizer step of a policy's preprocessor, kept from cutting off what is too long.

    Args:
        preprocess: The policy's preprocessor.
    """

    def __init__(self, preprocess: Any) -> None:  # noqa: ANN401 - LeRobot's types are not imported here
        from vla_bridge.policies.tokenizer import instruction_step

        self._step: Any = instruction_step(preprocess)
        if self._step is not None:
            self._step.truncation = False  # LeRobot would cut off the end of the sentence and say nothing

    def check_vocabulary(self, policy: Any, preprocess: Any, folder: Path) -> None:  # noqa: ANN401
        """Check that every token that the tokenizer can give has a row in the model's embedding.

        Raises:
            CheckpointError: It has not, or a policy of our own was trained with another vocabulary.
        """
        from vla_bridge.policies.tokenizer import check_vocabulary

        if self._step is None:
            return
        check_vocabulary(policy.config, preprocess)
        tokens = 1 + max(self._step.input_tokenizer.get_vocab().values())
        for name, rows in _embeddings(policy).items():
            if tokens > rows:
                raise CheckpointError(
                    f"The tokenizer of {folder} has {tokens} tokens, but {name} of its model has {rows} rows: it is "
                    "not the tokenizer that the policy was trained with."
                )

    def check_length(self, batch: Mapping[str, Any]) -> None:
        """Check that a preprocessed batch holds no more tokens than the policy's context.

        Raises:
            SpecError: It does; the message names both numbers.
        """
        if self._step is None or batch[TOKENS].shape[-1] <= self._step.max_length:
            return
        raise SpecError(
            f"instruction: it has {int(batch[MASK].sum())} tokens, but the policy's context holds "
            f"{self._step.max_length}; shorten it."
        )


def tokenizer_overrides(folder: Path, steps: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Point LeRobot's tokenizer step at the tokenizer in the policy's folder.

    Args:
        folder: The policy's folder.
        steps: Each saved step's own configuration, by its registered name.

    Raises:
        CheckpointError: The step names a tokenizer that is not on this machine.
    """
    if "tokenizer_processor" not in steps:
        return {}
    for name in ("tokenizer", "vlm"):
        if (folder / name / "tokenizer_config.json").is_file():
            return {"tokenizer_processor": {"tokenizer_name": str(folder / name)}}
        if name == "tokenizer" and (folder / name).exists():
            raise CheckpointError(
                f"The tokenizer of {folder} is incomplete: tokenizer/tokenizer_config.json is missing."
            )
    return {}


def missing_tokenizer(folder: Path, name: str) -> CheckpointError:
    """Return the error for a tokenizer that is neither in the folder nor in the hub's cache."""
    return CheckpointError(
        f"The policy in {folder} was trained with the tokenizer {name!r}, which is not on this machine and is not "
        f"downloaded: save it as {folder / 'tokenizer'}."
    )


def _embeddings(policy: Any) -> dict[str, int]:  # noqa: ANN401
    from torch import nn

    return {
        name: module.num_embeddings
        for name, module in policy.named_modules()
        if isinstance(module, nn.Embedding) and name.rsplit(".", 1)[-1] in EMBEDDINGS
    }
