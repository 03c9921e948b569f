"""The vehicle: the multicopter's physics, the stand-in autopilot, and real autopilots' simulators as processes."""

from __future__ import annotations

from sim.vehicle.multicopter import (
    GRAVITY_MPS2,
    WIND_FULL_HEIGHT_M,
    GroundHeight,
    Quaternion,
    Vehicle,
    VehicleParameters,
    Wind,
    flat_ground_m,
    rotate,
    rotate_back,
)

__all__ = [
    "GRAVITY_MPS2",
    "WIND_FULL_HEIGHT_M",
    "GroundHeight",
    "Quaternion",
    "Vehicle",
    "VehicleParameters",
    "Wind",
    "flat_ground_m",
    "rotate",
    "rotate_back",
]
