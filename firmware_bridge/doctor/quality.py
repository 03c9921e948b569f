"""Quality of the link: loss by sequence numbers, round trip, and each stream's rate."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.findings import DoctorFinding, Level
from firmware_bridge.doctor.session import NS_PER_S, Session
from firmware_bridge.streams import SUBSTITUTES
from firmware_bridge.supplement import timesync

PROBE_PERIOD_NS = 100_000_000
LOSS_WARNING = 0.01
LOSS_ERROR = 0.10
# Of probes there and back. Targets come at 20 Hz, and a landing on 2 Hz was flown; an order may be lost all the same.
UNANSWERED_WARNING, UNANSWERED_ERROR = 0.05, 0.30
LEAST_PROBES = 10
ANSWER_NS = NS_PER_S  # A probe sent later than so long before the end may still be answered
RTT_WARNING_MS = 60.0
RTT_ERROR_MS = 250.0
BITS_PER_BYTE = 10  # On a serial line: start bit, eight data bits, stop bit
FULL = 0.7  # Above this part of a serial line's bytes, the autopilot thins streams
_link = partial(DoctorFinding, "link")

WHY_MISSING = {
    "ATTITUDE_QUATERNION": "the estimator has no attitude: wait (PX4 takes some 35 s after boot)",
    "LOCAL_POSITION_NED": "the estimator has no position: wait (ArduPilot takes some 45 s after "
    "boot), and give it a sky or optical flow",
    "DISTANCE_SENSOR": "no rangefinder, or it sees nothing; the height is then above where the vehicle stood",
    "GIMBAL_DEVICE_ATTITUDE_STATUS": "no gimbal tells its attitude: no decision is made",
    "GIMBAL_MANAGER_STATUS": "the autopilot manages no gimbal: the camera is not pointed down, and no target is sent",
}

SETTLE_S = 2.0  # Time in which the streams asked for begin to flow, before rates are taken


@dataclass
class Quality:
    """Result of a few seconds of listening."""

    seconds: float = 0.0
    loss: float = 0.0  # Lost part of the autopilot's frames, 0 to 1
    frames: int = 0  # Frames of the autopilot
    bytes_per_s: float = 0.0  # All bytes on the link, towards us
    bytes_bad: int = 0  # Bytes that belonged to no good frame
    rtt_ms: list[float] = field(default_factory=list)  # Round trips by TIMESYNC, or PING where TIMESYNC is not answered
    rtt_by: str = ""  # TIMESYNC or PING; empty when neither is answered
    probes: int = 0  # Probes that had time for an answer, of the kind that is answered
    unanswered: int = 0  # Those of them that got none: lost on the way up or down
    rates_hz: dict[str, float] = field(default_factory=dict)  # Message name to rate
    asked_hz: dict[str, float] = field(default_factory=dict)  # Streams that the daemon asks for
    missing: tuple[str, ...] = ()  # Asked streams that do not come
    slow: tuple[str, ...] = ()  # Asked streams well under their rate
    timesync_asked: int = 0  # TIMESYNC requests of the autopilot
    timesync_answered: dict[int, int] = field(default_factory=dict)  # Component to the number of its answers

    @property
    def rtt_median_ms(self) -> float | None:
        """Median round trip; None when nothing answers."""
        return statistics.median(self.rtt_ms) if self.rtt_ms else None


class RoundTrip:
    """Round-trip probes by TIMESYNC and PING; only answers to our own stamps count.

    Asking (tc1 = 0) leaves the autopilot's own clock estimate alone; answering would not.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked: set[int] = set()
        self._pings: dict[int, int] = {}
        self._sent_ns: list[int] = []
        self._next_ns = 0
        self._sequence = 0
        self.timesync_ms: list[float] = []
        self.ping_ms: list[float] = []

    def probe(self, now_ns: int) -> None:
        """Send both kinds, when they are due."""
        target = self._session.telemetry.autopilot
        if target is None or now_ns < self._next_ns:
            return
        self._next_ns = now_ns + PROBE_PERIOD_NS
        self._asked.add(now_ns)
        self._sent_ns.append(now_ns)
        self._session.send(timesync(0, now_ns, target.system, target.component))
        self._sequence += 1
        self._pings[self._sequence] = now_ns
        self._session.send(
            mavlink.MAVLink_ping_message(now_ns // 1000, self._sequence, target.system, target.component)
        )

    def answered_of(self, until_ns: int) -> tuple[int, int]:
        """Return how many probes were sent until then, and how many of them got no answer."""
        left_ns = self._asked if self.timesync_ms else self._pings.values()
        return sum(at_ns <= until_ns for at_ns in self._sent_ns), sum(at_ns <= until_ns for at_ns in left_ns)

    def on_message(self, message: Any, now_ns: int) -> None:
        """Take any message of the autopilot."""
        kind = message.get_type()
        if kind == "TIMESYNC" and message.tc1 != 0:
            if message.ts1 in self._asked:
                self._asked.remove(message.ts1)
                self.timesync_ms.append((now_ns - message.ts1) / 1e6)
        elif kind == "PING" and message.target_system != 0:
            sent_ns = self._pings.pop(message.seq, None)
            if sent_ns is not None:
                self.ping_ms.append((now_ns - sent_ns) / 1e6)


def measure(session: Session, seconds: float) -> Quality:
    """Listen, with the daemon's streams asked for, and probe the round trip meanwhile.

    Raises:
        LinkError: The autopilot is not heard.
    """
    known = session.connect()
    session.ask_streams()
    session.listen(min(SETTLE_S, seconds))
    trips = RoundTrip(session)
    quality = Quality(asked_hz=session.settings.asked_rates_hz())

    def on_message(message: Any, now_ns: int) -> None:
        if message.get_srcSystem() != known.system:
            return
        component = message.get_srcComponent()
        is_timesync = message.get_type() == "TIMESYNC"
        if component != known.component:
            if is_timesync and message.tc1 != 0:
                answers = quality.timesync_answered
                answers[component] = answers.get(component, 0) + 1
            return
        trips.on_message(message, now_ns)
        quality.timesync_asked += is_timesync and message.tc1 == 0

    heard = session.telemetry
    frames, lost_before = heard.peers, heard.frames_lost
    received_before = heard.selector.sequence.received
    bytes_before, bad_before = frames.bytes_received, frames.bytes_bad
    started_ns = time.monotonic_ns()
    deadline_ns = started_ns + round(seconds * NS_PER_S)
    session.listeners.append(on_message)
    try:
        while (now_ns := time.monotonic_ns()) < deadline_ns:
            trips.probe(now_ns)
            session.listen(0.02)
    finally:
        session.listeners.remove(on_message)
    streams = heard.streams
    quality.seconds = (now_ns - started_ns) / NS_PER_S
    quality.frames = heard.selector.sequence.received - received_before
    lost = max(0, heard.frames_lost - lost_before)
    quality.loss = lost / max(1, lost + quality.frames)
    quality.bytes_per_s = (frames.bytes_received - bytes_before) / quality.seconds
    quality.bytes_bad = frames.bytes_bad - bad_before
    quality.rtt_ms = trips.timesync_ms or trips.ping_ms
    quality.rtt_by = "TIMESYNC" if trips.timesync_ms else "PING" if trips.ping_ms else ""
    quality.probes, quality.unanswered = trips.answered_of(now_ns - ANSWER_NS)
    quality.rates_hz = streams.rates_hz(now_ns)
    quality.missing, quality.slow = streams.missing(now_ns), streams.slow(now_ns)
    return quality


def quality_findings(quality: Quality, session: Session) -> list[DoctorFinding]:
    """Judge the measurement."""
    found = [_loss(quality), *_unanswered(quality), _round_trip(quality), _load(quality, session)]
    needed = session.settings.needed()
    for name, asked_hz in quality.asked_hz.items():
        rate_hz = quality.rates_hz.get(name) or quality.rates_hz.get(SUBSTITUTES.get(name, ""), 0.0)
        level, why = Level.OK, ""
        if name in quality.missing:
            level = Level.ERROR if name in needed else Level.WARNING
            why = WHY_MISSING.get(name, "it does not come: the autopilot refuses the stream")
        elif name in quality.slow:
            level, why = Level.WARNING, "the line is full, or somebody else on it asks for less"
        data = {"rate_hz": round(rate_hz, 2), "asked_hz": asked_hz}
        found.append(_link(f"rate of {name}", level, f"{rate_hz:.1f} Hz", f"{asked_hz:g} Hz", why, data=data))
    return found


def _loss(quality: Quality) -> DoctorFinding:
    level = _level(quality.loss, LOSS_WARNING, LOSS_ERROR)
    value = f"{100 * quality.loss:.1f} % of {quality.frames} frames"
    why = "" if level is Level.OK else "check the cable, the antenna, flow control and the baud rate"
    data = {"loss": round(quality.loss, 4), "frames": quality.frames, "bytes_bad": quality.bytes_bad}
    return _link("loss", level, value, f"at most {100 * LOSS_WARNING:g} %", why, data=data)


def _unanswered(quality: Quality) -> list[DoctorFinding]:
    """Judge the way up and down together; empty where nothing answers, or too little was asked."""
    if not quality.rtt_by or quality.probes < LEAST_PROBES:
        return []
    share = quality.unanswered / quality.probes
    level = _level(share, UNANSWERED_WARNING, UNANSWERED_ERROR)
    value = f"{100 * share:.0f} % of {quality.probes} probes got no answer"
    why = (
        "" if level is Level.OK else "targets and orders get lost on the way up: check our transmit line and the router"
    )
    data = {"unanswered": quality.unanswered, "probes": quality.probes}
    return [_link("loss there and back", level, value, f"at most {100 * UNANSWERED_WARNING:g} %", why, data=data)]


def _round_trip(quality: Quality) -> DoctorFinding:
    median_ms = quality.rtt_median_ms
    if median_ms is None:
        why = "what we send may not arrive: look at the streams' rates"
        return _link("round trip", Level.NOTE, "neither TIMESYNC nor PING is answered", why=why)
    level = _level(median_ms, RTT_WARNING_MS, RTT_ERROR_MS)
    low_ms, high_ms = min(quality.rtt_ms), max(quality.rtt_ms)
    value = f"median {median_ms:.1f} ms, {low_ms:.1f} to {high_ms:.1f} ms, by {quality.rtt_by}"
    why = "" if level is Level.OK else "a telemetry radio is too slow a way for a companion"
    data = {"median_ms": round(median_ms, 3), "largest_ms": round(high_ms, 3), "by": quality.rtt_by}
    return _link("round trip", level, value, f"under {RTT_WARNING_MS:g} ms", why, data=data)


def _level(value: float, warning: float, error: float) -> Level:
    return Level.ERROR if value > error else Level.WARNING if value > warning else Level.OK


def _load(quality: Quality, session: Session) -> DoctorFinding:
    endpoint = session.settings.endpoints()[0]
    data = {"bytes_per_s": round(quality.bytes_per_s)}
    value = f"{quality.bytes_per_s / 1000:.1f} kB/s"
    if endpoint.kind != "serial":
        return _link("load", Level.OK, value, data=data)
    part = quality.bytes_per_s * BITS_PER_BYTE / endpoint.baud
    value += f", {100 * part:.0f} % of {endpoint.baud} baud"
    full = part > FULL
    why = "raise the baud rate on both ends, or ask for lower rates" if full else ""
    level = Level.WARNING if full else Level.OK
    return _link("load", level, value, f"at most {100 * FULL:.0f} %", why, data=data)
