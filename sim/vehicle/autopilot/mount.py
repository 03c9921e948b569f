"""The stand-in's gimbal and its manager, as ArduCopter 4.6.2 answers, or as PX4 does.

Read in `AP_Mount`, `AP_Mount_Backend` and `AP_Mount_Servo` of ArduPilot and in PX4's `gimbal` module. ArduPilot turns
for everybody, with control or without, and reports each change of control at once. PX4 answers DENIED to whoever has no
control, takes -2 for its own ids, and judges -3 on each id alone. Both take control from whoever had it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.geometry import Quaternion, euler_from_quaternion, multiplied, quaternion_from_euler
from sim.vehicle.autopilot.commands import Command, whole
from sim.vehicle.autopilot.parameters import ParameterStore

SLEW_DEG_S = 60.0
SERVO = 1  # Of MNT1_TYPE: has no sensor, and reports where its servo was told to stand, against the vehicle
DEVICE_ID = 1
NOBODY = (0, 0)
SELF, UNCHANGED, RELEASED = -2, -1, -3
FLAGS: int = (
    mavlink.GIMBAL_DEVICE_FLAGS_ROLL_LOCK
    | mavlink.GIMBAL_DEVICE_FLAGS_PITCH_LOCK
    | mavlink.GIMBAL_DEVICE_FLAGS_YAW_IN_VEHICLE_FRAME
)
_ACCEPTED: int = mavlink.MAV_RESULT_ACCEPTED
_DENIED: int = mavlink.MAV_RESULT_DENIED
_FAILED: int = mavlink.MAV_RESULT_FAILED


class GimbalRules(Enum):
    """Autopilot whose gimbal manager this is."""

    ARDUPILOT = "ardupilot"
    PX4 = "px4"


class GimbalMount:
    """A camera on one stabilised axis, level roll, yaw with the vehicle. See `MNT1_TYPE` for whether it is there.

    Attributes:
        pitch_deg: True, -90 straight down.
        primary: System and component in control; (0, 0) for nobody.
        stuck: It does not turn.
        commands: That it answers, by number.
    """

    def __init__(self, parameters: ParameterStore, rules: GimbalRules) -> None:
        self._p = parameters.in_force
        self._rules = rules
        self.pitch_deg = self._wanted_deg = 0.0
        self.primary = self._told = NOBODY
        self.stuck = False
        self.commands: dict[int, Callable[[Hashable, Command], int | None]] = {
            mavlink.MAV_CMD_DO_GIMBAL_MANAGER_CONFIGURE: self._configure,
            mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW: self._point,
        }

    @property
    def fitted(self) -> bool:
        """Return whether there is one."""
        return self._p["MNT1_TYPE"] != 0

    def boot(self) -> None:
        """Nobody has control, and it looks ahead."""
        self._wanted_deg, self.primary = 0.0, NOBODY

    def move(self, pitch_deg: float) -> None:
        """Turn as by a pilot's knob, which asks nobody."""
        self._wanted_deg = min(max(pitch_deg, self._p["MNT1_PITCH_MIN"]), self._p["MNT1_PITCH_MAX"])

    def step(self, dt_s: float) -> None:
        """Turn."""
        most_deg = 0.0 if self.stuck else SLEW_DEG_S * dt_s
        self.pitch_deg += min(max(self._wanted_deg - self.pitch_deg, -most_deg), most_deg)

    def take_change(self) -> bool:
        """Return whether control has changed since the last call, where that is told at once."""
        changed, self._told = self.primary != self._told, self.primary
        return changed and self._rules is GimbalRules.ARDUPILOT

    def ned_from_gimbal(self, yaw_rad: float) -> Quaternion:
        """Return the true attitude on a vehicle of some heading."""
        return multiplied(quaternion_from_euler(0.0, 0.0, yaw_rad), self._attitude(self.pitch_deg))

    def attitude_status(self, now_ms: int, ned_from_frd: Quaternion) -> Any | None:
        """Return GIMBAL_DEVICE_ATTITUDE_STATUS on a vehicle of some attitude."""
        if not self.fitted:
            return None
        told = self._attitude(self.pitch_deg)
        if self._p["MNT1_TYPE"] == SERVO:
            roll_rad, pitch_rad, _ = euler_from_quaternion(ned_from_frd)
            told = quaternion_from_euler(-roll_rad, math.radians(self._wanted_deg) - pitch_rad, 0.0)
        unknown = (math.nan, math.nan, math.nan)
        return mavlink.MAVLink_gimbal_device_attitude_status_message(
            0, 0, now_ms, FLAGS, told, *unknown, 0, math.nan, math.nan, DEVICE_ID
        )

    def manager_status(self, now_ms: int) -> Any | None:
        """Return GIMBAL_MANAGER_STATUS."""
        if not self.fitted:
            return None
        flags = mavlink.GIMBAL_MANAGER_FLAGS_ROLL_LOCK | mavlink.GIMBAL_MANAGER_FLAGS_PITCH_LOCK
        return mavlink.MAVLink_gimbal_manager_status_message(now_ms, flags, DEVICE_ID, *self.primary, *NOBODY)

    @staticmethod
    def _attitude(pitch_deg: float) -> Quaternion:
        return quaternion_from_euler(0.0, math.radians(pitch_deg), 0.0)

    def _configure(self, _: Hashable, c: Command) -> int:
        wanted = whole(c.p1), whole(c.p2)
        if not self.fitted or whole(c.z) not in (0, DEVICE_ID) or not all(RELEASED <= n <= 255 for n in wanted):
            return _FAILED
        if self._rules is GimbalRules.PX4:
            system, component = (
                self._px4_id(new, old, sender) for new, old, sender in zip(wanted, self.primary, c.sender, strict=True)
            )
            self.primary = (system, component)
        elif wanted[0] == SELF:
            self.primary = c.sender
        elif wanted[0] == RELEASED:
            self.primary = NOBODY if self.primary == c.sender else self.primary
        elif wanted[0] != UNCHANGED:
            self.primary = wanted
        return _ACCEPTED

    @staticmethod
    def _px4_id(new: int, old: int, sender: int) -> int:
        special = {UNCHANGED: old, SELF: 1, RELEASED: 0 if old == sender else old}
        return special.get(new, new)

    def _point(self, _: Hashable, c: Command) -> int:
        if not self.fitted or whole(c.z) not in (0, DEVICE_ID):
            return _FAILED
        if self._rules is GimbalRules.PX4 and c.sender != self.primary:
            return _DENIED
        if math.isfinite(c.p1) and math.isfinite(c.p2):
            self.move(c.p1)
        return _ACCEPTED
