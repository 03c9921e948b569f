"""Poses of a ROS 2 bag beside its pictures: what `edge look` places the frames by.

Position and attitude come from the one topic of `geometry_msgs/PoseStamped`, `PoseWithCovarianceStamped` or
`nav_msgs/Odometry` (east-north-up, forward-left-up: REP 103), heights from a `sensor_msgs/Range` that looks down, the
lens from `sensor_msgs/CameraInfo`. The camera is fixed to the body, as `--assume-nadir` or `--pitch-deg` says.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from pathlib import Path
from typing import Any

import numpy as np

from edge.cameras.bag import Bag, stamp_ns
from edge.look.photo import Fact, PhotoFacts
from edge.look.video_telemetry import OLD_FRAME_S, TelemetryEntry
from edge.look.view import LEVEL
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

    Raises:
        DataError: Several topics have poses, or one is no pose.
        PictureError: The bag cannot be read.
    """

    on_gimbal = False

    def __init__(self, path: Path) -> None:
        with Bag(path) as bag:
            pictures = bag.picture_topic()
            poses = self._pose_topic(bag, path)
            ranges, infos = bag.topics(RANGE), bag.topics(CAMERA_INFO)
            started_ns: int | None = None
            self._poses: list[tuple[int, tuple[float, float, float], Quaternion]] = []
            self._ranges: list[tuple[int, float]] = []
            self._info: Any = None
            for topic, at_ns, message in bag.messages(pictures, *([poses] if poses else []), *ranges, *infos):
                at_ns = stamp_ns(message, at_ns)
                if topic == pictures and started_ns is None:
                    started_ns = at_ns
                elif topic == poses:
                    self._poses.append((at_ns, *_ned(POSES[bag.kind_of(topic)](message), path, topic)))
                elif topic in ranges and _is_measured(message):
                    self._ranges.append((at_ns, float(message.range)))
                elif topic in infos and self._info is None and message.k[0] > 0:
                    self._info = message
        self._started_ns = started_ns or 0
        self._poses.sort(key=lambda entry: entry[0])
        self._ranges.sort()
        self.source = f"{path.name} {poses}" if poses else path.name
        self._infos_of, self._ranges_of = ", ".join(infos), ", ".join(ranges)

    @property
    def has_positions(self) -> bool:
        """True where the bag says where the vehicle was."""
        return bool(self._poses)

    def at(self, at_s: float) -> TelemetryEntry | None:
        """Find a time of the bag; None where its poses do not reach."""
        return TelemetryEntry(at_s) if not self._poses or self._pose_at(at_s) is not None else None

    def facts(self, entry: TelemetryEntry, size_px: tuple[int, int]) -> PhotoFacts:
        """Facts of a frame, as of a photo: lens and height; the mount is for the user to say."""
        pose, range_m = self._pose_at(entry.at_s), _newest(self._ranges, self._ns(entry.at_s))
        focals: tuple[Fact, ...] = ()
        if self._info is not None:
            focals = (Fact(float(self._info.k[0]), f"{self._infos_of} fx"),)
        return PhotoFacts(
            size_px,
            taken_px=None if self._info is None else (int(self._info.width), int(self._info.height)),
            focals_px=focals,
            above_ground_m=None if range_m is None else Fact(range_m, f"{self._ranges_of} (above ground)"),
            above_take_off_m=None if pose is None else Fact(-pose[0][2], f"{self.source} z (above take-off)"),
        )

    def pose(self, entry: TelemetryEntry, at_ns: int, height_agl_m: float, pitch_deg: float, roll_deg: float) -> Pose:
        """Pose of the vehicle at a frame; level and in place where the bag has no poses."""
        position, attitude = self._pose_at(entry.at_s) or ((0.0, 0.0, -height_agl_m), LEVEL)
        return Pose(at_ns, attitude, position, height_agl_m)

    def _ns(self, at_s: float) -> int:
        return self._started_ns + round(at_s * 1e9)

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

    @staticmethod
    def _pose_topic(bag: Bag, path: Path) -> str:
        topics = bag.topics(*POSES)
        preferred = [topic for topic in topics if topic.endswith(PREFERRED)]
        if len(preferred or topics) > 1:
            raise DataError(
                f"bag {path} has poses in {', '.join(topics)}: expected one, or one that ends in {PREFERRED}; write "
                "a bag with one (`ros2 bag convert`)"
            )
        return (preferred or topics or [""])[0]


def _is_measured(message: Any) -> bool:
    """Tell a range from what a sensor says where it sees nothing."""
    return math.isfinite(message.range) and bool(message.min_range <= message.range <= message.max_range)


def _newest(entries: list[tuple[int, float]], at_ns: int) -> float | None:
    index = bisect_right(entries, at_ns, key=lambda entry: entry[0]) - 1
    return None if index < 0 or at_ns - entries[index][0] > OLD_FRAME_S * 1e9 else entries[index][1]


def _ned(pose: Any, path: Path, topic: str) -> tuple[tuple[float, float, float], Quaternion]:
    """Position and attitude of a ROS pose in local NED and body FRD."""
    p, q = pose.position, pose.orientation
    try:
        enu_from_flu = (float(q.w), float(q.x), float(q.y), float(q.z))
        attitude = Pose(0, multiplied(multiplied(NED_FROM_ENU, enu_from_flu), FLU_FROM_FRD), (p.y, p.x, -p.z))
    except InvalidValueError as error:
        raise DataError(f"bag {path}, {topic}: {error}") from error
    assert attitude.ned_from_frd is not None
    return (float(p.y), float(p.x), -float(p.z)), attitude.ned_from_frd
