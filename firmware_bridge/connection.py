"""Bytes to and from the flight controller: serial, UDP and TCP behind one small contract.

Connection strings are pymavlink's: ``/dev/ttyTHS1``, ``/dev/ttyACM0,921600``, ``udpin:host:port``
(also ``udp:``), ``udpout:host:port``, ``tcp:host:port``, ``tcpin:host:port``. pymavlink's own
transports are not used: they write blocking, open without a timeout and are not thread-safe.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import termios
import time
from dataclasses import dataclass
from typing import Protocol

import serial

from landing.errors import LinkError

READ_SIZE = 4096
CONNECT_TIMEOUT_S = 3.0
PEER_TIMEOUT_NS = 5_000_000_000
MAX_PEERS = 4
FORMS = (
    "/dev/ttyTHS1, /dev/ttyACM0,921600, udpin:0.0.0.0:14550, udpout:192.168.1.10:14550, "
    "tcp:127.0.0.1:5760 or tcpin:0.0.0.0:5760"
)


class Transport(Protocol):
    """One way to the flight controller.

    ``open``, ``read`` and ``close`` are called by one thread. ``write`` may be called by another,
    never at the same time as ``close``, and never from two threads at once.
    """

    def open(self) -> None:
        """Open it, within a few seconds. It can be opened again after ``close``.

        Raises:
            LinkError: It cannot be opened; the text says why and what to do.
        """

    def read(self, timeout_s: float) -> bytes:
        """Bytes that have come, waiting no longer than the timeout; empty when there are none.

        Raises:
            LinkError: The connection is lost or was never open.
        """

    def write(self, data: bytes) -> bool:
        """Hand over one whole frame without waiting; False when it was dropped. Never raises."""

    def close(self) -> None:
        """Let go of it at once. Harmless when it is not open."""


@dataclass(frozen=True)
class Endpoint:
    """A parsed connection string.

    Attributes:
        kind: ``serial``, ``udpin``, ``udpout``, ``tcp`` or ``tcpin``.
        device: Path of the serial device.
        baud: Its speed.
        host: Host name or address.
        port: Port number.
    """

    kind: str
    device: str = ""
    baud: int = 0
    host: str = ""
    port: int = 0


def parse_connection(text: str, baud: int = 921_600) -> Endpoint:
    """Read a connection string.

    Args:
        text: The string, in one of pymavlink's forms.
        baud: Speed of a serial device whose string names none.

    Raises:
        LinkError: It is in none of the forms, or a number in it is out of range.
    """
    if text.startswith("/"):
        device, _, speed = text.partition(",")
        if speed and not (speed.isascii() and speed.isdigit()):
            raise LinkError(
                f"connection '{text}': baud '{speed}' is no number, e.g. {device},921600"
            )
        chosen = int(speed) if speed else baud
        if not 1200 <= chosen <= 12_000_000:
            raise LinkError(f"connection '{text}': baud {chosen} is not between 1200 and 12000000")
        return Endpoint("serial", device=device, baud=chosen)
    kind, _, rest = text.partition(":")
    kind = {"udp": "udpin"}.get(kind, kind)
    if kind not in ("udpin", "udpout", "tcp", "tcpin"):
        raise LinkError(f"connection '{text}': unknown form, expected one like {FORMS}")
    host, _, number = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (number.isascii() and number.isdigit()):
        raise LinkError(f"connection '{text}': expected {kind}:host:port")
    port = int(number)
    lowest = 0 if kind in ("udpin", "tcpin") else 1
    if not lowest <= port <= 65_535:
        raise LinkError(f"connection '{text}': port {port} is not between 1 and 65535")
    return Endpoint(kind, host=host, port=port)


def make_transport(endpoint: Endpoint) -> Transport:
    """The transport for an endpoint, not yet open."""
    if endpoint.kind == "serial":
        return SerialTransport(endpoint.device, endpoint.baud)
    if endpoint.kind == "udpin":
        return UdpServer(endpoint.host, endpoint.port)
    if endpoint.kind == "udpout":
        return UdpClient(endpoint.host, endpoint.port)
    if endpoint.kind == "tcp":
        return TcpClient(endpoint.host, endpoint.port)
    return TcpServer(endpoint.host, endpoint.port)


class _Outbox:
    """Writes whole frames to a non-blocking stream: the rest of a cut frame goes first."""

    def __init__(self) -> None:
        self._rest = b""

    def write(self, fd: int, data: bytes) -> bool:
        try:
            if self._rest:
                self._rest = self._rest[os.write(fd, self._rest) :]
                if self._rest:
                    return False
            self._rest = data[os.write(fd, data) :]
        except OSError:  # full (EAGAIN), or lost: then the next read says so
            return False
        return True


def _wait_readable(fd: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))


class SerialTransport:
    """A serial device: exclusive, 8N1, no flow control, non-blocking both ways.

    Args:
        device: Path, e.g. ``/dev/ttyTHS1``.
        baud: Speed; it is set, read back and compared.
    """

    def __init__(self, device: str, baud: int) -> None:
        self._device = device
        self._baud = baud
        self._port: serial.Serial | None = None
        self._outbox = _Outbox()

    def open(self) -> None:
        """See `Transport`. The device is locked against other programs that lock it too."""
        self.close()
        try:
            port = serial.Serial(
                self._device, self._baud, timeout=0, write_timeout=0, exclusive=True
            )
        except (OSError, ValueError, termios.error) as error:
            raise LinkError(self._why(error)) from error
        self._port = port
        self._outbox = _Outbox()
        actual = _baud_of(port.fileno())
        # A divisor of the clock may not hit the rate exactly; beyond 2 % bytes are misread.
        if actual is not None and abs(actual - self._baud) > 0.02 * self._baud:
            self.close()
            raise LinkError(
                f"serial {self._device}: asked for {self._baud} baud, the driver set {actual}; "
                "choose a baud rate that the port supports, and the same in the autopilot"
            )

    def read(self, timeout_s: float) -> bytes:
        """See `Transport`."""
        if self._port is None:
            raise LinkError(f"serial {self._device}: not open")
        fd = self._port.fileno()
        try:
            if not _wait_readable(fd, timeout_s):
                return b""
            data = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LinkError(
                f"serial {self._device}: lost ({error.strerror}); check the cable and its power"
            ) from error
        if not data:
            raise LinkError(f"serial {self._device}: gone; check the cable and its power")
        return data

    def write(self, data: bytes) -> bool:
        """See `Transport`."""
        return self._port is not None and self._outbox.write(self._port.fileno(), data)

    def close(self) -> None:
        """See `Transport`. Unsent bytes are discarded: draining could wait for half a minute."""
        port, self._port = self._port, None
        if port is None:
            return
        try:
            termios.tcflush(port.fileno(), termios.TCIOFLUSH)
            port.close()
        except (OSError, termios.error):
            return  # the device is gone; nothing is left to let go of

    def _why(self, error: Exception) -> str:
        code = getattr(error, "errno", None)
        where = f"serial {self._device}"
        if code == errno.ENOENT:
            return f"{where}: no such device; plug it in, and look at /dev/serial/by-id"
        if code in (errno.EACCES, errno.EPERM):
            return f"{where}: permission denied; add the user to the group that owns it (dialout)"
        if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
            return f"{where}: in use by another program; stop it (getty, ModemManager, a proxy)"
        if isinstance(error, ValueError):
            return f"{where}: baud {self._baud} is not supported; use the autopilot's, e.g. 921600"
        return f"{where}: cannot be opened as a serial port at {self._baud} baud ({error})"


def _baud_of(fd: int) -> int | None:
    """Output speed the driver reports, or None where Linux' TCGETS2 is not answered."""
    tcgets2 = 0x802C542A
    try:
        answer = fcntl.ioctl(fd, tcgets2, bytes(44))
    except OSError:
        return None
    # struct termios2: 4 flags, line and 19 control characters, then input and output speed.
    return int(struct.unpack_from("=I", answer, 40)[0])


