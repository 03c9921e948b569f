"""TIMESYNC, both ways: we answer it with the clock that stamps our targets, and ask it ourselves.

The clock is our monotonic one, in nanoseconds. PX4 maps LANDING_TARGET.time_usec through what it learnt from our
answers, so both must be the same clock: `target` stamps with it as well. Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from firmware_bridge.supplement import timesync, timesync_addressee

# Five questions a second: within the clock map's window enough answers to find a quick one, for 0.3 kB/s of line. PX4
# and companions usually ask ten times a second.
ASK_PERIOD_NS = 200_000_000
LONGEST_ROUND_NS = 1_000_000_000
OUTSTANDING = 16


@dataclass(frozen=True)
class ClockAnswer:
    """An answered question of ours."""

    sent_ns: int  # Our time when we asked
    answer_ns: int  # The other side's time when it answered
    received_ns: int  # Our time when the answer came


class Timesync:
    """Keeps the questions that are out. One caller at a time; time is an argument."""

    def __init__(self) -> None:
        self._asked: deque[int] = deque(maxlen=OUTSTANDING)
        self._next_ns = 0

    def restart(self) -> None:
        """Forget what was asked, as after a reconnect."""
        self._asked.clear()
        self._next_ns = 0

    def question(self, now_ns: int, system: int, component: int) -> Any | None:
        """The TIMESYNC to send now to the autopilot, or None while none is due."""
        if now_ns < self._next_ns:
            return None
        self._next_ns = now_ns + ASK_PERIOD_NS
        self._asked.append(now_ns)
        return timesync(0, now_ns, system, component)

    def reply(self, raw: bytes, message: Any, now_ns: int, own: tuple[int, int]) -> Any | None:
        """Return the immediate answer to a TIMESYNC question, or None when it does not ask us."""
        if message.tc1 != 0 or not _is_for(raw, own):
            return None
        return timesync(now_ns, message.ts1, message.get_srcSystem(), message.get_srcComponent())

    def answer(self, message: Any, now_ns: int) -> ClockAnswer | None:
        """Return the answer to a question of ours; None when it answers somebody else's."""
        sent_ns = message.ts1
        if message.tc1 <= 0 or sent_ns not in self._asked:
            return None
        self._asked.remove(sent_ns)
        if not 0 <= now_ns - sent_ns <= LONGEST_ROUND_NS:
            return None
        return ClockAnswer(sent_ns, message.tc1, now_ns)


def _is_for(raw: bytes, own: tuple[int, int]) -> bool:
    system, component = timesync_addressee(raw)
    return system in (0, own[0]) and component in (0, own[1])
