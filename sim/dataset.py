"""Renders labelled pictures of procedural worlds for the trainer, in its `folder` layout.

`touchdown sim dataset --out DIR --seeds 1000:1200`. A world's pictures are all in one part of the
split. Landings are measured on worlds 0 to 19, so their seeds are refused here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import resources
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.errors import DataError
from landing.geometry import quaternion_from_euler
from landing.types import Pose
from sim.camera import Motion, render
from sim.camera_effects import Effects
from sim.world import World, procedural

BENCHMARK_SEEDS = range(0, 20)
"""Worlds on which landings are measured; never trained on."""

TERMS = "Rendered by touchdown's simulator; CC0"
_LATEST_S = 120.0


@dataclass(frozen=True)
class DatasetPlan:
    """What to render.

    Attributes:
        seeds: Of the worlds.
        frames_per_world: Pictures of each.
        width_px, height_px: Of a picture.
        heights_m: Least and greatest height above ground; log-uniform between.
        tilt_deg: Greatest tilt of the camera from straight down.
        hfov_deg: Least and greatest horizontal field of view.
        val_share, test_share: Of the worlds; the last ones.
        world_size_m: Side of a world.
        world_gsd_m: Metres per pixel of a world.
        aim: Share of pictures taken near a person or car, who would otherwise be rare.

    Raises:
        DataError: No worlds, benchmark worlds, or shares that leave nothing to train on.
    """

    seeds: range
    frames_per_world: int = 12
    width_px: int = 640
    height_px: int = 480
    heights_m: tuple[float, float] = (2.0, 40.0)
    tilt_deg: float = 20.0
    hfov_deg: tuple[float, float] = (60.0, 90.0)
    val_share: float = 0.1
    test_share: float = 0.1
    world_size_m: float = 80.0
    world_gsd_m: float = 0.05
    aim: float = 0.4

    def __post_init__(self) -> None:
        taken = set(self.seeds) & set(BENCHMARK_SEEDS)
        if taken:
            raise DataError(
                f"world seed {min(taken)} is one of {BENCHMARK_SEEDS.start} to "
                f"{BENCHMARK_SEEDS.stop - 1}, on which landings are measured; start at 1000"
            )
        if self.worlds_in("train") < 1 or self.frames_per_world < 1:
            raise DataError(
                f"{len(self.seeds)} worlds with {self.frames_per_world} pictures each, of which "
                f"{self.val_share:g} val and {self.test_share:g} test, leave nothing to train on"
            )
        low, high = self.heights_m
        if not 0 < low <= high:
            raise DataError(f"heights {low:g} to {high:g} m: expected 0 < least <= greatest")

    def worlds_in(self, part: str) -> int:
        """Number of worlds in "train", "val" or "test"."""
        count = len(self.seeds)
        shares = {"val": self.val_share, "test": self.test_share}
        held = {name: math.ceil(share * count) for name, share in shares.items()}
        return held[part] if part in held else count - sum(held.values())

    def part_of(self, seed: int) -> str:
        """Part of the split a world is in."""
        place = self.seeds.index(seed)
        if place < self.worlds_in("train"):
            return "train"
        return "val" if place < self.worlds_in("train") + self.worlds_in("val") else "test"

    def names(self, seed: int) -> list[str]:
        """Names of a world's pictures."""
        return [f"{seed:05d}_{frame:03d}" for frame in range(self.frames_per_world)]


def write_dataset(plan: DatasetPlan, out: Path, jobs: int = 1) -> Iterator[int]:
    """Renders everything into a folder, and yields the seed of each world that is finished.

    Raises:
        DataError: The folder already holds pictures, or cannot be written.
    """
    images, labels = out / "images", out / "labels"
    if images.is_dir() and any(images.iterdir()):
        raise DataError(f"{images} already holds pictures; choose another --out")
    try:
        for folder in (images, labels):
            folder.mkdir(parents=True, exist_ok=True)
        taxonomy = resources.files("landing.taxonomies").joinpath("synthetic.toml")
        (out / "taxonomy.toml").write_text(taxonomy.read_text("utf-8"), "utf-8")
        (out / "TERMS.txt").write_text(TERMS + "\n", "utf-8")
        rows = [f"{name},{plan.part_of(seed)}" for seed in plan.seeds for name in plan.names(seed)]
        (out / "split.csv").write_text("\n".join(["id,split", *rows]) + "\n", "utf-8")
    except OSError as error:
        raise DataError(f"data folder {out}: {error.strerror}") from error
    if jobs <= 1:
        for seed in plan.seeds:
            yield write_world(plan, out, seed)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        count = len(plan.seeds)
        yield from pool.map(write_world, [plan] * count, [out] * count, plan.seeds)


