"""Watch for ways down that the geofence began, by ArduPilot's FENCE_STATUS. Pure: time is given.

HEARTBEAT does not say "critical" in a breach. What tells is the count of breaches, which rises as the mode changes:
`AC_Fence::record_breach` sends FENCE_STATUS at once, and `Copter::fence_check` changes the mode in the same loop, so
that the heartbeat with the mode may come first (read in ArduCopter 4.6.2 and 4.7.0-dev). FENCE_STATUS is sent while a
fence is enabled. PX4 has no FENCE_STATUS; its HEARTBEAT says "critical".
"""

from __future__ import annotations

from typing import Any

FENCE_STREAM = "FENCE_STATUS"
FENCE_RATE_HZ = 2.0
TOLD_WITHIN_NS = 1_000_000_000  # Of the mode, where a fence is on: two reports
SILENT_WITHIN_NS = 300_000_000  # The same, where none was reported: one that was just switched on
HEARD_NS = 3_000_000_000
OURS_WITHIN_NS = 3_000_000_000  # A mode that we asked for comes so soon, or not at all

# What FENCE_ACTION leads into
ACTION_MODES = frozenset({"RTL", "SMART_RTL", "LAND", "BRAKE"})
OUR_MODES = frozenset({"GUIDED", "LAND"})


class FenceWatch:
    """Judges each change of mode by the breaches told around it. Time is an argument.

    Attributes:
        acted: The fence began what the vehicle does. It stays so in modes that we asked for, until another one comes.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another autopilot is served."""
        self.acted = False
        self._count: int | None = None
        self._heard_ns: int | None = None
        self._breached_ns: int | None = None
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
        self.acted = may_be and _within(self._breached_ns, TOLD_WITHIN_NS, now_ns)
        self._open_ns = now_ns if may_be and not self.acted else None

    def on_status(self, message: Any, now_ns: int) -> None:
        """Take a FENCE_STATUS of the autopilot served."""
        before, self._count, self._heard_ns = self._count, message.breach_count, now_ns
        anew = message.breach_status != 0 if before is None else message.breach_count > before
        if anew:
            self._breached_ns = now_ns
        if self.undecided(now_ns):
            self.acted = anew
            self._open_ns = None

    def undecided(self, now_ns: int) -> bool:
        """Return True while the mode may yet turn out to be the fence's."""
        heard = _within(self._heard_ns, HEARD_NS, now_ns)
        return _within(self._open_ns, TOLD_WITHIN_NS if heard else SILENT_WITHIN_NS, now_ns)


def _within(since_ns: int | None, span_ns: int, now_ns: int) -> bool:
    return since_ns is not None and now_ns - since_ns <= span_ns
