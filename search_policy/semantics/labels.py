"""The words of the semantic map: object classes, and the furniture's movable parts.

They are part of every trained insight; a test holds them to the simulation's objects and parts.
"""

from __future__ import annotations

NONE = "none"
PATCH_PX = 4
LABELS: tuple[str, ...] = (
    NONE,
    *("pineapple", "duck", "book", "mug", "bottle", "can", "ball", "bowl", "box", "vase", "plant"),
    *("pinecone", "goose", "jar", "cup", "cactus", "lemon"),
    *("door", "drawer", "screen"),
)
