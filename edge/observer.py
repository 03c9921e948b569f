"""Those who look on while the daemon works: recorder, preview page, metrics.

They are given immutable values and must not wait: whoever has more to do than to keep a reference does it in a thread
of its own, and drops when that thread is behind.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edge.health import Health
from edge.pipeline import Step
from firmware_bridge.report import LinkStatus
from landing.choice.known_sites import SiteBook
from landing.command.authority_io import AuthorityOutput
from landing.decision import Decision
from landing.globe import GlobalFix
from landing.guidance.director import DirectorOutput
from landing.types import Pose
from landing.vehicle import VehicleStatus

logger = logging.getLogger("edge")


@dataclass(frozen=True)
class DaemonStatus:
    """Everything the control loop knew at one tick.

    Attributes:
        at_ns: Monotonic time of the tick.
        started_ns: Monotonic time of the daemon's start.
        output: State, reason and target of the director.
        memory: What the director's next step builds on.
        refusal: Why the link did not take the last target; None when it did.
        decision: The newest.
        pose: The newest.
        vehicle: What the autopilot says of itself.
        link: State of the link.
        health: Of the inputs and the whole.
        counters: Since the start, by name.
        authority: State and reason of what may be commanded; None in `advise`.
        slow: Why decisions are too slow, in words; None while they are not.
        fix: The vehicle's newest place on the globe; None while it is not known.
        book: Sites seen on the way; None where none are kept. It goes on changing.
        gimbal: Why the camera cannot be landed by, in words; None where it can.
        depth: Depth sensors and what becomes of their looks, in words; empty while none was heard.
    """

    at_ns: int
    started_ns: int
    output: DirectorOutput
    memory: Mapping[str, Any]
    refusal: str | None
    decision: Decision | None
    pose: Pose | None
    vehicle: VehicleStatus
    link: LinkStatus
    health: Health
    counters: Mapping[str, int]
    authority: AuthorityOutput | None = None
    slow: str | None = None
    fix: GlobalFix | None = None
    book: SiteBook | None = None
    gimbal: str | None = None
    depth: str = ""


class Observer(Protocol):
    """Looks on. One that raises OSError or ValueError is removed, and the daemon goes on."""

    def on_step(self, step: Step) -> None:
        """After each decision, in the pipeline thread."""

    def on_status(self, status: DaemonStatus) -> None:
        """After each tick of the control loop (20 Hz), in its thread."""

    def on_event(self, line: Mapping[str, Any]) -> None:
        """After each event, in the thread of whoever wrote it; the mapping is the log's line."""


class Observers:
    """The present observers. Each is called in turn; one that fails is left out from then on."""

    def __init__(self, observers: tuple[Observer, ...] = ()) -> None:
        self._present = observers  # replaced whole, so reading needs no lock

    def __bool__(self) -> bool:
        return bool(self._present)

    def step(self, step: Step) -> None:
        """Hands on a step of the pipeline."""
        for observer in self._present:
            self._call(observer, observer.on_step, step)

    def status(self, status: DaemonStatus) -> None:
        """Hands on a tick of the control loop."""
        for observer in self._present:
            self._call(observer, observer.on_status, status)

    def event(self, line: Mapping[str, Any]) -> None:
        """Hands on an event."""
        for observer in self._present:
            self._call(observer, observer.on_event, line)

    def _call(self, observer: Observer, method: Callable[[Any], None], value: Any) -> None:
        try:
            method(value)
        except (OSError, ValueError) as error:
            self._present = tuple(o for o in self._present if o is not observer)
            logger.error("%s is left out from now on: %s", type(observer).__name__, error)
