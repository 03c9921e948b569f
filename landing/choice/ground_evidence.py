"""Evidence of one look at the ground: its widest clear places, and faults of places that another look chose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from landing.choice.picker import HALF_DIAGONAL
from landing.ground.view import GridOfBool, GridOfFloat, GroundView, any_set
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy

STEP_M = 0.25
"""A disc that a look contradicts shrinks by this much at a time."""

BAD_GROUND = "not landable"
"""Fault of a place whose ground was seen and is not clearly landable."""


class ClearPlace(NamedTuple):
    """A place with a clear disc around it.

    Attributes:
        north_m, east_m: In the look's coordinates, m.
        clearance_m: Radius that is free of everything not landable, hazard clearances taken off, m.
        cell: Row and column of the look's map.
    """

    north_m: float
    east_m: float
    clearance_m: float
    cell: tuple[int, int]


@dataclass(frozen=True)
class GroundEvidence:
    """The part of a ground map that a look knows.

    Attributes:
        cell_m: Side of a cell, m.
        south_west_m: North and east of the outer corner of cell [0, 0], m.
        hazards: Cells of each hazard role that has some, bool (rows going north, columns east).
        bad: Cells that were seen and are not free, bool.
        clearance_m: Radius of the largest clear disc around each cell, m.
        corner: Row and column of its cell [0, 0] in the map that it is cut from.
    """

    cell_m: float
    south_west_m: tuple[float, float]
    hazards: Mapping[Role, GridOfBool]
    bad: GridOfBool
    clearance_m: GridOfFloat
    corner: tuple[int, int]

    @classmethod
    def of(cls, view: GroundView, clearance_m: GridOfFloat) -> GroundEvidence:
        """Cut a map to the ground that it knows; copies, so that the map may change."""
        told = view.known | np.logical_or.reduce(list(view.hazards.values()))
        left, top, width, height = cv2.boundingRect(told.view(np.uint8))
        part = (slice(top, top + height), slice(left, left + width))
        south_m, west_m = view.south_west_m
        hazards = {role: cells[part].copy() for role, cells in view.hazards.items() if any_set(cells)}
        return cls(
            view.cell_m,
            (south_m + top * view.cell_m, west_m + left * view.cell_m),
            hazards,
            (view.known & ~view.free)[part],
            clearance_m[part].copy(),
            (top, left),
        )

    def widest(self, least_m: float, most: int) -> Iterator[ClearPlace]:
        """Yield the widest clear places, none in the disc of a wider one.

        Args:
            least_m: Least clearance, m.
            most: At most so many.
        """
        left_m = self.clearance_m.copy()
        for _ in range(most if left_m.size else 0):
            row, column = divmod(int(left_m.argmax()), left_m.shape[1])
            clearance_m = float(left_m[row, column])
            if clearance_m < least_m:
                return
            cell = (row + self.corner[0], column + self.corner[1])
            yield ClearPlace(*self._centre(row, column), clearance_m, cell)
            cv2.circle(left_m, (column, row), math.ceil(clearance_m / self.cell_m), 0.0, -1)

    def clearance_at(self, north_m: float, east_m: float) -> float | None:
        """Return the clearance at a place, m; None outside."""
        row = math.floor((north_m - self.south_west_m[0]) / self.cell_m)
        column = math.floor((east_m - self.south_west_m[1]) / self.cell_m)
        rows, columns = self.bad.shape
        return float(self.clearance_m[row, column]) if 0 <= row < rows and 0 <= column < columns else None

    def fault(self, north_m: float, east_m: float, radii_m: Mapping[Role | None, float]) -> str | None:
        """Return what speaks against a place: a hazard role, or `BAD_GROUND`; None where nothing does.

        What the look does not show says nothing.

        Args:
            north_m: Of the place, m.
            east_m: Of the place, m.
            radii_m: How far around it each hazard role counts, m, and under None ground that is not free.
        """
        for role in HAZARD_ROLES:
            cells = self.hazards.get(role)
            if cells is not None and self._within(cells, north_m, east_m, radii_m[role]):
                return role.value
        return BAD_GROUND if self._within(self.bad, north_m, east_m, radii_m[None]) else None

    def agreed_m(
        self, north_m: float, east_m: float, widest_m: float, least_m: float, radii_m: Mapping[Role | None, float]
    ) -> float | None:
        """Return the widest disc at a place that nothing speaks against, m; None where that is too narrow.

        Args:
            north_m: Of the place, m.
            east_m: Of the place, m.
            widest_m: Where nothing does at all, m.
            least_m: Least radius, m.
            radii_m: See `fault`, for the vehicle with its margin, whose radius is under None.
        """
        clearance_m = widest_m
        while True:
            beyond_m = clearance_m - radii_m[None]
            if self.fault(north_m, east_m, {role: radius_m + beyond_m for role, radius_m in radii_m.items()}) is None:
                return clearance_m
            clearance_m -= STEP_M
            if clearance_m < least_m:
                return None

    def _centre(self, row: int, column: int) -> tuple[float, float]:
        return (self.south_west_m[0] + (row + 0.5) * self.cell_m, self.south_west_m[1] + (column + 0.5) * self.cell_m)

    def _within(self, cells: GridOfBool, north_m: float, east_m: float, radius_m: float) -> bool:
        """Tell whether a set cell reaches into a disc."""
        rows, columns = cells.shape
        row = (north_m - self.south_west_m[0]) / self.cell_m - 0.5
        column = (east_m - self.south_west_m[1]) / self.cell_m - 0.5
        reach = radius_m / self.cell_m + float(HALF_DIAGONAL)
        top, bottom = max(0, math.floor(row - reach)), min(rows, math.ceil(row + reach) + 1)
        left, right = max(0, math.floor(column - reach)), min(columns, math.ceil(column + reach) + 1)
        if top >= bottom or left >= right:
            return False
        r, c = np.ogrid[top:bottom, left:right]
        disc = (r - row) ** 2 + (c - column) ** 2 <= reach**2
        return bool((cells[top:bottom, left:right] & disc).any())


def fault_radii_m(taxonomy: Taxonomy, required_m: float) -> dict[Role | None, float]:
    """Return how far around a site what was seen speaks against it, m; for `GroundEvidence.fault`.

    Args:
        taxonomy: Whose clearances are kept.
        required_m: Radius of the vehicle with its margin, m.
    """
    radii_m: dict[Role | None, float] = {role: required_m + taxonomy.clearance_of(role) for role in HAZARD_ROLES}
    radii_m[None] = required_m
    return radii_m
