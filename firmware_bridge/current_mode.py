"""The autopilot's mode between two heartbeats, by CURRENT_MODE. Pure: time is given.

ArduPilot sends a HEARTBEAT as it changes its mode (`Copter::set_mode`). PX4 sends one a second and refuses to send more
(`MavlinkReceiver::set_message_interval`), so that for up to a second a pilot's switch is not told. Its CURRENT_MODE
comes with each change of `vehicle_status`, and twice a second without one. It tells no failsafe: whose a mode is, the
next heartbeat says. Until then nothing is commanded.
"""

from __future__ import annotations

from typing import Any

MODE_STREAM = "CURRENT_MODE"
MODE_STREAM_RATE_HZ = 10.0
COMES_NS = 2_000_000_000  # The stream comes while its last report is younger
TOLD_WITHIN_NS = 750_000_000  # A stream that comes tells the mode at least so often
BEAT_WITHIN_NS = 1_500_000_000  # Of the last heartbeat, where it tells each change at once
HEARD_WITHIN_NS = 500_000_000  # Of anything: what an autopilot that is silent would get late is not sent


class ModeWatch:
    """Keeps what is told of the mode, by its number."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another autopilot is served."""
        self._beat: int | None = None
        self._beat_ns = 0
        self._told: int | None = None
        self._told_ns = 0

    def on_heartbeat(self, custom_mode: int, at_ns: int) -> None:
        """Take the mode in a heartbeat."""
        self._beat, self._beat_ns = custom_mode, at_ns

    def on_current(self, message: Any, at_ns: int) -> None:
        """Take a CURRENT_MODE of the autopilot served."""
        self._told, self._told_ns = int(message.custom_mode), at_ns

    @property
    def untold(self) -> int | None:
        """A mode that came since the last heartbeat, which does not tell it; None where there is none."""
        return self._told if self._told_ns > self._beat_ns and self._told != self._beat else None

    def may_command(self, now_ns: int, heard_ns: int, last_ns: int | None, *, told_at_once: bool) -> bool:
        """Return whether what is known of the mode is young enough to ask for another one.

        Args:
            now_ns: Monotonic time.
            heard_ns: Time of the autopilot's last message of any kind.
            last_ns: Time of the try before; None for the first.
            told_at_once: The autopilot's heartbeat tells each change of its mode as it happens.
        """
        if now_ns - heard_ns > HEARD_WITHIN_NS or self.untold is not None:
            return False
        if told_at_once:
            return now_ns - self._beat_ns <= BEAT_WITHIN_NS
        newest_ns = max(self._beat_ns, self._told_ns)
        if self._told_ns and now_ns - self._told_ns <= COMES_NS:
            return now_ns - newest_ns <= TOLD_WITHIN_NS
        return last_ns is None or newest_ns > last_ns
