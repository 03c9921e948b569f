"""A rolling metric map of the ground below, in local NED: what is landable, what is a hazard.

Every cell holds the log-odds of landable ground, those of each hazard role, the quality of its surface, and when it was
last seen. A cell not seen recently is unknown, and unknown is never landable. `landing.ground.grid` moves the cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from landing.camera import CameraModel
from landing.estimator import FrameShift
from landing.ground import dry
from landing.ground.frame_times import NEVER_NS, FrameNumbers, FrameTimes
from landing.ground.grid import Layer, RollingGrid
from landing.ground.merge import filtered
from landing.ground.shown_cells import LEAST_SHOWN, NOT_SHOWN, ShownCells, Window, logit_table, mask_camera, shown_cells
from landing.ground.surface import add_qualities, as_bytes
from landing.ground.view import MOVING_ROLES, GridOfBool, GridOfFloat, GroundView, any_set, fill
from landing.settings import DecisionSettings
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray, Pose, Segmentation

PERSON_WIDE_M = 0.5
"""Of a grown-up seen from above."""

SAME_HEIGHT = 1.2
"""Heights that differ by no more than this factor show the same."""

BEYOND_SITES_M = 8.0
"""Reach of the map around the farthest site, m, so that people beside it are kept clear of."""


_LAYERS = {
    "landable": Layer(np.float32, 0.0, np.minimum),
    "hazards": Layer(np.float32, 0.0, np.maximum, len(HAZARD_ROLES)),
    # Numbers of frames, see `FrameTimes`.
    "seen": Layer(np.int32, 0, np.minimum),
    "visited": Layer(np.int32, 0, np.maximum),
    # From which height, and when, standing ground was last seen to be bad; infinite: never.
    "bad_from_m": Layer(np.float32, math.inf, np.minimum),
    "bad": Layer(np.int32, 0, np.maximum),
    "dry": dry.LAYER,
}
_SURFACES = {"quality": Layer(np.float32, 0.0, np.minimum), "quality_around": Layer(np.uint8, 0, np.minimum)}
"""Kept where the taxonomy does not call all landable ground alike."""

_TIMES = ("seen", "visited", "bad")
_STATE = ("down_m", "height_m", "updated_ns", "surfaces_ns", "aged_ns")
"""State of the map, beside its grid and settings."""

_MOVING = tuple(HAZARD_ROLES.index(role) for role in MOVING_ROLES)
_STANDING = tuple(k for k in range(len(HAZARD_ROLES)) if k not in _MOVING)


class GroundMap:
    """Accumulates segmentations into the map. One owner; not shared between threads.

    The evidence of all hazards of a cell lies side by side, shape (n, n, roles): OpenCV takes the roles as channels of
    one picture.
    """

    def __init__(self, settings: DecisionSettings, taxonomy: Taxonomy) -> None:
        self._settings = settings
        self._quality_lut = taxonomy.quality_lut if len(taxonomy.surfaces) > 1 else None
        self._grid = RollingGrid(settings.grid.cells, _LAYERS if self._quality_lut is None else _LAYERS | _SURFACES)
        cells = self._grid.cells
        self._landable: GridOfFloat = cells["landable"]
        self._hazards: GridOfFloat = cells["hazards"]
        self._seen: FrameNumbers = cells["seen"]
        self._visited: FrameNumbers = cells["visited"]
        self._bad_from_m: GridOfFloat = cells["bad_from_m"]
        self._bad: FrameNumbers = cells["bad"]
        self._dry: ByteArray = cells["dry"]
        thresholds = settings.hazard_thresholds
        gain = settings.evidence.ground_gain
        self._landable_evidence = logit_table(settings.frame_landable_probability, gain)
        gains = (settings.evidence.hazard_gain if role in MOVING_ROLES else gain for role in HAZARD_ROLES)
        tables = [logit_table(thresholds[role], of_role) for role, of_role in zip(HAZARD_ROLES, gains, strict=True)]
        self._hazard_evidence: GridOfFloat = np.stack(tables, axis=-1)[None]
        self._hazard_evidence[:, NOT_SHOWN] = self._hazard_evidence[:, LEAST_SHOWN]
        self._landable_logit = math.log(settings.landable_probability / (1 - settings.landable_probability))
        self._ground_limit, moving = settings.evidence.ground_limit, settings.evidence.hazard_limit
        limits = [moving if role in MOVING_ROLES else self._ground_limit for role in HAZARD_ROLES]
        self._hazard_limits, self._hazard_floors = np.array(limits), -np.array(limits)
        for k in _MOVING:
            # That nobody stood there for a minute says nothing of who steps in now: what people and vehicles must
            # overcome is never more than the last frames.
            last = settings.evidence.no_person_frames * float(tables[k][LEAST_SHOWN])
            self._hazard_floors[k] = max(last, self._hazard_floors[k])
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._grid.clear()
        self._down_m = self._height_m = 0.0
        self._updated_ns = self._surfaces_ns = self._aged_ns = NEVER_NS
        self._times = FrameTimes()
        self._is_hazard: tuple[GridOfBool, ...] | None = None  # where `_hazards` are positive; None: not known yet

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that was gathered: plain values and arrays, see `load_state_dict`."""
        state: dict[str, Any] = {"cell_m": self._grid.cell_m, "corner": self._grid.corner}
        state |= {name: getattr(self, f"_{name}") for name in _STATE}
        for name, cells in self._grid.cells.items():
            if name in _TIMES:
                state[f"{name}_ns"] = self._times.stamps_ns(cells)
            else:
                state[name] = (np.moveaxis(cells, -1, 0) if name == "hazards" else cells).copy("C")
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another map's `state_dict`, of the same number of cells."""
        self.reset()
        self._times = FrameTimes(np.unique([state[f"{name}_ns"] for name in _TIMES]).tolist())
        self._grid.cell_m, self._grid.corner = state["cell_m"], (state["corner"][0], state["corner"][1])
        known = state.keys()  # a recording may be older than a layer
        for name in known & set(_STATE):
            setattr(self, f"_{name}", state[name])
        for name, cells in self._grid.cells.items():
            if name in _TIMES:
                cells[...] = self._times.numbers(state[f"{name}_ns"])
            elif name in known:
                cells[...] = np.moveaxis(state[name], 0, -1) if name == "hazards" else state[name]

    @property
    def empty(self) -> bool:
        """True before the first frame."""
        return self._grid.cell_m == 0.0

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
        mask = mask_camera(camera, *segmentation.shape)
        reach_m = height_m * math.tan(math.radians(self._settings.view.max_angle_deg))
        shown = shown_cells(mask, pose, centre, ground_down_m, self._grid.extent, reach_m)
        count = 0 if shown is None else int(np.count_nonzero(shown.visible))
        if shown is None or count == 0:
            return 0
        px_per_m = mask.camera.fx / max(height_m, 1e-3)
        segmentation = filtered(segmentation, px_per_m, self._settings.evidence)
        px_per_cell = self._grid.cell_m * px_per_m
        side_px = max(1, math.ceil(min(px_per_cell, float(min(segmentation.shape)))))
        plain = min(1.0, PERSON_WIDE_M * px_per_m / max(self._settings.evidence.plain_person_px, 1e-3))
        seen_dry = dry.dry_cells(self._dry, shown, self._grid.cell_m) if judged and height_m < dry.FROM_M else None
        if judged:
            self._add_landable(segmentation, shown, side_px, seen_dry)
            if at_ns - self._surfaces_ns >= self._settings.surface.period_s * 1e9:
                self._add_surfaces(segmentation, shown)
                if dry.FROM_M <= height_m <= dry.UP_TO_M:
                    dry.note_dry(self._dry, segmentation, shown, self._grid.cell_m)
                self._surfaces_ns = at_ns
        self._add_hazards(segmentation.hazards, shown, side_px, plain, judged)
        if seen_dry is not None:
            water = self._hazards[shown.window][..., dry.WATER]
            np.minimum(water, np.float32(0.0), out=water, where=seen_dry)
        frame = self._times.number(at_ns, (self._seen, self._visited, self._bad))
        fill(self._seen[shown.window], frame, shown.visible)
        is_hazard = self._hazard_cells()
        for k in _MOVING:
            somebody = is_hazard[k][shown.window] & shown.visible
            if any_set(somebody):
                fill(self._visited[shown.window], frame, somebody)
        if judged:
            self._note_bad(shown, at_ns, frame)
        return count

    def _hazard_cells(self) -> tuple[GridOfBool, ...]:
        """Return the cells with evidence for each hazard, bool (n, n) each; never changed in place."""
        if self._is_hazard is None:
            planes = cv2.split((self._hazards > 0.0).view(np.uint8))
            self._is_hazard = tuple(np.asarray(plane).view(np.bool_) for plane in planes)
        return self._is_hazard

    def _follow(self, camera: CameraModel, height_m: float, north_m: float, east_m: float, down_m: float) -> None:
        """Moves the map below the vehicle, at the scale that its height asks for."""
        wanted_m, cell_m = self._wanted_cell_m(camera, height_m), self._grid.cell_m
        # Coarser at once, finer only when clearly below: no flapping around a boundary.
        coarser = wanted_m > cell_m
        finer = wanted_m < cell_m and (self._wanted_cell_m(camera, height_m * 1.15) < cell_m)
        self._down_m = down_m
        if self._grid.place(wanted_m if coarser or finer else cell_m, north_m, east_m):
            self._is_hazard = None

    def moved(self, shift: FrameShift) -> None:
        """Follows a reset of the estimator: the same ground at its coordinates after the shift."""
        if not self.empty:
            self._down_m += shift.offset_ned_m[2]
            self._grid.moved(shift)
            self._is_hazard = None

    def _decay(self, at_ns: int) -> None:
        if self._updated_ns != NEVER_NS and at_ns > self._updated_ns:
            passed_s = (at_ns - self._updated_ns) * 1e-9
            factor = np.float32(math.exp(-passed_s / self._settings.evidence.decay_s))
            self._landable *= factor
            self._hazards *= factor
            self._is_hazard = None
        self._updated_ns = max(self._updated_ns, at_ns)
        if at_ns - self._aged_ns >= dry.FORGOTTEN_S * 1e9:
            dry.age(self._dry)
            self._aged_ns = at_ns

    def _add_landable(
        self, segmentation: Segmentation, part: ShownCells, side_px: int, seen_dry: GridOfBool | None
    ) -> None:
        """Adds the evidence of landable ground: a cell takes the mean of what it covers.

        Args:
            segmentation: Filtered.
            part: Of the map.
            side_px: Of a cell in the mask.
            seen_dry: See `landing.ground.dry`.
        """

        def mean(plane: ByteArray) -> ByteArray:
            if side_px > 1:
                plane = np.asarray(cv2.blur(plane, (side_px, side_px), borderType=cv2.BORDER_REPLICATE), np.uint8)
            # Shown cells lie in the picture: its border has no part in them.
            return np.asarray(cv2.remap(plane, part.u, part.v, cv2.INTER_LINEAR), np.uint8)

        sampled = mean(segmentation.landable)
        if seen_dry is not None:
            neutral = round(255 * self._settings.frame_landable_probability)
            sampled = dry.given_dry(sampled, mean(segmentation.hazards[dry.WATER]), seen_dry, neutral)
        gathered, limit = self._landable[part.window], self._ground_limit
        cv2.add(gathered, part.evidence(sampled, self._landable_evidence), dst=gathered)
        np.clip(gathered, -limit, limit, out=gathered)

    def _add_surfaces(self, segmentation: Segmentation, part: ShownCells) -> None:
        """Adds the surface in each cell's middle to the mean, where the taxonomy tells surfaces apart."""
        if self._quality_lut is not None:
            qualities = np.asarray(cv2.LUT(segmentation.class_id, self._quality_lut), np.uint8)
            add_qualities(self._grid.cells, qualities, part, self._grid.cell_m, self._height_m, self._settings)

    def _add_hazards(self, planes: ByteArray, part: ShownCells, side_px: int, plain: float, judged: bool) -> None:
        """Adds the evidence of hazards: a cell takes the maximum of what it covers.

        A person between two sampling points must not vanish.

        Args:
            planes: Of all `HAZARD_ROLES`, filtered.
            part: Of the map.
            side_px: Of a cell in the mask.
            plain: How well a person would be seen in this frame, 0 to 1. That nobody is seen where nobody could be does
                not make those go who were seen before from lower down.
            judged: See `update`.
        """
        odd_px = side_px + 1 - side_px % 2
        kernel = np.ones((odd_px, odd_px), np.uint8)
        widened = [p if odd_px == 1 or not any_set(p) else cv2.dilate(p, kernel) for p in planes]
        tables = self._hazard_evidence
        if plain < 1.0 or not judged:
            tables = tables.copy()
            person = tables[..., HAZARD_ROLES.index(Role.PERSON)]
            np.multiply(person, np.float32(plain), out=person, where=person < 0)
            if not judged:
                tables[..., _STANDING] = 0.0
        # Nearest is enough: the maximum over the cell's surroundings was taken before. Cells that are not shown lie
        # outside the mask: no evidence.
        evidence = cv2.remap(cv2.LUT(cv2.merge(widened), tables), part.u, part.v, cv2.INTER_NEAREST)
        gathered = self._hazards[part.window]
        cv2.add(gathered, evidence, dst=gathered)
        cv2.max(gathered, self._hazard_floors, dst=gathered)
        cv2.min(gathered, self._hazard_limits, dst=gathered)
        self._is_hazard = None

    def _note_bad(self, part: ShownCells, at_ns: int, frame: int) -> None:
        """Notes from which height shown ground is bad, or that it is not after all.

        From higher up neither is believed: what the picture shows there is coarser. Where somebody stood recently it is
        not the ground that was bad.
        """
        window, height_m = part.window, np.float32(self._height_m)
        landable, from_m, when = (self._landable[window], self._bad_from_m[window], self._bad[window])
        bad, good = landable < 0.0, landable >= self._landable_logit
        for k in _STANDING:
            is_hazard = self._hazard_cells()[k][window]
            bad |= is_hazard
            good &= ~is_hazard
        forgotten = self._forgotten(when, at_ns)
        near = (height_m <= from_m * np.float32(SAME_HEIGHT)) | forgotten
        near &= part.visible
        fill(from_m, np.inf, (good | forgotten) & near)
        bad &= near
        if any_set(bad):
            bad &= ~self._recent(self._visited[window], at_ns, self._settings.recent_hazard.memory_s)
            lower_m = cv2.min(from_m, float(height_m))
            cv2.copyTo(lower_m, bad.view(np.uint8), from_m)
            fill(when, frame, bad)

    def _recent(self, frames: FrameNumbers, now_ns: int, memory_s: float) -> GridOfBool:
        """Return the cells whose frame is no older than so much."""
        return frames >= self._times.since(now_ns - int(memory_s * 1e9))

    def _forgotten(self, frames: FrameNumbers, now_ns: int) -> GridOfBool:
        """Return the cells whose bad ground was seen too long ago to count."""
        return ~self._recent(frames, now_ns, self._settings.unsafe_memory.memory_s)

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
        unseen_s = self._times.ages_s(self._seen[window], now_ns)
        known = unseen_s <= max_age_s
        hazards = {role: grid[window] for role, grid in zip(HAZARD_ROLES, self._hazard_cells(), strict=True)}
        for role in MOVING_ROLES:  # what stood there a while ago has gone, we do not know where
            if any_set(hazards[role]):
                hazards[role] = hazards[role] & (unseen_s <= self._settings.hidden_hazard.memory_s)
        visited = self._recent(self._visited[window], now_ns, self._settings.recent_hazard.memory_s)
        landable = self._landable[window].copy()
        free = known & (landable >= self._landable_logit)
        for grid in hazards.values():
            free &= ~grid
        # What was seen to be bad from much nearer is not good because it looks so from up here.
        nearer_m = np.float32(self._height_m / self._settings.unsafe_memory.factor)
        nearer = self._bad_from_m[window] <= nearer_m
        if any_set(nearer):
            free &= ~nearer | self._forgotten(self._bad[window], now_ns)
        (south, west), cell_m = self._grid.corner, self._grid.cell_m
        corner = ((south + window[0].start) * cell_m, (west + window[1].start) * cell_m)
        view = GroundView(cell_m, corner, self._down_m, free, hazards, unseen_s, landable, known, visited)
        if self._quality_lut is None:
            return view
        around = self._grid.cells["quality_around"][window].copy()
        return replace(view, quality=as_bytes(self._grid.cells["quality"][window]), quality_around=around)

    def _window_of_interest(self, now_ns: int, max_age_s: float) -> Window:
        """The part of the map that was seen recently or holds a hazard; beyond it all is unknown."""
        interest = self._recent(self._seen, now_ns, max(max_age_s, self._settings.hidden_hazard.memory_s))
        for grid in self._hazard_cells():
            interest |= grid
        left, top, width, height = cv2.boundingRect(interest.view(np.uint8))
        if width == 0:
            return slice(0, 1), slice(0, 1)
        return slice(top, top + height), slice(left, left + width)
