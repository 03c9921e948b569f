"""Watch for ways down that the geofence began, by ArduPilot's FENCE_STATUS. Pure: time is given.

HEARTBEAT does not say "critical" in a breach. What tells is the count of breaches, which rises as the mode changes:
`AC_Fence::record_breach` sends FENCE_STATUS at once, and `Copter::fence_check` changes the mode in the same loop, so
that the heartbeat with the mode may come first (read in ArduCopter 4.6.2 and 4.7.0-dev). FENCE_STATUS also says when
the breach was, by the boot clock, so a mode that a pilot chose some tenths of a second before or after it is the
pilot's, even where the first report was lost. FENCE_STATUS is sent while a fence is enabled. PX4 has none; its
HEARTBEAT says "critical".
"""

from __future__ import annotations

from typing import Any

from firmware_bridge.clock import ClockMap, arrival_or_stamp

FENCE_STREAM = "FENCE_STATUS"
FENCE_RATE_HZ = 2.0
TOLD_WITHIN_NS = 1_000_000_000  # Of the mode, where a fence is on: two reports
SILENT_WITHIN_NS = 300_000_000  # The same, where none was reported: one that was just switched on
HEARD_NS = 3_000_000_000
# By the breach's own time the mode comes no sooner than errors of the clock, and no later than a slow link delays it
EARLY_NS, LATE_NS = 100_000_000, 300_000_000
OURS_WITHIN_NS = 3_000_000_000  # A mode that we asked for comes so soon, or not at all

# What FENCE_ACTION leads into
ACTION_MODES = frozenset({"RTL", "SMART_RTL", "LAND", "BRAKE"})
OUR_MODES = frozenset({"GUIDED", "LAND"})


class FenceWatch:
    """Judges each change of mode by the breaches told around it. Time is an argument.

    Args:
        clock: The autopilot's boot clock; without it, reports count by their arrival.

    Attributes:
        acted: The fence began what the vehicle does. It stays so in modes that we asked for, until another one comes.
    """

    def __init__(self, clock: ClockMap | None = None) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Another autopilot is served."""
        self.acted = False
        self._count: int | None = None
        self._heard_ns: int | None = None
        self._breached_ns: int | None = None
        self._timed = False  # It is the breach's own time, not the report's arrival
        self._open_ns: int | None = None
        self._asked_ns: int | None = None

    def on_command(self, now_ns: int) -> None:
        """Note that we ask the autopilot for a mode."""
        self._asked_ns = now_ns

    def on_disarmed(self) -> None:
        """The flight is over."""
        self.acted, self._open_ns = False, None

    def on_mode(self, name: str, now_ns: int) -> None:
        """Take a change of mode, by the mode's name."""
        if name in OUR_MODES and _within(self._asked_ns, OURS_WITHIN_NS, now_ns):
            self._open_ns = None
            return
        may_be = name in ACTION_MODES
        self.acted = may_be and self._began(now_ns)
        self._open_ns = now_ns if may_be and not self.acted else None

    def on_status(self, message: Any, now_ns: int) -> None:
        """Take a FENCE_STATUS of the autopilot served."""
        before, self._count, self._heard_ns = self._count, message.breach_count, now_ns
        begun = before is None or message.breach_count < before  # nothing is known of it, or it started anew
        anew = message.breach_status != 0 if begun else message.breach_count > before
        if anew:
            offset_ns = None if self._clock is None else self._clock.offset_ns
            at_ns = now_ns if offset_ns is None else arrival_or_stamp(message.breach_time, now_ns, offset_ns)
            self._breached_ns, self._timed = at_ns, at_ns != now_ns
        if self.undecided(now_ns) and self._open_ns is not None:
            self.acted = self._began(self._open_ns)
            self._open_ns = None

    def _began(self, mode_ns: int) -> bool:
        """Return True for a mode that came with the newest breach."""
        if self._breached_ns is None:
            return False
        early_ns, late_ns = (EARLY_NS, LATE_NS) if self._timed else (TOLD_WITHIN_NS, TOLD_WITHIN_NS)
        return -early_ns <= mode_ns - self._breached_ns <= late_ns

    def undecided(self, now_ns: int) -> bool:
        """Return True while the mode may yet turn out to be the fence's."""
        heard = _within(self._heard_ns, HEARD_NS, now_ns)
        return _within(self._open_ns, TOLD_WITHIN_NS if heard else SILENT_WITHIN_NS, now_ns)


def _within(since_ns: int | None, span_ns: int, now_ns: int) -> bool:
    return since_ns is not None and now_ns - since_ns <= span_ns
