"""Pick the landing place: the clean place with the best score, clearance less the costs of the way and the surface.

Without a height (one picture is judged, nobody flies there) it is the largest clean region, and inside it the point
with the greatest clearance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from landing.decision_groups import HiddenHazard
from landing.ground.surface import add_surface_cost
from landing.ground.view import MOVING_ROLES, GridOfBool, GridOfFloat, GroundView, any_set
from landing.settings import DecisionSettings
from landing.site import NoSite, NoSiteReason, radius_in_words
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy

CHAMFER_EXCESS = np.float32(1.0193)
"""Most by which the 5x5 chamfer distance (steps 1, 1.4, 2.1969; Borgefors 1986) overstates: with t = y / x it is (1 +
0.1969 t) / sqrt(1 + t^2), largest at t = 0.1969."""

HALF_DIAGONAL = np.float32(0.5 * 2.0**0.5)
"""From a cell's centre to its corner, in cells: what a distance between centres overstates."""

AGE_STEPS_S = (0.5, 1.5, 3.0, 6.0, 12.0)
"""Moving hazards are sorted by how long they were not seen; each step counts as its older end."""


@dataclass(frozen=True)
class Candidate:
    """The best place of the map at one moment.

    Attributes:
        north_m, east_m: Centre of the disc, local NED.
        clearance_m: Radius around it that is free of everything, hazard clearances taken off.
        area_m2: Of its region: where the vehicle's middle may come down.
        score_m: See `score_grid`; the clearance where no height was given.
    """

    north_m: float
    east_m: float
    clearance_m: float
    area_m2: float
    score_m: float


class LostPlace(NamedTuple):
    """Place where a site was lost because of its ground.

    Attributes:
        north_m, east_m: Local NED, m.
        reach_m: How far around the ground is doubtful, m.
    """

    north_m: float
    east_m: float
    reach_m: float


def distance_m(blocked: GridOfBool, cell_m: float, outside_blocked: bool = True) -> GridOfFloat:
    """From each cell's centre to the nearest point of a blocked cell, m: never more than true.

    OpenCV's 5x5 chamfer distance between centres, shortened by the most it can overstate and by half a cell's diagonal.
    The exact transform is three to five times slower.

    Args:
        blocked: bool (n, n).
        cell_m: Side of a cell, m.
        outside_blocked: Whether everything outside the map is blocked, too.
    """
    open_ground = np.logical_not(blocked).view(np.uint8)
    if outside_blocked:
        open_ground = np.asarray(cv2.copyMakeBorder(open_ground, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0), np.uint8)
    between_centres = cv2.distanceTransform(open_ground, cv2.DIST_L2, cv2.DIST_MASK_5)
    if outside_blocked:
        between_centres = between_centres[1:-1, 1:-1]
    away_m = cv2.multiply(between_centres, float(np.float32(cell_m) / CHAMFER_EXCESS))
    cv2.subtract(away_m, float(np.float32(cell_m) * HALF_DIAGONAL), dst=away_m)
    return np.asarray(cv2.max(away_m, 0.0, dst=away_m), np.float32)


def hazard_clearance_grid(
    view: GroundView,
    taxonomy: Taxonomy,
    settings: DecisionSettings,
    roles: tuple[Role, ...] = HAZARD_ROLES,
    standing_share: float = 1.0,
) -> GridOfFloat:
    """Distance to the nearest hazard less that hazard's own clearance, m, shape (n, n).

    Negative inside a hazard's clearance, infinite where there is no hazard at all. People and vehicles that went out of
    view may have moved since: their clearance grows with that time.

    Args:
        view: The map.
        taxonomy: Whose clearances hold.
        settings: How fast the clearance of what is out of view grows.
        roles: The hazards to look at; all by default.
        standing_share: Part of the clearance that is asked of what stands still.
    """
    found: list[GridOfFloat] = []
    for role in roles:
        cells = view.hazards[role]
        if not any_set(cells):
            continue
        keep_m = taxonomy.clearance_of(role)
        if role not in MOVING_ROLES:
            keep_m *= standing_share
            found.append(distance_m(cells, view.cell_m, False) - np.float32(keep_m))
            continue
        for newer_s, older_s, moved_m in _moves(settings.hidden_hazard):
            bucket = cells & (view.unseen_s >= newer_s)
            if math.isfinite(older_s):
                bucket &= view.unseen_s < older_s
            if any_set(bucket):
                found.append(distance_m(bucket, view.cell_m, False) - np.float32(keep_m + moved_m))
    return least(found) if found else np.full(view.free.shape, np.inf, np.float32)


