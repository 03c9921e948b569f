"""The contract that every way to the flight controller keeps, and what streams share."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
from typing import Any, NamedTuple, Protocol

READ_SIZE = 4096
LARGEST_FRAME = 280  # Bytes of a signed MAVLink 2 frame

Peer = tuple[Any, ...] | None  # Socket address of the other end; None where there is only one


def peer_name(peer: Peer) -> str:
    """``192.168.1.7:14550``; empty where there is only one other end."""
    return "" if peer is None else f"{peer[0]}:{peer[1]}"


class Arrival(NamedTuple):
    """Result of a read."""

    data: bytes  # Bytes; empty when there were none
    peer: Peer = None


NOTHING = Arrival(b"")


class Transport(Protocol):
    """One way to the flight controller, or to the many who may call where it waits.

    ``open``, ``read`` and ``close`` are called by one thread. ``write`` may be called by another, never at the same
    time as ``close``, and never from two threads at once.
    """

    waits: bool  # It waits to be called: bytes name their peer, and a write needs one

    def open(self) -> None:
        """Open it, within a few seconds. It can be opened again after ``close``.

        Raises:
            LinkError: It cannot be opened; the text says why and what to do.
        """

    def read(self, timeout_s: float) -> Arrival:
        """Bytes that have come, waiting no longer than the timeout; empty when there are none.

        Raises:
            LinkError: The connection is lost or was never open.
        """

    def write(self, data: bytes, peer: Peer = None) -> bool:
        """Hand over one whole frame without waiting; False when it was dropped. Never raises."""

    def close(self) -> None:
        """Let go of it at once. Harmless when it is not open."""


# A way out on which nothing moves takes nothing more after so long, and what waits in it is thrown away after so long:
# a target or a command that comes late may be against what a pilot did meanwhile
STUCK_NS, STALLED_NS = 300_000_000, 1_000_000_000
QUEUED_S = 0.25  # Time that a serial line may need for what waits


class Outbox:
    """Writes whole frames to a non-blocking stream: the rest of a cut frame goes first. Time is an argument.

    What the line, or the other side of a connection, does not take is dropped and not queued.

    Args:
        bytes_per_s: Of a serial line; None where the driver does not count bytes, or the network paces.
    """

    def __init__(self, bytes_per_s: float | None = None) -> None:
        self._limit = None if bytes_per_s is None else max(LARGEST_FRAME, round(QUEUED_S * bytes_per_s))
        self._rest = b""
        self._waits = 0
        self._stuck_ns: int | None = None

    def write(self, fd: int, data: bytes, now_ns: int) -> bool:
        """Write a frame without waiting; False when nothing of it was taken."""
        waits = queued_bytes(fd)
        if waits == 0 or waits < self._waits:
            self._stuck_ns = None
        elif self._stuck_ns is None:
            self._stuck_ns = now_ns
        self._waits = waits
        stuck = self._stuck_ns is not None and now_ns - self._stuck_ns >= STUCK_NS
        if stuck or (self._limit is not None and waits > self._limit):
            return False
        try:
            if self._rest:
                rest, self._rest = self._rest, self._rest[os.write(fd, self._rest) :]
                self._waits += len(rest) - len(self._rest)
                if self._rest:
                    return False
            written = os.write(fd, data)
        except OSError:  # full (EAGAIN), or lost: then the next read says so
            return False
        self._rest, self._waits = data[written:], self._waits + written
        return True

    def stalled(self, now_ns: int) -> bool:
        """Return whether something waits, and nothing has moved for `STALLED_NS`."""
        return self._stuck_ns is not None and now_ns - self._stuck_ns >= STALLED_NS

    def forget(self) -> None:
        """Note that what waited was thrown away."""
        self._rest, self._waits, self._stuck_ns = b"", 0, None


def queued_bytes(fd: int) -> int:
    """Return how many bytes the kernel holds that the line has not carried, or TCP's other side not acknowledged."""
    try:
        answer = fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4))
    except OSError:  # a device whose driver does not say
        return 0
    return int(struct.unpack("i", answer)[0])


def wait_readable(fd: int, timeout_s: float) -> bool:
    """Wait until bytes, or an end, can be read; False after the timeout. Any descriptor number."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))
