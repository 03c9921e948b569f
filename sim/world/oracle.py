"""Feasibility oracle: the landable ground by the truth, the denominator of every rate a campaign reports.

Places are middles of cells. Distances are exact (Felzenszwalb and Huttenlocher's transform, as OpenCV's
DIST_MASK_PRECISE) and reach to the nearer edge of a cell, not to its middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import InvalidValueError
from landing.taxonomy import HAZARD_ROLES, Role
from landing.types import ByteArray
from sim.world.actors import AnyActor
from sim.world.model import MAX_DISTANCE_M, World

Floats = npt.NDArray[np.float32]

BEYOND_M = 6.0
"""Margins are exact up to this much beyond the largest clearance; a better one reads as this."""

_TRACK_STEP_S = 0.5
_MOMENT_STEP_S = 5.0
_PERSON_RADIUS_M = 0.25
_ROLE_OF_KIND = {"person": Role.PERSON, "car": Role.VEHICLE}


class OracleVerdict(str, Enum):
    """Answer of the oracle: a site, a marginal one, or none; unknown where there are no labels to tell."""

    SITE = "site"
    MARGINAL = "marginal"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class OracleResult:
    """Landable ground within reach of a start.

    Attributes:
        verdict: `SITE`: some place keeps the vehicle's radius and every clearance with slack to spare through the whole
            window. `NONE`: no place has them at any moment, not even with that slack taken off. `MARGINAL`: between.
        best_ne_m: The place with most room through the window; None when there is no cell in reach.
        best_margin_m: Its room beyond radius and clearances; negative where there is too little.
        area_m2: Of the places with room and slack through the window.
        nearest_m: From the start to the nearest of them; `MAX_DISTANCE_M` when there is none.
    """

    verdict: OracleVerdict
    best_ne_m: tuple[float, float] | None
    best_margin_m: float
    area_m2: float
    nearest_m: float


_NOWHERE = OracleResult(OracleVerdict.NONE, None, -MAX_DISTANCE_M, 0.0, MAX_DISTANCE_M)


def feasibility_oracle(
    world: World,
    start_ne_m: tuple[float, float],
    reach_m: float,
    vehicle_radius_m: float,
    *,
    clearance_m: Mapping[Role, float] | None = None,
    window_s: tuple[float, float] = (0.0, 120.0),
    slack_m: float = 0.5,
) -> OracleResult:
    """Finds ground that a vehicle could land on within reach of a start.

    Args:
        world: With labels. Ground without a label and ground beyond its edge is not landable.
        start_ne_m: North and east.
        reach_m: Horizontal distance from the start.
        vehicle_radius_m: Of the disc that must be landable.
        clearance_m: To keep beyond that radius, per hazard role; the taxonomy's when None.
        window_s: First and last world time of the landing.
        slack_m: Half the width of the band that counts as marginal.

    Raises:
        InvalidValueError: A reach or radius that is not positive, a negative slack or a window that ends before it
            begins.
    """
    if not (reach_m > 0 and vehicle_radius_m > 0 and slack_m >= 0 and window_s[0] <= window_s[1]):
        raise InvalidValueError(
            f"feasibility with reach_m {reach_m}, vehicle_radius_m {vehicle_radius_m}, "
            f"slack_m {slack_m}, window_s {window_s}: expected positive reach and radius"
        )
    keep = {role: (clearance_m or {}).get(role, world.taxonomy.clearance_of(role)) for role in HAZARD_ROLES}
    window = _Window.around(world, start_ne_m, reach_m, vehicle_radius_m + max(keep.values()))
    if window is None:
        return _NOWHERE
    fixed = window.static_room(world, keep) - np.float32(vehicle_radius_m)
    lasting = fixed.copy()
    for role, mask in window.tracks(world.actors, window_s).items():
        room = window.distance_m(mask) - np.float32(keep[role] + vehicle_radius_m)
        np.minimum(lasting, room, out=lasting)
    away = window.away_from(start_ne_m)
    within = away <= reach_m
    if not within.any():
        return _NOWHERE
    best = int(np.argmax(np.where(within, lasting, -np.inf)))
    row, column = divmod(best, lasting.shape[1])
    good = within & (lasting >= slack_m)
    if good.any():
        verdict = OracleVerdict.SITE
    else:
        lenient = within & (fixed >= -slack_m)
        radius_m = vehicle_radius_m - slack_m
        ever = lenient.any() and _free_at_some_moment(window, world.actors, keep, radius_m, lenient, window_s)
        verdict = OracleVerdict.MARGINAL if ever else OracleVerdict.NONE
    return OracleResult(
        verdict,
        window.place(row, column),
        min(float(lasting[row, column]), BEYOND_M),
        float(good.sum()) * window.gsd_m**2,
        float(away[good].min()) if good.any() else MAX_DISTANCE_M,
    )


def _free_at_some_moment(
    window: _Window,
    actors: tuple[AnyActor, ...],
    keep: Mapping[Role, float],
    radius_m: float,
    lenient: npt.NDArray[np.bool_],
    window_s: tuple[float, float],
) -> bool:
    """True if any of some places is clear of all actors at some moment."""
    count = 1 + math.ceil((window_s[1] - window_s[0]) / _MOMENT_STEP_S)
    for t_s in np.linspace(*window_s, count):
        free = lenient
        for role, mask in window.tracks(actors, (float(t_s), float(t_s))).items():
            free = free & (window.distance_m(mask) >= keep[role] + radius_m)
        if free.any():
            return True
    return False


@dataclass(frozen=True)
class _Window:
    """A part of the world's raster, one cell wider than the ground where it meets the edge."""

    left: int
    top: int
    shape: tuple[int, int]
    gsd_m: float
    origin_px: tuple[float, float]

    @classmethod
    def around(cls, world: World, start_ne_m: tuple[float, float], reach_m: float, room_m: float) -> _Window | None:
        half = math.ceil((reach_m + room_m + BEYOND_M) / world.gsd_m)
        u = round(world.origin_px[0] + start_ne_m[1] / world.gsd_m)
        v = round(world.origin_px[1] - start_ne_m[0] / world.gsd_m)
        rows, columns = world.labels.shape
        left, top = max(u - half, -1), max(v - half, -1)
        right, bottom = min(u + half + 1, columns + 1), min(v + half + 1, rows + 1)
        if left >= right or top >= bottom:
            return None
        return cls(left, top, (bottom - top, right - left), world.gsd_m, world.origin_px)

    def place(self, row: int, column: int) -> tuple[float, float]:
        north_m = (self.origin_px[1] - self.top - row) * self.gsd_m
        return north_m, (self.left + column - self.origin_px[0]) * self.gsd_m

    def away_from(self, place_ne_m: tuple[float, float]) -> Floats:
        (north_m, west_m), (rows, columns) = self.place(0, 0), self.shape
        norths = (north_m - place_ne_m[0] - np.arange(rows) * self.gsd_m).astype(np.float32)
        easts = (west_m - place_ne_m[1] + np.arange(columns) * self.gsd_m).astype(np.float32)
        return np.asarray(np.hypot(norths[:, None], easts[None, :]))

    def static_room(self, world: World, keep: Mapping[Role, float]) -> Floats:
        """Beyond the clearance of every hazard that stands in the labels; landable ground only."""
        labels = world.label_window(self.left, self.top, self.shape)
        room = self.distance_m(~world.taxonomy.landable_lut[labels])
        for role, clearance_m in keep.items():
            hazard = world.of_roles(role)[labels]
            if hazard.any():
                np.minimum(room, self.distance_m(hazard) - np.float32(clearance_m), out=room)
        return room

    def distance_m(self, mask: npt.NDArray[np.bool_]) -> Floats:
        """From the middle of each cell to the nearer edge of the nearest cell of a mask."""
        if not mask.any():
            return np.full(self.shape, MAX_DISTANCE_M, dtype=np.float32)
        free = np.where(mask, 0, 255).astype(np.uint8)
        cells = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray((cells - np.float32(0.5)) * np.float32(self.gsd_m))

    def tracks(self, actors: Iterable[AnyActor], window_s: tuple[float, float]) -> dict[Role, npt.NDArray[np.bool_]]:
        """Ground that actors cover during a time, per role."""
        drawn: dict[Role, ByteArray] = {}
        count = 1 + math.ceil((window_s[1] - window_s[0]) / _TRACK_STEP_S)
        times = [float(t) for t in np.linspace(*window_s, count)]
        for actor in actors:
            role = _ROLE_OF_KIND[actor.kind]
            mask = drawn.setdefault(role, np.zeros(self.shape, dtype=np.uint8))
            if actor.kind == "person":
                states = [actor.at(t) for t in times]
                middles = np.array([(s.north_m, s.east_m) for s in states])
                points = self._sixteenths(middles)
                wide = max(1, math.ceil(2 * _PERSON_RADIUS_M / self.gsd_m))
                if np.ptp(points, axis=0).max() == 0:
                    cv2.circle(mask, tuple(int(x) for x in points[0]), wide * 8, (1,), -1, 8, 4)
                else:
                    cv2.polylines(mask, [points], False, (1,), wide, cv2.LINE_8, 4)
                continue
            outlines = [self._sixteenths(actor.at(t).footprint_ne_m()) for t in times]
            if len(outlines) == 1 or all(np.array_equal(outlines[0], o) for o in outlines):
                cv2.fillConvexPoly(mask, outlines[0], (1,), cv2.LINE_8, 4)
                continue
            jump = round(actor_jump_m(actor) / self.gsd_m * 16)
            for a, b in pairwise(outlines):
                apart = np.abs(a[0] - b[0]).max() > jump
                for piece in (a, b) if apart else (cv2.convexHull(np.vstack([a, b])),):
                    cv2.fillConvexPoly(mask, piece, (1,), cv2.LINE_8, 4)
        return {role: mask > 0 for role, mask in drawn.items()}

    def _sixteenths(self, points_ne_m: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        columns = points_ne_m[:, 1] / self.gsd_m + self.origin_px[0] - self.left
        rows = self.origin_px[1] - points_ne_m[:, 0] / self.gsd_m - self.top
        both = np.rint(np.column_stack([columns, rows]) * 16)
        return np.clip(both, -(1 << 20), 1 << 20).astype(np.int32)


def actor_jump_m(actor: AnyActor) -> float:
    """A move longer than this between two samples is a repeating timetable's jump, no way."""
    return 40.0 * _TRACK_STEP_S if actor.kind == "car" else 4.0 * _TRACK_STEP_S
