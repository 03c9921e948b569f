"""Flight modes of the stand-in, and its refusals."""

from __future__ import annotations

from enum import IntEnum


class Mode(IntEnum):
    """ArduCopter flight modes that the stand-in can fly."""

    STABILIZE = 0
    ALT_HOLD = 2
    AUTO = 3
    GUIDED = 4
    LOITER = 5
    RTL = 6
    LAND = 9
    POSHOLD = 16
    BRAKE = 17
    AUTO_RTL = 27  # AUTO, entered at its landing sequence


NEEDS_POSITION = frozenset(Mode) - {Mode.STABILIZE, Mode.ALT_HOLD, Mode.LAND}
ARMABLE = frozenset({Mode.STABILIZE, Mode.ALT_HOLD, Mode.LOITER, Mode.GUIDED, Mode.POSHOLD})


class RefusedError(Exception):
    """The autopilot does not do what was asked; the text is what it says about it."""
