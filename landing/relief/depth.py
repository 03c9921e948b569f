"""Depth that a sensor measured: stereo, time of flight, lidar, beams of an array; judged before it tells the relief.

A look is a set of points in the axes of the vehicle (or of the gimbal that carries the sensor), each with its error. It
is refused whole where it is old, has no pose, makes no sense, or contradicts the height above ground; the reason is
told. What stays are places on the ground with heights and their variance, as `landing.relief.parallax` takes them.

Frames of reference: body FRD or gimbal axes, local NED. Pure: time is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from landing.errors import InvalidValueError
from landing.estimator import EstimatorFrame
from landing.geometry import FloatArray, matrix_from_quaternion
from landing.motion.pairs import STAMP_S
from landing.types import Pose, motion_between

MOST_POINTS = 4096
"""Of one look; a sensor with more is thinned out by whoever reads it."""

MOST_AGE_NS, POSE_NS = 1_000_000_000, 60_000_000
"""Greatest age of a look when it is taken, and between it and its pose."""

NEAREST_M, BODY_M = 0.3, 0.5
"""Nearer points, and points less far below the body's origin, are parts of the vehicle."""

MOST_OFF_RAD = math.radians(65.0)
"""Rays that are flatter see the ground too obliquely."""

AGREE_M, AGREE_SHARE, GROUND_RISE = 1.0, 0.15, 0.35
"""Depth agrees with a height that differs by so much, or by this share; ground around may rise or fall so steeply."""

MOUNT_RAD = 0.0175
"""Error of the sensor's mount: 1 degree, a slope of all that it sees."""

FLOOR_M = 0.02
"""Roughness of flat ground, standard deviation."""

MANY = 20
"""Points that tell by themselves that most of a look is not where the ground is."""


@dataclass(frozen=True)
class DepthLook:
    """Points that a sensor measured at one moment.

    Attributes:
        source: Name of the sensor, for people.
        at_ns: Monotonic time.
        points_m: From the body's origin, body FRD or gimbal axes, shape (n, 3), n at most `MOST_POINTS`.
        sd_m: Standard deviation of each distance along its ray, shape (n,).
        spread_rad: Half width of a beam: the point lies somewhere in it.
        gimbal: True where the axes are the gimbal's, whose origin is then the body's.
        refusal: Reason why nothing was read of what the sensor gave; None where it was read.

    Raises:
        InvalidValueError: Shapes that do not agree, or too many points.
    """

    source: str
    at_ns: int
    points_m: FloatArray
    sd_m: FloatArray
    spread_rad: float = 0.0
    gimbal: bool = False
    refusal: str | None = None

    def __post_init__(self) -> None:
        points, sd = self.points_m.shape, self.sd_m.shape
        if len(points) != 2 or points[1] != 3 or sd != points[:1] or points[0] > MOST_POINTS:
            raise InvalidValueError(
                f"{self.source}: points of shape {points} with errors of shape {sd}: expected (n, 3) and (n,), n at "
                f"most {MOST_POINTS}"
            )


@dataclass(frozen=True)
class DepthTaken:
    """A look, and what became of it.

    Attributes:
        look: As the sensor gave it.
        points: Points that entered the relief.
        problem: Reason why none did; None where some did.
    """

    look: DepthLook
    points: int
    problem: str | None = None

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.look.source}: {self.problem or f'{self.points} points'}"


@dataclass(frozen=True)
class DepthGround:
    """Ground that a look shows.

    Attributes:
        places_m: North and east of each point, local NED, shape (n, 2).
        down_m: Down coordinate of each, m, shape (n,).
        variance: Of that, m2, shape (n,).
        slope_variance: Of the slope of all of them together.
    """

    places_m: FloatArray
    down_m: FloatArray
    variance: FloatArray
    slope_variance: float


DepthSource = Callable[[int], Sequence[DepthLook]]
"""Takes the looks that a source has from up to a monotonic time, oldest first; it does not wait."""