class _SocketTransport:
    """What the four socket transports share."""

    def __init__(self, kind: str, host: str, port: int) -> None:
        self._where = f"{kind}:{host}:{port}"
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None

    @property
    def bound_port(self) -> int:
        """Local port, e.g. the one the system chose for port 0; 0 when not open."""
        return 0 if self._socket is None else int(self._socket.getsockname()[1])

    def close(self) -> None:
        """See `Transport`."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise LinkError(f"{self._where}: not open")
        return self._socket

    def _resolve(self, kind: socket.SocketKind) -> tuple[socket.AddressFamily, tuple[str, int]]:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=kind)
        except (OSError, UnicodeError) as error:
            raise LinkError(
                f"{self._where}: host '{self._host}' is not found; use its address"
            ) from error
        family, _, _, _, address = found[0]
        return family, address  # type: ignore[return-value]

    def _listening(self, kind: socket.SocketKind) -> socket.socket:
        family, address = self._resolve(kind)
        listener = socket.socket(family, kind)
        try:
            if kind == socket.SOCK_STREAM:
                # So that a restart need not wait for the old connection's TIME_WAIT.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            if kind == socket.SOCK_STREAM:
                listener.listen(1)
        except OSError as error:
            listener.close()
            raise LinkError(self._bind_failed(error)) from error
        return listener

    def _bind_failed(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"{self._where}: port in use; stop the other program or choose another port"
        if error.errno == errno.EADDRNOTAVAIL:
            return f"{self._where}: not an address of this computer; use 0.0.0.0 or one that is"
        return f"{self._where}: cannot be bound ({error.strerror}); ports below 1024 need rights"


class UdpServer(_SocketTransport):
    """Waits on a UDP port; answers go to everybody heard in the last seconds (at most four).

    To all instead of to the newest: a ground station on the same port must not draw our messages
    away from the autopilot.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__("udpin", host, port)
        self._peers: dict[tuple[str, int], int] = {}

    def open(self) -> None:
        """See `Transport`."""
        self.close()
        self._peers = {}
        self._socket = self._listening(socket.SOCK_DGRAM)

    def read(self, timeout_s: float) -> bytes:
        """See `Transport`."""
        opened = self._opened()
        try:
            if not _wait_readable(opened.fileno(), timeout_s):
                return b""
            data, peer = opened.recvfrom(65_535)
        except (BlockingIOError, ConnectionError):
            return b""  # a peer's port was closed; others, or it again, may follow
        except OSError as error:
            raise LinkError(f"{self._where}: lost ({error.strerror})") from error
        self._remember(peer)
        return data

    def write(self, data: bytes) -> bool:
        """See `Transport`."""
        if self._socket is None:
            return False
        sent = False
        for peer in tuple(self._peers):
            try:
                self._socket.sendto(data, peer)
                sent = True
            except OSError:  # full, or that peer is unreachable
                continue
        return sent

    def _remember(self, peer: tuple[str, int]) -> None:
        now_ns = time.monotonic_ns()
        peers = {p: at for p, at in self._peers.items() if now_ns - at < PEER_TIMEOUT_NS}
        if peer not in peers and len(peers) >= MAX_PEERS:
            del peers[min(peers, key=lambda p: peers[p])]
        peers[peer] = now_ns
        self._peers = peers  # replaced as a whole: write may be walking the old one


