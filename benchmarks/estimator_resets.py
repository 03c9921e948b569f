"""How surely estimator resets are told from flying: false ones, and steps that are missed.

    python -m benchmarks.estimator_resets [--seconds 3600]

The vehicle of `tests.bridge.gusty_flight` flies hard in gusts: every reset counted there is false. Then it hovers in
gusts, and its estimate steps by known sizes at random moments.
"""

from __future__ import annotations

import math
import random
from typing import Any

import click

from benchmarks.runner import Figures, benchmark
from firmware_bridge.pose_history import PoseHistory
from landing.estimator import FrameShift
from tests.bridge.gusty_flight import EstimatorSample, after_reset, feed, fly, reported

RATES_HZ = (4.0, 10.0, 25.0, 50.0)
TRIALS = 100
SIZES: dict[str, tuple[FrameShift, ...]] = {
    "heading, degrees": tuple(FrameShift(math.radians(d)) for d in (3, 5, 10, 30)),
    "position, m": tuple(FrameShift(0.0, (m, 0.0, 0.0)) for m in (0.5, 1.0, 2.0, 10.0)),
    "height, m": tuple(FrameShift(0.0, (0.0, 0.0, m)) for m in (0.3, 0.5, 1.0, 5.0)),
}


def false_resets(truth: list[EstimatorSample], rate_hz: float) -> int:
    """Resets counted in a flight without any."""
    history = PoseHistory()
    for sample, _ in reported(truth, rate_hz, round(rate_hz)):
        feed(history, sample)
    return history.position_resets + history.heading_resets


def size_of(shift: FrameShift) -> float:
    """Degrees or metres."""
    return abs(math.degrees(shift.yaw_rad)) or math.hypot(*shift.offset_ned_m)


def trial(samples: list[EstimatorSample], at: int, shift: FrameShift) -> tuple[bool, float | None]:
    """One step: whether no pose of the old frame was given for it, and the error of its size.

    Returns:
        Whether the pose was withheld or moved with the first sample, and the error of the shift at a place 10 m away,
        m; None where the size was not known.
    """
    history = PoseHistory()
    for sample in samples[max(0, at - 60) : at]:
        feed(history, sample)
    before = history.frame
    feed(history, after_reset(samples[at], shift))
    pose = history.latest(samples[at].at_ns)
    blind = pose is None or None in (pose.ned_from_frd, pose.position_ned_m)
    at_once = blind or (pose is not None and pose.frame != before)
    for sample in samples[at + 1 : at + 4]:
        feed(history, after_reset(sample, shift))
    found = before.shift_to(history.frame)
    if found is None:
        return at_once, None
    n, e, d = samples[at].ned_m
    there = after_reset(samples[at], shift).ned_m
    ahead = FrameShift(shift.yaw_rad).point((10.0, 0.0, 0.0))
    expected = tuple(a + b for a, b in zip(there, ahead, strict=True))
    return at_once, math.dist(found.point((n + 10.0, e, d)), expected)


def steps(hover: list[EstimatorSample], rate_hz: float) -> dict[str, Any]:
    """The table of one rate."""
    samples = [s for s, _ in reported(hover, rate_hz, 7)]
    draw = random.Random(round(rate_hz))
    table: dict[str, Any] = {}
    for kind, shifts in SIZES.items():
        for shift in shifts:
            results = [trial(samples, draw.randrange(20, len(samples) - 5), shift) for _ in range(TRIALS)]
            errors_m = sorted(error for _, error in results if error is not None)
            table[f"{kind}: {size_of(shift):g}"] = {
                "told_by_first_sample": sum(at_once for at_once, _ in results),
                "size_known": len(errors_m),
                "error_at_10_m_p95_m": round(errors_m[int(0.95 * len(errors_m))], 2) if errors_m else None,
            }
    return table


@benchmark
@click.option("--seconds", default=3600.0, help="Length of the hard flight.")
def main(seconds: float) -> Figures:
    truth = list(fly(seconds, seed=11))
    hover = list(fly(600.0, seed=12, hover=True))
    return {
        "hard_flight_s": seconds,
        "false_resets": {f"{hz:g} Hz": false_resets(truth, hz) for hz in RATES_HZ},
        "trials": TRIALS,
        "steps_in_gusty_hover": {f"{hz:g} Hz": steps(hover, hz) for hz in RATES_HZ},
    }
