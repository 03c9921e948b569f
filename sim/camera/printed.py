"""A world's marked pad in the picture of a camera."""

from __future__ import annotations

import math

import cv2
import numpy as np

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.types import ByteArray, Pose
from sim.world.model import World

FARTHEST_PX = 20_000
"""A print that reaches farther from the picture's corner is not drawn."""


def draw_pad(image: ByteArray, world: World, camera: CameraModel, pose: Pose, t_s: float) -> None:
    """Draws the pad, if there is one, where it is at a world time; its straight lines stay straight."""
    pad = world.pad
    if pad is None:
        return
    for outline in pad.outlines_ned_m(t_s):
        corners = camera.pixel_from_ned(outline, pose)
        if np.isfinite(corners).all() and np.abs(corners).max() < FARTHEST_PX:
            _draw(image, pad.image, corners)


def _draw(image: ByteArray, printed: ByteArray, corners: FloatArray) -> None:
    """Draws a flat print with its corners at given pixels, (4, 2), by area where it is shrunk."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    side = int(min(printed.shape[0], max(8, math.ceil(1.5 * float(sides.max())))))
    shown = cv2.resize(printed, (side, side), interpolation=cv2.INTER_AREA)
    rows, columns = image.shape[:2]
    left, top = np.floor(corners.min(axis=0) - 1).astype(int).clip(0, (columns, rows))
    right, bottom = np.ceil(corners.max(axis=0) + 2).astype(int).clip(0, (columns, rows))
    if left >= right or top >= bottom:
        return
    edges = np.array([[-0.5, -0.5], [side - 0.5, -0.5], [side - 0.5, side - 0.5], [-0.5, side - 0.5]], np.float32)
    matrix = cv2.getPerspectiveTransform(edges, (corners - [left, top]).astype(np.float32))
    size = (int(right - left), int(bottom - top))
    warped = cv2.warpPerspective(shown, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    inside = np.zeros((size[1], size[0]), np.uint8)
    outline = np.rint((corners - [left, top]) * 16).astype(np.int32)
    cv2.fillConvexPoly(inside, outline, 255, cv2.LINE_AA, 4)
    part = image[top:bottom, left:right]
    weight = inside[..., None].astype(np.float32) / 255.0
    part[:] = np.rint(part * (1.0 - weight) + warped[..., None] * weight).astype(np.uint8)
