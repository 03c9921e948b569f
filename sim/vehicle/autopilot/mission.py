"""The mission of AUTO by ArduCopter 4.6's rules (`AP_Mission`, `ModeAuto`): the leg that is flown now. No clock.

To leave AUTO stops the mission, and AUTO entered again goes on at the item that was flown, or at the first one where
MIS_RESTART is 1. A LAND item with a place is flown to at the present height first, each time that it is begun.
Missions begin in the air: take-off items are passed over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

from firmware_bridge.dialect import mavlink
from sim.vehicle.autopilot.estimator import StateEstimate
from sim.vehicle.autopilot.parameters import ParametersInForce

REACHED_M = 2.0
"""WPNAV_RADIUS by default."""

_WAYPOINT: int = mavlink.MAV_CMD_NAV_WAYPOINT
_LAND: int = mavlink.MAV_CMD_NAV_LAND
_HOME: int = mavlink.MAV_CMD_NAV_RETURN_TO_LAUNCH
_LAND_START: int = mavlink.MAV_CMD_DO_LAND_START
FLOWN = frozenset({_WAYPOINT, _LAND, _HOME})
"""Commands that are flown; others are passed over, as do-commands are."""


class Leg(Enum):
    """Part of a mission that is flown now."""

    HOLD = auto()
    GO = auto()
    LAND = auto()
    HOME = auto()


@dataclass(frozen=True)
class StoredItem:
    """An item as uploaded, in local NED.

    Attributes:
        command: MAV_CMD.
        place: North, east and height above home, m; None: where the vehicle is.
    """

    command: int
    place: tuple[float, float, float] | None = None


class MissionFlight:
    """Items and the one that is flown. Item 0 is home, as ArduPilot counts.

    Attributes:
        items: From item 1 on.
        current: Number of the item flown; 0 before the first.
        leg: Of the last step.
        goal_ned_m: Where GO leads.
        home_begins: The last step began a way home.
        returning: Entered by AUTO_RTL and still on that way.
    """

    def __init__(self, parameters: ParametersInForce) -> None:
        self._p = parameters
        self.items: list[StoredItem] = []
        self.boot()

    def boot(self) -> None:
        """Items stay, the flight begins anew."""
        self.current = 0
        self.leg = Leg.HOLD
        self.goal_ned_m = (0.0, 0.0, 0.0)
        self.home_begins = False
        self.returning = False
        self._begun = False
        self._complete = False

    def set_current(self, number: int) -> bool:
        """Go on at an item; False where there is none."""
        if not 0 <= number <= len(self.items):
            return False
        self.current, self._begun, self._complete = number, False, False
        self.returning = False
        return True

    def enter(self, *, landing_sequence: bool) -> bool:
        """AUTO or AUTO_RTL is entered; False where it cannot be."""
        start = next((n for n, item in enumerate(self.items, 1) if item.command == _LAND_START), None)
        if not self.items or (landing_sequence and start is None):
            return False
        if landing_sequence and start is not None:
            self.set_current(start)
        elif self._complete or self._p["MIS_RESTART"] == 1:
            self.set_current(0)
        self._begun, self.leg = False, Leg.HOLD
        self.returning = landing_sequence
        return True

    def step(self, here: StateEstimate) -> Leg:
        """Return the leg to fly now."""
        self.home_begins = False
        while not self._complete and not self._flown(here):
            self._next()
        if self._complete:
            if self.leg is not Leg.HOLD:
                self.goal_ned_m = (here.n_m, here.e_m, here.d_m)
            self.leg = Leg.HOLD
        return self.leg

    def _next(self) -> None:
        self.current, self._begun = self.current + 1, False
        if self.current > len(self.items):
            self.current, self._complete = len(self.items), True

    def _flown(self, here: StateEstimate) -> bool:
        """Fly the current item; False once it is done or is nothing to fly."""
        item = self.items[self.current - 1] if self.current else None
        if item is None or item.command not in FLOWN:
            return False
        if not self._begun:
            self._begin(item, here)
        if self.leg is not Leg.GO or math.dist(self.goal_ned_m, (here.n_m, here.e_m, here.d_m)) > REACHED_M:
            return True
        if item.command == _LAND:
            self.leg = Leg.LAND
            return True
        return False

    def _begin(self, item: StoredItem, here: StateEstimate) -> None:
        self._begun = True
        n_m, e_m, up_m = item.place or (here.n_m, here.e_m, -here.d_m)
        self.leg, self.goal_ned_m = Leg.GO, (n_m, e_m, -up_m)
        if item.command == _HOME:
            self.leg, self.home_begins = Leg.HOME, True
        elif item.command == _LAND:
            self.goal_ned_m = (n_m, e_m, here.d_m)
            self.leg = Leg.LAND if item.place is None else Leg.GO
