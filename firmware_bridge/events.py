"""The daemon's event log as others read it: one JSON object a line, appended to while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from landing.errors import DataError

FIRST_BYTES = 262_144
"""How much of an existing log is read at first: the last flights, not the last months."""


class EventTail:
    """Reads what has been appended since the last look; survives a log that is begun anew.

    Args:
        path: The file of `log.events`; it may not exist yet.
        from_end: Begin at the end instead of some way before it.
    """

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self.path = path
        self._rest = b""
        size = path.stat().st_size if path.exists() else 0
        self._at = size if from_end else max(0, size - FIRST_BYTES)
        self._cut = self._at > 0 and not from_end

    def read(self) -> list[dict[str, Any]]:
        """New events, in order; broken lines are left out.

        Raises:
            DataError: The file cannot be read.
        """
        try:
            size = self.path.stat().st_size
            if size < self._at:
                self._at, self._rest, self._cut = 0, b"", False
            with self.path.open("rb") as stream:
                stream.seek(self._at)
                data = stream.read()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"event log {self.path}: {error.strerror or error}") from error
        self._at += len(data)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if self._cut and lines:
            del lines[0]  # begun in the middle of it
            self._cut = False
        return list(_events(lines))


def _events(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            yield event
