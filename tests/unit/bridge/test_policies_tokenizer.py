"""Any instruction becomes tokens; none is cut off; the vocabulary travels with the policy's folder."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robots.errors import CheckpointError, SpecError
from robots.sim.objects import CLASSES
from vla_bridge.policies import FilmConfig
from vla_bridge.policies.tokenizer import (
    BYTES,
    InstructionStep,
    build_tokenizer,
    check_vocabulary,
    instruction_step,
    vocabulary_size,
)
from vla_bridge.policies.vocabulary import default_words

WORDS = ("mug", "pick", "red", "the", "up")
TOKENIZER = build_tokenizer(WORDS)


def ids(text):
    return TOKENIZER(text)["input_ids"]


def test_a_known_word_is_one_token_and_another_is_spelled_in_bytes():
    assert ids("pick up the red mug") == [1 + BYTES + WORDS.index(word) for word in ("pick", "up", "the", "red", "mug")]
    assert ids("mugs") == [1 + value for value in b"mugs"]


def test_case_punctuation_and_white_space_do_not_matter():
    assert ids("  Pick up,\tthe RED mug!\n") == ids("pick up the red mug")


@given(st.text())
def test_any_instruction_can_be_encoded(text):
    tokens = ids(text)
    assert all(0 < token < vocabulary_size(WORDS) for token in tokens)
    assert tokens or not any(letter.isalnum() for letter in text)


@given(st.text("abcdefgh", min_size=1), st.text("abcdefgh", min_size=1))
def test_other_words_are_other_tokens(one, other):
    assert (ids(one) == ids(other)) == (one == other)


def test_the_default_words_name_every_object_and_are_always_the_same():
    words = default_words()
    assert list(words) == sorted(set(words))
    assert {word for kind in CLASSES.values() for word in kind.word.split()} <= set(words)
    assert default_words() == words


def test_an_instruction_longer_than_the_context_is_refused_with_both_numbers():
    step = InstructionStep(max_length=4, words=list(WORDS))
    assert step.length("pick up the mug") == 4
    step.check("pick up the mug")
    with pytest.raises(SpecError, match="5 tokens, but the policy's context holds 4"):
        step.check("pick up the red mug")
    with pytest.raises(SpecError, match="5 tokens"):
        step._tokenize_text(["mug", "pick up the red mug"])


@pytest.mark.parametrize("nothing", ["", "  ", "?!"])
def test_an_instruction_without_a_word_is_refused(nothing):
    with pytest.raises(SpecError, match="no word"):
        InstructionStep(words=list(WORDS)).check(nothing)


def test_a_short_instruction_is_padded_on_the_right():
    tokens = InstructionStep(max_length=6, words=list(WORDS))._tokenize_text(["red mug"])
    assert tokens["attention_mask"].tolist() == [[1, 1, 0, 0, 0, 0]]
    assert tokens["input_ids"][0, 2:].tolist() == [0] * 4


def test_the_words_survive_a_saved_configuration():
    step = InstructionStep(max_length=9, words=list(WORDS))
    again = InstructionStep(**json.loads(json.dumps(step.get_config())))
    assert again.words == list(WORDS)
    assert again.max_length == 9


def test_another_vocabulary_than_the_policy_s_is_refused():
    class Pipeline:
        def __init__(self, *steps):
            self.steps = steps

    config = FilmConfig(device="cpu")
    check_vocabulary(config, Pipeline(InstructionStep()))
    assert config.vocab_size == len(instruction_step(Pipeline(InstructionStep())).input_tokenizer)
    with pytest.raises(CheckpointError, match="trained with"):
        check_vocabulary(config, Pipeline(InstructionStep(words=list(WORDS))))
    with pytest.raises(CheckpointError, match="none"):
        check_vocabulary(config, Pipeline())
    check_vocabulary(object(), Pipeline())


def test_the_next_instruction_is_read_anew():
    step = InstructionStep(max_length=4, words=list(WORDS))
    first, second, again = (step._tokenize_text([text])["input_ids"].tolist() for text in ("mug", "red", "mug"))
    assert first == again != second
    with pytest.raises(SpecError):
        step._tokenize_text(["pick up the red mug"])
    with pytest.raises(SpecError):
        step._tokenize_text(["pick up the red mug"])
