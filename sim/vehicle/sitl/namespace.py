"""A network of one's own with nothing but loopback: the simulators bind 0.0.0.0.

Linux keeps the network namespace by thread. A thread that moves into a new one takes along every socket it opens from
then on and every process and thread it starts, and can come back; other threads stay where they are. Several flights so
use the same fixed ports at the same time.
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 0x1
IFREQ = "16sH14x"


@contextmanager
def loopback_only() -> Iterator[bool]:
    """Moves the calling thread into a new network namespace, and back at the end.

    Yields:
        Whether it was possible. It takes Linux and root; without, the flight uses the machine's own network, where the
        simulator's ports can be reached from outside: a warning says so.
    """
    home_fd = _enter()
    if home_fd is None:
        logger.warning(
            "no loopback-only network namespace (it takes root on Linux): the simulator's ports "
            "are open on this machine's network"
        )
        yield False
        return
    try:
        _loopback_up()
        yield True
    finally:
        _libc_call("setns", home_fd, CLONE_NEWNET)
        os.close(home_fd)


def _enter() -> int | None:
    """Enters a new namespace; the old one as a file descriptor, or None when not permitted."""
    try:
        home_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        _libc_call("unshare", CLONE_NEWNET)
    except OSError:
        os.close(home_fd)
        return None
    return home_fd


def _libc_call(name: str, *arguments: int) -> None:
    """Calls a function of the C library that Python before 3.12 has no door to."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*(ctypes.c_int(a) for a in arguments)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack(IFREQ, b"lo", 0))
        _, flags = struct.unpack(IFREQ, request)
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack(IFREQ, b"lo", flags | IFF_UP))
