"""The stack that this thread's signal handlers run on, kept from a library that replaces it.

OpenVINO 2026.4 gives the thread that compiles a model a signal stack of its own, and leaves it there, or puts back an
older one, when the model goes. After two models the stack may be one that is unmapped, and the next SIGTERM, SIGHUP or
SIGCHLD kills the process (SIGSEGV, si_code SI_KERNEL).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """``stack_t`` of sigaltstack(2) on Linux."""

    _fields_ = (("ss_sp", ctypes.c_void_p), ("ss_flags", ctypes.c_int), ("ss_size", ctypes.c_size_t))


def signal_stack() -> tuple[int, int, int]:
    """Address, flags and size of this thread's; address 0 where it has none or cannot be told."""
    found = _Stack()
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found))
    return found.ss_sp or 0, found.ss_flags, found.ss_size


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """After the block this thread has the signal stack that it had before."""
    before = signal_stack()
    try:
        yield
    finally:
        if signal_stack() != before:
            address, flags, size = before
            ctypes.CDLL(None).sigaltstack(ctypes.byref(_Stack(address, flags, size)), None)
