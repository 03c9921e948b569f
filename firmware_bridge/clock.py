"""The autopilot's boot clock in our monotonic time, between an upper and a lower bound.

A message stamped ``t_boot`` arrives at ``t_boot + offset + delay`` with ``delay >= 0``, so the smallest ``arrival -
t_boot`` of the last seconds bounds ``offset`` from above. TIMESYNC bounds it from below: what the autopilot stamped
``tc1`` was sent by us before, so ``offset`` is at least ``sent - tc1``. The estimate is the middle, so a delay that
both ways share cancels, and what remains is at most half of the smallest delay there plus the smallest delay back.
Without TIMESYNC it is the upper bound: a mapped stamp is then late by the smallest delay, never early.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

NS_PER_MS = 1_000_000
STAMP_TOLERANCE_NS = 1_000_000_000  # An older stamp of a sensor is of another clock, unless its earlier ones were not
LATE_STAMP_NS = 10_000_000_000  # A sensor whose stamp is older than this has begun another clock

FOREIGN_EARLY_NS = 200_000_000
# An answer whose own upper bound lies outside of these around the known one comes from another clock than the boot
# clock (a wall clock, a companion's), and says nothing
FOREIGN_LATE_NS = 1_000_000_000
# ``time_boot_ms`` begins again after 49.7 days, as in a dock whose autopilot is never switched off; TIMESYNC goes on
TURN_NS = 2**32 * NS_PER_MS
CROSSED_NS = 5_000_000  # The bounds may cross by so much from drift and the rounding of stamps to milliseconds


class ClockReading(NamedTuple):
    """Result of one time-stamped message."""

    offset_ns: int  # Our monotonic time minus the autopilot's boot time, as estimated now
    rebooted: bool  # The boot clock is another one than before: every earlier stamp is void
    trusted: bool = True  # The stamp fits the clock; a message with one that does not is to be left out


class ClockMap:
    """Maps ``time_boot_ms`` to monotonic nanoseconds. Not thread-safe: one reader feeds it.

    Args:
        window_ns: Time for which a smallest delay is trusted. Longer rides out longer bursts of delay, shorter follows
            drift (and a simulator that runs slower than real time) more closely. Silence and late ones do not count.
        reorder_ms: A stamp older than the newest by no more than this is a reordered datagram, by more it is a reboot.
        step_ns: Stamps that are steadily later than expected by more than this are a reboot too: the autopilot was away
            for longer than its new boot clock shows. What was held up on the way, or by us, comes faster than its
            stamps go on, so it is no reboot.
        sync_window_ns: The same for the lower bounds, which are rarer.
    """

    # Messages in a row beyond ``step_ns``, and their time, that make it a reboot instead of a delay
    STEADY, STEADY_NS = 10, 1_000_000_000
    # Delays vary; only what was held up falls by more than this and this part of the time
    STEADY_WITHIN_NS, STEADY_FALL = 100_000_000, 0.1
    SILENCE_NS = 500_000_000  # What a longer silence takes beyond this is no part of the windows
    # Messages in a row that must agree on another clock before it is believed: a lone stamp that makes no sense (a
    # fault, a forgery) is left out, and moves nothing
    CONFIRM = 3

    def __init__(
        self,
        window_ns: int = 3_000_000_000,
        reorder_ms: int = 1000,
        step_ns: int = 1_000_000_000,
        sync_window_ns: int = 6_000_000_000,
    ) -> None:
        self._reorder_ms = reorder_ms
        self._step_ns = step_ns
        self._newest_ms: int | None = None
        self._last_offset_ns: int | None = None
        self._upper = _Smallest(window_ns)
        self._lower = _Smallest(sync_window_ns)  # of the negated bounds
        self._late_in_a_row = 0
        # Arrival of the first of them, their greatest offset, and how far it fell from the greatest before
        self._late_since: tuple[int, int, int] | None = None
        self._heard_ns = 0  # See `_heard`
        self._arrival_ns: int | None = None
        self._suspects = 0
        self._suspect_ms = 0
        self._suspect_offset_ns = 0

    @property
    def offset_ns(self) -> int | None:
        """Monotonic minus boot time, or None before the first message."""
        upper_ns, lower_ns = self._upper.value, self._lower_ns
        if upper_ns is None or lower_ns is None or lower_ns >= upper_ns:
            return upper_ns
        return (upper_ns + lower_ns) // 2

    @property
    def late_ns(self) -> int:
        """Delay of the newest stamped message beyond the smallest: what came with it without a stamp is as old."""
        offset_ns, last_ns = self.offset_ns, self._last_offset_ns
        return 0 if offset_ns is None or last_ns is None else max(0, last_ns - offset_ns)

    @property
    def uncertainty_ns(self) -> int | None:
        """Largest error of the offset but for drift; None while nothing bounds it from below."""
        upper_ns, lower_ns = self._upper.value, self._lower_ns
        if upper_ns is None or lower_ns is None:
            return None
        return max(0, upper_ns - lower_ns) // 2

    @property
    def hidden_ns(self) -> int | None:
        """Part of each message's age that its mapped stamp may not show; None while nothing bounds it.

        A link that is late all the time shows it only to TIMESYNC. Where the bounds cross, the autopilot's clock runs
        slow, and stamps look older than they are.
        """
        offset_ns, negated_ns = self.offset_ns, self._lower.value
        return None if offset_ns is None or negated_ns is None else max(0, offset_ns + negated_ns)

    @property
    def _lower_ns(self) -> int | None:
        upper_ns, negated_ns = self._upper.value, self._lower.value
        if upper_ns is None or negated_ns is None or -negated_ns > upper_ns + CROSSED_NS:
            return None
        return -negated_ns

    def reset(self) -> None:
        """Forget everything, as after a reboot."""
        self._newest_ms = self._last_offset_ns = None
        self._upper.clear()
        self._lower.clear()
        self._late_since, self._late_in_a_row = None, 0
        self._suspects = 0

    def update(self, boot_ms: int, arrival_ns: int) -> ClockReading:
        """Learn from one message.

        Returns:
            The offset, with which the message's own stamp is at most its arrival.
        """
        offset_ns = arrival_ns - boot_ms * NS_PER_MS
        known_ns = self._upper.value
        if known_ns is not None and self._is_another_clock(boot_ms, offset_ns, known_ns):
            if not self._confirmed(boot_ms, offset_ns):
                return ClockReading(self.offset_ns or known_ns, rebooted=False, trusted=False)
            rebooted = True
        else:
            self._suspects = 0
            rebooted = self._is_steadily_late(offset_ns, arrival_ns)
        if rebooted:
            self.reset()
        self._newest_ms, self._last_offset_ns = max(boot_ms, self._newest_ms or 0), offset_ns
        heard_ns = self._heard(arrival_ns)
        self._upper.add(offset_ns, heard_ns)
        self._lower.forget(heard_ns)
        offset = self.offset_ns
        assert offset is not None
        return ClockReading(offset, rebooted)

    def synchronise(self, sent_ns: int, answer_ns: int, received_ns: int) -> bool:
        """Learn from an answered TIMESYNC, times in ns; False when it tells of another clock, or comes too early."""
        known_ns = self._upper.value
        if known_ns is None:
            return False
        late_ns = received_ns - answer_ns - known_ns
        turned_ns = round(late_ns / TURN_NS) * TURN_NS
        answer_ns, late_ns = answer_ns + turned_ns, late_ns - turned_ns
        if not -FOREIGN_EARLY_NS <= late_ns <= FOREIGN_LATE_NS:
            return False
        heard_ns = self._heard(received_ns)
        self._upper.add(received_ns - answer_ns, heard_ns)
        self._lower.add(answer_ns - sent_ns, heard_ns)
        return True

    def _heard(self, arrival_ns: int) -> int:
        """The time of an arrival on a clock that stands still in silences, and while late messages come."""
        if self._arrival_ns is not None:
            held_up = self._late_since is not None  # what comes bounds nothing
            self._heard_ns += 0 if held_up else min(max(0, arrival_ns - self._arrival_ns), self.SILENCE_NS)
        self._arrival_ns = arrival_ns if self._arrival_ns is None else max(arrival_ns, self._arrival_ns)
        return self._heard_ns

    def _is_another_clock(self, boot_ms: int, offset_ns: int, known_ns: int) -> bool:
        """The stamp runs backward, or is from our future."""
        assert self._newest_ms is not None
        backward = boot_ms < self._newest_ms - self._reorder_ms
        return backward or offset_ns < known_ns - self._step_ns

    def _confirmed(self, boot_ms: int, offset_ns: int) -> bool:
        agrees = (
            self._suspects > 0
            and boot_ms >= self._suspect_ms - self._reorder_ms
            and abs(offset_ns - self._suspect_offset_ns) <= self._step_ns
        )
        self._suspects = self._suspects + 1 if agrees else 1
        self._suspect_ms, self._suspect_offset_ns = boot_ms, offset_ns
        return self._suspects >= self.CONFIRM

    def _is_steadily_late(self, offset_ns: int, arrival_ns: int) -> bool:
        known_ns = self._upper.value
        if known_ns is None or offset_ns - known_ns <= self._step_ns:
            self._late_since, self._late_in_a_row = None, 0
            return False
        since_ns, most_ns, fall_ns = self._late_since or (arrival_ns, offset_ns, 0)
        most_ns = max(most_ns, offset_ns)
        fall_ns = max(fall_ns, most_ns - offset_ns)
        self._late_since, self._late_in_a_row = (since_ns, most_ns, fall_ns), self._late_in_a_row + 1
        lasted_ns = arrival_ns - since_ns
        steady = fall_ns <= self.STEADY_WITHIN_NS + self.STEADY_FALL * lasted_ns
        return steady and self._late_in_a_row >= self.STEADY and lasted_ns >= self.STEADY_NS


class _Smallest:
    """The smallest value of a moving window of time."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        # Monotone queue: time rises, value rises; the head is the smallest of the window.
        self._queue: deque[tuple[int, int]] = deque()

    @property
    def value(self) -> int | None:
        """The smallest, or None when there is none."""
        return self._queue[0][1] if self._queue else None

    def clear(self) -> None:
        """Forget all."""
        self._queue.clear()

    def forget(self, now_ns: int) -> None:
        """Let go of what is older than the window."""
        while self._queue and self._queue[0][0] < now_ns - self._window_ns:
            self._queue.popleft()

    def add(self, value: int, at_ns: int) -> None:
        """Take a value."""
        self.forget(at_ns)
        while self._queue and self._queue[-1][1] >= value:
            self._queue.pop()
        self._queue.append((at_ns, value))


