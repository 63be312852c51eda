"""What a policy is told: the task's own sentence, other ways to say it in demonstrations, and held-out ones."""

from __future__ import annotations

import numpy as np

from robots.sim.objects import find_class
from robots.types import Task

OWN_SHARE = 0.6  # of demonstrations that use the task's own sentence
DEMONSTRATED = (
    "Pick up the {}.",
    "Grab the {}.",
    "Grasp the {}.",
    "Take the {} from the shelf.",
    "Get the {} from the bookcase.",
    "Please pick up the {}.",
    "Give me the {}.",
)
HELD_OUT = (
    "Fetch the {} from the shelf, please.",
    "Could you get me the {}?",
    "I want the {}: pick it up.",
    "Lift the {} off the bookcase.",
    "Now take that {} out of the bookshelf.",
)


def demonstrated(task: Task, rng: np.random.Generator) -> str:
    """Return an instruction as demonstrations hold it."""
    if rng.random() < OWN_SHARE:
        return task.instruction
    return _said(DEMONSTRATED[int(rng.integers(len(DEMONSTRATED)))], task)


def held_out(task: Task, index: int) -> str:
    """Return a paraphrase that no demonstration holds; the index chooses which."""
    return _said(HELD_OUT[index % len(HELD_OUT)], task)


def _said(sentence: str, task: Task) -> str:
    return sentence.format(find_class(task.target).word)
