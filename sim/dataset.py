"""Renders labelled pictures of the simulator's worlds for the trainer, in its `folder` layout.

`touchdown sim dataset --out DIR --worlds scenes,procedural --seeds 19000:19200`. A world's pictures are all in one part
of the split. Their camera has the lens and the faults of a campaign's (`sim.campaign.ranges`). Seeds on which landings
or networks are judged are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.errors import DataError
from landing.geometry import quaternion_from_euler
from landing.ground.scale import axis_down
from landing.picture_files import write_picture
from landing.taxonomy import Taxonomy
from landing.types import Pose
from sim.camera import Motion, render
from sim.camera.effects import Effects
from sim.campaign.ranges import RANGES
from sim.campaign.scene_ground import overgrown
from sim.workers import worker_pool
from sim.world import World, parse_world_spec, split_of
from sim.world.scenes import JUDGED_SEEDS

TAXONOMY = "scenes"
"""Of all pictures; the classes of a procedural world are the first of it."""

TERMS = "Rendered by touchdown's simulator; CC0"
OVERGROWN_SHARE = 0.1
"""Worlds made without any site, as campaigns have them: bushes of half a metre, everywhere."""

_LATEST_S = 120.0
_NEAR_M = 35.0
"""From higher up a person is a pixel or two: pictures aimed at one are taken from below."""

_PLACES = 4000
"""Looked at for the classes of a world."""

_EDGE = 0.06
"""Share of a world's side without such places, so that the picture shows the world and not its edge."""


@dataclass(frozen=True)
class DatasetPlan:
    """Pictures to render.

    Attributes:
        seeds: Of the worlds.
        frames_per_world: Pictures of each.
        width_px, height_px: Of a picture.
        heights_m: Least and greatest height above ground; log-uniform between.
        tilt_deg: Greatest tilt of the camera from straight down.
        hfov_deg: Least and greatest horizontal field of view.
        worlds: Specifications taken in turn, see `sim.world.spec`.
        aim: Share of pictures taken near a person or car, who would otherwise be rare, from a height at which they can
            be made out.
        class_aim: Share of pictures taken above a class drawn alike of those on the world's ground, so that a roof is
            seen from near as often as a lawn.
        val_share, test_share: Of the worlds; the last ones.

    Raises:
        DataError: No worlds, worlds for judging, or shares that leave nothing to train on.
    """

    seeds: range
    frames_per_world: int = 12
    width_px: int = 640
    height_px: int = 480
    heights_m: tuple[float, float] = (2.0, 100.0)
    tilt_deg: float = 20.0
    hfov_deg: tuple[float, float] = (RANGES["hfov_deg"].low, RANGES["hfov_deg"].high)
    worlds: tuple[str, ...] = ("scenes", "procedural")
    aim: float = 0.4
    class_aim: float = 0.0
    val_share: float = 0.1
    test_share: float = 0.1

    def __post_init__(self) -> None:
        for seed in self.seeds:
            if seed in JUDGED_SEEDS or split_of(seed) in ("demo", "val", "test"):
                raise DataError(
                    f"world seed {seed} is one of those on which landings or networks are judged; "
                    "take seeds from 1000 or from 19000"
                )
        if self.worlds_in("train") < 1 or self.frames_per_world < 1:
            raise DataError(
                f"{len(self.seeds)} worlds with {self.frames_per_world} pictures each, of which "
                f"{self.val_share:g} val and {self.test_share:g} test, leave nothing to train on"
            )
        low, high = self.heights_m
        if not 0 < low <= high:
            raise DataError(f"heights {low:g} to {high:g} m: expected 0 < least <= greatest")
        low, high = self.hfov_deg
        if not 10 <= low <= high <= 150:
            raise DataError(f"fields of view {low:g} to {high:g} degrees: expected 10 to 150")
        if not self.worlds or min(self.aim, self.class_aim) < 0 or self.aim + self.class_aim > 1:
            raise DataError(
                f"worlds {self.worlds}, aim {self.aim:g}, class aim {self.class_aim:g}: expected some worlds, and "
                "shares of 0 to 1 together"
            )

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
        (out / "taxonomy.toml").write_text(Taxonomy.builtin_toml(TAXONOMY), "utf-8")
        (out / "TERMS.txt").write_text(TERMS + "\n", "utf-8")
        (out / "ground.csv").write_text("id,width_m\n", "utf-8")
        rows = [f"{name},{plan.part_of(seed)}" for seed in plan.seeds for name in plan.names(seed)]
        (out / "split.csv").write_text("\n".join(["id,split", *rows]) + "\n", "utf-8")
    except OSError as error:
        raise DataError(f"data folder {out}: {error.strerror}") from error
    count = len(plan.seeds)
    arguments = [plan] * count, [out] * count, plan.seeds
    with ExitStack() as stack, (out / "ground.csv").open("a", encoding="utf-8") as ground:
        worlds: Iterator[dict[str, float]]
        if jobs <= 1:
            worlds = map(write_world, *arguments)
        else:
            pool = stack.enter_context(worker_pool(jobs))
            worlds = pool.map(write_world, *arguments)
        for seed, widths_m in zip(plan.seeds, worlds, strict=True):
            ground.writelines(f"{name},{width_m:.4g}\n" for name, width_m in widths_m.items())
            yield seed


