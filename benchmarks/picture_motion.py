"""Mistakes of set-up told from the motion of the picture: named rightly, how soon, and never where there is none.

    python -m benchmarks.picture_motion --flights 20 --json FILE

A multicopter in gusts moves, turns and descends over rendered worlds. Each flight is filmed once; then it is watched as
it is, and with each kind of mistake at random sizes beyond the stated ones. The poses believed have errors: attitude
0.4 degrees, position 0.15 m, height 1 %, mount 0.7 degrees, stamps 6 ms (standard deviations).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import click
import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.runner import Figures, benchmark, percentiles
from landing.camera import CameraModel, Mount
from landing.geometry import FloatArray, Quaternion, multiplied, quaternion_from_euler
from landing.mistakes import KINDS, STATED
from landing.motion import MotionReport, PictureMotion
from landing.types import ByteArray, Pose
from sim.camera import Motion, render
from sim.camera.effects import Effects
from sim.vehicle import Vehicle, Wind
from sim.world import parse_world_spec

FPS, STEP_S, POSE_EVERY = 10, 0.01, 2
SIZE_PX = (320, 240)
WORLDS = ("scenes", "procedural?layout=park", "scenes?light=dusk", "scenes?season=snow", "adversarial:moving-crowd")


@dataclass(frozen=True)
class Film:
    """A flight: pictures at `FPS`, and true poses (north, east, down, quaternion) every `POSE_EVERY` steps."""

    name: str
    pictures: tuple[ByteArray, ...]
    poses: FloatArray
    camera: CameraModel


@dataclass(frozen=True)
class Error:
    """A mistake as it is made: its kind in `KINDS`, its size, and what it changes."""

    name: str
    kind: str
    size: float
    camera: Callable[[CameraModel], CameraModel] = lambda camera: camera
    picture: Callable[[ByteArray], ByteArray] = lambda picture: picture
    late_s: float = 0.0
    height: float = 1.0
    drift_mps: tuple[float, float] = (0.0, 0.0)
    frozen: bool = False


@dataclass(frozen=True)
class Pilot:
    """Flies by chance: tasks, how long each takes (s), heights to begin at and highest (m), way of a move (m), most
    acceleration (m/s2) and sink (m/s)."""

    tasks: tuple[str, ...] = ("move", "move", "down", "hover", "yaw")
    task_s: tuple[float, float] = (2.0, 5.0)
    heights_m: tuple[float, float] = (8.0, 30.0)
    reach_m: float = 7.0
    push_mps2: float = 3.0
    sink_mps: float = 1.0


CALM = Pilot()


def film(number: int, seconds: float, pilot: Pilot = CALM, mount: Mount | None = None) -> Film:
    """Flies and films a seeded flight."""
    rng = np.random.default_rng(number)
    spec = WORLDS[number % len(WORLDS)]
    world = parse_world_spec(spec, 70000 + number)
    camera = CameraModel.from_hfov(*SIZE_PX, float(rng.uniform(60, 90)), mount)
    vehicle = Vehicle(wind=Wind(rng.uniform(0, 6), rng.uniform(0, 360), rng.uniform(0.2, 1.5)), seed=number)
    height_m, yaw_rad = float(rng.uniform(*pilot.heights_m)), float(rng.uniform(-3, 3))
    place = rng.uniform(-15, 15, 2)
    vehicle.place(place[0], place[1], height_m, yaw_rad, flying=True)
    effects = Effects(number, noise_sd=2.5, exposure_s=0.004, exposure_wobble=0.1, vignetting=0.2, lens_blur_px=0.3)
    pictures, poses, turn_at_s = [], [], 1.0
    for step in range(round(seconds / STEP_S)):
        t_s = step * STEP_S
        if t_s >= turn_at_s:
            turn_at_s = t_s + rng.uniform(*pilot.task_s)
            task = rng.choice(pilot.tasks)
            if task == "move":
                place = np.array([vehicle.n_m, vehicle.e_m]) + rng.uniform(-pilot.reach_m, pilot.reach_m, 2)
            elif task == "down":
                height_m = max(3.0, height_m - rng.uniform(2, 6))
            elif task == "up":
                height_m = min(pilot.heights_m[1], height_m + rng.uniform(2, 6))
            elif task == "yaw":
                yaw_rad += rng.uniform(-1.2, 1.2)
        north, east = np.clip(
            0.8 * (place - [vehicle.n_m, vehicle.e_m]) - 1.6 * np.array([vehicle.vn_mps, vehicle.ve_mps]),
            -pilot.push_mps2,
            pilot.push_mps2,
        )
        sink_mps = float(np.clip(0.8 * (-height_m - vehicle.d_m), -pilot.sink_mps, pilot.sink_mps))
        vehicle.command(north, east, 2.0 * (sink_mps - vehicle.vd_mps), yaw_rad)
        vehicle.step(STEP_S)
        if step % POSE_EVERY == 0:
            poses.append((vehicle.n_m, vehicle.e_m, vehicle.d_m, *vehicle.q))
        if step % round(1 / FPS / STEP_S) == 0:
            pose = Pose(0, vehicle.q, (vehicle.n_m, vehicle.e_m, vehicle.d_m))
            motion = Motion((vehicle.vn_mps, vehicle.ve_mps, vehicle.vd_mps), vehicle.rates_radps)
            picture, _ = render(world, camera, pose, t_s, effects, motion=motion, labels=False)
            pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8))
    return Film(spec, tuple(pictures), np.array(poses), camera)


def wander(rng: np.random.Generator, steps: int, sd: float, within_s: float) -> FloatArray:
    """Errors that are alike for so long, shape (steps, 3)."""
    keep = math.exp(-POSE_EVERY * STEP_S / within_s)
    errors = np.empty((steps, 3))
    errors[0] = sd * rng.normal(size=3)
    for step in range(1, steps):
        errors[step] = keep * errors[step - 1] + sd * math.sqrt(1 - keep * keep) * rng.normal(size=3)
    return errors


def watch(flown: Film, error: Error, seed: int, seconds: list[float]) -> list[tuple[float, MotionReport]]:
    """Times and reports of a flight with a mistake in it; the cost of each picture is added to `seconds`."""
    rng = np.random.default_rng(seed)
    count = len(flown.poses)
    turned = wander(rng, count, math.radians(0.4), 0.6)
    moved = wander(rng, count, 0.15, 8.0)
    scale = error.height * (1 + 0.01 * rng.normal())
    pitch, yaw, roll = 0.7 * rng.normal(size=3)
    mount = Mount(roll, -90.0 + pitch, yaw)
    watcher = PictureMotion(error.camera(replace(flown.camera, mount=mount)))
    reports = []
    for number, picture in enumerate(flown.pictures):
        t_s = number / FPS
        at_s = t_s + error.late_s + 0.006 * rng.normal()
        index = round(at_s / (POSE_EVERY * STEP_S))
        if not 0 <= index < count:
            continue
        north, east, down, *q = flown.poses[index].tolist()
        attitude: Quaternion = multiplied((q[0], q[1], q[2], q[3]), quaternion_from_euler(*turned[index]))
        place = moved[index] + [north + error.drift_mps[0] * at_s, east + error.drift_mps[1] * at_s, down]
        at_ns = round((1000 + at_s) * 1e9)
        pose = Pose(at_ns, attitude, (place[0], place[1], place[2]), -down * scale)
        shown = np.ascontiguousarray(error.picture(flown.pictures[0] if error.frozen else picture))
        started = time.perf_counter()
        report = watcher.observe(shown, at_ns, pose)
        seconds.append(time.perf_counter() - started)
        reports.append((t_s, report))
    return reports


def errors(rng: np.random.Generator) -> list[Error]:
    """One of each kind, of random sizes beyond the stated ones."""
    yaw = float(rng.uniform(25, 180) * rng.choice([-1, 1]))
    pitch, aside = float(rng.uniform(18, 35) * rng.choice([-1, 1])), float(rng.uniform(18, 35) * rng.choice([-1, 1]))
    wide, tele = float(rng.uniform(1.6, 2.5)), float(rng.uniform(1.6, 2.5))
    high, low, late_s = float(rng.uniform(1.7, 3)), float(rng.uniform(1.7, 3)), float(rng.uniform(0.2, 0.6))
    speed, course = rng.uniform(1.0, 3.0), rng.uniform(0, 2 * math.pi)

    def turn(roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> Callable[[CameraModel], CameraModel]:
        def mounted(camera: CameraModel) -> CameraModel:
            m = camera.mount
            return replace(camera, mount=Mount(m.roll_deg + roll, m.pitch_deg + pitch, m.yaw_deg + yaw))

        return mounted

    def focal(ratio: float) -> Callable[[CameraModel], CameraModel]:
        return lambda camera: replace(camera, fx=camera.fx * ratio, fy=camera.fy * ratio)

    drift = (float(speed * math.cos(course)), float(speed * math.sin(course)))
    return [
        Error("mirrored left to right", "mirrored", 0.0, picture=lambda p: p[:, ::-1]),
        Error("mirrored top to bottom", "mirrored", 0.0, picture=lambda p: p[::-1]),
        Error("turned", "turned", abs(yaw), turn(yaw=yaw)),
        Error("tilted forward or back", "tilted", abs(pitch), turn(pitch=pitch)),
        Error("tilted to a side", "tilted", abs(aside), turn(-90.0, aside, 90.0)),
        Error("field of view too small", "field of view", wide, focal(wide)),
        Error("field of view too large", "field of view", tele, focal(1 / tele)),
        Error("height too large", "height", high, height=high),
        Error("height too small", "height", low, height=1 / low),
        Error("late", "late", late_s, late_s=late_s),
        Error("drift", "drift", speed, drift_mps=drift),
        Error("frozen", "frozen", 0.0, frozen=True),
    ]


def excited(good: list[tuple[float, MotionReport]], kind: str) -> float | None:
    """When the flight had moved enough to rule the kind out in a good set-up, s; None if never."""
    return next((t_s for t_s, report in good if kind in report.tested), None)


def _row(row: dict[str, list[float]]) -> Figures:
    delays: npt.NDArray[np.float64] = np.array(row["delay_s"])
    return {
        "flights": len(row["flights"]),
        "told": len(row["told"]),
        "named": int(sum(row["named"])),
        "median_s": float(np.median(delays)) if len(delays) else None,
        "size_off_median": float(np.median(row["off"])) if row["off"] else None,
    }


@benchmark
@click.option("--flights", default=20, show_default=True, help="Flights with each mistake.")
@click.option("--seconds", default=30.0, show_default=True, help="Of each flight.")
@click.option("--first", default=0, show_default=True, help="Number of the first flight.")
@click.option("--good", default=0, show_default=True, help="Further flights without a mistake.")
def main(flights: int, seconds: float, first: int, good: int) -> Figures:
    """Watches all flights."""
    rows: dict[str, dict[str, list[float]]] = {}
    costs: list[float] = []
    false: list[str] = []
    tested: dict[str, int] = dict.fromkeys(KINDS, 0)
    watched_s = 0.0
    for number in range(first, first + flights + good):
        flown = film(number, seconds)
        reports = watch(flown, Error("none", "", 0.0), number, costs)
        watched_s += seconds
        false += [f"{flown.name} {number}: {r.mistake.text}" for _, r in reports if r.mistake is not None][:1]
        for kind in KINDS:
            tested[kind] += excited(reports, kind) is not None
        if number >= first + flights:
            continue
        for error in errors(np.random.default_rng(9000 + number)):
            row = rows.setdefault(error.name, {"flights": [], "told": [], "named": [], "delay_s": [], "off": []})
            seen = watch(flown, error, 500 + number, costs)
            told = [(t_s, r.mistake) for t_s, r in seen if r.mistake is not None]
            row["flights"].append(1.0)
            if not told:
                continue
            row["told"].append(1.0)
            settled = told[-1][1]
            row["named"].append(float(settled.kind == error.kind))
            row["delay_s"].append(told[0][0])
            if settled.kind == error.kind and error.size:
                row["off"].append(abs(settled.value / error.size - 1))
    return {
        "mistakes": {name: _row(row) for name, row in rows.items()},
        "good flights": {
            "watched_s": watched_s,
            "false alarms": false,
            "flights that ruled a kind out": tested,
            "of": flights + good,
        },
        "stated": STATED,
        "ms a picture": percentiles([1000 * s for s in costs]),
    }
