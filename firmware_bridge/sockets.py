"""UDP and TCP, each as the waiting and as the calling side."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import threading
import time

from firmware_bridge.transport import NOTHING, READ_SIZE, STALLED_NS, Arrival, Outbox, Peer, wait_readable
from landing.errors import LinkError

CONNECT_TIMEOUT_S = 3.0
# What the network did not take for so long is thrown away with the connection: a command that comes later could be
# against what a pilot did meanwhile
STALLED_MS = STALLED_NS // 1_000_000

RECEIVE_BUFFER_BYTES = 1_000_000  # Asked of the kernel for a port that everybody can send to; it may give less
MAX_CLIENTS = 32
IDLE_NS = 5_000_000_000  # A client that has said nothing for so long gives way where there are too many


class _SocketTransport:
    """Base of the four socket transports.

    Attributes:
        nobody: Errors of a read that only mean that nothing has come.
        idle_s: Pause after such an error, s.
    """

    nobody: tuple[type[OSError], ...] = (BlockingIOError, ConnectionError)
    idle_s = 0.0

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

    def read(self, timeout_s: float) -> Arrival:
        """See `Transport`."""
        opened = self._opened()
        try:
            return self._receive(opened) if wait_readable(opened.fileno(), timeout_s) else NOTHING
        except self.nobody:
            time.sleep(min(max(0.0, timeout_s), self.idle_s))
            return NOTHING
        except OSError as error:
            raise self._lost(error) from error

    def _receive(self, opened: socket.socket) -> Arrival:
        raise NotImplementedError

    def _lost(self, error: OSError) -> LinkError:
        return LinkError(f"{self._where}: lost ({error.strerror})")

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise LinkError(f"{self._where}: not open")
        return self._socket

    def _resolve(self, kind: socket.SocketKind) -> tuple[socket.AddressFamily, tuple[str, int]]:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=kind)
        except (OSError, UnicodeError) as error:
            raise LinkError(f"{self._where}: host '{self._host}' is not found; use its address") from error
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
                listener.listen(MAX_CLIENTS)
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
    """Waits on a UDP port, and can write to anybody."""

    waits = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__("udpin", host, port)

    def open(self) -> None:
        """See `Transport`."""
        self.close()
        opened = self._listening(socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._socket = opened

    def _receive(self, opened: socket.socket) -> Arrival:
        return Arrival(*opened.recvfrom(65_535))

    def write(self, data: bytes, peer: Peer = None) -> bool:
        """See `Transport`."""
        if self._socket is None or peer is None:
            return False
        try:
            self._socket.sendto(data, peer)
        except OSError:  # full, or that peer is unreachable
            return False
        return True


class UdpClient(_SocketTransport):
    """Sends to one UDP address and hears only it. The peer may appear later or restart."""

    waits = False
    idle_s = 0.01  # While nobody is there every read fails at once

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
            raise LinkError(f"{self._where}: no way there ({error.strerror}); check the network") from error
        self._socket = opened

    def _receive(self, opened: socket.socket) -> Arrival:
        return Arrival(opened.recv(65_535))

    def write(self, data: bytes, peer: Peer = None) -> bool:
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
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)


def _throw_away(connected: socket.socket) -> None:
    """Send nothing that the other side has not taken yet after the connection is closed."""
    with contextlib.suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class TcpClient(_SocketTransport):
    """Connects to a TCP server, e.g. a simulator or a network bridge."""

    waits = False
    nobody = (BlockingIOError,)

    def __init__(self, host: str, port: int) -> None:
        super().__init__("tcp", host, port)
        self._outbox = Outbox()

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
        self._outbox = Outbox()

    def _receive(self, opened: socket.socket) -> Arrival:
        data = opened.recv(READ_SIZE)
        if not data:
            raise LinkError(f"{self._where}: closed by the other side")
        return Arrival(data)

    def read(self, timeout_s: float) -> Arrival:
        """See `Transport`."""
        opened = self._opened()
        if self._outbox.stalled(time.monotonic_ns()):
            _throw_away(opened)
            raise LinkError(f"{self._where}: the other side takes nothing; check that it runs")
        return super().read(timeout_s)

    def write(self, data: bytes, peer: Peer = None) -> bool:
        """See `Transport`."""
        return self._socket is not None and self._outbox.write(self._socket.fileno(), data, time.monotonic_ns())


class TcpServer(_SocketTransport):
    """Waits on a TCP port for clients; a newer one takes nothing from an older one.

    Clients come and go without ending the transport. When there are `MAX_CLIENTS`, a further one takes the place of the
    one that has been idle longest, or is turned away when all speak.
    """

    waits = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__("tcpin", host, port)
        # The lock keeps a descriptor from being closed, and used anew, under a write.
        self._lock = threading.Lock()
        self._clients: dict[Peer, tuple[socket.socket, Outbox]] = {}
        self._poll = select.poll()
        self._peer_of: dict[int, Peer] = {}
        self._heard_ns: dict[Peer, int] = {}
        self._ready: list[int] = []

    def open(self) -> None:
        """See `Transport`."""
        self.close()
        self._socket = self._listening(socket.SOCK_STREAM)
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN)

    def read(self, timeout_s: float) -> Arrival:
        """See `Transport`. Clients take turns."""
        listener = self._opened()
        now_ns = time.monotonic_ns()
        for peer, (client, outbox) in tuple(self._clients.items()):
            if outbox.stalled(now_ns):
                _throw_away(client)
                self._drop(peer)
        if not self._ready:
            self._ready = [fd for fd, _ in self._poll.poll(max(0.0, timeout_s) * 1000)]
        if not self._ready:
            return NOTHING
        fd = self._ready.pop()
        if fd != listener.fileno():
            return self._read_client(self._peer_of.get(fd))
        try:
            self._accept(listener)
        except self.nobody:
            pass  # the caller has gone again
        except OSError as error:
            raise self._lost(error) from error
        return NOTHING

    def write(self, data: bytes, peer: Peer = None) -> bool:
        """See `Transport`."""
        with self._lock:
            client = self._clients.get(peer)
            return client is not None and client[1].write(client[0].fileno(), data, time.monotonic_ns())

    def close(self) -> None:
        """See `Transport`."""
        for peer in tuple(self._clients):
            self._drop(peer)
        self._ready = []
        super().close()

    def _read_client(self, peer: Peer) -> Arrival:
        client = self._clients.get(peer)
        if client is None:
            return NOTHING
        try:
            data = client[0].recv(READ_SIZE)
        except BlockingIOError:
            return NOTHING
        except OSError:
            data = b""
        if data:
            self._heard_ns[peer] = time.monotonic_ns()
        else:
            self._drop(peer)
        return Arrival(data, peer)

    def _accept(self, listener: socket.socket) -> None:
        accepted, peer = listener.accept()
        now_ns = time.monotonic_ns()
        if len(self._clients) >= MAX_CLIENTS:
            idlest = min(self._heard_ns, key=lambda p: self._heard_ns[p])
            if now_ns - self._heard_ns[idlest] < IDLE_NS:
                accepted.close()
                return
            self._drop(idlest)
        try:
            _tune_tcp(accepted)
        except OSError:
            accepted.close()
            return
        with self._lock:
            self._clients[peer] = (accepted, Outbox())
        self._peer_of[accepted.fileno()] = peer
        self._heard_ns[peer] = now_ns
        self._poll.register(accepted.fileno(), select.POLLIN)

    def _drop(self, peer: Peer) -> None:
        with self._lock:
            client, _ = self._clients.pop(peer)
            self._poll.unregister(client.fileno())
            del self._peer_of[client.fileno()], self._heard_ns[peer]
            client.close()
