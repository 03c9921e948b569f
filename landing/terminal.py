"""The way to a terminal or a log: names of files may hold line ends, terminal codes, and bytes that are no text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_kept: list[TextIO] = []  # standard error as it was, while `quiet_decoders` keeps others off it


def printable(text: str) -> str:
    """Return a text as one line: what a terminal would obey or cannot show is written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """Return a text of several lines, each `printable`, its line ends and tabs as they are."""
    return text if text.isprintable() else "".join(c if c in "\n\t" else printable(c) for c in text)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep off standard error what libraries in C print there of damaged files; Python's own lines in it are lost too.

    For a command with one thread: the descriptor is the process's.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    with os.fdopen(kept, "w", encoding="utf-8", errors="backslashreplace") as stream:
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            _kept.append(stream)
            yield
        finally:
            _kept[:] = [s for s in _kept if s is not stream]
            stream.flush()
            os.dup2(kept, 2)


def error_stream() -> TextIO:
    """Return standard error for what is to be seen in any case, also within `quiet_decoders`."""
    try:
        whole = sys.stderr.fileno() == 2  # else it was replaced, and nobody keeps anything off it
    except (OSError, ValueError, AttributeError):
        whole = False
    return _kept[0] if _kept and whole else sys.stderr
