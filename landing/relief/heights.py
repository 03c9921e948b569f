"""Heights of the ground by one pair of looks.

Two looks at the same corners (`landing.motion.check`) with a way between them say how far each corner is. Errors of the
pose (turn and way) and a common plane are estimated together, robustly; each corner's rest along the way is its height.

Frames of reference: camera optical, local NED. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landing.geometry import FloatArray
from landing.motion.corners import CornerPair
from landing.motion.pairs import ATTITUDE_RAD, PLACE_M, PLACE_SHARE, STAMP_S, WANDER_MPS, CameraTrack
from landing.relief.depth import MOST_OFF_RAD

CORNER_RAD = 0.0016
"""Least error of a followed corner, at distance 1: a third of a pixel of a picture 320 wide."""

LEAST_WAY, LEAST_CORNERS = 0.04, 18
"""Least way between two looks, of the height, and corners in both."""

MOST_NEAR, MOST_FAR = 0.5, 2.0
"""Corners nearer or farther down than so many heights are left out."""

HEIGHT_SHARE = 0.01
"""Error of the height, of itself."""


def corner_heights(pair: CornerPair, track: CameraTrack) -> tuple[FloatArray, FloatArray, FloatArray, float] | None:
    """Triangulates the corners of a pair.

    Returns:
        North and east of each corner, m, shape (n, 2); its down coordinate, m, (n,); the variance of that, m2, (n,);
        and the variance of the slope of all of them together. None where there was too little way.
    """
    times = np.array([pair.from_ns, pair.to_ns], np.int64)
    centre, height, turned = track.at(times, 0.0)
    way, height_m, seconds = centre[1] - centre[0], float(height[0]), (pair.to_ns - pair.from_ns) * 1e-9
    if height_m < 1.0 or math.hypot(*way[:2]) < LEAST_WAY * height_m:
        return None
    start, now = (np.column_stack([rays, np.ones(len(rays))]) for rays in (pair.start, pair.now))
    low = _is_low(start, turned[0]) & _is_low(now, turned[1])
    if np.count_nonzero(low) < LEAST_CORNERS:
        return None
    way = way / height_m
    cosine = (float(np.trace(turned[0].T @ turned[1])) - 1) / 2
    jitter = STAMP_S * math.acos(max(-1.0, min(1.0, cosine))) / seconds
    place = (PLACE_M + WANDER_MPS * seconds) / height_m + PLACE_SHARE * np.abs(way)
    sd = np.concatenate([np.full(3, math.hypot(ATTITUDE_RAD, jitter)), place, [0.5, 0.5, HEIGHT_SHARE]])
    first, second = _level(start[low], turned[0]), _level(now[low], turned[1])
    found = _explained(first, second, way, sd, _seen_from_level(second, now[low], turned[1]))
    if found.way < LEAST_WAY:  # what the pose told was its own error
        return None
    inverse = 1.0 + first @ found.plane[:2] + found.plane[2] + found.rest
    # No height moves a corner across the way: what it does there is its error.
    corner_rad = max(CORNER_RAD, 1.48 * float(np.median(np.abs(found.across))))
    good = (inverse > 1 / MOST_FAR) & (inverse < 1 / MOST_NEAR) & (found.along > 0.3 * found.way)
    good &= np.abs(found.across) < 3 * corner_rad
    slope_variance = float(found.spread[0, 0] + found.spread[1, 1]) / 2
    if np.count_nonzero(good) < LEAST_CORNERS or slope_variance > 0.15**2:
        return None
    depth = 1.0 / inverse[good]
    variance = (height_m * depth**2 * corner_rad / found.along[good]) ** 2 + 0.02**2
    places = centre[0][:2] + first[good] * depth[:, None] * height_m
    down_m: FloatArray = centre[0][2] + depth * height_m
    return places, down_m, variance, slope_variance


def _is_low(rays: FloatArray, ned_from_camera: FloatArray) -> npt.NDArray[np.bool_]:
    """True for rays (n, 3) that see the ground steeply enough; not for one that is not finite."""
    steep: npt.NDArray[np.bool_] = rays @ ned_from_camera[2] >= math.cos(MOST_OFF_RAD) * np.linalg.norm(rays, axis=1)
    return steep


def _level(rays: FloatArray, ned_from_camera: FloatArray) -> FloatArray:
    """North and east of rays (n, 3) that go down by 1, shape (n, 2)."""
    turned = rays @ ned_from_camera.T
    level: FloatArray = turned[:, :2] / turned[:, 2:]
    return level


def _seen_from_level(level: FloatArray, rays: FloatArray, ned_from_camera: FloatArray) -> FloatArray:
    """Small motions in the picture, at distance 1, by those of level rays, shape (n, 2, 2).

    Corners err alike in the picture; the flatter a ray, the more that is on the ground.
    """
    down = rays @ ned_from_camera[2]
    level_from_seen = (ned_from_camera[:2, :2] - level[:, :, None] * ned_from_camera[2, :2]) / down[:, None, None]
    seen: FloatArray = np.linalg.inv(level_from_seen)
    return seen


@dataclass(frozen=True)
class _Explained:
    """Relief of a pair: see `_explained`.

    Attributes:
        plane: Slope and offset of the plane of inverse depth, shape (3,).
        rest: What each corner's inverse depth has beyond it, (n,).
        spread: Covariance of the former, (3, 3).
        way: Level way between the looks, of the height.
        along: How far a corner moves in the picture, at distance 1, for an inverse depth of 1, (n,).
        across: How far it is off across that, (n,).
    """

    plane: FloatArray
    rest: FloatArray
    spread: FloatArray
    way: float
    along: FloatArray
    across: FloatArray


def _explained(first: FloatArray, second: FloatArray, way: FloatArray, sd: FloatArray, shown: FloatArray) -> _Explained:
    """Fits the errors of the pose and a plane, robustly, and leaves the rest to each corner.

    With heights of 1, a corner at inverse depth i moves from (x, y) to (x - i way) / (1 - i way_down). The way is found
    and not just corrected about what the pose told: low down that may be off by as much as it is long.

    Args:
        first: Level rays of the earlier look, shape (n, 2).
        second: Of the later one, likewise.
        way: Between the looks, of the height, as the pose tells it.
        sd: Of turn (3), way (3), slope north and east and offset of the plane, before the look.
        shown: Motions in the later picture by those of level rays, shape (n, 2, 2).
    """
    count, told = len(first), np.concatenate([np.zeros(3), way, np.zeros(3)])
    found = told.copy()  # turn, way, plane
    for _ in range(6):
        way, plane = found[3:6], found[6:]
        inverse = 1.0 + first @ plane[:2] + plane[2]
        scale = 1.0 / np.maximum(1.0 - inverse * way[2], 0.2)
        seen = (first - inverse[:, None] * way[:2]) * scale[:, None]
        x, y = seen.T
        per_depth = (seen * way[2] - way[:2]) * scale[:, None]
        jacobian = np.zeros((count, 2, 9))
        jacobian[:, 0, :3] = np.column_stack([-x * y, 1 + x * x, -y])
        jacobian[:, 1, :3] = np.column_stack([-(1 + y * y), x * y, x])
        jacobian[:, 0, 3] = jacobian[:, 1, 4] = -inverse * scale
        jacobian[:, :, 5] = seen * (inverse * scale)[:, None]
        jacobian[:, :, 6:] = per_depth[:, :, None] * np.column_stack([first, np.ones(count)])[:, None, :]
        left = second - seen - jacobian[:, :, :3] @ found[:3]
        jacobian, left, per_depth = shown @ jacobian, _turned(shown, left), _turned(shown, per_depth)
        noise = max(CORNER_RAD, 1.2 * float(np.median(np.abs(left))))
        weight = 1.0 / (noise**2 * (1.0 + (left**2).sum(axis=1) / (4 * noise**2)))
        weighted = jacobian * weight[:, None, None]
        normal = np.einsum("nki,nkj->ij", weighted, jacobian) + np.diag(1.0 / sd**2)
        step = np.linalg.solve(normal, np.einsum("nki,nk->i", weighted, left) + (told - found) / sd**2)
        found = found + step
    left = left - jacobian @ step
    along = np.hypot(per_depth[:, 0], per_depth[:, 1])
    ahead = per_depth / np.maximum(along, 1e-6)[:, None]
    rest = (left * ahead).sum(axis=1) / np.maximum(along, 1e-6)
    across = left[:, 1] * ahead[:, 0] - left[:, 0] * ahead[:, 1]
    spread = np.linalg.inv(normal)[6:, 6:]
    return _Explained(found[6:], rest, spread, math.hypot(found[3], found[4]), along, across)


def _turned(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Each vector (n, 2) by its matrix (n, 2, 2)."""
    turned: FloatArray = np.einsum("nij,nj->ni", matrices, vectors)
    return turned
