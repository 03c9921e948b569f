"""The autopilot's boot clock in our monotonic time, by the smallest delay seen lately.

A message stamped ``t_boot`` arrives at ``t_boot + offset + delay`` with ``delay >= 0``, so the
smallest ``arrival - t_boot`` of the last seconds is the best estimate of ``offset``. What remains
is the smallest delay of the window (a few milliseconds on a serial line: a mapped stamp is late by
that much, never earlier than the truth) and drift over the window.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class ClockReading:
    """What one time-stamped message told the clock map.

    Attributes:
        offset_ns: Our monotonic time minus the autopilot's boot time, as estimated now.
        rebooted: The boot clock is another one than before: every earlier stamp is void.
    """

    offset_ns: int
    rebooted: bool


class ClockMap:
    """Maps ``time_boot_ms`` to monotonic nanoseconds. Not thread-safe: one reader feeds it.

    Args:
        window_ns: How long a smallest delay is trusted. Longer rides out longer bursts of delay,
            shorter follows drift (and a simulator that runs slower than real time) more closely.
        reorder_ms: A stamp older than the newest by no more than this is a reordered datagram,
            by more it is a reboot.
        step_ns: Stamps that are steadily later than expected by more than this are a reboot too:
            the autopilot was away for longer than its new boot clock shows.
    """

    STEADY = 10
    """Messages in a row beyond ``step_ns`` that make it a reboot instead of a delay."""

    def __init__(
        self,
        window_ns: int = 3_000_000_000,
        reorder_ms: int = 1000,
        step_ns: int = 1_000_000_000,
    ) -> None:
        self._window_ns = window_ns
        self._reorder_ms = reorder_ms
        self._step_ns = step_ns
        self._newest_ms: int | None = None
        # Monotone queue: arrival rises, offset rises; the head is the minimum of the window.
        self._candidates: deque[tuple[int, int]] = deque()
        self._late_in_a_row = 0

    @property
    def offset_ns(self) -> int | None:
        """Monotonic minus boot time, or None before the first message."""
        return self._candidates[0][1] if self._candidates else None

    def reset(self) -> None:
        """Forget everything, as after a reboot."""
        self._newest_ms = None
        self._candidates.clear()
        self._late_in_a_row = 0

    def update(self, boot_ms: int, arrival_ns: int) -> ClockReading:
        """Learn from one message.

        Args:
            boot_ms: Its ``time_boot_ms``.
            arrival_ns: Monotonic time of its arrival.

        Returns:
            The offset, with which the message's own stamp is at most its arrival.
        """
        offset_ns = arrival_ns - boot_ms * NS_PER_MS
        rebooted = self._is_reboot(boot_ms, offset_ns)
        if rebooted:
            self.reset()
        self._newest_ms = max(boot_ms, self._newest_ms or 0)
        while self._candidates and self._candidates[0][0] < arrival_ns - self._window_ns:
            self._candidates.popleft()
        while self._candidates and self._candidates[-1][1] >= offset_ns:
            self._candidates.pop()
        self._candidates.append((arrival_ns, offset_ns))
        return ClockReading(self._candidates[0][1], rebooted)

    def to_monotonic_ns(self, boot_ms: int) -> int | None:
        """Our time of a boot stamp, or None before the first message."""
        offset_ns = self.offset_ns
        return None if offset_ns is None else boot_ms * NS_PER_MS + offset_ns

    def _is_reboot(self, boot_ms: int, offset_ns: int) -> bool:
        if self._newest_ms is None:
            return False
        if boot_ms < self._newest_ms - self._reorder_ms:
            return True
        known_ns = self.offset_ns
        if known_ns is not None and offset_ns - known_ns > self._step_ns:
            self._late_in_a_row += 1
        else:
            self._late_in_a_row = 0
        return self._late_in_a_row >= self.STEADY
