"""Rules about parameters, as data: the expected value, the reason and the severity of each.

A rule is judged on the values read, and on nothing else. The rules of each autopilot are tables in `ardupilot` and
`px4`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from firmware_bridge.doctor.findings import DoctorFinding, Level, ParameterChange
from firmware_bridge.doctor.parameters import AutopilotParameter, holds
from firmware_bridge.identity import Version

Values = Mapping[str, float]  # Value of each parameter that the autopilot has, by name


@dataclass(frozen=True)
class ExpectedValue:
    """The values that a parameter may have."""

    accepts: Callable[[float], bool]
    words: str  # The expectation in words
    meaning: Callable[[float], str]  # A value in words, with its unit
    mended: Callable[[float], float | None]  # Written by a fix; None leaves it to the owner


def one_of(values: Sequence[float], names: Mapping[int, str] | None = None, mend: bool = True) -> ExpectedValue:
    """Accept one of some numbers; a fix writes the first, if it may."""
    meaning = _named(names or {})
    return ExpectedValue(
        lambda value: any(holds(value, accepted) for accepted in values),
        " or ".join(map(meaning, values)),
        meaning,
        lambda value: values[0] if mend else None,
    )


def within(low: float, high: float, unit: str = "", mend: float | None = None) -> ExpectedValue:
    """Accept a range with both ends; an infinite high is no limit. A fix writes `mend`."""
    meaning = _named({}, unit)
    return ExpectedValue(
        lambda value: (low <= value <= high) or holds(value, low) or holds(value, high),
        f"at least {meaning(low)}" if math.isinf(high) else f"{number(low)} to {meaning(high)}",
        meaning,
        lambda value: mend,
    )


def bits(set_bits: int = 0, clear_bits: int = 0, *, names: Mapping[int, str], mend: bool = False) -> ExpectedValue:
    """Accept values with some bits set and some clear; a fix leaves the other bits as they are."""

    def accepts(value: float) -> bool:
        return round(value) & set_bits == set_bits and not round(value) & clear_bits

    def meaning(value: float) -> str:
        found = [names.get(1 << i, f"bit {i}") for i in _places(round(value))]
        return f"{number(value)} ({', '.join(found)})" if found else number(value)

    wanted = [f"'{names.get(1 << i, 1 << i)}' set" for i in _places(set_bits)]
    wanted += [f"'{names.get(1 << i, 1 << i)}' clear" for i in _places(clear_bits)]
    return ExpectedValue(
        accepts,
        ", ".join(wanted),
        meaning,
        lambda value: float((round(value) | set_bits) & ~clear_bits) if mend else None,
    )


def anything(unit: str = "", names: Mapping[int, str] | None = None) -> ExpectedValue:
    """Accept every value; it is shown for the reader."""
    return ExpectedValue(lambda value: True, "", _named(names or {}, unit), lambda value: None)


def _named(names: Mapping[int, str], unit: str = "") -> Callable[[float], str]:
    def meaning(value: float) -> str:
        name = names.get(round(value)) if value == round(value) else None
        return f"{number(value)} ({name})" if name else f"{number(value)} {unit}".rstrip()

    return meaning


@dataclass(frozen=True)
class Rule:
    """The expectation about one parameter."""

    parameter: str
    expect: ExpectedValue
    level: Level = Level.WARNING  # Severity of another value
    reboot: bool = False  # The autopilot reads it at boot only
    since: Version = (0, 0, 0)  # First firmware version that has it
    before: Version | None = None  # First firmware version without it, e.g. after a change of its name
    missing: Level | None = None  # Severity of its absence
    when: Callable[[Values], bool] = lambda values: True  # The rule applies to these values
    why: str = ""  # The consequence of another value

    def because(self, why: str) -> Rule:
        """Return the rule with its reason."""
        return replace(self, why=why)

    def belongs_to(self, version: Version | None) -> bool:
        """Return whether a firmware has this parameter; an unknown version may have it."""
        return version is None or (self.since <= version and (self.before is None or version < self.before))

    def judge(self, values: Values) -> DoctorFinding | None:
        """Return the finding, or None where the rule does not apply."""
        if not self.when(values):
            return None
        value = values.get(self.parameter)
        name, words = self.parameter, self.expect.words
        if value is None:
            missing = self.missing
            if missing is None:
                return None
            return DoctorFinding("parameters", name, missing, "not there", words, self.why)
        if not math.isfinite(value):
            why = "it was never set, or its storage is damaged; set it in a ground station"
            return DoctorFinding("parameters", name, Level.ERROR, "not a number", words, why)
        ok = self.expect.accepts(value)
        mended = None if ok else self.expect.mended(value)
        change = None if mended is None else ParameterChange(name, mended, self.reboot)
        level = Level.OK if ok else self.level
        meaning = self.expect.meaning(value)
        return DoctorFinding("parameters", name, level, meaning, words, self.why, change, {"value": value})


def names_of(rules: Iterable[Rule], version: Version | None) -> list[str]:
    """Parameters that the rules ask about, in order, each once."""
    return list(dict.fromkeys(r.parameter for r in rules if r.belongs_to(version)))


def judge_all(
    rules: Sequence[Rule], parameters: Mapping[str, AutopilotParameter | None], version: Version | None
) -> list[DoctorFinding]:
    """Judge the parameters read by every rule."""
    values = {name: p.value for name, p in parameters.items() if p is not None}
    found = (rule.judge(values) for rule in rules if rule.belongs_to(version))
    return [finding for finding in found if finding is not None]


def number(value: float) -> str:
    """Write a float32 as people do: 0.02, not 0.0199999996."""
    return f"{value:.6g}"


def _places(mask: int) -> list[int]:
    return [i for i in range(32) if mask >> i & 1]
