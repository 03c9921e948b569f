"""ROS time and ours. ROS stamps with the wall clock, the daemon with the monotonic one; both are read together here."""

from __future__ import annotations

import time

NS = 1_000_000_000


def wall_offset_ns() -> int:
    """Return what is added to our time now to get ROS time, ns. The wall clock may jump, so it is asked each time."""
    before_ns = time.monotonic_ns()
    wall_ns = time.time_ns()
    return wall_ns - (before_ns + time.monotonic_ns()) // 2


def split(ros_ns: int) -> tuple[int, int]:
    """Return seconds and nanoseconds of a ROS time."""
    return ros_ns // NS, ros_ns % NS


def joined(sec: int, nanosec: int) -> int:
    """Return a ROS time in ns."""
    return sec * NS + nanosec
