"""A rolling metric map of the ground below, in local NED: what is landable, what is a hazard.

Rows go north, columns go east; the map moves with the vehicle in whole cells. Every cell holds the log-odds of landable
ground, those of each hazard role, and when it was last seen. A cell not seen recently is unknown, and unknown
is never landable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import MIN_DEPTH_M, CameraModel
from landing.estimator import FrameShift
from landing.geometry import FloatArray
from landing.merge import remove_small_objects, smoothed
from landing.settings import DecisionSettings
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray, Pose, Segmentation

GridOfFloat = npt.NDArray[np.float32]
GridOfDouble = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
GridOfBool = npt.NDArray[np.bool_]
Window = tuple[slice, slice]

NEVER_NS = -(2**62)
MOVING_ROLES = (Role.PERSON, Role.VEHICLE)

PERSON_WIDE_M = 0.5
"""Of a grown-up seen from above."""

SAME_HEIGHT = 1.2
"""Heights that differ by no more than this factor show the same."""

BEYOND_SITES_M = 8.0
"""How far around the farthest site the map must reach: who stands there is kept clear of."""


def _logit_table(threshold: float, gain: float) -> GridOfFloat:
    """Evidence of each probability byte, shape (256,), zero at the threshold.

    Bytes below 6 mean the same, 0.02. So byte 0 is free to mean a cell that the frame does not show: no evidence.
    """
    p = np.clip(np.arange(256) / 255.0, 0.02, 0.98)
    table = (gain * (np.log(p / (1 - p)) - math.log(threshold / (1 - threshold)))).astype(np.float32)
    table[_NOT_SHOWN] = 0.0
    return table


_NOT_SHOWN, _LEAST = 0, 1
"""The byte of a cell that a frame does not show, and the least byte of one that it does."""


NEAR_SHARE = 16
"""The side of what is taken out as noise is never more than this part of the picture's."""


@dataclass(frozen=True)
class GroundView:
    """The part of the map with something in it at one moment, as the picker sees it.

    Attributes:
        cell_m: Side of a cell, m.
        south_west_m: North and east of the outer corner of cell [0, 0], local NED, m.
        ground_down_m: Down coordinate of the ground plane, m.
        free: bool (rows, columns): seen recently, confidently landable and no hazard.
        hazards: Per role a bool grid of that shape.
        unseen_s: float32: seconds since a cell was seen; infinite where never.
        landable: float32: what the evidence for landable ground adds up to, log-odds; 0 where frames say just
            `frame_landable_probability`.
        known: bool: seen recently, whatever it is.
        visited: bool: a person or vehicle was seen there within `recent_hazard.memory_s`, now included.
    """

    cell_m: float
    south_west_m: tuple[float, float]
    ground_down_m: float
    free: GridOfBool
    hazards: dict[Role, GridOfBool]
    unseen_s: GridOfFloat
    landable: GridOfFloat
    known: GridOfBool
    visited: GridOfBool

    @property
    def probability(self) -> GridOfFloat:
        """The evidence for landable ground as a probability, float32."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.landable)), np.float32)

    def cell_of(self, north_m: float, east_m: float) -> tuple[int, int] | None:
        """Row and column of a point, or None outside the map."""
        row = math.floor((north_m - self.south_west_m[0]) / self.cell_m)
        column = math.floor((east_m - self.south_west_m[1]) / self.cell_m)
        rows, columns = self.free.shape
        return (row, column) if 0 <= row < rows and 0 <= column < columns else None

    def centre_of(self, row: int, column: int) -> tuple[float, float]:
        """North and east of a cell's centre, m."""
        return (self.south_west_m[0] + (row + 0.5) * self.cell_m, self.south_west_m[1] + (column + 0.5) * self.cell_m)


