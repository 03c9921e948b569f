"""Obstructions of the largest gap: what took the room where no site is wide enough, and where it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from landing.ground.view import GridOfBool, GridOfFloat, GroundView
from landing.taxonomy import HAZARD_ROLES, Taxonomy

NOT_LANDABLE = "not landable"
UNSEEN = "unseen ground"


@dataclass(frozen=True)
class Obstruction:
    """The nearest ground of one kind that keeps a gap from being wider.

    Attributes:
        kind: Role of a hazard, `NOT_LANDABLE` or `UNSEEN`.
        north_m, east_m: Its place, local NED, m.
        distance_m: From the gap's centre to its nearest cell, m.
        kept_clear_m: Clearance that is kept from it, m.
    """

    kind: str
    north_m: float
    east_m: float
    distance_m: float
    kept_clear_m: float

    @property
    def leaves_m(self) -> float:
        """Radius around the gap's centre that it leaves, m."""
        return self.distance_m - self.kept_clear_m


@dataclass(frozen=True)
class Gap:
    """The widest clean disc of a map that holds no site.

    Attributes:
        north_m, east_m: Its centre, local NED, m.
        radius_m: Its radius, m; negative inside a hazard's clearance.
        obstructions: What bounds it, the tightest first.
    """

    north_m: float
    east_m: float
    radius_m: float
    obstructions: tuple[Obstruction, ...]


def largest_gap(view: GroundView, clearance_m: GridOfFloat, taxonomy: Taxonomy, needed_m: float) -> Gap:
    """Find the widest disc on free ground and what bounds it.

    Args:
        view: The map.
        clearance_m: Clearance around each cell of it, m, as the picker made it.
        taxonomy: Whose clearances are kept.
        needed_m: Radius that a site needs; of what leaves more only the tightest is named, where nothing leaves less.
    """
    on_free = np.where(view.free, clearance_m, -np.inf)
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(on_free)), on_free.shape))
    hazard = np.zeros(view.free.shape, np.bool_)
    found = []
    for role in HAZARD_ROLES:
        hazard |= view.hazards[role]
        found.append(_nearest(view, view.hazards[role], row, column, role.value, taxonomy.clearance_of(role)))
    found.append(_nearest(view, view.known & ~view.free & ~hazard, row, column, NOT_LANDABLE, 0.0))
    found.append(_nearest(view, ~view.known & ~hazard, row, column, UNSEEN, 0.0))
    nearest = sorted((o for o in found if o is not None), key=lambda o: o.leaves_m)
    bounds = [o for o in nearest if o.leaves_m < needed_m] or nearest[:1]  # the picker's clearance is a little smaller
    north_m, east_m = view.centre_of(row, column)
    return Gap(north_m, east_m, float(clearance_m[row, column]), tuple(bounds))


def _nearest(
    view: GroundView, cells: GridOfBool, row: int, column: int, kind: str, kept_clear_m: float
) -> Obstruction | None:
    rows, columns = np.nonzero(cells)
    if not len(rows):
        return None
    apart = (rows - row) ** 2 + (columns - column) ** 2
    index = int(np.argmin(apart))
    north_m, east_m = view.centre_of(int(rows[index]), int(columns[index]))
    distance_m = max(0.0, (math.sqrt(int(apart[index])) - 0.5) * view.cell_m)
    return Obstruction(kind, north_m, east_m, distance_m, kept_clear_m)
