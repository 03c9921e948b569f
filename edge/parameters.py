"""The ``TD_*`` parameters: what a ground station sees of the daemon, and the little it may change.

Two work at once: the off switch and the period of the status line. The others that may be written are limits of the
decision, and only towards more caution than configuration and model ask for; they are kept in a file and count from the
next start on, so that a recorded flight was decided on with one set of limits from its first frame to its last.
Authority is never writable.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ValidationError

from edge.config import EdgeConfig
from edge.log import EventLog
from firmware_bridge.parameters import OwnParameter, ParameterKind, Writable, as_real32
from firmware_bridge.token_bucket import TokenBucket
from landing.errors import ConfigError, InvalidValueError
from landing.reading import read_json, take_name
from landing.settings import AuthorityLevel, DecisionSettings, DirectorSettings, threshold_at
from landing.validation import first_problem

logger = logging.getLogger("edge")

CHANGES_PER_S, CHANGES_AT_ONCE = 2.0, 40
"""Changes that are taken of everybody together, beside those that switch off: poses wait while each is kept."""

ENABLE = "TD_ENABLE"
STATUS_PERIOD = "TD_STATUS_S"


class Caution(Enum):
    """Direction in which a limit becomes stricter."""

    MORE = "at least"
    LESS = "at most"


class Rules(Protocol):
    """Settings that fly, as far as limits are of them (`edge.resolved.ResolvedFlight`)."""

    @property
    def decision(self) -> DecisionSettings:
        """Settings of the decision."""

    @property
    def director(self) -> DirectorSettings:
        """Settings of the director."""


@dataclass(frozen=True)
class Limit:
    """A number of what flies that may be made stricter.

    Attributes:
        name: Of the parameter.
        section: Of the configuration.
        field: In the section.
        unit: Of the value.
        caution: Which way is stricter.
        loosest: The other end of what the field accepts.
        kept_as: Field of the configuration's section that takes a kept value; the same by default.
    """

    name: str
    section: str
    field: str
    unit: str
    caution: Caution
    loosest: float
    kept_as: str = ""

    def of(self, rules: Rules) -> float:
        """The value that flies."""
        return float(getattr(getattr(rules, self.section), self.field))

    def is_allowed(self, value: float, present: float) -> bool:
        """Return True when a value asks for as much caution as another, or more."""
        if self.caution is Caution.MORE:
            return present <= value <= self.loosest
        return self.loosest <= value <= present


LIMITS = (
    Limit("TD_RADIUS_M", "decision", "vehicle_radius_m", "m", Caution.MORE, 10.0),
    Limit("TD_MARGIN_M", "decision", "margin_m", "m", Caution.MORE, 10.0),
    Limit("TD_MAX_DIST_M", "decision", "max_distance_m", "m", Caution.LESS, 1.0),
    # The model may be stricter than the configuration, so a kept value is only an upper bound.
    Limit("TD_PERSON_P", "decision", "person_probability", "", Caution.LESS, 0.01, "person_at_most"),
    Limit("TD_LANDABLE_P", "decision", "landable_probability", "", Caution.MORE, 0.99),
    Limit("TD_CONFIRM_S", "director", "confirm_s", "s", Caution.MORE, 30.0),
)
READ_ONLY = (
    ("TD_COMMIT_M", "decision", "commit_height_m", "m", 50.0),
    ("TD_HOLD_S", "director", "hold_timeout_s", "s", 600.0),
    ("TD_CAM_LAT_MS", "camera", "latency_ms", "ms", 1000.0),
    ("TD_FRAME_AGE_MS", "camera", "max_frame_age_ms", "ms", 5000.0),
    ("TD_FRAME_LAND_P", "decision", "frame_landable_probability", "", 1.0),
)


class DaemonParameters:
    """A `firmware_bridge.parameters.ParameterTable` of a running daemon. Thread-safe.

    Args:
        config: As the file says.
        flies: What flies.
        unkept: What would fly without what was kept.
        kept: What was kept, by name.
        events: Where every change is written.
    """

    def __init__(
        self, config: EdgeConfig, flies: Rules, unkept: Rules, kept: Mapping[str, float], events: EventLog
    ) -> None:
        self._config = config
        self._unkept = unkept
        self._file = config.expert.link.parameters
        self._events = events
        self._withhold: Callable[[str | None], None] | None = None
        self._set_status_period: Callable[[float], None] | None = None
        self._lock = threading.Lock()
        self._kept = dict(kept)
        self._changes = TokenBucket(CHANGES_PER_S, CHANGES_AT_ONCE)
        self._limits = {limit.name: limit for limit in LIMITS}
        self._values = {
            ENABLE: kept.get(ENABLE, 1.0),
            STATUS_PERIOD: config.log.status_period_s,
            "TD_AUTHORITY": float(list(AuthorityLevel).index(config.authority.level)),
            **{limit.name: limit.of(flies) for limit in LIMITS},
            **{
                name: float(getattr(getattr(config if s == "camera" else flies, s), f))
                for name, s, f, _, _ in READ_ONLY
            },
        }
        self._parameters = tuple(self._described())

    @property
    def parameters(self) -> tuple[OwnParameter, ...]:
        """All, in an order that never changes."""
        return self._parameters

    def connect(self, withhold: Callable[[str | None], None], set_status_period: Callable[[float], None]) -> None:
        """Connect what takes effect at once. Both are called now and at every change.

        Args:
            withhold: Takes why targets and commands are withheld, or None.
            set_status_period: Takes the period of the status line, s.
        """
        self._withhold, self._set_status_period = withhold, set_status_period
        self._apply()

    def _apply(self) -> None:
        if self._withhold is not None and self._set_status_period is not None:
            off = self.get(ENABLE) == 0.0
            self._withhold(f"switched off by {ENABLE}" if off else None)
            self._set_status_period(self.get(STATUS_PERIOD))

    def get(self, name: str) -> float:
        """The value: of a limit the one that will count after the next start."""
        with self._lock:
            return self._values[name]

    def set(self, name: str, value: float, source: str) -> None:
        """See `firmware_bridge.parameters.ParameterTable`."""
        limit = self._limits.get(name)
        if limit is not None and value == as_real32(limit.of(self._unkept)):
            value = limit.of(self._unkept)  # back to it, but for the wire's rounding
        self._check(name, value)
        with self._lock:
            if (name, value) != (ENABLE, 0.0):
                if not self._changes.open(time.monotonic_ns()):
                    raise InvalidValueError(f"{name} stays: parameters are changed too often")
                self._changes.take(1)
            before, self._values[name] = self._values[name], value
            if name != STATUS_PERIOD:
                self._kept[name] = value
            kept = dict(self._kept)
        later = " from the next start on" if name in self._limits else ""
        logger.warning("parameter %s: %g -> %g%s (%s)", name, before, value, later, source)
        self._events.write("parameter", name=name, before=before, value=value, source=source)
        self._apply()
        if self._file is not None and name != STATUS_PERIOD:
            self._keep(self._file, kept)

    def _check(self, name: str, value: float) -> None:
        parameter = next(p for p in self._parameters if p.name == name)
        limit = self._limits.get(name)
        if limit is not None and not limit.is_allowed(value, limit.of(self._unkept)):
            raise InvalidValueError(
                f"{name} is {value:g}, expected {limit.caution.value} what configuration and model "
                f"say, {limit.of(self._unkept):g}"
            )
        if not parameter.low <= value <= parameter.high:
            raise InvalidValueError(f"{name} is {value:g}, expected {parameter.low:g} to {parameter.high:g}")

    def _keep(self, path: Path, kept: Mapping[str, float]) -> None:
        draft = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")
            take_name(draft, path)
        except OSError as error:
            logger.error("parameters %s: not kept (%s)", path, error)

    def _described(self) -> list[OwnParameter]:
        limits_writable = Writable.NEVER if self._file is None else Writable.DISARMED
        fields = EdgeConfig.model_fields
        described = [
            OwnParameter(ENABLE, ParameterKind.INT32, "0 sends no landing target", "", 0, 1, 1, Writable.ALWAYS),
            OwnParameter(
                STATUS_PERIOD,
                ParameterKind.REAL32,
                "Period of the status line",
                "s",
                0.1,
                60.0,
                self._config.log.status_period_s,
                Writable.ALWAYS,
            ),
            OwnParameter("TD_AUTHORITY", ParameterKind.INT32, "0 advise, 1 guard, 2 land", "", 0, 2, 0),
        ]
        for limit in LIMITS:
            configured = limit.of(self._unkept)
            low, high = sorted((configured, limit.loosest))
            section = fields[limit.section].annotation
            assert section is not None
            text = str(section.model_fields[limit.field].description)
            described.append(
                OwnParameter(limit.name, ParameterKind.REAL32, text, limit.unit, low, high, configured, limits_writable)
            )
        for name, section_name, field, unit, high in READ_ONLY:
            section = fields[section_name].annotation
            assert section is not None
            text = str(section.model_fields[field].description)
            described.append(OwnParameter(name, ParameterKind.REAL32, text, unit, 0.0, high, self._values[name]))
        return described


def read_kept(path: Path | None) -> dict[str, float]:
    """Read the values set by ground stations; empty when nothing is kept.

    Raises:
        ConfigError: The file is damaged: it may have held an off switch, so it is not passed over.
    """
    if path is None or not os.path.lexists(path):
        return {}
    known = {ENABLE, *(limit.name for limit in LIMITS)}
    try:
        data = read_json(path, "parameters", ConfigError)
        kept = {str(name): float(value) for name, value in data.items()}
    except (ConfigError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(
            f"parameters {path}: cannot be read ({error}); mend it, or remove it to fly with the configuration alone"
        ) from error
    strangers = sorted(set(kept) - known)
    if strangers:
        raise ConfigError(f"parameters {path}: {', '.join(strangers)} is none that can be set")
    return kept


def with_kept(config: EdgeConfig, kept: Mapping[str, float]) -> EdgeConfig:
    """The configuration with every kept limit that is still stricter than it.

    Raises:
        ConfigError: The kept limits do not fit together with the rest.
    """
    sections: dict[str, dict[str, float]] = {}
    for limit in LIMITS:
        value, field = kept.get(limit.name), limit.kept_as or limit.field
        present: float | None = getattr(getattr(config, limit.section), field)
        if field == "landable_probability" and present is None:
            present = threshold_at(field, config.decision.strictness)
        if value is not None and (present is None or limit.is_allowed(value, present)):
            sections.setdefault(limit.section, {})[field] = value
    # Validated again as a whole: single limits may be in range and yet not fit together.
    checked: dict[str, BaseModel] = {}
    for name, values in sections.items():
        section: BaseModel = getattr(config, name)
        try:
            checked[name] = type(section).model_validate({**section.model_dump(), **values})
        except ValidationError as error:
            raise ConfigError(
                f"parameters {config.expert.link.parameters}: with what was kept [{name}] cannot be: "
                f"{first_problem(error, type(section))}; mend the file, or remove it to fly with "
                "the configuration alone"
            ) from error
    return config.model_copy(update=checked)
