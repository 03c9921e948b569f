"""How soon frozen and looped pictures are told from live ones, and how often live ones are not.

    python -m benchmarks.repeated_pictures [PHOTOGRAPH...]

A multicopter in gusts flies above worlds and above photographs laid on the ground; the picture's pose is 20 ms late,
its attitude off by some tenths of a degree, its position wanders by 5 cm in a second. Each flight is shown as it is,
frozen from some moment on, and as loops. Delays count from the fault's beginning; `proof` is when the ground had moved
by 4 of 160 px.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.runner import Figures, benchmark, in_turn, percentiles
from landing.camera import CameraModel
from landing.geometry import FloatArray, euler_from_quaternion, quaternion_from_euler
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import PictureSettings
from landing.types import ByteArray, Frame, Pose
from sim.camera import render
from sim.vehicle import Vehicle, Wind
from sim.world import World, parse_world_spec

CAMERA = CameraModel.from_hfov(320, 240, 70.0)
FPS, SECONDS, STEP_S, LATE = 10, 24.0, 0.01, 2
FAULT = 12 * FPS
NOISES = (1.0, 12.0)
LOOPS_S = (2.0, 10.0)
WORLDS = ("procedural?layout=park", "scenes?seed=9&season=snow", "scenes?seed=12&light=dusk")
MOTIONS = {
    # name: height m, speed m/s, sink m/s, turn rad/s
    "hover at 3 m": (3.0, 0.0, 0.0, 0.0),
    "hover at 20 m": (20.0, 0.0, 0.0, 0.0),
    "descend from 25 m": (25.0, 0.0, 1.0, 0.0),
    "drift at 8 m": (8.0, 1.0, 0.0, 0.0),
    "cruise at 30 m": (30.0, 6.0, 0.0, 0.0),
    "turn at 12 m": (12.0, 0.0, 0.0, 0.3),
}


@dataclass(frozen=True)
class Shot:
    """One moment of a flight: the true pose and the one that is believed."""

    true: Pose
    believed: Pose


def flight(motion: str, seed: int) -> list[Shot]:
    """A gusty flight at the camera's rate."""
    height_m, speed_mps, sink_mps, turn_radps = MOTIONS[motion]
    rng = np.random.default_rng([seed, 1])
    vehicle = Vehicle(wind=Wind(4.0, float(rng.uniform(0, 360)), gust_mps=1.5), seed=seed)
    vehicle.place(0.0, 0.0, height_m, float(rng.uniform(-3, 3)), flying=True)
    heading, yaw_rad = float(rng.uniform(-3, 3)), vehicle.yaw_rad
    goal_m = np.array([0.0, 0.0, -height_m])
    drift_m, tilt_rad = np.zeros(3), rng.normal(0, math.radians(0.3), 3)
    known: deque[Pose] = deque(maxlen=LATE + 1)
    shots = []
    for number in range(round(SECONDS / STEP_S)):
        t_s = number * STEP_S
        back = -1 if t_s % 16 >= 8 else 1
        way_mps = np.array([math.cos(heading), math.sin(heading), 0.0]) * speed_mps * back
        way_mps[2] = sink_mps if vehicle.height_m > 1.5 else 0.0
        goal_m += way_mps * STEP_S
        position_m = np.array([vehicle.n_m, vehicle.e_m, vehicle.d_m])
        velocity_mps = np.array([vehicle.vn_mps, vehicle.ve_mps, vehicle.vd_mps])
        push = 1.2 * (goal_m - position_m - drift_m) + 2.0 * (way_mps - velocity_mps)
        north, east, down = (float(p) for p in np.clip(push, -4, 4))
        yaw_rad += turn_radps * STEP_S
        vehicle.command(north, east, down, yaw_rad)
        vehicle.step(STEP_S)
        drift_m += rng.normal(0, 0.05 * math.sqrt(STEP_S), 3) - drift_m * STEP_S / 20
        tilt_rad += rng.normal(0, math.radians(0.1) * math.sqrt(STEP_S), 3)
        tilt_rad -= tilt_rad * STEP_S / 10
        known.append(pose_of(vehicle, t_s, drift_m, tilt_rad))
        if number % round(1 / FPS / STEP_S) == 0:
            true = pose_of(vehicle, t_s, np.zeros(3), np.zeros(3))
            shots.append(Shot(true, replace(known[0], at_ns=true.at_ns)))
    return shots


def pose_of(vehicle: Vehicle, t_s: float, off_m: FloatArray, tilt_rad: FloatArray) -> Pose:
    """The pose of a vehicle with errors of position and attitude."""
    roll, pitch, yaw = (float(a + e) for a, e in zip(euler_from_quaternion(vehicle.q), tilt_rad, strict=True))
    down_m = vehicle.d_m + float(off_m[2])
    position = (vehicle.n_m + float(off_m[0]), vehicle.e_m + float(off_m[1]), down_m)
    at_ns = round(t_s * 1e9)
    return Pose(at_ns, quaternion_from_euler(roll, pitch, yaw), position, max(0.1, -down_m))


def noisy(image: ByteArray, noise: float) -> ByteArray:
    """With the noise of a sensor."""
    grain = np.zeros(image.shape, np.int16)
    cv2.randn(grain, (0, 0, 0), (noise,) * 3)
    return np.asarray(np.clip(image + grain, 0, 255), np.uint8)