_STATE = (
    "cell_m",
    "corner",
    "down_m",
    "height_m",
    "updated_ns",
    "landable",
    "hazards",
    "seen_ns",
    "visited_ns",
    "bad_from_m",
    "bad_ns",
)
"""What makes the map what it is, beside its settings."""


@dataclass(frozen=True)
class _Shown:
    """The part of the map that a frame shows.

    Attributes:
        window: Of the map.
        visible: Where the frame shows a cell of the window.
        u, v: Column and row of the mask in which each of these cells lies.
    """

    window: Window
    visible: GridOfBool
    u: GridOfFloat
    v: GridOfFloat

    def evidence(self, samples: ByteArray, table: GridOfFloat) -> GridOfFloat:
        """Evidence of samples of the mask, one for each cell; 0 for cells that are not shown.

        Args:
            samples: uint8, shape of `visible`.
            table: See `_logit_table`.
        """
        shown = np.maximum(samples, np.uint8(_LEAST))
        shown *= self.visible.view(np.uint8)
        return np.asarray(cv2.LUT(shown, table), np.float32)


@dataclass(frozen=True)
class _Mask:
    """The camera at the resolution of a segmentation.

    Attributes:
        camera: Its model.
        border_rays: Directions of nine pixels around the border and in the middle, camera axes, shape (9, 3).
    """

    camera: CameraModel
    border_rays: FloatArray


@lru_cache(maxsize=4)
def _mask_of(camera: CameraModel, rows: int, columns: int) -> _Mask:
    camera = camera.resized(columns, rows)
    right, bottom = columns - 1, rows - 1
    border = [(u, v) for u in (0, right / 2, right) for v in (0, bottom / 2, bottom)]
    return _Mask(camera, camera.rays_camera(np.array(border, float)))


