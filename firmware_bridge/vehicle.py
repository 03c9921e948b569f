"""State of the vehicle, from HEARTBEAT and EXTENDED_SYS_STATE of the served autopilot.

The pilot's sticks come from RC_CHANNELS (ArduPilot) or MANUAL_CONTROL (PX4, which has resolved its own channel mapping
and joysticks by then).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware_bridge.battery import BATTERY_STREAM, BatteryWatch
from firmware_bridge.clock import ClockMap
from firmware_bridge.current_mode import MODE_STREAM, ModeWatch
from firmware_bridge.dialect import enum_names, mavlink
from firmware_bridge.fence import FENCE_STREAM, FenceWatch
from firmware_bridge.mission import MISSION_STREAM, MissionWatch
from firmware_bridge.takeover import TakeoverWatch
from firmware_bridge.wing import HOVER_MODES, LANDING_HOVER_MODES, no_hover
from landing.errors import InvalidValueError
from landing.vehicle import FLIGHT_MODES, Autopilot, Battery, PilotReport, Sticks, VehicleStatus

COPTER_MODES = enum_names("COPTER_MODE_")  # ArduCopter's names by ``custom_mode``

# Modes that end on the ground whatever is uploaded
COPTER_LANDING_MODES = frozenset({"LAND", "RTL", "SMART_RTL", "AUTO_RTL"})


def _types(names: str) -> frozenset[int]:
    return frozenset(getattr(mavlink, f"MAV_TYPE_{name}") for name in names.split())


# Vehicle types that ArduCopter flies; the mode numbers of other ArduPilot vehicles differ
COPTER_TYPES = _types("QUADROTOR COAXIAL HELICOPTER HEXAROTOR OCTOROTOR TRICOPTER DODECAROTOR DECAROTOR")

# PX4 src/modules/commander/px4_custom_mode.h
PX4_MAIN_MODES = dict(
    enumerate(
        [
            "MANUAL",
            "ALTCTL",
            "POSCTL",
            "AUTO",
            "ACRO",
            "OFFBOARD",
            "STABILIZED",
            "RATTITUDE",
            "SIMPLE",
            "TERMINATION",
            "ALTITUDE_CRUISE",
        ],
        1,
    )
)
PX4_MAIN_AUTO = 4
PX4_MAIN_POSCTL = 3
PX4_AUTO_SUB_MODES: dict[int, str] = {
    **dict(enumerate(["READY", "TAKEOFF", "LOITER", "MISSION", "RTL", "LAND"], 1)),
    **{8: "FOLLOW_TARGET", 9: "PRECLAND", 10: "VTOL_TAKEOFF"},
    **{10 + n: f"EXTERNAL{n}" for n in range(1, 9)},
    19: "GUIDED_COURSE",  # From 1.18 on
}
PX4_POSCTL_SUB_MODES: dict[int, str] = {1: "ORBIT", 2: "SLOW"}
PX4_LANDING_MODES = frozenset({"AUTO.LAND", "AUTO.RTL", "AUTO.PRECLAND"})

# HEARTBEAT.system_status while a failsafe is in force, by both autopilots' sources
FAILSAFE_STATES = frozenset(
    {mavlink.MAV_STATE_CRITICAL, mavlink.MAV_STATE_EMERGENCY, mavlink.MAV_STATE_FLIGHT_TERMINATION}
)
STICK_CHANNELS = (1, 2, 3, 4)  # RC channels of roll, pitch, throttle and yaw (ArduPilot's RCMAP_*, by default)
RC_MIDDLE_US, RC_HALF_TRAVEL_US = 1500, 400
# Outside of these a channel carries nothing: 0 and 65535 are MAVLink's and ArduPilot's words for a transmitter that is
# not there
RC_VALID_US = range(800, 2201)
# A throttle below is what a receiver gives out of range (ArduPilot's FS_THR_VALUE, by default)
RC_LOST_BELOW_US = 975

SPEED_FRESH_NS = 1_000_000_000

LANDED_TIMEOUT_NS = 5_000_000_000
"""An older EXTENDED_SYS_STATE is ignored."""

_AIRBORNE: dict[int, bool] = {
    mavlink.MAV_LANDED_STATE_ON_GROUND: False,
    mavlink.MAV_LANDED_STATE_IN_AIR: True,
    mavlink.MAV_LANDED_STATE_TAKEOFF: True,
    mavlink.MAV_LANDED_STATE_LANDING: True,
}


def autopilot_of(heartbeat: Any) -> Autopilot:
    """Return the kind of autopilot that sent a HEARTBEAT."""
    if heartbeat.autopilot == mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA:
        return Autopilot.ARDUPILOT
    if heartbeat.autopilot == mavlink.MAV_AUTOPILOT_PX4:
        return Autopilot.PX4
    return Autopilot.UNKNOWN


WINGLESS_TYPES = COPTER_TYPES | _types("GENERIC_MULTIROTOR")

# Vehicle types that fly. A ground station, gimbal, camera or tracker never is the autopilot.
FLYING_TYPES = WINGLESS_TYPES | _types(
    "FIXED_WING VTOL_DUOROTOR VTOL_QUADROTOR VTOL_TILTROTOR VTOL_RESERVED2 VTOL_RESERVED3 "
    "VTOL_RESERVED4 VTOL_RESERVED5 VTOL_GYRODYNE"
)


def is_autopilot_heartbeat(message: Any) -> bool:
    """Return whether a message is the HEARTBEAT of an autopilot to serve: ArduPilot's or PX4's, flying.

    A plane of PX4's has the modes of its multicopters by the same names, and stands still in none: a hold on its final
    approach would be a turn near the ground. The modes of ArduPilot's planes have numbers of their own.
    """
    return bool(
        message.get_type() == "HEARTBEAT"
        and (message.type, autopilot_of(message)) != (mavlink.MAV_TYPE_FIXED_WING, Autopilot.PX4)
        and message.get_srcSystem() != 0
        and message.get_srcComponent() == mavlink.MAV_COMP_ID_AUTOPILOT1
        and autopilot_of(message) is not Autopilot.UNKNOWN
        and message.type in FLYING_TYPES
    )


def is_armed(heartbeat: Any) -> bool:
    """Return whether a HEARTBEAT says that the motors may turn."""
    return bool(heartbeat.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED)


def mode_of(autopilot: Autopilot, vehicle_type: int, custom_mode: int) -> tuple[str, bool]:
    """The mode's name and whether it ends on the ground.

    An unknown number gives ``MODE(n)`` and False: not landing, so nothing is decided on it.
    """
    if autopilot is Autopilot.ARDUPILOT and vehicle_type in COPTER_TYPES:
        name = COPTER_MODES.get(custom_mode, f"MODE({custom_mode})")
        return name, name in COPTER_LANDING_MODES
    if autopilot is Autopilot.ARDUPILOT and custom_mode in HOVER_MODES:
        name = HOVER_MODES[custom_mode]
        return name, name in LANDING_HOVER_MODES
    if autopilot is Autopilot.PX4:
        name = _px4_mode(main=custom_mode >> 16 & 0xFF, sub=custom_mode >> 24 & 0xFF)
        return name, name in PX4_LANDING_MODES
    return f"MODE({custom_mode})", False


def mode_number(autopilot: Autopilot, name: str) -> tuple[int, int]:
    """A mode's number for DO_SET_MODE: its custom mode and sub mode (0 on ArduPilot).

    Raises:
        InvalidValueError: The autopilot has no such mode, or its modes are not known.
    """
    if autopilot is Autopilot.ARDUPILOT:
        for number, known in COPTER_MODES.items():
            if known == name:
                return number, 0
    if autopilot is Autopilot.PX4:
        main_name, _, sub_name = name.partition(".")
        for main, known in PX4_MAIN_MODES.items():
            if known != main_name:
                continue
            if not sub_name:
                return main, 0
            for sub, known_sub in PX4_AUTO_SUB_MODES.items():
                if main == PX4_MAIN_AUTO and known_sub == sub_name:
                    return main, sub
    raise InvalidValueError(f"{autopilot.value} has no mode '{name}' that can be asked for")


def sticks_of_channels(message: Any, channels: tuple[int, int, int, int]) -> Sticks | None:
    """Return the sticks in RC_CHANNELS (roll, pitch, throttle, yaw by channel); None without a transmitter."""
    pulses_us = [int(getattr(message, f"chan{n}_raw")) for n in channels]
    lost = message.chancount == 0 or pulses_us[2] < RC_LOST_BELOW_US
    if lost or any(us not in RC_VALID_US for us in pulses_us):
        return None
    parts = [max(-1.0, min(1.0, (us - RC_MIDDLE_US) / RC_HALF_TRAVEL_US)) for us in pulses_us]
    return Sticks(*parts)


def sticks_of_manual_control(message: Any) -> Sticks | None:
    """The sticks in MANUAL_CONTROL as PX4 streams it; None where an axis is not given."""
    axes = (message.y, message.x, message.z, message.r)  # roll, pitch, throttle, yaw
    if any(abs(axis) > 1000 for axis in axes):
        return None
    return Sticks(*(axis / 1000.0 for axis in axes))


def _px4_mode(main: int, sub: int) -> str:
    name = PX4_MAIN_MODES.get(main, f"MODE({main})")
    if main == PX4_MAIN_AUTO:
        return f"{name}.{PX4_AUTO_SUB_MODES.get(sub, str(sub))}"
    if main == PX4_MAIN_POSCTL and sub in PX4_POSCTL_SUB_MODES:
        return f"{name}.{PX4_POSCTL_SUB_MODES[sub]}"
    return name


@dataclass(frozen=True)
class AutopilotId:
    """Ids of the served autopilot."""

    system: int  # MAVLink system id
    component: int  # MAVLink component id
    autopilot: Autopilot
    vehicle_type: int  # MAV_TYPE


class VehicleTracker:
    """Keeps the newest HEARTBEAT, EXTENDED_SYS_STATE and sticks. Time is an argument.

    Without a heartbeat for its timeout the link counts as dead.

    Attributes:
        mission: The item of its mission.
        batteries: Flight time that they leave.
        fence: What its geofence began.
        takeover: Failsafes of PX4's that our commands took over.
        modes: What is told of its mode, between heartbeats too.
        handlers: Of its messages but the heartbeat and its motion, by name.
    """

    def __init__(
        self,
        heartbeat_timeout_ns: int = 3_000_000_000,
        stick_channels: tuple[int, int, int, int] = STICK_CHANNELS,
        clock: ClockMap | None = None,
    ) -> None:
        self._heartbeat_timeout_ns = heartbeat_timeout_ns
        self._stick_channels = stick_channels
        self.mission, self.batteries = MissionWatch(), BatteryWatch()
        self.fence, self.takeover, self.modes = FenceWatch(clock), TakeoverWatch(), ModeWatch()
        self.handlers: dict[str, Callable[[Any, int], None]] = {
            "RC_CHANNELS": self.on_rc_channels,
            "MANUAL_CONTROL": self.on_manual_control,
            "MISSION_ITEM_INT": self.mission.on_item,
            "MISSION_ACK": self.mission.on_ack,
            MISSION_STREAM: self.mission.on_current,
            MODE_STREAM: self.modes.on_current,
            BATTERY_STREAM: self.batteries.on_status,
            FENCE_STREAM: self.fence.on_status,
        }
        self.forget()

    def forget(self) -> None:
        """Another autopilot is served from now on."""
        self._heartbeat: Any = None
        self._heartbeat_at_ns = 0
        self._airborne: bool | None = None
        self._touching_down: bool | None = None
        self._vtol_state: int | None = None
        self._airborne_at_ns = 0
        self._pilot: PilotReport | None = None
        self._down_mps: float | None = None
        self._down_at_ns = 0
        self.mission.forget()
        self.batteries.forget()
        self.fence.forget()
        self.takeover.forget()
        self.modes.forget()

    @property
    def autopilot(self) -> Autopilot:
        """Kind of the autopilot heard last."""
        return Autopilot.UNKNOWN if self._heartbeat is None else autopilot_of(self._heartbeat)

    @property
    def mode(self) -> str:
        """Name of the mode heard last; empty before."""
        return "" if self._heartbeat is None else self._name_of(self._heartbeat.custom_mode)

    def _name_of(self, custom_mode: int | None) -> str:
        beat = self._heartbeat
        return "" if custom_mode is None else mode_of(autopilot_of(beat), beat.type, custom_mode)[0]

    def on_heartbeat(self, heartbeat: Any, at_ns: int) -> None:
        """Take a HEARTBEAT of the autopilot served.

        Another mode's landing is none of the new mode's: it must be told anew. Else the way home, begun in the middle
        of a landing, would count as its last leg until the next EXTENDED_SYS_STATE.
        """
        mode, _ = mode_of(autopilot_of(heartbeat), heartbeat.type, heartbeat.custom_mode)
        if self._heartbeat is not None and heartbeat.custom_mode != self._heartbeat.custom_mode:
            self._touching_down = False if self._touching_down else self._touching_down
            self.fence.on_mode(mode, at_ns)
        if not is_armed(heartbeat):
            self.fence.on_disarmed()
            self.batteries.on_disarmed(at_ns)
            self.mission.forget_kinds()
        if autopilot_of(heartbeat) is Autopilot.PX4:
            critical = heartbeat.system_status in FAILSAFE_STATES
            self.takeover.on_heartbeat(mode, critical=critical, armed=is_armed(heartbeat))
        self.modes.on_heartbeat(heartbeat.custom_mode, at_ns)
        self._heartbeat = heartbeat
        self._heartbeat_at_ns = at_ns

    def on_command(self, now_ns: int) -> None:
        """Note that we ask the autopilot for a mode."""
        self.fence.on_command(now_ns)
        self.takeover.on_command()

    def on_extended_sys_state(self, message: Any, at_ns: int) -> None:
        """Take an EXTENDED_SYS_STATE of the autopilot served."""
        self._airborne = _AIRBORNE.get(message.landed_state)
        told = message.landed_state in _AIRBORNE
        self._touching_down = message.landed_state == mavlink.MAV_LANDED_STATE_LANDING if told else None
        self._vtol_state = message.vtol_state
        self._airborne_at_ns = at_ns

    def on_local_position(self, message: Any, at_ns: int) -> None:
        """Take the speed in a LOCAL_POSITION_NED of the autopilot served."""
        self._down_mps = float(message.vz) if math.isfinite(message.vz) else None
        self._down_at_ns = at_ns

    def on_rc_channels(self, message: Any, at_ns: int) -> None:
        """Take ArduPilot's RC_CHANNELS; PX4's are raw, before its own mapping of channels."""
        if self.autopilot is Autopilot.ARDUPILOT:
            sticks = sticks_of_channels(message, self._stick_channels)
            self._pilot = PilotReport(at_ns, sticks)

    def on_manual_control(self, message: Any, at_ns: int) -> None:
        """Take a MANUAL_CONTROL of the autopilot served."""
        self._pilot = PilotReport(at_ns, sticks_of_manual_control(message))

    def mission_request(self, to: AutopilotId, now_ns: int) -> Any:
        """The request for the kind of the mission item flown, where one is due; or None."""
        status = self.status(now_ns)
        flown = status.armed and status.mode in FLIGHT_MODES[Autopilot.ARDUPILOT].mission
        return self.mission.due(to.system, to.component, now_ns) if flown else None

    def heartbeat_age_ns(self, now_ns: int) -> int | None:
        """Time since the last heartbeat, or None when there was none."""
        return None if self._heartbeat is None else max(0, now_ns - self._heartbeat_at_ns)

    def alive(self, now_ns: int) -> bool:
        """Return whether the last heartbeat is younger than the timeout."""
        age_ns = self.heartbeat_age_ns(now_ns)
        return age_ns is not None and age_ns <= self._heartbeat_timeout_ns

    def status(self, now_ns: int) -> VehicleStatus:
        """The state as last reported; ``link_alive`` says whether it is still true."""
        heartbeat = self._heartbeat
        if heartbeat is None:
            return VehicleStatus()
        autopilot = autopilot_of(heartbeat)
        mode, ends_on_ground = mode_of(autopilot, heartbeat.type, heartbeat.custom_mode)
        landed_known = now_ns - self._airborne_at_ns <= LANDED_TIMEOUT_NS
        touching_down = self._touching_down if landed_known else None
        modes = FLIGHT_MODES.get(autopilot)
        lands_here = modes is not None and mode in modes.land
        speed_known = now_ns - self._down_at_ns <= SPEED_FRESH_NS
        battery = self.batteries.status(now_ns)
        return VehicleStatus(
            link_alive=self.alive(now_ns),
            autopilot=autopilot,
            armed=is_armed(heartbeat),
            airborne=self._airborne if landed_known else None,
            landing=lands_here or (ends_on_ground if touching_down is None else touching_down),
            mode=mode,
            no_hover=no_hover(heartbeat.type not in WINGLESS_TYPES, self._vtol_state if landed_known else None),
            next_mode=self._name_of(self.modes.untold),
            touching_down=touching_down,
            failsafe=self._in_failsafe(battery),
            failsafe_mode=self.takeover.critical,
            fence_open=self.fence.undecided(now_ns),
            heartbeat_ns=self._heartbeat_at_ns,
            pilot=self._pilot,
            down_mps=self._down_mps if speed_known else None,
            mission=self.mission.item(now_ns),
            battery=battery,
        )

    def _in_failsafe(self, battery: Battery | None) -> bool:
        """Return True in a failsafe by the heartbeat, or one that the heartbeat does not tell.

        In AUTO.PRECLAND PX4 calls a critical battery a warning, and acts on it as soon as the vehicle is held (flown).
        """
        told = self._heartbeat.system_status in FAILSAFE_STATES
        untold = self.autopilot is Autopilot.PX4 and battery is not None and battery.critical
        return told or untold or self.fence.acted or self.takeover.in_force
