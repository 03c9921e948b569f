"""Latency, mount, field of view and rangefinder scale from the motion of a flight, over random set-ups.

    python -m benchmarks.motion_calibration --setups 100 --json FILE

Each set-up has a lens, a mount (a third of them look 20 to 40 degrees forward), and a configuration that is wrong in
all six numbers. A multicopter in gusts moves, climbs, descends and turns for two minutes over rendered worlds, and what
the black box would hold is calibrated. The poses have errors: attitude 0.6 degrees, position 0.15 m, height 1 %, stamps
4 ms (standard deviations).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import click
import numpy as np

from benchmarks.picture_motion import FPS, POSE_EVERY, STEP_S, Film, Pilot, film, wander
from benchmarks.runner import Figures, benchmark, percentiles
from landing.camera import CameraModel, Mount
from landing.geometry import FloatArray, Quaternion, multiplied, quaternion_from_euler
from landing.motion.calibration_result import QUANTITIES, CalibrationError, SetupCalibration
from landing.motion.looks import LookCollector
from landing.motion.self_calibration import calibrate, turned
from landing.types import Pose

LIVELY = Pilot(("move", "move", "up", "down", "yaw"), (1.5, 3.5), (6.0, 15.0), 12.0, 4.0, 2.0)
"""As the guide tells a pilot to fly."""

ATTITUDE_DEG, PLACE_M, HEIGHT_SHARE, STAMP_S = 0.6, 0.15, 0.01, 0.004
POSE_STEPS = 3
"""Of the film's poses, the black box keeps one in so many: 17 a second."""

LIMITS = (10.0, 0.5, 0.5, 0.5, 1.0, 0.02)
"""Largest errors: ms, degrees (3), per cent of the field of view, share."""


def configured(camera: CameraModel, rng: np.random.Generator) -> tuple[CameraModel, FloatArray]:
    """A wrong configuration of a true camera, and its mistakes: late s, turn about body rad (3), focal, height."""
    large_yaw = rng.random() < 0.2
    turn = np.radians([*rng.uniform(-5, 5, 2), rng.uniform(-180, 180) if large_yaw else rng.uniform(-10, 10)])
    focal, height = rng.uniform(0.9, 1.1, 2)
    late_s = float(rng.uniform(-0.05, 0.2))
    wrong = turned(camera, -turn)  # only its mount: roundings of its angles are part of the configuration
    wrong = replace(wrong, fx=camera.fx / focal, fy=camera.fy / focal)
    return wrong, np.array([late_s, *turn, focal, height])


def collect(flown: Film, camera: CameraModel, late_s: float, scale: float, seed: int) -> LookCollector:
    """Record of a flight as the black box would hold it."""
    rng = np.random.default_rng(seed)
    count = len(flown.poses)
    leaned = wander(rng, count, math.radians(ATTITUDE_DEG), 0.6)
    moved = wander(rng, count, PLACE_M, 8.0)
    ranged = wander(rng, count, HEIGHT_SHARE, 1.0)[:, 0]
    collected = LookCollector(camera)
    for index in range(0, count, POSE_STEPS):
        north, east, down, *q = flown.poses[index].tolist()
        attitude: Quaternion = multiplied((q[0], q[1], q[2], q[3]), quaternion_from_euler(*leaned[index]))
        place = moved[index] + [north, east, down]
        at_ns = round((1000 + index * POSE_EVERY * STEP_S) * 1e9)
        told_m = -down / scale * (1 + ranged[index])
        collected.add_pose(Pose(at_ns, attitude, (place[0], place[1], place[2]), told_m))
    for number, picture in enumerate(flown.pictures):
        at_s = 1000 + number / FPS + late_s + STAMP_S * rng.normal()
        collected.add_picture(picture, round(at_s * 1e9))
    return collected


