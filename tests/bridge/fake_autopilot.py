"""A tiny autopilot for link tests: silent but for its heartbeat until it is asked for streams."""

from __future__ import annotations

import math
import threading
import time

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader
from landing.geometry import quaternion_from_euler

ARDUPILOT = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA
PX4 = mavlink.MAV_AUTOPILOT_PX4


class FakeAutopilot:
    """Runs in its own thread over a peer of ``tests.bridge.peers``; a context manager.

    Attributes that tests set at any time: ``muted`` (sends nothing), ``answers_timesync``, ``custom_mode``, ``armed``,
    ``landed_state``, ``height_m``, ``yaw_deg``, ``noise`` (bytes mixed into the stream). ``received`` holds every
    message that came, in order.
    """

    def __init__(self, peer, autopilot=ARDUPILOT, system=1, refused=(), silent_streams=(), heartbeat_hz=10.0):
        self.peer = peer
        self.autopilot = autopilot
        self.custom_mode = 9
        self.armed = True
        self.landed_state = mavlink.MAV_LANDED_STATE_IN_AIR
        self.height_m = 10.0
        self.climb_m_s = 0.0
        self.yaw_deg = 30.0
        self.muted = False
        self.answers_timesync = True
        self.noise = b""
        self.received = []
        self.refused = frozenset(refused)
        self.silent_streams = frozenset(silent_streams)
        self._heartbeat_s = 1.0 / heartbeat_hz
        self._mav = mavlink.MAVLink(None, srcSystem=system, srcComponent=1)
        self._reader = FrameReader()
        self._intervals_s = {}
        self._due = {}
        self._booted_ns = time.monotonic_ns() - 60_000_000_000  # up for a minute
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-autopilot", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        self.peer.close()

    def reboot(self):
        """A new boot clock, and no stream but the heartbeat."""
        self._intervals_s = {}
        self._due = {}
        self._booted_ns = time.monotonic_ns()

    def of_type(self, name):
        return [m for m in tuple(self.received) if m.get_type() == name]

    def asked(self):
        """Message ids of SET_MESSAGE_INTERVAL so far."""
        return [
            int(m.param1) for m in self.of_type("COMMAND_LONG") if m.command == mavlink.MAV_CMD_SET_MESSAGE_INTERVAL
        ]

    def send(self, message):
        frame = message.pack(self._mav)
        self._mav.seq = (self._mav.seq + 1) % 256
        try:
            self.peer.send(self.noise + frame)
        except (OSError, AttributeError):  # hung up at this moment
            return

    def _run(self):
        heartbeat_at = 0.0
        while not self._stop.is_set():
            data = b""
            try:
                data = self.peer.receive(0.003)
            except (OSError, ValueError, AttributeError):  # hung up at this moment
                time.sleep(0.003)
            for frame in self._reader.feed(data):
                self.received.append(frame.message)
                self._answer(frame.message)
            if self.muted:
                continue
            now = time.monotonic()
            if now >= heartbeat_at:
                heartbeat_at = now + self._heartbeat_s
                self.send(self._heartbeat())
            self._stream(now)

    def _stream(self, now):
        for message_id, interval_s in tuple(self._intervals_s.items()):
            due = self._due.get(message_id, now)
            if now >= due:
                self._due[message_id] = max(due + interval_s, now - interval_s)
                message = self._message(message_id)
                if message is not None:
                    self.send(message)

    def _answer(self, message):
        if message.get_type() == "TIMESYNC" and message.tc1 == 0 and self.answers_timesync:
            boot_ns = time.monotonic_ns() - self._booted_ns
            self.send(mavlink.MAVLink_timesync_message(boot_ns, message.ts1))
        if message.get_type() != "COMMAND_LONG" or message.target_system != self._mav.srcSystem:
            return
        result = mavlink.MAV_RESULT_UNSUPPORTED
        if message.command == mavlink.MAV_CMD_SET_MESSAGE_INTERVAL:
            message_id = int(message.param1)
            if message_id in self.refused:
                result = mavlink.MAV_RESULT_DENIED
            else:
                result = mavlink.MAV_RESULT_ACCEPTED
                if message_id not in self.silent_streams:
                    self._intervals_s[message_id] = message.param2 / 1e6
        if not self.muted:
            self.send(
                mavlink.MAVLink_command_ack_message(
                    message.command,
                    result,
                    target_system=message.get_srcSystem(),
                    target_component=message.get_srcComponent(),
                )
            )

    def _heartbeat(self):
        base_mode = mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
        if self.armed:
            base_mode |= mavlink.MAV_MODE_FLAG_SAFETY_ARMED
        return mavlink.MAVLink_heartbeat_message(
            mavlink.MAV_TYPE_QUADROTOR, self.autopilot, base_mode, self.custom_mode, 4, 3
        )

    def _message(self, message_id):
        boot_ms = (time.monotonic_ns() - self._booted_ns) // 1_000_000
        yaw_rad = math.radians(self.yaw_deg)
        if message_id == mavlink.MAVLINK_MSG_ID_ATTITUDE_QUATERNION:
            w, x, y, z = quaternion_from_euler(0.0, 0.0, yaw_rad)
            return mavlink.MAVLink_attitude_quaternion_message(boot_ms, w, x, y, z, 0, 0, 0)
        if message_id == mavlink.MAVLINK_MSG_ID_ATTITUDE:
            return mavlink.MAVLink_attitude_message(boot_ms, 0.0, 0.0, yaw_rad, 0, 0, 0)
        if message_id == mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED:
            return mavlink.MAVLink_local_position_ned_message(
                boot_ms, 1.0, 2.0, -self.height_m, 0.0, 0.0, -self.climb_m_s
            )
        if message_id == mavlink.MAVLINK_MSG_ID_DISTANCE_SENSOR:
            return mavlink.MAVLink_distance_sensor_message(
                boot_ms, 10, 4000, round(self.height_m * 100), 0, 1, mavlink.MAV_SENSOR_ROTATION_PITCH_270, 0
            )
        if message_id == mavlink.MAVLINK_MSG_ID_EXTENDED_SYS_STATE:
            return mavlink.MAVLink_extended_sys_state_message(0, self.landed_state)
        return None
