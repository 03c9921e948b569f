"""A mission of the pilot's that ends with a landing, as items that a ground station writes."""

from __future__ import annotations

import math
from typing import Any

from firmware_bridge.dialect import mavlink
from sim.vehicle.autopilot_process import StartConditions
from sim.vehicle.home import Home

ASIDE_M = 8.0
"""The mission flies so far east and back: it arrives over its landing item, as missions do."""

PRECISION = float(mavlink.PRECISION_LAND_MODE_REQUIRED)
"""PX4's landing item follows targets with it alone; ArduCopter's does where precision landing is on."""


def landing_mission(conditions: StartConditions, home: Home, *, counts_home: bool) -> list[Any]:
    """Return the items of a mission to the side of the start and back, which lands there.

    Args:
        conditions: Of the start.
        home: World NED (0, 0, 0).
        counts_home: Item 0 is the home (ArduPilot), and a landing sequence is marked; PX4 has neither.
    """
    north_m, east_m = conditions.start_ne_m
    aside, back = (north_m, east_m + ASIDE_M), (north_m, east_m)
    way = (mavlink.MAV_CMD_NAV_WAYPOINT, aside, conditions.height_m, 0.0)
    land = (mavlink.MAV_CMD_NAV_LAND, back, 0.0, PRECISION)
    planned = [way, land]
    if counts_home:
        planned = [way, way, (mavlink.MAV_CMD_DO_LAND_START, back, 0.0, 0.0), land]
    return [_item(number, home, *one) for number, one in enumerate(planned)]


def _item(number: int, home: Home, command: int, place: tuple[float, float], height_m: float, second: float) -> Any:
    lat_deg, lon_deg = home.global_from_ned(*place)
    yaw = 0.0 if command == mavlink.MAV_CMD_DO_LAND_START else math.nan
    at = round(lat_deg * 1e7), round(lon_deg * 1e7), height_m
    frame = mavlink.MAV_FRAME_GLOBAL_RELATIVE_ALT
    return mavlink.MAVLink_mission_item_int_message(1, 1, number, frame, command, 0, 1, 0.0, second, 0.0, yaw, *at, 0)
