"""Pictures of ROS messages as uint8 BGR arrays; anything else is refused by name.

The messages may come from DDS or from a bag: only their fields are looked at.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from landing.errors import PictureError
from landing.picture_files import MOST_PIXELS, decode, is_whole_jpeg, require_picture
from landing.relief.depth_image import DepthArray
from landing.types import ByteArray

CHANNELS = {"bgr8": 3, "rgb8": 3, "bgra8": 4, "rgba8": 4, "yuv422": 2, "uyvy": 2, "yuv422_yuy2": 2, "yuyv": 2}
"""Bytes of a pixel, by encoding (sensor_msgs/image_encodings.hpp). That of 8UC3 says no order of its colours."""

DEPTHS = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
"""Kind of a number of a depth image, by encoding."""

CONVERSIONS = {
    "rgb8": cv2.COLOR_RGB2BGR,
    "bgra8": cv2.COLOR_BGRA2BGR,
    "rgba8": cv2.COLOR_RGBA2BGR,
    "yuv422": cv2.COLOR_YUV2BGR_UYVY,
    "uyvy": cv2.COLOR_YUV2BGR_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2BGR_YUY2,
    "yuyv": cv2.COLOR_YUV2BGR_YUY2,
}


def bgr_of_image(message: Any, topic: str) -> ByteArray:
    """Return the picture of a `sensor_msgs/Image`, (H, W, 3); a view of the message where it is bgr8.

    Raises:
        PictureError: An encoding without colour or of more bits, or sizes that do not agree.
    """
    width_px, height_px, step = int(message.width), int(message.height), int(message.step)
    pixel = CHANNELS.get(message.encoding)
    if pixel is None:
        raise PictureError(
            f"{topic}: encoding {str(message.encoding)[:40]!r} cannot be decided on: expected colour of 8 bits, one of "
            f"{', '.join(CHANNELS)}"
        )
    data = np.frombuffer(message.data, np.uint8)
    whole = 0 < width_px * height_px <= MOST_PIXELS and step >= width_px * pixel and data.size >= height_px * step
    if not whole:
        raise PictureError(
            f"{topic}: a picture of {width_px}x{height_px} px, {step} bytes a row, has {data.size} bytes: damaged"
        )
    rows = data[: height_px * step].reshape(height_px, step)
    pixels = rows[:, : width_px * pixel].reshape(height_px, width_px, pixel)
    if pixel == 2 and width_px % 2:
        raise PictureError(f"{topic}: {message.encoding} has pairs of pixels, a row of {width_px} px cannot have them")
    conversion = CONVERSIONS.get(message.encoding)
    return pixels if conversion is None else np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)


def depth_of_image(message: Any, topic: str) -> DepthArray:
    """Return the depth of a `sensor_msgs/Image`, (H, W): uint16 in millimetres as a rule, or float32 in metres.

    Raises:
        PictureError: Another encoding, or sizes that do not agree.
    """
    width_px, height_px, step = int(message.width), int(message.height), int(message.step)
    kind = DEPTHS.get(message.encoding)
    if kind is None:
        raise PictureError(
            f"{topic}: encoding {str(message.encoding)[:40]!r} is no depth: expected one of {', '.join(DEPTHS)}"
        )
    pixel = np.dtype(kind).itemsize
    data = np.frombuffer(message.data, np.uint8)
    whole = 0 < width_px * height_px <= MOST_PIXELS and step >= width_px * pixel and data.size >= height_px * step
    if not whole:
        raise PictureError(
            f"{topic}: a depth image of {width_px}x{height_px} px, {step} bytes a row, has {data.size} bytes: damaged"
        )
    rows = np.ascontiguousarray(data[: height_px * step].reshape(height_px, step)[:, : width_px * pixel])
    order = ">" if message.is_bigendian else "<"
    told = rows.view(f"{order}{kind}")
    return told.astype(np.uint16) if kind == "u2" else told.astype(np.float32)


def bgr_of_compressed(message: Any, topic: str) -> ByteArray:
    """Return the picture of a `sensor_msgs/CompressedImage`, (H, W, 3).

    Raises:
        PictureError: It is damaged, cut short, without colour or of more bits.
    """
    data = bytes(message.data)
    if data.startswith(b"\xff\xd8") and not is_whole_jpeg(data):
        raise PictureError(f"{topic}: a JPEG without its end")
    require_picture(data, f"{topic}: a picture", PictureError)
    image = decode(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise PictureError(f"{topic}: {len(data)} bytes of format {str(message.format)[:40]!r} are no picture")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4):
        raise PictureError(f"{topic}: format {str(message.format)[:40]!r} has no colour of 8 bits")
    return np.ascontiguousarray(image[..., :3])
