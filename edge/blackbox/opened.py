"""A recording for a command, which says at the end what of it could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge.blackbox.recording import Recording


@contextmanager
def opened(paths: Iterable[str | Path]) -> Iterator[Recording]:
    """Open a recording, and print a line to standard error for each file of it that was not read to its end.

    Raises:
        RecordingError: There is nothing to read, or it is of another kind.
    """
    recording = Recording(*map(Path, paths))
    yield recording
    for line in recording.cut.values():
        click.echo(f"({line})", err=True)
