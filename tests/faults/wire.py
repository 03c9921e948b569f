"""A cable between daemon and autopilot that misbehaves on order, and sees every target."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
import time
from dataclasses import dataclass

from firmware_bridge.dialect import mavlink
from landing.geometry import multiplied, quaternion_from_euler

POLL_S = 0.02
READ_SIZE = 65_536
TARGET, POSITION, ATTITUDE, RANGE = 149, 32, 31, 132
LIE_EACH, LIE_MS = 5, 4000
"""Every so many stamps of the autopilot's clock are off by so much, when it is to lie."""


@dataclass(frozen=True)
class Seen:
    """One LANDING_TARGET that passed.

    Attributes:
        at_ns: Monotonic time.
        stamp_us: Its time_usec.
        offset_frd_m: Where it points, body axes, m.
    """

    at_ns: int
    stamp_us: int
    offset_frd_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Reset:
    """What the autopilot's estimator adds to its pose after a reset.

    Attributes:
        yaw_rad: To the heading.
        north_m, down_m: To the local position.
    """

    yaw_rad: float = 0.0
    north_m: float = 0.0
    down_m: float = 0.0


class Wire(threading.Thread):
    """Listens for the daemon, connects to the autopilot.

    Args:
        port: The autopilot's TCP port on the loopback.
    """

    def __init__(self, port: int) -> None:
        super().__init__(name="wire", daemon=True)
        self.upstream_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(POLL_S)
        self.connection = f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"
        self.order = "good"  # or: cut, garble, flood, lie
        self.reset = Reset()
        self.range_heard = True
        self.lies = 0
        self.targets: list[Seen] = []
        self.last_pose_ns = 0
        self._stamped = 0
        self._stopping = threading.Event()
        self._random = random.Random(0)

    def close(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        self.join(5.0)
        self._listener.close()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with client, contextlib.suppress(OSError):
                address = ("127.0.0.1", self.upstream_port)
                with socket.create_connection(address, 2.0) as autopilot:
                    for door in (client, autopilot):
                        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._pass_on(client, autopilot)

    def _pass_on(self, client: socket.socket, autopilot: socket.socket) -> None:
        down, up = mavlink.MAVLink(None), mavlink.MAVLink(None)
        down.robust_parsing = up.robust_parsing = True
        while not self._stopping.is_set():
            ready, _, _ = select.select([client, autopilot], [], [], POLL_S)
            order = self.order
            if order == "flood":
                junk = self._random.randbytes(40_000)  # some 2 MB/s
                with contextlib.suppress(BlockingIOError):
                    client.send(junk, socket.MSG_DONTWAIT)
            for door in ready:
                data = door.recv(READ_SIZE)
                if not data:
                    return
                if order == "cut":
                    continue
                if order == "garble":
                    data = bytes(b ^ 0x55 if k % 3 == 0 else b for k, b in enumerate(data))
                now_ns = time.monotonic_ns()
                if door is autopilot and order == "lie":
                    client.sendall(self._with_lies(down, data))
                elif door is autopilot and (self.reset != Reset() or not self.range_heard):
                    client.sendall(self._after_reset(down, data))
                elif door is autopilot:
                    if order in ("good", "flood"):
                        self._note_pose(down, data, now_ns)
                    client.sendall(data)
                else:
                    self._note_targets(up, data, now_ns)
                    autopilot.sendall(data)

    def _note_pose(self, parser: mavlink.MAVLink, data: bytes, now_ns: int) -> None:
        for message in parser.parse_buffer(data) or ():
            if message.get_msgId() in (POSITION, ATTITUDE):
                self.last_pose_ns = now_ns

    def _with_lies(self, parser: mavlink.MAVLink, data: bytes) -> bytes:
        """The same messages, some of them with another time since boot."""
        told = b""
        for message in parser.parse_buffer(data) or ():
            if not hasattr(message, "time_boot_ms"):
                told += message.get_msgbuf()
                continue
            self._stamped += 1
            if self._stamped % LIE_EACH == 0:
                self.lies += 1
                off_ms = LIE_MS if self.lies % 2 else -LIE_MS
                message.time_boot_ms = max(0, message.time_boot_ms + off_ms)
            packer = mavlink.MAVLink(None, message.get_srcSystem(), message.get_srcComponent())
            packer.seq = message.get_seq()
            told += message.pack(packer)
        return told

    def _after_reset(self, parser: mavlink.MAVLink, data: bytes) -> bytes:
        """The same messages as an estimator sends them that was reset, without a rangefinder."""
        told, reset = b"", self.reset
        for message in parser.parse_buffer(data) or ():
            kind = message.get_msgId()
            if kind == RANGE and not self.range_heard:
                continue
            if kind == POSITION:
                message.x += reset.north_m
                message.z += reset.down_m
            elif kind == ATTITUDE:
                turn = quaternion_from_euler(0.0, 0.0, reset.yaw_rad)
                attitude = (message.q1, message.q2, message.q3, message.q4)
                message.q1, message.q2, message.q3, message.q4 = multiplied(turn, attitude)
            else:
                told += message.get_msgbuf()
                continue
            packer = mavlink.MAVLink(None, message.get_srcSystem(), message.get_srcComponent())
            packer.seq = message.get_seq()
            told += message.pack(packer)
        return told

    def _note_targets(self, parser: mavlink.MAVLink, data: bytes, now_ns: int) -> None:
        for message in parser.parse_buffer(data) or ():
            if message.get_msgId() == TARGET:
                offset_m = (message.x, message.y, message.z)
                self.targets.append(Seen(now_ns, message.time_usec, offset_m))


class UdpWire(Wire):
    """The same to a daemon that waits on a UDP port, where strangers can speak as well."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.daemon_port = int(probe.getsockname()[1])
        self.connection = f"udpin:127.0.0.1:{self.daemon_port}"
        self._door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._door.connect(("127.0.0.1", self.daemon_port))

    def close(self) -> None:
        """Ends the thread."""
        super().close()
        self._door.close()

    def run(self) -> None:
        while not self._stopping.wait(POLL_S):
            # Refused until the daemon waits; the door stays, and with it our port.
            with contextlib.suppress(OSError):
                address = ("127.0.0.1", self.upstream_port)
                with socket.create_connection(address, 2.0) as autopilot:
                    autopilot.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while not self._stopping.is_set():
                        with contextlib.suppress(ConnectionRefusedError):
                            self._pass_on(self._door, autopilot)
                            break