class UdpClient(_SocketTransport):
    """Sends to one UDP address and hears only it. The peer may appear later or restart."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__("udpout", host, port)

    def open(self) -> None:
        """See `Transport`."""
        self.close()
        family, address = self._resolve(socket.SOCK_DGRAM)
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.connect(address)
        except OSError as error:
            opened.close()
            raise LinkError(
                f"{self._where}: no way there ({error.strerror}); check the network"
            ) from error
        self._socket = opened

    def read(self, timeout_s: float) -> bytes:
        """See `Transport`."""
        opened = self._opened()
        try:
            if not _wait_readable(opened.fileno(), timeout_s):
                return b""
            return opened.recv(65_535)
        except (BlockingIOError, ConnectionError):
            time.sleep(min(max(0.0, timeout_s), 0.01))  # nobody there yet: not a busy loop
            return b""
        except OSError as error:
            raise LinkError(f"{self._where}: lost ({error.strerror})") from error

    def write(self, data: bytes) -> bool:
        """See `Transport`."""
        if self._socket is None:
            return False
        try:
            self._socket.send(data)
        except OSError:
            return False
        return True


def _tune_tcp(connected: socket.socket) -> None:
    """No bundling of small frames, and a vanished peer is noticed within seconds."""
    connected.setblocking(False)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 3)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)


class TcpClient(_SocketTransport):
    """Connects to a TCP server, e.g. a simulator or a network bridge."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__("tcp", host, port)
        self._outbox = _Outbox()

    def open(self) -> None:
        """See `Transport`."""
        self.close()
        family, address = self._resolve(socket.SOCK_STREAM)
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.settimeout(CONNECT_TIMEOUT_S)
            opened.connect(address)
            _tune_tcp(opened)
        except OSError as error:
            opened.close()
            why = error.strerror or "no answer in time"
            raise LinkError(
                f"{self._where}: cannot connect ({why}); check that the autopilot or proxy listens"
            ) from error
        self._socket = opened
        self._outbox = _Outbox()

    def read(self, timeout_s: float) -> bytes:
        """See `Transport`."""
        opened = self._opened()
        try:
            if not _wait_readable(opened.fileno(), timeout_s):
                return b""
            data = opened.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LinkError(f"{self._where}: lost ({error.strerror})") from error
        if not data:
            raise LinkError(f"{self._where}: closed by the other side")
        return data

    def write(self, data: bytes) -> bool:
        """See `Transport`."""
        return self._socket is not None and self._outbox.write(self._socket.fileno(), data)


