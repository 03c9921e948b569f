"""Pairs of the vehicle's place on the globe and in the local frame, each judged by those before. Pure.

Both are the same estimator's, so the vehicle moves by the same way in both. A place that lies elsewhere than the
movement since says is a fault or a forgery, or the estimator has moved the one and not the other: a flight by it would
lead far away, or into the ground. It counts once the next one agrees with it.
"""

from __future__ import annotations

import math
from typing import Any

from landing.errors import InvalidValueError
from landing.globe import GlobalFix, GlobalPlace
from landing.types import Pose

AGREE_M = 3.0  # Both ways may differ by so much, along and up


def fix_of(message: Any, pose: Pose | None, at_ns: int) -> GlobalFix | None:
    """Pair a GLOBAL_POSITION_INT with the pose at its time; None when that has no position, or the message no fix."""
    if pose is None or pose.position_ned_m is None or (message.lat == 0 and message.lon == 0):
        return None
    try:
        place = GlobalPlace(message.lat * 1e-7, message.lon * 1e-7, message.alt * 1e-3)
    except InvalidValueError:
        return None
    return GlobalFix(at_ns, place, pose.position_ned_m, pose.frame)


class GlobalFixes:
    """Keeps the newest pair that agrees with one before.

    Attributes:
        newest: None while none is known, or the newest one agrees with none before.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Another autopilot is served, or it has started anew."""
        self.newest: GlobalFix | None = None
        self._trusted: GlobalFix | None = None
        self._suspect: GlobalFix | None = None

    def take(self, message: Any, pose: Pose | None, at_ns: int) -> None:
        """Take a GLOBAL_POSITION_INT of the autopilot served, and the pose at its time."""
        found = self.newest = fix_of(message, pose, at_ns)
        if found is None:
            return
        before = [fix for fix in (self._trusted, self._suspect) if fix is not None]
        if not before or any(_agree(fix, found) for fix in before):
            self._trusted, self._suspect = found, None
        else:
            self._suspect, self.newest = found, None


def _agree(before: GlobalFix, found: GlobalFix) -> bool:
    """Return False where the vehicle moved otherwise on the globe than in the local frame; True where nothing tells."""
    moved = before.in_frame(found.frame)
    if moved is None:
        return True
    north_m, east_m = moved.local_of(found.place)
    away_m = math.hypot(north_m - found.position_ned_m[0], east_m - found.position_ned_m[1])
    assert moved.place.altitude_m is not None and found.place.altitude_m is not None  # GLOBAL_POSITION_INT tells it
    climbed_m = moved.position_ned_m[2] - found.position_ned_m[2]
    return away_m <= AGREE_M and abs(moved.place.altitude_m + climbed_m - found.place.altitude_m) <= AGREE_M
