"""Rate of decisions against the gate on their age, with the cause when it is too low. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median, quantiles

from landing.decision import Decision

WINDOW_NS = 5_000_000_000
"""Window of the judgement, ns: the decisions within it, and three in any case."""

LEAST, LEAST_S = 3, 3.0
"""So many late decisions, in decisions of so long altogether, are no hiccup."""

CLOSED_SHARE, WELL_SHARE = 0.10, 0.03
"""Part of the time in which the newest decision was too old: from the first on too slow, below the second well. A
target that misses a tick now and then still lands a vehicle."""

WELL_NS = 5_000_000_000
LONGEST_WELL_NS = 60_000_000_000
"""First and longest time of good speed before it counts, ns; it doubles with each relapse within a minute."""

RELAPSE_NS = 60_000_000_000
GONE_NS = 5_000_000_000
"""No decision for so long is not slow but gone, and others say so."""

RESTATE_NS = 30_000_000_000
"""Time after which the figures are stated anew, ns."""


@dataclass(frozen=True)
class Load:
    """Facts of the machine beside its decisions; None where not known.

    Attributes:
        inference_ms: Of the newest decision.
        threads: Of one inference.
        camera_hz: Frames that come.
    """

    inference_ms: float | None = None
    threads: int | None = None
    camera_hz: float | None = None


@dataclass(frozen=True)
class Slowness:
    """Decisions are too slow, in figures.

    Attributes:
        decisions_hz: That come.
        needed_hz: That would have to come, of the camera or of the machine.
        latency_ms: From frame to decision, median.
        inference_ms: Median.
        threads: Of one inference.
        camera_hz: Frames that come.
        by_camera: The camera is what they wait for, not the machine.
    """

    decisions_hz: float
    needed_hz: float
    latency_ms: float
    inference_ms: float | None
    threads: int | None
    camera_hz: float | None
    by_camera: bool

    @property
    def text(self) -> str:
        """In words."""
        if self.by_camera:
            camera_hz = self.decisions_hz if self.camera_hz is None else self.camera_hz
            return f"too slow: camera gives {camera_hz:.1f} frames/s, needs {self.needed_hz:.1f}"
        text = f"too slow: {self.decisions_hz:.1f} decisions/s, needs {self.needed_hz:.1f}"
        if self.inference_ms is None:
            return f"{text}; frame to decision {self.latency_ms:.0f} ms"
        on = ""
        if self.threads is not None:
            on = f" on {self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{text}; inference {self.inference_ms:.0f} ms{on}"


@dataclass(frozen=True)
class _Interval:
    """From one decision to the next: times in s.

    `worst_age_s` is that of the first one's frame when the second came, `idle_s` how long the second one's frame was
    waited for.
    """

    at_ns: int
    period_s: float
    worst_age_s: float
    latency_s: float
    idle_s: float
    inference_ms: float | None


class SpeedMonitor:
    """Watches the newest decision. One caller, at the rate at which targets are sent.

    Args:
        max_age_s: `DirectorSettings.max_decision_age_s`.
    """

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._intervals: deque[_Interval] = deque()
        self._last: tuple[int, int] | None = None  # seen at, of a frame taken at
        self._well_since_ns = 0
        self._well_ns = WELL_NS
        self._left_ns: int | None = None
        self._stated_ns = 0
        self._too_late = False  # judged anew with each decision
        self._slow: Slowness | None = None

    def step(self, now_ns: int, decision: Decision | None, load: Load) -> Slowness | None:
        """Looks at the newest decision; the figures while decisions are too slow.

        The figures are stated once, and anew after half a minute.
        """
        if decision is not None:
            self._see(now_ns, decision.evidence_at_ns, load)
        quiet_ns = 0 if self._last is None else now_ns - self._last[0]
        if quiet_ns > GONE_NS and quiet_ns > self._gone_ns():
            self._intervals.clear()
            self._last = self._slow = None
            self._too_late = False
        if self._slow is None:
            if self._too_late:
                relapse = self._left_ns is not None and now_ns - self._left_ns < RELAPSE_NS
                self._well_ns = min(2 * self._well_ns, LONGEST_WELL_NS) if relapse else WELL_NS
                self._state(now_ns, load)
        elif now_ns - self._well_since_ns >= self._well_ns:
            self._slow, self._left_ns = None, now_ns
        elif now_ns - self._stated_ns >= RESTATE_NS and self._too_late:
            self._state(now_ns, load)
        return self._slow

    @property
    def decisions_hz(self) -> float:
        """Of late; 0 before there were two."""
        total_s = sum(one.period_s for one in self._intervals)
        return len(self._intervals) / total_s if total_s > 0 else 0.0

    def _see(self, now_ns: int, evidence_ns: int, load: Load) -> None:
        before = self._last
        if before is not None and before[1] == evidence_ns:
            return
        self._last = (now_ns, evidence_ns)
        if before is None:
            self._well_since_ns = now_ns
            return
        seen_ns, evidence_before_ns = before
        interval = _Interval(
            now_ns,
            (now_ns - seen_ns) * 1e-9,
            (now_ns - evidence_before_ns) * 1e-9,
            (now_ns - evidence_ns) * 1e-9,
            max(0, evidence_ns - seen_ns) * 1e-9,
            load.inference_ms,
        )
        self._intervals.append(interval)
        while len(self._intervals) > LEAST and now_ns - self._intervals[0].at_ns > WINDOW_NS:
            self._intervals.popleft()
        closed_share = self._closed_share()
        if closed_share > WELL_SHARE:
            self._well_since_ns = now_ns
        self._too_late = closed_share >= CLOSED_SHARE and self._is_no_hiccup()

    def _gone_ns(self) -> int:
        worst_s = max((one.worst_age_s for one in self._intervals), default=0.0)
        return max(GONE_NS, round(3e9 * worst_s))

    def _closed_share(self) -> float:
        """Part of the time in which the newest decision was too old."""
        closed_s = sum(min(one.period_s, max(0.0, one.worst_age_s - self._max_age_s)) for one in self._intervals)
        total_s = sum(one.period_s for one in self._intervals)
        return closed_s / total_s if total_s > 0 else 0.0

    def _is_no_hiccup(self) -> bool:
        late = sum(one.worst_age_s > self._max_age_s for one in self._intervals)
        covered_s = sum(one.period_s for one in self._intervals)
        return late >= LEAST and covered_s >= LEAST_S

    def _state(self, now_ns: int, load: Load) -> None:
        ages_s = [one.worst_age_s for one in self._intervals]
        worst_s = _most(ages_s)
        if worst_s <= self._max_age_s:  # rarely late, but by much
            worst_s = max(ages_s)
        latency_s = median(one.latency_s for one in self._intervals)
        # What remains with a camera that is never waited for: one decision after the other.
        working_s = median(one.worst_age_s - one.idle_s for one in self._intervals)
        needed_hz = 1.0 / (self._max_age_s - min(latency_s, 0.5 * self._max_age_s))
        by_camera = working_s <= self._max_age_s and (load.camera_hz is None or load.camera_hz < needed_hz)
        if not by_camera:
            needed_hz = self.decisions_hz * worst_s / self._max_age_s
        inferences = [one.inference_ms for one in self._intervals if one.inference_ms is not None]
        self._stated_ns = now_ns
        self._slow = Slowness(
            self.decisions_hz,
            needed_hz,
            latency_s * 1e3,
            median(inferences) if inferences else None,
            load.threads,
            load.camera_hz,
            by_camera,
        )


def _most(values: list[float]) -> float:
    """Return the value that nine of ten stay below; at least two values."""
    return quantiles(values, n=10, method="inclusive")[-1]
