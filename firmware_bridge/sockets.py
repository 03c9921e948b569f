"""UDP and TCP, each as the waiting and as the calling side."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time

from firmware_bridge.transport import READ_SIZE, Outbox, wait_readable
from landing.errors import LinkError

CONNECT_TIMEOUT_S = 3.0
PEER_TIMEOUT_NS = 5_000_000_000
MAX_PEERS = 4


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
            if not wait_readable(opened.fileno(), timeout_s):
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
            if not wait_readable(opened.fileno(), timeout_s):
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

    def read(self, timeout_s: float) -> bytes:
        """See `Transport`."""
        opened = self._opened()
        try:
            if not wait_readable(opened.fileno(), timeout_s):
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
        self._client: tuple[socket.socket, Outbox] | None = None
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
        self._client = (accepted, Outbox())

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
