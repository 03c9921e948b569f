"""The calibration that a ROS 2 camera publishes, as a file that `camera.calibration` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.dds import messages
from edge.dds.cameras import lens_of
from edge.dds.graph import RosNode, info_topic, sensor_data, topic_name
from landing.errors import CameraError, FileError, InvalidValueError


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
    try:
        lens = lens_of(info, topic)
    except InvalidValueError as error:
        raise CameraError(f"{beside}: {error}; calibrate the camera (camera_calibration of ROS)") from error
    matrix = (lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0)
    try:
        out.write_text(_yaml(lens.width_px, lens.height_px, matrix, lens.distortion), "utf-8")
    except OSError as error:
        raise FileError(f"{out}: {error.strerror}; name another file") from error
    size = f"{lens.width_px}x{lens.height_px} px, {lens.hfov_deg:.1f} degrees wide"
    return f"{size}, in {out}; set [camera] calibration to it"


def _yaml(width_px: int, height_px: int, matrix: Sequence[float], distortion: Sequence[float]) -> str:
    def block(name: str, rows: int, values: Sequence[float]) -> str:
        data = ", ".join(repr(float(v)) for v in values)
        return f"{name}:\n  rows: {rows}\n  cols: {len(values) // rows}\n  data: [{data}]\n"

    return (
        f"image_width: {width_px}\nimage_height: {height_px}\ncamera_name: camera\ndistortion_model: plumb_bob\n"
        + block("camera_matrix", 3, matrix)
        + block("distortion_coefficients", 1, distortion)
    )