class TcpServer(_SocketTransport):
    """Waits on a TCP port for one client; a newer client replaces an older one.

    A client that leaves does not end the transport: the next one is awaited.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__("tcpin", host, port)
        self._client: tuple[socket.socket, _Outbox] | None = None
        self._left: socket.socket | None = None

    def open(self) -> None:
        """See `Transport`."""
        self.close()
        self._socket = self._listening(socket.SOCK_STREAM)

    def read(self, timeout_s: float) -> bytes:
        """See `Transport`."""
        listener = self._opened()
        poll = select.poll()
        poll.register(listener.fileno(), select.POLLIN)
        client = self._client
        if client is not None:
            poll.register(client[0].fileno(), select.POLLIN)
        ready = {fd for fd, _ in poll.poll(max(0.0, timeout_s) * 1000)}
        try:
            if listener.fileno() in ready:
                self._accept(listener)
                return b""
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LinkError(f"{self._where}: lost ({error.strerror})") from error
        if client is None or client[0].fileno() not in ready:
            return b""
        try:
            data = client[0].recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop_client()
        return data

    def write(self, data: bytes) -> bool:
        """See `Transport`."""
        client = self._client
        return client is not None and client[1].write(client[0].fileno(), data)

    def close(self) -> None:
        """See `Transport`."""
        self._drop_client()
        if self._left is not None:
            self._left.close()
            self._left = None
        super().close()

    def _accept(self, listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        self._drop_client()
        try:
            _tune_tcp(accepted)
        except OSError:
            accepted.close()
            return
        self._client = (accepted, _Outbox())

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        # A write in another thread may still hold its number: it is shut down now, and closed,
        # so that the number can be used again, only when the next one leaves.
        if self._left is not None:
            self._left.close()
        with contextlib.suppress(OSError):
            client[0].shutdown(socket.SHUT_RDWR)
        self._left = client[0]
