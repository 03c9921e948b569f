"""The camera: from a pixel to a ray to a point on the ground, and back.

Frames of reference: image pixels (u right, v down, centre of the top-left pixel at (0, 0)), camera optical (x right, y
down, z forward), body FRD, local NED. The pinhole with Brown-Conrady distortion is OpenCV's (calib3d documentation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from landing.calibration import distortion_of, model_of, numbers_of
from landing.errors import ConfigError, InvalidValueError
from landing.geometry import FloatArray, matrix_from_quaternion, quaternion_from_euler
from landing.reading import read_text
from landing.types import Pose
from landing.values import instance, number, numbers, whole

# A camera that looks along the body's x axis: optical x is right (y), optical y is down (z).
FRD_FROM_FORWARD_CAMERA = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

MIN_DEPTH_M = 0.05
"""Nearer points (or points behind the camera) have no usable projection."""


@dataclass(frozen=True)
class Mount:
    """Position and attitude of the camera on the vehicle, or on a gimbal of it.

    A camera at zero angles looks forward with its top up. The angles turn it like a gimbal: yaw, then pitch, then roll.
    The default looks straight down with the picture's top forward.

    On a gimbal the camera's attitude is the gimbal's own, told by its messages, and the angles are what is left between
    the two: usually none (see `on_gimbal`).

    Attributes:
        roll_deg, pitch_deg, yaw_deg: Turn of the camera against the body, or the gimbal's last axis, degrees.
        offset_frd_m: Position of the optical centre from the body origin, body axes, metres; on a gimbal that of its
            pivot.
        gimbal: Whether a gimbal carries the camera.

    Raises:
        InvalidValueError: An angle or a coordinate is no finite number.
    """

    roll_deg: float = 0.0
    pitch_deg: float = -90.0
    yaw_deg: float = 0.0
    offset_frd_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gimbal: bool = False

    def __post_init__(self) -> None:
        for name in ("roll_deg", "pitch_deg", "yaw_deg"):
            object.__setattr__(self, name, number(f"mount {name}", getattr(self, name)))
        object.__setattr__(self, "offset_frd_m", numbers("mount offset_frd_m", self.offset_frd_m, 3))
        given = (self.roll_deg, self.pitch_deg, self.yaw_deg, *self.offset_frd_m)
        if not all(map(math.isfinite, given)):
            raise InvalidValueError(f"mount with angles and offset {given}: expected finite numbers")

    @classmethod
    def on_gimbal(
        cls,
        roll_deg: float = 0.0,
        pitch_deg: float = 0.0,
        yaw_deg: float = 0.0,
        offset_frd_m: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Mount:
        """A camera that looks where its gimbal points, unless turned against it."""
        return cls(roll_deg, pitch_deg, yaw_deg, offset_frd_m, gimbal=True)

    @cached_property
    def frd_from_camera(self) -> FloatArray:
        """Rotation from camera optical axes to those it is fixed to (body, or gimbal), (3, 3)."""
        turn = quaternion_from_euler(
            math.radians(self.roll_deg), math.radians(self.pitch_deg), math.radians(self.yaw_deg)
        )
        rotation: FloatArray = matrix_from_quaternion(turn) @ FRD_FROM_FORWARD_CAMERA
        return rotation


@dataclass(frozen=True)
class CameraModel:
    """Pinhole camera with optional distortion, fixed to the vehicle.

    Attributes:
        width_px, height_px: Size of the pictures the intrinsics are for.
        fx, fy, cx, cy: Focal lengths and principal point, pixels.
        distortion: k1, k2, p1, p2, k3 of OpenCV's model; all zero for an ideal pinhole.
        mount: How it is fixed to the body.

    Raises:
        InvalidValueError: A size or focal length that no camera has, or a value of another type.
    """

    width_px: int
    height_px: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    mount: Mount = field(default_factory=Mount)

    def __post_init__(self) -> None:
        for name in ("width_px", "height_px"):
            object.__setattr__(self, name, whole(f"camera {name}", getattr(self, name)))
        for name in ("fx", "fy", "cx", "cy"):
            object.__setattr__(self, name, number(f"camera {name}", getattr(self, name)))
        object.__setattr__(self, "distortion", numbers("camera distortion", self.distortion, 5))
        instance("camera mount", self.mount, Mount)
        intrinsics = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if self.width_px < 1 or self.height_px < 1 or not all(map(math.isfinite, intrinsics)):
            raise InvalidValueError(
                f"camera {self.width_px}x{self.height_px} px with intrinsics {intrinsics}: "
                "expected a size of at least 1x1 and finite numbers"
            )
        if not (self.hfov_deg > 1.0 and self.hfov_deg < 170.0 and self.fy > 0):
            raise InvalidValueError(
                f"camera focal length {self.fx:.4g} px gives a horizontal field of view of "
                f"{self.hfov_deg:.4g} degrees: expected more than 1 and less than 170"
            )

    @classmethod
    def from_hfov(cls, width_px: int, height_px: int, hfov_deg: float, mount: Mount | None = None) -> CameraModel:
        """An ideal pinhole with square pixels.

        Raises:
            InvalidValueError: The field of view is not between 1 and 170 degrees.
        """
        width_px, height_px = whole("camera width_px", width_px), whole("camera height_px", height_px)
        hfov_deg = number("horizontal field of view", hfov_deg)
        if not (math.isfinite(hfov_deg) and 1.0 < hfov_deg < 170.0):
            raise InvalidValueError(f"horizontal field of view {hfov_deg} degrees: expected more than 1, less than 170")
        focal_px = width_px / 2 / math.tan(math.radians(hfov_deg) / 2)
        centre = ((width_px - 1) / 2, (height_px - 1) / 2)
        return cls(width_px, height_px, focal_px, focal_px, *centre, mount=mount if mount else Mount())

    @classmethod
    def from_calibration(cls, path: str | Path, mount: Mount | None = None) -> CameraModel:
        """Reads a ROS ``camera_info`` or OpenCV calibration YAML file.

        Raises:
            ConfigError: The file is missing or is not such a calibration.
        """
        text = read_text(path, "camera calibration", ConfigError)
        try:
            numbers = numbers_of(text)
            matrix = numbers["camera_matrix"]
            distortion = distortion_of(model_of(text), numbers["distortion_coefficients"])
            width_px, height_px = int(numbers["image_width"][0]), int(numbers["image_height"][0])
            intrinsics = (matrix[0], matrix[4], matrix[2], matrix[5])
            return cls(width_px, height_px, *intrinsics, distortion, mount if mount else Mount())
        except InvalidValueError as error:
            raise ConfigError(
                f"camera calibration {path}: {error}. Expected a ROS camera_info or OpenCV YAML "
                "with image_width, image_height, camera_matrix and distortion_coefficients."
            ) from error

    @property
    def hfov_deg(self) -> float:
        """Horizontal field of view of the undistorted camera, degrees; 180 if there is none."""
        if self.fx <= 0:
            return 180.0
        return math.degrees(2 * math.atan(self.width_px / 2 / self.fx))

    @property
    def has_distortion(self) -> bool:
        """True where straight lines are bent."""
        return any(self.distortion)

    @cached_property
    def matrix(self) -> FloatArray:
        """Intrinsic matrix K, shape (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def resized(self, width_px: int, height_px: int) -> CameraModel:
        """The same camera delivering (or masked at) another resolution.

        Pixel centres are at whole numbers, hence the half-pixel shift of the principal point.
        """
        sx = whole("camera width_px", width_px) / self.width_px
        sy = whole("camera height_px", height_px) / self.height_px
        return replace(
            self,
            width_px=width_px,
            height_px=height_px,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def centre_ned_m(self, pose: Pose) -> FloatArray:
        """Position of the optical centre, NED metres, shape (3,).

        Raises:
            InvalidValueError: The pose has no attitude or no position.
        """
        if pose.position_ned_m is None:
            raise InvalidValueError("pose has no position")
        offset = np.asarray(self.mount.offset_frd_m)
        centre: FloatArray = np.asarray(pose.position_ned_m) + pose.rotation_ned_from_frd @ offset
        return centre

    def ned_from_camera(self, pose: Pose) -> FloatArray:
        """Rotation from camera optical axes to NED at a pose, shape (3, 3).

        Raises:
            InvalidValueError: The attitude of the body, or of the gimbal, is not known.
        """
        if not self.mount.gimbal:
            fixed: FloatArray = pose.rotation_ned_from_frd @ self.mount.frd_from_camera
            return fixed
        if pose.ned_from_gimbal is None:
            raise InvalidValueError("pose has no gimbal attitude")
        ned_from_gimbal = matrix_from_quaternion(pose.ned_from_gimbal)
        carried: FloatArray = ned_from_gimbal @ self.mount.frd_from_camera
        return carried

    def missing_in(self, pose: Pose | None) -> str | None:
        """Name what a pose lacks for a projection; None when nothing."""
        if pose is None:
            return "pose"
        if pose.ned_from_frd is None:
            return "attitude"
        if pose.position_ned_m is None:
            return "position"
        if self.mount.gimbal and pose.ned_from_gimbal is None:
            return "gimbal attitude"
        return None

    def pixel_from_ned(self, points_ned_m: FloatArray, pose: Pose) -> FloatArray:
        """Projects points, shape (n, 3), to pixels, shape (n, 2); NaN where not in front.

        Raises:
            InvalidValueError: The pose has no attitude or no position.
        """
        points = np.atleast_2d(np.asarray(points_ned_m, dtype=np.float64))
        camera = (points - self.centre_ned_m(pose)) @ self.ned_from_camera(pose)
        pixels = np.full((len(camera), 2), np.nan)
        front = camera[:, 2] > MIN_DEPTH_M
        if front.any():
            projected, _ = cv2.projectPoints(
                camera[front].reshape(-1, 1, 3), np.zeros(3), np.zeros(3), self.matrix, np.asarray(self.distortion)
            )
            pixels[front] = projected.reshape(-1, 2)
        return pixels

    def rays_camera(self, pixels: FloatArray) -> FloatArray:
        """Directions, camera axes, shape (n, 3), z component 1, of pixels (n, 2)."""
        points = np.atleast_2d(np.asarray(pixels, dtype=np.float64))
        flat = self._undistorted((points - [self.cx, self.cy]) / [self.fx, self.fy])
        return np.column_stack([flat, np.ones(len(flat))])

    def rays_ned(self, pixels: FloatArray, pose: Pose) -> FloatArray:
        """Directions, NED, shape (n, 3), z component 1 in camera axes, of pixels (n, 2)."""
        result: FloatArray = self.rays_camera(pixels) @ self.ned_from_camera(pose).T
        return result

    def _undistorted(self, bent: FloatArray) -> FloatArray:
        """Normalised image points without distortion, shape (n, 2), by fixed-point iteration.

        OpenCV's own inverse stops after 5 rounds by default, a millimetre too early.
        """
        if not self.has_distortion:
            return bent
        k1, k2, p1, p2, k3 = self.distortion
        flat = bent.copy()
        for _ in range(100):
            x, y = flat[:, 0], flat[:, 1]
            r2 = x * x + y * y
            radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
            shift = np.column_stack([2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y])
            improved = (bent - shift) / radial[:, None]
            done = np.abs(improved - flat).max(initial=0.0) < 1e-12
            flat = improved
            if done:
                break
        return flat

    def ground_from_pixel(self, pixels: FloatArray, pose: Pose, ground_down_m: float) -> FloatArray:
        """Points where the rays of pixels meet the ground plane, NED metres, shape (n, 3).

        Args:
            pixels: Shape (n, 2).
            pose: With attitude and position.
            ground_down_m: Down coordinate of the plane.

        Returns:
            NaN rows for rays at or above the horizon, or when the camera is below the plane.

        Raises:
            InvalidValueError: The pose has no attitude or no position.
        """
        centre = self.centre_ned_m(pose)
        rays = self.rays_ned(pixels, pose)
        above_m = ground_down_m - centre[2]
        down = rays[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where((down > 1e-9) & (above_m > 0), above_m / down, np.nan)
        points: FloatArray = centre + rays * scale[:, None]
        points[:, 2] = np.where(np.isnan(scale), np.nan, ground_down_m)
        return points

    def pixel_from_ground_plane(self, pose: Pose, ground_down_m: float) -> FloatArray:
        """Homography, shape (3, 3), from (north, east, 1) on the plane to undistorted pixels.

        The third component is the depth in metres: not positive means behind the camera.

        Raises:
            InvalidValueError: The pose has no attitude or no position.
        """
        centre = self.centre_ned_m(pose)
        camera_from_ned = self.ned_from_camera(pose).T
        origin = np.array([0.0, 0.0, ground_down_m]) - centre
        columns = np.column_stack([camera_from_ned[:, 0], camera_from_ned[:, 1], camera_from_ned @ origin])
        result: FloatArray = self.matrix @ columns
        return result
