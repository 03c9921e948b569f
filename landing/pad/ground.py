"""The pad in segmentations and in the ground map. Pure.

A network does not know tags. It may call one a person, an obstacle or a vehicle. Where all of a tag is read nobody
stands on it, so within its square no word of the network counts. On the rest of the pad's surface people do.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.ground.view import GridOfBool, GroundView
from landing.taxonomy import Role
from landing.types import HAZARD_ORDER, ByteArray, Pose, Segmentation

OUTLINE = 24
"""Corners of the polygon that stands for a disc in a picture."""

TAG_RADIUS = 0.9
"""Radius of the disc around the square and its white border, in sides of the square."""

BLUR_PX = 1.5
"""A network's outline is wider than the thing by so much, px of its maps."""

Position = tuple[float, float, float]

_PEOPLE = HAZARD_ORDER.index(Role.PERSON.value)


def disc_px(camera: CameraModel, pose: Pose, place_ned_m: Position, radius_m: float) -> FloatArray | None:
    """Return the rim of a level disc in a picture, shape (n, 2), px; None where that is behind the camera or huge."""
    turn = np.linspace(0.0, 2.0 * math.pi, OUTLINE, endpoint=False)
    rim = np.column_stack([np.cos(turn), np.sin(turn), np.zeros(OUTLINE)]) * radius_m + np.asarray(place_ned_m)
    pixels = camera.pixel_from_ned(rim, pose)
    usable = np.isfinite(pixels).all() and np.abs(pixels).max() < 8 * max(camera.width_px, camera.height_px)
    return pixels if usable else None


def is_cut_off(camera: CameraModel, pose: Pose, place_ned_m: Position, edge_m: float) -> bool:
    """Return True where part of a tag lies outside of the picture, so that it cannot be read."""
    rim = disc_px(camera, pose, place_ned_m, 0.5 * math.sqrt(2.0) * edge_m)
    last = np.array([camera.width_px - 1, camera.height_px - 1])
    return rim is None or bool(((rim < 0) | (rim > last)).any())


def without_pad(
    segmentation: Segmentation,
    camera: CameraModel,
    pose: Pose,
    place_ned_m: Position,
    edge_m: float,
    radius_m: float,
    slack_m: float = 0.0,
) -> Segmentation:
    """Return a frame's answer with the pad as landable ground, and nobody on its tag.

    Args:
        segmentation: Of the frame.
        camera: Of its picture.
        pose: With all that the camera needs.
        place_ned_m: Middle of the tag, local NED.
        edge_m: Of the tag.
        radius_m: Of the pad's surface.
        slack_m: By which the pad may lie elsewhere in this frame.
    """
    rows, columns = segmentation.shape
    small = camera.resized(columns, rows)
    pixel_m = max(0.0, place_ned_m[2] - float(camera.centre_ned_m(pose)[2])) / small.fx
    slack_m += BLUR_PX * pixel_m
    tag = _filled(disc_px(small, pose, place_ned_m, TAG_RADIUS * edge_m + slack_m), rows, columns)
    surface = _filled(disc_px(small, pose, place_ned_m, radius_m + slack_m), rows, columns)
    if tag is None or surface is None:
        return segmentation
    surface |= tag
    landable, hazards = segmentation.landable.copy(), segmentation.hazards.copy()
    landable[surface > 0] = 255
    for number, plane in enumerate(hazards):
        plane[(tag if number == _PEOPLE else surface) > 0] = 0
    return replace(segmentation, landable=landable, hazards=hazards)


def _filled(rim: FloatArray | None, rows: int, columns: int) -> ByteArray | None:
    if rim is None:
        return None
    inside = np.zeros((rows, columns), np.uint8)
    cv2.fillConvexPoly(inside, np.rint(rim * 16).astype(np.int32), 255, cv2.LINE_8, 4)
    return inside


def with_pad(view: GroundView, place_ned_m: Position, edge_m: float, radius_m: float) -> GroundView:
    """Return a map with the pad where it is now, whatever lay there before it came: see `without_pad`."""
    tag, surface = (_disc(view, place_ned_m, r) for r in (TAG_RADIUS * edge_m, max(radius_m, TAG_RADIUS * edge_m)))
    cleared = {role: grid & ~(tag if role is Role.PERSON else surface) for role, grid in view.hazards.items()}
    free = (view.free | surface) & ~cleared[Role.PERSON]
    return replace(view, free=free, hazards=cleared, known=view.known | surface)


def _disc(view: GroundView, place_ned_m: Position, radius_m: float) -> GridOfBool:
    """Cells that a disc touches."""
    south_m, west_m = view.south_west_m
    rows, columns = view.free.shape
    north = south_m + (np.arange(rows) + 0.5) * view.cell_m - place_ned_m[0]
    east = west_m + (np.arange(columns) + 0.5) * view.cell_m - place_ned_m[1]
    inside: GridOfBool = np.add.outer(north**2, east**2) <= (radius_m + view.cell_m) ** 2
    return inside
