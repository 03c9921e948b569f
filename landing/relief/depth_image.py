"""Depth images: each pixel says how far along the view its ground is (REP 118 of ROS), in units of a sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from landing.camera import CameraModel
from landing.relief.depth import DepthLook

DepthArray = npt.NDArray[np.uint16] | npt.NDArray[np.float32]
"""Depth along the view, shape (h, w): uint16 in units, or float32 in metres; 0 and what is not finite is no depth."""

NAME = "depth image"
"""Source of the looks."""

SAMPLES = 3000
"""Pixels of an image that are looked at, about."""

ERROR_M = 0.03
"""Standard deviation of a depth at no distance, m."""


class DepthSettings(BaseModel):
    """Limits and errors of a depth image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit_m: float = Field(default=0.001, ge=1e-5, le=1, description="depth that 1 of a 16-bit picture means, m")
    error_share: float = Field(
        default=0.02, ge=0.001, le=0.2, description="standard deviation of a depth, share of it; beside 0.03 m"
    )
    max_m: float = Field(default=20.0, ge=1, le=200, description="greatest depth that is used, m")


@dataclass(frozen=True)
class DepthLens:
    """A depth sensor as it is configured.

    Attributes:
        camera: Lens and mount.
        settings: Limits and errors.
        latency_ms: From exposure to arrival.
    """

    camera: CameraModel
    settings: DepthSettings
    latency_ms: float = 0.0


@dataclass(frozen=True)
class DepthFrame:
    """One depth image.

    Attributes:
        depth: See `DepthArray`.
        frame_id: Counts up from 0 per sensor; a gap is a dropped image.
        captured_at_ns: Monotonic time of the capture.
    """

    depth: DepthArray
    frame_id: int
    captured_at_ns: int


class DepthCamera:
    """Makes looks of depth images.

    Args:
        camera: Lens and mount of the sensor, for images of one shape.
        settings: Limits and errors.
    """

    def __init__(self, camera: CameraModel, settings: DepthSettings) -> None:
        self.camera = camera
        self._settings = settings
        self._step = max(1, math.ceil(math.sqrt(camera.width_px * camera.height_px / SAMPLES)))
        self._rows = np.arange(self._step // 2, camera.height_px, self._step)
        self._columns = np.arange(self._step // 2, camera.width_px, self._step)
        v, u = (grid.ravel() for grid in np.meshgrid(self._rows, self._columns, indexing="ij"))
        rays = camera.rays_camera(np.column_stack([u, v]).astype(np.float64))
        self._rays = rays @ camera.mount.frd_from_camera.T
        self._length = np.linalg.norm(rays, axis=1)

    def look(self, image: DepthArray, at_ns: int) -> DepthLook:
        """Return the points of an image, some `SAMPLES` of them; one of another type or shape is refused.

        Args:
            image: uint16 or float32, shape (h, w).
            at_ns: Monotonic time of its capture.
        """
        camera = self.camera
        if image.dtype not in (np.uint16, np.float32) or image.shape != (camera.height_px, camera.width_px):
            refusal = (
                f"{image.dtype} of shape {image.shape}, expected uint16 or float32 of "
                f"({camera.height_px}, {camera.width_px})"
            )
            return DepthLook(NAME, at_ns, np.zeros((0, 3)), np.zeros(0), refusal=refusal)
        unit_m = self._settings.unit_m if image.dtype == np.uint16 else 1.0
        depth_m = image[self._rows[:, None], self._columns].ravel().astype(np.float64) * unit_m
        told = np.isfinite(depth_m) & (depth_m != 0) & (depth_m <= self._settings.max_m)
        depth_m, rays = depth_m[told], self._rays[told]
        # A negative depth stays, without an error that makes sense: it is counted against the look.
        sd_m = self._length[told] * np.where(
            depth_m > 0, np.hypot(ERROR_M, self._settings.error_share * depth_m), np.nan
        )
        points_m = rays * depth_m[:, None] + np.asarray(camera.mount.offset_frd_m)
        return DepthLook(NAME, at_ns, points_m, sd_m, gimbal=camera.mount.gimbal)
