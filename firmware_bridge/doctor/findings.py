"""What the doctor found: one thing each, with what it is, what it should be, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How much a finding matters.

    Attributes:
        OK: As it should be.
        NOTE: Worth knowing; nothing to do for a landing.
        WARNING: A landing may go otherwise than expected.
        ERROR: No landing on a target, or one somewhere else.
    """

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


EXIT_STATUS = {Level.OK: 0, Level.NOTE: 0, Level.WARNING: 1, Level.ERROR: 2}
"""Exit status of the command by its worst finding."""


@dataclass(frozen=True)
class ParameterChange:
    """What `--fix` would write.

    Attributes:
        parameter: Which.
        value: To what.
        reboot: Whether the autopilot takes it only at boot.
    """

    parameter: str
    value: float
    reboot: bool = False


@dataclass(frozen=True)
class DoctorFinding:
    """One line of the report.

    Attributes:
        section: ``autopilot``, ``link``, ``parameters``, ``pitfalls``, ``latency``, ``target`` or ``fix``.
        name: What was looked at, e.g. a parameter's name.
        level: How much it matters.
        value: What it is.
        expected: What it should be; empty where nothing is expected.
        why: What comes of it, and what to do.
        change: What mends it, if a parameter does.
        data: The same in numbers, for `--json`.
    """

    section: str
    name: str
    level: Level
    value: str
    expected: str = ""
    why: str = ""
    change: ParameterChange | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

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
