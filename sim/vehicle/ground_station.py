"""The pilot of a simulated flight: a ground station that watches, gives orders and keeps track.

It uses the simulator's ground truth (ArduPilot's SIM_STATE, PX4's HIL_STATE_QUATERNION), which no real link has, and so
may judge. What the autopilot believes is kept beside it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from firmware_bridge.battery import BatteryWatch
from firmware_bridge.connection import make_transport, parse_connection
from firmware_bridge.dialect import mavlink
from firmware_bridge.peers import PeerTable
from firmware_bridge.transport import Transport
from firmware_bridge.vehicle import autopilot_of, mode_of
from landing.errors import LinkError
from landing.problems import Problem
from sim.vehicle.home import Home
from sim.vehicle.smart_battery import REPORT_S, SmartBattery

GROUND_STATION_ID = 255
ACK_TIMEOUT_S = 1.0
ATTEMPTS = 5
TAKES_S = 10.0  # to take a mission, or a command that it rejects for now
STICKS_S = 0.1
OPEN_S = 20.0
"""An autopilot that has just been started listens within this time."""


TOUCHDOWN_M = 0.1
"""A vehicle less than this above where it came to rest touches the ground."""


@dataclass(frozen=True)
class TruthSample:
    """True position of the vehicle.

    Attributes:
        boot_s: The autopilot's time since boot, s: the world's time.
        north_m, east_m: From home, m.
        height_m: Above home, m.
    """

    boot_s: float
    north_m: float
    east_m: float
    height_m: float


@dataclass(frozen=True)
class Estimate:
    """Position that the autopilot estimates, in its local frame.

    Attributes:
        boot_s: Its time since boot, s.
        north_m, east_m, down_m: From the frame's origin, m.
    """

    boot_s: float
    north_m: float
    east_m: float
    down_m: float


@dataclass(frozen=True)
class Text:
    """A STATUSTEXT, from the autopilot or from our daemon on its other link."""

    boot_s: float
    component: int
    text: str


class GroundStation:
    """A MAVLink connection that polls: call `poll` often.

    Attributes:
        system_id: The autopilot's.
        silent: It sends no heartbeat, so that the autopilot counts it as lost.
        joystick: It sends sticks, in their middle.
        battery: Of the vehicle, with electronics of its own, which reports over this link; None without one.
        batteries: What the autopilot reports of its batteries.
    """

    def __init__(
        self,
        connection: str,
        home: Home,
        transport: Transport | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Does not connect yet.

        Args:
            connection: pymavlink-style string of the simulator's link.
            home: Where NED (0, 0, 0) is.
            transport: Used instead of what the connection names.
            clock_ns: Monotonic time; with a simulated clock, reading the transport lets it pass.
        """
        self.clock_ns = clock_ns
        self._transport = transport or make_transport(parse_connection(connection))
        self._connection = connection
        self._peers = PeerTable()
        self._codec = mavlink.MAVLink(None, srcSystem=GROUND_STATION_ID, srcComponent=190)
        self._home = home
        self.system_id = 1
        self._acks: dict[int, int] = {}
        self._parameters: dict[str, float] = {}
        self._heartbeat_sent_s = self._battery_sent_s = self._sticks_sent_s = -math.inf
        self.battery: SmartBattery | None = None
        self.batteries = BatteryWatch()
        self.boot_s = 0.0
        self.armed = False
        self.mode = -1
        self.mode_name = ""
        self.silent = self.joystick = False
        self._mission: Sequence[Any] = ()
        self._mission_result: int | None = None
        self.landed_state = mavlink.MAV_LANDED_STATE_UNDEFINED
        self.heard_autopilot = False
        self.is_px4 = False
        self.ready_to_arm = False
        self.altitude_m: float | None = None
        self.truth_speed_mps = math.inf
        self.version = ""
        self.origin_ne_m: tuple[float, float] | None = None
        self.estimates: list[Estimate] = []
        self.track: list[TruthSample] = []
        self.texts: list[Text] = []

    def __enter__(self) -> GroundStation:
        self.open()
        return self

    def open(self) -> None:
        """Connects, again after a loss; an autopilot that was just started is waited for.

        Raises:
            LinkError: Nobody listens there.
        """
        self._transport.close()
        self.heard_autopilot = self.armed = self.ready_to_arm = False
        self.landed_state = mavlink.MAV_LANDED_STATE_UNDEFINED
        self.origin_ne_m = self.altitude_m = None
        self.estimates.clear()
        deadline_s = self.now_s + OPEN_S
        while True:
            try:
                self._transport.open()
            except LinkError:
                if self.now_s > deadline_s:
                    raise
                time.sleep(0.1)
            else:
                return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    @property
    def now_s(self) -> float:
        """Monotonic time."""
        return self.clock_ns() * 1e-9

    @property
    def truth(self) -> TruthSample | None:
        """The newest ground truth."""
        return self.track[-1] if self.track else None

    def touchdown_estimate(self) -> Estimate | None:
        """Estimated position of the last touch of the ground.

        Not where it believes to be afterwards: a noisy estimator wanders on while it stands.
        """
        if not self.track or not self.estimates:
            return None
        ground_m = self.track[-1].height_m + TOUCHDOWN_M
        in_air = [sample.boot_s for sample in self.track if sample.height_m > ground_m]
        touched_s = in_air[-1] if in_air else self.track[0].boot_s
        return min(self.estimates, key=lambda estimate: abs(estimate.boot_s - touched_s))

    def poll(self, timeout_s: float = 0.05) -> None:
        """Reads what has come, waiting at most this long, and keeps our heartbeat up.

        Raises:
            LinkError: The simulator has closed the link.
        """
        now_s = self.now_s
        if not self.silent and now_s - self._heartbeat_sent_s >= 1.0:
            self._heartbeat_sent_s = now_s
            self.send(self._codec.heartbeat_encode(mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, 0))
        if self.joystick and now_s - self._sticks_sent_s >= STICKS_S:
            self._sticks_sent_s = now_s
            self.send(self._codec.manual_control_encode(self.system_id, 0, 0, 500, 0, 0))
        self._report_battery(now_s)
        arrival = self._transport.read(timeout_s)
        for frame in self._peers.take(arrival, self.clock_ns()):
            self._take(frame.message)

    def _report_battery(self, now_s: float) -> None:
        since_s = now_s - self._battery_sent_s
        if self.battery is None or since_s < REPORT_S:
            return
        if self.armed and math.isfinite(since_s):
            self.battery.left_s = max(0.0, self.battery.left_s - since_s)
        self._battery_sent_s = now_s
        codec = mavlink.MAVLink(None, srcSystem=self.system_id, srcComponent=mavlink.MAV_COMP_ID_BATTERY)
        self._peers.send(self._transport, self.battery.report().pack(codec), None, self.clock_ns())

    def wait_for_autopilot(self, timeout_s: float) -> None:
        """Returns once a heartbeat was heard.

        Raises:
            LinkError: None within the time.
        """
        deadline_s = self.now_s + timeout_s
        while not self.heard_autopilot:
            if self.now_s > deadline_s:
                raise LinkError(f"no heartbeat on {self._connection} within {timeout_s:g} s", Problem.LINK_SILENT)
            self.poll()

    def wait(self, seconds: float) -> None:
        """Listens for a while."""
        deadline_s = self.now_s + seconds
        while self.now_s < deadline_s:
            self.poll(0.02)

    def ask_for(self, message_id: int, rate_hz: float) -> None:
        """Has a message sent at a rate."""
        self.command(mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, message_id, 1e6 / rate_hz)

    def watch(self) -> None:
        """Asks for all that a landing is followed by and judged from."""
        simulator = mavlink.MAVLINK_MSG_ID_HIL_STATE_QUATERNION if self.is_px4 else mavlink.MAVLINK_MSG_ID_SIM_STATE
        for message_id, rate_hz in (
            (mavlink.MAVLINK_MSG_ID_ATTITUDE, 50.0),
            (simulator, 25.0),
            (mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED, 10.0),
            (mavlink.MAVLINK_MSG_ID_EXTENDED_SYS_STATE, 10.0),
            (mavlink.MAVLINK_MSG_ID_GPS_GLOBAL_ORIGIN, 1.0),
            (mavlink.MAVLINK_MSG_ID_BATTERY_STATUS, 1.0),
        ):
            self.ask_for(message_id, rate_hz)
        self.try_command(mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION)

    def set_mode(self, custom_mode: int, sub_mode: int = 0) -> None:
        """Switches the flight mode, as the pilot would; PX4 has sub-modes."""
        self.command(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, custom_mode, sub_mode)

    def set_parameter(self, name: str, value: float) -> None:
        """Sets a real-valued parameter and reads it back.

        Raises:
            LinkError: It did not take the value.
        """
        for _ in range(ATTEMPTS):
            self._parameters.pop(name, None)
            self.send(
                self._codec.param_set_encode(self.system_id, 1, name.encode(), value, mavlink.MAV_PARAM_TYPE_REAL32)
            )
            deadline_s = self.now_s + ACK_TIMEOUT_S
            while self.now_s < deadline_s:
                self.poll(0.02)
                if math.isclose(self._parameters.get(name, math.nan), value, rel_tol=1e-5):
                    return
        raise LinkError(f"the autopilot did not take {name} = {value:g}")

    def upload_mission(self, items: Sequence[Any]) -> None:
        """Writes a mission, a MISSION_ITEM_INT for each of its items.

        Raises:
            LinkError: The autopilot did not accept it.
        """
        self._mission, self._mission_result = items, None
        self.send(self._codec.mission_count_encode(self.system_id, 1, len(items)))
        deadline_s = self.now_s + TAKES_S
        while self._mission_result is None and self.now_s < deadline_s:
            self.poll(0.02)
        if self._mission_result != mavlink.MAV_MISSION_ACCEPTED:
            raise LinkError(f"the autopilot did not accept the mission: result {self._mission_result}")

    def command(self, command: int, *parameters: float) -> None:
        """Sends a COMMAND_LONG until it is acknowledged; what is rejected for now is asked for again.

        Raises:
            LinkError: Refused, rejected for `TAKES_S`, or not acknowledged in `ATTEMPTS` tries.
        """
        deadline_s, for_now = self.now_s + TAKES_S, mavlink.MAV_RESULT_TEMPORARILY_REJECTED
        while (result := self.try_command(command, *parameters)) == for_now and self.now_s < deadline_s:
            self.wait(ACK_TIMEOUT_S / 2)
        if result != mavlink.MAV_RESULT_ACCEPTED:
            did = "did not acknowledge" if result is None else f"refused, with result {result},"
            raise LinkError(f"the autopilot {did} command {command}")

    def try_command(self, command: int, *parameters: float) -> int | None:
        """Sends a COMMAND_LONG until it is answered; the MAV_RESULT, or None without an answer."""
        padded = [*parameters, *([0.0] * (7 - len(parameters)))]
        for attempt in range(ATTEMPTS):
            self._acks.pop(command, None)
            self.send(self._codec.command_long_encode(self.system_id, 1, command, attempt, *padded))
            deadline_s = self.now_s + ACK_TIMEOUT_S
            while self.now_s < deadline_s:
                self.poll(0.02)
                result = self._acks.get(command)
                if result not in (None, mavlink.MAV_RESULT_IN_PROGRESS):
                    return result
        return None

    def send(self, message: Any) -> None:
        """Sends a message as the ground station's."""
        frame = message.pack(self._codec)
        self._peers.send(self._transport, frame, None, self.clock_ns())

    def _take(self, message: Any) -> None:
        kind = message.get_type()
        if kind == "STATUSTEXT":
            self.texts.append(Text(self.boot_s, message.get_srcComponent(), str(message.text)))
        if message.get_srcComponent() != mavlink.MAV_COMP_ID_AUTOPILOT1:
            return
        handler = getattr(self, f"_on_{kind.lower()}", None)
        if handler is not None:
            handler(message)

    def _on_heartbeat(self, message: Any) -> None:
        self.heard_autopilot = True
        self.is_px4 = message.autopilot == mavlink.MAV_AUTOPILOT_PX4
        self.system_id = message.get_srcSystem()
        self.armed = bool(message.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED)
        self.mode = int(message.custom_mode)
        self.mode_name, _ = mode_of(autopilot_of(message), message.type, message.custom_mode)

    def _on_command_ack(self, message: Any) -> None:
        self._acks[int(message.command)] = int(message.result)

    def _on_mission_request_int(self, message: Any) -> None:
        if message.mission_type == mavlink.MAV_MISSION_TYPE_MISSION and message.seq < len(self._mission):
            item = self._mission[message.seq]
            item.target_system = self.system_id
            self.send(item)

    _on_mission_request = _on_mission_request_int

    def _on_mission_ack(self, message: Any) -> None:
        self._mission_result = int(message.type)

    def _on_param_value(self, message: Any) -> None:
        self._parameters[str(message.param_id)] = float(message.param_value)

    def _on_extended_sys_state(self, message: Any) -> None:
        self.landed_state = int(message.landed_state)

    def _on_battery_status(self, message: Any) -> None:
        self.batteries.on_status(message, self.clock_ns())

    def _on_sys_status(self, message: Any) -> None:
        bit = mavlink.MAV_SYS_STATUS_PREARM_CHECK
        self.ready_to_arm = bool(message.onboard_control_sensors_health & bit)

    def _on_global_position_int(self, message: Any) -> None:
        self.altitude_m = message.alt * 1e-3

    def _on_autopilot_version(self, message: Any) -> None:
        number = int(message.flight_sw_version)
        self.version = ".".join(str(number >> shift & 0xFF) for shift in (24, 16, 8))

    def _on_gps_global_origin(self, message: Any) -> None:
        self.origin_ne_m = self._home.ned_from_global(message.latitude * 1e-7, message.longitude * 1e-7)

    def _on_attitude(self, message: Any) -> None:
        self.boot_s = message.time_boot_ms * 1e-3

    def _on_local_position_ned(self, message: Any) -> None:
        at_s = message.time_boot_ms * 1e-3
        self.estimates.append(Estimate(at_s, message.x, message.y, message.z))

    def _on_sim_state(self, message: Any) -> None:
        lat_deg = message.lat_int * 1e-7 if message.lat_int else float(message.lat)
        lon_deg = message.lon_int * 1e-7 if message.lon_int else float(message.lon)
        self._learn_truth(lat_deg, lon_deg, float(message.alt), message, 1.0)

    def _on_hil_state_quaternion(self, message: Any) -> None:
        lat_deg, lon_deg = message.lat * 1e-7, message.lon * 1e-7
        self._learn_truth(lat_deg, lon_deg, message.alt * 1e-3, message, 0.01)

    def _learn_truth(self, lat_deg: float, lon_deg: float, alt_m: float, message: Any, mps: float) -> None:
        """Takes a true position, and velocities in the message's own unit of so many m/s."""
        north_m, east_m = self._home.ned_from_global(lat_deg, lon_deg)
        velocity = (
            (message.vn, message.ve, message.vd) if hasattr(message, "vn") else (message.vx, message.vy, message.vz)
        )
        self.truth_speed_mps = math.hypot(*velocity) * mps
        self.track.append(TruthSample(self.boot_s, north_m, east_m, alt_m - self._home.alt_m))