def write_world(plan: DatasetPlan, out: Path, seed: int) -> dict[str, float]:
    """Renders the pictures of one world; returns the ground across each in its middle, m by name.

    Raises:
        DataError: A file cannot be written.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, 31])
    world = parse_world_spec(plan.worlds[seed % len(plan.worlds)], seed)
    widths_m = {}
    if np.random.default_rng([seed, 37]).random() < OVERGROWN_SHARE:
        world = overgrown(world, rng)
    for name in plan.names(seed):
        camera = CameraModel.from_hfov(plan.width_px, plan.height_px, float(rng.uniform(*plan.hfov_deg)))
        t_s = float(rng.uniform(0, _LATEST_S))
        pose = random_pose(plan, world, t_s, rng)
        assert pose.position_ned_m is not None
        widths_m[name] = -pose.position_ned_m[2] / axis_down(camera, pose) / camera.fx * plan.width_px
        motion = Motion(velocity_ned_mps=_three(rng.normal(0, 2.0, 3)), rates_frd_radps=_three(rng.normal(0, 0.2, 3)))
        image, truth = render(world, camera, pose, t_s, random_effects(rng), rng, motion=motion)
        assert truth is not None
        quality = [cv2.IMWRITE_JPEG_QUALITY, 95]
        for path, picture, options in (
            (out / "images" / f"{name}.jpg", image, quality),
            (out / "labels" / f"{name}.png", truth, []),
        ):
            write_picture(path, picture, options)
    return widths_m


def random_pose(plan: DatasetPlan, world: World, t_s: float, rng: np.random.Generator) -> Pose:
    """A pose over a world, with height, tilt and heading at random."""
    low, high = plan.heights_m
    actors = world.actors_at(t_s)
    aim = rng.random()
    spot = None
    if aim < plan.aim and actors:
        actor = actors[int(rng.integers(len(actors)))]
        spot = actor.north_m, actor.east_m
        high = max(low, min(high, _NEAR_M))
    elif plan.aim <= aim < plan.aim + plan.class_aim:
        spot = spot_of_a_class(world, rng)
    height_m = math.exp(rng.uniform(math.log(low), math.log(high)))
    if spot is not None:
        north_m, east_m = (at + rng.uniform(-0.4, 0.4) * height_m for at in spot)
    else:
        south, north, west, east = world.extent_m
        # High up the view is wide: near the middle, so that it shows the world and not its edge.
        inset = min(0.45, 0.05 + 0.8 * height_m / (north - south))
        north_m = rng.uniform(south + inset * (north - south), north - inset * (north - south))
        east_m = rng.uniform(west + inset * (east - west), east - inset * (east - west))
    tilt = math.radians(plan.tilt_deg) * rng.beta(1.2, 2.5)
    towards = rng.uniform(0, 2 * math.pi)
    attitude = quaternion_from_euler(
        tilt * math.cos(towards), tilt * math.sin(towards), float(rng.uniform(-math.pi, math.pi))
    )
    return Pose(at_ns=0, ned_from_frd=attitude, position_ned_m=(north_m, east_m, -height_m))


def spot_of_a_class(world: World, rng: np.random.Generator) -> tuple[float, float] | None:
    """North and east, m, of a place whose class is drawn alike of those found at some thousand places at random.

    Returns:
        None in a world without labels.
    """
    height, width = world.labels.shape
    rows = rng.integers(round(_EDGE * height), round((1 - _EDGE) * height), _PLACES)
    columns = rng.integers(round(_EDGE * width), round((1 - _EDGE) * width), _PLACES)
    found = world.labels[rows, columns]
    classes = np.setdiff1d(found, [world.taxonomy.ignore_index])
    if not classes.size:
        return None
    at = int(rng.choice(np.flatnonzero(found == rng.choice(classes))))
    column, row = world.origin_px
    return (row - rows[at]) * world.gsd_m, (columns[at] - column) * world.gsd_m


def random_effects(rng: np.random.Generator) -> Effects:
    """Faults of a camera, as a campaign draws them, and the tints and shades of cheap ones."""
    return Effects(
        seed=int(rng.integers(1 << 31)),
        noise_sd=RANGES["noise_sd"].draw(rng),
        exposure_s=RANGES["exposure_ms"].draw(rng) * 1e-3,
        gain=RANGES["light"].draw(rng),
        exposure_wobble=float(rng.uniform(0, 0.2)),
        white_balance=_three(np.exp(rng.uniform(-0.08, 0.08, 3))),
        vignetting=float(rng.uniform(0, 0.35)),
        lens_blur_px=RANGES["lens_blur_px"].draw(rng),
    )


def _three(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    one, two, three = (float(v) for v in values)
    return one, two, three