class GroundMap:
    """Accumulates segmentations into the map. One owner; not shared between threads."""

    def __init__(self, settings: DecisionSettings, taxonomy: Taxonomy) -> None:
        self._settings = settings
        thresholds = {
            Role.OBSTACLE: settings.obstacle_probability,
            Role.WATER: settings.water_probability,
            Role.PERSON: settings.person_probability,
            Role.VEHICLE: settings.vehicle_probability,
        }
        gain = settings.evidence.ground_gain
        self._landable_evidence = _logit_table(settings.frame_landable_probability, gain)
        self._hazard_evidence = [
            _logit_table(thresholds[role], settings.evidence.hazard_gain if role in MOVING_ROLES else gain)
            for role in HAZARD_ROLES
        ]
        self._landable_logit = math.log(settings.landable_probability / (1 - settings.landable_probability))
        still, moving = settings.evidence.ground_limit, settings.evidence.hazard_limit
        self._limits = (still, *(moving if r in MOVING_ROLES else still for r in HAZARD_ROLES))
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        n = self._settings.grid.cells
        self._cell_m = 0.0
        self._corner = (0, 0)  # south-west cell, counted in whole cells from the NED origin
        self._down_m = self._height_m = 0.0
        self._updated_ns = NEVER_NS
        self._landable = np.zeros((n, n), np.float32)
        self._hazards = np.zeros((len(HAZARD_ROLES), n, n), np.float32)
        self._is_hazard: npt.NDArray[np.bool_] | None = None  # where `_hazards` are positive; None: not known yet
        self._seen_ns = np.full((n, n), NEVER_NS, np.int64)
        self._visited_ns = np.full((n, n), NEVER_NS, np.int64)
        # From which height, and when, standing ground was last seen to be bad; infinite: never.
        self._bad_from_m = np.full((n, n), np.inf, np.float32)
        self._bad_ns = np.full((n, n), NEVER_NS, np.int64)

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that was gathered: plain values and arrays, see `load_state_dict`."""
        values = {name: getattr(self, f"_{name}") for name in _STATE}
        return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in values.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another map's `state_dict`, of the same number of cells."""
        self.reset()
        for name in _STATE:
            value = state[name]
            setattr(self, f"_{name}", tuple(value) if isinstance(value, list) else value)

    @property
    def empty(self) -> bool:
        """True before the first frame."""
        return self._cell_m == 0.0

    @property
    def ground_down_m(self) -> float:
        """Down coordinate of the plane the map lies on, m."""
        return self._down_m

    def _wanted_cell_m(self, camera: CameraModel, height_m: float) -> float:
        """The finest of cell_m x 1, 2, 4, 8 whose map holds what the camera sees.

        Ground that lies farther than any site may be is not worth coarser cells: they would hide small sites from high
        up.
        """
        half_angle = min(
            math.atan(math.hypot(camera.width_px / camera.fx, camera.height_px / camera.fy) / 2),
            math.radians(self._settings.view.max_angle_deg),
        )
        reach_m = self._settings.max_distance_m + BEYOND_SITES_M
        across_m = 2.0 * min(height_m * math.tan(half_angle), reach_m)
        cell_m = self._settings.grid.cell_m
        for _ in range(3):
            if across_m <= self._settings.grid.cells * cell_m:
                break
            cell_m *= 2
        return cell_m

    def update(
        self, segmentation: Segmentation, camera: CameraModel, pose: Pose, ground_down_m: float, *, judged: bool = True
    ) -> int:
        """Adds one frame.

        Args:
            segmentation: Merged output, stamped with the capture time.
            camera: Model of the camera; its resolution need not be the segmentation's.
            pose: At capture time, with attitude and position.
            ground_down_m: The plane to project onto.
            judged: Whether it can judge the ground. From too low it only shows people and
                vehicles: a patch of grass looks like anything.

        Returns:
            How many cells the frame showed.

        Raises:
            InvalidValueError: The pose has no attitude or no position.
        """
        at_ns = segmentation.captured_at_ns
        centre = camera.centre_ned_m(pose)
        height_m = ground_down_m - float(centre[2])
        if height_m <= 0.0:
            return 0
        self._height_m = height_m
        self._follow(camera, height_m, float(centre[0]), float(centre[1]), ground_down_m)
        self._decay(at_ns)
        mask = _mask_of(camera, *segmentation.shape)
        shown = self._shown(mask, pose, centre, ground_down_m)
        count = 0 if shown is None else int(np.count_nonzero(shown.visible))
        if shown is None or count == 0:
            return 0
        px_per_m = mask.camera.fx / max(height_m, 1e-3)
        smallest_px = math.floor(min(self._settings.evidence.smallest_person_m * px_per_m, 1e3))
        # Who is so near fills more of the picture than this, even cut by its edge and seen in part.
        smallest_px = min(smallest_px, min(segmentation.shape) // NEAR_SHARE)
        segmentation = remove_small_objects(segmentation, smallest_px)
        segmentation = smoothed(segmentation, self._settings.evidence.smoothing_px)
        px_per_cell = self._cell_m * px_per_m
        side_px = max(1, math.ceil(min(px_per_cell, float(min(segmentation.shape)))))
        plain = min(1.0, PERSON_WIDE_M * px_per_m / max(self._settings.evidence.plain_person_px, 1e-3))
        if judged:
            self._add_landable(segmentation.landable, shown, side_px)
        self._add_hazards(segmentation.hazards, HAZARD_ROLES if judged else MOVING_ROLES, shown, side_px, plain)
        self._seen_ns[shown.window][shown.visible] = at_ns
        is_hazard = self._hazard_cells()
        for role in MOVING_ROLES:
            somebody = is_hazard[HAZARD_ROLES.index(role)][shown.window] & shown.visible
            if _any(somebody):
                self._visited_ns[shown.window][somebody] = at_ns
        if judged:
            self._note_bad(shown, at_ns)
        return count

    def _hazard_cells(self) -> npt.NDArray[np.bool_]:
        """Return the cells with evidence for each hazard, shape (roles, n, n); never changed in place."""
        if self._is_hazard is None:
            self._is_hazard = self._hazards > 0.0
        return self._is_hazard

    def _follow(self, camera: CameraModel, height_m: float, north_m: float, east_m: float, down_m: float) -> None:
        """Moves the map below the vehicle, at the scale that its height asks for."""
        wanted_m = self._wanted_cell_m(camera, height_m)
        # Coarser at once, finer only when clearly below: no flapping around a boundary.
        coarser = wanted_m > self._cell_m
        finer = wanted_m < self._cell_m and (self._wanted_cell_m(camera, height_m * 1.15) < self._cell_m)
        n = self._settings.grid.cells
        old_cell_m, old_corner = self._cell_m, self._corner
        cell_m = wanted_m if coarser or finer else self._cell_m
        corner = (math.floor(north_m / cell_m) - n // 2, math.floor(east_m / cell_m) - n // 2)
        self._down_m = down_m
        if old_cell_m == 0.0:
            self._cell_m, self._corner = cell_m, corner
        elif cell_m != old_cell_m:
            self._rescale(old_cell_m, old_corner, cell_m, corner)
        elif corner != old_corner:
            self._shift(corner[0] - old_corner[0], corner[1] - old_corner[1])
            self._corner = corner

    def _shift(self, rows: int, columns: int) -> None:
        n = self._settings.grid.cells
        rows, columns = (max(-n, min(n, step)) for step in (rows, columns))
        to_r = slice(max(0, -rows), n - max(0, rows))
        from_r = slice(max(0, rows), n - max(0, -rows))
        to_c = slice(max(0, -columns), n - max(0, columns))
        from_c = slice(max(0, columns), n - max(0, -columns))
        landable = np.zeros_like(self._landable)
        landable[to_r, to_c] = self._landable[from_r, from_c]
        hazards = np.zeros_like(self._hazards)
        hazards[:, to_r, to_c] = self._hazards[:, from_r, from_c]
        seen_ns = np.full_like(self._seen_ns, NEVER_NS)
        seen_ns[to_r, to_c] = self._seen_ns[from_r, from_c]
        visited_ns = np.full_like(self._visited_ns, NEVER_NS)
        visited_ns[to_r, to_c] = self._visited_ns[from_r, from_c]
        self._landable, self._hazards, self._is_hazard = landable, hazards, None
        bad_from_m = np.full_like(self._bad_from_m, np.inf)
        bad_from_m[to_r, to_c] = self._bad_from_m[from_r, from_c]
        bad_ns = np.full_like(self._bad_ns, NEVER_NS)
        bad_ns[to_r, to_c] = self._bad_ns[from_r, from_c]
        self._seen_ns, self._visited_ns = seen_ns, visited_ns
        self._bad_from_m, self._bad_ns = bad_from_m, bad_ns

    def _rescale(self, old_m: float, old_corner: tuple[int, int], new_m: float, corner: tuple[int, int]) -> None:
        """Takes the old cells over at the new scale; a coarser cell takes its worst part."""

        def old_cell(north_m: GridOfDouble, east_m: GridOfDouble) -> tuple[Indices, Indices]:
            return (
                np.floor(north_m / old_m).astype(np.int64) - old_corner[0],
                np.floor(east_m / old_m).astype(np.int64) - old_corner[1],
            )

        self._take_over(new_m, corner, max(1, round(new_m / old_m)), old_cell)

    def moved(self, shift: FrameShift) -> None:
        """Follows a reset of the estimator: the same ground at its coordinates after the shift.

        A turned cell takes the worst of the old cells it covers.
        """
        if self.empty:
            return
        self._down_m += shift.offset_ned_m[2]
        n, cell_m, old_corner, back = (self._settings.grid.cells, self._cell_m, self._corner, shift.inverse)
        middle = ((old_corner[0] + n / 2) * cell_m, (old_corner[1] + n / 2) * cell_m, 0.0)
        north_m, east_m, _ = shift.point(middle)
        corner = (round(north_m / cell_m - n / 2), round(east_m / cell_m - n / 2))
        cos, sin = math.cos(back.yaw_rad), math.sin(back.yaw_rad)

        def old_cell(north_m: GridOfDouble, east_m: GridOfDouble) -> tuple[Indices, Indices]:
            old_north_m = cos * north_m - sin * east_m + back.offset_ned_m[0]
            old_east_m = sin * north_m + cos * east_m + back.offset_ned_m[1]
            return (
                np.floor(old_north_m / cell_m).astype(np.int64) - old_corner[0],
                np.floor(old_east_m / cell_m).astype(np.int64) - old_corner[1],
            )

        # Samples half a cell apart meet every old cell, whatever the turn.
        self._take_over(cell_m, corner, 1 if shift.yaw_rad == 0.0 else 2, old_cell)

    def _take_over(
        self,
        new_m: float,
        corner: tuple[int, int],
        samples: int,
        old_cell: Callable[[GridOfDouble, GridOfDouble], tuple[Indices, Indices]],
    ) -> None:
        """Fills a grid of another scale or place from the present one.

        Args:
            new_m: Side of the new cells, m.
            corner: South-west cell of the new grid, in new cells from the NED origin.
            samples: Points along a side of each new cell; it takes the worst of what lies there.
            old_cell: Gives row and column of the old cell at north (rows, 1) and east (1, columns).
        """
        n = self._settings.grid.cells
        index = (np.arange(n) + 0.5) * new_m
        offsets = (np.arange(samples) + 0.5) / samples - 0.5
        landable = np.full((n, n), np.inf, np.float32)
        hazards = np.full((len(HAZARD_ROLES), n, n), -np.inf, np.float32)
        seen_ns = np.full((n, n), 2**62, np.int64)
        visited_ns = np.full((n, n), NEVER_NS, np.int64)
        bad_from_m = np.full((n, n), np.inf, np.float32)
        bad_ns = np.full((n, n), NEVER_NS, np.int64)
        for dr in offsets:
            north = corner[0] * new_m + index + dr * new_m
            for dc in offsets:
                east = corner[1] * new_m + index + dc * new_m
                r, c = old_cell(north[:, None], east[None, :])
                inside = (r >= 0) & (r < n) & (c >= 0) & (c < n)
                grid = (np.clip(r, 0, n - 1), np.clip(c, 0, n - 1))
                landable = np.minimum(landable, np.where(inside, self._landable[grid], 0.0))
                for k in range(len(HAZARD_ROLES)):
                    old = np.where(inside, self._hazards[k][grid], 0.0)
                    hazards[k] = np.maximum(hazards[k], old)
                seen_ns = np.minimum(seen_ns, np.where(inside, self._seen_ns[grid], NEVER_NS))
                visited = np.where(inside, self._visited_ns[grid], NEVER_NS)
                visited_ns = np.maximum(visited_ns, visited)
                was_bad_m = np.where(inside, self._bad_from_m[grid], np.float32(np.inf))
                bad_from_m = np.minimum(bad_from_m, was_bad_m)
                bad_ns = np.maximum(bad_ns, np.where(inside, self._bad_ns[grid], NEVER_NS))
        self._landable = landable.astype(np.float32)
        self._hazards, self._seen_ns, self._visited_ns = hazards, seen_ns, visited_ns
        self._is_hazard = None
        self._bad_from_m, self._bad_ns = bad_from_m, bad_ns
        self._cell_m, self._corner = new_m, corner

    def _decay(self, at_ns: int) -> None:
        if self._updated_ns != NEVER_NS and at_ns > self._updated_ns:
            passed_s = (at_ns - self._updated_ns) * 1e-9
            factor = np.float32(math.exp(-passed_s / self._settings.evidence.decay_s))
            self._landable *= factor
            self._hazards *= factor
            self._is_hazard = None
        self._updated_ns = max(self._updated_ns, at_ns)

    def _window_in_picture(self, mask: _Mask, pose: Pose, centre: FloatArray, ground_down_m: float) -> Window | None:
        """Rows and columns of the map that hold all the ground in the picture, or None."""
        height_m = ground_down_m - float(centre[2])
        reach_m = self._reach_m(height_m)
        least, most = centre[:2] - reach_m, centre[:2] + reach_m
        rays = mask.border_rays @ mask.camera.ned_from_camera(pose).T
        if rays[:, 2].min() > 1e-9:  # else a corner is above the horizon: everything within reach
            points = centre[:2] + rays[:, :2] * (height_m / rays[:, 2:])
            # Lens distortion bends the picture's edges outwards by less than this share.
            slack_m = 0.05 * (points.max(axis=0) - points.min(axis=0)) + self._cell_m
            least = np.maximum(least, points.min(axis=0) - slack_m)
            most = np.minimum(most, points.max(axis=0) + slack_m)
        n = self._settings.grid.cells
        low = [max(0, math.floor(least[k] / self._cell_m) - self._corner[k]) for k in (0, 1)]
        high = [min(n, math.ceil(most[k] / self._cell_m) - self._corner[k]) for k in (0, 1)]
        if low[0] >= high[0] or low[1] >= high[1]:
            return None
        return slice(low[0], high[0]), slice(low[1], high[1])

    def _reach_m(self, height_m: float) -> float:
        """Horizontal distance beyond which a frame is not believed, m."""
        return height_m * math.tan(math.radians(self._settings.view.max_angle_deg))

    def _shown(self, mask: _Mask, pose: Pose, centre: FloatArray, ground_down_m: float) -> _Shown | None:
        """Return the cells that a frame shows, with column u and row v in the mask; None where it shows none.

        Distances and depths are largest and smallest in the corners of the window: where all of those are in bounds,
        no other cell is looked at.
        """
        window = self._window_in_picture(mask, pose, centre, ground_down_m)
        if window is None:
            return None
        h = mask.camera.pixel_from_ground_plane(pose, ground_down_m)
        rows, columns = (np.arange(s.start, s.stop) + 0.5 for s in window)
        north = ((self._corner[0] + rows) * self._cell_m)[:, None]
        east = ((self._corner[1] + columns) * self._cell_m)[None, :]

        def image_of(k: int) -> GridOfFloat:
            image: GridOfFloat = np.empty((north.size, east.size), np.float32)
            np.add(h[k, 0] * north, h[k, 1] * east + h[k, 2], out=image, casting="same_kind")
            return image

        depth, u, v = image_of(2), image_of(0), image_of(1)
        visible = None
        if depth[:: len(depth) - 1 or 1, :: depth.shape[1] - 1 or 1].min() <= MIN_DEPTH_M:
            visible = depth > MIN_DEPTH_M
            depth[~visible] = 1.0
        inverse = np.divide(np.float32(1.0), depth, out=depth)
        u *= inverse
        v *= inverse
        if mask.camera.has_distortion:
            u, v, rising = _distorted(mask.camera, u, v)
            visible = rising if visible is None else visible & rising
        # Up to the centres of the outermost pixels: what is cut off there cannot be judged.
        within = u >= 0.0
        within &= u <= mask.camera.width_px - 1
        within &= v >= 0.0
        within &= v <= mask.camera.height_px - 1
        if visible is not None:
            within &= visible
        north2, east2 = (north - centre[0]) ** 2, (east - centre[1]) ** 2
        reach2 = self._reach_m(ground_down_m - float(centre[2])) ** 2
        if north2.max() + east2.max() > reach2:
            within &= north2 + east2 <= reach2
        return _Shown(window, within, u, v)

    def _add_landable(self, landable: ByteArray, part: _Shown, side_px: int) -> None:
        """Adds the evidence of landable ground: a cell takes the mean of what it covers.

        Args:
            landable: Filtered.
            part: Of the map.
            side_px: Of a cell in the mask.
        """
        if side_px > 1:
            landable = np.asarray(cv2.blur(landable, (side_px, side_px), borderType=cv2.BORDER_REPLICATE), np.uint8)
        # Shown cells lie in the picture: its border has no part in them.
        sampled = np.asarray(cv2.remap(landable, part.u, part.v, cv2.INTER_LINEAR), np.uint8)
        limit = self._limits[0]
        _gather(self._landable[part.window], part.evidence(sampled, self._landable_evidence), -limit, limit)

    def _add_hazards(
        self, planes: ByteArray, roles: tuple[Role, ...], part: _Shown, side_px: int, plain: float
    ) -> None:
        """Adds the evidence of hazards: a cell takes the maximum of what it covers.

        A person between two sampling points must not vanish.

        Args:
            planes: Of all `HAZARD_ROLES`, filtered.
            roles: Those that count.
            part: Of the map.
            side_px: Of a cell in the mask.
            plain: How well a person would be seen in this frame, 0 to 1. That nobody is seen where nobody could be does
                not make those go who were seen before from lower down.
        """
        odd_px = side_px + 1 - side_px % 2
        kernel = np.ones((odd_px, odd_px), np.uint8)
        numbers = [HAZARD_ROLES.index(role) for role in roles]
        widened = [planes[k] if odd_px == 1 or not _any(planes[k]) else cv2.dilate(planes[k], kernel) for k in numbers]
        # Nearest is enough: the maximum over the cell's surroundings was taken before.
        found = cv2.remap(cv2.merge(widened), part.u, part.v, cv2.INTER_NEAREST)
        for role, k, samples in zip(roles, numbers, cv2.split(found), strict=True):
            table, limit = self._hazard_evidence[k], self._limits[k + 1]
            # That nobody stood there for a minute says nothing of who steps in now: what people and vehicles must
            # overcome is never more than the last frames.
            last = self._settings.evidence.no_person_frames * float(table[_LEAST])
            floor = max(last, -limit) if role in MOVING_ROLES else -limit
            if role is Role.PERSON and plain < 1.0:
                table = np.where(table < 0, table * np.float32(plain), table)
            _gather(self._hazards[k][part.window], part.evidence(np.asarray(samples, np.uint8), table), floor, limit)
        self._is_hazard = None

    def _note_bad(self, part: _Shown, at_ns: int) -> None:
        """Notes from which height shown ground is bad, or that it is not after all.

        From higher up neither is believed: what the picture shows there is coarser. Where somebody stood recently it is
        not the ground that was bad.
        """
        window, height_m = part.window, np.float32(self._height_m)
        landable, from_m, when_ns = (self._landable[window], self._bad_from_m[window], self._bad_ns[window])
        bad, good = landable < 0.0, landable >= self._landable_logit
        for role, is_hazard in zip(HAZARD_ROLES, self._hazard_cells(), strict=True):
            if role not in MOVING_ROLES:
                bad |= is_hazard[window]
                good &= ~is_hazard[window]
        np.copyto(from_m, np.float32(np.inf), where=part.visible & self._forgotten(when_ns, at_ns))
        near = part.visible & (height_m <= from_m * np.float32(SAME_HEIGHT))
        np.copyto(from_m, np.float32(np.inf), where=good & near)
        bad &= near
        if _any(bad):
            bad &= self._visited_ns[window] < at_ns - int(self._settings.recent_hazard.memory_s * 1e9)
            np.minimum(from_m, height_m, out=from_m, where=bad)
            np.copyto(when_ns, at_ns, where=bad)

    def _forgotten(self, when_ns: npt.NDArray[np.int64], now_ns: int) -> GridOfBool:
        """Return the cells whose bad ground was seen too long ago to count."""
        return when_ns < now_ns - int(self._settings.unsafe_memory.memory_s * 1e9)

    def view(self, now_ns: int, max_age_s: float | None = None) -> GroundView | None:
        """The map as it stands at a time, or None while it is empty.

        Args:
            now_ns: Monotonic time.
            max_age_s: Ground not seen for longer is unknown; the settings' value by default.
        """
        if self.empty:
            return None
        if max_age_s is None:
            max_age_s = self._settings.grid.max_age_s
        window = self._window_of_interest(now_ns, max_age_s)
        seen_ns = self._seen_ns[window]
        unseen_s = ((now_ns - seen_ns) * 1e-9).astype(np.float32)
        unseen_s[seen_ns == NEVER_NS] = np.inf
        known = unseen_s <= max_age_s
        hazards = {role: grid[window] for role, grid in zip(HAZARD_ROLES, self._hazard_cells(), strict=True)}
        for role in MOVING_ROLES:  # what stood there a while ago has gone, we do not know where
            if _any(hazards[role]):
                hazards[role] = hazards[role] & (unseen_s <= self._settings.hidden_hazard.memory_s)
        visited = self._visited_ns[window] >= now_ns - int(self._settings.recent_hazard.memory_s * 1e9)
        landable = self._landable[window].copy()
        free = known & (landable >= self._landable_logit)
        for grid in hazards.values():
            free &= ~grid
        # What was seen to be bad from much nearer is not good because it looks so from up here.
        nearer_m = np.float32(self._height_m / self._settings.unsafe_memory.factor)
        nearer = self._bad_from_m[window] <= nearer_m
        if _any(nearer):
            free &= ~nearer | self._forgotten(self._bad_ns[window], now_ns)
        corner = (
            (self._corner[0] + window[0].start) * self._cell_m,
            (self._corner[1] + window[1].start) * self._cell_m,
        )
        return GroundView(self._cell_m, corner, self._down_m, free, hazards, unseen_s, landable, known, visited)

    def _window_of_interest(self, now_ns: int, max_age_s: float) -> Window:
        """The part of the map that was seen recently or holds a hazard; beyond it all is unknown."""
        oldest_ns = now_ns - int(max(max_age_s, self._settings.hidden_hazard.memory_s) * 1e9)
        interest = self._seen_ns >= oldest_ns
        for grid in self._hazard_cells():
            interest |= grid
        left, top, width, height = cv2.boundingRect(interest.view(np.uint8))
        if width == 0:
            return slice(0, 1), slice(0, 1)
        return slice(top, top + height), slice(left, left + width)


def _any(grid: GridOfBool | ByteArray) -> bool:
    """Return True when any cell of a mask of any layout is set."""
    return cv2.countNonZero(grid.view(np.uint8)) > 0


def _gather(gathered: GridOfFloat, evidence: GridOfFloat, floor: float, limit: float) -> None:
    """Adds evidence in place, within the limits."""
    cv2.add(gathered, evidence, dst=gathered)
    np.clip(gathered, floor, limit, out=gathered)


def _distorted(camera: CameraModel, u: GridOfFloat, v: GridOfFloat) -> tuple[GridOfFloat, GridOfFloat, GridOfBool]:
    """Applies Brown-Conrady to ideal pixels; also tells those before its turning point."""
    k1, k2, p1, p2, k3 = (np.float32(k) for k in camera.distortion)
    fx, fy, cx, cy = (np.float32(f) for f in (camera.fx, camera.fy, camera.cx, camera.cy))
    x, y = (u - cx) / fx, (v - cy) / fy
    x, y = np.clip(x, -10, 10), np.clip(y, -10, 10)
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    # d(r * radial)/dr must stay positive, or far points fold back into the picture.
    rising = 1 + r2 * (3 * k1 + r2 * (5 * k2 + r2 * 7 * k3)) > 0
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return bent_x * fx + cx, bent_y * fy + cy, rising
