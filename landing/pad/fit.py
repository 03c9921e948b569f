"""Place of a tag by its corners: a level square of known size. Pure.

The pose tells where up is, so no pose of the tag itself is solved for: its corners' rays are cut by level planes, and
the plane on which they are a square of the right size is the tag's. A tag on a wall, a poster or a shirt gives no
square there, and one of the wrong size lies at a height where no ground is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.pad.tag import Corners, PadSettings, side_px
from landing.types import Pose

SIZE_SHARE, SIZE_M = 0.2, 0.4
"""A tag's plane may lie so far from the ground: errors of height and print, and a pad on a box or a trailer."""

ERROR_SHARE, ERROR_PX = 0.06, 0.7
"""Greatest distance of a corner from the best square, of the tag's side in the picture and beyond that, px."""

LEAST_DOWN = 0.25
"""Rays flatter than this against the horizon measure nothing."""


@dataclass(frozen=True)
class PadFix:
    """A tag's place by one picture.

    Attributes:
        position_ned_m: Its middle, local NED.
        range_m: Down from the camera, m.
        error_px: Root mean square distance of the corners from the best square.
    """

    position_ned_m: tuple[float, float, float]
    range_m: float
    error_px: float


def fit(tag: Corners, settings: PadSettings, camera: CameraModel, pose: Pose, ground_down_m: float) -> PadFix | str:
    """Return a tag's place, or the reason in words for which it is not the pad.

    Args:
        tag: Corners, px.
        settings: Of the pad.
        camera: Lens and mount.
        pose: With all that `CameraModel.missing_in` asks for.
        ground_down_m: Down coordinate of the ground plane.
    """
    rays = camera.rays_ned(np.asarray(tag, np.float64), pose)
    if not np.isfinite(rays).all():
        return "its tag lies where the lens is not known"
    if (rays[:, 2] < LEAST_DOWN * np.linalg.norm(rays, axis=1)).any():
        return "its tag is not below the camera"
    flat = rays[:, :2] / rays[:, 2:]  # on the level plane 1 m below the camera
    if _area(flat) <= 0.0:
        return "its tag is mirrored"
    sides = np.linalg.norm(flat - np.roll(flat, -1, axis=0), axis=1)
    side = float(sides.mean())
    if side <= 0.0:
        return "its tag has no size"
    range_m = settings.side_m / side
    error_px = _off_square(flat) / side * side_px(tag)
    if error_px > ERROR_PX + ERROR_SHARE * side_px(tag):
        return f"its tag does not lie flat: {error_px:.1f} px off a square"
    centre = camera.centre_ned_m(pose)
    height_m = ground_down_m - float(centre[2])
    if abs(range_m - height_m) > SIZE_M + SIZE_SHARE * max(height_m, 0.0):
        return f"its tag has the wrong size: {settings.side_m * height_m / range_m:.2g} m by the height"
    middle = flat.mean(axis=0) * range_m
    place = (float(centre[0] + middle[0]), float(centre[1] + middle[1]), float(centre[2] + range_m))
    return PadFix(place, range_m, error_px)


def _area(points: FloatArray) -> float:
    """Signed area of a polygon (north, east): positive where its corners go clockwise as seen from above."""
    following = np.roll(points, -1, axis=0)
    return 0.5 * float((points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]).sum())


def _off_square(points: FloatArray) -> float:
    """Root mean square distance of four corners from the best square of any size and heading.

    Corners as complex numbers around their mean: a square is what turns by a quarter from each to the next.
    """
    z = points[:, 0] + 1j * points[:, 1]
    z = z - z.mean()
    quarter = np.array([1, 1j, -1, -1j])
    square = quarter * (z * quarter.conj()).mean()
    return math.sqrt(float((np.abs(z - square) ** 2).mean()))
