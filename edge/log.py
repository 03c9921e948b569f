"""The logs of the daemon: text lines for people, JSON lines for machines.

The only module of the daemon that reads the wall clock, and only to print it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from edge.journal import JournalHandler, is_the_journal
from landing.errors import ConfigError

logger = logging.getLogger("edge")


def set_up_text_log(level: str) -> None:
    """Text lines to standard error, time first; entries with fields where that is the journal."""
    if is_the_journal(sys.stderr, os.environ):
        logging.basicConfig(
            level=level.upper(), format="%(message)s", handlers=[JournalHandler()], force=True
        )
        return
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        stream=sys.stderr,
        force=True,
    )


@dataclasses.dataclass(frozen=True)
class Exact:
    """Plain values whose numbers are not rounded, such as those that a digest is of."""

    value: Any


def plain(value: Any) -> Any:
    """What `json` can write: enums by value, dataclasses as mappings, NaN as None."""
    if isinstance(value, Exact):
        return value.value
    if isinstance(value, Enum):
        return plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(plain(k)): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return plain(value.item())
    if isinstance(value, float):
        # Millimetres and microseconds are enough, and JSON has no NaN.
        return round(value, 6) if value == value and abs(value) != float("inf") else None
    return str(value)


class EventLog:
    """One JSON object a line: `time` (UTC), `mono_ns`, `event`, then what belongs to the event.

    A full or failing disk never stops a flight: the loss is said once and counted.

    Args:
        path: File to append to; None keeps events out of files (they still reach the text log).

    Attributes:
        lost: Events that the disk did not take.
        listeners: Called with every line, as a mapping, in the writer's thread; must not wait.

    Raises:
        ConfigError: The file cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._stream: IO[str] | None = None
        self.lost = 0
        self.listeners: list[Callable[[Mapping[str, Any]], None]] = []
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"log.events {path}: {error.strerror or error}") from error

    def write(self, event: str, **data: Any) -> None:
        """Appends one event. Thread-safe."""
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),  # noqa: TID251 - for the reader of the log only
            "mono_ns": time.monotonic_ns(),
            "event": event,
            **{name: plain(value) for name, value in data.items()},
        }
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
        logger.debug("event %s", text, extra={"event": event})
        for listener in tuple(self.listeners):
            listener(line)
        with self._lock:
            if self._stream is None:
                return
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except OSError as error:
                self.lost += 1
                if self.lost == 1:
                    logger.error("event log: %s; events are lost from here on", error)

    def close(self) -> None:
        """Closes the file; later events reach the text log only."""
        with self._lock:
            if self._stream is not None:
                with contextlib.suppress(OSError):  # what a full disk did not take was counted
                    self._stream.close()
                self._stream = None

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
