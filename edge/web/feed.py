"""The newest of what the daemon did, kept for whoever looks: references only, nothing is drawn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.observer import DaemonStatus
from edge.pipeline import Step
from landing.guidance.gates import Gate, gates
from landing.settings import DirectorSettings

EVENTS = 100


@dataclass(frozen=True)
class HeldGate:
    """A gate and how long it has been as it is.

    Attributes:
        gate: As of the newest tick.
        since_ns: Monotonic time at which it opened, or closed, or began to be asked.
    """

    gate: Gate
    since_ns: int


@dataclass
class Durations:
    """Sums of how long the stages took, for rates over any time: seconds and count by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    count: int = 0


class Feed:
    """An observer of the daemon. Thread-safe; nothing in it waits.

    Args:
        settings: Of the director, for the gates.
    """

    def __init__(self, settings: DirectorSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._step: Step | None = None
        self._status: DaemonStatus | None = None
        self._held: dict[str, HeldGate] = {}
        self._events: deque[Mapping[str, Any]] = deque(maxlen=EVENTS)
        self.durations = Durations()

    def on_step(self, step: Step) -> None:
        """A decision, in the pipeline thread."""
        with self._lock:
            self._step = step
            self.durations.count += 1
            for stage, milliseconds in step.timings_ms.items():
                sums = self.durations.seconds
                sums[stage] = sums.get(stage, 0.0) + milliseconds * 1e-3

    def on_status(self, status: DaemonStatus) -> None:
        """A tick of the control loop."""
        told = status.vehicle, self._settings, status.slow, status.gimbal
        asked = gates(status.at_ns, status.decision, status.pose, *told)
        with self._lock:
            held = {}
            for gate in asked:
                before = self._held.get(gate.name)
                same = before is not None and before.gate.is_open == gate.is_open
                since_ns = before.since_ns if before is not None and same else status.at_ns
                held[gate.name] = HeldGate(gate, since_ns)
            self._held = held
            self._status = status

    def on_event(self, line: Mapping[str, Any]) -> None:
        """An event of the log; the page has what a periodic ``status`` holds, and newer."""
        if line["event"] == "status":
            return
        with self._lock:
            self._events.append(line)

    @property
    def step(self) -> Step | None:
        """The newest decision and what it was made of."""
        with self._lock:
            return self._step

    @property
    def status(self) -> DaemonStatus | None:
        """The newest tick."""
        with self._lock:
            return self._status

    @property
    def held(self) -> tuple[HeldGate, ...]:
        """The gates of the newest tick, in their order."""
        with self._lock:
            return tuple(self._held.values())

    def timings(self) -> Durations:
        """A copy of the sums."""
        with self._lock:
            return Durations(dict(self.durations.seconds), self.durations.count)

    def events_since(self, mono_ns: int) -> tuple[Mapping[str, Any], ...]:
        """Events later than a monotonic time, oldest first; only the last ones are kept."""
        with self._lock:
            return tuple(e for e in self._events if int(e["mono_ns"]) > mono_ns)
