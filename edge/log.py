"""The logs of the daemon: text lines for people, JSON lines for machines.

The only module of the daemon that reads the wall clock, and only to print it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from edge.journal import JournalHandler, is_the_journal
from firmware_bridge.events import previous
from landing.errors import ConfigError
from landing.reading import open_for_writing
from landing.redaction import redact, redact_all
from landing.terminal import printable_lines

logger = logging.getLogger("edge")


class TextFormatter(logging.Formatter):
    """Lines without secrets and terminal codes: message, arguments and traceback alike."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        return printable_lines(redact(super().format(record)))


@dataclasses.dataclass
class _Same:
    """Lines that one place in the code has logged in one period."""

    first: logging.LogRecord
    began_s: float
    shown: int = 0
    hidden: int = 0


class RepeatFilter(logging.Filter):
    """Lets a line of code log so often in a period, and then says how often it was left out.

    Args:
        handler: That it is added to, for the count.
        clock: Seconds that never jump.
    """

    PERIOD_S = 10.0
    MOST = 120
    """The status line may come ten times a second."""
    MOST_WARNINGS = 10

    def __init__(self, handler: logging.Handler, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._handler = handler
        self._clock = clock
        self._lock = threading.Lock()
        self._same: dict[tuple[str, int, object], _Same] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.levelno >= logging.CRITICAL or hasattr(record, "hidden"):
            return True
        most = self.MOST_WARNINGS if record.levelno >= logging.WARNING else self.MOST
        key = (record.pathname, record.lineno, getattr(record, "event", None))
        now_s = self._clock()
        with self._lock:
            over = [k for k, s in self._same.items() if now_s - s.began_s >= self.PERIOD_S]
            ended = [self._same.pop(k) for k in over]
            same = self._same.setdefault(key, _Same(record, now_s))
            show = same.shown < most
            same.shown += show
            same.hidden += not show
        for one in ended:
            if one.hidden:
                self._handler.handle(_count_of(one))
        return show


def _count_of(same: _Same) -> logging.LogRecord:
    fields = {
        **vars(same.first),
        "hidden": same.hidden,
        "exc_info": None,
        "exc_text": None,
        "msg": "%s … repeated %d times",
        "args": (same.first.getMessage(), same.hidden),
    }
    return logging.makeLogRecord(fields)


def set_up_text_log(level: str) -> None:
    """Text lines to standard error, time first; entries with fields where that is the journal."""
    handler: logging.Handler
    if is_the_journal(sys.stderr, os.environ):
        handler = JournalHandler()
        handler.setFormatter(TextFormatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        line = "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s"
        handler.setFormatter(TextFormatter(line, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(RepeatFilter(handler))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


@dataclasses.dataclass(frozen=True)
class Exact:
    """Plain values whose numbers are not rounded, such as those that a digest is of."""

    value: Any


def plain(value: Any) -> Any:
    """Convert to what `json` can write: enums by value, dataclasses as mappings, NaN as None, no secrets."""
    if isinstance(value, Exact):
        return redact_all(value.value)
    if isinstance(value, Enum):
        return plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(plain(k)): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, (str, Path)):
        return redact(str(value))
    if isinstance(value, (bool, int)) or value is None:
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return plain(value.item())
    if isinstance(value, float):
        # Millimetres and microseconds are enough, and JSON has no NaN.
        return round(value, 6) if value == value and abs(value) != float("inf") else None
    return redact(str(value))


class _Budget:
    """Bytes of one kind of event: a burst at once, then so many a second."""

    BURST = 256_000
    RATE = 8_000

    def __init__(self, now_ns: int) -> None:
        self._left = float(self.BURST)
        self._at_ns = now_ns

    def take(self, size: int, now_ns: int) -> bool:
        """Take the bytes of an event from the budget; False when it is spent."""
        gained = (now_ns - self._at_ns) * 1e-9 * self.RATE
        self._left = min(float(self.BURST), self._left + gained)
        self._at_ns = now_ns
        if self._left <= 0:
            return False
        self._left -= size
        return True


class EventLog:
    """One JSON object a line: `time` (UTC), `mono_ns`, `event`, then what belongs to the event.

    A full or failing disk never stops a flight: the loss is said once and counted. An event that comes too often is
    left out and counted: `events-dropped` says of which name and how many. A file that has grown to half of
    `most_bytes` becomes `firmware_bridge.events.previous`, and the new one begins with a `rotated`, which holds the
    newest event of each name in this run.

    Args:
        path: File to append to; None keeps events out of files (they still reach the text log).
        most_bytes: Of this file and the one before it.

    Attributes:
        lost: Events that the disk did not take.
        listeners: Called with every line, as a mapping, in the writer's thread; must not wait.

    Raises:
        ConfigError: The file cannot be opened.
    """

    TELL_NS = 10_000_000_000

    def __init__(self, path: Path | None, most_bytes: int = 100_000_000) -> None:
        self._lock = threading.Lock()
        self._stream: IO[bytes] | None = None
        self._path = path
        self._most_bytes = most_bytes // 2
        self._size = 0
        self._rotates = False
        self._newest: dict[str, Mapping[str, Any]] = {}
        self._budgets: dict[str, _Budget] = {}
        self._dropped: Counter[str] = Counter()
        self._told_ns = time.monotonic_ns()
        self.lost = 0
        self.listeners: list[Callable[[Mapping[str, Any]], None]] = []
        if path is None:
            return
        self._open(path)

    def write(self, event: str, **data: Any) -> None:
        """Appends one event. Thread-safe."""
        line = _line(event, {name: plain(value) for name, value in data.items()})
        encoded = _encoded(line)
        now_ns = int(line["mono_ns"])
        with self._lock:
            budget = self._budgets.setdefault(event, _Budget(now_ns))
            taken = budget.take(len(encoded), now_ns)
            self._dropped[event] += not taken
        if taken:
            self._put(line, encoded)
        if now_ns - self._told_ns > self.TELL_NS:
            self._tell_dropped(now_ns)

    def _tell_dropped(self, now_ns: int) -> None:
        with self._lock:
            self._told_ns = now_ns
            dropped = dict(+self._dropped)
            self._dropped.clear()
        if dropped:
            line = _line("events-dropped", {"count": dropped})
            self._put(line, _encoded(line))

    def _put(self, line: Mapping[str, Any], encoded: bytes) -> None:
        event = str(line["event"])
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("event %s", encoded.decode().rstrip(), extra={"event": event})
        for listener in tuple(self.listeners):
            listener(line)
        with self._lock:
            if event == "start":
                self._newest.clear()
            self._newest[event] = line
            if self._stream is None:
                return
            try:
                if self._rotates and self._size + len(encoded) > self._most_bytes:
                    self._rotate()
                self._append(encoded)
            except (OSError, ConfigError) as error:
                self.lost += 1
                if self.lost == 1:
                    logger.error("event log: %s; events are lost from here on", error)

    def _open(self, path: Path) -> None:
        stream = open_for_writing(path, "log.events", ConfigError, append=True)
        found = os.fstat(stream.fileno())
        self._rotates = stat.S_ISREG(found.st_mode)
        self._size = found.st_size
        self._stream = stream

    def _rotate(self) -> None:
        assert self._path is not None and self._stream is not None
        before = previous(self._path)
        self._path.replace(before)
        self._stream.close()
        self._open(self._path)
        line = _line("rotated", {"before": before.name, "newest": self._newest})
        self._append(_encoded(line))

    def _append(self, encoded: bytes) -> None:
        assert self._stream is not None
        self._stream.write(encoded)
        self._stream.flush()
        self._size += len(encoded)

    def close(self) -> None:
        """Closes the file; later events reach the text log only."""
        self._tell_dropped(time.monotonic_ns())
        with self._lock:
            if self._stream is not None:
                with contextlib.suppress(OSError):  # what a full disk did not take was counted
                    self._stream.close()
                self._stream = None

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def utc_text(ago_s: float = 0.0) -> str:
    """Return the wall clock's time so many seconds ago, UTC, ISO 8601."""
    now = datetime.now(timezone.utc)  # noqa: TID251 - for readers of a list only
    return (now - timedelta(seconds=ago_s)).isoformat(timespec="seconds")


def _line(event: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),  # noqa: TID251 - for the reader of the log only
        "mono_ns": time.monotonic_ns(),
        "event": event,
        **data,
    }


def _encoded(line: Mapping[str, Any]) -> bytes:
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"
