"""The camera protocol's least part: a camera component whose only ability is a video stream.

https://mavlink.io/en/services/camera.html. The stream is served by something else; this says where it is, so that a
ground station shows it without being told by hand.
"""

from __future__ import annotations

import math
from typing import Any

from firmware_bridge.about import MODEL, VENDOR
from firmware_bridge.dialect import mavlink
from firmware_bridge.requests import MessageSource
from firmware_bridge.video import VideoSettings

NS_PER_MS = 1_000_000
STREAM_ID = 1

OLDER_COMMANDS: dict[int, int] = {
    mavlink.MAV_CMD_REQUEST_CAMERA_INFORMATION: mavlink.MAVLINK_MSG_ID_CAMERA_INFORMATION,
    mavlink.MAV_CMD_REQUEST_CAMERA_SETTINGS: mavlink.MAVLINK_MSG_ID_CAMERA_SETTINGS,
    mavlink.MAV_CMD_REQUEST_CAMERA_CAPTURE_STATUS: mavlink.MAVLINK_MSG_ID_CAMERA_CAPTURE_STATUS,
    mavlink.MAV_CMD_REQUEST_VIDEO_STREAM_INFORMATION: (mavlink.MAVLINK_MSG_ID_VIDEO_STREAM_INFORMATION),
    mavlink.MAV_CMD_REQUEST_VIDEO_STREAM_STATUS: mavlink.MAVLINK_MSG_ID_VIDEO_STREAM_STATUS,
}


class CameraDescription:
    """Builds the camera's messages."""

    def __init__(self, video: VideoSettings, version: int, started_ns: int) -> None:
        self._video = video
        # CAMERA_INFORMATION orders its bytes the other way: development in the highest.
        self._version = int.from_bytes(version.to_bytes(4, "big"), "little")
        self._started_ns = started_ns

    def sources(self) -> dict[int, MessageSource]:
        """Message id to what is sent when it is asked for."""
        return {
            mavlink.MAVLINK_MSG_ID_CAMERA_INFORMATION: lambda now_ns: [self._information(now_ns)],
            mavlink.MAVLINK_MSG_ID_CAMERA_SETTINGS: lambda now_ns: [
                mavlink.MAVLink_camera_settings_message(
                    self._boot_ms(now_ns), mavlink.CAMERA_MODE_VIDEO, math.nan, math.nan
                )
            ],
            mavlink.MAVLINK_MSG_ID_CAMERA_CAPTURE_STATUS: lambda now_ns: [
                mavlink.MAVLink_camera_capture_status_message(self._boot_ms(now_ns), 0, 0, 0.0, 0, 0.0)
            ],
            mavlink.MAVLINK_MSG_ID_VIDEO_STREAM_INFORMATION: lambda _: [self._stream()],
            mavlink.MAVLINK_MSG_ID_VIDEO_STREAM_STATUS: lambda _: [
                mavlink.MAVLink_video_stream_status_message(**self._running())
            ],
        }

    def _information(self, now_ns: int) -> Any:
        return mavlink.MAVLink_camera_information_message(
            time_boot_ms=self._boot_ms(now_ns),
            vendor_name=VENDOR.encode("ascii").ljust(32, b"\0"),
            model_name=MODEL.encode("ascii").ljust(32, b"\0"),
            firmware_version=self._version,
            focal_length=math.nan,
            sensor_size_h=math.nan,
            sensor_size_v=math.nan,
            resolution_h=self._video.width_px,
            resolution_v=self._video.height_px,
            lens_id=0,
            flags=mavlink.CAMERA_CAP_FLAGS_HAS_VIDEO_STREAM,
            cam_definition_version=0,
            cam_definition_uri=b"",
        )

    def _stream(self) -> Any:
        return mavlink.MAVLink_video_stream_information_message(
            count=1,
            type=self._video.stream_type,
            name=b"Touchdown preview",
            uri=self._video.uri.encode("ascii"),
            **self._running(),
        )

    def _running(self) -> dict[str, Any]:
        return {
            "stream_id": STREAM_ID,
            "flags": mavlink.VIDEO_STREAM_STATUS_FLAGS_RUNNING,
            "framerate": self._video.rate_hz,
            "resolution_h": self._video.width_px,
            "resolution_v": self._video.height_px,
            "bitrate": 0,
            "rotation": 0,
            "hfov": 0,
        }

    def _boot_ms(self, now_ns: int) -> int:
        return ((now_ns - self._started_ns) // NS_PER_MS) & 0xFFFFFFFF
