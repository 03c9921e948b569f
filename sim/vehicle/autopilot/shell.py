"""Real-time shell of the stand-in: sockets and pacing around the pure ``StandInAutopilot``.

One thread, one ``select`` loop, paced by the monotonic clock. ``tcp:`` links listen and serve one client at a time, as
SITL's serial ports do; ``udp:`` links send to an address and take replies, as SITL's ``udpclient`` does. Only loopback
addresses are accepted.
"""

from __future__ import annotations

import ipaddress
import json
import select
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from firmware_bridge.dialect import mavlink
from sim.vehicle.autopilot.core import TICK_S, StandInAutopilot

RECEIVE_BYTES = 65536
# Behind by more than this (a suspended laptop), time is let go rather than raced after.
LATE_MAX_S = 0.5
# One wake-up serves at most this much simulated time, so that links stay responsive.
WAKE_S = 0.01


class LinkError(ValueError):
    """A link specification that the stand-in does not accept."""


@dataclass(frozen=True)
class LinkSpec:
    """``tcp:HOST:PORT`` (listens) or ``udp:HOST:PORT`` (sends there)."""

    kind: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> LinkSpec:
        """Read a specification.

        Raises:
            LinkError: Not of that form, not loopback, or a UDP link without a port.
        """
        kind, _, address = text.partition(":")
        host, _, port_text = address.rpartition(":")
        if kind not in ("tcp", "udp") or not host or not port_text.isdecimal():
            raise LinkError(f"link {text!r} is not tcp:HOST:PORT or udp:HOST:PORT, e.g. tcp:127.0.0.1:5760")
        host = "127.0.0.1" if host == "localhost" else host.strip("[]")
        port = int(port_text)
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise LinkError(f"link {text!r}: {host} is not a loopback address; use 127.0.0.1")
        if port > 65535 or (kind == "udp" and port == 0):
            raise LinkError(f"link {text!r}: port {port} cannot be sent to; give 1 to 65535")
        return cls(kind, host, port)


