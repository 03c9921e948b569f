"""Cells of the ground map that a frame shows, and their evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from landing.camera import MIN_DEPTH_M, CameraModel
from landing.geometry import FloatArray
from landing.ground.view import GridOfBool, GridOfFloat
from landing.types import ByteArray, Pose

Window = tuple[slice, slice]

OUTSIDE_PX = -2.0
"""Column where neither the pixel nor its neighbours lie in a mask."""

NOT_SHOWN, LEAST_SHOWN = 0, 1
"""The byte of a cell that a frame does not show, and the least byte of one that it does."""


def logit_table(threshold: float, gain: float) -> GridOfFloat:
    """Evidence of each probability byte, shape (256,), zero at the threshold.

    Bytes below 6 mean the same, 0.02. So byte 0 is free to mean a cell that the frame does not show: no evidence.
    """
    p = np.clip(np.arange(256) / 255.0, 0.02, 0.98)
    table = (gain * (np.log(p / (1 - p)) - math.log(threshold / (1 - threshold)))).astype(np.float32)
    table[NOT_SHOWN] = 0.0
    return table


class Extent(NamedTuple):
    """Place of a map: side of a cell, m; its south-west cell, in cells from the NED origin; cells along a side."""

    cell_m: float
    corner: tuple[int, int]
    cells: int


@dataclass(frozen=True)
class ShownCells:
    """The part of the map that a frame shows.

    Attributes:
        window: Of the map.
        visible: Where the frame shows a cell of the window.
        u, v: Column and row of the mask in which each of these cells lies; outside of it where it is not visible.
    """

    window: Window
    visible: GridOfBool
    u: GridOfFloat
    v: GridOfFloat

    def evidence(self, samples: ByteArray, table: GridOfFloat) -> GridOfFloat:
        """Evidence of samples of the mask, one for each cell; 0 for cells that are not shown.

        Args:
            samples: uint8, shape of `visible`.
            table: See `logit_table`.
        """
        shown = np.asarray(cv2.max(samples, float(LEAST_SHOWN)), np.uint8)
        shown *= self.visible.view(np.uint8)
        return np.asarray(cv2.LUT(shown, table), np.float32)


@dataclass(frozen=True)
class MaskCamera:
    """The camera at the resolution of a segmentation.

    Attributes:
        camera: Its model.
        border_rays: Directions of nine pixels around the border and in the middle, camera axes, shape (9, 3).
    """

    camera: CameraModel
    border_rays: FloatArray


@lru_cache(maxsize=4)
def mask_camera(camera: CameraModel, rows: int, columns: int) -> MaskCamera:
    """Return a camera at the resolution of a segmentation of so many rows and columns."""
    camera = camera.resized(columns, rows)
    right, bottom = columns - 1, rows - 1
    border = [(u, v) for u in (0, right / 2, right) for v in (0, bottom / 2, bottom)]
    return MaskCamera(camera, camera.rays_camera(np.array(border, float)))


def shown_cells(
    mask: MaskCamera, pose: Pose, centre: FloatArray, ground_down_m: float, extent: Extent, reach_m: float
) -> ShownCells | None:
    """Return the cells that a frame shows, with column u and row v in the mask; None where it shows none.

    Distances and depths are largest and smallest in the corners of the window: where all of those are in bounds,
    no other cell is looked at.

    Args:
        mask: See `mask_camera`.
        pose: With attitude and position.
        centre: Position of the optical centre, NED, m.
        ground_down_m: The plane to project onto.
        extent: Of the map.
        reach_m: Horizontal distance beyond which a frame is not believed.
    """
    window = _window_in_picture(mask, pose, centre, ground_down_m, extent, reach_m)
    if window is None:
        return None
    h = mask.camera.pixel_from_ground_plane(pose, ground_down_m)
    rows, columns = (np.arange(s.start, s.stop) + 0.5 for s in window)
    north = ((extent.corner[0] + rows) * extent.cell_m)[:, None]
    east = ((extent.corner[1] + columns) * extent.cell_m)[None, :]

    def image_of(k: int) -> GridOfFloat:
        image: GridOfFloat = np.empty((north.size, east.size), np.float32)
        np.add(h[k, 0] * north, h[k, 1] * east + h[k, 2], out=image, casting="same_kind")
        return image

    depth, u, v = image_of(2), image_of(0), image_of(1)
    visible = None
    if depth[:: len(depth) - 1 or 1, :: depth.shape[1] - 1 or 1].min() <= MIN_DEPTH_M:
        visible = depth > MIN_DEPTH_M
        depth[~visible] = 1.0
    inverse = np.divide(np.float32(1.0), depth, out=depth)
    u *= inverse
    v *= inverse
    if mask.camera.has_distortion:
        u, v, rising = _distorted(mask.camera, u, v)
        visible = rising if visible is None else visible & rising
    # Up to the centres of the outermost pixels: what is cut off there cannot be judged.
    within = u >= 0.0
    within &= u <= mask.camera.width_px - 1
    within &= v >= 0.0
    within &= v <= mask.camera.height_px - 1
    if visible is not None:
        within &= visible
    north2, east2 = (north - centre[0]) ** 2, (east - centre[1]) ** 2
    if north2.max() + east2.max() > reach_m**2:
        within &= north2 + east2 <= reach_m**2
    cv2.copyTo(np.full_like(u, OUTSIDE_PX), (~within).view(np.uint8), u)
    return ShownCells(window, within, u, v)


def _window_in_picture(
    mask: MaskCamera, pose: Pose, centre: FloatArray, ground_down_m: float, extent: Extent, reach_m: float
) -> Window | None:
    """Rows and columns of the map that hold all the ground in the picture, or None."""
    height_m = ground_down_m - float(centre[2])
    least, most = centre[:2] - reach_m, centre[:2] + reach_m
    rays = mask.border_rays @ mask.camera.ned_from_camera(pose).T
    if rays[:, 2].min() > 1e-9:  # else a corner is above the horizon: everything within reach
        points = centre[:2] + rays[:, :2] * (height_m / rays[:, 2:])
        # Lens distortion bends the picture's edges outwards by less than this share.
        slack_m = 0.05 * (points.max(axis=0) - points.min(axis=0)) + extent.cell_m
        least = np.maximum(least, points.min(axis=0) - slack_m)
        most = np.minimum(most, points.max(axis=0) + slack_m)
    n = extent.cells
    low = [max(0, math.floor(least[k] / extent.cell_m) - extent.corner[k]) for k in (0, 1)]
    high = [min(n, math.ceil(most[k] / extent.cell_m) - extent.corner[k]) for k in (0, 1)]
    if low[0] >= high[0] or low[1] >= high[1]:
        return None
    return slice(low[0], high[0]), slice(low[1], high[1])


def _distorted(camera: CameraModel, u: GridOfFloat, v: GridOfFloat) -> tuple[GridOfFloat, GridOfFloat, GridOfBool]:
    """Applies Brown-Conrady to ideal pixels; also tells those before its turning point."""
    k1, k2, p1, p2, k3 = (np.float32(k) for k in camera.distortion)
    fx, fy, cx, cy = (np.float32(f) for f in (camera.fx, camera.fy, camera.cx, camera.cy))
    x, y = (u - cx) / fx, (v - cy) / fy
    x, y = np.clip(x, -10, 10), np.clip(y, -10, 10)
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    # d(r * radial)/dr must stay positive, or far points fold back into the picture.
    rising = 1 + r2 * (3 * k1 + r2 * (5 * k2 + r2 * 7 * k3)) > 0
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return bent_x * fx + cx, bent_y * fy + cy, rising