def arrival_or_stamp(boot_ms: int, now_ns: int, offset_ns: int) -> int:
    """Our monotonic time of a message: its stamp's, or that of its arrival where the stamp is of another clock.

    Some drivers stamp 0, or with a clock of their own.
    """
    at_ns = boot_ms * NS_PER_MS + offset_ns
    return at_ns if 0 <= now_ns - at_ns <= STAMP_TOLERANCE_NS else now_ns


class SensorStamps:
    """Tells sensors whose stamps are of the autopilot's clock from others, by their earlier messages. Not thread-safe.

    What such a sensor said is as old as its stamp, however late it came: a burst after a stall is no news.
    """

    def __init__(self) -> None:
        self._known: set[Hashable] = set()

    def clear(self) -> None:
        """Forget all, as after a reboot."""
        self._known.clear()

    def at_ns(self, sensor: Hashable, boot_ms: int, now_ns: int, offset_ns: int) -> int:
        """Our monotonic time of a sensor's message that arrives now."""
        age_ns = now_ns - (boot_ms * NS_PER_MS + offset_ns)
        if 0 <= age_ns <= STAMP_TOLERANCE_NS:
            self._known.add(sensor)
        late = sensor in self._known and 0 <= age_ns <= LATE_STAMP_NS
        return now_ns - age_ns if late else now_ns