class _Codec:
    """MAVLink framing of one link: its own sequence numbers, parser that survives garbage."""

    def __init__(self, system_id: int) -> None:
        self._mav: Any = mavlink.MAVLink(None, srcSystem=system_id, srcComponent=1)
        self._mav.robust_parsing = True

    def encode(self, message: Any) -> bytes:
        data = bytes(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256
        return data

    def decode(self, data: bytes) -> list[Any]:
        messages = self._mav.parse_buffer(data) or []
        return [m for m in messages if m.get_type() != "BAD_DATA"]


class _Transport(Protocol):
    """One ``--link``: what the loop needs of it."""

    spec: LinkSpec

    def sockets(self) -> list[socket.socket]: ...

    def readable(self, ready: socket.socket) -> list[Any]: ...

    def send(self, message: Any) -> None: ...

    def rebooted(self) -> None: ...

    def close(self) -> None: ...


class _TcpLink:
    """Listens; one client at a time, the next after it has gone."""

    def __init__(self, spec: LinkSpec, system_id: int) -> None:
        self._system_id = system_id
        self._client: socket.socket | None = None
        self._codec = _Codec(system_id)
        family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((spec.host, spec.port))
        except OSError as error:
            self._listener.close()
            raise LinkError(
                f"link tcp:{spec.host}:{spec.port} cannot be opened ({error.strerror}); "
                "is another autopilot running? Port 0 picks a free one"
            ) from error
        self._listener.listen(1)
        self._listener.setblocking(False)
        self.spec = LinkSpec("tcp", spec.host, int(self._listener.getsockname()[1]))

    def sockets(self) -> list[socket.socket]:
        return [self._listener if self._client is None else self._client]

    def readable(self, ready: socket.socket) -> list[Any]:
        if ready is self._listener:
            with suppress(BlockingIOError, ConnectionError):
                self._client, _ = self._listener.accept()
                self._client.setblocking(False)
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._codec = _Codec(self._system_id)
            return []
        try:
            data = ready.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self._drop()
            return []
        return self._codec.decode(data)

    def send(self, message: Any) -> None:
        if self._client is None:
            return
        data = self._codec.encode(message)
        try:
            sent = self._client.send(data)
        except BlockingIOError:
            return  # a client that does not read loses messages, as on a full serial port
        except OSError:
            self._drop()
            return
        if sent < len(data):
            self._drop()  # half a frame went out: resynchronise by a new connection

    def rebooted(self) -> None:
        # SITL restarts its process on reboot, so its TCP clients see the connection close.
        self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        self._drop()
        self._listener.close()


class _UdpLink:
    """Sends to one address and takes what comes back."""

    def __init__(self, spec: LinkSpec, system_id: int) -> None:
        self.spec = spec
        self._codec = _Codec(system_id)
        family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind(("::1" if family is socket.AF_INET6 else "127.0.0.1", 0))
        self._socket.setblocking(False)

    def sockets(self) -> list[socket.socket]:
        return [self._socket]

    def readable(self, ready: socket.socket) -> list[Any]:
        try:
            data = ready.recv(RECEIVE_BYTES)
        except OSError:  # nobody listens there yet: the kernel hands us its ICMP refusal
            return []
        return self._codec.decode(data)

    def send(self, message: Any) -> None:
        with suppress(OSError):
            self._socket.sendto(self._codec.encode(message), (self.spec.host, self.spec.port))

    def rebooted(self) -> None:
        pass

    def close(self) -> None:
        self._socket.close()


class Shell:
    """Runs a ``StandInAutopilot`` on sockets until ``stop`` is called.

    Args:
        autopilot: The autopilot to run.
        links: Where to serve.
        speedup: Simulated seconds per real second.

    Raises:
        LinkError: A link cannot be opened.
    """

    def __init__(self, autopilot: StandInAutopilot, links: Sequence[LinkSpec], *, speedup: float = 1.0) -> None:
        self._autopilot = autopilot
        self._speedup = speedup
        self._running = True
        self._links: list[_Transport] = []
        with ExitStack() as undo:
            for index, spec in enumerate(links):
                kind = _TcpLink if spec.kind == "tcp" else _UdpLink
                link = kind(spec, autopilot.system_id)
                undo.callback(link.close)
                self._links.append(link)
                autopilot.connect(index)
            self._exit = undo.pop_all()
        self._reboots = autopilot.reboots

    @property
    def addresses(self) -> list[str]:
        """The links with the ports really used."""
        return [f"{s.kind}:{s.host}:{s.port}" for s in (link.spec for link in self._links)]

    def announce(self, out: TextIO | None = None) -> None:
        """Print the ``listening`` event, one JSON line that a parent process can wait for."""
        event = {"event": "listening", "links": self.addresses}
        print(json.dumps(event), file=out or sys.stdout, flush=True)

    def stop(self) -> None:
        """End ``run`` soon; safe in a signal handler."""
        self._running = False

    def run(self) -> None:
        """Serve until stopped, then close the links."""
        with self._exit:
            wake_s = max(TICK_S / self._speedup, WAKE_S)
            before_s = time.monotonic()
            owed_s = 0.0
            while self._running:
                self._serve(max(before_s + wake_s - time.monotonic(), 0.0))
                now_s = time.monotonic()
                if now_s - before_s < wake_s:
                    continue
                owed_s = min(owed_s + now_s - before_s, LATE_MAX_S)
                before_s = now_s
                self._autopilot.step(owed_s * self._speedup)
                owed_s = 0.0
                self._flush()

    def _serve(self, wait_s: float) -> None:
        owners = {s: i for i, link in enumerate(self._links) for s in link.sockets()}
        if not owners:
            time.sleep(wait_s)
            return
        ready, _, _ = select.select(list(owners), [], [], wait_s)
        for sock in ready:
            index = owners[sock]
            for message in self._links[index].readable(sock):
                self._autopilot.receive(index, message)
        if ready:
            self._flush()

    def _flush(self) -> None:
        for index, message in self._autopilot.take_outbox():
            assert isinstance(index, int)
            self._links[index].send(message)
        if self._autopilot.reboots != self._reboots:
            self._reboots = self._autopilot.reboots
            for link in self._links:
                link.rebooted()
