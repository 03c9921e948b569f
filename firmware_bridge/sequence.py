"""Sequence numbers of MAVLink frames: what was lost, and whether two senders use one id. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

NS_PER_S = 1_000_000_000
MAX_SENDERS = 256


@dataclass
class _Line:
    """Sequence numbers of one sender id."""

    last: int  # Number of the newest frame
    other: int | None = None  # Number before the last jump
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=16))  # Newest numbers
    counts: bool = False  # They were seen to go on by one: the sender counts at all


class SequenceCounter:
    """Counts lost frames, and numbers in which two senders under one id take turns.

    One sender's numbers go on by one, but for losses and late frames. Those of two jump to and fro between two
    places, or come twice.

    Attributes:
        received: Frames taken.
        lost: Frames missing by the gaps.
        turns: Returns of the numbers to the place before a jump, and numbers that came twice.
    """

    LATE = 200  # A step this far ahead, of 256, is a frame that came late
    CLOSE = 3  # Frames that may be lost where numbers go back to another place
    SHARED_TURNS = 4
    # This many turns within this time are two senders: a heartbeat a second makes two each second
    SHARED_WINDOW_NS = 5 * NS_PER_S

    def __init__(self) -> None:
        self._lines: dict[tuple[int, int], _Line] = {}
        self._turns_ns: deque[int] = deque(maxlen=self.SHARED_TURNS)
        self.received = 0
        self.lost = 0
        self.turns = 0

    def add(self, message: Any, now_ns: int) -> None:
        """Take any message; the very same frame is not to be given twice."""
        sender = (message.get_srcSystem(), message.get_srcComponent())
        number = message.get_seq()
        self.received += 1
        line = self._lines.get(sender)
        if line is None:
            if len(self._lines) >= MAX_SENDERS:
                del self._lines[next(iter(self._lines))]
            line = self._lines[sender] = _Line(number)
        else:
            self._step(line, number, now_ns)
        line.recent.append(number)

    def restart(self) -> None:
        """The senders are others from now on; the counts stay."""
        self._lines.clear()
        self._turns_ns.clear()

    def shared(self, now_ns: int) -> bool:
        """Return whether two senders use one id, by the turns of the last seconds."""
        turns = self._turns_ns
        return len(turns) == self.SHARED_TURNS and now_ns - turns[0] <= self.SHARED_WINDOW_NS

    def _step(self, line: _Line, number: int, now_ns: int) -> None:
        missed = (number - line.last - 1) % 256
        back = None if line.other is None else (number - line.other - 1) % 256
        if back is not None and back <= self.CLOSE and back < missed:
            self._turn(now_ns)
            self.lost += back
            line.last, line.other = number, line.last
            return
        if missed > self.LATE:
            self.lost = max(0, self.lost - 1)
            if number in line.recent and line.counts:
                line.counts = False
                self._turn(now_ns)
            elif missed < 256 - line.recent.maxlen:  # type: ignore[operator]
                line.other = number
            return
        line.counts = line.counts or missed == 0
        self.lost += missed
        if missed > self.CLOSE:
            line.other = line.last
        line.last = number

    def _turn(self, now_ns: int) -> None:
        self.turns += 1
        self._turns_ns.append(now_ns)
