"""A gimbal's attitude and its reference frame from messages: each flag honoured, nothing guessed. Pure.

GIMBAL_DEVICE_ATTITUDE_STATUS (285) carries a quaternion whose frame its flags describe, and MOUNT_ORIENTATION (265),
the older message, angles of a fixed meaning; see "Gimbal Protocol v2" and the message definitions,
https://mavlink.io/en/messages/common.html.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from firmware_bridge.dialect import mavlink
from landing.errors import InvalidValueError
from landing.geometry import Quaternion, normalized, quaternion_from_euler

ROLL_LOCK: int = mavlink.GIMBAL_DEVICE_FLAGS_ROLL_LOCK
PITCH_LOCK: int = mavlink.GIMBAL_DEVICE_FLAGS_PITCH_LOCK
RETRACT: int = mavlink.GIMBAL_DEVICE_FLAGS_RETRACT
NEUTRAL: int = mavlink.GIMBAL_DEVICE_FLAGS_NEUTRAL
YAW_LOCK: int = mavlink.GIMBAL_DEVICE_FLAGS_YAW_LOCK
YAW_IN_VEHICLE_FRAME: int = mavlink.GIMBAL_DEVICE_FLAGS_YAW_IN_VEHICLE_FRAME
YAW_IN_EARTH_FRAME: int = mavlink.GIMBAL_DEVICE_FLAGS_YAW_IN_EARTH_FRAME

# Failures with which the gimbal does not know its own attitude, or who speaks for it does not
UNTRUSTED: int = (
    mavlink.GIMBAL_DEVICE_ERROR_FLAGS_ENCODER_ERROR
    | mavlink.GIMBAL_DEVICE_ERROR_FLAGS_SOFTWARE_ERROR
    | mavlink.GIMBAL_DEVICE_ERROR_FLAGS_COMMS_ERROR
    | mavlink.GIMBAL_DEVICE_ERROR_FLAGS_CALIBRATION_RUNNING
)


class GimbalFrame(str, Enum):
    """Against what an attitude is given.

    ``EARTH``: local NED. ``HEADING``: level axes that turn with the vehicle's heading. ``BODY``: the vehicle's body
    axes. ``OPEN``: one of the latter two, and it is not told which.
    """

    EARTH = "earth"
    HEADING = "heading"
    BODY = "body"
    OPEN = "open"


@dataclass(frozen=True)
class GimbalReading:
    """One usable message."""

    frame: GimbalFrame  # Against what
    attitude: Quaternion  # Quaternion from gimbal axes (x where the camera looks, z down) to that frame
    boot_ms: int  # The sender's time stamp


def read_device_status(message: Any) -> GimbalReading:
    """Reads GIMBAL_DEVICE_ATTITUDE_STATUS.

    Roll and pitch locked: against the horizon. Yaw: against north or the vehicle, as the
    YAW_IN flags say. Without them the definition reads YAW_LOCK as 'north', but ArduPilot has set YAW_LOCK with a yaw
    against the vehicle, so that one case is refused.

    Raises:
        InvalidValueError: It does not say against what, contradicts itself, reports a failure, or is no rotation.
    """
    if message.failure_flags & UNTRUSTED:
        raise InvalidValueError(
            f"gimbal reports failure flags 0x{message.failure_flags:x}: its attitude is not trusted"
        )
    try:
        attitude = normalized(tuple(message.q))
    except InvalidValueError as error:
        raise InvalidValueError(f"gimbal {error}") from error
    return GimbalReading(frame_of_flags(message.flags), attitude, message.time_boot_ms)


def frame_of_flags(flags: int) -> GimbalFrame:
    """Against what the quaternion of a GIMBAL_DEVICE_ATTITUDE_STATUS is given.

    With neither roll nor pitch locked the definition can be read in two ways: the lock flags say that both are against
    the vehicle, the yaw flags that all is against level axes. PX4, which speaks for servos, means the vehicle
    (`OutputRC::_stream_device_attitude_status`); ArduPilot always locks both. NEUTRAL takes precedence over the locks:
    ArduPilot does not stabilise its servos then, though it says so.

    Raises:
        InvalidValueError: The flags do not say it, or contradict themselves.
    """
    if flags & RETRACT:
        raise InvalidValueError("gimbal is retracted: it is not stabilised, and its flags do not count")
    yaw = flags & (YAW_IN_VEHICLE_FRAME | YAW_IN_EARTH_FRAME)
    if yaw == YAW_IN_VEHICLE_FRAME | YAW_IN_EARTH_FRAME:
        raise InvalidValueError("gimbal yaw is flagged both against north and the vehicle")
    if yaw == 0 and flags & YAW_LOCK:
        raise InvalidValueError(
            "gimbal yaw frame is not known: YAW_LOCK without YAW_IN_EARTH_FRAME or "
            "YAW_IN_VEHICLE_FRAME means north to some and the vehicle to others"
        )
    levelled = flags & (ROLL_LOCK | PITCH_LOCK)
    if levelled == ROLL_LOCK | PITCH_LOCK and yaw == YAW_IN_EARTH_FRAME:
        if flags & NEUTRAL:
            raise InvalidValueError("gimbal is neutral, so its locks do not count, and its yaw is against north")
        return GimbalFrame.EARTH
    if levelled == ROLL_LOCK | PITCH_LOCK:
        return GimbalFrame.OPEN if flags & NEUTRAL else GimbalFrame.HEADING
    if levelled:
        raise InvalidValueError(
            "gimbal has only one of roll and pitch locked to the horizon: against what the other is given is not known"
        )
    if yaw == YAW_IN_EARTH_FRAME:
        raise InvalidValueError("gimbal yaw is against north while roll and pitch are against the body: no one frame")
    return GimbalFrame.BODY


def read_mount_orientation(message: Any) -> GimbalReading:
    """Read MOUNT_ORIENTATION: roll and pitch against the horizon, yaw against the vehicle, else the absolute yaw.

    Raises:
        InvalidValueError: An angle that is needed is not known.
    """
    roll_deg, pitch_deg = message.roll, message.pitch
    absolute_deg = getattr(message, "yaw_absolute", math.nan)
    frame, yaw_deg = GimbalFrame.HEADING, message.yaw
    if not math.isfinite(yaw_deg):
        frame, yaw_deg = GimbalFrame.EARTH, absolute_deg
    if not all(map(math.isfinite, (roll_deg, pitch_deg, yaw_deg))):
        raise InvalidValueError(
            f"gimbal angles roll {roll_deg:g}, pitch {pitch_deg:g}, yaw {yaw_deg:g} degrees: one is not known"
        )
    attitude = quaternion_from_euler(math.radians(roll_deg), math.radians(pitch_deg), math.radians(yaw_deg))
    return GimbalReading(frame, attitude, message.time_boot_ms)
