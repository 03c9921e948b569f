"""Lens that a `sensor_msgs/CameraInfo` tells, and in which way it contradicts another."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from landing.calibration import distortion_of
from landing.camera import CameraModel
from landing.errors import InvalidValueError

LENS_DIFFERS = 0.02
"""Share by which a focal length may differ from `CameraInfo`; principal point and corners by that of the width."""


RECTIFIED = re.compile(r"(?:^|[/_])rect(?:$|[/_])")
"""Topics of pictures without distortion, by the names that image_proc gives them: image_rect, image_rect_color."""


def lens_of(info: Any, topic: str) -> CameraModel:
    """Return the lens of a topic's pictures by the `CameraInfo` beside it, which is of raw and rectified ones alike.

    Raises:
        InvalidValueError: Numbers that no camera has, another model of distortion, or a part of the sensor alone.
    """
    roi = info.roi
    if roi.width and roi.height and (roi.width, roi.height) != (info.width, info.height):
        raise InvalidValueError(f"a part of {roi.width}x{roi.height} px of the sensor alone: expected the whole")
    size = int(info.width), int(info.height)
    if RECTIFIED.search(topic):
        p = [float(value) for value in info.p]
        return CameraModel(*size, p[0], p[5], p[2], p[6])
    k = [float(value) for value in info.k]
    bends = distortion_of(str(info.distortion_model), [float(value) for value in info.d])
    return CameraModel(*size, k[0], k[4], k[2], k[5], bends)


def lens_problem(info: Any, topic: str, lens: CameraModel) -> str | None:
    """Say in which way a `CameraInfo` contradicts the lens of a topic's pictures; None where it does not."""
    try:
        told = lens_of(info, topic)
    except InvalidValueError as error:
        return str(error)
    theirs = told.resized(lens.width_px, round(told.height_px * lens.width_px / told.width_px))
    remedy = "`touchdown ros2 calibration` writes what the camera says"
    for name in ("fx", "fy", "cx", "cy"):
        ours_px, theirs_px = float(getattr(lens, name)), float(getattr(theirs, name))
        if abs(ours_px - theirs_px) > LENS_DIFFERS * (lens.width_px if name.startswith("c") else theirs_px):
            return (
                f"{name} is {theirs_px:.1f} px for pictures {lens.width_px} px wide, the configured lens has "
                f"{ours_px:.1f}; {remedy}"
            )
    shift_px = _corner_shift_px(lens, replace(lens, distortion=told.distortion))
    if not shift_px <= LENS_DIFFERS * lens.width_px:
        return f"its distortion moves a corner by {shift_px:.0f} px against the configured lens; {remedy}"
    return None


def _corner_shift_px(one: CameraModel, other: CameraModel) -> float:
    """Return how far the picture's corners lie apart through two lenses, px of a picture without distortion."""
    right, bottom = one.width_px - 1.0, one.height_px - 1.0
    corners = np.array([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]])
    with np.errstate(all="ignore"):
        apart = (one.rays_camera(corners) - other.rays_camera(corners))[:, :2] * [one.fx, one.fy]
    return float(np.hypot(*apart.T).max())
