"""What a comparison's data carry, in sentences: one per pair of methods, over all numbers of demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_UNITS = {"steps": (1.0, "control steps"), "success": (100.0, "points")}


def claims(comparisons: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one sentence per pair and finding, with the difference for every number of demonstrations it holds for."""
    groups: dict[tuple[str, str, str, str, str], list[Mapping[str, Any]]] = {}
    for item in comparisons:
        for measure, words in item["findings"].items():
            groups.setdefault((_place(item), item["first"], words, item["second"], measure), []).append(item)
    return [
        f"{place}: {a} {words} {b}: {_values(items, measure)}"
        for (place, a, words, b, measure), items in groups.items()
    ]


def undecided(comparisons: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one sentence per pair for the numbers of demonstrations where neither measure carries a difference."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for item in comparisons:
        if not item["findings"]:
            groups.setdefault((_place(item), item["first"], item["second"]), []).append(item)
    return [
        f"{place}: {a} against {b}{_sizes(items)}: no difference is shown." for (place, a, b), items in groups.items()
    ]


def _place(item: Mapping[str, Any]) -> str:
    """Return the setting without its number of demonstrations."""
    size = f"{item['setting']['demonstrations']} demonstrations"
    return ", ".join(part for part in item["text"].split(", ") if part != size)


def _values(items: Sequence[Mapping[str, Any]], measure: str) -> str:
    scale, unit = _UNITS[measure]
    parts = []
    for item in items:
        size, value = item["setting"]["demonstrations"], item[measure]
        low, high = (scale * bound for bound in value["ci95"])
        parts.append(
            f"{scale * value['difference']:+.1f} [{low:+.1f}, {high:+.1f}]" + (f" with {size}" if size else "")
        )
    learned = any(item["setting"]["demonstrations"] for item in items)
    worst = max(item[measure]["p_holm"] for item in items)
    return f"{', '.join(parts)}{' demonstrations' if learned else ''}; {unit}, p <= {worst:.2g}."


def _sizes(items: Sequence[Mapping[str, Any]]) -> str:
    sizes = [str(item["setting"]["demonstrations"]) for item in items if item["setting"]["demonstrations"]]
    return f" with {', '.join(sizes)} demonstrations" if sizes else ""