def errors_of(result: SetupCalibration, true: CameraModel, wrong: CameraModel, mistakes: FloatArray) -> FloatArray:
    """Errors of the estimates, in their units."""
    # Turn from the wrong mount to the true one, as the wrong mount was rounded.
    turn = true.mount.frd_from_camera @ wrong.mount.frd_from_camera.T
    angle = math.acos(float(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    about = np.degrees(axis * angle / max(2 * math.sin(angle), 1e-9))
    right = np.array([1000 * mistakes[0], *about, true.hfov_deg, mistakes[5]])
    off: FloatArray = np.array([estimate.value for estimate in result.estimates]) - right
    return off


def _row(runs: list[dict[str, Any]], index: int) -> Figures:
    name = QUANTITIES[index].name
    told = [run for run in runs if run["told"][index]]
    off = np.array([run["off"][index] for run in told])
    share = off * np.array([100 / run["hfov_deg"] for run in told]) if name == "field of view" else off
    scores = off / np.array([run["error"][index] for run in told])
    within = int((np.abs(share) <= LIMITS[index]).sum())
    return {
        "limit": LIMITS[index],
        "set-ups": len(runs),
        "told": len(told),
        "within": within,
        "share within": within / len(told) if told else None,
        "off median": float(np.median(np.abs(share))) if told else None,
        "off p95": float(np.percentile(np.abs(share), 95)) if told else None,
        "z mean": float(scores.mean()) if told else None,
        "z sd": float(scores.std()) if told else None,
        "z within 2": float((np.abs(scores) <= 2).mean()) if told else None,
    }


@benchmark
@click.option("--setups", default=100, show_default=True, help="Random set-ups, each with a flight of its own.")
@click.option("--seconds", default=120.0, show_default=True, help="Of each flight.")
@click.option("--first", default=0, show_default=True, help="Number of the first set-up.")
@click.option("--minutes", default=600.0, show_default=True, help="Begin no further set-up after so long.")
def main(setups: int, seconds: float, first: int, minutes: float) -> Figures:
    """Calibrates all."""
    runs: list[dict[str, Any]] = []
    refused: list[str] = []
    costs: list[float] = []
    begun = time.perf_counter()
    for number in range(first, first + setups):
        if time.perf_counter() - begun > 60 * minutes:
            break
        rng = np.random.default_rng(40_000 + number)
        pitch_deg = -90.0 + (rng.uniform(20, 40) if rng.random() < 1 / 3 else 0.0)
        mount = turned(CameraModel.from_hfov(320, 240, 70, Mount(0, pitch_deg, 0)), rng.normal(0, 0.03, 3)).mount
        flown = film(50_000 + number, seconds, LIVELY, mount)
        wrong, mistakes = configured(flown.camera, rng)
        started = time.perf_counter()
        collected = collect(flown, wrong, mistakes[0], mistakes[5], number)
        try:
            result = calibrate(wrong, collected)
        except CalibrationError as error:
            refused.append(f"{number}, {flown.name}: {error}")
            continue
        costs.append(time.perf_counter() - started)
        runs.append(
            {
                "number": number,
                "world": flown.name,
                "hfov_deg": flown.camera.hfov_deg,
                "pitch_deg": pitch_deg,
                "mistakes": mistakes.tolist(),
                "off": errors_of(result, flown.camera, wrong, mistakes).tolist(),
                "error": [estimate.error for estimate in result.estimates],
                "told": [estimate.told for estimate in result.estimates],
                "fit": result.fit,
                "looks": len(collected.looks),
                "residuals_px": result.residuals_px,
            }
        )
        click.echo(
            f"{number} {flown.name}: {np.round(runs[-1]['off'], 3)} +- {np.round(runs[-1]['error'], 3)}", err=True
        )
    return {
        "quantities": {quantity.name: _row(runs, index) for index, quantity in enumerate(QUANTITIES)},
        "set-ups": len(runs) + len(refused),
        "refused": refused,
        "ms to collect and calibrate": percentiles([1000 * cost for cost in costs]),
        "runs": runs,
    }
