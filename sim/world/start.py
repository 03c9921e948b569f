"""Starts of landings, such that straight down is not the answer."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.errors import DataError
from landing.geometry import FloatArray
from sim.world.model import World

LEAST_PHOTO_M = 5.0
"""Least start height over a photograph that shows very little, m."""


ACTOR_CLEARANCE_M = 4.0
"""Distance of safe ground from everybody's way, m."""

ROOM_M = 1.5
"""Radius of safe ground beyond every hazard's clearance: the vehicle's, and half a metre."""

REACH_M = 15.0
"""Distance of safe ground from a start, at most, m."""

HAZARD_SHARE = 0.85
"""Part of the seeds that start over ground that is not safe."""


def photo_height_m(world: World, camera: CameraModel) -> float:
    """Return the height from which a camera, its rows along the picture's, sees nothing beyond the photograph, m."""
    _, north_m, _, east_m = world.known_extent_m
    fits_m = min(2 * east_m * camera.fx / camera.width_px, 2 * north_m * camera.fy / camera.height_px)
    return max(LEAST_PHOTO_M, fits_m)


def _step(world: World) -> int:
    return max(1, round(0.25 / world.gsd_m))


def quiet_margin_m(world: World) -> tuple[npt.NDArray[np.float32], FloatArray, FloatArray]:
    """Return the radius of the largest vehicle that may stand on each place, m, with nobody's way near it.

    Returns:
        The radius, shape (H, W), each 0.25 m or so; north of each row, (H, 1), and east of each column, (1, W), m.
    """
    step = _step(world)
    margin = world.margin_m[::step, ::step].copy()
    rows, columns = margin.shape
    norths = (world.origin_px[1] - np.arange(rows) * step)[:, None] * world.gsd_m
    easts = (np.arange(columns) * step - world.origin_px[0])[None, :] * world.gsd_m
    for actor in world.actors:  # nobody may come near the safe ground while we land
        for n, e in actor.path_ne_m:
            away = np.hypot(norths - n, easts - e) - ACTOR_CLEARANCE_M
            np.minimum(margin, away, out=margin)
    return margin, np.asarray(norths, np.float64), np.asarray(easts, np.float64)


def suggest_start(world: World, seed: int) -> tuple[float, float]:
    """A place to start from: mostly over or beside a hazard, with safe ground not far away.

    Safe ground has `ROOM_M` beyond every hazard's clearance, and lies within `REACH_M`. A part of the seeds,
    `HAZARD_SHARE`, starts over ground that is not safe. Over a photograph without labels it is the middle.

    Returns:
        North and east, metres.

    Raises:
        DataError: The world has no safe place near its middle.
    """
    if not world.judged:
        return 0.0, 0.0
    rng = np.random.default_rng([seed, 11])
    step = _step(world)
    margin, norths, easts = quiet_margin_m(world)
    columns = margin.shape[1]
    roomy = margin >= ROOM_M
    if not roomy.any():
        raise DataError(
            f"world {world.name!r} has no safe ground of radius {ROOM_M:g} m: choose another seed, or a larger world"
        )
    to_safe = cv2.distanceTransform(np.where(roomy, 0, 255).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * (
        step * world.gsd_m
    )
    south, north, west, east = world.extent_m
    half = min(north - south, east - west) / 2
    middle_n, middle_e = (south + north) / 2, (west + east) / 2
    for share in (0.45, 0.7, 1.0):
        central = np.maximum(np.abs(norths - middle_n), np.abs(easts - middle_e)) <= half * share
        near = central & (to_safe <= REACH_M)
        bad = near & (margin < -0.2) & (to_safe > 1.5)
        wanted = bad if rng.random() < HAZARD_SHARE and bad.any() else near
        if wanted.any():
            # The farther the safe ground, the likelier: otherwise most starts hug an edge.
            over = world.labels[::step, ::step]
            worst = np.where(world.taxonomy.landable_lut[over], 1.0, 4.0)
            weights = np.where(wanted, worst * (0.3 + np.minimum(to_safe, REACH_M)), 0).ravel()
            chosen = int(rng.choice(weights.size, p=weights / weights.sum()))
            row, column = divmod(chosen, columns)
            return float(norths[row, 0]), float(easts[0, column])
    raise DataError(
        f"world {world.name!r} has no safe ground within {REACH_M:g} m of a start: "
        f"choose another seed ({math.floor(half * 2)} m world)"
    )
