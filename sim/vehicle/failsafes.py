"""Failsafes of an autopilot that a flight can bring about, and the parameters that do it."""

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

PX4_FAILSAFES: Mapping[Failsafe, Mapping[str, float]] = {
    Failsafe.GCS_LOSS: {},
    Failsafe.BATTERY_LOW: {"SIM_BAT_DRAIN": 1.0, "SIM_BAT_MIN_PCT": 6.0},
    Failsafe.FENCE: {"GF_MAX_HOR_DIST": 1.0},
}
"""Real-valued parameters of PX4, set in this order."""

PX4_ACTIONS: Mapping[str, float] = {
    "NAV_DLL_ACT": 2,
    "COM_DL_LOSS_T": 5,
    "COM_LOW_BAT_ACT": 3,
    "GF_ACTION": 3,
    "RTL_PLD_MD": 2,
    "RTL_RETURN_ALT": 15.0,
    "RTL_DESCEND_ALT": 12.0,
}
"""PX4's parameters at its start: all of them fly home, low, and land there with precision."""
