"""Depth image beside the camera."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from edge.cameras.contract import CameraRequest
from edge.lens import camera_for_size, in_degrees, possible
from edge.sections.camera import MountSection
from landing.camera import CameraModel
from landing.relief.depth_image import DepthLens, DepthSettings


class DepthSection(DepthSettings):
    """Depth image beside the camera: `decision.relief` takes it. It is used where `source` is set."""

    source: str | None = Field(
        default=None,
        description="ros2://TOPIC (16UC1 or 32FC1), pipe:COMMAND (16 bits a pixel, little-endian) or images://folder "
        "(16-bit PNG)",
    )
    width_px: int | None = Field(default=None, ge=16, le=4096, description="width of the image, px")
    height_px: int | None = Field(default=None, ge=16, le=4096, description="height of the image, px")
    fps: float | None = Field(default=None, ge=0.1, le=240, description="rate of a folder, Hz; else the source's own")
    hfov_deg: float | None = Field(default=None, gt=1, lt=170, description="horizontal field of view, degrees")
    calibration: Path | None = Field(default=None, description="ROS camera_info or OpenCV calibration YAML")
    mount: MountSection = Field(default_factory=MountSection)
    on_gimbal: bool = Field(default=False, description="the camera's gimbal carries the sensor too")
    latency_ms: float = Field(
        default=0.0, ge=0, le=1000, description="from exposure to arrival, ms; taken off the stamp"
    )

    _hfov_in_degrees = field_validator("hfov_deg")(in_degrees)

    @model_validator(mode="after")
    def _whole(self) -> DepthSection:
        if self.source is None:
            return self
        if self.width_px is None or self.height_px is None:
            raise ValueError("depth.source needs depth.width_px and depth.height_px")
        if (self.hfov_deg is None) == (self.calibration is None):
            raise ValueError("the depth sensor's lens needs exactly one of hfov_deg or calibration")
        return self

    def lens(self) -> DepthLens | None:
        """Lens, mount, errors and latency; None without a source.

        Raises:
            ConfigError: A calibration that is unreadable or for another shape of picture.
            InvalidValueError: Numbers that no camera has.
        """
        if self.source is None or self.width_px is None or self.height_px is None:
            return None
        mount = self.mount.mount(self.on_gimbal)
        if self.calibration is not None:
            loaded = CameraModel.from_calibration(self.calibration, mount)
            camera = possible(camera_for_size(loaded, self.width_px, self.height_px))
        else:
            assert self.hfov_deg is not None
            camera = CameraModel.from_hfov(self.width_px, self.height_px, self.hfov_deg, mount)
        limits = DepthSettings(unit_m=self.unit_m, error_share=self.error_share, max_m=self.max_m)
        return DepthLens(camera, limits, self.latency_ms)

    def request(self) -> CameraRequest | None:
        """For `edge.cameras.make_camera`; None without a source."""
        if self.source is None:
            return None
        latency_ns = round(self.latency_ms * 1e6)
        return CameraRequest(
            self.source, self.width_px, self.height_px, self.fps, loop=True, latency_ns=latency_ns, depth=True
        )
