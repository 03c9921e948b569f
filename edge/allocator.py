"""Keeps the daemon's memory from growing by gaps in the heap; for glibc, elsewhere it does nothing.

Capture, pipeline, recorder, link and page hand each other frames and maps of some hundred
kilobytes: what one allocates another frees, between small things that stay. In a long hover the process grew by 6 MB an
hour while what was in use stayed the same (`benchmarks/soak.py`):

* glibc gives each thread a heap of its own, and each keeps the widest gaps that it ever had. One heap for all shares
  them. Nearly every allocation is made under Python's lock, so threads do not wait longer for each other.
* A heap gives back what is free at its end, never a gap below something that stays. `malloc_trim`
  does: 1 ms each time, in which nobody else allocates.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

TRIM_PERIOD_NS = 10_000_000_000

M_ARENA_MAX = -8
"""malloc.h of glibc; mallopt(3)."""

_libc = ctypes.CDLL(None)
_mallopt = getattr(_libc, "mallopt", None)
_malloc_trim = getattr(_libc, "malloc_trim", None)


def share_one_heap(environment: Mapping[str, str]) -> bool:
    """Tells malloc to make no further heap. To be called before threads are started.

    Args:
        environment: Of the process; who sets ``MALLOC_ARENA_MAX`` or ``GLIBC_TUNABLES`` decides.

    Returns:
        Whether it was told: another C library has no such heaps.
    """
    if "MALLOC_ARENA_MAX" in environment or "arena_max" in environment.get("GLIBC_TUNABLES", ""):
        return False
    return _mallopt is not None and bool(_mallopt(M_ARENA_MAX, 1))


def give_back_free_memory() -> bool:
    """Gives whole free pages of the heap back to the system.

    Returns:
        Whether there were any.
    """
    return _malloc_trim is not None and bool(_malloc_trim(ctypes.c_size_t(0)))
