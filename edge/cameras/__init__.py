"""Cameras: one contract, chosen by URI.

| URI | What |
|---|---|
| `v4l2:///dev/video0` | a USB or other Video4Linux camera |
| `csi://0` | a CSI camera of a Jetson, through `gst-launch-1.0` |
| `rtsp://host/path` | a network stream, through `gst-launch-1.0` |
| `ros2://camera/image_raw` | a topic of ROS 2, raw or `.../compressed` (extra ``ros2``) |
| `pipe:COMMAND` | a command that writes raw BGR frames to its standard output |
| `file://clip.mp4` | a video file |
| `bag://flight.mcap` | a ROS 2 bag, `?topic=/camera` where it has several (extra ``ros2``) |
| `images://folder` | a folder of pictures, by name |
"""

from __future__ import annotations

import shlex
from pathlib import Path

from edge.cameras.bag import BagCamera
from edge.cameras.contract import Camera, CameraInfo, CameraRequest, CameraTimeout, EndOfStream
from edge.cameras.pipe import PipeCamera, gstreamer_command
from edge.cameras.recordings import FolderCamera, VideoCamera
from edge.cameras.v4l2 import V4l2Camera
from landing.distribution import install_command
from landing.errors import CameraError

__all__ = ["RECORDINGS", "Camera", "CameraInfo", "CameraRequest", "CameraTimeout", "EndOfStream", "make_camera"]

RECORDINGS = ("file://", "images://", "bag://")
"""Sources that end; the others are live."""

SCHEMES = ("v4l2://", "csi://", "rtsp://", "pipe:", "ros2://", *RECORDINGS)


DEPTH_SCHEMES = ("ros2://", "pipe:", "images://")
"""Sources that have depth."""


def make_camera(request: CameraRequest, base: Path | None = None) -> Camera:
    """The camera of a URI, not yet open.

    Args:
        request: What is asked of it.
        base: Folder that relative paths start from; the current one by default.

    Raises:
        CameraError: The URI is of no known kind, or lacks what its kind needs.
    """
    source = request.source
    if request.depth and not source.startswith(DEPTH_SCHEMES):
        raise CameraError(f"depth.source {source!r}: expected one of {', '.join(DEPTH_SCHEMES)}")
    folder = base if base is not None else Path()
    if source.startswith("file://"):
        return VideoCamera(request, folder / source.removeprefix("file://"))
    if source.startswith("bag://"):
        name, _, query = source.removeprefix("bag://").partition("?")
        return BagCamera(request, folder / name, query)
    if source.startswith("images://"):
        return FolderCamera(request, folder / source.removeprefix("images://"))
    if source.startswith("v4l2://"):
        return V4l2Camera(request, source.removeprefix("v4l2://"))
    if source.startswith("ros2://"):
        try:
            from edge.cameras.ros2 import RosCamera
        except ModuleNotFoundError as error:
            raise CameraError(f"camera.source {source}: {error.name} is missing; {install_command('ros2')}") from error
        return RosCamera(request)
    if source.startswith("pipe:"):
        try:
            command = shlex.split(source.removeprefix("pipe:"))
        except ValueError as error:
            raise CameraError(f"camera.source {source}: {error}") from error
        return PipeCamera(request, command)
    if source.startswith(("csi://", "rtsp://")):
        if request.width_px is None or request.height_px is None:
            raise CameraError(f"camera.source {source} needs camera.width_px and camera.height_px")
        command = gstreamer_command(source, request.width_px, request.height_px, request.fps)
        return PipeCamera(request, command, beside=True)
    raise CameraError(f"camera.source {source!r}: expected one of {', '.join(SCHEMES)}")
