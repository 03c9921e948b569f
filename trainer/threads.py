"""Work in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(work: Callable[[_Item], None], items: Sequence[_Item], threads: int, done: Callable[[], None]) -> None:
    """Does work on all items in threads, 0 for one per core; the first error ends it."""
    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        jobs = [pool.submit(work, item) for item in items]
        try:
            for job in jobs:
                job.result()
                done()
        finally:
            for job in jobs:
                job.cancel()


def in_order(work: Callable[[_Item], _Result], items: Sequence[_Item], threads: int = 0) -> Iterator[_Result]:
    """Yields the results of work in threads, 0 for one per core, in the order of the items; few are in memory."""
    count = threads or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(count) as pool:
        for start in range(0, len(items), 8 * count):
            yield from pool.map(work, items[start : start + 8 * count])
