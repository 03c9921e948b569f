"""The values that travel through the pipeline. Shapes, types and units are checked at the door."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from landing.errors import InvalidValueError
from landing.estimator import FIRST_FRAME, EstimatorFrame
from landing.geometry import FloatArray, Quaternion, matrix_from_quaternion, normalized
from landing.values import instance, number, numbers, whole

ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """One camera picture.

    Attributes:
        image_bgr: uint8, shape (H, W, 3), blue-green-red.
        frame_id: Counts up from 0 per camera; a gap is a dropped frame.
        captured_at_ns: Monotonic time right after the grab, before any conversion.

    Raises:
        InvalidValueError: No array, or one of another dtype or shape; a time that no clock says.
    """

    image_bgr: ByteArray
    frame_id: int
    captured_at_ns: int

    def __post_init__(self) -> None:
        if not isinstance(self.image_bgr, np.ndarray) or isinstance(self.image_bgr, np.ma.MaskedArray):
            raise InvalidValueError(
                f"frame {self.frame_id}: expected a NumPy array, uint8 (H, W, 3), got {type(self.image_bgr).__name__}"
            )
        object.__setattr__(self, "captured_at_ns", whole(f"frame {self.frame_id}: captured_at_ns", self.captured_at_ns))
        if not abs(self.captured_at_ns) < 1 << 63:
            raise InvalidValueError(f"frame {self.frame_id}: captured at {self.captured_at_ns} ns: expected 64 bits")
        shape = self.image_bgr.shape
        if self.image_bgr.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise InvalidValueError(
                f"frame {self.frame_id}: expected uint8 of shape (H, W, 3), got {self.image_bgr.dtype} of shape {shape}"
            )

    @property
    def width_px(self) -> int:
        """Columns of the picture."""
        return int(self.image_bgr.shape[1])

    @property
    def height_px(self) -> int:
        """Rows of the picture."""
        return int(self.image_bgr.shape[0])


FARTHEST_M = 1e7
"""No vehicle has larger local coordinates, m: a quarter of the way around the Earth."""


@dataclass(frozen=True)
class Pose:
    """Position and attitude of the vehicle at one moment.

    Attributes:
        at_ns: Monotonic time of the measurement (ours, mapped from the autopilot's clock).
        ned_from_frd: Attitude quaternion (w, x, y, z), or None when it is not known.
        position_ned_m: Position in the estimator's local frame, or None when it is not known.
        height_agl_m: Height of the body origin above the ground below it, or None.
        ned_from_gimbal: Attitude quaternion of the gimbal that carries the camera (x where it looks, z down), or None
            when there is none or it is not known.
        frame: The local frame of attitude and position.

    Raises:
        InvalidValueError: What is given is no finite number, there are too few or many, or a quaternion is not unit.
    """

    at_ns: int
    ned_from_frd: Quaternion | None = None
    position_ned_m: tuple[float, float, float] | None = None
    height_agl_m: float | None = None
    ned_from_gimbal: Quaternion | None = None
    frame: EstimatorFrame = FIRST_FRAME

    def __post_init__(self) -> None:
        object.__setattr__(self, "at_ns", whole("pose at_ns", self.at_ns))
        instance("pose frame", self.frame, EstimatorFrame)
        for name, count in (("ned_from_frd", 4), ("position_ned_m", 3), ("ned_from_gimbal", 4)):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, numbers(f"pose {name}", given, count))
        if self.height_agl_m is not None:
            object.__setattr__(self, "height_agl_m", number("pose height_agl_m", self.height_agl_m))
        if self.ned_from_frd is not None:
            object.__setattr__(self, "ned_from_frd", normalized(self.ned_from_frd))
        if self.ned_from_gimbal is not None:
            object.__setattr__(self, "ned_from_gimbal", normalized(self.ned_from_gimbal))
        if self.position_ned_m is not None and not all(map(math.isfinite, self.position_ned_m)):
            raise InvalidValueError(f"pose position {self.position_ned_m} is not finite")
        if self.height_agl_m is not None and not math.isfinite(self.height_agl_m):
            raise InvalidValueError(f"pose height {self.height_agl_m} is not finite")

    @cached_property
    def rotation_ned_from_frd(self) -> FloatArray:
        """Attitude as a matrix, shape (3, 3).

        Raises:
            InvalidValueError: The attitude is not known.
        """
        if self.ned_from_frd is None:
            raise InvalidValueError("pose has no attitude")
        return matrix_from_quaternion(self.ned_from_frd)

    @property
    def tilt_rad(self) -> float:
        """Angle between the body's down axis and the vertical; 0 when level."""
        return math.acos(max(-1.0, min(1.0, float(self.rotation_ned_from_frd[2, 2]))))

    @property
    def ground_down_m(self) -> float | None:
        """Down coordinate of the ground plane below the vehicle, when position and height are."""
        if self.position_ned_m is None or self.height_agl_m is None:
            return None
        return self.position_ned_m[2] + self.height_agl_m


def motion_between(before: Pose, after: Pose) -> tuple[float, float]:
    """Return the distance, m, and the angle, degrees, from one pose to another; 0 for what is not known."""
    moved_m = turned_deg = 0.0
    if before.frame != after.frame:
        return moved_m, turned_deg
    if before.position_ned_m is not None and after.position_ned_m is not None:
        moved_m = math.dist(before.position_ned_m, after.position_ned_m)
    for then, now in ((before.ned_from_frd, after.ned_from_frd), (before.ned_from_gimbal, after.ned_from_gimbal)):
        if then is not None and now is not None:
            dot = abs(sum(p * q for p, q in zip(then, now, strict=True)))
            turned_deg = max(turned_deg, math.degrees(2.0 * math.acos(min(1.0, dot))))
    return moved_m, turned_deg


HAZARD_ORDER = ("obstacle", "water", "person", "vehicle")
"""Roles of the hazard planes of a `Segmentation`, in order."""


@dataclass(frozen=True)
class Segmentation:
    """Segmentation of one frame, after the merge, covering exactly the frame's image.

    It may be coarser than the image (`h`, `w` need not be the image's): a point at a fraction of the image's width and
    height is found at the same fraction here.

    Attributes:
        class_id: uint8 (h, w), most probable class of the model's taxonomy.
        landable: uint8 (h, w), probability x 255 that the ground is of a landable class.
        hazards: uint8 (4, h, w), probability x 255 per role in `HAZARD_ORDER`.
        captured_at_ns: Capture time of the frame it was made from.

    Raises:
        InvalidValueError: Shapes or types disagree.
    """

    class_id: ByteArray
    landable: ByteArray
    hazards: ByteArray
    captured_at_ns: int = 0

    def __post_init__(self) -> None:
        for name in ("class_id", "landable", "hazards"):
            instance(f"segmentation {name}", getattr(self, name), np.ndarray)
        shape = self.class_id.shape
        ok = (
            len(shape) == 2
            and 0 not in shape
            and self.landable.shape == shape
            and self.hazards.shape == (len(HAZARD_ORDER), *shape)
            and all(a.dtype == np.uint8 for a in (self.class_id, self.landable, self.hazards))
        )
        if not ok:
            raise InvalidValueError(
                "segmentation expects uint8 class_id (h, w), landable (h, w) and hazards "
                f"({len(HAZARD_ORDER)}, h, w), got {self.class_id.dtype} {shape}, "
                f"{self.landable.dtype} {self.landable.shape}, "
                f"{self.hazards.dtype} {self.hazards.shape}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.class_id.shape[0]), int(self.class_id.shape[1])


@dataclass(frozen=True)
class LandingTarget:
    """Target to be sent to the autopilot now, for one landing site.

    Attributes:
        offset_frd_m: From the body origin to the site in body axes (forward, right, down), m.
        position_ned_m: The site in the estimator's local frame (absolute), m.
        evidence_at_ns: Monotonic capture time of the newest frame that supports the site.
        pose_at_ns: Monotonic time of the pose the offset was computed with.
        velocity_ne_mps: North and east of a pad that moves, m/s; 0 for ground.
    """

    offset_frd_m: tuple[float, float, float]
    position_ned_m: tuple[float, float, float]
    evidence_at_ns: int
    pose_at_ns: int
    velocity_ne_mps: tuple[float, float] = (0.0, 0.0)
