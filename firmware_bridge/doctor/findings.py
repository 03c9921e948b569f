"""What the doctor found: one thing each, with what it is, what it should be, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How much a finding matters."""

    OK = 0  # As it should be
    NOTE = 1  # Worth knowing; nothing to do for a landing
    WARNING = 2  # A landing may go otherwise than expected
    ERROR = 3  # No landing on a target, or one somewhere else


# Exit status of the command by its worst finding
EXIT_STATUS = {Level.OK: 0, Level.NOTE: 0, Level.WARNING: 1, Level.ERROR: 2}


@dataclass(frozen=True)
class ParameterChange:
    """What `--fix` would write."""

    parameter: str  # Which
    value: float  # To what
    reboot: bool = False  # Whether the autopilot takes it only at boot


@dataclass(frozen=True)
class DoctorFinding:
    """One line of the report."""

    section: str  # ``autopilot``, ``link``, ``parameters``, ``pitfalls``, ``latency``, ``target`` or ``fix``
    name: str  # What was looked at, e.g. a parameter's name.
    level: Level  # How much it matters
    value: str  # What it is
    expected: str = ""  # What it should be; empty where nothing is expected
    why: str = ""  # What comes of it, and what to do
    change: ParameterChange | None = None  # What mends it, if a parameter does
    data: Mapping[str, Any] = field(default_factory=dict)  # The same in numbers, for `--json`

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: fields that say nothing are left out."""
        found: dict[str, Any] = {
            "section": self.section,
            "name": self.name,
            "level": self.level.name.lower(),
            "value": self.value,
        }
        for name in ("expected", "why"):
            if getattr(self, name):
                found[name] = getattr(self, name)
        if self.change is not None:
            found["fix"] = vars(self.change)
        if self.data:
            found["data"] = dict(self.data)
        return found


def worst(findings: Iterable[DoctorFinding]) -> Level:
    """The worst level; `Level.OK` for none."""
    return max((finding.level for finding in findings), default=Level.OK)
