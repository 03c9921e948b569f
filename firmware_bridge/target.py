"""LANDING_TARGET in the form that the autopilot at hand accepts. Pure: no clock, no link.

What each autopilot accepts was flown on ArduCopter 4.6 and PX4 1.15:

========= ============================= ================================================
          ArduPilot                     PX4
========= ============================= ================================================
frame     MAV_FRAME_BODY_FRD (12)       MAV_FRAME_LOCAL_NED (1)
x, y, z   vehicle to site, body axes, m site in the estimator's local frame, absolute, m
distance  norm of x, y, z; must be > 0  norm of the body offset (not read)
angles    same vector as x, y, z        same as for ArduPilot (not read)
========= ============================= ================================================

Anything else is dropped by the receiver without a word, or flies away from the site.

ArduPilot 4.7 takes a second form, MAV_FRAME_LOCAL_FRD (20): the same vector in level axes that turn with the heading,
which it does not compensate for roll and pitch. That is what a camera on a stabilised gimbal measures. 4.6 drops it
with a position and reads it as BODY_FRD without one; 4.7 in development turned it by the wrong sign of the heading
(https://github.com/ArduPilot/ardupilot/issues/31651). There, and on PX4, it is refused here, with the reason.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

from firmware_bridge.dialect import mavlink
from firmware_bridge.identity import Version, version_text
from landing.errors import InvalidValueError
from landing.geometry import Quaternion, euler_from_quaternion, matrix_from_quaternion, quaternion_from_euler
from landing.types import LandingTarget
from landing.vehicle import Autopilot

MAX_DISTANCE_M = 300.0  # A site farther away than this is a fault upstream: nothing lands by camera from there
MAX_LOCAL_COORDINATE_M = 100_000.0  # Beyond this a float32 coordinate is coarser than a centimetre
LOCAL_FRD_SINCE: Version = (4, 7, 0)  # First ArduPilot that takes MAV_FRAME_LOCAL_FRD targets
GRAZING_DOWN_M = 0.01  # A level vector with less down than this has no line of sight


class TargetForm(str, Enum):
    """The axes that a target is sent in.

    ``AUTO``: the one that is proven for the autopilot. ``BODY_FRD``: axes of the body.
    ``LOCAL_FRD``: level axes that turn with the heading. ``LOCAL_NED``: the estimator's frame.
    """

    AUTO = "auto"
    BODY_FRD = "body_frd"
    LOCAL_FRD = "local_frd"
    LOCAL_NED = "local_ned"


def choose_form(
    autopilot: Autopilot, asked: TargetForm = TargetForm.AUTO, version: Version | None = None, stage: str = ""
) -> TargetForm:
    """The form to send, never one that the autopilot drops or misreads. `stage` is empty for a release.

    Raises:
        InvalidValueError: It does not take the form asked for; says what it takes.
    """
    proven = {Autopilot.ARDUPILOT: TargetForm.BODY_FRD, Autopilot.PX4: TargetForm.LOCAL_NED}.get(autopilot)
    if proven is None:
        raise InvalidValueError(
            f"landing target for autopilot '{autopilot.value}': the form to send is not known; "
            "supported are ArduPilot and PX4"
        )
    if asked in (TargetForm.AUTO, proven):
        return proven
    if asked is TargetForm.LOCAL_FRD and autopilot is Autopilot.ARDUPILOT:
        least = version_text(LOCAL_FRD_SINCE)
        if version is None:
            raise InvalidValueError(
                f"landing target as local_frd: ArduPilot takes it from {least} on, and this one's "
                f"version is not known; send {proven.value}"
            )
        if version < LOCAL_FRD_SINCE:
            raise InvalidValueError(
                f"landing target as local_frd: ArduPilot {version_text(version)} drops it, "
                f"{least} is needed; send {proven.value}"
            )
        if stage and version[:2] == LOCAL_FRD_SINCE[:2]:
            raise InvalidValueError(
                f"landing target as local_frd: ArduPilot {version_text(version)} {stage} may turn it by the wrong "
                f"sign of the heading; fly a release, or send {proven.value}"
            )
        return asked
    name = {Autopilot.ARDUPILOT: "ArduPilot", Autopilot.PX4: "PX4"}[autopilot]
    raise InvalidValueError(f"landing target as {asked.value}: {name} drops it; send {proven.value}")


def landing_target_message(
    target: LandingTarget,
    autopilot: Autopilot,
    *,
    form: TargetForm = TargetForm.AUTO,
    version: Version | None = None,
    stage: str = "",
    ned_from_frd: Quaternion | None = None,
) -> Any:
    """The LANDING_TARGET for one autopilot.

    The angle fields carry the same line of sight as the position, by ArduPilot's formula ``los = (-tan(angle_y),
    tan(angle_x), 1)``: angle_x = atan2(right, down) is positive to the right, angle_y = atan2(-forward, down) is
    positive behind.

    ``time_usec`` is the pose's monotonic time in microseconds: the moment at which the vector was true. The link
    answers TIMESYNC with the same clock. ArduPilot uses the time of receipt. PX4 uses the time of arrival until it has
    had some 500 answers, and from then on the stamp, mapped by what it learnt from them. A stamp in its future would
    never expire, so the loss of the target would never be noticed; a pose is older than its target's departure by at
    least its own way here, which is more than the mapping can err. Stamps are never 0, which PX4 takes for such a time.
    The capture time of the evidence would be no better: below the commit height it grows older than PLD_BTOUT (5 s),
    and PX4 would drop the target in the last metres.

    The target is relative to the body (m, FRD) and absolute (m, local NED). `TargetForm.LOCAL_FRD` needs the firmware's
    version and the attitude that the target was computed with.

    Returns:
        A LANDING_TARGET message of the dialect, not yet packed.

    Raises:
        InvalidValueError: The autopilot does not take the form, or the target is not finite, not below the vehicle, or
            too far to be true, or its attitude is not known.
    """
    chosen = choose_form(autopilot, form, version, stage)
    forward_m, right_m, down_m = _checked_offset(target.offset_frd_m)
    if chosen is TargetForm.LOCAL_FRD:
        forward_m, right_m, down_m = _levelled((forward_m, right_m, down_m), ned_from_frd)
    distance_m = math.hypot(forward_m, right_m, down_m)
    x_m, y_m, z_m = forward_m, right_m, down_m
    if chosen is TargetForm.LOCAL_NED:
        x_m, y_m, z_m = _checked_position(target.position_ned_m)
    return mavlink.MAVLink_landing_target_message(
        time_usec=max(1, target.pose_at_ns // 1000),
        target_num=0,
        frame=_FRAMES[chosen],
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


_FRAMES: dict[TargetForm, int] = {
    TargetForm.BODY_FRD: mavlink.MAV_FRAME_BODY_FRD,
    TargetForm.LOCAL_FRD: mavlink.MAV_FRAME_LOCAL_FRD,
    TargetForm.LOCAL_NED: mavlink.MAV_FRAME_LOCAL_NED,
}


def _levelled(offset_frd_m: tuple[float, float, float], ned_from_frd: Quaternion | None) -> tuple[float, float, float]:
    """A body vector in level axes of the same heading: ``Rz(-yaw) @ R(attitude) @ v``."""
    if ned_from_frd is None:
        raise InvalidValueError("landing target as local_frd: the attitude that it was computed with is not known")
    roll_rad, pitch_rad, _ = euler_from_quaternion(ned_from_frd)
    level_from_frd = matrix_from_quaternion(quaternion_from_euler(roll_rad, pitch_rad, 0.0))
    forward_m, right_m, down_m = (float(c) for c in level_from_frd @ offset_frd_m)
    if down_m < GRAZING_DOWN_M:
        raise InvalidValueError(
            f"landing target is {down_m:.2f} m down in level axes, expected below the vehicle (> 0)"
        )
    return forward_m, right_m, down_m


def _checked_offset(offset_frd_m: tuple[float, float, float]) -> tuple[float, float, float]:
    forward_m, right_m, down_m = offset_frd_m
    if not all(map(math.isfinite, offset_frd_m)):
        raise InvalidValueError(f"landing target offset {offset_frd_m} is not finite")
    if down_m <= 0.0:
        raise InvalidValueError(f"landing target is {down_m:.2f} m down in body axes, expected below the vehicle (> 0)")
    distance_m = math.hypot(forward_m, right_m, down_m)
    if distance_m > MAX_DISTANCE_M:
        raise InvalidValueError(f"landing target is {distance_m:.4g} m away, expected at most {MAX_DISTANCE_M:.0f} m")
    return forward_m, right_m, down_m


def _checked_position(position_ned_m: tuple[float, float, float]) -> tuple[float, float, float]:
    if not all(math.isfinite(c) and abs(c) <= MAX_LOCAL_COORDINATE_M for c in position_ned_m):
        raise InvalidValueError(
            f"landing target position {position_ned_m} is not finite or beyond "
            f"{MAX_LOCAL_COORDINATE_M:.0f} m from the local origin"
        )
    return position_ned_m
