"""Heights of a world: banks and terraces under its picture, and things that stand on it.

The picture and labels stay as they are: a bank looks like the lawn it is painted with, and only its relief tells.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.taxonomy import Role
from landing.types import Pose
from sim.world.model import NEAR_M, World
from sim.world.painting import Painting

Heights = npt.NDArray[np.float32]

TALL_M = {"tree": 4.0, "building": 4.0, "wall": 1.5, "fence": 1.2, "bush": 0.8, "obstacle": 1.0, "crop": 0.8}
"""Of what stands on the ground, by the beginning or end of the name of its class; other ground has none."""


BANKS = 5
"""Ramps from one level to another, flat along one direction."""

THINGS = 40
"""Boxes and mounds."""

STEEP_DEG, TALL_STEP_M = 10.0, 0.4
"""Ground that no vehicle may land on: steeper, or with something taller on it."""

HEIGHTS = ("banks", "flat", "slopes", "drawn")

SLOPES_DEG = (12.0, 25.0)
"""Least and greatest steepness of a part of a scene's `slope`, degrees."""

FOOT_M = 0.3
"""Over so much the foot and the crest of a slope are rounded, standard deviation, m."""

ROW_RAYS = 256
STEP_M = 0.25
"""Step down of a ray, m: at 40 degrees off the plumb line it passes 0.2 m of ground."""

SLAB_STEPS = 8
"""Steps of a slab."""

LOW_M = 2 * STEP_M
"""Ground nowhere higher than this is met without steps."""

LOWEST_M = 0.03
"""A camera on or below the ground looks from this height instead."""


def with_heights(world: World, heights_m: Heights) -> World:
    """The same world with heights above down 0, m, of its labels' shape."""
    other = copy(world)
    other.__dict__["heights_m"] = heights_m
    for derived in ("heights_near_m", "_ground_in_view"):
        other.__dict__.pop(derived, None)
    return other


def banked(world: World, seed: int) -> World:
    """A world with banks of 3 to 25 degrees, half of them terraces, and things of 0.1 to 1.5 m that look like ground.

    Args:
        world: Flat; without people and cars, who stand at down 0.
        seed: Same seed, same heights.
    """
    rng = np.random.default_rng([seed, 211])
    heights = _raised(world, rng)
    for name, tall_m in TALL_M.items():
        ids = [c.id for c in world.taxonomy.classes if c.name.startswith(name) or c.name.endswith(name)]
        heights += tall_m * np.isin(world.labels, ids).astype(np.float32)
    for _ in range(THINGS):
        _stand(heights, world, rng)
    return with_heights(world, np.asarray(cv2.GaussianBlur(heights, (0, 0), 0.06 / world.gsd_m), np.float32))


def _raised(world: World, rng: np.random.Generator) -> Heights:
    """Ground with banks and nothing on it."""
    rows, columns = world.labels.shape
    north = ((world.origin_px[1] - np.arange(rows)) * world.gsd_m).astype(np.float32)[:, None]
    east = ((np.arange(columns) - world.origin_px[0]) * world.gsd_m).astype(np.float32)[None, :]
    heights: Heights = np.zeros((rows, columns), np.float32)
    for _ in range(BANKS):
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
    return heights


def flown(world: World, seed: int, heights: str) -> World:
    """A world with heights to land on: its labels call steep ground and what stands obstacles, its looks do not.

    Args:
        world: Flat. People and cars are left out: they would stand at down 0. Its `slope` is level grass here.
        seed: Same seed, same heights.
        heights: `banks` as of `banked`, or `flat`, all of it at 0.
    """
    grass = next(c.id for c in world.taxonomy.classes if c.name == "grass")
    obstacle = world.taxonomy.ids_of(Role.OBSTACLE)[0]
    slope = next((c.id for c in world.taxonomy.classes if c.name == "slope"), obstacle)
    looks = np.where(world.labels == slope, grass, world.labels).astype(np.uint8) if slope != obstacle else world.labels
    plain = replace(world, labels=looks, actors=())
    if heights == "flat":
        return with_heights(plain, np.zeros(looks.shape, np.float32))
    raised = banked(plain, seed)
    assert raised.heights_m is not None
    ground = _raised(plain, np.random.default_rng([seed, 211]))
    rise = np.hypot(*np.gradient(ground, world.gsd_m))
    uneven = (rise > math.tan(math.radians(STEEP_DEG))) | (raised.heights_m - ground > TALL_STEP_M)
    labels = np.where(uneven & world.taxonomy.landable_lut[looks], slope, looks).astype(np.uint8)
    return replace(raised, labels=labels, looks=looks)


