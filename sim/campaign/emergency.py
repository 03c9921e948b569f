"""Landings that an autopilot's failsafe orders, with nobody at the sticks: low battery, lost ground station.

The vehicle hovers, the failsafe comes and enters LAND. What the daemon then holds up is measured against what the
battery allows (`landing.command.failsafe`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader, packed
from landing.command.failsafe import LONGEST_S, may_hold_s
from landing.vehicle import Battery
from sim.campaign.ranges import Range, stream
from sim.vehicle.autopilot.config import BatteryPack
from sim.vehicle.autopilot.core import StandInAutopilot
from sim.vehicle.autopilot.failsafes import MAH_PER_AS
from sim.vehicle.autopilot.modes import Mode

LEFT_SHARE = {"battery": 0.2, "link": 0.7}
"""Of a full battery, at the failsafe."""

EMERGENCIES = tuple(LEFT_SHARE)

GROUND_STATION = 255
GROUND_SILENCE_S = 5.0
"""FS_GCS_TIMEOUT."""

LAND_ON_LOW, LAND_ON_SILENCE, CURRENT_AND_VOLTAGE = 1, 5, 4

COMMAND_S = 3.0
"""A change of mode is asked for, done and told within so long; charge is told in percent."""

ROWS: dict[str, Range] = {
    "at_s": Range(5.0, 20.0, "uniform", "the vehicle hovers over the place where it will land"),
    "battery_left_s": Range(150.0, 400.0, "log", "a low level of 15 to 30 % of 15 to 25 minutes in the air"),
    "critical_share": Range(0.25, 0.5, "uniform", "of what the low level leaves: the critical level"),
    "healthy_left_s": Range(400.0, 1200.0, "log", "a battery that is not what the landing is for"),
    "draw_a": Range(8.0, 30.0, "log", "hover of 1.5 to 5 kg"),
}


@dataclass(frozen=True)
class Emergency:
    """A failsafe that is to come.

    Attributes:
        kind: One of `EMERGENCIES`.
        at_s: Time at which it comes.
        left_s: Flight time that the battery leaves then.
        critical_s: Flight time that is left when the battery turns critical.
        draw_a: Of the vehicle in the air.
    """

    kind: str
    at_s: float
    left_s: float
    critical_s: float
    draw_a: float

    def _mah(self, seconds: float) -> float:
        return seconds * self.draw_a * MAH_PER_AS

    @property
    def capacity_mah(self) -> float:
        """Charge of the full battery, mAh."""
        return self._mah(self.left_s) / LEFT_SHARE[self.kind]

    @property
    def battery(self) -> BatteryPack:
        """The battery at the start."""
        used_mah = self.capacity_mah - self._mah(self.at_s + self.left_s)
        return BatteryPack(used_mah, self.draw_a, ends=True)

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters of the autopilot that make it land by itself."""
        low_s = self.left_s if self.kind == "battery" else self.critical_s
        return {
            "BATT_MONITOR": CURRENT_AND_VOLTAGE,
            "BATT_CAPACITY": self.capacity_mah,
            "BATT_LOW_MAH": self._mah(low_s),
            "BATT_CRT_MAH": self._mah(self.critical_s),
            "BATT_FS_LOW_ACT": LAND_ON_LOW,
            "BATT_FS_CRT_ACT": LAND_ON_LOW,
            "FS_GCS_ENABLE": LAND_ON_SILENCE,
            "FS_GCS_TIMEOUT": GROUND_SILENCE_S,
        }


def draw_emergency(parts: Sequence[int], kind: str) -> Emergency:
    """The failsafe of the scene that `parts` identify; `kind` is one of `EMERGENCIES`."""

    def drawn(name: str) -> float:
        return ROWS[name].draw(stream(parts, f"emergency {name}"))

    left_s = drawn("battery_left_s" if kind == "battery" else "healthy_left_s")
    return Emergency(kind, drawn("at_s"), left_s, left_s * drawn("critical_share"), drawn("draw_a"))


class EmergencyWatch:
    """Speaks as the ground station until it falls silent, and measures what is held up.

    Args:
        emergency: That is to come.
        autopilot: Of the landing.
        link_id: The ground station's.
    """

    def __init__(self, emergency: Emergency, autopilot: StandInAutopilot, link_id: str) -> None:
        self._plan = emergency
        self._autopilot = autopilot
        self._link_id = link_id
        self._reader = FrameReader()
        self._beat_s = -1.0
        self._came_s: float | None = None
        self._held_s = self._overrun_s = 0.0

    def step(self, t_s: float, dt_s: float) -> None:
        """Take a step; before it comes, the ground station is there."""
        silent = self._plan.kind == "link" and t_s > self._plan.at_s - GROUND_SILENCE_S
        if not silent and t_s - self._beat_s >= 1.0:
            self._beat_s = t_s
            self._beat()
        flight, failsafes = self._autopilot.flight, self._autopilot.failsafes
        if failsafes.in_force and self._came_s is None:
            self._came_s = t_s
        held = failsafes.in_force and flight.armed and not flight.landed and flight.mode is not Mode.LAND
        if not held:
            return
        critical = failsafes.charge_state == mavlink.MAV_BATTERY_CHARGE_STATE_CRITICAL
        self._held_s += dt_s
        if not may_hold_s(Battery(self.left_s, critical), self._autopilot.vehicle.height_m):
            self._overrun_s += dt_s

    def _beat(self) -> None:
        beat = mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, 0, 3)
        for frame in self._reader.feed(packed(beat, GROUND_STATION, mavlink.MAV_COMP_ID_MISSIONPLANNER, 0)):
            self._autopilot.receive(self._link_id, frame.message)

    @property
    def left_s(self) -> float:
        """Flight time that the battery leaves."""
        return self._autopilot.failsafes.left_mah / (self._plan.draw_a * MAH_PER_AS)

    @property
    def facts(self) -> dict[str, Any]:
        """The failsafe and what was held up, plain values; times in s.

        ``overrun_s``: held up when the true charge, or a critical level, allowed nothing more.
        """
        return {
            "kind": self._plan.kind,
            "came_s": self._came_s,
            "left_s": self._plan.left_s,
            "left_at_end_s": self.left_s,
            "held_s": self._held_s,
            "overrun_s": self._overrun_s,
            "held_too_long": self._held_s > LONGEST_S + COMMAND_S or self._overrun_s > COMMAND_S,
        }
