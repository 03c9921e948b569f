"""Ways down: a vehicle goes to the ground by more than a mode that is called LAND.

The autopilot's mode and landed state say most of it. ArduPilot and PX4 report a landing in EXTENDED_SYS_STATE on the
last leg of a way home and in a mission's landing item, and not on the way there. Where that is not told, the mission
item and the speed towards the ground tell. Sinking close to the ground counts in every mode: somebody may stand below.
"""

from __future__ import annotations

from dataclasses import replace

from landing.types import Pose
from landing.vehicle import FLIGHT_MODES, FlightModes, VehicleStatus, WayDown

ORDERED_WAYS = (WayDown.LAND, WayDown.HOME, WayDown.MISSION)
"""Landings that somebody ordered, of which the autopilot flies every metre."""

LOW_M = 10.0
"""A vehicle that sinks lower than this is on its way to the ground, whatever its mode is called."""

SINKS_MPS = 0.25
"""Slower is the unrest of a hover."""

SINKS_FOR_NS = 1_000_000_000
"""A gust takes a hovering vehicle down for less."""

ENDS_AFTER_NS = 2_000_000_000
"""A way down in the same mode lasts for so long beyond its last sign: it does not come and go in a slow final."""


class DescentWatch:
    """Judges the way down from step to step. Time is an argument; one owner."""

    def __init__(self) -> None:
        self._way = WayDown.NONE
        self._mode = ""
        self._sign_ns = 0
        self._sinks_since_ns: int | None = None

    def step(self, now_ns: int, vehicle: VehicleStatus, pose: Pose | None) -> VehicleStatus:
        """Return the status with `landing` and `way_down` as judged.

        While the link is dead the last answer stays.
        """
        if vehicle.link_alive:
            self._judge(now_ns, vehicle, pose)
        landing = self._way is not WayDown.NONE
        if vehicle.landing is landing and vehicle.way_down is self._way:
            return vehicle
        return replace(vehicle, landing=landing, way_down=self._way)

    def _judge(self, now_ns: int, vehicle: VehicleStatus, pose: Pose | None) -> None:
        modes = FLIGHT_MODES.get(vehicle.autopilot)
        way = WayDown.NONE if modes is None else self._sign(now_ns, vehicle, pose, modes)
        lasts = vehicle.mode == self._mode and now_ns - self._sign_ns < ENDS_AFTER_NS
        if way is not WayDown.NONE:
            self._sign_ns = now_ns
        elif lasts and vehicle.armed and vehicle.airborne is not False:
            way = self._way
        self._way, self._mode = way, vehicle.mode

    def _sign(self, now_ns: int, vehicle: VehicleStatus, pose: Pose | None, modes: FlightModes) -> WayDown:
        """The way down by this moment alone."""
        sinks = self._sinks(now_ns, vehicle)
        if vehicle.mode in modes.land:
            return WayDown.LAND
        if not vehicle.armed or vehicle.airborne is False:
            return WayDown.NONE
        lands = vehicle.mission is not None and vehicle.mission.lands is True
        told = vehicle.touching_down is True or (vehicle.touching_down is None and sinks)
        if vehicle.mode in modes.home and told:
            return WayDown.HOME
        if vehicle.mode in modes.mission and told and (vehicle.touching_down or lands):
            return WayDown.MISSION
        low = pose is not None and pose.height_agl_m is not None and pose.height_agl_m <= LOW_M
        if not (vehicle.touching_down or (sinks and low)):
            return WayDown.NONE
        return WayDown.HAND if vehicle.mode in modes.by_hand else WayDown.UNNAMED

    def _sinks(self, now_ns: int, vehicle: VehicleStatus) -> bool:
        if vehicle.down_mps is None or vehicle.down_mps < SINKS_MPS:
            self._sinks_since_ns = None
            return False
        if self._sinks_since_ns is None:
            self._sinks_since_ns = now_ns
        return now_ns - self._sinks_since_ns >= SINKS_FOR_NS
