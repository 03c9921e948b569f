"""Outlooks: where a vehicle that finds no site from here may fly to see other ground. Pure."""

from __future__ import annotations

import math

import numpy as np

from landing.ground.view import GroundView

DIRECTIONS = 8
SHARE_OF_HEIGHT = 0.75
"""Length of the flight, of the height: half of what a camera of 75 degrees sees from its end is new."""

UNKNOWN_COUNTS = 0.5
"""Ground that is not in the map, against free ground."""


def outlooks(view: GroundView, vehicle_ne_m: tuple[float, float], height_m: float) -> tuple[tuple[float, float], ...]:
    """Return places to search from, north and east, m, the one with most ground that may be a site around it first.

    Args:
        view: The map.
        vehicle_ne_m: North and east of the vehicle, m.
        height_m: Of the vehicle above the ground.
    """
    away_m = SHARE_OF_HEIGHT * height_m
    courses = np.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    places = [(vehicle_ne_m[0] + away_m * math.cos(c), vehicle_ne_m[1] + away_m * math.sin(c)) for c in courses]
    return tuple(sorted(places, key=lambda place: -_promise(view, place, away_m / 2)))


def _promise(view: GroundView, place_ne_m: tuple[float, float], half_m: float) -> float:
    """Share of a square of ground that may be free."""
    reach = max(1, round(half_m / view.cell_m))
    row, column = (round((k - zero) / view.cell_m) for k, zero in zip(place_ne_m, view.south_west_m, strict=True))
    part = np.s_[max(0, row - reach) : max(0, row + reach), max(0, column - reach) : max(0, column + reach)]
    cells = (2 * reach) ** 2
    free, known = int(view.free[part].sum()), int(view.known[part].sum())
    return (free + UNKNOWN_COUNTS * (cells - known)) / cells
