"""Failsafes of an autopilot that a flight can bring about, and ArduCopter's parameters that do it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Failsafe(str, Enum):
    """Reason for which the autopilot acts by itself."""

    RC_LOSS = "rc-loss"
    """The transmitter is out of range."""
    GCS_LOSS = "gcs-loss"
    """The ground station falls silent."""
    BATTERY_LOW = "battery-low"
    """The battery's voltage drops below the low limit."""
    FENCE = "fence"
    """The vehicle is outside of its geofence."""


ARDUPILOT_FAILSAFES: Mapping[Failsafe, Mapping[str, float]] = {
    # Actions are ArduCopter's own for a 1 in these parameters: RTL, but for the battery's, which lands.
    Failsafe.RC_LOSS: {"FS_THR_ENABLE": 1, "SIM_RC_FAIL": 1},
    Failsafe.GCS_LOSS: {"FS_GCS_ENABLE": 1},
    Failsafe.BATTERY_LOW: {"BATT_FS_LOW_ACT": 1, "BATT_LOW_TIMER": 2, "BATT_LOW_VOLT": 11, "SIM_BATT_VOLTAGE": 10},
    # Around home, and smaller than the way to any site: the next place that the vehicle flies over is outside.
    Failsafe.FENCE: {"FENCE_TYPE": 2, "FENCE_RADIUS": 1, "FENCE_ACTION": 1, "FENCE_ENABLE": 1},
}
"""Parameters of ArduCopter, set in this order. The ground station's silence is the ground station's own."""
