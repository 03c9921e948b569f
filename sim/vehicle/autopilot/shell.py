"""Real-time shell of the stand-in: TCP links and pacing around the pure `StandInAutopilot`.

One thread, one ``select`` loop, paced by the monotonic clock. Each link listens and serves one client at a time, as
SITL's serial ports do. Only loopback addresses are accepted.
"""

from __future__ import annotations

import ipaddress
import json
import select
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.errors import LinkError
from sim.vehicle.autopilot.core import TICK_S, StandInAutopilot

RECEIVE_BYTES = 65536
LATE_MAX_S = 0.5
"""Time beyond this (a suspended laptop) is skipped rather than caught up with."""

WAKE_S = 0.01
"""One wake-up serves at most this much time, so that links stay responsive."""


def parse_listener(text: str) -> tuple[str, int]:
    """Host and port of ``tcp:HOST:PORT``.

    Raises:
        LinkError: Not of that form, or not a loopback address.
    """
    kind, _, address = text.partition(":")
    host, _, port = address.rpartition(":")
    if kind != "tcp" or not host or not port.isdecimal() or int(port) > 65535:
        raise LinkError(f"link {text!r} is not tcp:HOST:PORT, e.g. tcp:127.0.0.1:5760")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return host, int(port)
    raise LinkError(f"link {text!r}: {host} is not a loopback address; use 127.0.0.1")


class _Listener:
    """One link; the next client is served after the last has gone."""

    def __init__(self, text: str, system_id: int) -> None:
        host, port = parse_listener(text)
        self._system_id = system_id
        self._client: socket.socket | None = None
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((host, port))
        except OSError as error:
            self._listener.close()
            raise LinkError(
                f"link {text} cannot be opened ({error.strerror}); is another autopilot running? "
                "Port 0 picks a free one"
            ) from error
        self._listener.listen(1)
        self._listener.setblocking(False)
        self.address = f"tcp:{host}:{self._listener.getsockname()[1]}"

    @property
    def socket(self) -> socket.socket:
        """The one to wait for."""
        return self._listener if self._client is None else self._client

    def receive(self) -> list[Any]:
        """Messages of the client, or none after accepting one."""
        if self._client is None:
            with suppress(BlockingIOError, ConnectionError):
                self._client, _ = self._listener.accept()
                self._client.setblocking(False)
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._mav: Any = mavlink.MAVLink(None, srcSystem=self._system_id, srcComponent=1)
                self._mav.robust_parsing = True
            return []
        try:
            data = self._client.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.drop()
            return []
        return [m for m in self._mav.parse_buffer(data) or [] if m.get_type() != "BAD_DATA"]

    def send(self, message: Any) -> None:
        """Sends to the client; one that does not read loses messages, as on a full serial port."""
        if self._client is None:
            return
        data = bytes(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256
        self.pass_on(data)

    def pass_on(self, data: bytes) -> None:
        """Sends a frame as it came from another link."""
        if self._client is None:
            return
        try:
            if self._client.send(data) < len(data):
                self.drop()  # half a frame went out: resynchronise by a new connection
        except BlockingIOError:
            return
        except OSError:
            self.drop()

    def drop(self) -> None:
        """Closes the connection to the client."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        """Closes everything."""
        self.drop()
        self._listener.close()


class Shell:
    """Runs a `StandInAutopilot` on links ``tcp:HOST:PORT`` until `stop` is called.

    Raises:
        LinkError: A link cannot be opened.
    """

    def __init__(self, autopilot: StandInAutopilot, links: Sequence[str], *, speedup: float = 1.0) -> None:
        self._autopilot = autopilot
        self._speedup = speedup
        self._running = True
        self._links: list[_Listener] = []
        with ExitStack() as undo:
            for index, text in enumerate(links):
                link = _Listener(text, autopilot.system_id)
                undo.callback(link.close)
                self._links.append(link)
                autopilot.connect(index)
            self._exit = undo.pop_all()
        self._reboots = autopilot.reboots

    @property
    def addresses(self) -> list[str]:
        """The links with the ports really used."""
        return [link.address for link in self._links]

    def announce(self) -> None:
        """Print the ``listening`` event, one JSON line, for a parent process."""
        print(json.dumps({"event": "listening", "links": self.addresses}), flush=True)

    def stop(self) -> None:
        """End `run` soon; safe in a signal handler."""
        self._running = False

    def run(self) -> None:
        """Serve until stopped, then close the links."""
        with self._exit:
            wake_s = max(TICK_S / self._speedup, WAKE_S)
            before_s = time.monotonic()
            while self._running:
                self._serve(max(before_s + wake_s - time.monotonic(), 0.0))
                now_s = time.monotonic()
                if now_s - before_s < wake_s:
                    continue
                self._autopilot.step(min(now_s - before_s, LATE_MAX_S) * self._speedup)
                before_s = now_s
                self._flush()

    def _serve(self, wait_s: float) -> None:
        owners = {link.socket: i for i, link in enumerate(self._links)}
        ready, _, _ = select.select(list(owners), [], [], wait_s)
        for sock in ready:
            for message in self._links[owners[sock]].receive():
                self._autopilot.receive(owners[sock], message)
                if self._is_for_another(message):
                    for link in self._links:
                        if link is not self._links[owners[sock]]:
                            link.pass_on(bytes(message.get_msgbuf()))
        if ready:
            self._flush()

    def _is_for_another(self, message: Any) -> bool:
        """Return True for what is addressed to another component of the vehicle: both autopilots pass it on."""
        own = (0, mavlink.MAV_COMP_ID_AUTOPILOT1)
        addressed = getattr(message, "target_system", None) == self._autopilot.system_id
        return addressed and getattr(message, "target_component", 0) not in own

    def _flush(self) -> None:
        for index, message in self._autopilot.take_outbox():
            assert isinstance(index, int)
            self._links[index].send(message)
        if self._autopilot.reboots != self._reboots:
            self._reboots = self._autopilot.reboots
            for link in self._links:
                link.drop()  # SITL restarts its process on reboot, so its clients see the connection close
