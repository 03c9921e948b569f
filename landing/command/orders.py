"""Commands to an autopilot beyond a landing target, and its answers.

Abstract: how a command is said to one autopilot or the other is `firmware_bridge.commands`' part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from landing.estimator import FIRST_FRAME, EstimatorFrame


@dataclass(frozen=True)
class Hold:
    """Stop and stay, in the mode that `landing.vehicle.FLIGHT_MODES` names for it."""


@dataclass(frozen=True)
class FlyTo:
    """Fly there in a straight line and stay; only in the hold mode.

    Attributes:
        position_ned_m: In the estimator's local frame, m.
        heading_rad: Of the nose, clockwise from north; None: as the autopilot likes. A turn blurs what the way would
            show.
        frame: The local frame of that position.
    """

    position_ned_m: tuple[float, float, float]
    heading_rad: float | None = None
    frame: EstimatorFrame = FIRST_FRAME

    def in_frame(self, frame: EstimatorFrame) -> FlyTo | None:
        """The same place in another local frame; None where the shift to it is not known."""
        shift = self.frame.shift_to(frame)
        if shift is None:
            return None
        heading_rad = None if self.heading_rad is None else self.heading_rad + shift.yaw_rad
        return replace(self, position_ned_m=shift.point(self.position_ned_m), heading_rad=heading_rad, frame=frame)


@dataclass(frozen=True)
class Land:
    """Land, on the targets that are being sent."""


FlightCommand = Hold | FlyTo | Land


@dataclass(frozen=True)
class CommandRequest:
    """A command to be sent until it is answered.

    Attributes:
        number: Counts up; a newer request takes the place of an older one.
        command: What is asked.
    """

    number: int
    command: FlightCommand


class AnswerKind(str, Enum):
    """Fate of a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True)
class CommandAnswer:
    """The end of a request.

    Attributes:
        number: Of the request.
        kind: Whether the autopilot will do it.
        detail: In words: its result, or how often it was asked.
    """

    number: int
    kind: AnswerKind
    detail: str
