"""Heights of a world: banks and terraces under its picture, and things that stand on it.

The picture and labels stay as they are: a bank looks like the lawn it is painted with, and only its relief tells.
"""

from __future__ import annotations

import math
from copy import copy

import cv2
import numpy as np
import numpy.typing as npt

from landing.geometry import FloatArray
from sim.world.model import World

Heights = npt.NDArray[np.float32]

TALL_M = {"tree": 4.0, "building": 4.0, "wall": 1.5, "fence": 1.2, "bush": 0.8, "obstacle": 1.0, "crop": 0.8}
"""Of what stands on the ground, by the beginning or end of the name of its class; other ground has none."""


def with_heights(world: World, heights_m: Heights) -> World:
    """The same world with heights above down 0, m, of its labels' shape."""
    other = copy(world)
    other.__dict__["heights_m"] = heights_m
    return other


def banked(world: World, seed: int, banks: int = 5, things: int = 40) -> World:
    """A world with banks of 3 to 25 degrees, half of them terraces, and things of 0.1 to 1.5 m that look like ground.

    Args:
        world: Flat; without people and cars, who stand at down 0.
        seed: Same seed, same heights.
        banks: Ramps from one level to another, flat along one direction.
        things: Boxes and mounds.
    """
    rng = np.random.default_rng([seed, 211])
    rows, columns = world.labels.shape
    north = ((world.origin_px[1] - np.arange(rows)) * world.gsd_m).astype(np.float32)[:, None]
    east = ((np.arange(columns) - world.origin_px[0]) * world.gsd_m).astype(np.float32)[None, :]
    heights: Heights = np.zeros((rows, columns), np.float32)
    for _ in range(banks):
        middle, course = rng.uniform(-30, 30, 2), rng.uniform(0, 2 * math.pi)
        wide, long = rng.uniform(4, 12), rng.uniform(10, 25)
        rise = math.tan(math.radians(rng.uniform(3, 25)))
        along = (north - middle[0]) * math.cos(course) + (east - middle[1]) * math.sin(course)
        across = (east - middle[1]) * math.cos(course) - (north - middle[0]) * math.sin(course)
        back_m = rng.uniform(6, 12) if rng.random() < 0.5 else 0.0
        up = np.clip(along, 0, wide) * rise
        down = np.clip((wide + back_m + wide) - along, 0, wide) * rise
        bank = np.where(np.abs(across) < long / 2, np.minimum(up, down), 0).astype(np.float32)
        heights = np.maximum(heights, bank)
    for name, tall_m in TALL_M.items():
        ids = [c.id for c in world.taxonomy.classes if c.name.startswith(name) or c.name.endswith(name)]
        heights += tall_m * np.isin(world.labels, ids).astype(np.float32)
    for _ in range(things):
        _stand(heights, world, rng)
    return with_heights(world, np.asarray(cv2.GaussianBlur(heights, (0, 0), 0.06 / world.gsd_m), np.float32))


def _stand(heights: Heights, world: World, rng: np.random.Generator) -> None:
    """Puts a box or a mound on the ground."""
    middle, half_m, tall_m = rng.uniform(-25, 25, 2), rng.uniform(0.2, 1.0), rng.uniform(0.1, 1.5)
    v, u = world.origin_px[1] - middle[0] / world.gsd_m, world.origin_px[0] + middle[1] / world.gsd_m
    reach = math.ceil(half_m / world.gsd_m)
    top, left = max(0, round(v) - reach), max(0, round(u) - reach)
    part = heights[top : round(v) + reach + 1, left : round(u) + reach + 1]
    if not part.size:
        return
    if rng.random() < 0.5:
        part += np.float32(tall_m)
        return
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    away = np.hypot(y + top - v, x + left - u) / max(1, reach)
    part += (tall_m * np.sqrt(np.clip(1 - away**2, 0, 1))).astype(np.float32)


def height_at(world: World, north_m: float, east_m: float) -> float:
    """Height of the ground at a place, m; 0 in a flat world and beyond it."""
    if world.heights_m is None:
        return 0.0
    u, v, _ = world.pixel_from_ground @ [north_m, east_m, 1.0]
    rows, columns = world.heights_m.shape
    row, column = math.floor(v + 0.5), math.floor(u + 0.5)
    return float(world.heights_m[row, column]) if 0 <= row < rows and 0 <= column < columns else 0.0


def disc_relief(world: World, north_m: float, east_m: float, radius_m: float) -> tuple[float, float]:
    """Slope of a disc, degrees, and height of the tallest thing above the plane through it, m."""
    assert world.heights_m is not None
    u, v, _ = world.pixel_from_ground @ [north_m, east_m, 1.0]
    reach = math.ceil(radius_m / world.gsd_m)
    part = world.heights_m[round(v) - reach : round(v) + reach + 1, round(u) - reach : round(u) + reach + 1]
    y, x = np.mgrid[: part.shape[0], : part.shape[1]].astype(np.float64) * world.gsd_m
    inside = np.hypot(y - reach * world.gsd_m, x - reach * world.gsd_m) <= radius_m
    terms = np.column_stack([y[inside], x[inside], np.ones(inside.sum())])
    height = part[inside].astype(np.float64)
    weight = np.ones(len(height))
    for _ in range(4):  # what stands is no part of the plane
        plane = np.linalg.lstsq(terms * weight[:, None], height * weight, rcond=None)[0]
        weight = 1.0 / (1.0 + ((height - terms @ plane) / 0.1) ** 2)
    return math.degrees(math.atan(math.hypot(plane[0], plane[1]))), float((height - terms @ plane).max())


def ground_places(world: World, centre_ned_m: FloatArray, rays_ned: FloatArray) -> npt.NDArray[np.float32]:
    """North and east of the ground that rays meet first, m, shape (h, w, 2).

    Relief mapping: steps down through the heights, then halves the last step.

    Args:
        world: With heights.
        centre_ned_m: Where the rays begin, above all of the ground.
        rays_ned: float, shape (h, w, 3); those that do not go down meet nothing and give far places.
    """
    heights = world.heights_m
    assert heights is not None
    top_m = float(heights.max())
    above_m = -float(centre_ned_m[2])
    slope = (rays_ned[..., :2] / np.maximum(rays_ned[..., 2:], 1e-3)).astype(np.float32)
    start = np.asarray(centre_ned_m[:2], np.float32)
    affine = world.pixel_from_ground[:2].astype(np.float32)

    def below(height_m: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        places = start + slope * (above_m - height_m)[..., None]
        pixels = cv2.transform(places, affine)
        ground = cv2.remap(heights, pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(ground >= height_m)

    high_m = min(top_m, above_m - 0.05)
    steps = max(2, math.ceil(high_m / 0.12))
    low = np.zeros(slope.shape[:2], np.float32)
    open_rays = np.ones(slope.shape[:2], np.bool_)
    for level_m in np.linspace(high_m, 0.0, steps, dtype=np.float32)[1:]:
        met = open_rays & below(np.full(slope.shape[:2], level_m, np.float32))
        low[met] = level_m
        open_rays &= ~met
        if not open_rays.any():
            break
    high = low + np.float32(high_m / (steps - 1))
    for _ in range(5):
        half = ((low + high) / 2).astype(np.float32)
        under = below(half)
        low, high = np.where(under, half, low), np.where(under, high, half)
    places: npt.NDArray[np.float32] = (start + slope * (above_m - low)[..., None]).astype(np.float32)
    return places
