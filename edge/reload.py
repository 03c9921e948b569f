"""SIGHUP: the configuration file is read again, checked whole, and taken or left.

A file that is bad, or that asks for something that cannot be had, changes nothing and is said. The period of the status
line and the level of the text log change at once. Everything else begins anew within the process, on the ground only:
so a flight is decided on by one set of rules from its first frame to its last, and its recording too.

What is compared is what flies: a default that is written down changes nothing, another calibration in the same file
does, and so do limits that a ground station set since the start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import EdgeConfig, load_config
from edge.log import EventLog
from edge.parameters import read_kept
from edge.resolved import ResolvedFlight, resolve_flight
from landing.errors import TouchdownError
from landing.model.spec import ModelSpec
from landing.vehicle import VehicleStatus

logger = logging.getLogger("edge")

AT_ONCE = ("log.level", "log.status_period_s")

RESOLVED: dict[str, Any] = {
    "decision": True,
    "director": True,
    "authority": True,
    "picture": True,
    "camera": {
        "hfov_deg",
        "calibration",
        "fx",
        "fy",
        "cx",
        "cy",
        "distortion",
        "mount",
        "gimbal",
        "latency_ms",
        "calibrated",
        "max_frame_age_ms",
    },
}
"""Keys of a configuration that are compared as what flies with them."""


@dataclass(frozen=True)
class Change:
    """One key that is different.

    Attributes:
        key: With its section.
        before, after: Values.
    """

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Verdict:
    """Result of a request to reload.

    Attributes:
        restart: The daemon is to end its run, so that the next begins with the new configuration.
        config: In force from now on, as far as it takes effect at once.
        text: For the pilot.
    """

    restart: bool
    config: EdgeConfig
    text: str


class Reloader:
    """Keeps the configuration of a process over its runs.

    Args:
        path: Of the file.
        config: That was read from it.
        events: Where every change, and every refusal, is written.

    Attributes:
        config: For the next run.
    """

    def __init__(self, path: Path, config: EdgeConfig, events: EventLog) -> None:
        self._path = path
        self._events = events
        self._asked = False
        self._before: EdgeConfig | None = None
        self._again = False
        self._spec: ModelSpec | None = None
        self._flight: ResolvedFlight | None = None
        self.config = config

    def ask(self) -> None:
        """Asks for a reload. Callable from a signal handler: it takes no lock."""
        self._asked = True

    def flies(self, flight: ResolvedFlight, spec: ModelSpec) -> None:
        """Tells it what the run that begins flies, and of which network."""
        self._flight, self._spec = flight, spec

    def poll(self, vehicle: VehicleStatus) -> Verdict | None:
        """Does what was asked for since the last call; None when nothing was.

        Args:
            vehicle: Whether it is armed. One that says nothing counts as disarmed: it cannot be guided either.
        """
        if not self._asked:
            return None
        self._asked = False
        try:
            wanted = load_config(self._path)
            before = self._flight if self._flight is not None else self._resolved(self.config)
            changes = tuple(differences(in_force(self.config, before), in_force(wanted, self._resolved(wanted))))
        except TouchdownError as error:
            return self._refuse(str(error))
        if not changes:
            self._events.write("reload", taken=True, changes=0)
            return Verdict(False, self.config, "Configuration read again: nothing is different")
        later = [c for c in changes if c.key not in AT_ONCE]
        if later and vehicle.link_alive and vehicle.armed:
            names = ", ".join(c.key for c in later[:3]) + (" ..." if len(later) > 3 else "")
            return self._refuse(f"armed; {names} can change on the ground only")
        for change in changes:
            logger.warning("config %s: %s -> %s", change.key, change.before, change.after)
            self._events.write("config-changed", key=change.key, before=change.before, after=change.after)
        if later:
            self._before, self._again = self.config, True
        self.config = wanted
        self._events.write("reload", taken=True, changes=len(changes))
        return Verdict(bool(later), wanted, f"Configuration taken: {len(changes)} changes")

    def begin_again(self) -> bool:
        """Return True when the run that ended was ended for another one."""
        again, self._again = self._again, False
        return again

    def began(self) -> None:
        """Tells it that all parts of the run are there: its configuration is the one to keep, whatever fails later."""
        self._before = None

    def revert(self, error: TouchdownError) -> bool:
        """A run failed: whether it never began, and there is an earlier configuration to go back to."""
        before, self._before = self._before, None
        if before is None or self._again:  # what failed while it ended was the earlier configuration
            return False
        self._refuse(str(error))
        self.config = before
        return True

    def _resolved(self, config: EdgeConfig) -> ResolvedFlight:
        """With the network that flies: another one begins a new run in any case."""
        config = config.model_copy(update={"model": self.config.model})
        return resolve_flight(config, self._spec, read_kept(config.expert.link.parameters))

    def _refuse(self, why: str) -> Verdict:
        logger.error("configuration not taken, nothing has changed: %s", why)
        self._events.write("reload", taken=False, reason=why)
        return Verdict(False, self.config, f"Configuration not taken: {why}")


def in_force(config: EdgeConfig, flight: ResolvedFlight) -> dict[str, Any]:
    """Every key with the value that counts; of those in `RESOLVED` what flies."""
    flies = flight.as_dict()
    values = _flat(config.model_dump(mode="json", exclude=RESOLVED))
    for name in ("taxonomy", "decision", "director", "authority", "picture", "camera"):
        values.update(_flat(flies[name] or {}, f"{name}."))
    values.update({f"camera.{name}": flies[name] for name in ("latency_ms", "max_frame_age_ms")})
    return values


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    """Keys whose value is another."""
    for key in [*before, *(k for k in after if k not in before)]:
        if before.get(key) != after.get(key):
            yield Change(key, before.get(key), after.get(key))


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            result.update(_flat(value, f"{prefix}{name}."))
        else:
            result[prefix + name] = value
    return result