def write_world(plan: DatasetPlan, out: Path, seed: int) -> int:
    """Renders the pictures of one world; returns its seed.

    Raises:
        DataError: A file cannot be written.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, 31])
    world = procedural(seed, size_m=plan.world_size_m, gsd_m=plan.world_gsd_m)
    for name in plan.names(seed):
        camera = CameraModel.from_hfov(
            plan.width_px, plan.height_px, float(rng.uniform(*plan.hfov_deg))
        )
        t_s = float(rng.uniform(0, _LATEST_S))
        pose = random_pose(plan, world, t_s, rng)
        motion = Motion(
            velocity_ned_mps=_three(rng.normal(0, 1.0, 3)),
            rates_frd_radps=_three(rng.normal(0, 0.1, 3)),
        )
        image, truth = render(
            world, camera, pose, t_s, random_effects(rng), rng, motion=motion,
        )  # fmt: skip
        assert truth is not None
        quality = [cv2.IMWRITE_JPEG_QUALITY, 95]
        for path, picture, options in (
            (out / "images" / f"{name}.jpg", image, quality),
            (out / "labels" / f"{name}.png", truth, []),
        ):
            if not cv2.imwrite(str(path), picture, options):
                raise DataError(f"{path} cannot be written; is the disk full?")
    return seed


def random_pose(plan: DatasetPlan, world: World, t_s: float, rng: np.random.Generator) -> Pose:
    """A pose over a world, with height, tilt and heading at random."""
    low, high = plan.heights_m
    height_m = math.exp(rng.uniform(math.log(low), math.log(high)))
    south, north, west, east = world.extent_m
    # High up the view is wide: near the middle, so that it shows the world and not its edge.
    inset = min(0.45, 0.05 + 0.4 * height_m / 40.0)
    north_m = rng.uniform(south + inset * (north - south), north - inset * (north - south))
    east_m = rng.uniform(west + inset * (east - west), east - inset * (east - west))
    people = world.actors_at(t_s)
    if people and rng.random() < plan.aim:
        near = people[int(rng.integers(len(people)))]
        north_m = near.north_m + rng.uniform(-0.4, 0.4) * height_m
        east_m = near.east_m + rng.uniform(-0.4, 0.4) * height_m
    tilt = math.radians(plan.tilt_deg) * rng.beta(1.2, 2.5)
    towards = rng.uniform(0, 2 * math.pi)
    attitude = quaternion_from_euler(
        tilt * math.cos(towards), tilt * math.sin(towards), float(rng.uniform(-math.pi, math.pi))
    )
    return Pose(at_ns=0, ned_from_frd=attitude, position_ned_m=(north_m, east_m, -height_m))


def random_effects(rng: np.random.Generator) -> Effects:
    """Faults of a camera, mild in most pictures."""
    mild = rng.random() < 0.7
    strength = 0.5 if mild else 1.0
    return Effects(
        seed=int(rng.integers(1 << 31)),
        noise_sd=float(rng.uniform(0, 8) * strength),
        exposure_s=float(rng.uniform(0, 0.02) * strength),
        gain=float(math.exp(rng.uniform(-0.35, 0.35) * strength)),
        exposure_wobble=float(rng.uniform(0, 0.2) * strength),
        white_balance=_three(np.exp(rng.uniform(-0.1, 0.1, 3) * strength)),
        vignetting=float(rng.uniform(0, 0.4) * strength),
        lens_blur_px=float(rng.uniform(0, 1.2) * strength),
    )


def _three(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    one, two, three = (float(v) for v in values)
    return one, two, three
