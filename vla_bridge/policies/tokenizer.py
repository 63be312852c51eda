"""Instructions as token ids, without any download: known words are one token, all else is spelled in bytes.

The words are saved as part of the processor's own JSON, so a policy folder can be moved, and loading it reads no
other file and no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lerobot.processor import PolicyProcessorPipeline, ProcessorStepRegistry, TokenizerProcessorStep
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from robots.errors import CheckpointError, SpecError
from vla_bridge.policies.vocabulary import default_words, fingerprint

PAD = "<pad>"
BYTES = 256


def vocabulary_size(words: Sequence[str]) -> int:
    """Return how many token ids there are: the padding, every byte, and the words."""
    return 1 + BYTES + len(words)


def build_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer of `words`, case and ASCII punctuation ignored, every other word spelled in UTF-8 bytes.

    Token 0 is the padding, tokens 1 to 256 are the bytes, and the words follow in the given order.
    """
    names = [PAD, *(f"<0x{value:02X}>" for value in range(BYTES)), *words]
    ids = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(BPE(vocab=ids, merges=[], byte_fallback=True, ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"[\s!-/:-@\[-`{-~]+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD)


@dataclass
@ProcessorStepRegistry.register(name="baton_instruction")
class InstructionStep(TokenizerProcessorStep):
    """LeRobot's tokenizer step with the vocabulary inside its own configuration, which refuses instead of truncating.

    Attributes:
        words: The words that are one token each; the default vocabulary when empty.
        max_length: Tokens that an instruction can have; shorter ones are padded on the right.
    """

    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The parent's would look for a tokenizer by name on the hub.
        self.words = list(self.words or default_words())
        self.input_tokenizer = build_tokenizer(self.words)
        self._last: tuple[str | list[str], dict[str, torch.Tensor]] | None = None

    def length(self, instruction: str) -> int:
        """Return how many tokens an instruction has."""
        return len(self.input_tokenizer(instruction, truncation=False)["input_ids"])

    def check(self, instruction: str) -> None:
        """Check that the whole instruction can be read.

        Raises:
            SpecError: It has no word, or more tokens than the policy's context; the message names both numbers.
        """
        length = self.length(instruction)
        if length == 0:
            raise SpecError(f"instruction: {instruction!r} has no word that a policy could read.")
        if length > self.max_length:
            raise SpecError(
                f"instruction: it has {length} tokens, but the policy's context holds {self.max_length}; shorten it."
            )

    def get_config(self) -> dict[str, Any]:
        """Return what the processor's JSON says of this step."""
        return {**super().get_config(), "words": self.words}

    def _tokenize_text(self, text: str | list[str]) -> dict[str, torch.Tensor]:
        if self._last is None or self._last[0] != text:  # in control it stays the same for hundreds of chunks
            for instruction in {text} if isinstance(text, str) else set(text):
                self.check(instruction)
            self._last = text, super()._tokenize_text(text)
        return dict(self._last[1])


def instruction_step(preprocessor: PolicyProcessorPipeline[Any, Any]) -> TokenizerProcessorStep | None:
    """Return the step of a policy's preprocessor that tokenizes the instruction, ours or LeRobot's, if it has one."""
    return next((step for step in preprocessor.steps if isinstance(step, TokenizerProcessorStep)), None)


def check_vocabulary(config: Any, preprocessor: PolicyProcessorPipeline[Any, Any]) -> None:  # noqa: ANN401
    """Check that a preprocessor's vocabulary is the one that the policy was trained with.

    Args:
        config: The policy's configuration; one without a `vocabulary` is not ours and accepts all.
        preprocessor: The processor that was saved beside it.

    Raises:
        CheckpointError: It tokenizes with other words, or not with our step at all.
    """
    expected = getattr(config, "vocabulary", "")
    if not expected:
        return
    step = instruction_step(preprocessor)
    found = fingerprint(step.words) if isinstance(step, InstructionStep) else "none"
    if found != expected:
        raise CheckpointError(f"The tokenizer has vocabulary {found}, but the policy was trained with {expected}.")
