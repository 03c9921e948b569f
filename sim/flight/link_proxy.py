"""A cable between daemon and autopilot that can be cut and mended in flight."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import ExitStack, suppress

from sim.camera.truth_link import parse_address

POLL_S = 0.05
CONNECT_S = 2.0
READ_SIZE = 65536


class LinkProxy(threading.Thread):
    """Passes bytes on, both ways; while it is cut, drops them.

    The daemon connects over TCP; the autopilot listens on TCP (ArduPilot, stand-in) or sends UDP to us (PX4). A
    connection that one side closes is closed on the other. Start it in the network namespace where both live.

    Args:
        upstream: The autopilot's link: ``tcp:HOST:PORT``, or ``udpin:HOST:PORT`` to listen on.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(name="link-proxy", daemon=True)
        kind, self._host, self._port = parse_address(upstream.replace("udpin:", "udp:"))
        self._udp = kind == "udp"
        self._stopping = threading.Event()
        self._cut = threading.Event()
        self._stack = ExitStack()
        self._listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._listener.settimeout(POLL_S)
        self.connection = f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"
        self._autopilot: socket.socket | None = None
        self._peer: tuple[str, int] | None = None
        if self._udp:
            sock = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.bind((self._host, self._port))
            self._autopilot = sock

    def cut(self) -> None:
        """From now on nothing passes."""
        self._cut.set()

    def mend(self) -> None:
        """From now on everything passes again."""
        self._cut.clear()

    def close(self) -> None:
        """Ends the thread and the connections."""
        self._stopping.set()
        self.join(2.0)
        self._stack.close()

    def run(self) -> None:
        """Serves one client after the other."""
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with client, suppress(OSError):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._udp:
                    assert self._autopilot is not None
                    self._pass_on(client, self._autopilot)
                else:
                    address = (self._host, self._port)
                    with socket.create_connection(address, CONNECT_S) as autopilot:
                        autopilot.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        self._pass_on(client, autopilot)

    def _pass_on(self, client: socket.socket, autopilot: socket.socket) -> None:
        """Until one side has closed."""
        while not self._stopping.is_set():
            ready, _, _ = select.select([client, autopilot], [], [], POLL_S)
            for sock in ready:
                if sock is autopilot and self._udp:
                    data, self._peer = sock.recvfrom(READ_SIZE)
                else:
                    data = sock.recv(READ_SIZE)
                    if not data:
                        return
                if self._cut.is_set():
                    continue
                if sock is autopilot:
                    client.sendall(data)
                elif not self._udp:
                    autopilot.sendall(data)
                elif self._peer is not None:
                    autopilot.sendto(data, self._peer)
