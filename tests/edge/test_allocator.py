"""One heap for all threads, where the C library is glibc."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAPS_OF_EIGHT_THREADS = """
import ctypes, os, threading
from edge.allocator import share_one_heap

told = share_one_heap(os.environ)
kept, together = [], threading.Barrier(8)

def allocate():
    together.wait()
    kept.append([bytes(50_000 + k) for k in range(50)])
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_char_p)
libc.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
libc.fclose.argtypes = (ctypes.c_void_p,)
stream = libc.fopen(b"heaps.xml", b"w")
libc.malloc_info(0, stream)
libc.fclose(stream)
print(told, open("heaps.xml").read().count("<heap nr="))
"""

glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc's malloc is not here"
)


def heaps(folder: Path, **environment: str) -> list[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    done = subprocess.run(
        [sys.executable, "-c", HEAPS_OF_EIGHT_THREADS], cwd=folder, capture_output=True, text=True,
        check=True, timeout=60,
        env={**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )  # fmt: skip
    return done.stdout.split()


@glibc
def test_threads_share_one_heap(tmp_path: Path) -> None:
    assert heaps(tmp_path) == ["True", "1"]


@glibc
def test_who_set_it_otherwise_is_obeyed(tmp_path: Path) -> None:
    told, count = heaps(tmp_path, MALLOC_ARENA_MAX="3")
    assert told == "False" and 1 < int(count) <= 3
    assert heaps(tmp_path, GLIBC_TUNABLES="glibc.malloc.arena_max=2")[0] == "False"
