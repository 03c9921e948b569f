"""Fields of messages that ask the stand-in for something."""

from __future__ import annotations

import math
from dataclasses import dataclass

from firmware_bridge.dialect import mavlink

POSITION_OFF = (
    mavlink.POSITION_TARGET_TYPEMASK_X_IGNORE
    | mavlink.POSITION_TARGET_TYPEMASK_Y_IGNORE
    | mavlink.POSITION_TARGET_TYPEMASK_Z_IGNORE
)
VELOCITY_OFF = (
    mavlink.POSITION_TARGET_TYPEMASK_VX_IGNORE
    | mavlink.POSITION_TARGET_TYPEMASK_VY_IGNORE
    | mavlink.POSITION_TARGET_TYPEMASK_VZ_IGNORE
)


@dataclass(frozen=True)
class Command:
    """COMMAND_LONG and COMMAND_INT in one shape; x and y are degrees or metres, z in a frame.

    Attributes:
        sender: System and component.
    """

    number: int
    p1: float
    p2: float
    p3: float
    p4: float
    x: float
    y: float
    z: float
    frame: int
    sender: tuple[int, int] = (0, 0)


def whole(value: float) -> int:
    """A float field read as an integer; NaN and infinities count as -2, which nothing means."""
    return int(value) if math.isfinite(value) else -2


def param_name(value: str | bytes) -> str:
    """A parameter's name from its field of a message."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value.rstrip("\0")
