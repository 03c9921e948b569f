"""Retention of recordings: the last minutes always, flights and incidents within a budget.

    FOLDER/ring/BOOT-000012.mcap        the last minutes, oldest removed first
    FOLDER/flights/20261123T081500Z-armed/BOOT-000012.mcap ...   kept; oldest flight removed first

A kept file is a hard link where the file system has them, so nothing is copied on the drone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from edge.blackbox.segment import PART

SUFFIX = ".mcap"


@dataclass(frozen=True)
class Retention:
    """Limits on what is kept.

    Attributes:
        ring_s: Length of the ring.
        before_s, after_s: Kept around an event.
        budget_bytes: Of everything; the oldest flights go first.
        free_bytes: Nothing is written while the disk has less left.
    """

    ring_s: float = 180.0
    before_s: float = 60.0
    after_s: float = 20.0
    budget_bytes: int = 4_000_000_000
    free_bytes: int = 300_000_000


@dataclass(frozen=True)
class _Complete:
    path: Path
    first_ns: int
    last_ns: int


class Ring:
    """The folder of recordings. One thread uses it; times are monotonic ns, given by the caller.

    Args:
        folder: Made when it is missing.
        boot: Name of this run, the first part of its files' names.
        limits: What is kept.

    Raises:
        OSError: The folder cannot be made.
    """

    def __init__(self, folder: Path, boot: str, limits: Retention) -> None:
        self._ring = folder / "ring"
        self._flights = folder / "flights"
        self._boot = boot
        self._limits = limits
        self._number = 0
        self._complete: deque[_Complete] = deque()
        self._keep_until_ns: int | None = None
        self._flight: Path | None = None
        self._ring.mkdir(parents=True, exist_ok=True)
        self._flights.mkdir(parents=True, exist_ok=True)

    @property
    def flight(self) -> Path | None:
        """Folder of the flight that is being kept; None when none is."""
        return self._flight

    def rescue(self, stamp: str) -> Path | None:
        """Keeps what an earlier run left that did not end by itself; called once, at start.

        Args:
            stamp: Wall-clock time for the folder's name.

        Returns:
            The flight's folder, or None when the last run ended in order.
        """
        left = sorted(p for p in self._ring.iterdir() if SUFFIX in p.name)
        crashed = any(p.name.endswith(PART) for p in left)
        # Killed before the first bytes of a file reached the disk, it is empty.
        worth = [p for p in left if crashed and p.stat().st_size]
        for path in left:
            if path not in worth:
                path.unlink(missing_ok=True)
        if not worth:
            return None
        folder = self._new_flight(stamp, "crash")
        for path in worth:
            path.rename(folder / path.name.removesuffix(PART))
        return folder

    def next_path(self) -> Path:
        """Name of the next file of the ring."""
        self._number += 1
        return self._ring / f"{self._boot}-{self._number:06d}{SUFFIX}"

    def keep(self, now_ns: int, event: str, stamp: str) -> None:
        """Something happened: what is around it stays.

        Args:
            now_ns: When.
            event: Short word for the folder's name, of the first event of a flight.
            stamp: Wall-clock time for the folder's name.
        """
        if self._flight is None:
            self._flight = self._new_flight(stamp, event)
            since_ns = now_ns - round(self._limits.before_s * 1e9)
            for item in self._complete:
                if item.last_ns >= since_ns:
                    _link(item.path, self._flight / item.path.name)
        self._keep_until_ns = now_ns + round(self._limits.after_s * 1e9)

    def completed(self, path: Path, first_ns: int, last_ns: int) -> None:
        """A file is complete: it is kept where something happened, and old ones go."""
        self._complete.append(_Complete(path, first_ns, last_ns))
        if self._flight is not None and self._keep_until_ns is not None:
            if first_ns <= self._keep_until_ns:
                _link(path, self._flight / path.name)
            if last_ns > self._keep_until_ns:
                self._flight = self._keep_until_ns = None
        oldest_ns = last_ns - round(self._limits.ring_s * 1e9)
        while self._complete and self._complete[0].last_ns < oldest_ns:
            self._complete.popleft().path.unlink(missing_ok=True)
        self.keep_within_budget()

    def keep_within_budget(self) -> None:
        """Removes the oldest until the budget holds: whole flights, then files of the present one.

        Else a vehicle that stays armed for hours would fill the disk.
        """
        flights = sorted(p for p in self._flights.iterdir() if p.is_dir())
        sizes = {flight: _size(flight) for flight in flights}
        total = sum(sizes.values()) + _size(self._ring)
        for flight in flights:
            if total <= self._limits.budget_bytes:
                return
            if flight == self._flight:
                continue
            shutil.rmtree(flight, ignore_errors=True)
            total -= sizes[flight]
        if self._flight is None:
            return
        for path in sorted(self._flight.iterdir()):  # numbered within the run
            if total <= self._limits.budget_bytes:
                return
            with contextlib.suppress(OSError):
                size = path.stat().st_size
                path.unlink()
                total -= size

    def has_room(self) -> bool:
        """Tell whether more than `free_bytes` are free on the disk."""
        stats = os.statvfs(self._ring)
        return stats.f_bavail * stats.f_frsize > self._limits.free_bytes

    def close(self) -> None:
        """The run ends in order: what was kept stays, the rest of the ring goes."""
        for item in self._complete:
            item.path.unlink(missing_ok=True)
        self._complete.clear()

    def _new_flight(self, stamp: str, event: str) -> Path:
        name = f"{stamp}-{event}"
        folder, count = self._flights / name, 1
        while folder.exists():
            count += 1
            folder = self._flights / f"{name}-{count}"
        folder.mkdir()
        return folder


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # FAT and exFAT cards have no hard links
        shutil.copyfile(source, target)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder; a hard link counts where it is."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
