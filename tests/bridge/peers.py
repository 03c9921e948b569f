"""The other end of each kind of connection, over loopback and ptys only."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
import tty


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, timeout_s=5.0):
    """Poll until the condition holds; returns its last value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.005)


class Peer:
    """``connection`` is the string for our side; the peer may hang up and come back."""

    connection: str
    survives_hangup = False

    def fileno(self):
        raise NotImplementedError

    def send(self, data):
        raise NotImplementedError

    def _receive(self):
        raise NotImplementedError

    def receive(self, timeout_s=2.0):
        fd = self.fileno()
        if fd < 0:
            time.sleep(min(timeout_s, 0.01))
            return b""
        readable, _, _ = select.select([fd], [], [], timeout_s)
        return self._receive() if readable else b""

    def hangup(self):
        raise NotImplementedError

    def come_back(self):
        raise NotImplementedError

    def close(self):
        self.hangup()


class PtyPeer(Peer):
    """A pty whose near end is found by a stable path, like /dev/serial/by-id."""

    def __init__(self, folder, baud=921_600):
        self._link = folder / "autopilot"
        self.connection = f"{self._link},{baud}"
        self._fd = -1
        self.come_back()

    def come_back(self):
        self._fd, near = os.openpty()
        tty.setraw(near)
        os.set_blocking(self._fd, False)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(os.ttyname(near))
        os.close(near)

    def fileno(self):
        return self._fd

    def send(self, data):
        return os.write(self._fd, data)

    def _receive(self):
        try:
            return os.read(self._fd, 4096)
        except OSError:  # nobody has opened the near end
            time.sleep(0.005)
            return b""

    def hangup(self):
        if self._fd >= 0:
            self._link.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


class SocketPeer(Peer):
    def __init__(self):
        self._socket = None
        self._to = None

    def fileno(self):
        return -1 if self._socket is None else self._socket.fileno()

    def hangup(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class UdpOutgoingPeer(SocketPeer):
    """Speaks to our udpin."""

    survives_hangup = True

    def __init__(self, scheme="udpin"):
        super().__init__()
        port = free_port(socket.SOCK_DGRAM)
        self.connection = f"{scheme}:127.0.0.1:{port}"
        self._to = ("127.0.0.1", port)
        self.come_back()

    def come_back(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)

    def send(self, data):
        self._socket.sendto(data, self._to)

    def _receive(self):
        try:
            return self._socket.recv(65_535)
        except OSError:
            return b""


class UdpWaitingPeer(SocketPeer):
    """Our udpout speaks to it."""

    survives_hangup = True

    def __init__(self):
        super().__init__()
        self._port = free_port(socket.SOCK_DGRAM)
        self.connection = f"udpout:127.0.0.1:{self._port}"
        self.come_back()

    def come_back(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self._port))
        self._socket.setblocking(False)
        self._to = None

    def send(self, data):
        if self._to is not None:
            self._socket.sendto(data, self._to)

    def _receive(self):
        try:
            data, self._to = self._socket.recvfrom(65_535)
        except OSError:
            return b""
        return data


class TcpServerPeer(SocketPeer):
    """Our tcp client connects to it."""

    def __init__(self):
        super().__init__()
        self._port = free_port()
        self.connection = f"tcp:127.0.0.1:{self._port}"
        self._listener = None
        self.come_back()

    def come_back(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self._port))
        self._listener.listen(1)
        self._listener.setblocking(False)

    def _accept(self):
        if self._socket is None and self._listener is not None:
            with contextlib.suppress(BlockingIOError):
                self._socket, _ = self._listener.accept()

    def send(self, data):
        self._accept()
        if self._socket is not None:
            self._socket.sendall(data)

    def receive(self, timeout_s=2.0):
        self._accept()
        return super().receive(timeout_s)

    def _receive(self):
        try:
            return self._socket.recv(65_535)
        except OSError:
            return b""

    def hangup(self):
        super().hangup()
        if self._listener is not None:
            self._listener.close()
            self._listener = None


class TcpClientPeer(SocketPeer):
    """It connects to our tcpin."""

    survives_hangup = True

    def __init__(self):
        super().__init__()
        self._port = free_port()
        self.connection = f"tcpin:127.0.0.1:{self._port}"

    def come_back(self):
        wait_for(self._connect)

    def _connect(self):
        self._socket = socket.socket()
        try:
            self._socket.connect(("127.0.0.1", self._port))
        except ConnectionError:
            self.hangup()
            return False
        return True

    def send(self, data):
        if self._socket is None:
            self._connect()
        if self._socket is not None:
            try:
                self._socket.sendall(data)
            except OSError:  # our side has opened anew
                self.hangup()

    def _receive(self):
        try:
            return self._socket.recv(65_535)
        except OSError:
            return b""


PEERS = {
    "serial": PtyPeer,
    "udpin": UdpOutgoingPeer,
    "udpout": UdpWaitingPeer,
    "tcp": TcpServerPeer,
    "tcpin": TcpClientPeer,
}


def make_peer(kind, folder):
    return PtyPeer(folder) if kind == "serial" else PEERS[kind]()
