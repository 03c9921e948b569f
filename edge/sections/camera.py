"""Camera: the source of frames, the lens, and the mount."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from edge.cameras.contract import CameraRequest
from edge.lens import camera_for_size, in_degrees, possible
from edge.sections.base import Section
from landing.camera import CameraModel, Mount
from landing.command.pointing import ARRIVED_DEG

GIMBAL_TURN_DEG = 45.0
"""A camera turned farther against its gimbal is a fixed mount's angles left in by mistake."""


class MountSection(Section):
    """Position and attitude of the camera on the vehicle; the default looks straight down, top forward."""

    roll_deg: float = Field(default=0.0, ge=-180, le=180, description="turn about its view, deg")
    pitch_deg: float | None = Field(
        default=None, ge=-180, le=90, description="-90 looks down, deg; -90 by default, on a gimbal 0"
    )
    yaw_deg: float = Field(default=0.0, ge=-180, le=180, description="clockwise from above, deg")
    forward_m: float = Field(default=0.0, ge=-10, le=10, description="from the body origin, m")
    right_m: float = Field(default=0.0, ge=-10, le=10, description="from the body origin, m")
    down_m: float = Field(default=0.0, ge=-10, le=10, description="from the body origin, m")

    def mount(self, gimbal: bool) -> Mount:
        """As the camera model wants it."""
        offset = (self.forward_m, self.right_m, self.down_m)
        default_deg = 0.0 if gimbal else -90.0
        pitch_deg = default_deg if self.pitch_deg is None else self.pitch_deg
        return Mount(self.roll_deg, pitch_deg, self.yaw_deg, offset, gimbal)


class CameraSection(Section):
    """Source of the frames, lens and mount.

    The lens is given by `hfov_deg`, by a `calibration` file, or by `fx fy cx cy`.
    """

    source: str = Field(
        description="v4l2:///dev/video0, csi://0, rtsp://..., pipe:COMMAND, ros2://TOPIC, file://clip.mp4, "
        "bag://flight.mcap or images://folder"
    )
    width_px: int = Field(ge=16, le=16384, description="picture width, px")
    height_px: int = Field(ge=16, le=16384, description="picture height, px")
    fps: float | None = Field(
        default=None, ge=0.1, le=240, description="frame rate to ask for, Hz; else the source's own"
    )
    hfov_deg: float | None = Field(default=None, gt=1, lt=170, description="horizontal field of view, degrees")
    calibration: Path | None = Field(default=None, description="ROS camera_info or OpenCV calibration YAML")
    fx: float | None = Field(default=None, gt=0, description="focal length, px")
    fy: float | None = Field(default=None, gt=0, description="focal length, px; fx by default")
    cx: float | None = Field(default=None, description="principal point, px; the centre by default")
    cy: float | None = Field(default=None, description="principal point, px; the centre by default")
    distortion: tuple[float, float, float, float, float] = Field(
        default=(0.0, 0.0, 0.0, 0.0, 0.0), description="k1 k2 p1 p2 k3, with fx"
    )
    mount: MountSection = Field(default_factory=MountSection)
    gimbal: Literal["none", "mavlink"] = Field(
        default="none",
        description="mavlink: a stabilised gimbal carries the camera and tells its attitude by "
        "GIMBAL_DEVICE_ATTITUDE_STATUS or MOUNT_ORIENTATION, and the mount's angles are against it",
    )
    gimbal_down: bool = Field(
        default=False,
        description="that gimbal is pointed straight down for a landing and released afterwards, by MAVLink's gimbal "
        "protocol v2; never while somebody else controls it",
    )
    latency_ms: float = Field(
        default=0.0, ge=0, le=1000, description="from exposure to arrival, ms; taken off the stamp"
    )
    calibrated: str | None = Field(
        default=None,
        pattern=r"^\d{4}-\d{2}-\d{2} [0-9a-f]{8}$",
        description="day and digest, written by `touchdown edge calibrate`",
    )
    max_frame_age_ms: float = Field(
        default=300.0, ge=20, le=5000, description="older frames are dropped, not decided on, ms"
    )
    start_timeout_ms: float = Field(
        default=5000.0, ge=100, le=60000, description="the first frame must come within, ms"
    )
    stall_timeout_ms: float = Field(
        default=1000.0, ge=50, le=60000, description="without a frame for so long: reopen, ms"
    )
    loop: bool = Field(default=False, description="recordings start again at their end")

    _hfov_in_degrees = field_validator("hfov_deg")(in_degrees)

    @model_validator(mode="after")
    def _one_lens(self) -> CameraSection:
        given = [name for name in ("hfov_deg", "calibration", "fx") if getattr(self, name) is not None]
        if len(given) != 1:
            what = " and ".join(given) if given else "none of them"
            raise ValueError(f"the lens needs exactly one of hfov_deg, calibration or fx; got {what}")
        with_fx = [name for name in ("fy", "cx", "cy") if getattr(self, name) is not None]
        with_fx += ["distortion"] if any(self.distortion) else []
        if self.fx is None and with_fx:
            raise ValueError(f"{' and '.join(with_fx)} count with fx alone: give fx, or leave them out")
        return self

    @model_validator(mode="after")
    def _looks_along_its_gimbal(self) -> CameraSection:
        mount = self.mount.mount(self.gimbal != "none")
        if mount.gimbal and max(abs(mount.pitch_deg), abs(mount.roll_deg)) > GIMBAL_TURN_DEG:
            raise ValueError(
                f"mount.pitch_deg {mount.pitch_deg:g} and roll_deg {mount.roll_deg:g} are against "
                "the gimbal, which points the camera itself: leave them out, or at most "
                f"{GIMBAL_TURN_DEG:g}"
            )
        return self

    @model_validator(mode="after")
    def _has_a_gimbal_to_point(self) -> CameraSection:
        if self.gimbal_down and self.gimbal == "none":
            raise ValueError('gimbal_down needs gimbal = "mavlink": only a gimbal that tells its attitude is pointed')
        mount = self.mount.mount(self.gimbal != "none")
        if self.gimbal_down and max(abs(mount.pitch_deg), abs(mount.roll_deg)) > ARRIVED_DEG:
            raise ValueError(
                f"mount.pitch_deg {mount.pitch_deg:g} and roll_deg {mount.roll_deg:g} are against the gimbal, and "
                f"gimbal_down points that, not the camera, straight down: at most {ARRIVED_DEG:g} expected"
            )
        return self

    def request(self) -> CameraRequest:
        """For `edge.cameras.make_camera`."""
        return CameraRequest(
            self.source,
            self.width_px,
            self.height_px,
            self.fps,
            loop=self.loop,
            latency_ns=round(self.latency_ms * 1e6),
            lens=self.model(),
        )

    def model(self) -> CameraModel:
        """The lens and mount, for pictures of the configured size.

        Raises:
            ConfigError: A calibration that is unreadable or for another shape of picture.
            InvalidValueError: Numbers that no camera has.
        """
        mount = self.mount.mount(self.gimbal != "none")
        size = (self.width_px, self.height_px)
        if self.hfov_deg is not None:
            return CameraModel.from_hfov(*size, self.hfov_deg, mount)
        if self.calibration is not None:
            return possible(camera_for_size(CameraModel.from_calibration(self.calibration, mount), *size))
        assert self.fx is not None
        return possible(
            CameraModel(
                *size,
                self.fx,
                self.fy if self.fy is not None else self.fx,
                self.cx if self.cx is not None else (self.width_px - 1) / 2,
                self.cy if self.cy is not None else (self.height_px - 1) / 2,
                self.distortion,
                mount,
            )
        )
