"""Least bad ground for a landing that cannot wait: nobody is hit first, then the vehicle. Pure.

A landing by one of the autopilot's failsafes goes on without a site, or with somebody in it, straight down. Where
ground within reach is known, some of it is better than the rest: first it keeps the clearance of every person, or else
strikes none, then the same of every vehicle, then it is dry and even. It is no site: it lacks what one needs. The place
that was chosen last is worth more than others as good, or the vehicle would turn between them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from landing.choice.picker import distance_m
from landing.ground.view import GridOfFloat, GroundView
from landing.settings import DecisionSettings
from landing.site import Intruder, NoSite, Selection
from landing.taxonomy import Role, Taxonomy

WAY_COST = 0.1
"""Worth of a metre of way: a place stays the best while the vehicle goes there."""

ROOM_M = 2.0
"""More room around than this is worth nothing more."""

WATER_COST, OBSTACLE_COST = 3.0, 2.0
"""Of ground that ends the vehicle, and of ground that damages it, in metres of room."""

STRUCK_M = 2.0
"""Distance of a person from the vehicle's edge at which nobody is struck. Beyond it dry ground counts more."""

KEPT_WORTH, KEPT_M = 1.0, 1.0
"""Worth of the place that was chosen last, m of room, and how far around it that holds, m."""

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


class ResortChooser:
    """Chooses the least bad place frame after frame. One owner.

    Args:
        settings: Reach and size of the vehicle.
        taxonomy: The clearance that people and vehicles ask for.
    """

    def __init__(self, settings: DecisionSettings, taxonomy: Taxonomy) -> None:
        self._settings, self._taxonomy = settings, taxonomy
        self._last: LastResort | None = None

    def update(
        self,
        selection: Selection,
        intruder: Intruder | None,
        view: GroundView,
        moving_clearance_m: Mapping[Role, GridOfFloat],
        vehicle_ne_m: tuple[float, float],
        height_m: float,
    ) -> LastResort | None:
        """Return the place after a frame; None beside a site with nobody in it, or where no ground in reach is known.

        Args:
            selection: What the frame ended with.
            intruder: Who is in the site.
            view: The map.
            moving_clearance_m: As for `least_bad`.
            vehicle_ne_m: North and east of the vehicle, m.
            height_m: Above the ground.
        """
        last, self._last = self._last, None
        if intruder is not None or isinstance(selection, NoSite):
            self._last = least_bad(
                view, moving_clearance_m, vehicle_ne_m, height_m, self._settings, self._taxonomy, last
            )
        return self._last

    def reset(self) -> None:
        """Forgets the place: its local frame has moved, or nothing is known any more."""
        self._last = None

    def state_dict(self) -> dict[str, Any]:
        """A copy of what the next choice builds on, of plain values."""
        return {"last": None if self._last is None else asdict(self._last)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another chooser's `state_dict`; an empty one is that of a start."""
        last = state.get("last")
        self._last = None if last is None else LastResort(tuple(last["position_ned_m"]), last["near"], last["ground"])


def least_bad(
    view: GroundView,
    moving_clearance_m: Mapping[Role, GridOfFloat],
    vehicle_ne_m: tuple[float, float],
    height_m: float,
    settings: DecisionSettings,
    taxonomy: Taxonomy,
    last: LastResort | None,
) -> LastResort | None:
    """Return the least bad place; None where no ground in reach is known.

    Args:
        view: The map.
        moving_clearance_m: `landing.choice.picker.hazard_clearance_grid` of people and of vehicles.
        vehicle_ne_m: North and east of the vehicle, m.
        height_m: Above the ground.
        settings: Reach and size of the vehicle.
        taxonomy: The clearance that people and vehicles ask for.
        last: What was chosen after the frame before, in the same local frame.
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
        whole = candidates & (clear_m >= settings.vehicle_radius_m)
        if whole.any():
            candidates = whole
            continue
        near = near or role.value
        enough_m = settings.vehicle_radius_m + STRUCK_M - taxonomy.clearance_of(role)
        farthest_m = float(clear_m[candidates].max()) - view.cell_m  # as far from them as can be
        candidates &= clear_m >= min(enough_m, farthest_m)
    water, obstacle = view.hazards[Role.WATER], view.hazards[Role.OBSTACLE]
    room_m = np.minimum(distance_m(water | obstacle, view.cell_m, False), ROOM_M)
    room_m += np.minimum(distance_m(~view.free, view.cell_m, False), ROOM_M)
    worth = room_m + view.probability - WATER_COST * water - OBSTACLE_COST * obstacle - WAY_COST * away_m
    if last is not None:
        last_north = north - (last.position_ned_m[0] - vehicle_ne_m[0])
        last_east = east - (last.position_ned_m[1] - vehicle_ne_m[1])
        worth = worth + KEPT_WORTH * (np.hypot.outer(last_north, last_east) <= KEPT_M)
    row, column = divmod(int(np.where(candidates, worth, -math.inf).argmax()), columns)
    ground = "clean" if view.free[row, column] else "doubtful"
    ground = "water" if water[row, column] else "obstacle" if obstacle[row, column] else ground
    return LastResort((*view.centre_of(row, column), view.ground_down_m), near, ground)
