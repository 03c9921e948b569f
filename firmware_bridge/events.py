"""The daemon's event log as others read it: one JSON object a line, appended to while it runs.

When it has grown to its size the daemon renames it to `previous` and begins anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from landing.errors import DataError
from landing.reading import open_file

FIRST_BYTES = 262_144  # Read at first of an existing log: the last flights, not the last months


def previous(path: Path) -> Path:
    """Return the path of an event log that has grown to its size and was renamed."""
    return path.with_name(path.name + ".1")


class EventTail:
    """Reads appended events since the last look, also of a log that is begun anew or does not exist yet."""

    def __init__(self, path: Path, *, from_end: bool = False, first_bytes: int = FIRST_BYTES) -> None:
        self.path = path
        self._rest = b""
        found = path.stat() if path.exists() else None
        size = found.st_size if found is not None else 0
        self._inode = found.st_ino if found is not None else None
        self._at = size if from_end else max(0, size - first_bytes)
        self._cut = self._at > 0 and not from_end

    def read(self) -> list[dict[str, Any]]:
        """New events, in order; broken lines are left out.

        Raises:
            DataError: The file cannot be read.
        """
        try:
            data = self._appended()
        except OSError as error:
            raise DataError(f"event log {self.path}: {error.strerror or error}") from error
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if self._cut and lines:
            del lines[0]  # begun in the middle of it
            self._cut = False
        return list(_events(lines))

    def _appended(self) -> bytes:
        if not self.path.exists():
            return b""
        data = b""
        with open_file(self.path, "event log", DataError) as stream:
            found = os.fstat(stream.fileno())
            if self._inode not in (None, found.st_ino):
                data = self._end_of_previous()
                self._at = 0
            elif found.st_size < self._at:
                self._at, self._rest, self._cut = 0, b"", False
            self._inode = found.st_ino
            stream.seek(self._at)
            new = stream.read()
        self._at += len(new)
        return data + new

    def _end_of_previous(self) -> bytes:
        """Return the bytes appended before the file was renamed; none if it is gone as well."""
        try:
            with open_file(previous(self.path), "event log", DataError) as stream:
                if os.fstat(stream.fileno()).st_ino == self._inode:
                    stream.seek(self._at)
                    return stream.read()
        except DataError:
            pass
        self._rest, self._cut = b"", False
        return b""


def _events(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            yield event
