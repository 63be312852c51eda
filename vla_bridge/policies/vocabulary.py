"""The words that are one token each: the simulator's own names, and everyday words for the same requests.

A word that is not listed is spelled in bytes (see `tokenizer`), so any instruction can be encoded; it only takes more
of the context, and a policy that never saw it cannot know what it means.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

ACTIONS = """
pick picking up grab take get fetch grasp lift bring give hand hold collect retrieve remove pull put place find reach
choose select move carry pass show want need please now could can would you me my your it its this that these those
the an and or not no is are be there here one some any thing object item with without for to of off out from in into
inside on onto at by near next beside behind between before under above below over front back left right top bottom
middle center centre upper lower first second third nearest closest other another only
"""
LOOKS = """
red green blue yellow orange white black grey gray brown purple pink violet teal cyan gold golden silver beige cream
dark light bright pale deep striped plain colored coloured small little tiny large big tall short long round square
flat thin thick wooden metal plastic glass ceramic clay paper rubber soft hard full empty open closed
"""
THINGS = """
pineapple fruit ananas duck ducky duckling bird bath toy book novel volume paperback mug coffee tea cup tumbler beaker
drinking bottle wine water flask can tin soda drink canned ball tennis sphere bowl dish box carton package parcel
container vase flower jug plant pot potted houseplant pinecone cone pine goose swan jar preserving cactus succulent
lemon lime citrus cube dice block brick peg dowel
"""
PLACES = """
bookcase bookshelf shelf shelves shelving rack cabinet cupboard closet drawer door table desk counter board floor
compartment room kitchen
"""


def simulator_words() -> set[str]:
    """Return the words in the names of every simulated object and in the instruction of every simulated task."""
    from robots.sim.objects import CLASSES, TABLE_CLASSES
    from robots.sim.tasks import SETTINGS

    texts = [f"{kind.name} {kind.word}" for kind in (CLASSES | TABLE_CLASSES).values()]
    texts += [f"{setting.verb} {setting.place} {setting.task.instruction}" for setting in SETTINGS.values()]
    return {word for text in texts for word in re.findall(r"[a-z]+", text.lower())}


def default_words() -> tuple[str, ...]:
    """Return the words of a new policy, sorted; a single letter is one byte and therefore one token anyway."""
    words = simulator_words().union(*(words.split() for words in (ACTIONS, LOOKS, THINGS, PLACES)))
    return tuple(sorted(word for word in words if len(word) > 1))


def fingerprint(words: Iterable[str] | Sequence[str]) -> str:
    """Return what tells two vocabularies apart: the first 16 digits of the SHA-256 of the words, one a line."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
