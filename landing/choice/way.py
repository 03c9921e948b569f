"""Way to a site: free where the ground below it was seen, and holds nothing that stands up. Pure."""

from __future__ import annotations

import math
from enum import Enum

import cv2
import numpy as np

from landing.ground.view import GroundView, any_set
from landing.relief.ground import ReliefGround
from landing.relief.report import STEEP
from landing.settings import DecisionSettings
from landing.site import LandingSite, Selection
from landing.taxonomy import Role
from landing.types import ByteArray

BESIDE_M = 1.0
"""Room that is kept beside the vehicle on its way, m: gusts, and crowns that lean out."""


STANDING = (Role.OBSTACLE, Role.VEHICLE)
"""Roles of what may be as tall as the vehicle flies."""


class Way(str, Enum):
    """Ground below the straight way to a site."""

    FREE = "free"
    NOT_SEEN = "not-seen"
    BLOCKED = "blocked"


def way_to_site(
    view: GroundView,
    relief: ReliefGround | None,
    selection: Selection,
    vehicle_ne_m: tuple[float, float],
    at_ns: int,
    settings: DecisionSettings,
) -> Way:
    """Judge the ground below the straight way to the site: free where the map knows all of it and nothing stands there.

    Looks tell no height: an obstacle may be a kerb or a tree, a vehicle a car or a lorry. Ground that relief shows to
    rise, or something to stand on it, is not free either.

    Args:
        view: The map.
        relief: On the map; None where it is not measured.
        selection: The site; without one no way is free.
        vehicle_ne_m: North and east of the vehicle, m.
        at_ns: Time of the map.
        settings: Radius of the vehicle.
    """
    if not isinstance(selection, LandingSite):
        return Way.NOT_SEEN
    ends = view.cell_of(*vehicle_ne_m), view.cell_of(*selection.place_ned_m(at_ns)[:2])
    if ends[0] is None or ends[1] is None:
        return Way.NOT_SEEN
    lane: ByteArray = np.zeros(view.known.shape, np.uint8)
    wide = 2 * math.ceil((settings.vehicle_radius_m + BESIDE_M) / view.cell_m) + 1
    cv2.line(lane, ends[0][::-1], ends[1][::-1], 1, wide)
    blocked = np.zeros(view.known.shape, np.bool_)
    for role in STANDING:
        blocked |= view.hazards[role]
    if relief is not None:
        blocked |= relief.codes >= STEEP
    if any_set((lane > 0) & blocked):
        return Way.BLOCKED
    return Way.NOT_SEEN if any_set((lane > 0) & ~view.known) else Way.FREE
