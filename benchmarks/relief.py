"""Relief from parallax: how many banks and standing things are refused, and how much flat ground is lost.

    python -m benchmarks.relief --scenes 40 --json FILE

Each scene is a drawn place with banks and things that look like the ground they stand on (`sim.world.heights.banked`).
A multicopter in gusts arrives, crosses over and comes down to 5 m; the poses believed have the errors of
`benchmarks.picture_motion`. Then discs of 1.5 m that the labels call landable and that were in view are judged. Without
relief none of them is refused. A disc counts as flat below 5 degrees and 0.15 m, unless it lies on a crest or in a
ditch: the ground falls or rises from it by more than 10 degrees both ways. The same flight over the same place without
heights says how much ground is lost where all is flat.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import click
import cv2
import numpy as np

from benchmarks.picture_motion import FPS, POSE_EVERY, SIZE_PX, STEP_S, wander
from benchmarks.runner import Figures, benchmark, percentiles
from landing.camera import CameraModel, Mount
from landing.decision_groups import ReliefSettings
from landing.geometry import Quaternion, multiplied, quaternion_from_euler
from landing.motion.check import PictureMotion
from landing.relief.parallax import Relief
from landing.relief.report import CELL_M, ReliefReport
from landing.types import ByteArray, Pose
from sim.camera import Motion, render
from sim.camera.effects import Effects
from sim.vehicle import Vehicle, Wind
from sim.world import World
from sim.world.heights import STEEP_DEG, banked, disc_relief
from sim.world.scenes import SEEDS, scene

DISC_M, SIDES_M = 1.5, 2.0
CREST, FLAT = "crests and ditches", "in a flat place"


def fly(world: World, number: int, costs_s: list[float]) -> tuple[ReliefReport, list[tuple[float, float]]]:
    """Relief after a flight, and places on the ground that were in the middle of the view on the way."""
    rng = np.random.default_rng([number, 3])
    camera = CameraModel.from_hfov(*SIZE_PX, float(rng.uniform(60, 90)))
    vehicle = Vehicle(wind=Wind(rng.uniform(0, 6), rng.uniform(0, 360), rng.uniform(0.2, 1.5)), seed=number)
    start_m, place = float(rng.uniform(10, 25)), rng.uniform(-12, 12, 2)
    vehicle.place(place[0], place[1], start_m, float(rng.uniform(-3, 3)), flying=True)
    effects = Effects(number, noise_sd=2.5, exposure_s=0.004, exposure_wobble=0.1, vignetting=0.2, lens_blur_px=0.3)
    pitch, yaw, roll = 0.7 * rng.normal(size=3)
    watcher = PictureMotion(replace(camera, mount=Mount(roll, -90.0 + pitch, yaw)))
    relief, report, seen = Relief(ReliefSettings(enabled=True)), ReliefReport(), []
    seconds, scale = 30.0, 1 + 0.01 * rng.normal()
    steps = round(seconds / STEP_S)
    turned = wander(rng, steps // POSE_EVERY + 1, math.radians(0.4), 0.6)
    moved = wander(rng, steps // POSE_EVERY + 1, 0.15, 8.0)
    for step in range(steps):
        t_s = step * STEP_S
        if step % 500 == 0:
            place = np.clip(np.array([vehicle.n_m, vehicle.e_m]) + rng.uniform(-9, 9, 2), -18, 18)
        height_m = start_m - (start_m - 6.0) * t_s / seconds
        off = place - [vehicle.n_m, vehicle.e_m]
        north, east = np.clip(0.8 * off - 1.6 * np.array([vehicle.vn_mps, vehicle.ve_mps]), -3, 3)
        sink_mps = float(np.clip(0.8 * (-height_m - vehicle.d_m), -1, 1))
        vehicle.command(north, east, 2.0 * (sink_mps - vehicle.vd_mps), 0.0)
        vehicle.step(STEP_S)
        if step % round(1 / FPS / STEP_S):
            continue
        true = Pose(0, vehicle.q, (vehicle.n_m, vehicle.e_m, vehicle.d_m))
        motion = Motion((vehicle.vn_mps, vehicle.ve_mps, vehicle.vd_mps), vehicle.rates_radps)
        picture, _ = render(world, camera, true, t_s, effects, motion=motion, labels=False)
        grey: ByteArray = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        at_ns = round((1000 + t_s + 0.006 * rng.normal()) * 1e9)
        k = step // POSE_EVERY
        q = vehicle.q
        attitude: Quaternion = multiplied((q[0], q[1], q[2], q[3]), quaternion_from_euler(*turned[k]))
        believed = moved[k] + [vehicle.n_m, vehicle.e_m, vehicle.d_m]
        range_m = (-vehicle.d_m - world.height_at(vehicle.n_m, vehicle.e_m)) * scale
        watcher.observe(grey, at_ns, Pose(at_ns, attitude, (believed[0], believed[1], believed[2]), range_m))
        started = time.process_time()
        if watcher.pair is not None and relief.add(watcher.pair, watcher.track):
            report = relief.report()
        costs_s.append(time.process_time() - started)
        reach_m = 0.5 * max(range_m, 0.0) * camera.height_px / 2 / camera.fy
        if step % 100 == 0:
            seen.append((vehicle.n_m + rng.uniform(-reach_m, reach_m), vehicle.e_m + rng.uniform(-reach_m, reach_m)))
    return report, seen


def refused(report: ReliefReport, place: tuple[float, float]) -> bool:
    """True when refused ground touches a disc."""
    corner = (place[0] - DISC_M, place[1] - DISC_M)
    side = round(2 * DISC_M / CELL_M)
    return bool(report.mask(corner, CELL_M, (side, side)).any())


def landable(world: World, place: tuple[float, float]) -> bool:
    """True for a disc that the labels call landable."""
    return world.holds(*place, 5.0) and world.landable_disc(*place, DISC_M).all_landable


def on_crest(world: World, place: tuple[float, float]) -> bool:
    """True where the ground falls, or rises, by more than 10 degrees both ways from a place."""
    least_m = SIDES_M * math.tan(math.radians(STEEP_DEG))
    for course in np.radians([0.0, 45.0, 90.0, 135.0]):
        way_m = SIDES_M * np.array([math.cos(course), math.sin(course)])
        rise_m = [world.height_at(*(place + way * way_m)) - world.height_at(*place) for way in (1, -1)]
        if min(rise_m) > least_m or max(rise_m) < -least_m:
            return True
    return False


@benchmark
@click.option("--scenes", default=40, show_default=True, help="Places to fly over.")
@click.option("--first", default=0, show_default=True, help="Number of the first place, of the seeds to compare on.")
def main(scenes: int, first: int) -> Figures:
    """Flies over all places."""
    kinds = (
        "steeper than 10 degrees",
        "of these, from 14 degrees",
        "something taller than 0.4 m",
        CREST,
        "flat",
        "flat for 4 m",
        FLAT,
    )
    rows: dict[str, list[bool]] = {kind: [] for kind in kinds}
    costs_s: list[float] = []
    for number in range(first, first + scenes):
        seed = SEEDS["val"][number]
        plain = replace(scene(seed), actors=())
        report, seen = fly(plain, number, costs_s)
        rows[FLAT] += [refused(report, place) for place in seen if landable(plain, place)]
        world = banked(plain, seed)
        report, seen = fly(world, number, costs_s)
        for place in seen:
            if not landable(world, place):
                continue
            slope_deg, tall_m = disc_relief(world, *place, DISC_M)
            no = refused(report, place)
            if slope_deg > 10:
                rows[kinds[0]].append(no)
            if slope_deg > 14:
                rows[kinds[1]].append(no)
            if tall_m > 0.4:
                rows[kinds[2]].append(no)
            if on_crest(world, place):
                rows[CREST].append(no)
            elif slope_deg < 5 and tall_m < 0.15:
                rows["flat"].append(no)
                slope_deg, tall_m = disc_relief(world, *place, 4.0)
                if slope_deg < 5 and tall_m < 0.15:
                    rows["flat for 4 m"].append(no)
    share = {
        k: {"discs": len(v), "refused": sum(v), "share": float(np.mean(v)) if v else None} for k, v in rows.items()
    }
    return {
        "scenes": scenes,
        "with relief": share,
        "without relief": {"refused": 0},
        "ms of CPU a picture": percentiles([1000 * s for s in costs_s]),
        "ms of CPU a pair": percentiles([1000 * s for s in costs_s if s > 1e-4]),
    }
