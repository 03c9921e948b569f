"""Relief of the ground from parallax and depth: what stands up, and what slopes.

Two looks at the same corners (`landing.motion.check`) with a way between them say how far each corner is. Of a pair,
errors of the pose (turn and way) and a common plane are estimated together, robustly; each corner's rest along the way
is its height. Points with their variance are gathered into cells of the ground, over pairs; a plane through the cells
around a place is its slope. A place is refused only where the estimate is beyond the limit and flat ground is ruled out
by it.

A vehicle that goes straight down sees no parallax below itself: such ground has no relief, and the report says so.
With depth at hand (`landing.relief.depth`) the same cells take its points: a look counts once in a cell, and is brought
to the height of what was known there before, since the estimator's height drifts.

Frames of reference: camera optical, local NED. Pure: time is an argument.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from landing.decision_groups import ReliefSettings
from landing.geometry import FloatArray
from landing.motion.corners import CornerPair
from landing.motion.pairs import ATTITUDE_RAD, PLACE_M, PLACE_SHARE, STAMP_S, WANDER_MPS, CameraTrack
from landing.relief.depth import MOST_OFF_RAD, DepthGround
from landing.relief.report import CELL_M, CELLS, ReliefReport, packed
from landing.types import ByteArray

AROUND = 11
"""Cells along a side of the square that a plane is fitted through: 5.5 m."""

CORNER_RAD = 0.0016
"""Least error of a followed corner, at distance 1: a third of a pixel of a picture 320 wide."""

GOOD = 100.0
"""Most weight of a cell in a plane, 1/m2: looked at for ever it is no better than its ground is rough."""

LEAST_WAY, LEAST_CORNERS = 0.04, 18
"""Least way between two looks, of the height, and corners in both."""

MOST_NEAR, MOST_FAR = 0.5, 2.0
"""Corners nearer or farther down than so many heights are left out."""

LEAST_LOOKS, LEAST_CELLS, LEAST_SPREAD_M = 2, 8, 0.9
"""Looks at a cell that stands and at a plane, cells in that plane, and the standard deviation of their places, m. The
errors of one look are alike all over it."""

SURE = 2.5
"""Standard deviations from flat ground (half of the limit) that a refusal takes."""

SCATTERED, ROUGH_M = 6.0, 0.05
"""No plane fits points whose variance about it is so many times that of all cells, whose least deviation is so much."""

LEAST_SHARED = 6
"""Cells that a look of depth must share with what is known to be brought to its height."""

MEMORY_S = 60.0
"""Time in which what was gathered falls to 1/e: poses drift."""

HEIGHT_SHARE, SLOPE_RAD = 0.01, 0.0105
"""Error of the height, of itself, and of the slope of all pairs, as attitude has it."""

_LAYERS = 11
"""Sums of weight, north, east, their squares (3), height, with north, with east, squared, and variance of the slope."""


class Relief:
    """Gathers the relief of the ground. One owner.

    Args:
        settings: Limits.
    """

    def __init__(self, settings: ReliefSettings) -> None:
        self._settings = settings
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self._sums: npt.NDArray[np.float32] = np.zeros((_LAYERS, CELLS, CELLS), np.float32)
        self._looks: npt.NDArray[np.float32] = np.zeros((CELLS, CELLS), np.float32)
        self._looks_around: npt.NDArray[np.float32] = np.zeros((CELLS, CELLS), np.float32)
        self._corner: tuple[int, int] | None = None
        self._datum_m, self._at_ns = 0.0, 0

    def add(self, pair: CornerPair, track: CameraTrack) -> bool:
        """Takes two looks; False when they show nothing new.

        Args:
            pair: The corners.
            track: Poses over the time of both looks.
        """
        points = corner_heights(pair, track)
        if points is None:
            return False
        places, down_m, variance, slope_variance = points
        self._begin(places, down_m, pair.to_ns)
        self._gather(places, self._datum_m - down_m, variance, slope_variance)
        return True

    def add_depth(self, ground: DepthGround, at_ns: int) -> None:
        """Takes what a depth sensor saw at a time."""
        self._begin(ground.places_m, ground.down_m, at_ns)
        self._gather_look(ground)

    def _begin(self, places: FloatArray, down_m: FloatArray, at_ns: int) -> None:
        """Moves the map to the ground in view and lets what is known fade until a time."""
        middle = np.median(places, axis=0)
        self._follow((round(middle[0] / CELL_M), round(middle[1] / CELL_M)), float(np.median(down_m)))
        if self._at_ns and at_ns > self._at_ns:
            fading = np.float32(math.exp(-(at_ns - self._at_ns) * 1e-9 / MEMORY_S))
            self._sums *= fading
            self._looks *= fading
            self._looks_around *= fading
        self._at_ns = max(self._at_ns, at_ns)

    def _follow(self, middle: tuple[int, int], down_m: float) -> None:
        """Keeps the map around the ground in view."""
        wanted = (middle[0] - CELLS // 2, middle[1] - CELLS // 2)
        if self._corner is None:
            self._corner, self._datum_m = wanted, down_m
        rows, columns = wanted[0] - self._corner[0], wanted[1] - self._corner[1]
        if max(abs(rows), abs(columns)) < CELLS // 8:
            return
        moved = np.zeros((_LAYERS + 2, CELLS, CELLS), np.float32)
        if max(abs(rows), abs(columns)) < CELLS:
            to_r, to_c = (slice(max(0, -k), CELLS - max(0, k)) for k in (rows, columns))
            from_r, from_c = (slice(max(0, k), CELLS - max(0, -k)) for k in (rows, columns))
            kept = np.concatenate([self._sums, self._looks[None], self._looks_around[None]])
            moved[:, to_r, to_c] = kept[:, from_r, from_c]
        # Places in a cell are counted from its own middle: cells move as they are.
        self._sums, self._looks, self._looks_around = moved[:_LAYERS].copy(), moved[_LAYERS].copy(), moved[-1].copy()
        self._corner = wanted

    def _gather(self, places: FloatArray, height_m: FloatArray, variance: FloatArray, slope_variance: float) -> None:
        """Adds points to their cells; places within a cell are counted from its middle."""
        assert self._corner is not None
        cell = np.floor(places / CELL_M).astype(np.int64)
        inside = ((cell >= self._corner) & (cell < np.add(self._corner, CELLS))).all(axis=1)
        cell, places, height_m, variance = cell[inside], places[inside], height_m[inside], variance[inside]
        north, east = (places - (cell + 0.5) * CELL_M).T
        weight = 1.0 / variance
        row, column = (cell - self._corner).T
        terms = _terms(north, east, height_m)
        for layer, term in zip(self._sums, (*terms, np.full_like(weight, slope_variance)), strict=True):
            np.add.at(layer, (row, column), (weight * term).astype(np.float32))
        shown = np.zeros((CELLS, CELLS), np.uint8)
        shown[row, column] = 1
        self._count(shown)

    def _gather_look(self, ground: DepthGround) -> None:
        """Adds one look of depth: its points in a cell are one measurement of it, whose error they share."""
        assert self._corner is not None
        cell = np.floor(ground.places_m / CELL_M).astype(np.int64)
        inside = ((cell >= self._corner) & (cell < np.add(self._corner, CELLS))).all(axis=1)
        cell, places, variance = cell[inside], ground.places_m[inside], ground.variance[inside]
        height_m = self._datum_m - ground.down_m[inside]
        flat = (cell - self._corner) @ np.array([CELLS, 1])
        count = np.bincount(flat, minlength=CELLS * CELLS)
        known, first = np.unique(flat, return_index=True)[0], self._sums[0].ravel()
        known = known[self._looks.ravel()[known] > 0.5]
        if len(known) >= LEAST_SHARED:
            seen = np.bincount(flat, height_m, CELLS * CELLS)[known] / count[known]
            height_m = height_m - float(np.median(seen - self._sums[6].ravel()[known] / first[known]))
        north, east = (places - (cell + 0.5) * CELL_M).T
        weight = 1.0 / (variance * count[flat])
        terms = _terms(north, east, height_m)
        for layer, term in zip(self._sums, (*terms, np.full_like(weight, ground.slope_variance)), strict=True):
            layer += np.bincount(flat, weight * term, CELLS * CELLS).reshape(CELLS, CELLS).astype(np.float32)
        self._count((count > 0).astype(np.uint8).reshape(CELLS, CELLS))

    def _count(self, shown: ByteArray) -> None:
        """Counts a look in the cells that it shows, and in those whose plane has one of them."""
        self._looks += shown
        self._looks_around += cv2.dilate(shown, np.ones((AROUND, AROUND), np.uint8))

    def report(self) -> ReliefReport:
        """Judges every cell."""
        if self._corner is None:
            return ReliefReport()
        weight = self._sums[0]
        filled = self._looks > 0.5
        plane = _planes(self._sums, filled)
        limit = math.tan(math.radians(self._settings.max_slope_deg))
        slope = np.hypot(plane.north, plane.east)
        looked = plane.known & (self._looks_around > LEAST_LOOKS - 0.5)
        steep = looked & (slope > limit) & (slope - SURE * plane.slope_sd > limit / 2)
        known_cells = (self._looks > LEAST_LOOKS - 0.5) & plane.known
        mean_m = self._sums[6] / np.maximum(weight, 1e-9)
        rest_m = mean_m - plane.height_m
        rest_sd = np.sqrt(1.0 / np.maximum(weight, 1e-9) + plane.rest_variance / np.maximum(self._looks, 1.0))
        tall = self._settings.max_step_m
        # A thing lifts the plane through itself: what is left of it above the plane is a part of its height.
        stands = known_cells & (rest_m > tall) & (rest_m - SURE * rest_sd > tall / 2)
        known = looked & (SURE * plane.slope_sd <= limit / 2)
        return packed(self._corner, known, np.where(steep, slope, 0.0), np.where(stands, rest_m, 0.0))


@dataclass(frozen=True)
class _Planes:
    """Planes through the cells around each cell, shape (cells, cells) each.

    Attributes:
        north, east: Rise for each metre.
        height_m: At the cell.
        slope_sd: Standard deviation of the slope.
        rest_variance: Of single cells about the plane, m2, robustly over the map.
        known: Enough cells, spread widely enough.
    """

    north: FloatArray
    east: FloatArray
    height_m: FloatArray
    slope_sd: FloatArray
    rest_variance: float
    known: npt.NDArray[np.bool_]


def _terms(north: FloatArray, east: FloatArray, height_m: FloatArray) -> tuple[FloatArray, ...]:
    """Terms of points that are summed, but for the variance of the slope; see `_LAYERS`."""
    level = (np.ones_like(north), north, east, north**2, north * east, east**2)
    return (*level, height_m, height_m * north, height_m * east, height_m**2)


def _planes(sums: npt.NDArray[np.float32], filled: npt.NDArray[np.bool_]) -> _Planes:
    """Fits a plane around each cell, every cell with its own weight but at most that of a good one."""
    share = np.where(filled, np.minimum(1.0, GOOD / np.maximum(sums[0], 1e-9)), 0.0).astype(np.float32)
    along_m = ((np.arange(CELLS) + 0.5 - CELLS / 2) * CELL_M).astype(np.float32)  # from the middle
    north, east = along_m[:, None], along_m[None, :]
    w, n, e, nn, ne, ee, h, hn, he, hh, var = sums * share
    moved = [w, n + w * north, e + w * east, nn + 2 * north * n + w * north**2]
    moved += [ne + north * e + east * n + w * north * east, ee + 2 * east * e + w * east**2]
    moved += [h, hn + h * north, he + h * east, hh, var, filled.astype(np.float32)]
    w, n, e, nn, ne, ee, h, hn, he, hh, var, count = (
        np.asarray(cv2.boxFilter(layer, cv2.CV_32F, (AROUND, AROUND), normalize=False, borderType=cv2.BORDER_CONSTANT))
        for layer in moved
    )
    safe = np.maximum(w, 1e-9)
    n, e, h, var = n / safe, e / safe, h / safe, var / safe
    nn, ne, ee = nn / safe - n * n, ne / safe - n * e, ee / safe - e * e
    hn, he = hn / safe - h * n, he / safe - h * e
    det = nn * ee - ne * ne
    narrow = (nn + ee) / 2 - np.sqrt(((nn - ee) / 2) ** 2 + ne * ne)
    known = (count >= LEAST_CELLS) & (narrow > LEAST_SPREAD_M**2)
    det = np.where(known, det, 1.0)
    rise_n, rise_e = (hn * ee - he * ne) / det, (he * nn - hn * ne) / det
    at_m = h + rise_n * (north - n) + rise_e * (east - e)
    rest = np.where(filled, sums[6] / np.maximum(sums[0], 1e-9) - at_m, np.nan)[filled & known]
    rest_variance = float((1.48 * np.median(np.abs(rest))) ** 2) if len(rest) else 1.0
    spread = np.maximum(narrow, 1e-6)
    # Corners that slide along lines make slopes of their own: around those no plane fits.
    off = hh / safe - h * h - rise_n * hn - rise_e * he
    off = np.where(off > SCATTERED * max(rest_variance, ROUGH_M**2), off, rest_variance)
    fit = (1.0 / safe + off / np.maximum(count, 1.0)) / spread
    slope_sd = np.sqrt(np.where(known, fit + var + SLOPE_RAD**2, 1.0))
    return _Planes(rise_n, rise_e, at_m, slope_sd, rest_variance, known)


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
