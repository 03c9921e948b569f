"""The estimator's own word on its position and its resets, from both autopilots' messages."""

from __future__ import annotations

import logging
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.pose_history import PoseHistory
from landing.vehicle import Autopilot

log = logging.getLogger(__name__)

# Streams in which each autopilot tells of its estimator's state and resets
ESTIMATOR_STREAMS = {Autopilot.ARDUPILOT: ("EKF_STATUS_REPORT",), Autopilot.PX4: ("ESTIMATOR_STATUS", "ODOMETRY")}
ESTIMATOR_RATE_HZ = 5.0
ESTIMATOR_SILENT_NS = 3_000_000_000
# One of these is set while the estimator has a horizontal position; the same bits in both
POSITION_FLAGS = mavlink.ESTIMATOR_POS_HORIZ_REL | mavlink.ESTIMATOR_POS_HORIZ_ABS
# While this is set, and at its end, the position may step
GLITCH_FLAGS = {"EKF_STATUS_REPORT": mavlink.EKF_GPS_GLITCHING, "ESTIMATOR_STATUS": mavlink.ESTIMATOR_GPS_GLITCH}


class EstimatorState:
    """Tells a pose history whether its position is valid, and of resets."""

    def __init__(self, history: PoseHistory) -> None:
        self._history = history
        self.clear()

    def clear(self) -> None:
        """Forget all, as after a reboot."""
        self._flags: int | None = None
        self._flags_ns = 0
        self._reset_counter: int | None = None
        self._origin: tuple[int, int, int] | None = None

    def on_flags(self, message: Any, now_ns: int) -> None:
        """Take EKF_STATUS_REPORT or ESTIMATOR_STATUS; both name a valid position by the same bits."""
        before, self._flags = self._flags, message.flags
        self._flags_ns = now_ns
        has_position = bool(message.flags & POSITION_FLAGS)
        self._history.set_valid(has_position)
        if before is not None and bool(before & POSITION_FLAGS) != has_position:
            state = "has a position again" if has_position else "has no position"
            log.warning("link: the estimator %s (flags %#06x)", state, message.flags)
        elif (message.flags | (before or 0)) & GLITCH_FLAGS[message.get_type()]:
            self._history.told_of_reset()

    def on_odometry(self, message: Any, _now_ns: int) -> None:
        """Take ODOMETRY, which counts resets."""
        before, self._reset_counter = self._reset_counter, message.reset_counter
        self._history.counts_resets()
        if before is not None and before != message.reset_counter:
            log.warning("link: the estimator tells of a reset (count %d)", message.reset_counter)
            self._history.told_of_reset()

    def on_origin(self, message: Any, _now_ns: int) -> None:
        """Take GPS_GLOBAL_ORIGIN."""
        origin = (message.latitude, message.longitude, message.altitude)
        before, self._origin = self._origin, origin
        if before is not None and before != origin:
            log.warning("link: the local frame has another origin")
            self._history.told_of_reset()

    def check_silence(self, now_ns: int) -> None:
        """Stop the use of a position whose state is no longer reported."""
        if self.problem(now_ns) is not None:
            self._history.set_valid(False)

    def problem(self, now_ns: int) -> str | None:
        """Return why the estimator's position is not used, in words; None while it is used."""
        if self._flags is None:
            return None
        if not self._flags & POSITION_FLAGS:
            return f"the estimator has no position (flags {self._flags:#06x}); check its GPS"
        if now_ns - self._flags_ns > ESTIMATOR_SILENT_NS:
            return "the estimator no longer reports its state; it may fly on a fallback"
        return None
