"""The pilot of a simulated flight: a ground station that watches, gives orders and keeps track.

It uses the simulator's ground truth (SIM_STATE), which no real link has, and so may judge.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from firmware_bridge.connection import make_transport, parse_connection
from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader
from landing.errors import LinkError
from sim.home import Home

GROUND_STATION_ID = 255
ACK_TIMEOUT_S = 1.0
ATTEMPTS = 5


@dataclass(frozen=True)
class TruthSample:
    """Where the vehicle really is.

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
class Text:
    """A STATUSTEXT, from the autopilot or from our daemon on its other link."""

    boot_s: float
    component: int
    text: str


class GroundStation:
    """A MAVLink connection that polls: call `poll` often."""

    def __init__(self, connection: str, home: Home) -> None:
        """Does not connect yet.

        Args:
            connection: pymavlink-style string of the simulator's link.
            home: Where NED (0, 0, 0) is.
        """
        self._transport = make_transport(parse_connection(connection))
        self._connection = connection
        self._reader = FrameReader()
        self._codec = mavlink.MAVLink(None, srcSystem=GROUND_STATION_ID, srcComponent=190)
        self._home = home
        self._system_id = 1
        self._acks: dict[int, int] = {}
        self._heartbeat_sent_s = -math.inf
        self.boot_s = 0.0
        self.armed = False
        self.mode = -1
        self.landed_state = mavlink.MAV_LANDED_STATE_UNDEFINED
        self.heard_autopilot = False
        self.track: list[TruthSample] = []
        self.texts: list[Text] = []

    def __enter__(self) -> GroundStation:
        self._transport.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.close()

    @property
    def truth(self) -> TruthSample | None:
        """The newest ground truth."""
        return self.track[-1] if self.track else None

    def poll(self, timeout_s: float = 0.05) -> None:
        """Reads what has come, waiting at most this long, and keeps our heartbeat up.

        Raises:
            LinkError: The simulator has closed the link.
        """
        now_s = time.monotonic()
        if now_s - self._heartbeat_sent_s >= 1.0:
            self._heartbeat_sent_s = now_s
            self._send(
                self._codec.heartbeat_encode(
                    mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, 0
                )
            )
        for frame in self._reader.feed(self._transport.read(timeout_s)):
            self._take(frame.message)

    def wait_for_autopilot(self, timeout_s: float) -> None:
        """Returns once a heartbeat was heard.

        Raises:
            LinkError: None within the time.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self.heard_autopilot:
            if time.monotonic() > deadline_s:
                raise LinkError(f"no heartbeat on {self._connection} within {timeout_s:g} s")
            self.poll()

    def ask_for(self, message_id: int, rate_hz: float) -> None:
        """Has a message sent at a rate."""
        self.command(mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, message_id, 1e6 / rate_hz)

    def set_mode(self, custom_mode: int) -> None:
        """Switches the flight mode, as the pilot would."""
        self.command(
            mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, custom_mode
        )

    def command(self, command: int, *parameters: float) -> None:
        """Sends a COMMAND_LONG until it is acknowledged.

        Raises:
            LinkError: Refused, or not acknowledged in `ATTEMPTS` tries.
        """
        padded = [*parameters, *([0.0] * (7 - len(parameters)))]
        for attempt in range(ATTEMPTS):
            self._acks.pop(command, None)
            self._send(
                self._codec.command_long_encode(self._system_id, 1, command, attempt, *padded)
            )
            deadline_s = time.monotonic() + ACK_TIMEOUT_S
            while time.monotonic() < deadline_s:
                self.poll(0.02)
                result = self._acks.get(command)
                if result == mavlink.MAV_RESULT_ACCEPTED:
                    return
                if result is not None:
                    raise LinkError(f"the autopilot refused command {command}: result {result}")
        raise LinkError(f"the autopilot did not acknowledge command {command}")

    def _send(self, message: Any) -> None:
        self._transport.write(message.pack(self._codec))

    def _take(self, message: Any) -> None:
        kind = message.get_type()
        if kind == "STATUSTEXT":
            self.texts.append(Text(self.boot_s, message.get_srcComponent(), str(message.text)))
        if message.get_srcComponent() != mavlink.MAV_COMP_ID_AUTOPILOT1:
            return
        if kind == "HEARTBEAT":
            self.heard_autopilot = True
            self._system_id = message.get_srcSystem()
            self.armed = bool(message.base_mode & mavlink.MAV_MODE_FLAG_SAFETY_ARMED)
            self.mode = int(message.custom_mode)
        elif kind == "COMMAND_ACK":
            self._acks[int(message.command)] = int(message.result)
        elif kind == "EXTENDED_SYS_STATE":
            self.landed_state = int(message.landed_state)
        elif kind == "ATTITUDE":
            self.boot_s = message.time_boot_ms * 1e-3
        elif kind == "SIM_STATE":
            self.track.append(self._truth(message))

    def _truth(self, message: Any) -> TruthSample:
        lat_deg = message.lat_int * 1e-7 if message.lat_int else float(message.lat)
        lon_deg = message.lon_int * 1e-7 if message.lon_int else float(message.lon)
        north_m, east_m = self._home.ned_from_global(lat_deg, lon_deg)
        return TruthSample(self.boot_s, north_m, east_m, float(message.alt) - self._home.alt_m)
