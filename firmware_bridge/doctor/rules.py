"""Rules about parameters, as data: what a parameter should be, why, and how much it matters.

A rule is judged on the values read, and on nothing else. The rules of each autopilot are tables in `ardupilot` and
`px4`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from firmware_bridge.doctor.findings import DoctorFinding, Level, ParameterChange
from firmware_bridge.doctor.parameters import AutopilotParameter, holds
from firmware_bridge.identity import Version

Values = Mapping[str, float]  # AutopilotParameter name to value, of those that the autopilot has


class ExpectedValue(Protocol):
    """What a value should be."""

    def accepts(self, value: float) -> bool:
        """Whether it is so."""

    def words(self) -> str:
        """What is expected, in words."""

    def meaning(self, value: float) -> str:
        """The value in words, with its unit."""

    def mended(self, value: float) -> float | None:
        """What a fix would write instead; None where that is for the owner to say."""


@dataclass(frozen=True)
class OneOf:
    """One of some numbers; the first mends it."""

    values: tuple[float, ...]  # The accepted ones
    names: Mapping[int, str] = field(default_factory=dict)  # What numbers mean, accepted or not
    mend: bool = True  # Whether a fix may write the first

    def accepts(self, value: float) -> bool:
        """See `ExpectedValue`."""
        return any(holds(value, accepted) for accepted in self.values)

    def words(self) -> str:
        """See `ExpectedValue`."""
        return " or ".join(self.meaning(value) for value in self.values)

    def meaning(self, value: float) -> str:
        """See `ExpectedValue`."""
        name = self.names.get(round(value)) if value == round(value) else None
        return f"{number(value)} ({name})" if name else number(value)

    def mended(self, value: float) -> float | None:
        """See `ExpectedValue`."""
        return self.values[0] if self.mend else None


@dataclass(frozen=True)
class Within:
    """Between two numbers."""

    low: float  # low, high: Both accepted; an infinite high is no limit
    high: float
    unit: str = ""  # Of the value
    mend: float | None = None  # What a fix writes; None leaves it to the owner

    def accepts(self, value: float) -> bool:
        """See `ExpectedValue`."""
        return (self.low <= value <= self.high) or holds(value, self.low) or holds(value, self.high)

    def words(self) -> str:
        """See `ExpectedValue`."""
        if math.isinf(self.high):
            return f"at least {self.meaning(self.low)}"
        return f"{number(self.low)} to {self.meaning(self.high)}"

    def meaning(self, value: float) -> str:
        """See `ExpectedValue`."""
        return f"{number(value)} {self.unit}".rstrip()

    def mended(self, value: float) -> float | None:
        """See `ExpectedValue`."""
        return self.mend


@dataclass(frozen=True)
class Bits:
    """Some bits set, some clear."""

    set_bits: int = 0  # set_bits, clear_bits: Masks
    clear_bits: int = 0
    names: Mapping[int, str] = field(default_factory=dict)  # What each bit means, by its mask
    mend: bool = False  # Whether a fix may set and clear them; other bits stay as they are

    def accepts(self, value: float) -> bool:
        """See `ExpectedValue`."""
        bits = round(value)
        return bits & self.set_bits == self.set_bits and not bits & self.clear_bits

    def words(self) -> str:
        """See `ExpectedValue`."""
        wanted = [f"'{self.names.get(1 << i, 1 << i)}' set" for i in _places(self.set_bits)]
        wanted += [f"'{self.names.get(1 << i, 1 << i)}' clear" for i in _places(self.clear_bits)]
        return ", ".join(wanted)

    def meaning(self, value: float) -> str:
        """See `ExpectedValue`."""
        names = [self.names.get(1 << i, f"bit {i}") for i in _places(round(value))]
        return f"{number(value)} ({', '.join(names)})" if names else number(value)

    def mended(self, value: float) -> float | None:
        """See `ExpectedValue`."""
        bits = round(value) | self.set_bits
        return float(bits & ~self.clear_bits) if self.mend else None


@dataclass(frozen=True)
class Anything:
    """Shown for the reader; nothing is wrong with any value."""

    unit: str = ""  # Of the value
    names: Mapping[int, str] = field(default_factory=dict)  # What numbers mean

    def accepts(self, value: float) -> bool:
        """See `ExpectedValue`."""
        return True

    def words(self) -> str:
        """See `ExpectedValue`."""
        return ""

    def meaning(self, value: float) -> str:
        """See `ExpectedValue`."""
        name = self.names.get(round(value)) if value == round(value) else None
        return f"{number(value)} ({name})" if name else f"{number(value)} {self.unit}".rstrip()

    def mended(self, value: float) -> float | None:
        """See `ExpectedValue`."""
        return None


def _always(_: Values) -> bool:
    return True


@dataclass(frozen=True)
class Rule:
    """What one parameter should be."""

    parameter: str  # Its name
    expect: ExpectedValue  # What it should be
    why: str  # What comes of it
    level: Level = Level.WARNING  # How much it matters when it is otherwise
    reboot: bool = False  # The autopilot reads it at boot only
    since: Version = (0, 0, 0)  # First firmware version that has it
    before: Version | None = None  # First firmware version that has it no more, e.g. under another name.
    missing: Level | None = None  # How much it matters that it is not there
    when: Callable[[Values], bool] = _always  # Whether the rule applies, by the other values

    def belongs_to(self, version: Version | None) -> bool:
        """Whether a firmware has this parameter; one that hides its version is asked for all."""
        if version is None:
            return True
        return self.since <= version and (self.before is None or version < self.before)

    def judge(self, values: Values) -> DoctorFinding | None:
        """The finding, or None where the rule does not apply."""
        if not self.when(values):
            return None
        value = values.get(self.parameter)
        if value is None:
            return self._missing()
        if not math.isfinite(value):
            return DoctorFinding(
                "parameters",
                self.parameter,
                Level.ERROR,
                "not a number",
                self.expect.words(),
                "it was never set, or its storage is damaged; set it in a ground station",
            )
        ok = self.expect.accepts(value)
        mended = None if ok else self.expect.mended(value)
        return DoctorFinding(
            "parameters",
            self.parameter,
            Level.OK if ok else self.level,
            self.expect.meaning(value),
            self.expect.words(),
            self.why,
            None if mended is None else ParameterChange(self.parameter, mended, self.reboot),
            {"value": value},
        )

    def _missing(self) -> DoctorFinding | None:
        if self.missing is None:
            return None
        return DoctorFinding("parameters", self.parameter, self.missing, "not there", self.expect.words(), self.why)


def names_of(rules: Iterable[Rule], version: Version | None) -> list[str]:
    """Parameters that the rules ask about, in order, each once."""
    return list(dict.fromkeys(r.parameter for r in rules if r.belongs_to(version)))


def judge_all(
    rules: Sequence[Rule], parameters: Mapping[str, AutopilotParameter | None], version: Version | None
) -> list[DoctorFinding]:
    """Every rule's finding on the parameters read."""
    values = {name: p.value for name, p in parameters.items() if p is not None}
    found = (rule.judge(values) for rule in rules if rule.belongs_to(version))
    return [finding for finding in found if finding is not None]


def number(value: float) -> str:
    """A float32 as people write it: 0.02, not 0.0199999996."""
    return f"{value:.6g}"


def _places(bits: int) -> list[int]:
    return [i for i in range(32) if bits >> i & 1]