def sloped(world: World, seed: int) -> World:
    """A world whose `slope` rises from its edges to a crest, each part as steep as `SLOPES_DEG`; the rest is at down 0.

    Args:
        world: Flat. People and cars stand on its ground.
        seed: Same seed, same heights.
    """
    slope = [c.id for c in world.taxonomy.classes if c.name == "slope"]
    count, parts = cv2.connectedComponents(np.isin(world.labels, slope).astype(np.uint8))
    degrees = np.random.default_rng([seed, 223]).uniform(*SLOPES_DEG, count)
    away_m = cv2.distanceTransform((parts > 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * world.gsd_m
    heights = (away_m * np.tan(np.radians(degrees))[parts]).astype(np.float32)
    return with_heights(world, np.asarray(cv2.GaussianBlur(heights, (0, 0), FOOT_M / world.gsd_m), np.float32))


def drawn(world: World, seed: int) -> World:
    """A scene as high as it was drawn: trees, roofs, walls, parked cars and crops stand up, and its slopes rise.

    Args:
        world: Of `sim.world.scenes`, its picture not yet painted. People and cars stand on its ground.
        seed: Same seed, same heights.
    """
    painting = world.held_picture
    assert isinstance(painting, Painting)
    picture, heights = painting.with_heights()
    crops = [c.id for c in world.taxonomy.classes if c.name == "crop"]
    heights = np.maximum(heights, TALL_M["crop"] * np.isin(world.labels, crops).astype(np.float32))
    ground = sloped(world, seed).heights_m
    assert ground is not None
    return with_heights(replace(world, ortho_bgr=picture), (ground + heights).astype(np.float32))


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


def highest_m(world: World, north_m: float, east_m: float, radius_m: float) -> float:
    """Height of the highest ground within a radius of a place, m; 0 in a flat world and beyond it."""
    if world.heights_m is None:
        return 0.0
    u, v, _ = world.pixel_from_ground @ [north_m, east_m, 1.0]
    reach, column, row = math.ceil(radius_m / world.gsd_m), math.floor(u + 0.5), math.floor(v + 0.5)
    left, top = max(0, column - reach), max(0, row - reach)
    part = world.heights_m[top : max(0, row + reach + 1), left : max(0, column + reach + 1)]
    y, x = np.ogrid[: part.shape[0], : part.shape[1]]
    inside = (y + top - v) ** 2 + (x + left - u) ** 2 <= (radius_m / world.gsd_m) ** 2
    return float(part[inside].max(initial=0.0))


def _highest_m(heights: Heights, far_px: Heights, centre_px: Heights) -> float:
    """Highest ground below rays, m: of the box around where they end and where they begin."""
    rows, columns = heights.shape
    ends = [(far_px[..., k].min(), far_px[..., k].max(), centre_px[k]) for k in (0, 1)]
    (left, right), (top, bottom) = ((max(0, int(min(e))), math.ceil(max(e)) + 2) for e in ends)
    part = heights[min(top, rows) : max(0, bottom), min(left, columns) : max(0, right)]
    return max(float(part.max(initial=0.0)), 2 * STEP_M)


def ground_in_view(world: World, view: CameraModel, pose: Pose) -> npt.NDArray[np.float32]:
    """North and east of the ground in each pixel of a camera, m, shape (h, w, 2).

    The newest answer is kept with the world: a network's labels and the picture beside them are of one view.

    Args:
        world: With heights.
        view: Lens and mount.
        pose: True one, with attitude and position.
    """
    newest = world.__dict__.get("_ground_in_view")
    if newest is not None and newest[:2] == (view, pose):
        return newest[2]  # type: ignore[no-any-return]
    centre = view.centre_ned_m(pose)
    centre[2] = min(float(centre[2]), -LOWEST_M)
    rays = _rays(view) @ view.ned_from_camera(pose).T
    places = ground_places(world, centre, rays.reshape(view.height_px, view.width_px, 3))
    places.flags.writeable = False
    world.__dict__["_ground_in_view"] = (view, pose, places)
    return places


@lru_cache(maxsize=8)
def _rays(view: CameraModel) -> FloatArray:
    """Direction of each pixel, camera axes, shape (h * w, 3)."""
    v, u = np.mgrid[: view.height_px, : view.width_px].astype(np.float64)
    return view.rays_camera(np.column_stack([u.ravel(), v.ravel()]))


def ground_places(world: World, centre_ned_m: FloatArray, rays_ned: FloatArray) -> npt.NDArray[np.float32]:
    """North and east of the ground that rays meet first, m, shape (h, w, 2).

    Relief mapping: steps down through the heights, then halves the last step. Slabs without ground near are passed
    over.

    Args:
        world: With heights.
        centre_ned_m: Where the rays begin, above all of the ground.
        rays_ned: float, shape (h, w, 3); those that do not go down meet nothing and give far places.
    """
    heights, near = world.heights_m, world.heights_near_m
    assert heights is not None and near is not None
    above_m = np.float32(-centre_ned_m[2])
    slope = (rays_ned[..., :2] / np.maximum(rays_ned[..., 2:], 1e-3)).astype(np.float32)
    start = np.asarray(centre_ned_m[:2], np.float32)
    affine = world.pixel_from_ground[:2].astype(np.float32)
    start_px = affine @ [*start, 1.0]
    rays = slope.reshape(-1, 2)
    rays_px = rays @ affine[:, :2].T
    high_m = min(_highest_m(heights, start_px + rays_px * above_m, start_px), float(above_m) - 0.05)

    def ground(of: Heights, which: npt.NDArray[np.intp], height_m: Heights | float) -> Heights:
        """Heights where some rays pass a height, (n,); in rows, as OpenCV takes no long lines."""
        lines = np.zeros((len(which) // ROW_RAYS + 1, ROW_RAYS, 2), np.float32)
        places = lines.reshape(-1, 2)[: len(which)]
        np.multiply(rays_px.take(which, axis=0), np.asarray(above_m - height_m, np.float32)[..., None], out=places)
        places += start_px.astype(np.float32)
        found = cv2.remap(of, lines, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(found, np.float32).ravel()[: len(which)]

    steep = np.abs(rays).max(axis=1, initial=0.0) > NEAR_M / (SLAB_STEPS * STEP_M / 2)
    low: Heights = np.zeros(len(rays), np.float32)
    high: Heights = np.full(len(rays), LOW_M, np.float32)
    still = np.arange(len(rays))
    for slab in range(math.ceil(high_m / (SLAB_STEPS * STEP_M))):
        if not still.size:
            break
        top_m = high_m - slab * SLAB_STEPS * STEP_M
        bottom_m = max(0.0, top_m - SLAB_STEPS * STEP_M)
        close = ground(near, still, (top_m + bottom_m) / 2) > max(bottom_m, LOW_M)
        met, going = np.zeros(len(still), np.bool_), np.flatnonzero(close | steep[still])
        for level_m in np.arange(top_m - STEP_M, max(bottom_m, STEP_M) - 1e-6, -STEP_M):
            if not going.size:
                break
            under = ground(heights, still[going], level_m) >= level_m
            hit = still[going[under]]
            low[hit], high[hit] = level_m, level_m + STEP_M
            met[going[under]] = True
            going = going[~under]
        still = still[~met]
    flat = ~steep[still] & (ground(near, still, LOW_M / 2) <= 0)
    high[still[flat]] = 0.0
    rough = np.flatnonzero(high)
    for _ in range(6):
        half = (low[rough] + high[rough]) / np.float32(2)
        under = ground(heights, rough, half) >= half
        low[rough[under]], high[rough[~under]] = half[under], half[~under]
    places: npt.NDArray[np.float32] = (start + rays * (above_m - low)[:, None]).astype(np.float32)
    return places.reshape(slope.shape)
