"""Progress of work: a bar on a terminal, plain lines elsewhere; and work in threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from tqdm import tqdm

from landing.terminal import printable_lines

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Progress:
    """Counts steps of one piece of work. Without a terminal, it prints a line every so many steps."""

    def __init__(self, title: str, total: int, every: int = 0) -> None:
        self._title = title
        self._total = total
        self._every = every
        self._count = 0
        terminal = sys.stderr.isatty()
        self._bar = tqdm(total=total, desc=title, leave=False) if terminal else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self) -> None:
        """Counts one step."""
        self._count += 1
        if self._bar is not None:
            self._bar.update()
        elif self._every and self._count % self._every == 0:
            say(f"  {self._title} {self._count}/{self._total}")


def say(line: str) -> None:
    """Prints a line at once, without tearing a bar."""
    tqdm.write(printable_lines(line), file=sys.stdout)
    sys.stdout.flush()


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
