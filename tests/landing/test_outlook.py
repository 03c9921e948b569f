"""Places to search from: beside the vehicle, the one with most ground that may be a site around it first."""

from __future__ import annotations

import math

import numpy as np
import pytest

from landing.choice.outlook import SHARE_OF_HEIGHT, UNKNOWN_COUNTS, outlooks
from landing.ground.view import GroundView

CELL_M, CELLS = 0.25, 200
HALF_M = CELL_M * CELLS / 2


def view(free: np.ndarray | None = None, known: np.ndarray | None = None) -> GroundView:
    """A map around the origin; without arguments all of it is known and nothing free."""
    nothing = np.zeros((CELLS, CELLS), np.bool_)
    free = nothing if free is None else free
    known = ~nothing if known is None else known
    grid = np.zeros((CELLS, CELLS), np.float32)
    return GroundView(CELL_M, (-HALF_M, -HALF_M), 0.0, free, {}, grid, grid, known, nothing)


def north_of(line_m: float) -> np.ndarray:
    """Cells north of a line."""
    cells = np.zeros((CELLS, CELLS), np.bool_)
    cells[round((line_m + HALF_M) / CELL_M) :] = True
    return cells


def test_each_lies_a_share_of_the_height_away() -> None:
    places = outlooks(view(), (3.0, -2.0), 20.0)
    assert len(set(places)) == 8
    assert all(math.dist(p, (3.0, -2.0)) == pytest.approx(SHARE_OF_HEIGHT * 20.0) for p in places)


def test_free_ground_comes_first_and_unknown_ground_before_what_is_known_bad() -> None:
    assert outlooks(view(free=north_of(8.0)), (0.0, 0.0), 20.0)[0] == pytest.approx((15.0, 0.0))
    unknown = outlooks(view(known=~north_of(8.0)), (0.0, 0.0), 20.0)
    assert unknown[0] == pytest.approx((15.0, 0.0)) and unknown[-1][0] < 0.0
    half = view(free=north_of(8.0), known=north_of(-8.0))
    order = [round(north) for north, _ in outlooks(half, (0.0, 0.0), 20.0)]
    assert order[0] == 15 and order[-2:] == [0, 0] and UNKNOWN_COUNTS < 1.0


@pytest.mark.parametrize("vehicle_ne_m", [(100.0, 0.0), (-100.0, -100.0), (HALF_M, HALF_M)])
def test_ground_outside_of_the_map_is_unknown(vehicle_ne_m: tuple[float, float]) -> None:
    assert len(outlooks(view(free=north_of(-HALF_M)), vehicle_ne_m, 1.0)) == 8
    assert len(outlooks(view(), vehicle_ne_m, 120.0)) == 8
