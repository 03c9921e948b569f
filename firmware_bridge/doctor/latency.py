"""Latency of our targets, and the value of PLND_LAG that fits it.

A target is computed from the site (fixed in local NED) and the newest pose, twenty times a second. So the *frame* may
be old without harm, unless the site moves on the map; what ArduPilot must take off is the age of the *pose*: it looks
PLND_LAG back in its own attitude history for the axes that the vector was given in. The pose's stamp is the autopilot's
own, mapped by TIMESYNC, so its age holds the way down already; the way up is half of the round trip:

    PLND_LAG = age of the pose when sent + round trip / 2
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from firmware_bridge.doctor.findings import DoctorFinding, Level, ParameterChange
from firmware_bridge.doctor.quality import Quality
from firmware_bridge.doctor.rules import Values, number
from firmware_bridge.doctor.session import NS_PER_S, Session
from firmware_bridge.events import EventTail
from landing.errors import DataError
from landing.vehicle import Autopilot

LAG_STEP_S = 0.01
SMALLEST_LAG_S, LARGEST_LAG_S = 0.02, 0.25  # ArduPilot's limits of PLND_LAG
LAG_TOLERANCE_S = 0.02  # Nearer than this to the measured lag is right: at 20 deg/s of tilt rate, 7 mm per metre
OLD_FRAME_MS = 500.0
SAMPLE_S = 0.05
RUN_MARGIN_S = 60.0
_latency = partial(DoctorFinding, "latency")


@dataclass(frozen=True)
class Latency:
    """Measured latencies, ms; None where nothing was measured."""

    frame_to_decision_ms: float | None = None  # From capture to decision, median
    frame_to_decision_p95_ms: float | None = None  # From capture to decision, 95th percentile
    frame_to_send_ms: float | None = None  # Age of the evidence behind a target when it is sent, median
    pose_to_send_ms: float | None = None  # Age of the pose of a target when it is sent, median
    source: str = ""  # Origin of the numbers


def latency_of(events: Iterable[dict[str, Any]], source: str) -> Latency:
    """Latencies from the newest record of the daemon's event log.

    Raises:
        DataError: No record holds timings.
    """
    timings: dict[str, Any] = {}
    for event in events:
        found = event.get("timings_ms")
        if isinstance(found, dict) and "age" in found:
            timings = found
    if not timings:
        raise DataError(f"{source}: no event holds timings_ms; let the daemon run for some 10 s with frames")
    return Latency(
        _percentile(timings, "age", "p50_ms"),
        _percentile(timings, "age", "p95_ms"),
        _percentile(timings, "frame_to_send", "p50_ms"),
        _percentile(timings, "pose_to_send", "p50_ms"),
        source,
    )


def run_daemon(config: Path, events: Path, seconds: float) -> Latency:
    """Run the daemon for some seconds and read its own measurements; the connection must be free.

    Raises:
        DataError: It does not run, or writes no timings.
    """
    tail = EventTail(events, from_end=True)
    command = [sys.executable, "-m", "touchdown", "edge", "serve", "--config", str(config)]
    try:
        done = subprocess.run(
            [*command, "--max-seconds", f"{seconds:g}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds + RUN_MARGIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"edge serve --config {config} does not end in time") from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DataError(
            f"edge serve --config {config} ended with status {done.returncode}: {lines[-1] if lines else 'no message'}"
        )
    return latency_of(tail.read(), f"a run of {seconds:g} s")


def pose_age_ms(session: Session, seconds: float) -> float | None:
    """Age of the newest pose as the control loop would find it, median; None without poses."""
    ages_ms: list[float] = []
    deadline_ns = time.monotonic_ns() + round(seconds * NS_PER_S)
    while (now_ns := time.monotonic_ns()) < deadline_ns:
        pose = session.telemetry.history.latest(now_ns)
        if pose is not None and pose.ned_from_frd is not None:
            ages_ms.append((now_ns - pose.at_ns) / 1e6)
        session.listen(SAMPLE_S)
    return sorted(ages_ms)[len(ages_ms) // 2] if ages_ms else None


def proposed_lag_s(pose_to_send_ms: float, rtt_ms: float) -> float:
    """PLND_LAG for an age of the pose and a round trip, within what ArduPilot takes."""
    lag_s = (pose_to_send_ms + rtt_ms / 2) / 1000.0
    return min(max(round(lag_s / LAG_STEP_S) * LAG_STEP_S, SMALLEST_LAG_S), LARGEST_LAG_S)


def latency_findings(latency: Latency, quality: Quality, autopilot: Autopilot, values: Values) -> list[DoctorFinding]:
    """Judge the latencies, and on ArduPilot the value of PLND_LAG."""
    why = "`touchdown edge calibrate FLIGHT` measures it, with mount and lens, from a recorded flight"
    found = [
        _latency("camera", Level.NOTE, "exposure to arrival is as configured; it cannot be seen from here", why=why)
    ]
    frame_ms = latency.frame_to_send_ms or latency.frame_to_decision_ms
    if frame_ms is not None:
        name = "frame to send" if latency.frame_to_send_ms else "frame to decision"
        tail_ms = latency.frame_to_decision_p95_ms
        more = f", to decision 95 % within {tail_ms:.0f} ms" if tail_ms is not None else ""
        value = f"median {frame_ms:.0f} ms{more} ({latency.source})"
        level, why = Level.OK, ""
        if frame_ms > OLD_FRAME_MS:
            level, why = Level.WARNING, "who walks in is seen that late: take a smaller model"
        data = {"median_ms": round(frame_ms, 2)}
        found.append(_latency(name, level, value, f"at most {OLD_FRAME_MS:g} ms", why, data=data))
    if latency.pose_to_send_ms is None:
        return found
    rtt_ms = quality.rtt_median_ms or 0.0
    lag_s = proposed_lag_s(latency.pose_to_send_ms, rtt_ms)
    age = f"pose {latency.pose_to_send_ms:.0f} ms old when sent, round trip {rtt_ms:.0f} ms"
    data = {"pose_to_send_ms": round(latency.pose_to_send_ms, 2), "rtt_ms": round(rtt_ms, 2), "lag_s": round(lag_s, 3)}
    if autopilot is not Autopilot.ARDUPILOT:
        return [*found, _latency("pose to arrival", Level.OK, age, data=data)]
    now_s = values.get("PLND_LAG")
    good = now_s is not None and abs(now_s - lag_s) <= LAG_TOLERANCE_S
    value = "not there" if now_s is None else f"{number(now_s)} s; {age}"
    why = "" if good else "while it tilts, the target seems to move by the angle of that time"
    change = None if good or now_s is None else ParameterChange("PLND_LAG", round(lag_s, 3), reboot=True)
    level = Level.OK if good else Level.WARNING
    return [*found, _latency("PLND_LAG", level, value, f"{number(lag_s)} s", why, change, data)]


def _percentile(timings: dict[str, Any], name: str, which: str) -> float | None:
    entry = timings.get(name)
    value = entry.get(which) if isinstance(entry, dict) else None
    return float(value) if isinstance(value, (int, float)) else None
