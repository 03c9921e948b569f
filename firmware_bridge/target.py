"""LANDING_TARGET in the form that the autopilot at hand accepts. Pure: no clock, no link.

What each autopilot accepts was flown on ArduCopter 4.6 and PX4 1.15:

=========== ============================== ================================================
            ArduPilot                      PX4
=========== ============================== ================================================
frame       MAV_FRAME_BODY_FRD (12)        MAV_FRAME_LOCAL_NED (1)
x, y, z     vehicle to site, body axes, m  site in the estimator's local frame, absolute, m
distance    norm of x, y, z; must be > 0   norm of the body offset (not read)
angles      same vector as x, y, z         same as for ArduPilot (not read)
=========== ============================== ================================================

Anything else is dropped by the receiver without a word, or flies away from the site.
"""

from __future__ import annotations

import math
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.errors import InvalidValueError
from landing.types import LandingTarget
from landing.vehicle import Autopilot

MAX_DISTANCE_M = 300.0
"""A site farther away than this is a fault upstream: nothing lands by camera from there."""

MAX_LOCAL_COORDINATE_M = 100_000.0
"""Beyond this a float32 coordinate is coarser than a centimetre."""


def landing_target_message(target: LandingTarget, autopilot: Autopilot) -> Any:
    """The LANDING_TARGET for one autopilot.

    The angle fields carry the same line of sight as the position, by ArduPilot's formula
    ``los_frd = (-tan(angle_y), tan(angle_x), 1)``: angle_x = atan2(right, down) is positive to the
    right, angle_y = atan2(-forward, down) is positive behind.

    ``time_usec`` is the pose's monotonic time in microseconds, at least 1. ArduPilot uses the
    time of receipt. PX4 uses the time of arrival for as long as the sender does not answer its
    TIMESYNC, and this link does not answer: a clock that is nearly right makes a stamp lie in
    PX4's future, where it never expires, so the loss of the target is never noticed. For the same
    reason the stamp is never 0, which a synchronised PX4 takes for such a time.

    Args:
        target: The site, both relative to the body (m, FRD) and absolute (m, local NED).
        autopilot: Whose rules apply, from its HEARTBEAT.

    Returns:
        A LANDING_TARGET message of the dialect, not yet packed.

    Raises:
        InvalidValueError: The autopilot is unknown, or the target is not finite, not below the
            vehicle, or too far to be true.
    """
    forward_m, right_m, down_m = _checked_offset(target.offset_frd_m)
    distance_m = math.hypot(forward_m, right_m, down_m)
    if autopilot is Autopilot.ARDUPILOT:
        frame = mavlink.MAV_FRAME_BODY_FRD
        x_m, y_m, z_m = forward_m, right_m, down_m
    elif autopilot is Autopilot.PX4:
        frame = mavlink.MAV_FRAME_LOCAL_NED
        x_m, y_m, z_m = _checked_position(target.position_ned_m)
    else:
        raise InvalidValueError(
            f"landing target for autopilot '{autopilot.value}': the form to send is not known; "
            "supported are ArduPilot and PX4"
        )
    return mavlink.MAVLink_landing_target_message(
        time_usec=max(1, target.pose_at_ns // 1000),
        target_num=0,
        frame=frame,
        angle_x=math.atan2(right_m, down_m),
        angle_y=math.atan2(-forward_m, down_m),
        distance=distance_m,
        size_x=0.0,
        size_y=0.0,
        x=x_m,
        y=y_m,
        z=z_m,
        q=(1.0, 0.0, 0.0, 0.0),
        type=mavlink.LANDING_TARGET_TYPE_VISION_OTHER,
        position_valid=1,
    )


def _checked_offset(offset_frd_m: tuple[float, float, float]) -> tuple[float, float, float]:
    forward_m, right_m, down_m = offset_frd_m
    if not all(map(math.isfinite, offset_frd_m)):
        raise InvalidValueError(f"landing target offset {offset_frd_m} is not finite")
    if down_m <= 0.0:
        raise InvalidValueError(
            f"landing target is {down_m:.2f} m down in body axes, expected below the vehicle (> 0)"
        )
    distance_m = math.hypot(forward_m, right_m, down_m)
    if distance_m > MAX_DISTANCE_M:
        raise InvalidValueError(
            f"landing target is {distance_m:.4g} m away, expected at most {MAX_DISTANCE_M:.0f} m"
        )
    return forward_m, right_m, down_m


def _checked_position(position_ned_m: tuple[float, float, float]) -> tuple[float, float, float]:
    if not all(math.isfinite(c) and abs(c) <= MAX_LOCAL_COORDINATE_M for c in position_ned_m):
        raise InvalidValueError(
            f"landing target position {position_ned_m} is not finite or beyond "
            f"{MAX_LOCAL_COORDINATE_M:.0f} m from the local origin"
        )
    return position_ned_m
