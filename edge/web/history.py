"""The last minutes at one look a second, for the page's slider."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class HistoryEntry:
    """One second of the past.

    Attributes:
        at_ns: Monotonic time.
        message: As it went to the viewers.
    """

    at_ns: int
    message: bytes


class History:
    """Keeps moments for a while and within a number of bytes. One thread uses it.

    Args:
        keep_s: For how long.
        max_bytes: At most so many; the oldest go first.
    """

    PERIOD_NS = 1_000_000_000

    def __init__(self, keep_s: float = 300.0, max_bytes: int = 24_000_000) -> None:
        self._keep_ns = round(keep_s * 1e9)
        self._max_bytes = max_bytes
        self._moments: deque[HistoryEntry] = deque()
        self._bytes = 0

    def due(self, at_ns: int) -> bool:
        """Tell whether a second has passed since the newest entry."""
        return not self._moments or at_ns - self._moments[-1].at_ns >= self.PERIOD_NS

    def add(self, at_ns: int, message: bytes) -> None:
        """Keeps a moment."""
        self._moments.append(HistoryEntry(at_ns, message))
        self._bytes += len(message)
        while self._moments and (at_ns - self._moments[0].at_ns > self._keep_ns or self._bytes > self._max_bytes):
            self._bytes -= len(self._moments.popleft().message)

    def times_ns(self) -> list[int]:
        """Of all moments, oldest first."""
        return [m.at_ns for m in self._moments]

    def nearest(self, at_ns: int) -> HistoryEntry | None:
        """The moment closest to a time."""
        return min(self._moments, key=lambda m: abs(m.at_ns - at_ns), default=None)
