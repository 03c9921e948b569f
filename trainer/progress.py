"""Says how long work is coming along: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts steps of one piece of work; use as a context manager.

    Args:
        title: What is being done.
        total: Steps.
        every: Without a terminal, a line each so many steps; 0 for none.
    """

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

    def step(self, note: str = "") -> None:
        """One step is done."""
        self._count += 1
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update()
        elif self._every and self._count % self._every == 0:
            say(f"  {self._title} {self._count}/{self._total} {note}")


def say(line: str) -> None:
    """Prints a line at once, without tearing a bar."""
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()
