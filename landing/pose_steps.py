"""Steps between two poses that no vehicle flies. Pure."""

from __future__ import annotations

import math

from landing.geometry import heading_between
from landing.types import Pose

MAX_TURN_RAD_S, TURN_SLACK_RAD = math.radians(150.0), math.radians(5.0)
MAX_SPEED_M_S, WAY_SLACK_M = 30.0, 1.5
"""A vehicle that turns or flies faster between two frames has not done so: its frame has moved."""


def impossible_step(before: Pose, now: Pose) -> str | None:
    """Return a motion between two poses of one frame that no vehicle flies, in words; None otherwise."""
    seconds = (now.at_ns - before.at_ns) * 1e-9
    if now.frame != before.frame or seconds <= 0.0:
        return None
    if now.ned_from_frd is not None and before.ned_from_frd is not None:
        heading_rad = heading_between(before.ned_from_frd, now.ned_from_frd)
        if abs(heading_rad) > TURN_SLACK_RAD + MAX_TURN_RAD_S * seconds:
            degrees = abs(math.degrees(heading_rad))
            return f"the pose turned by {degrees:.0f} degrees in {seconds:.2f} s"
    if now.position_ned_m is not None and before.position_ned_m is not None:
        way_m = math.dist(now.position_ned_m[:2], before.position_ned_m[:2])
        if way_m > WAY_SLACK_M + MAX_SPEED_M_S * seconds:
            return f"the pose moved by {way_m:.1f} m in {seconds:.2f} s"
    return None