def dated_ground(
    look: DepthLook, pose_at: Callable[[int], Pose | None], now_ns: int, frame: EstimatorFrame | None, since_ns: int = 0
) -> DepthGround | str:
    """Return the ground that a look shows now, or in words why it is refused; see `depth_ground`.

    Args:
        look: Points of a sensor.
        pose_at: The pose at a monotonic time.
        now_ns: Monotonic time.
        frame: Local frame in which relief is gathered.
        since_ns: Time since which it is; the poses before tell other places.
    """
    if look.refusal is not None:
        return look.refusal
    age_ns = now_ns - look.at_ns
    if not 0 <= age_ns <= MOST_AGE_NS:
        return "its time is ahead of ours" if age_ns < 0 else f"it is {age_ns * 1e-9:.1f} s old"
    pose, before = pose_at(look.at_ns), pose_at(look.at_ns - round(STAMP_S * 1e9))
    if pose is not None and (pose.frame != frame or look.at_ns < since_ns):
        return "no pose at its time in the frame of the map"
    turned_rad = 0.0 if pose is None or before is None else math.radians(motion_between(before, pose)[1])
    return depth_ground(look, pose, turned_rad)


def depth_ground(look: DepthLook, pose: Pose | None, turned_rad: float = 0.0) -> DepthGround | str:
    """Return the ground that a look shows, or in words why it is refused.

    Args:
        look: Points of a sensor.
        pose: Of the vehicle at the look's time.
        turned_rad: Turn of the vehicle within the error of the look's stamp, radians.
    """
    turn = None if pose is None else (pose.ned_from_gimbal if look.gimbal else pose.ned_from_frd)
    if pose is None or turn is None or pose.position_ned_m is None or abs(pose.at_ns - look.at_ns) > POSE_NS:
        return "no pose at its time"
    if pose.height_agl_m is None:
        return "no height above ground at its time"
    if not len(look.points_m):
        return "no depth within its range"
    height_m = pose.height_agl_m
    whole = np.isfinite(look.points_m).all(axis=1) & np.isfinite(look.sd_m) & (look.sd_m > 0)
    rays = np.where(whole[:, None], look.points_m, 0.0) @ matrix_from_quaternion(turn).T
    away_m, reach_m = np.hypot(rays[:, 0], rays[:, 1]), np.linalg.norm(rays, axis=1)
    whole &= reach_m < 1e4
    if 2 * np.count_nonzero(whole) <= len(whole):
        return "most of its points make no sense"
    seen = whole & (reach_m >= NEAREST_M) & (rays[:, 2] >= BODY_M)
    seen &= rays[:, 2] > math.cos(MOST_OFF_RAD) * reach_m
    allowed_m = max(AGREE_M, AGREE_SHARE * height_m) + GROUND_RISE * away_m
    buried = seen & (rays[:, 2] > height_m + allowed_m)
    kept = seen & ~buried
    if not kept.any():
        return "its points lie below the ground" if buried.any() else "it does not see the ground"
    if np.count_nonzero(buried) > np.count_nonzero(kept):
        return "most of its points lie below the ground"
    problem = _contradiction(rays[kept], away_m[kept], height_m)
    if problem is not None:
        return problem
    rays, away_m, sd_m = rays[kept], away_m[kept], look.sd_m[kept]
    along = rays[:, 2] / reach_m[kept]
    variance = (sd_m * along) ** 2 + (away_m * look.spread_rad) ** 2 + FLOOR_M**2
    places_m = rays[:, :2] + np.asarray(pose.position_ned_m[:2])
    return DepthGround(places_m, rays[:, 2] + pose.position_ned_m[2], variance, MOUNT_RAD**2 + turned_rad**2)


def _contradiction(rays: FloatArray, away_m: FloatArray, height_m: float) -> str | None:
    """Say where points do not agree with the height above ground; None where they do, or cannot tell."""
    below = away_m <= max(0.5, 0.1 * height_m)
    if below.any():
        found_m = float(np.median(rays[below, 2]))
        if abs(found_m - height_m) > max(AGREE_M, AGREE_SHARE * height_m):
            return f"contradicts the height, {found_m:.1f} m against {height_m:.1f} m"
        return None
    middle_m = float(np.median(rays[:, 2]))
    if len(rays) >= MANY and middle_m < height_m / 2:
        return f"contradicts the height, {middle_m:.1f} m against {height_m:.1f} m"
    return None