def least(grids: Iterable[GridOfFloat]) -> GridOfFloat:
    """Return the least of some grids in each cell."""
    return np.asarray(reduce(cv2.min, grids), np.float32)


@lru_cache(maxsize=8)
def _moves(hidden: HiddenHazard) -> tuple[tuple[float, float, float], ...]:
    """Ages from, up to, s, and how far who was not seen for so long may have gone, m.

    Ages beyond which nothing grows are one: each costs a distance transform.
    """
    moves: list[tuple[float, float, float]] = []
    newer_s = 0.0
    for older_s in AGE_STEPS_S:
        moved_m = hidden.speed_mps * older_s if newer_s > 0.0 else 0.0
        moved_m = min(moved_m, hidden.growth_limit_m)
        if moves and moves[-1][2] == moved_m:
            newer_s = moves.pop()[0]
        moves.append((newer_s, older_s, moved_m))
        newer_s = older_s
    newer_s, _, moved_m = moves.pop()
    return (*moves, (newer_s, math.inf, moved_m))


def clearance_grid(view: GroundView, hazard_clearance_m: GridOfFloat) -> GridOfFloat:
    """Radius of the largest allowed disc around each cell, m, shape (n, n); 0 where none.

    Such a disc holds no cell that is non-landable, unknown or outside the map, and keeps the clearance of each hazard
    (`hazard_clearance_grid`) beyond its rim.
    """
    clearance = least((distance_m(~view.free, view.cell_m), hazard_clearance_m))
    return np.asarray(cv2.max(clearance, 0.0, dst=clearance), np.float32)


@dataclass(frozen=True)
class Regions:
    """The connected cells (8 neighbours) that could be a site's centre.

    Attributes:
        labels: int32 (n, n), 0 where no centre may be.
        count: Of the regions.
        cell_m2: Area of a cell.
    """

    labels: npt.NDArray[np.int32]
    count: int
    cell_m2: float

    def area_m2(self, row: int, column: int) -> float:
        """Area of the region that a cell is in; 0 outside all."""
        label = self.labels[row, column]
        return float(np.count_nonzero(self.labels == label) * self.cell_m2) if label else 0.0

    @cached_property
    def areas_m2(self) -> npt.NDArray[np.float64]:
        """Area per label; 0 for label 0."""
        cells = np.bincount(self.labels.ravel(), minlength=1 + self.count)
        areas_m2 = np.asarray(cells * self.cell_m2, np.float64)
        areas_m2[0] = 0.0
        return areas_m2


def clean_regions(
    view: GroundView, clearance_m: GridOfFloat, settings: DecisionSettings, vehicle_ne_m: tuple[float, float]
) -> Regions:
    """Splits the ground that could hold the vehicle with its margin into regions."""
    away2 = _squared_distance(view, vehicle_ne_m)
    clean = (clearance_m >= settings.required_radius_m) & (away2 <= settings.max_distance_m**2)
    count, labels = cv2.connectedComponents(clean.view(np.uint8), connectivity=8)
    return Regions(np.asarray(labels, np.int32), count - 1, view.cell_m**2)


