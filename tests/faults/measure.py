"""What the tests of all faults measure with."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tests.faults.bench import Bench
from tests.faults.matrix import Row

Keep = Callable[[Row], None]

LASTS_S = 2.0
"""How long a fault lasts before it is cured."""

SETTLE_S = 1.0
"""After so long in a fault no target may come any more."""


def stops(bench: Bench, inject: Callable[[], None], evidence_ns: Callable[[], int]) -> float:
    """Injects a fault; seconds from the last good evidence to the last target."""
    inject()
    time.sleep(SETTLE_S)
    count = len(bench.wire.targets)
    time.sleep(LASTS_S - SETTLE_S)
    assert len(bench.wire.targets) == count, "targets still come"
    return (bench.wire.targets[-1].at_ns - evidence_ns()) * 1e-9


def goes_on(bench: Bench, seconds: float) -> tuple[int, float]:
    """Targets in so many seconds, and the longest gap between two of them."""
    started_ns = time.monotonic_ns()
    time.sleep(seconds)
    stamps = [started_ns, *(t.at_ns for t in bench.wire.targets if t.at_ns > started_ns)]
    stamps.append(time.monotonic_ns())
    return len(stamps) - 2, max(b - a for a, b in pairwise(stamps)) * 1e-9


def unread(port: int) -> tuple[int, int]:
    """Bytes that wait at a UDP port of this computer, and datagrams that its kernel has dropped there."""
    rows = [line.split() for line in Path("/proc/net/udp").read_text("ascii").splitlines()[1:]]
    (row,) = [r for r in rows if int(r[1].partition(":")[2], 16) == port]
    return int(row[4].partition(":")[2], 16), int(row[12])


def resident_mb(pid: int) -> float:
    """Memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6
