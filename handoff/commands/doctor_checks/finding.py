"""What one check found, and the form in which it is printed or handed to a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = "baton.doctor/1"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was checked.
        detail: What was found.
        remedy: What to do about it; empty when all is well.
    """

    name: str
    detail: str
    remedy: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing needs to be done."""
        return not self.remedy


def as_table(findings: Sequence[Finding]) -> list[str]:
    """Return the lines for a person: one per finding, its remedy below it, and a total."""
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.passed else 'FAIL'}  {finding.name.ljust(width)}  {finding.detail}")
        if not finding.passed:
            lines.append(f"      {' ' * width}  {finding.remedy}")
    passed = sum(finding.passed for finding in findings)
    return [*lines, f"{passed} of {len(findings)} checks passed."]


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the same for a program. Fields are only ever added under one `schema`.

    Keys: `schema`, `passed` (bool), `checks`: a list of `name`, `status` ("ok" or "fail"), `detail`, `remedy`.
    """
    checks = [{"status": "ok" if finding.passed else "fail", **asdict(finding)} for finding in findings]
    return {"schema": SCHEMA, "passed": all(finding.passed for finding in findings), "checks": checks}
