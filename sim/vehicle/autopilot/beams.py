"""An array of range sensors on the stand-in: each measures along its own direction to the ground's heights."""

from __future__ import annotations

import math
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.geometry import Quaternion, Vector
from sim.vehicle.multicopter import Vehicle, rotate

FIRST_ID = 10
STEP_M, MOST_M = 0.25, 20.0
"""Step along a beam, and its greatest range."""


def ring(count: int, off_deg: float) -> tuple[Vector, ...]:
    """Directions of sensors in a ring, body FRD, each so many degrees off straight down."""
    off, turns = math.radians(off_deg), [2 * math.pi * k / count for k in range(count)]
    return tuple((math.sin(off) * math.cos(turn), math.sin(off) * math.sin(turn), math.cos(off)) for turn in turns)


def beam_range_m(vehicle: Vehicle, direction: Vector) -> float | None:
    """Range to the ground along a direction of the body; None beyond `MOST_M`."""
    north, east, down = rotate(vehicle.q, *direction)

    def below(reach_m: float) -> bool:
        ground_m = vehicle.ground_height_m(vehicle.n_m + reach_m * north, vehicle.e_m + reach_m * east)
        return vehicle.d_m + reach_m * down >= -ground_m

    far_m = next((k * STEP_M for k in range(1, round(MOST_M / STEP_M) + 1) if below(k * STEP_M)), None)
    if far_m is None:
        return None
    near_m = far_m - STEP_M
    for _ in range(6):
        middle_m = (near_m + far_m) / 2
        near_m, far_m = (near_m, middle_m) if below(middle_m) else (middle_m, far_m)
    return far_m


def beam_messages(vehicle: Vehicle, directions: tuple[Vector, ...], now_ms: int) -> list[Any]:
    """A DISTANCE_SENSOR of each direction, with an orientation of its own."""
    laser, custom = mavlink.MAV_DISTANCE_SENSOR_LASER, mavlink.MAV_SENSOR_ROTATION_CUSTOM
    messages = []
    for number, direction in enumerate(directions):
        reach_m = beam_range_m(vehicle, direction)
        reach_cm = 0 if reach_m is None else round(100 * reach_m)
        limits = (20, round(100 * MOST_M))
        told = (laser, FIRST_ID + number, custom, 255)
        messages.append(
            mavlink.MAVLink_distance_sensor_message(
                now_ms, *limits, reach_cm, *told, 0.03, 0.03, list(_from_forward(direction)), 100
            )
        )
    return messages


def _from_forward(direction: Vector) -> Quaternion:
    """Quaternion that turns the x axis to a direction that is not straight back."""
    x, y, z = direction
    w, norm = 1.0 + x, math.sqrt(2.0 + 2.0 * x)
    return w / norm, 0.0, -z / norm, y / norm
