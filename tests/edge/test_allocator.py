"""One heap for all threads, and gaps given back, where the C library is glibc."""

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

GAPS = """
import os
from pathlib import Path
from edge.allocator import give_back_free_memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

large, small = [], []
for k in range(400):  # a gap of 100 kB below each small thing that stays
    large.append(bytearray(b"x") * 100_000)
    small.append(bytes(1000))
full = resident_mb()
large.clear()
with_gaps = resident_mb()
print(give_back_free_memory(), full - with_gaps, with_gaps - resident_mb())
"""

glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc's malloc is not here")


def said(code: str, folder: Path, **environment: str) -> list[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )
    return done.stdout.split()


@glibc
def test_threads_share_one_heap(tmp_path: Path) -> None:
    assert said(HEAPS_OF_EIGHT_THREADS, tmp_path) == ["True", "1"]


@glibc
def test_who_set_it_otherwise_is_obeyed(tmp_path: Path) -> None:
    told, count = said(HEAPS_OF_EIGHT_THREADS, tmp_path, MALLOC_ARENA_MAX="3")
    assert told == "False" and 1 < int(count) <= 3
    assert said(HEAPS_OF_EIGHT_THREADS, tmp_path, GLIBC_TUNABLES="glibc.malloc.arena_max=2")[0] == "False"


@glibc
def test_gaps_below_what_stays_are_given_back(tmp_path: Path) -> None:
    told, before_mb, after_mb = said(GAPS, tmp_path)
    assert told == "True" and float(after_mb) > 30.0 > float(before_mb)
