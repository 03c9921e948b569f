"""Others who speak to the daemon's UDP port, each from a port of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from firmware_bridge.dialect import mavlink
from tests.faults.wire import TARGET

QUADROTOR = mavlink.MAV_TYPE_QUADROTOR
STEP_S = 0.02


class Strangers(threading.Thread):
    """Speaks while it is in a `with`.

    Args:
        port: The daemon's.
        systems: System id of each.
        component: Component id of all.
        kind: MAV_TYPE of all.
        autopilot: MAV_AUTOPILOT of all.
        period_s: Between two heartbeats of each.
        poses: Each sends poses too, of a vehicle 90 m up that looks elsewhere.

    Attributes:
        began_ns: Monotonic time of the first heartbeat.
        targets: LANDING_TARGETs that were sent to any of them.
    """

    def __init__(
        self,
        port: int,
        systems: range,
        component: int,
        kind: int,
        autopilot: int,
        period_s: float = 1.0,
        poses: bool = False,
    ) -> None:
        super().__init__(name="strangers", daemon=True)
        self._kind, self._autopilot = kind, autopilot
        self._period_s, self._poses = period_s, poses
        self._senders = []
        for system in systems:
            door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            door.connect(("127.0.0.1", port))
            door.setblocking(False)
            self._senders.append((door, mavlink.MAVLink(None, system, component)))
        self._stopping = threading.Event()
        self.began_ns = 0
        self.targets = 0

    def __enter__(self) -> Strangers:
        self.began_ns = time.monotonic_ns()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join(5.0)
        for door, _ in self._senders:
            door.close()

    def run(self) -> None:
        parser = mavlink.MAVLink(None)
        parser.robust_parsing = True
        due = time.monotonic()
        while not self._stopping.is_set():
            beat = time.monotonic() >= due
            due += self._period_s if beat else 0.0
            for door, mav in self._senders:
                if beat:
                    self._send(door, mav, self._heartbeat())
                if self._poses:
                    for message in self._pose():
                        self._send(door, mav, message)
                with contextlib.suppress(OSError):
                    for message in parser.parse_buffer(door.recv(65_535)) or ():
                        self.targets += message.get_msgId() == TARGET
            self._stopping.wait(STEP_S)

    def _heartbeat(self) -> mavlink.MAVLink_message:
        armed = mavlink.MAV_MODE_FLAG_SAFETY_ARMED
        return mavlink.MAVLink_heartbeat_message(self._kind, self._autopilot, armed, 4, 4, 3)

    def _pose(self) -> tuple[mavlink.MAVLink_message, ...]:
        boot_ms = time.monotonic_ns() // 1_000_000 % 1_000_000
        return (
            mavlink.MAVLink_attitude_quaternion_message(boot_ms, 0.7, 0, 0, 0.7, 0, 0, 0),
            mavlink.MAVLink_local_position_ned_message(boot_ms, 500, 500, -90, 0, 0, 0),
        )

    @staticmethod
    def _send(door: socket.socket, mav: mavlink.MAVLink, message: mavlink.MAVLink_message) -> None:
        with contextlib.suppress(OSError):
            door.send(message.pack(mav))
        mav.seq = (mav.seq + 1) % 256
