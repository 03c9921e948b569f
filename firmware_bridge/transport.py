"""The contract that every way to the flight controller keeps, and what streams share."""

from __future__ import annotations

import os
import select
from typing import Any, NamedTuple, Protocol

READ_SIZE = 4096

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


class Outbox:
    """Writes whole frames to a non-blocking stream: the rest of a cut frame goes first."""

    def __init__(self) -> None:
        self._rest = b""

    def write(self, fd: int, data: bytes) -> bool:
        """Write a frame without waiting; False when nothing of it was taken."""
        try:
            if self._rest:
                self._rest = self._rest[os.write(fd, self._rest) :]
                if self._rest:
                    return False
            self._rest = data[os.write(fd, data) :]
        except OSError:  # full (EAGAIN), or lost: then the next read says so
            return False
        return True


def wait_readable(fd: int, timeout_s: float) -> bool:
    """Wait until bytes, or an end, can be read; False after the timeout. Any descriptor number."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))
