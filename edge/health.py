"""Health of the daemon: each input is valid, alive and frequent enough, or not.

The overall state is what the autopilot and the service manager are told. It follows evidence, an arrival of something,
never a timer of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from firmware_bridge.messages import HealthState

RATE_WINDOW_NS = 3_000_000_000


@dataclass(frozen=True)
class InputHealth:
    """One input at one moment.

    Attributes:
        name: Of the input.
        ever: It has delivered at least once.
        alive: It delivered within its timeout.
        valid: Its last delivery can be used.
        rate_ok: It delivers often enough.
        rate_hz: Deliveries a second over the last 3 s.
        detail: The problem in words; empty if there is none.
    """

    name: str
    ever: bool
    alive: bool
    valid: bool
    rate_ok: bool
    rate_hz: float
    detail: str

    @property
    def ok(self) -> bool:
        """True if nothing is wrong with it."""
        return self.alive and self.valid and self.rate_ok


class InputMonitor:
    """Watches one input. Thread-safe.

    Args:
        name: For messages.
        timeout_ns: Longest gap.
        min_rate_hz: Least rate; 0 asks for none.
    """

    def __init__(self, name: str, timeout_ns: int, min_rate_hz: float = 0.0) -> None:
        self.name = name
        self._timeout_ns = timeout_ns
        self._min_rate_hz = min_rate_hz
        self._lock = threading.Lock()
        self._arrivals: deque[int] = deque(maxlen=1000)  # of the rate's window
        self._last_ns: int | None = None
        self._since_ns = 0
        self._problem: str | None = None

    def arrived(self, at_ns: int, problem: str | None = None) -> None:
        """Note a delivery; `problem` says why it cannot be used."""
        with self._lock:
            if self._last_ns is None or at_ns - self._last_ns > self._timeout_ns:
                self._since_ns = at_ns  # a rate is measured from the end of a gap
            self._last_ns = at_ns
            self._arrivals.append(at_ns)
            self._problem = problem

    def failed(self, problem: str) -> None:
        """Note a failure: the input is not valid until the next delivery."""
        with self._lock:
            self._problem = problem

    @property
    def last_ns(self) -> int | None:
        """Time of the last delivery."""
        with self._lock:
            return self._last_ns

    def health(self, now_ns: int) -> InputHealth:
        """Return its health at a time."""
        with self._lock:
            if self._last_ns is None:
                detail = self._problem or "nothing yet"
                return InputHealth(self.name, False, False, False, False, 0.0, detail)
            gap_ns = now_ns - self._last_ns
            problem = self._problem
            window_start_ns = max(self._since_ns, now_ns - RATE_WINDOW_NS)
            while self._arrivals and self._arrivals[0] < window_start_ns:
                self._arrivals.popleft()
            span_ns = max(now_ns - window_start_ns, 1)
            recent = len(self._arrivals)
            rate_hz = recent / (span_ns / 1e9) if recent > 1 else 0.0
            settled = span_ns >= RATE_WINDOW_NS
        alive = gap_ns <= self._timeout_ns
        rate_ok = not settled or rate_hz >= self._min_rate_hz
        detail = ""
        if problem is not None:
            detail = problem
        elif not alive:
            detail = f"nothing for {gap_ns / 1e9:.1f} s"
        elif not rate_ok:
            detail = f"{rate_hz:.1f} Hz, at least {self._min_rate_hz:g} expected"
        return InputHealth(self.name, True, alive, problem is None, rate_ok, rate_hz, detail)


@dataclass(frozen=True)
class Health:
    """The whole at one moment.

    Attributes:
        state: Overall.
        reasons: One text for each input that is not well.
        inputs: Each input.
    """

    state: HealthState
    reasons: tuple[str, ...]
    inputs: tuple[InputHealth, ...]

    @property
    def rates_hz(self) -> dict[str, float]:
        """Rate of each input by its name."""
        return {i.name: i.rate_hz for i in self.inputs}

    @property
    def text(self) -> str:
        """One line."""
        return self.state.value + (": " + "; ".join(self.reasons) if self.reasons else "")


def overall(
    inputs: tuple[InputHealth, ...], *, active: bool, relied_on: bool, starting: bool, slow: str | None = None
) -> Health:
    """Return the state that follows from the inputs.

    Args:
        inputs: All that a decision needs.
        active: A landing site is being followed.
        relied_on: The vehicle is landing with our help, so a failure now is an emergency.
        starting: Inputs that have not delivered yet may still be on their way.
        slow: Words of decisions that are too slow for any target.
    """
    bad = [i for i in inputs if not i.ok]
    # A detail that names its input already, as a camera's own error does, is not named twice.
    reasons = tuple(i.detail if i.detail.startswith(i.name) else f"{i.name} {i.detail}" for i in bad)
    well = HealthState.OK if active else HealthState.STANDBY
    if slow is not None:
        well, reasons = HealthState.DEGRADED, (slow, *reasons)
    failed = [i for i in bad if not (i.alive and i.valid)]  # the others are slow, but work
    if not failed:
        return Health(well, reasons, inputs)
    if starting and all(not i.ever for i in failed):
        return Health(HealthState.STARTING, reasons, inputs)
    return Health(HealthState.FAILED if relied_on else HealthState.DEGRADED, reasons, inputs)
