"""Count of discs that a network calls wet from near and dry from higher up, and of water that it calls dry from there.

    python -m benchmarks.seen_dry --worlds 120

Discs of one class, drawn alike of the classes of each world, and as many of its water, are looked at from straight
above, from several heights, by one camera with a campaign's faults. `dry`: as `landing.ground.dry` counts a look.
`wet`: water at its threshold of flight. `good given dry`: as landable as a frame must say, given that it is no water.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import click
import cv2
import numpy as np

from benchmarks.runner import ROOT, Figures, benchmark
from edge.runtimes import load_runtime
from edge.runtimes.contract import Runtime, RuntimeOptions
from landing.camera import CameraModel
from landing.geometry import quaternion_from_euler
from landing.ground import dry
from landing.settings import DecisionSettings
from landing.taxonomy import Role
from landing.types import ByteArray, Frame, Pose
from sim.camera import render
from sim.camera.effects import Effects
from sim.dataset import random_effects, spot_of_a_class
from sim.world import World, parse_world_spec
from sim.world.scenes import SEEDS

WORLDS = ("scenes", "scenes?light=dusk", "scenes:lake", "scenes?season=snow", "scenes:flood", "scenes?season=dry")
DISCS = 6
"""Of any class in each world, and of its water."""

HIGH_M, NEAR_M = (16.0, 12.0), (5.0, 3.0, 2.0)
WHOLE = 0.9
"""Share of a disc's ground that must be of one role."""


def look(
    runtime: Runtime, world: World, pose: Pose, camera: CameraModel, effects: Effects
) -> tuple[float, float, ByteArray]:
    """Return the mean probabilities of landable ground and water in the middle of a picture, and the labels there."""
    image, labels = render(world, camera, pose, 10.0, effects)
    assert labels is not None and pose.position_ned_m is not None
    disc = dry.DISC_M * camera.fx / camera.width_px / -pose.position_ned_m[2]
    seen = runtime.segment(Frame(image, 0, 0))

    def middle(plane: ByteArray) -> ByteArray:
        rows, columns = plane.shape
        half = min(round(disc * columns), rows // 2)
        return plane[rows // 2 - half : rows // 2 + half, columns // 2 - half : columns // 2 + half]

    landable, water = (float(middle(plane).mean()) / 255 for plane in (seen.landable, seen.hazards[dry.WATER]))
    return landable, water, middle(labels)


def water_spot(world: World, rng: np.random.Generator) -> tuple[float, float] | None:
    """North and east, m, of a place in the water of a world; None where it has none."""
    wet = np.argwhere(np.isin(world.labels, [c.id for c in world.taxonomy.classes if c.role is Role.WATER]))
    if not len(wet):
        return None
    row, column = wet[int(rng.integers(len(wet)))]
    return (world.origin_px[1] - row) * world.gsd_m, (column - world.origin_px[0]) * world.gsd_m


def count_disc(runtime: Runtime, world: World, spot: tuple[float, float], rng: np.random.Generator) -> Counter[str]:
    """Look at a disc from all heights and count what was seen."""
    settings = DecisionSettings()
    camera = CameraModel.from_hfov(640, 480, float(rng.uniform(65, 90)))
    effects, attitude = random_effects(rng), quaternion_from_euler(0.0, 0.0, float(rng.uniform(-math.pi, math.pi)))
    seen = {h: look(runtime, world, Pose(0, attitude, (*spot, -h)), camera, effects) for h in HIGH_M + NEAR_M}
    roles = {c.id: c.role for c in world.taxonomy.classes if c.name != "slope"}
    ids, pixels = np.unique(seen[NEAR_M[0]][2], return_counts=True)
    shares: dict[Role | None, float] = dict.fromkeys([*Role, None], 0.0)
    for number, count in zip(ids, pixels, strict=True):
        shares[roles.get(int(number))] += int(count) / int(pixels.sum())
    role, share = max(shares.items(), key=lambda known: known[1])
    if role not in (Role.LANDABLE, Role.WATER) or share < WHOLE:
        return Counter()
    counts = Counter({role.value: 1})
    for high_m in HIGH_M:
        landable, water, _ = seen[high_m]
        was_dry = landable * 255 >= dry.LANDABLE and water * 255 <= dry.DRY
        counts[f"{role.value}, dry from {high_m:g} m"] += was_dry
        for near_m in NEAR_M:
            landable, water, _ = seen[near_m]
            wet = water >= settings.hazard_thresholds[Role.WATER]
            given = landable / (1.0 - water) if water * 255 < dry.SURELY_WET else 0.0
            words = f"{role.value}, wet from {near_m:g} m"
            counts[words] += wet and high_m == HIGH_M[0]
            counts[f"{words}, dry from {high_m:g} m"] += wet and was_dry
            counts[f"{words}, dry from {high_m:g} m, good given dry"] += (
                wet and was_dry and given >= settings.frame_landable_probability
            )
    return counts


@benchmark
@click.option("--worlds", type=click.IntRange(1), default=120, show_default=True, help="Of val.")
@click.option("--first", type=int, default=20_800, show_default=True, help="Seed of the first.")
@click.option("--model", type=click.Path(path_type=Path), default=ROOT / "models" / "synthetic-unet.onnx")
def main(worlds: int, first: int, model: Path) -> Figures:
    cv2.setNumThreads(1)
    seeds = range(first, first + worlds)
    if not set(seeds) <= set(SEEDS["val"]):
        raise click.BadParameter(f"seeds of val are {SEEDS['val'].start} to {SEEDS['val'].stop - 1}")
    counts = Counter[str]()
    with load_runtime(model, RuntimeOptions(threads=1)) as runtime:
        for seed in seeds:
            rng = np.random.default_rng([seed, 41])
            world = parse_world_spec(WORLDS[seed % len(WORLDS)], seed)
            for spot_of in (spot_of_a_class, water_spot):
                spots = [spot_of(world, rng) for _ in range(DISCS)]
                for spot in filter(None, spots):
                    counts += count_disc(runtime, world, spot, rng)
    return {"model": model.name, "worlds": worlds, "first_seed": first, "discs": dict(sorted(counts.items()))}


if __name__ == "__main__":
    main()
