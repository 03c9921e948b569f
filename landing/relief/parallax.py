"""Relief of the ground from parallax and depth: what stands up, and what slopes.

Points that two looks show (`landing.relief.heights`), with their variance, are gathered into cells of the ground, over
pairs; a plane through the cells around a place is its slope. A place is refused only where the estimate is beyond the
limit and flat ground is ruled out by it.

A vehicle that goes straight down sees no parallax below itself: such ground has no relief, and the report says so.
With depth at hand (`landing.relief.depth`) the same cells take its points, and a look counts once in a cell.

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
from landing.motion.pairs import CameraTrack
from landing.relief.depth import DepthGround
from landing.relief.heights import corner_heights
from landing.relief.report import CELL_M, CELLS, ReliefReport, packed

AROUND = 11
"""Cells along a side of the square that a plane is fitted through: 5.5 m."""

CREST_CELLS = 4
CREST = ((CREST_CELLS, 0), (0, CREST_CELLS), (3, 3), (3, -3))
"""Rows and columns, both ways, to the planes that tell a crest or a ditch: 2 m. The plane across it is level."""

GOOD = 100.0
"""Most weight of a cell in a plane, 1/m2: looked at for ever it is no better than its ground is rough."""

LEAST_LOOKS, LEAST_CELLS, LEAST_SPREAD_M = 2, 8, 0.9
"""Looks at a cell that stands and at a plane, cells in that plane, and the standard deviation of their places, m. The
errors of one look are alike all over it."""

SURE = 2.5
"""Standard deviations from flat ground (half of the limit) that a refusal takes."""

SCATTERED, ROUGH_M = 6.0, 0.05
"""No plane fits points whose variance about it is so many times that of all cells, whose least deviation is so much."""

LEAST_SHARED = 6
"""Cells that a look must share with what is known to be brought to its height."""

MEMORY_S = 60.0
"""Time in which what was gathered falls to 1/e: poses drift."""

SLOPE_RAD = 0.0105
"""Error of the slope of all pairs, as attitude has it."""

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
        self._datum_m = self._off_m = 0.0
        self._at_ns = 0
        self._old = False

    def grow_old(self, at_ns: int) -> bool:
        """Says once that what was gathered is older than `MEMORY_S`: then ground is not known to be flat any more.

        What was refused stays so.
        """
        was, self._old = self._old, at_ns - self._at_ns > MEMORY_S * 1e9
        return self._old and not was

    def add(self, pair: CornerPair, track: CameraTrack) -> bool:
        """Takes two looks; False when they show nothing new.

        Args:
            pair: The corners.
            track: Poses over the time of both looks.
        """
        points = corner_heights(pair, track)
        if points is None:
            return False
        self._gather(*points, at_ns=pair.to_ns, shared=False)
        return True

    def add_depth(self, ground: DepthGround, at_ns: int) -> None:
        """Takes what a depth sensor saw at a time."""
        self._gather(ground.places_m, ground.down_m, ground.variance, ground.slope_variance, at_ns, shared=True)

    def _begin(self, places: FloatArray, down_m: FloatArray, at_ns: int) -> None:
        """Moves the map to the ground in view and lets what is known fade until a time."""
        middle = np.median(places, axis=0)
        self._follow((round(middle[0] / CELL_M), round(middle[1] / CELL_M)), float(np.median(down_m)))
        if self._at_ns and at_ns > self._at_ns:
            fading = np.float32(math.exp(-(at_ns - self._at_ns) * 1e-9 / MEMORY_S))
            self._sums *= fading
            self._looks *= fading
            self._looks_around *= fading
        self._at_ns, self._old = max(self._at_ns, at_ns), False

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

    def _gather(
        self,
        places: FloatArray,
        down_m: FloatArray,
        variance: FloatArray,
        slope_variance: float,
        at_ns: int,
        shared: bool,
    ) -> None:
        """Adds the points of one look to their cells, at the height of what was known there before.

        Args:
            places: North and east, m, shape (n, 2).
            down_m: Down coordinates, m, (n,).
            variance: Of each, m2, (n,).
            slope_variance: Of the slope of all of them together.
            at_ns: Time of the look.
            shared: The points in a cell share their error: they are one measurement of it.
        """
        self._begin(places, down_m, at_ns)
        assert self._corner is not None
        cell = np.floor(places / CELL_M).astype(np.int64)
        inside = ((cell >= self._corner) & (cell < np.add(self._corner, CELLS))).all(axis=1)
        cell, places, variance = cell[inside], places[inside], variance[inside]
        flat = (cell - self._corner) @ np.array([CELLS, 1])
        count = np.bincount(flat, minlength=CELLS * CELLS)
        height_m = self._at_known_height(flat, count, self._datum_m - down_m[inside])
        # Places within a cell are counted from its middle.
        north, east = (places - (cell + 0.5) * CELL_M).T
        weight = 1.0 / (variance * count[flat]) if shared else 1.0 / variance
        terms = _terms(north, east, height_m)
        for layer, term in zip(self._sums, (*terms, np.full_like(weight, slope_variance)), strict=True):
            layer += np.bincount(flat, weight * term, CELLS * CELLS).reshape(CELLS, CELLS).astype(np.float32)
        shown = (count > 0).astype(np.uint8).reshape(CELLS, CELLS)
        self._looks += shown
        self._looks_around += cv2.dilate(shown, np.ones((AROUND, AROUND), np.uint8))

    def _at_known_height(
        self, flat: npt.NDArray[np.int64], count: npt.NDArray[np.int64], height_m: FloatArray
    ) -> FloatArray:
        """Brings a look to the height of what was known: the vehicle's own height drifts, and a beam meets roofs.

        One that shares too little with that is taken to be as far off as the last.

        Args:
            flat: Number of each point's cell.
            count: Points of each cell.
            height_m: Of each point.
        """
        shared = np.flatnonzero((count > 0) & (self._looks.ravel() > 0.5))
        if len(shared) >= LEAST_SHARED:
            seen = np.bincount(flat, height_m, CELLS * CELLS)[shared] / count[shared]
            known = self._sums[6].ravel()[shared] / self._sums[0].ravel()[shared]
            self._off_m = float(np.median(seen - known))
        return height_m - self._off_m

    def report(self) -> ReliefReport:
        """Judges every cell."""
        if self._corner is None:
            return ReliefReport()
        weight = self._sums[0]
        filled = self._looks > 0.5
        plane = _planes(self._sums, filled)
        limit = math.tan(math.radians(self._settings.max_slope_deg))
        looked = plane.known & (self._looks_around > LEAST_LOOKS - 0.5)
        slope, slope_sd = _with_crests(plane, looked, limit)
        steep = looked & (slope > limit) & (slope - SURE * slope_sd > limit / 2)
        known_cells = (self._looks > LEAST_LOOKS - 0.5) & plane.known
        mean_m = self._sums[6] / np.maximum(weight, 1e-9)
        rest_m = np.abs(mean_m - plane.height_m)
        rest_sd = np.sqrt(1.0 / np.maximum(weight, 1e-9) + plane.rest_variance / np.maximum(self._looks, 1.0))
        tall = self._settings.max_step_m
        # A thing lifts the plane through itself, a hole sinks it: what is left of it is a part of its height.
        stands = known_cells & (rest_m > tall) & (rest_m - SURE * rest_sd > tall / 2)
        known = looked & (SURE * slope_sd <= limit / 2) & (not self._old)
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


def _with_crests(plane: _Planes, looked: npt.NDArray[np.bool_], limit: float) -> tuple[FloatArray, FloatArray]:
    """Return the slope of each cell and its standard deviation; on a crest or in a ditch those of its lesser side.

    Args:
        plane: Through the cells around each cell.
        looked: Cells whose plane counts.
        limit: A crest's sides are steeper.
    """
    slope, slope_sd = np.hypot(plane.north, plane.east), plane.slope_sd
    if not (looked & (slope > limit)).any():
        return slope, slope_sd
    north, east, sd = (
        np.pad(np.where(looked, layer, 0.0), CREST_CELLS) for layer in (plane.north, plane.east, slope_sd)
    )
    for ahead in CREST:
        rise = (north * ahead[0] + east * ahead[1]) / math.hypot(*ahead)
        one, other = (_beside(rise, ahead, way) for way in (1, -1))
        lesser = np.where(one * other < 0, np.minimum(np.abs(one), np.abs(other)), 0.0)
        crest = lesser > np.maximum(slope, limit)
        if crest.any():
            slope = np.where(crest, lesser, slope)
            slope_sd = np.where(crest, np.maximum(_beside(sd, ahead, 1), _beside(sd, ahead, -1)), slope_sd)
    return slope, slope_sd


def _beside(padded: FloatArray, ahead: tuple[int, int], way: int) -> FloatArray:
    """Return what lies so many rows and columns from each cell, one way or the other, of a layer padded for it."""
    rows, columns = (CREST_CELLS + way * k for k in ahead)
    return padded[rows : rows + CELLS, columns : columns + CELLS]


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
