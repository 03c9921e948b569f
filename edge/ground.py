"""Resets of the estimator as the ground map took them, each reported once and counted."""

from __future__ import annotations

import logging

from edge.log import EventLog
from landing.decision import Decision
from landing.estimator import FIRST_FRAME, EstimatorFrame

logger = logging.getLogger("edge")


class GroundWatch:
    """Watches one decision after another. One caller at a time.

    Args:
        events: Takes `map-reset` and `map-moved`.

    Attributes:
        resets: Times that the map began anew.
        shifts: Times that it was moved by a known step.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._frame: EstimatorFrame = FIRST_FRAME
        self.resets = 0
        self.shifts = 0

    def observe(self, decision: Decision) -> None:
        """Write a reset or a shift of the map by this decision, if there was one."""
        before, self._frame = self._frame, decision.frame
        if decision.restarted is not None:
            self.resets += 1
            logger.warning("the ground map starts anew: %s", decision.restarted)
            self._events.write("map-reset", reason=decision.restarted)
            return
        shift = before.shift_to(decision.frame)
        if shift is not None and before != decision.frame:
            self.shifts += 1
            words = shift.describe()
            logger.warning("the estimator was reset: the ground map moves by %s", words)
            self._events.write("map-moved", shift=words)
