"""StampedSample samples of one quantity, in order, parted where it jumps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class StampedSample(Protocol):
    """A sample with the time of its measurement."""

    @property
    def at_ns(self) -> int:
        """Time of the measurement, ns."""


S = TypeVar("S", bound=StampedSample)


class Track(Generic[S]):
    """Samples in order of time, with a mark where a jump parts them.

    A sample that jumps is held back until the next one agrees with it: a lone outlier vanishes, a real step (a reset of
    the estimator) starts a new segment that is never interpolated into. `parted` is called with the last sample of a
    segment and the first of the next.

    Attributes:
        suspect: Sample held back; while there is one the newest cannot be relied on.
        resets: Number of new segments.
    """

    def __init__(
        self,
        keep_ns: int,
        jumps: Callable[[S, S], bool],
        parted: Callable[[S, S], None] | None = None,
        limit: int = 1024,
    ) -> None:
        self._keep_ns = keep_ns
        self._limit = limit
        self._jumps = jumps
        self._parted = parted
        self._stamps: list[int] = []
        self._samples: list[S] = []
        self._segments: list[int] = []
        self.suspect: S | None = None
        self.resets = 0

    def clear(self) -> None:
        """Forget all samples."""
        self._stamps.clear()
        self._samples.clear()
        self._segments.clear()
        self.suspect = None

    @property
    def newest(self) -> S | None:
        """The newest sample, or None."""
        return self._samples[-1] if self._samples else None

    def add(self, sample: S) -> bool:
        """Take a sample; False when it is out of order, a duplicate or held back as a jump."""
        newest = self.newest
        if newest is None:
            self._append(sample, 0)
            return True
        if sample.at_ns <= newest.at_ns:
            return False
        if not self._jumps(newest, sample):
            self.suspect = None
            self._append(sample, self._segments[-1])
            return True
        suspect = self.suspect
        if suspect is None or suspect.at_ns >= sample.at_ns or self._jumps(suspect, sample):
            self.suspect = sample
            return False
        self.confirm()
        self._append(sample, self._segments[-1])
        return True

    def confirm(self) -> None:
        """Take the sample that was held back as the first of a new segment."""
        newest, suspect = self.newest, self.suspect
        if newest is None or suspect is None:
            return
        self.suspect = None
        self.resets += 1
        self._append(suspect, self._segments[-1] + 1)
        if self._parted is not None:
            self._parted(newest, suspect)

    def around(self, at_ns: int) -> tuple[S | None, S | None]:
        """Newest sample at or before the moment and oldest after it, of one segment."""
        index = bisect_right(self._stamps, at_ns)
        before = self._samples[index - 1] if index > 0 else None
        after = self._samples[index] if index < len(self._samples) else None
        if before is not None and after is not None:
            if before.at_ns == at_ns:
                return before, None
            if self._segments[index - 1] != self._segments[index]:
                return None, None
        return before, after

    def _append(self, sample: S, segment: int) -> None:
        self._stamps.append(sample.at_ns)
        self._samples.append(sample)
        self._segments.append(segment)
        oldest_ns = sample.at_ns - self._keep_ns
        drop = max(bisect_right(self._stamps, oldest_ns - 1), len(self._stamps) - self._limit)
        if drop > 0:
            del self._stamps[:drop], self._samples[:drop], self._segments[:drop]
