"""Findings of the doctor: each with the present value, the expected one and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from landing.problems import Problem


class Level(IntEnum):
    """Severity of a finding."""

    OK = 0  # In order
    NOTE = 1  # Worth knowing; nothing to do for a landing
    WARNING = 2  # A landing may go otherwise than expected
    ERROR = 3  # No landing on a target, or one somewhere else


PROBLEMS = {
    "autopilot": Problem.PITFALL,
    "link": Problem.LINK_QUALITY,
    "parameters": Problem.PARAMETER,
    "pitfalls": Problem.PITFALL,
    "latency": Problem.LATENCY,
    "target": Problem.TARGET,
    "fix": Problem.PARAMETER,
}
"""Kind of trouble, by section."""

# Exit status of the command by its worst finding
EXIT_STATUS = {Level.OK: 0, Level.NOTE: 0, Level.WARNING: 1, Level.ERROR: 2}


@dataclass(frozen=True)
class ParameterChange:
    """A change that `--fix` would write."""

    parameter: str
    value: float
    reboot: bool = False  # The autopilot takes it only at boot


@dataclass(frozen=True)
class DoctorFinding:
    """One line of the report."""

    section: str  # ``autopilot``, ``link``, ``parameters``, ``pitfalls``, ``latency``, ``target`` or ``fix``
    name: str  # Subject, e.g. a parameter's name
    level: Level
    value: str  # The present value, in words
    expected: str = ""  # The expected value; empty where nothing is expected
    why: str = ""  # The consequence, and the remedy
    change: ParameterChange | None = None  # The remedy, where a parameter is one
    data: Mapping[str, Any] = field(default_factory=dict)  # The value in numbers, for `--json`

    @property
    def code(self) -> str:
        """The code under which the troubleshooting pages say what to do; empty where nothing is wrong."""
        return PROBLEMS[self.section].value if self.level >= Level.WARNING else ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: fields that say nothing are left out."""
        found: dict[str, Any] = {
            "section": self.section,
            "name": self.name,
            "level": self.level.name.lower(),
            "value": self.value,
        }
        for name in ("expected", "why", "code"):
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
