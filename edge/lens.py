"""Lens of a configuration: at the size of its pictures, and such as a camera can have."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from landing.camera import CameraModel, Mount
from landing.errors import CameraError, InvalidValueError
from landing.geometry import FloatArray
from landing.problems import Problem
from landing.types import Pose

MOST_OFF_CENTRE = 0.25
"""A principal point farther from the middle, as a share of the picture, was measured at another size."""

MOST_STRETCH = 2.0
"""Greatest ratio of both focal lengths; pictures of 4:3 stretched to 16:9 have 1.33."""

MOST_BEND_PX = 1.0
"""A pixel that comes back farther away lies where the distortion folds the picture."""


def camera_for_size(camera: CameraModel, width_px: int, height_px: int) -> CameraModel:
    """The same camera delivering pictures of another size but the same shape.

    Raises:
        CameraError: The shape differs, so the picture was cropped and the numbers do not hold.
    """
    if (camera.width_px, camera.height_px) == (width_px, height_px):
        return camera
    ratio = (camera.width_px / camera.height_px) / (width_px / height_px)
    if abs(ratio - 1.0) > 0.02:
        raise CameraError(
            f"the lens is given for {camera.width_px}x{camera.height_px} px, the pictures are "
            f"{width_px}x{height_px}: another shape, so the field of view is not known. Calibrate "
            "at this size, or give its hfov_deg.",
            Problem.CAMERA_OTHER,
        )
    return camera.resized(width_px, height_px)


def in_degrees(hfov_deg: float | None) -> float | None:
    """Return a field of view that is no angle in radians; None as it is.

    Raises:
        ValueError: It is at most pi.
    """
    if hfov_deg is not None and hfov_deg <= math.pi:
        raise ValueError(f"looks like radians: in degrees it would be {math.degrees(hfov_deg):.1f}")
    return hfov_deg


def possible(camera: CameraModel) -> CameraModel:
    """Return a camera whose intrinsics a lens can have over all of its picture.

    Raises:
        InvalidValueError: They are of another size of picture, or mixed up; says which.
    """
    width_px, height_px = camera.width_px, camera.height_px
    off = (camera.cx - (width_px - 1) / 2) / width_px, (camera.cy - (height_px - 1) / 2) / height_px
    if max(map(abs, off)) > MOST_OFF_CENTRE:
        raise InvalidValueError(
            f"principal point ({camera.cx:g}, {camera.cy:g}) px is far from the middle of {width_px}x{height_px} px: "
            "expected numbers measured at this size"
        )
    if not 1 / MOST_STRETCH <= camera.fy / camera.fx <= MOST_STRETCH:
        raise InvalidValueError(f"focal lengths {camera.fx:g} and {camera.fy:g} px: expected nearly the same")
    if camera.has_distortion and _bend_px(camera) > MOST_BEND_PX:
        raise InvalidValueError(
            f"distortion {list(camera.distortion)} folds the picture at its edge: expected k1 k2 p1 p2 k3 of a "
            f"calibration at {width_px}x{height_px} px that reached into the corners"
        )
    return camera


def _bend_px(camera: CameraModel) -> float:
    """Greatest distance of the edge's pixels from themselves after a way to rays and back, px; inf where lost."""
    x, y = np.linspace(0, camera.width_px - 1, 33), np.linspace(0, camera.height_px - 1, 33)
    right, bottom = np.full(33, camera.width_px - 1.0), np.full(33, camera.height_px - 1.0)
    sides = ((x, np.zeros(33)), (x, bottom), (np.zeros(33), y), (right, y))
    edge: FloatArray = np.concatenate([np.column_stack(side) for side in sides])
    level = Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), None)
    straight = replace(camera, mount=Mount())
    with np.errstate(all="ignore"):
        off = straight.pixel_from_ned(straight.rays_ned(edge, level), level) - edge
    return float(np.hypot(*off.T).max()) if np.isfinite(off).all() else math.inf
