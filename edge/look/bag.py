"""Poses of a ROS 2 bag beside its pictures: what `edge look` places the frames by.

Position and attitude come from the one topic of `geometry_msgs/PoseStamped`, `PoseWithCovarianceStamped` or
`nav_msgs/Odometry` (east-north-up, forward-left-up: REP 103), heights from the one `sensor_msgs/Range`, or the one
whose topic says that it looks down, the lens from the `sensor_msgs/CameraInfo` beside the pictures. The camera is fixed
to the body, as `--assume-nadir` or `--pitch-deg` says.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from pathlib import Path
from typing import Any

import numpy as np

from edge.cameras.bag import COMPRESSED, IMAGE, Bag, stamp_ns
from edge.dds.cameras import lens_of
from edge.look.photo import Fact, PhotoFacts
from edge.look.video_telemetry import OLD_FRAME_S, TelemetryEntry
from edge.look.view import LEVEL
from landing.camera import CameraModel
from landing.errors import DataError, InvalidValueError
from landing.geometry import Quaternion, multiplied, slerp
from landing.types import Pose

POSES = {
    "geometry_msgs/msg/PoseStamped": lambda message: message.pose,
    "geometry_msgs/msg/PoseWithCovarianceStamped": lambda message: message.pose.pose,
    "nav_msgs/msg/Odometry": lambda message: message.pose.pose,
}
RANGE, CAMERA_INFO = "sensor_msgs/msg/Range", "sensor_msgs/msg/CameraInfo"
PREFERRED = "local_position/pose"
"""MAVROS's topic: it has several, and this is the autopilot's own estimate."""

DOWNWARD = ("down", "bottom", "altitude", "height", "ground")
"""Words in the topic of a sensor that looks down."""

SIDEWARD = frozenset(("front", "forward", "left", "right", "rear", "back", "side", "up", "upward"))
"""Words in the topic of a sensor that looks elsewhere."""

FOREIGN = (AttributeError, TypeError, ValueError, IndexError, OverflowError)
"""Raised by a message whose definition in the bag is not that of its type."""

HALF = math.sqrt(0.5)
NED_FROM_ENU: Quaternion = (0.0, HALF, HALF, 0.0)
FLU_FROM_FRD: Quaternion = (0.0, 1.0, 0.0, 0.0)


class BagTelemetry:
    """Poses of a bag, by time since its first picture.

    Args:
        path: Of the bag.

    Attributes:
        source: Of the poses, for people.
        on_gimbal: False: the camera is fixed to the body.
        info_topic: Of the lens; empty: none.
        lens: As the bag says; None where it does not.

    Raises:
        DataError: Several topics have poses or heights, or a message is not what its type says.
        PictureError: The bag cannot be read.
    """

    on_gimbal = False

    def __init__(self, path: Path) -> None:
        with Bag(path) as bag:
            self._pictures = pictures = bag.picture_topic()
            self._pose_topic = poses = _pose_topic(bag, path)
            self.info_topic, self._range_topic = _info_topic(bag, pictures), _range_topic(bag, path)
            self._pose_kind = bag.kind_of(poses) if poses else ""
            self._started_ns: int | None = None
            self._poses: list[tuple[int, tuple[float, float, float], Quaternion]] = []
            self._ranges: list[tuple[int, float]] = []
            self.lens: CameraModel | None = None
            topics = {pictures, poses, self.info_topic, self._range_topic} - {""}
            for topic, at_ns, message in bag.messages(*topics):
                try:
                    self._take(topic, stamp_ns(message, at_ns), message)
                except (InvalidValueError, *FOREIGN) as error:
                    raise DataError(f"bag {path}, {topic}: {error}") from error
        self._poses.sort(key=lambda entry: entry[0])
        self._ranges.sort()
        self.source = f"{path.name} {poses}" if poses else path.name

    def _take(self, topic: str, at_ns: int, message: Any) -> None:
        if topic == self.info_topic:
            if self.lens is None and any(message.k):  # all zero: not calibrated
                self.lens = lens_of(message, self._pictures)
        elif topic == self._range_topic:
            if _is_measured(message):
                self._ranges.append((at_ns, float(message.range)))
        elif topic == self._pose_topic:
            self._poses.append((at_ns, *_ned(POSES[self._pose_kind](message))))
        elif self._started_ns is None:
            self._started_ns = at_ns

    @property
    def has_positions(self) -> bool:
        """True where the bag says where the vehicle was."""
        return bool(self._poses)

    def places(self, entry: TelemetryEntry) -> bool:
        """Tell whether a time has a pose; `at` finds no other ones."""
        return True

    @property
    def has_ranges(self) -> bool:
        """True where a sensor measured heights above ground."""
        return bool(self._ranges)

    def vehicle_pose(self, at_s: float, at_ns: int) -> Pose | None:
        """Pose of the vehicle at a time of the bag; None where its poses do not reach.

        The height is that of the newest range, or above take-off where the bag has no ranges at all.

        Args:
            at_s: Since the first picture, s.
            at_ns: Stamp of the pose.
        """
        placed = self._pose_at(at_s)
        if placed is None:
            return None
        height_m = _newest(self._ranges, self._ns(at_s)) if self._ranges else -placed[0][2]
        return Pose(at_ns, placed[1], placed[0], height_m)

    def at(self, at_s: float) -> TelemetryEntry | None:
        """Find a time of the bag; None where its poses do not reach."""
        return TelemetryEntry(at_s) if not self._poses or self._pose_at(at_s) is not None else None

    def facts(self, entry: TelemetryEntry, size_px: tuple[int, int]) -> PhotoFacts:
        """Facts of a frame, as of a photo: lens and height; the mount is for the user to say."""
        pose, range_m = self._pose_at(entry.at_s), _newest(self._ranges, self._ns(entry.at_s))
        focals: tuple[Fact, ...] = ()
        if self.lens is not None:
            focals = (Fact(self.lens.fx, f"{self.info_topic} fx"),)
        return PhotoFacts(
            size_px,
            taken_px=None if self.lens is None else (self.lens.width_px, self.lens.height_px),
            focals_px=focals,
            above_ground_m=None if range_m is None else Fact(range_m, f"{self._range_topic} (above ground)"),
            above_take_off_m=None if pose is None else Fact(-pose[0][2], f"{self.source} z (above take-off)"),
            lens=self.lens,
        )

    def pose(self, entry: TelemetryEntry, at_ns: int, height_agl_m: float, pitch_deg: float, roll_deg: float) -> Pose:
        """Pose of the vehicle at a frame; level and in place where the bag has no poses."""
        position, attitude = self._pose_at(entry.at_s) or ((0.0, 0.0, -height_agl_m), LEVEL)
        return Pose(at_ns, attitude, position, height_agl_m)

    def _ns(self, at_s: float) -> int:
        return (self._started_ns or 0) + round(at_s * 1e9)

    def _pose_at(self, at_s: float) -> tuple[tuple[float, float, float], Quaternion] | None:
        """Position and attitude between the two poses around a time; None farther than `OLD_FRAME_S` from them."""
        at_ns = self._ns(at_s)
        index = bisect_right(self._poses, at_ns, key=lambda entry: entry[0])
        around = self._poses[max(0, index - 1) : index + 1]
        near = [entry for entry in around if abs(entry[0] - at_ns) <= OLD_FRAME_S * 1e9]
        if not near:
            return None
        first, last = near[0], near[-1]
        share = 0.0 if first[0] == last[0] else min(1.0, max(0.0, (at_ns - first[0]) / (last[0] - first[0])))
        a, b = np.array(first[1]), np.array(last[1])
        north_m, east_m, down_m = (float(v) for v in a + share * (b - a))
        return (north_m, east_m, down_m), slerp(first[2], last[2], share)


def _pose_topic(bag: Bag, path: Path) -> str:
    """Return the topic of the poses; empty: none.

    Raises:
        DataError: Several topics have poses, and none is MAVROS's.
    """
    topics = bag.topics(*POSES)
    preferred = [topic for topic in topics if topic.endswith(PREFERRED)]
    if len(preferred or topics) > 1:
        raise DataError(
            f"bag {path} has poses in {', '.join(topics)}: expected one, or one that ends in {PREFERRED}; write "
            "a bag with one (`ros2 bag convert`)"
        )
    return (preferred or topics or [""])[0]


def _info_topic(bag: Bag, pictures: str) -> str:
    """Return the `CameraInfo` beside a topic of pictures (image_transport's rule), or the only one; empty: none."""
    topics = bag.topics(CAMERA_INFO)
    parents = pictures.split("/")
    for depth in (1, 2):  # /cam/image_raw and /cam/image_raw/compressed
        beside = "/".join([*parents[:-depth], "camera_info"])
        if beside in topics:
            return beside
    return topics[0] if len(topics) == 1 and len(bag.topics(IMAGE, COMPRESSED)) == 1 else ""


def _range_topic(bag: Bag, path: Path) -> str:
    """Return the topic of the heights above ground; empty: none.

    Raises:
        DataError: Several sensors measure ranges, and not one of their names says that it looks down.
    """
    topics = [topic for topic in bag.topics(RANGE) if not SIDEWARD & set(re.split(r"[/_]", topic.lower()))]
    downward = [topic for topic in topics if any(word in topic.lower() for word in DOWNWARD)]
    if len(topics) > 1 and len(downward) != 1:
        raise DataError(
            f"bag {path} has ranges in {', '.join(topics)}: expected one, or one with {' or '.join(DOWNWARD)} in its "
            "name; write a bag with one (`ros2 bag convert`)"
        )
    return (downward or topics or [""])[0]


def _is_measured(message: Any) -> bool:
    """Tell a range from what a sensor says where it sees nothing."""
    return math.isfinite(message.range) and bool(message.min_range <= message.range <= message.max_range)


def _newest(entries: list[tuple[int, float]], at_ns: int) -> float | None:
    index = bisect_right(entries, at_ns, key=lambda entry: entry[0]) - 1
    return None if index < 0 or at_ns - entries[index][0] > OLD_FRAME_S * 1e9 else entries[index][1]


def _ned(pose: Any) -> tuple[tuple[float, float, float], Quaternion]:
    """Position and attitude of a ROS pose in local NED and body FRD.

    Raises:
        InvalidValueError: It is no pose.
    """
    p, q = pose.position, pose.orientation
    enu_from_flu = (float(q.w), float(q.x), float(q.y), float(q.z))
    attitude = Pose(0, multiplied(multiplied(NED_FROM_ENU, enu_from_flu), FLU_FROM_FRD), (p.y, p.x, -p.z))
    assert attitude.ned_from_frd is not None
    return (float(p.y), float(p.x), -float(p.z)), attitude.ned_from_frd
