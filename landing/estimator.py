"""The local frame of an estimator's poses, and what a reset does to coordinates in it.

An autopilot's estimator may turn or shift its local frame in flight: yaw is aligned anew, a GPS glitch ends, the height
source changes. The ground does not move. Coordinates from before and after name the same place only through the shift
between the two frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from landing.geometry import Vector


@dataclass(frozen=True)
class FrameShift:
    """A rigid motion of coordinates: a turn about the down axis, then an offset.

    Attributes:
        yaw_rad: Turn, positive from north to east.
        offset_ned_m: Added after the turn, m.
    """

    yaw_rad: float = 0.0
    offset_ned_m: Vector = (0.0, 0.0, 0.0)

    @staticmethod
    def turn_about(yaw_rad: float, centre_ned_m: Vector) -> FrameShift:
        """The shift that turns by an angle and leaves one point where it is."""
        turned = FrameShift(yaw_rad).point(centre_ned_m)
        north_m, east_m = centre_ned_m[0] - turned[0], centre_ned_m[1] - turned[1]
        return FrameShift(yaw_rad, (north_m, east_m, 0.0))

    def point(self, ned_m: Vector) -> Vector:
        """The coordinates of a place after the shift, m."""
        (north, east), (north_m, east_m, down_m) = self.course(ned_m[:2]), self.offset_ned_m
        return north + north_m, east + east_m, ned_m[2] + down_m

    def course(self, ne: tuple[float, float]) -> tuple[float, float]:
        """The north and east parts of a speed after the shift."""
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return cos * ne[0] - sin * ne[1], sin * ne[0] + cos * ne[1]

    def then(self, later: FrameShift) -> FrameShift:
        """Both shifts, one after the other."""
        yaw_rad = math.remainder(self.yaw_rad + later.yaw_rad, 2.0 * math.pi)
        return FrameShift(yaw_rad, later.point(self.offset_ned_m))

    @property
    def inverse(self) -> FrameShift:
        """The shift back."""
        north_m, east_m, down_m = self.offset_ned_m
        back = FrameShift(-self.yaw_rad).point((-north_m, -east_m, -down_m))
        return FrameShift(-self.yaw_rad, back)

    def describe(self) -> str:
        """For people: `12.0 degrees, 1.50 m N 0.00 m E 0.20 m down`."""
        north_m, east_m, down_m = self.offset_ned_m
        degrees = math.degrees(self.yaw_rad)
        return f"{degrees:.1f} degrees, {north_m:.2f} m N {east_m:.2f} m E {down_m:.2f} m down"


@dataclass(frozen=True)
class EstimatorFrame:
    """Names the local frame of a pose.

    A reset of known size leaves the epoch and adds to the shift; one of unknown size begins the next epoch. Two frames
    are equal when the same coordinates name the same place.

    Attributes:
        epoch: Counts frames whose coordinates cannot be converted into each other.
        shift: From the epoch's first frame to this one.
    """

    epoch: int = 0
    shift: FrameShift = FrameShift()

    def moved(self, shift: FrameShift | None) -> EstimatorFrame:
        """The frame after a reset; None where its size is not known."""
        if shift is None:
            return EstimatorFrame(self.epoch + 1)
        return EstimatorFrame(self.epoch, self.shift.then(shift))

    def shift_to(self, other: EstimatorFrame) -> FrameShift | None:
        """Return the shift from this frame to the other; None where it is not known."""
        if self.epoch != other.epoch:
            return None
        return self.shift.inverse.then(other.shift)


FIRST_FRAME = EstimatorFrame()
"""Frame of poses that know of no reset."""
