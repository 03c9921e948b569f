"""Lets connections in, few enough that camera and recorder always find a descriptor.

Each connection is accepted here and counted before anything is made of it. Whoever sends no whole request in time, or
does not take its answer, is cut off; of those that wait without a request the one that has waited longest makes room
for the next. Refused is what would be too much: it is closed at once and told nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("edge.web")

MOST_CONNECTIONS = 64
MOST_PER_ADDRESS = 32
"""A browser opens up to seven; behind a proxy several browsers have one address."""
RESERVED_DESCRIPTORS = 128
"""Of the process, for camera, recorder, link and models."""

HEADER_S = 5.0
"""From the connection to its first whole request."""
IDLE_S = 20.0
"""From one request to the next, the answer included."""
SWEEP_S = 0.5
SEND_BYTES = 128 << 10
"""Kernel buffer of a slow reader, bytes: some pictures."""

REQUESTS_S = 100.0
REQUEST_BURST = 100
"""Requests a second, of all connections together, and how many may come at once before that."""

ACCEPTED_AT_ONCE = 16
ACCEPT_PERIOD_S = 0.05
"""A flood of connections costs this much of a core, and the rest waits in the kernel's queue."""
TELL_PERIOD_S = 10.0


@dataclass
class Guest:
    """One connection.

    Attributes:
        address: Of the client.
        since_s: Monotonic time of its last request, or at which it came.
        heard: It has sent a whole request.
        viewing: It has an endless answer, whose sender watches that it is read.
    """

    address: str
    since_s: float
    heard: bool = False
    viewing: bool = False

    def overdue(self, now_s: float) -> bool:
        """True when its time is over."""
        return not self.viewing and now_s - self.since_s > (IDLE_S if self.heard else HEADER_S)


def room_for(descriptors: int) -> int:
    """Number of connections for a process that may open `descriptors` files."""
    return max(4, min(MOST_CONNECTIONS, (descriptors - RESERVED_DESCRIPTORS) // 4))


class Door:
    """Accepts on a listening socket, in the event loop that makes it.

    Args:
        listener: Bound and listening; the door closes it.
        serve: Makes the protocol of a new connection.

    Attributes:
        refused: Connections that were closed at once.
        cut_off: Connections that had their time, or made room.
    """

    def __init__(self, listener: socket.socket, serve: Callable[[], asyncio.Protocol]) -> None:
        self._listener = listener
        listener.setblocking(False)
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._guests: dict[asyncio.BaseTransport, Guest] = {}
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._descriptors = 1 << 20 if limit == resource.RLIM_INFINITY else limit
        self._room = room_for(self._descriptors)
        self._next_s = 0.0
        self._told_s = -TELL_PERIOD_S
        self._told = 0
        self.refused = 0
        self.cut_off = 0

    def heard(self, transport: asyncio.BaseTransport | None, *, viewing: bool = False) -> None:
        """A connection has sent a whole request.

        Args:
            transport: Of the connection.
            viewing: Its answer has no end.
        """
        guest = None if transport is None else self._guests.get(transport)
        if guest is not None:
            guest.heard, guest.viewing, guest.since_s = True, viewing, time.monotonic()

    def wait_s(self) -> float:
        """Delay of the request that has just come, s; it paces a flood."""
        now_s = time.monotonic()
        self._next_s = max(self._next_s, now_s - REQUEST_BURST / REQUESTS_S) + 1 / REQUESTS_S
        return max(0.0, self._next_s - now_s)

    async def run(self) -> None:
        """Lets in until it is cancelled; then everybody is cut off."""
        try:
            while True:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._knock(), SWEEP_S)
                    await self._let_in()
                self._sweep(time.monotonic())
                await asyncio.sleep(ACCEPT_PERIOD_S)
        finally:
            self._listener.close()
            for transport in self._guests:
                _cut(transport)

    async def _knock(self) -> None:
        """Waits for a connection."""
        knocked = asyncio.Event()
        self._loop.add_reader(self._listener, knocked.set)
        try:
            await knocked.wait()
        finally:
            self._loop.remove_reader(self._listener)

    async def _let_in(self) -> None:
        """Takes a few of the connections that wait."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, name = self._listener.accept()
            except OSError:  # none waits any more, it has left again, or there is no descriptor
                return
            # The lowest free number is given out, so a high one says how many files are open.
            reserved = min(RESERVED_DESCRIPTORS, self._descriptors // 2)
            short = connection.fileno() >= self._descriptors - reserved
            address = str(name[0])
            if short or not self._has_room(address):
                self.refused += 1
                connection.close()
                continue
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
            try:
                transport, _ = await self._loop.connect_accepted_socket(self._serve, connection)
            except OSError:  # it has left already
                connection.close()
                continue
            self._guests[transport] = Guest(address, time.monotonic())

    def _has_room(self, address: str) -> bool:
        """Tell whether one more may come; a connection without a request makes room for it."""
        self._forget_the_gone()
        same = {t: g for t, g in self._guests.items() if g.address == address}
        full = same if len(same) >= min(MOST_PER_ADDRESS, self._room) else self._guests
        if full is self._guests and len(full) < self._room:
            return True
        silent = [(guest.since_s, t) for t, guest in full.items() if not guest.heard]
        if not silent:
            return False
        self.cut_off += 1
        _cut(min(silent, key=lambda item: item[0])[1])
        return True

    def _sweep(self, now_s: float) -> None:
        self._forget_the_gone()
        for transport, guest in self._guests.items():
            if guest.overdue(now_s):
                self.cut_off += 1
                _cut(transport)
        total = self.refused + self.cut_off
        if total > self._told and now_s - self._told_s > TELL_PERIOD_S:
            logger.info(
                "web: %d connections cut off and %d refused so far, %d of at most %d open",
                self.cut_off,
                self.refused,
                len(self._guests),
                self._room,
            )
            self._told, self._told_s = total, now_s

    def _forget_the_gone(self) -> None:
        for transport in [t for t in self._guests if t.is_closing()]:
            del self._guests[transport]


def _cut(transport: asyncio.BaseTransport) -> None:
    """Ends a connection without waiting for what it has not read."""
    if isinstance(transport, asyncio.Transport):
        transport.abort()
