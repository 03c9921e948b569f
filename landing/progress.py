"""Progress of long work, for the commands: one bar on a terminal, elsewhere a line each ten seconds. Standard error.

Nothing that decides uses it. Standard output keeps to the result, so it can be piped, and `--json` stays one object.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from landing.terminal import error_stream, printable, printable_lines

LINE_S, BAR_S = 10.0, 0.2
"""Time between two lines, and between two pictures of the bar, s."""
_BAR_LETTERS = 24
_CLEAR = "\r\x1b[2K"
_Item = TypeVar("_Item")

_open: list[Progress] = []  # the innermost last: that one is shown
_lock = threading.RLock()
_aside = False


class Progress:
    """Counts steps of one piece of work and shows how far it is and how long it will take.

    Of work without a number of steps, as another program's, it shows for how long it has been going on.

    Args:
        title: The work, in a few words.
        total: Number of steps; 0 where it has none.
        done: Steps that were done before, as of a run that goes on.
        clock: Monotonic time, s.

    Attributes:
        total: As given; work that ends earlier than was planned may lower it.
    """

    def __init__(self, title: str, total: int = 0, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self.total, self._first, self._done = total, done, done
        self._clock = clock
        self._began_s = self._shown_s = clock()
        self._note = ""
        self._bar = _is_terminal()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick_by_itself, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        self._began_s = self._shown_s = self._clock()
        with _lock:
            _open.append(self)
        if self.total == 0:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self.total == 0:
            self._ticker.join()
        with _lock:
            _clear()
            _open.remove(self)

    def step(self, count: int = 1, note: str = "") -> None:
        """Counts steps that are done; `note` tells of the newest."""
        self._done += count
        self._note = note
        self.tick()

    def tick(self) -> None:
        """Shows how far it is, if it is time to."""
        now_s = self._clock()
        if now_s - self._shown_s < (BAR_S if self._bar else LINE_S):
            return
        self._shown_s = now_s
        with _lock:
            if _open and _open[-1] is self:
                _paint(self._picture(now_s) if self._bar else f"{self._words(now_s)}\n")

    def _tick_by_itself(self) -> None:
        while not self._over.wait(BAR_S if self._bar else LINE_S):
            self.tick()

    def _words(self, now_s: float) -> str:
        passed_s = now_s - self._began_s
        if self.total == 0:
            return printable(f"{self.title}: {span(passed_s)}")
        made = self._done - self._first
        left = f", {span(passed_s * (self.total - self._done) / made)} left" if made and self._done < self.total else ""
        return printable(f"{self.title}: {self._done}/{self.total}{left}" + (f"; {self._note}" if self._note else ""))

    def _picture(self, now_s: float) -> str:
        words = self._words(now_s)
        if self.total:
            full = min(_BAR_LETTERS, _BAR_LETTERS * self._done // self.total)
            words = f"[{'#' * full}{'.' * (_BAR_LETTERS - full)}] {words}"
        return _CLEAR + words[: shutil.get_terminal_size().columns - 1]


def tracked(title: str, items: Iterable[_Item], total: int) -> Iterator[_Item]:
    """Yield items, each counted as a step once the next one is asked for."""
    with Progress(title, total) as progress:
        for item in items:
            yield item
            progress.step()


def span(seconds: float) -> str:
    """Return a time in words, as ``42 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def say(line: str) -> None:
    """Prints a line at once, without tearing a bar."""
    with _lock:
        _clear()
        print(printable_lines(line), flush=True, file=error_stream() if _aside else sys.stdout)


@contextmanager
def words_aside(aside: bool = True) -> Iterator[None]:
    """Let `say` write to standard error meanwhile, so that standard output holds one JSON object and nothing else."""
    global _aside
    before, _aside = _aside, aside or _aside
    try:
        yield
    finally:
        _aside = before


def _is_terminal() -> bool:
    return error_stream().isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _clear() -> None:
    if _open and _open[-1]._bar:
        _paint(_CLEAR)


def _paint(text: str) -> None:
    try:
        stream = error_stream()
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):  # nobody reads it any more: the work goes on
        return
