"""What the flight controller says of itself, as far as a landing decision needs it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Autopilot(str, Enum):
    """Whose rules for LANDING_TARGET apply."""

    ARDUPILOT = "ardupilot"
    PX4 = "px4"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class VehicleStatus:
    """The vehicle's state as last reported.

    Attributes:
        link_alive: A heartbeat of the autopilot came within the link's timeout.
        autopilot: Which autopilot it is.
        armed: Motors may turn.
        airborne: True or False from EXTENDED_SYS_STATE, None when the autopilot does not say.
        landing: It is in a mode that ends on the ground (LAND, RTL, precision landing).
        mode: The mode's name in the autopilot's own words, e.g. ``LAND``.
    """

    link_alive: bool = False
    autopilot: Autopilot = Autopilot.UNKNOWN
    armed: bool = False
    airborne: bool | None = None
    landing: bool = False
    mode: str = ""
