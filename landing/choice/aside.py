"""Step aside: where a vehicle that hovers may fly a little to the side, so that the picture shows relief.

A hover shows no parallax. `landing.command.authority` may fly the step while it looks around. Pure.
"""

from __future__ import annotations

import math

import numpy as np

from landing.choice.picker import distance_m
from landing.choice.tracker import MapSnapshot
from landing.ground.view import GridOfFloat
from landing.relief.ground import NOT_KNOWN, ReliefGround
from landing.relief.report import STEEP
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason, Selection
from landing.types import Pose

DIRECTIONS = 8
SHARES = (1.0, 0.5)
"""Lengths that are tried, of `aside_m`."""


def aside_offered(
    seen: MapSnapshot, selection: Selection, relief: str | None, pose: Pose, settings: DecisionSettings
) -> tuple[float, float, float] | None:
    """Return the end of a step, local NED, low down over a site whose relief is not known, or refused because of that.

    Args:
        seen: The map after a frame.
        selection: The site by it.
        relief: Words on the site's relief.
        pose: Of the frame, with its position.
        settings: Of the decision.
    """
    assert pose.position_ned_m is not None
    low = seen.height_m <= settings.standing_clearance.near_height_m
    pad = isinstance(selection, LandingSite) and selection.pad is not None
    refused = isinstance(selection, NoSite) and selection.reason is NoSiteReason.RELIEF_NOT_KNOWN
    if seen.relief is None or not low or pad or not (refused or relief == NOT_KNOWN):
        return None
    north_m, east_m, down_m = pose.position_ned_m
    to = step_aside(seen.relief, seen.hazard_clearance_m, settings, (north_m, east_m))
    return None if to is None else (*to, down_m)


def step_aside(
    ground: ReliefGround, hazard_clearance_m: GridOfFloat, settings: DecisionSettings, vehicle_ne_m: tuple[float, float]
) -> tuple[float, float] | None:
    """Return the end of the step with most room along it, north and east, m; None where none has enough.

    All of the way lies over ground in the map that is landable, was seen within `grid.max_age_s`, is not shown to be
    uneven, and keeps `required_radius_m` and the clearance of each hazard.

    Args:
        ground: Relief on the map.
        hazard_clearance_m: `landing.choice.picker.hazard_clearance_grid` of all roles, of that map.
        settings: Length of the step, and the radius.
        vehicle_ne_m: North and east of the vehicle, m.
    """
    view, long_m = ground.before, settings.relief.aside_m
    reach = math.ceil((long_m + settings.required_radius_m) / view.cell_m) + 2
    middle = view.cell_of(*vehicle_ne_m)
    if long_m <= 0.0 or middle is None:
        return None
    top, left = (max(0, k - reach) for k in middle)
    part = np.s_[top : middle[0] + reach + 1, left : middle[1] + reach + 1]
    free = view.free[part] & (ground.codes[part] < STEEP)
    room_m = np.minimum(distance_m(~free, view.cell_m), hazard_clearance_m[part])
    south_west = np.array([view.south_west_m[0] + top * view.cell_m, view.south_west_m[1] + left * view.cell_m])
    for share in SHARES:
        best_m, best = settings.required_radius_m, None
        for course in np.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS):
            ahead = np.array([math.cos(course), math.sin(course)])
            along_m = np.linspace(0.0, share * long_m, max(2, math.ceil(share * long_m / view.cell_m) + 1))
            ways = np.asarray(vehicle_ne_m) + along_m[:, None] * ahead
            cells = np.floor((ways - south_west) / view.cell_m).astype(int)
            if (cells < 0).any() or (cells >= room_m.shape).any():
                continue
            least_m = float(room_m[cells[:, 0], cells[:, 1]].min())
            if least_m >= best_m:
                best_m, best = least_m, (float(ways[-1, 0]), float(ways[-1, 1]))
        if best is not None:
            return best
    return None
