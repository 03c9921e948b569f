"""One heap for all threads, so that a long flight does not grow by fragmentation.

glibc gives threads heaps of their own, up to eight per core. Here capture, pipeline, recorder, link
and page hand each other frames and maps of some hundred kilobytes: what one allocates another
frees, and every heap keeps the widest gaps that it ever had. In a hover of an hour that was 6 MB
that nobody used, and no end of it (`benchmarks/soak.py`). With one heap the gaps are shared. Nearly
every allocation is made under Python's lock, so threads do not wait longer for each other.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

M_ARENA_MAX = -8
"""malloc.h of glibc; mallopt(3)."""


def share_one_heap(environment: Mapping[str, str]) -> bool:
    """Tells glibc's malloc to make no further heap. To be called before threads are started.

    Args:
        environment: Of the process; who sets ``MALLOC_ARENA_MAX`` or ``GLIBC_TUNABLES`` decides.

    Returns:
        Whether it was told: another C library has no such heaps.
    """
    if "MALLOC_ARENA_MAX" in environment or "arena_max" in environment.get("GLIBC_TUNABLES", ""):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(M_ARENA_MAX, 1))
