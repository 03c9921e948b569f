"""A PX4 for the doctor: bytewise parameters, AUTOPILOT_VERSION, TIMESYNC; it can lose requests."""

from __future__ import annotations

import struct
import time

from firmware_bridge.dialect import mavlink
from tests.bridge.fake_autopilot import PX4, FakeAutopilot

INT32, REAL32 = mavlink.MAV_PARAM_TYPE_INT32, mavlink.MAV_PARAM_TYPE_REAL32

DEFAULTS = {
    "PLD_BTOUT": 5.0,
    "PLD_HACC_RAD": 0.2,
    "PLD_FAPPR_ALT": 0.1,
    "PLD_SRCH_ALT": 10.0,
    "PLD_SRCH_TOUT": 10.0,
    "PLD_MAX_SRCH": 3,
    "RTL_PLD_MD": 0,
    "RTL_TYPE": 0,
    "MPC_LAND_SPEED": 0.7,
    "MPC_LAND_CRWL": 0.3,
    "MPC_LAND_ALT1": 10.0,
    "MPC_LAND_ALT2": 5.0,
    "MPC_Z_V_AUTO_DN": 1.5,
    "RTL_LAND_DELAY": 0.0,
    "MPC_LAND_RC_HELP": 0,
    "COM_RC_OVERRIDE": 1,
    "MAV_SYS_ID": 1,
    "MAV_0_CONFIG": 101,
    "MAV_0_MODE": 0,
    "MAV_0_RATE": 1200,
    "MAV_0_FORWARD": 1,
    "MAV_1_CONFIG": 0,
}


class FakePx4(FakeAutopilot):
    """``parameters`` as the real one's, int or float by type; ``version`` as (major, minor, patch).

    ``lose_every`` drops every n-th parameter request, ``read_only`` names ignore PARAM_SET, ``asks_timesync`` sends a
    TIMESYNC request each 50 ms.
    """

    def __init__(self, peer, version=(1, 15, 4), parameters=None, **others):
        super().__init__(peer, autopilot=PX4, **others)
        self.armed = False
        self.version = version
        self.parameters = {**DEFAULTS, **(parameters or {})}
        self.lose_every = 0
        self.read_only = frozenset()
        self.asks_timesync = False
        self.sets = []
        self._requests = 0
        self._timesync_at = 0.0

    def _stream(self, now):
        super()._stream(now)
        if self.asks_timesync and now >= self._timesync_at:
            self._timesync_at = now + 0.05
            self.send(mavlink.MAVLink_timesync_message(0, time.monotonic_ns()))

    def _answer(self, message):
        kind = message.get_type()
        if kind == "PARAM_REQUEST_READ":
            self._requests += 1
            if not self.lose_every or self._requests % self.lose_every:
                self._send_parameter(message.param_id.rstrip("\0"))
        elif kind == "PARAM_SET":
            self._set(message)
        elif (
            kind == "COMMAND_LONG"
            and message.command == mavlink.MAV_CMD_REQUEST_MESSAGE
            and message.param1 == mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION
        ):
            self.send(self._autopilot_version())
        else:
            super()._answer(message)

    def _set(self, message):
        name = message.param_id.rstrip("\0")
        self.sets.append(name)
        if name in self.parameters and name not in self.read_only:
            raw = struct.pack("<f", message.param_value)
            integer = message.param_type == INT32
            self.parameters[name] = struct.unpack("<i" if integer else "<f", raw)[0]
        self._send_parameter(name)

    def _send_parameter(self, name):
        value = self.parameters.get(name)
        if value is None:
            return
        integer = isinstance(value, int)
        field = struct.unpack("<f", struct.pack("<i", value))[0] if integer else value
        kind = INT32 if integer else REAL32
        index = list(self.parameters).index(name)
        self.send(mavlink.MAVLink_param_value_message(name.encode(), field, kind, len(self.parameters), index))

    def _autopilot_version(self):
        major, minor, patch = self.version
        packed = major << 24 | minor << 16 | patch << 8 | 255
        capabilities = mavlink.MAV_PROTOCOL_CAPABILITY_PARAM_ENCODE_BYTEWISE | mavlink.MAV_PROTOCOL_CAPABILITY_MAVLINK2
        git = list(bytes.fromhex("99c40407ffd7ac18")[::-1])
        return mavlink.MAVLink_autopilot_version_message(capabilities, packed, 0, 0, 0, git, [0] * 8, [0] * 8, 0, 0, 0)
