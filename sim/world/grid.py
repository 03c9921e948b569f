"""A raster of ground with a scale: from metres to pixels, and outlines to masks of coverage.

Coordinates are metres north and east of the middle; north is up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from landing.geometry import FloatArray
from landing.types import ByteArray
from sim.world.texture import Field

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, right and bottom not included."""


@dataclass(frozen=True)
class Spot:
    """Middle of a rectangle or car, and the heading of its length, clockwise from north."""

    north_m: float
    east_m: float
    heading_rad: float = 0.0

    def corners(self, length_m: float, width_m: float) -> FloatArray:
        """Corners of a rectangle, shape (4, 2), north and east."""
        half_l, half_w = length_m / 2, width_m / 2
        local = np.array([[half_l, half_w], [half_l, -half_w], [-half_l, -half_w], [-half_l, half_w]])
        return self.place(local)

    def place(self, forward_right_m: FloatArray) -> FloatArray:
        """From forward and right of the spot, shape (n, 2), to north and east."""
        c, s = math.cos(self.heading_rad), math.sin(self.heading_rad)
        turned = forward_right_m @ np.array([[c, s], [-s, c]])
        return np.asarray(turned + np.array([self.north_m, self.east_m]))

    def moved(self, forward_m: float, right_m: float, turn_rad: float = 0.0) -> Spot:
        """A spot beside this one."""
        n, e = self.place(np.array([[forward_m, right_m]]))[0]
        return Spot(float(n), float(e), self.heading_rad + turn_rad)


class GroundRaster:
    """A square raster of ground, its middle at NED (0, 0).

    Attributes:
        half_m: From the middle to an edge.
        origin_px: Column and row of NED (0, 0).
    """

    def __init__(self, size_m: float, gsd_m: float) -> None:
        side = max(32, round(size_m / gsd_m))
        self.gsd_m = gsd_m
        self.half_m = side * gsd_m / 2
        self.shape = (side, side)
        self.origin_px = ((side - 1) / 2, (side - 1) / 2)

    def pixels(self, points_ne_m: FloatArray) -> FloatArray:
        """Column and row of points, shape (n, 2)."""
        points = np.atleast_2d(points_ne_m)
        return np.column_stack(
            [self.origin_px[0] + points[:, 1] / self.gsd_m, self.origin_px[1] - points[:, 0] / self.gsd_m]
        )

    def box_of(self, points_ne_m: FloatArray, margin_m: float = 0.3) -> Box | None:
        """The part of the raster around points; None when they are all outside."""
        pixels = self.pixels(points_ne_m)
        margin = margin_m / self.gsd_m + 2
        left, top = np.floor(pixels.min(axis=0) - margin).astype(int)
        right, bottom = np.ceil(pixels.max(axis=0) + margin).astype(int)
        rows, columns = self.shape
        box = (max(left, 0), max(top, 0), min(right, columns), min(bottom, rows))
        return box if box[0] < box[2] and box[1] < box[3] else None

    def around(self, north_m: float, east_m: float, radius_m: float, reach: float) -> tuple[Box, Field, Field] | None:
        """The box of a disc `reach` times as large, and polar coordinates there; None outside of the raster.

        Returns:
            Box; squared distance from the middle, in radii; direction from it, radians.
        """
        centre = np.array([[north_m, east_m]])
        box = self.box_of(centre, radius_m * reach)
        if box is None:
            return None
        u, v = self.pixels(centre)[0]
        du = (np.arange(box[0], box[2], dtype=np.float32) - np.float32(u)) * self.gsd_m / radius_m
        dv = (np.arange(box[1], box[3], dtype=np.float32) - np.float32(v)) * self.gsd_m / radius_m
        r2 = np.asarray(du[None, :] ** 2 + dv[:, None] ** 2, dtype=np.float32)
        return box, r2, np.asarray(np.arctan2(dv[:, None], du[None, :]), dtype=np.float32)

    def polygon(self, points_ne_m: FloatArray, margin_m: float = 0.3) -> tuple[Box, ByteArray] | None:
        """The box of a polygon and its coverage 0 to 255 there; None outside of the raster."""
        box = self.box_of(points_ne_m, margin_m)
        if box is None:
            return None
        mask: ByteArray = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=np.uint8)
        local = (self.pixels(points_ne_m) - [box[0], box[1]]) * 16
        cv2.fillPoly(mask, [np.rint(local).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        return box, mask

    def ribbon_of(
        self, path_ne_m: FloatArray, width_m: float | FloatArray, margin_m: float
    ) -> tuple[Box, ByteArray] | None:
        """The box of a band along a path, and its coverage 0 to 255 there; None outside of the raster.

        The width is that of the whole band, or one for each point of the path.
        """
        box = self.box_of(path_ne_m, margin_m)
        if box is None:
            return None
        mask: ByteArray = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=np.uint8)
        pixels = (self.pixels(path_ne_m) - [box[0], box[1]]) * 16
        widths = np.broadcast_to(np.asarray(width_m, dtype=np.float64), (len(path_ne_m),))
        radius = widths / 2 / self.gsd_m * 16
        for i in range(len(pixels)):
            centre = (round(float(pixels[i, 0])), round(float(pixels[i, 1])))
            cv2.circle(mask, centre, max(1, round(float(radius[i]))), (255,), -1, cv2.LINE_AA, 4)
            if i + 1 < len(pixels):
                step = pixels[i + 1] - pixels[i]
                length = float(np.hypot(*step))
                if length < 1e-6:
                    continue
                side = np.array([-step[1], step[0]]) / length
                near, far = side * radius[i], side * radius[i + 1]
                quad = np.array([pixels[i] + near, pixels[i + 1] + far, pixels[i + 1] - far, pixels[i] - near])
                cv2.fillConvexPoly(mask, np.rint(quad).astype(np.int32), (255,), cv2.LINE_AA, 4)
        return box, mask


def points_of(*spots: Spot) -> FloatArray:
    """Middles of spots, shape (n, 2), north and east."""
    return np.array([(spot.north_m, spot.east_m) for spot in spots])


def smooth_path(corners_ne_m: npt.ArrayLike) -> FloatArray:
    """A Catmull-Rom curve through points, shape (n, 2)."""
    points: npt.NDArray[np.float64] = np.asarray(corners_ne_m, dtype=np.float64)
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    out = []
    for i in range(1, len(padded) - 2):
        a, b, c, d = padded[i - 1 : i + 3]
        t = np.linspace(0, 1, 14, endpoint=False)[:, None]
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack([*out, points[-1:]])


def blob(rng: np.random.Generator, north_m: float, east_m: float, radius_m: float, wild: float = 0.3) -> FloatArray:
    """A closed rounded outline, shape (n, 2)."""
    turn = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    radius = np.ones_like(turn)
    for lobes in (1, 2, 3, 4, 5):
        radius += wild / lobes * rng.normal() * np.cos(lobes * turn + rng.uniform(0, 6.3))
    radius = radius_m * np.clip(radius, 0.35, 1.8)
    stretch = rng.uniform(0.6, 1.0)
    return np.column_stack([north_m + radius * np.cos(turn) * stretch, east_m + radius * np.sin(turn)])
