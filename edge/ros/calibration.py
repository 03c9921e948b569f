"""The calibration that a ROS 2 camera publishes, as a file that `camera.calibration` reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from edge.dds import messages
from edge.dds.graph import RosNode, info_topic, sensor_data, topic_name
from landing.errors import CameraError, FileError

PLUMB_BOB = 5


def write_calibration(topic: str, out: Path, timeout_s: float) -> str:
    """Wait for a camera's `CameraInfo` and write it; returns a line for people.

    Raises:
        CameraError: None came, or it says no lens that this project has.
        FileError: The file cannot be written.
        LinkError: DDS does not start, or the topic is no name of ROS.
    """
    beside = info_topic(topic_name(topic))
    node = RosNode("touchdown_calibration")
    try:
        found = node.reader(beside, messages.RosCameraInfo, sensor_data(1)).take(timeout_s, 1)
    finally:
        node.close()
    if not found:
        raise CameraError(f"{beside}: no sensor_msgs/CameraInfo within {timeout_s:g} s; see `ros2 topic list`")
    info = found[0]
    numbers = [info.k[0], info.k[4], info.k[2], info.k[5], *info.d]
    if not all(map(math.isfinite, numbers)) or info.k[0] <= 0 or any(info.d[PLUMB_BOB:]):
        raise CameraError(
            f"{beside}: fx {info.k[0]:g}, {len(info.d)} coefficients of {info.distortion_model[:40]!r}: expected a "
            "calibrated camera with up to 5 (plumb_bob); calibrate it (camera_calibration of ROS)"
        )
    try:
        out.write_text(_yaml(info.width, info.height, info.k, info.d[:PLUMB_BOB]), "utf-8")
    except OSError as error:
        raise FileError(f"{out}: {error.strerror}; name another file") from error
    hfov_deg = math.degrees(2 * math.atan(info.width / 2 / info.k[0]))
    return f"{info.width}x{info.height} px, {hfov_deg:.1f} degrees wide, in {out}; set [camera] calibration to it"


def _yaml(width_px: int, height_px: int, matrix: Sequence[float], distortion: Sequence[float]) -> str:
    def block(name: str, rows: int, values: Sequence[float]) -> str:
        data = ", ".join(repr(float(v)) for v in values)
        return f"{name}:\n  rows: {rows}\n  cols: {len(values) // rows}\n  data: [{data}]\n"

    return (
        f"image_width: {width_px}\nimage_height: {height_px}\ncamera_name: camera\ndistortion_model: plumb_bob\n"
        + block("camera_matrix", 3, matrix)
        + block("distortion_coefficients", 1, [*distortion, *[0.0] * (PLUMB_BOB - len(distortion))])
    )
