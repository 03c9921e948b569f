"""A link with a delay of its own each way, for tests of clocks: a simulation, or a UDP proxy."""

from __future__ import annotations

import heapq
import random
import select
import socket
import threading
import time


class Delay:
    """How long a frame is on its way: a fixed part and an even jitter, in order of departure."""

    def __init__(self, fixed_ms, jitter_ms, seed):
        self._fixed_ns = round(fixed_ms * 1e6)
        self._jitter_ns = round(jitter_ms * 1e6)
        self._random = random.Random(seed)
        self._last_ns = 0

    def arrival_ns(self, sent_ns):
        """When a frame sent at a time arrives; a link keeps the order."""
        on_its_way_ns = self._fixed_ns + self._random.randint(0, self._jitter_ns)
        self._last_ns = max(self._last_ns, sent_ns + on_its_way_ns)
        return self._last_ns


class DelayProxy:
    """Between a link that speaks to ``connection`` and a peer on a UDP port of its own.

    ``to_us`` and ``to_them`` are `Delay`; a context manager.
    """

    def __init__(self, to_us, to_them):
        self._outer = self._bound()
        self._inner = self._bound()
        self.connection = f"udpout:127.0.0.1:{self._outer.getsockname()[1]}"
        self._delays = {"us": to_us, "them": to_them}
        self._us = None
        self._them = None
        self._queue = []
        self._count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delay-proxy", daemon=True)

    @staticmethod
    def _bound():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        return made

    def peer_address(self):
        """Where the other side sends to."""
        return self._inner.getsockname()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        self._outer.close()
        self._inner.close()

    def _run(self):
        while not self._stop.is_set():
            now_ns = time.monotonic_ns()
            wait_s = 0.05
            if self._queue:
                wait_s = min(wait_s, max(0.0, (self._queue[0][0] - now_ns) / 1e9))
            ready, _, _ = select.select([self._outer, self._inner], [], [], wait_s)
            now_ns = time.monotonic_ns()
            for sock in ready:
                self._receive(sock, now_ns)
            while self._queue and self._queue[0][0] <= time.monotonic_ns():
                _, _, way, data = heapq.heappop(self._queue)
                self._deliver(way, data)

    def _receive(self, sock, now_ns):
        while True:
            try:
                data, sender = sock.recvfrom(65_535)
            except BlockingIOError:
                return
            if sock is self._outer:
                self._us, way = sender, "them"
            else:
                self._them, way = sender, "us"
            self._count += 1
            due_ns = self._delays[way].arrival_ns(now_ns)
            heapq.heappush(self._queue, (due_ns, self._count, way, data))

    def _deliver(self, way, data):
        if way == "us" and self._us is not None:
            self._outer.sendto(data, self._us)
        elif way == "them" and self._them is not None:
            self._inner.sendto(data, self._them)


class ProxyPeer:
    """The autopilot's end of a proxy, as a peer of ``tests.bridge.peers``."""

    def __init__(self, proxy):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._to = proxy.peer_address()

    def send(self, data):
        self._socket.sendto(data, self._to)

    def receive(self, timeout_s):
        readable, _, _ = select.select([self._socket], [], [], timeout_s)
        return self._socket.recv(65_535) if readable else b""

    def close(self):
        self._socket.close()
