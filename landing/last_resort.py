"""Least bad ground for a landing that cannot wait: nobody is hit first, then the vehicle. Pure.

A landing by one of the autopilot's failsafes goes on without a site, straight down. Where ground within reach is known,
some of it is better than the rest: first it keeps the clearance of every person, then of every vehicle, then it is dry
and even. It is no site: it lacks what one needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from landing.ground_view import GridOfFloat, GroundView
from landing.picker import distance_m
from landing.settings import DecisionSettings
from landing.taxonomy import Role

WAY_COST = 0.1
"""Worth of a metre of way: a place stays the best while the vehicle goes there."""

ROOM_M = 2.0
"""More room around than this is worth nothing more."""

WATER_COST, OBSTACLE_COST = 3.0, 2.0
"""Of ground that ends the vehicle, and of ground that damages it, in metres of room."""

LOW_REACH = 0.5
"""Reach for each metre of height below the commit height: the camera sees no more, and there is no time for more."""


@dataclass(frozen=True)
class LastResort:
    """The least bad place in reach.

    Attributes:
        position_ned_m: Local NED; down is the ground plane.
        near: Who is nearer to it than their clearance: person, vehicle, or empty.
        ground: Of its cell: clean, doubtful, obstacle or water.
    """

    position_ned_m: tuple[float, float, float]
    near: str
    ground: str

    @property
    def text(self) -> str:
        """For pilot and log."""
        beside = f", {self.near} near" if self.near else ""
        return f"No site in a failsafe: lands on the least bad ground, {self.ground}{beside}"


def least_bad(
    view: GroundView,
    moving_clearance_m: Mapping[Role, GridOfFloat],
    vehicle_ne_m: tuple[float, float],
    height_m: float,
    settings: DecisionSettings,
) -> LastResort | None:
    """Return the least bad place; None where no ground in reach is known.

    Args:
        view: The map.
        moving_clearance_m: `landing.picker.hazard_clearance_grid` of people and of vehicles.
        vehicle_ne_m: North and east of the vehicle, m.
        height_m: Above the ground.
        settings: Reach and size of the vehicle.
    """
    south_m, west_m = view.south_west_m
    rows, columns = view.free.shape
    north = south_m + (np.arange(rows) + 0.5) * view.cell_m - vehicle_ne_m[0]
    east = west_m + (np.arange(columns) + 0.5) * view.cell_m - vehicle_ne_m[1]
    away_m = np.hypot.outer(north, east)
    reach_m = settings.reach.base_m + settings.reach.per_height * height_m
    if height_m <= settings.commit_height_m:
        reach_m = LOW_REACH * height_m
    candidates = view.known & (away_m <= min(reach_m, settings.max_distance_m))
    if not candidates.any():
        return None
    near = ""
    for role in (Role.PERSON, Role.VEHICLE):
        clear_m = moving_clearance_m[role]
        clear = candidates & (clear_m >= settings.vehicle_radius_m)
        if clear.any():
            candidates = clear
            continue
        near = near or role.value
        candidates &= clear_m >= clear_m[candidates].max() - view.cell_m  # as far from them as can be
    water, obstacle = view.hazards[Role.WATER], view.hazards[Role.OBSTACLE]
    room_m = np.minimum(distance_m(water | obstacle, view.cell_m, False), ROOM_M)
    room_m += np.minimum(distance_m(~view.free, view.cell_m, False), ROOM_M)
    worth = room_m + view.probability - WATER_COST * water - OBSTACLE_COST * obstacle - WAY_COST * away_m
    row, column = divmod(int(np.where(candidates, worth, -math.inf).argmax()), columns)
    ground = "clean" if view.free[row, column] else "doubtful"
    ground = "water" if water[row, column] else "obstacle" if obstacle[row, column] else ground
    return LastResort((*view.centre_of(row, column), view.ground_down_m), near, ground)