def _squared_distance(view: GroundView, place_ne_m: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Squared horizontal distance of each cell's centre from a place, m2, shape (n, n), read-only."""
    return _squares(view.free.shape, view.south_west_m, view.cell_m, place_ne_m)


@lru_cache(maxsize=1)
def _squares(
    shape: tuple[int, int], south_west_m: tuple[float, float], cell_m: float, place_ne_m: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Squared distances of one frame: asked for several times."""
    north = south_west_m[0] + (np.arange(shape[0]) + 0.5) * cell_m - place_ne_m[0]
    east = south_west_m[1] + (np.arange(shape[1]) + 0.5) * cell_m - place_ne_m[1]
    squares: npt.NDArray[np.float64] = np.add.outer(north**2, east**2)
    squares.flags.writeable = False
    return squares


def score_grid(
    view: GroundView,
    clearance_m: GridOfFloat,
    settings: DecisionSettings,
    vehicle_ne_m: tuple[float, float],
    height_m: float,
    lost: Sequence[LostPlace] = (),
) -> GridOfFloat:
    """Return the score of each cell as a site, m of clearance, shape (n, n).

    The score is the clearance, capped at what is enough from this height, less the cost of the way there and of the
    surface, less the penalties of recent hazards (people or vehicles were seen there) and of the blacklist (a site
    there was lost because of its ground).

    Args:
        view: The map.
        clearance_m: `clearance_grid` of the same view.
        settings: Costs.
        vehicle_ne_m: North and east of the vehicle, m.
        height_m: Of the vehicle above the ground.
        lost: Those sites.
    """
    enough_m = settings.required_radius_m + settings.score.enough_clearance_m
    enough_m += settings.score.clearance_per_height * max(height_m, 0.0)
    away_m = np.sqrt(_squared_distance(view, vehicle_ne_m)).astype(np.float32)
    away_m *= np.float32(settings.score.travel_cost)
    score = np.asarray(cv2.subtract(cv2.min(clearance_m, enough_m), away_m), np.float32)
    if view.quality_around is not None:
        least_m = settings.required_radius_m
        roomy = clearance_m >= np.float32(least_m + settings.surface.room * (enough_m - least_m))
        add_surface_cost(score, view.quality_around, roomy, settings.surface.cost_m)
    if settings.recent_hazard.cost_m > 0.0 and any_set(view.visited):
        part = _around(view.visited, settings.recent_hazard.radius_m / view.cell_m)
        near = 1.0 - distance_m(view.visited[part], view.cell_m, False) / np.float32(settings.recent_hazard.radius_m)
        score[part] -= np.float32(settings.recent_hazard.cost_m) * np.maximum(near, np.float32(0.0))
    if settings.blacklist.cost_m > 0.0 and lost:
        score -= np.float32(settings.blacklist.cost_m) * _nearness(view, lost)
    return np.asarray(score, np.float32)


def _around(cells: GridOfBool, reach: float) -> tuple[slice, slice]:
    """Rows and columns that hold all set cells and what lies within a reach of them, in cells."""
    left, top, width, height = cv2.boundingRect(cells.view(np.uint8))
    # `distance_m` falls short of the true distance by 2 % and a cell at most.
    beyond = math.ceil(1.05 * reach) + 2
    return (slice(max(0, top - beyond), top + height + beyond), slice(max(0, left - beyond), left + width + beyond))


def _nearness(view: GroundView, places: Sequence[LostPlace]) -> GridOfFloat:
    """1 at the nearest of some places, falling to 0 at the end of its reach, shape (n, n)."""
    near = np.zeros(view.free.shape, np.float32)
    south_m, west_m = view.south_west_m
    n_rows, n_columns = view.free.shape
    north = south_m + (np.arange(n_rows) + 0.5) * view.cell_m
    east = west_m + (np.arange(n_columns) + 0.5) * view.cell_m
    for north_m, east_m, reach_m in places:
        top, bottom = np.searchsorted(north, (north_m - reach_m, north_m + reach_m))
        left, right = np.searchsorted(east, (east_m - reach_m, east_m + reach_m))
        rows, columns = slice(int(top), int(bottom)), slice(int(left), int(right))
        away_m = np.hypot.outer(north[rows] - north_m, east[columns] - east_m)
        part = np.float32(1.0) - (away_m / reach_m).astype(np.float32)
        np.maximum(near[rows, columns], part, out=near[rows, columns])
    return near


def pick(
    view: GroundView,
    clearance_m: GridOfFloat,
    regions: Regions,
    settings: DecisionSettings,
    vehicle_ne_m: tuple[float, float],
    height_m: float | None = None,
    score_m: GridOfFloat | None = None,
) -> Candidate | NoSite:
    """The best place in a view.

    With a height it is the place of the best score (`score_grid`) that can be reached from there and is wide enough
    for a new site. Without one the region of largest area wins, then the one with more clearance, then the nearer;
    inside it the point of greatest clearance (never the centroid, which can lie outside), then the nearest to the
    vehicle. Nothing depends on the grid's own directions: a mirrored or rotated world gives the mirrored or rotated
    site.

    Args:
        view: The map.
        clearance_m: `clearance_grid` of the same view.
        regions: `clean_regions` of the same view.
        settings: Sizes and limits.
        vehicle_ne_m: North and east of the vehicle, m.
        height_m: From which it would be flown to; None to judge the ground alone.
        score_m: `score_grid` from there, where the caller has it already.
    """
    if not any_set(view.known):
        return NoSite(NoSiteReason.GROUND_NOT_IN_VIEW, "no ground seen recently")
    if not any_set(view.free):
        return NoSite(NoSiteReason.NOTHING_LANDABLE, _why_nothing(view))
    if regions.count == 0:
        widest_m = float(clearance_m.max())
        detail = f"widest clean disc has {radius_in_words(widest_m)} m radius"
        if widest_m >= settings.required_radius_m:
            detail += f" but is farther than {settings.max_distance_m:g} m"
        else:
            detail += f", {settings.required_radius_m:.1f} m needed"
        return NoSite(NoSiteReason.TOO_SMALL, detail)
    if height_m is not None:
        if score_m is None:
            score_m = score_grid(view, clearance_m, settings, vehicle_ne_m, height_m)
        return _best_score(view, clearance_m, regions, settings, vehicle_ne_m, height_m, score_m)
    away2 = _squared_distance(view, vehicle_ne_m)
    largest = np.flatnonzero(regions.areas_m2 == regions.areas_m2.max())
    places = [_best_inside(np.flatnonzero(regions.labels == label), clearance_m, away2, view) for label in largest]
    _, row, column = max(places)
    north_m, east_m = view.centre_of(row, column)
    return Candidate(
        north_m,
        east_m,
        clearance_m=float(clearance_m[row, column]),
        area_m2=float(regions.areas_m2[largest[0]]),
        score_m=float(clearance_m[row, column]),
    )


def _best_score(
    view: GroundView,
    clearance_m: GridOfFloat,
    regions: Regions,
    settings: DecisionSettings,
    vehicle_ne_m: tuple[float, float],
    height_m: float,
    score_m: GridOfFloat,
) -> Candidate | NoSite:
    """Return the place of the best score within reach; of equal ones that with more clearance, then evidence."""
    needed_m = settings.required_radius_m + settings.new_site_margin_m
    reach_m = min(settings.max_distance_m, settings.reach.base_m + settings.reach.per_height * max(height_m, 0.0))
    away2 = _squared_distance(view, vehicle_ne_m)
    wide = (regions.labels > 0) & (clearance_m >= needed_m)
    inside = np.flatnonzero(wide & (away2 <= reach_m**2))
    if inside.size == 0:
        widest_m = float(clearance_m[regions.labels > 0].max())
        if not any_set(wide):  # it would be lost again with the next noise
            detail = f"{radius_in_words(widest_m)} m radius, {needed_m:.1f} m needed for a new site"
        else:
            detail = f"{radius_in_words(widest_m)} m radius but is farther than {reach_m:.0f} m"
        return NoSite(NoSiteReason.TOO_SMALL, f"widest clean disc has {detail}")
    score = score_m.ravel()[inside]
    best = inside[score >= score.max() - 1e-4]
    clearance = clearance_m.ravel()[best]
    best = best[clearance >= clearance.max() - 1e-4]
    cell = int(best[np.argmax(view.landable.ravel()[best])])
    row, column = divmod(cell, clearance_m.shape[1])
    north_m, east_m = view.centre_of(row, column)
    return Candidate(
        north_m,
        east_m,
        clearance_m=float(clearance_m[row, column]),
        area_m2=regions.area_m2(row, column),
        score_m=float(score.max()),
    )


def _best_inside(
    inside: npt.NDArray[np.intp], clearance_m: GridOfFloat, away2: npt.NDArray[np.float64], view: GroundView
) -> tuple[tuple[float, float, float], int, int]:
    """Sort key (larger is better), row and column of the best cell of a region."""
    clearance = clearance_m.ravel()[inside]
    widest = inside[clearance >= clearance.max() - 1e-4]
    distance2 = np.round(away2.ravel()[widest], 6)
    nearest = widest[distance2 <= distance2.min()]
    cell = int(nearest[np.argmax(view.landable.ravel()[nearest])])
    row, column = divmod(cell, clearance_m.shape[1])
    key = (
        round(float(clearance_m[row, column]), 4),
        -round(float(away2[row, column]), 6),
        float(view.landable[row, column]),
    )
    return key, row, column


def any_within(view: GroundView, roles: tuple[Role, ...], row: int, column: int, radius_m: float) -> bool:
    """Return True when a hazard of some roles is in a cell whose centre lies in a disc around a cell's."""
    reach = int(np.ceil(radius_m / view.cell_m))
    top, left = max(0, row - reach), max(0, column - reach)
    part = (slice(top, row + reach + 1), slice(left, column + reach + 1))
    r, c = np.ogrid[: view.free[part].shape[0], : view.free[part].shape[1]]
    near = np.hypot(r + top - row, c + left - column) * view.cell_m <= radius_m
    return any(bool((view.hazards[role][part] & near).any()) for role in roles)


def _why_nothing(view: GroundView) -> str:
    """Describe the seen ground that is not landable."""
    seen = int(np.count_nonzero(view.known))
    parts = [
        f"{name.value} {100 * np.count_nonzero(grid & view.known) / seen:.0f} %"
        for name, grid in view.hazards.items()
        if (grid & view.known).any()
    ]
    return "no landable ground in view" + (f": {', '.join(parts)}" if parts else "")
