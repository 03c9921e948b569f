"""The simulated camera's own link to the autopilot: the true pose.

ArduPilot and the stand-in tell it in SIM_STATE, PX4 in HIL_STATE_QUATERNION. The first has no time stamp, so both are
stamped when they arrive, by a thread that does nothing else.
World time is the autopilot's time since boot, from any message that carries ``time_boot_ms``.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.gimbal import GimbalHistory
from landing.errors import LinkError
from landing.geometry import Quaternion, matrix_from_quaternion, multiplied, normalized, quaternion_from_euler
from landing.types import Pose
from sim.camera import Motion
from sim.vehicle.home import Home

SYSTEM_ID = 254
HEARTBEAT_S = 1.0
ASK_AGAIN_S = 1.0
MAX_EXTRAPOLATION_S = 0.25


@dataclass(frozen=True)
class Truth:
    """The true state at the monotonic arrival time of its message; the position is about the home."""

    at_ns: int
    ned_from_frd: Quaternion
    position_ned_m: tuple[float, float, float]
    motion: Motion

    def pose_at(self, at_ns: int) -> Pose:
        """The pose carried on to a moment shortly after, by velocity and turn rates."""
        dt = min(max(0.0, (at_ns - self.at_ns) * 1e-9), MAX_EXTRAPOLATION_S)
        n, e, d = (p + v * dt for p, v in zip(self.position_ned_m, self.motion.velocity_ned_mps, strict=True))
        turn = quaternion_from_euler(*(rate * dt for rate in self.motion.rates_frd_radps))
        return Pose(at_ns, multiplied(self.ned_from_frd, turn), (n, e, d))


def truth_from_sim_state(message: Any, home: Home, at_ns: int) -> Truth | None:
    """Reads a SIM_STATE; None when it cannot be one of a flying vehicle.

    The quaternion is used if it agrees with roll, pitch and yaw: ArduPilot releases differ in whether they fill it in.
    """
    angles = (message.roll, message.pitch, message.yaw)
    lat, lon = _degrees(message)
    numbers = (*angles, lat, lon, message.alt, message.vn, message.ve, message.vd)
    rates = (message.xgyro, message.ygyro, message.zgyro)
    if not all(map(math.isfinite, (*numbers, *rates))):
        return None
    attitude = quaternion_from_euler(*angles)
    given = (message.q1, message.q2, message.q3, message.q4)
    norm = math.sqrt(sum(c * c for c in given))
    if math.isfinite(norm) and abs(norm - 1) < 0.01:
        difference = matrix_from_quaternion(normalized(given)) - matrix_from_quaternion(attitude)
        if abs(difference).max() < 0.02:
            attitude = normalized(given)
    motion = Motion((message.vn, message.ve, message.vd), rates)
    position = (*home.ned_from_global(lat, lon), home.alt_m - message.alt)
    return Truth(at_ns, attitude, position, motion)


def truth_from_hil_state(message: Any, home: Home, at_ns: int) -> Truth | None:
    """Reads a HIL_STATE_QUATERNION; None when it cannot be one of a flying vehicle."""
    attitude = tuple(float(c) for c in message.attitude_quaternion)
    rates = (message.rollspeed, message.pitchspeed, message.yawspeed)
    norm = math.sqrt(sum(c * c for c in attitude))
    if not (all(map(math.isfinite, rates)) and abs(norm - 1) < 0.01):
        return None
    w, x, y, z = attitude
    velocity = (message.vx * 0.01, message.vy * 0.01, message.vz * 0.01)
    north_m, east_m = home.ned_from_global(message.lat * 1e-7, message.lon * 1e-7)
    position = (north_m, east_m, home.alt_m - message.alt * 1e-3)
    return Truth(at_ns, normalized((w, x, y, z)), position, Motion(velocity, rates))


def _degrees(message: Any) -> tuple[float, float]:
    """Latitude and longitude: the integers, or the coarser floats of an old autopilot."""
    if message.lat_int or message.lon_int:
        return message.lat_int * 1e-7, message.lon_int * 1e-7
    return message.lat, message.lon


_READERS: dict[str, Callable[[Any, Home, int], Truth | None]] = {
    "SIM_STATE": truth_from_sim_state,
    "HIL_STATE_QUATERNION": truth_from_hil_state,
}


def parse_address(text: str) -> tuple[str, str, int]:
    """Kind, host and port of ``tcp:HOST:PORT`` (connects) or ``udp:HOST:PORT`` (listens).

    Raises:
        LinkError: Not of that form.
    """
    kind, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if kind not in ("tcp", "udp") or not host or not port.isdecimal() or int(port) > 65535:
        raise LinkError(f"link {text!r}: expected tcp:HOST:PORT or udp:HOST:PORT, e.g. tcp:127.0.0.1:5763")
    return kind, host, int(port)


class TruthLink(threading.Thread):
    """Keeps the newest true state and the mapping to the autopilot's boot time.

    Args:
        address: ``tcp:HOST:PORT`` is connected to, ``udp:HOST:PORT`` is listened on.
        home: Where NED has its origin; None asks the autopilot (GPS_GLOBAL_ORIGIN).
        rate_hz: Of the message with the true state.
        patience_s: To connect within.
        gimbal: The camera looks where the autopilot says that its gimbal does.
    """

    def __init__(
        self, address: str, home: Home | None, rate_hz: float = 100.0, patience_s: float = 20.0, gimbal: bool = False
    ) -> None:
        super().__init__(name="truth-link", daemon=True)
        self.address = address
        self._kind, self._host, self._port = parse_address(address)
        self._home = home
        self._interval_us = round(1e6 / rate_hz)
        self._patience_s = patience_s
        self._gimbal = GimbalHistory() if gimbal else None
        self._looks: Quaternion = (1.0, 0.0, 0.0, 0.0)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._truth: Truth | None = None
        self._boot_offset_ns: int | None = None
        self._peer: tuple[str, int] | None = None
        self.ended: str | None = None
        """Reason of its end; None while it works."""

    def stop(self) -> None:
        """Asks the thread to end; returns at once."""
        self._stopping.set()

    def truth(self) -> Truth | None:
        """The newest true state."""
        with self._lock:
            return self._truth

    def pose_at(self, at_ns: int) -> Pose | None:
        """The true pose at a moment shortly after the newest state, with the gimbal where there is one."""
        truth = self.truth()
        if truth is None:
            return None
        pose = truth.pose_at(at_ns)
        if self._gimbal is None:
            return pose
        # One that turns fast is told in steps.
        self._looks = self._gimbal.at(at_ns, pose.ned_from_frd) or self._looks
        return replace(pose, ned_from_gimbal=self._looks)

    def boot_time_s(self, at_ns: int) -> float | None:
        """The autopilot's time since boot at a monotonic moment; None until it is known."""
        with self._lock:
            offset = self._boot_offset_ns
        return None if offset is None else (at_ns - offset) * 1e-9

    def run(self) -> None:
        """Connects, asks for the true state and reads until the autopilot goes or `stop`."""
        try:
            with self._connected() as sock:
                sock.settimeout(0.1)
                self._serve(sock)
        except OSError as error:
            self.ended = f"autopilot link {self.address}: {error.strerror or error}"
        if self.ended is None:
            self.ended = "stopped"

    def _connected(self) -> socket.socket:
        if self._kind == "udp":
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((self._host, self._port))
            return sock
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                sock = socket.create_connection((self._host, self._port), timeout=1.0)
            except OSError:
                if time.monotonic() >= deadline or self._stopping.wait(0.1):
                    raise
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock

    def _serve(self, sock: socket.socket) -> None:
        mav = mavlink.MAVLink(None, SYSTEM_ID, mavlink.MAV_COMP_ID_CAMERA)
        mav.robust_parsing = True
        system: int | None = None
        is_px4 = False
        beat_at = ask_at = 0.0
        while not self._stopping.is_set():
            now = time.monotonic()
            if now >= beat_at:
                beat_at = now + HEARTBEAT_S
                self._send(sock, _heartbeat().pack(mav))
            truth = self.truth()
            waiting = truth is None or self.boot_time_s(0) is None or time.monotonic_ns() - truth.at_ns > 5e8
            if system is not None and waiting and now >= ask_at:
                ask_at = now + ASK_AGAIN_S
                for request in self._requests(system, is_px4):
                    self._send(sock, request.pack(mav))
            try:
                if self._kind == "udp":
                    data, self._peer = sock.recvfrom(65536)
                else:
                    data = sock.recv(65536)
                    if not data:
                        self.ended = f"autopilot link {self.address} was closed"
                        return
            except TimeoutError:
                continue
            at_ns = time.monotonic_ns()
            for message in mav.parse_buffer(data) or ():
                if message.get_type() == "HEARTBEAT" and message.autopilot != 8:  # not a camera
                    system = message.get_srcSystem()
                    is_px4 = message.autopilot == mavlink.MAV_AUTOPILOT_PX4
                elif system is None and message.get_type() == "HIL_STATE_QUATERNION":
                    # PX4's link for simulators has this stream, and no heartbeat.
                    system, is_px4 = message.get_srcSystem(), True
                elif system is None or message.get_srcSystem() == system:
                    self._take(message, at_ns)

    def _send(self, sock: socket.socket, data: bytes) -> None:
        if self._kind == "tcp":
            sock.sendall(data)
        elif self._peer is not None:
            sock.sendto(data, self._peer)

    def _requests(self, system: int, is_px4: bool) -> list[Any]:
        state = mavlink.MAVLINK_MSG_ID_HIL_STATE_QUATERNION if is_px4 else mavlink.MAVLINK_MSG_ID_SIM_STATE
        wanted = (
            (state, self._interval_us),
            (mavlink.MAVLINK_MSG_ID_SYSTEM_TIME, 100_000),
            (mavlink.MAVLINK_MSG_ID_GPS_GLOBAL_ORIGIN, 500_000 if self._home is None else -1),
            *([(mavlink.MAVLINK_MSG_ID_GIMBAL_DEVICE_ATTITUDE_STATUS, self._interval_us)] if self._gimbal else []),
        )
        return [
            mavlink.MAVLink_command_long_message(
                system, 1, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, 0, message_id, interval, 0, 0, 0, 0, 0
            )
            for message_id, interval in wanted
        ]

    def _take(self, message: Any, at_ns: int) -> None:
        kind = message.get_type()
        if self._gimbal is not None and self._gimbal.take(message, at_ns):
            return
        if kind == "GPS_GLOBAL_ORIGIN" and self._home is None:
            lat, lon = message.latitude * 1e-7, message.longitude * 1e-7
            self._home = Home(lat, lon, message.altitude * 1e-3)
        reader = _READERS.get(kind)
        if reader is not None:
            if self._home is None:
                return
            truth = reader(message, self._home, at_ns)
            if truth is not None:
                with self._lock:
                    self._truth = truth
            return
        boot_ms = getattr(message, "time_boot_ms", None)
        if boot_ms is not None:
            offset = at_ns - int(boot_ms) * 1_000_000
            with self._lock:
                known = self._boot_offset_ns
                # The least delay is the truest; a jump is a reboot; a slow drift is followed.
                if known is None or offset < known or offset - known > 1_000_000_000:
                    self._boot_offset_ns = offset
                else:
                    self._boot_offset_ns = known + (offset - known) // 200


def _heartbeat() -> Any:
    return mavlink.MAVLink_heartbeat_message(
        mavlink.MAV_TYPE_CAMERA, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, mavlink.MAV_STATE_ACTIVE, 3
    )
