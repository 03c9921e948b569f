"""How good the link is: loss by sequence numbers, round trip, and each stream's rate."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.connection import parse_connection
from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.findings import DoctorFinding, Level
from firmware_bridge.doctor.session import NS_PER_S, Session
from firmware_bridge.supplement import timesync
from firmware_bridge.telemetry import SUBSTITUTES

PROBE_PERIOD_NS = 100_000_000
LOSS_WARNING = 0.01
LOSS_ERROR = 0.10
RTT_WARNING_MS = 60.0
RTT_ERROR_MS = 250.0
BITS_PER_BYTE = 10  # On a serial line: start bit, eight data bits, stop bit
FULL = 0.7  # Above this part of a serial line's bytes, streams start to be thinned

WHY_MISSING = {
    "ATTITUDE_QUATERNION": "the estimator has no attitude: wait (PX4 takes some 35 s after boot)",
    "LOCAL_POSITION_NED": "the estimator has no position: wait (ArduPilot takes some 45 s after "
    "boot), and give it a sky or optical flow",
    "DISTANCE_SENSOR": "no rangefinder, or it sees nothing; the height is then above where the vehicle stood",
    "GIMBAL_DEVICE_ATTITUDE_STATUS": "no gimbal tells its attitude: no decision is made",
}

SETTLE_S = 2.0  # Time in which the streams asked for begin to flow, before rates are taken


@dataclass
class Quality:
    """What a few seconds of listening told."""

    seconds: float = 0.0  # How long
    loss: float = 0.0  # Part of the autopilot's frames that did not come
    frames: int = 0  # Frames of the autopilot
    bytes_per_s: float = 0.0  # Of everything on the link, towards us
    bytes_bad: int = 0  # Bytes that belonged to no good frame
    rtt_ms: list[float] = field(default_factory=list)  # Round trips by TIMESYNC, or PING where TIMESYNC is not answered
    rtt_by: str = ""  # Which of the two; empty when neither is answered
    clock_offset_ns: int | None = None  # Our monotonic time minus the autopilot's, of the quickest round trip
    rates_hz: dict[str, float] = field(default_factory=dict)  # Message name to rate
    asked_hz: dict[str, float] = field(default_factory=dict)  # Streams that the daemon asks for
    missing: tuple[str, ...] = ()  # missing, slow: Asked streams that do not come, or come well under their rate
    slow: tuple[str, ...] = ()
    timesync_asked: int = 0  # TIMESYNC requests of the autopilot
    timesync_answered: dict[int, int] = field(default_factory=dict)  # Component to the answers it gave them

    @property
    def rtt_median_ms(self) -> float | None:
        """Median round trip; None when nothing answers."""
        return statistics.median(self.rtt_ms) if self.rtt_ms else None


class RoundTrip:
    """Probes by TIMESYNC and PING; only answers to our own stamps count.

    Asking (tc1 = 0) leaves the autopilot's own clock estimate alone; answering would not.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked: set[int] = set()
        self._pings: dict[int, int] = {}
        self._next_ns = 0
        self._sequence = 0
        self.timesync_ms: list[float] = []
        self.ping_ms: list[float] = []
        self.offset_ns: int | None = None
        self._best_ns: int | None = None

    def probe(self, now_ns: int) -> None:
        """Send both kinds, when it is time."""
        target = self._session.telemetry.autopilot
        if target is None or now_ns < self._next_ns:
            return
        self._next_ns = now_ns + PROBE_PERIOD_NS
        self._asked.add(now_ns)
        self._session.send(timesync(0, now_ns, target.system, target.component))
        self._sequence += 1
        self._pings[self._sequence] = now_ns
        self._session.send(
            mavlink.MAVLink_ping_message(now_ns // 1000, self._sequence, target.system, target.component)
        )

    def on_message(self, message: Any, now_ns: int) -> None:
        """Take any message of the autopilot."""
        kind = message.get_type()
        if kind == "TIMESYNC" and message.tc1 != 0:
            if message.ts1 in self._asked:
                self._asked.remove(message.ts1)
                rtt_ns = now_ns - message.ts1
                self.timesync_ms.append(rtt_ns / 1e6)
                if self._best_ns is None or rtt_ns < self._best_ns:
                    self._best_ns = rtt_ns
                    self.offset_ns = message.ts1 + rtt_ns // 2 - message.tc1
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
    quality.clock_offset_ns = trips.offset_ns
    quality.rates_hz = streams.rates_hz(now_ns)
    quality.missing, quality.slow = streams.missing(now_ns), streams.slow(now_ns)
    return quality


def quality_findings(quality: Quality, session: Session) -> list[DoctorFinding]:
    """What the measurement means."""
    found = [_loss(quality), _round_trip(quality), *_load(quality, session)]
    needed = session.settings.needed()
    for name, asked_hz in quality.asked_hz.items():
        rate_hz = quality.rates_hz.get(name) or quality.rates_hz.get(SUBSTITUTES.get(name, ""), 0.0)
        level = Level.OK
        why = ""
        if name in quality.missing:
            level = Level.ERROR if name in needed else Level.WARNING
            why = WHY_MISSING.get(name, "it does not come: the autopilot refuses the stream")
        elif name in quality.slow:
            level = Level.WARNING
            why = "the line is full, or somebody else on it asks for less"
        found.append(
            DoctorFinding(
                "link",
                f"rate of {name}",
                level,
                f"{rate_hz:.1f} Hz",
                f"{asked_hz:g} Hz",
                why,
                data={"rate_hz": round(rate_hz, 2), "asked_hz": asked_hz},
            )
        )
    return found


def _loss(quality: Quality) -> DoctorFinding:
    loss = quality.loss
    level = Level.ERROR if loss > LOSS_ERROR else Level.WARNING if loss > LOSS_WARNING else Level.OK
    return DoctorFinding(
        "link",
        "loss",
        level,
        f"{100 * loss:.1f} % of {quality.frames} frames",
        f"at most {100 * LOSS_WARNING:g} %",
        "" if level is Level.OK else "check the cable, the antenna, flow control and the baud rate",
        data={"loss": round(loss, 4), "frames": quality.frames, "bytes_bad": quality.bytes_bad},
    )


def _round_trip(quality: Quality) -> DoctorFinding:
    median_ms = quality.rtt_median_ms
    if median_ms is None:
        return DoctorFinding(
            "link",
            "round trip",
            Level.NOTE,
            "neither TIMESYNC nor PING is answered",
            why="what we send may not arrive: look at the streams' rates",
        )
    level = Level.ERROR if median_ms > RTT_ERROR_MS else Level.WARNING if median_ms > RTT_WARNING_MS else Level.OK
    return DoctorFinding(
        "link",
        "round trip",
        level,
        f"median {median_ms:.1f} ms, {_spread(quality.rtt_ms)} by {quality.rtt_by}",
        f"under {RTT_WARNING_MS:g} ms",
        "" if level is Level.OK else "a telemetry radio is too slow a way for a companion",
        data={"median_ms": round(median_ms, 3), "largest_ms": round(max(quality.rtt_ms), 3), "by": quality.rtt_by},
    )


def _spread(values_ms: Sequence[float]) -> str:
    return f"{min(values_ms):.1f} to {max(values_ms):.1f} ms,"


def _load(quality: Quality, session: Session) -> list[DoctorFinding]:
    endpoint = parse_connection(session.settings.connection, session.settings.baud)
    data = {"bytes_per_s": round(quality.bytes_per_s)}
    if endpoint.kind != "serial":
        return [DoctorFinding("link", "load", Level.OK, f"{quality.bytes_per_s / 1000:.1f} kB/s", data=data)]
    room = endpoint.baud / BITS_PER_BYTE
    part = quality.bytes_per_s / room
    return [
        DoctorFinding(
            "link",
            "load",
            Level.WARNING if part > FULL else Level.OK,
            f"{quality.bytes_per_s / 1000:.1f} kB/s, {100 * part:.0f} % of {endpoint.baud} baud",
            f"at most {100 * FULL:.0f} %",
            "" if part <= FULL else "raise the baud rate on both ends, or ask for lower rates",
            data=data,
        )
    ]