def refused(shots: list[Shot], noise: float, picture: Callable[[int], ByteArray]) -> list[bool]:
    """Whether each frame is called frozen or a loop."""
    monitor = PictureMonitor(PictureSettings(), CAMERA)
    result = []
    for number, shot in enumerate(shots):
        frame = Frame(noisy(picture(number), noise), number, shot.true.at_ns)
        said = monitor.problem(frame, shot.believed)
        result.append(said is not None and ("frozen" in said or "loop" in said))
    return result


def proof(shots: list[Shot]) -> int | None:
    """Frame by which the ground has moved by 4 of 160 px since the fault."""
    u, v = np.meshgrid(np.linspace(20, 300, 8), np.linspace(20, 220, 6))
    pixels = np.column_stack([u.ravel(), v.ravel()])
    for number in range(FAULT, len(shots)):
        points = CAMERA.ground_from_pixel(pixels, shots[number].true, 0.0)
        off = CAMERA.pixel_from_ned(points, shots[FAULT].true) - pixels
        if np.median(np.nan_to_num(np.hypot(*off.T), nan=999.0)) * 160 / CAMERA.width_px > 4.0:
            return number
    return None


@dataclass
class Tally:
    """Of one motion and noise."""

    live_frames: int = 0
    false_frames: int = 0
    frozen_after_proof_s: list[float] = field(default_factory=list)
    loop_s: list[float] = field(default_factory=list)
    frozen_missed: int = 0
    loop_missed: int = 0

    def fly(self, shots: list[Shot], pictures: list[ByteArray], noise: float) -> None:
        """Adds one flight: live, frozen, and looped."""
        live = refused(shots, noise, lambda n: pictures[n])
        self.live_frames += len(live)
        self.false_frames += sum(live)
        frozen = refused(shots, noise, lambda n: pictures[min(n, FAULT)])
        shown = proof(shots)
        if shown is not None and any(frozen[FAULT:]):
            self.frozen_after_proof_s.append((frozen.index(True, FAULT) - shown) / FPS)
        elif shown is not None:
            self.frozen_missed += 1
        for seconds in LOOPS_S:
            count = round(seconds * FPS)
            first = pictures[FAULT - count : FAULT]
            loop = refused(shots, noise, (pictures[:FAULT] + first * len(shots)).__getitem__)
            if any(loop[FAULT:]):
                self.loop_s.append((loop.index(True, FAULT) - FAULT) / FPS)
            else:
                self.loop_missed += 1

    def as_dict(self) -> dict[str, Any]:
        """For JSON: percentiles 50, 90 and 100."""

        def percentiles(values: list[float]) -> list[float]:
            return [round(float(v), 2) for v in np.percentile(values, (50, 90, 100))]

        return {
            "live_frames": self.live_frames,
            "false_frames": self.false_frames,
            "frozen_after_proof_s": percentiles(self.frozen_after_proof_s or [math.nan]),
            "frozen_missed": self.frozen_missed,
            "loop_s": percentiles(self.loop_s or [math.nan]),
            "loop_missed": self.loop_missed,
        }


def milliseconds(width: int, height: int) -> dict[str, float]:
    """Time of one check with a full memory, one thread, processor time."""
    camera = CameraModel.from_hfov(width, height, 70.0)
    monitor = PictureMonitor(PictureSettings(), camera)
    base = np.random.default_rng(0).integers(0, 255, (height // 4 + 99, width // 4 + 99, 3))
    ground = cv2.resize(base.astype(np.uint8), None, fx=4, fy=4)
    shots = flight("drift at 8 m", 0)

    def check(number: int) -> None:
        image = np.ascontiguousarray(ground[number : number + height, number : number + width])
        monitor.problem(Frame(image, number, shots[number].true.at_ns), shots[number].believed)

    half = len(shots) // 2
    return percentiles(in_turn({"check": check}, half, warm_up=half, clock=time.thread_time_ns)["check"])


@benchmark
@click.argument("photographs", nargs=-1, type=click.Path(path_type=Path, exists=True))
def main(photographs: tuple[Path, ...]) -> Figures:
    cv2.setNumThreads(1)
    cv2.setRNGSeed(0)
    names = [*WORLDS, *(f"photo:{path}?gsd_m=0.03" for path in photographs)]
    tallies = {key: Tally() for key in product(MOTIONS, NOISES)}
    for seed, name in enumerate(names):
        world: World = parse_world_spec(name)
        for motion in MOTIONS:
            shots = flight(motion, seed)
            pictures = [render(world, CAMERA, s.true, s.true.at_ns * 1e-9, labels=False)[0] for s in shots]
            for noise in NOISES:
                tallies[motion, noise].fly(shots, pictures, noise)
        click.echo(f"{name}: false so far {sum(t.false_frames for t in tallies.values())}")
    return {
        "worlds": [*WORLDS, *(path.name for path in photographs)],
        "live_frames": sum(t.live_frames for t in tallies.values()),
        "false_frames": sum(t.false_frames for t in tallies.values()),
        "by_motion_and_noise": {
            f"{motion}, noise {noise:g}": tally.as_dict() for (motion, noise), tally in tallies.items()
        },
        "check_ms": {"640x480": milliseconds(640, 480), "1920x1080": milliseconds(1920, 1080)},
    }
