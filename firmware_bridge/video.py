"""Which video stream is announced to ground stations, as MAVLink wants it described."""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import urlsplit

from firmware_bridge.dialect import mavlink
from landing.errors import InvalidValueError

VIDEO_COMPONENT: int = mavlink.MAV_COMP_ID_CAMERA

STREAM_TYPES: dict[str, int] = {
    "rtsp": mavlink.VIDEO_STREAM_TYPE_RTSP,
    "rtpudp": mavlink.VIDEO_STREAM_TYPE_RTPUDP,
    "tcp-mpeg": mavlink.VIDEO_STREAM_TYPE_TCP_MPEG,
    "mpeg-ts": mavlink.VIDEO_STREAM_TYPE_MPEG_TS,
    "whep": mavlink.VIDEO_STREAM_TYPE_WHEP,
}
_TYPE_OF_SCHEME = {"rtsp": "rtsp", "rtsps": "rtsp", "udp": "rtpudp", "tcp": "tcp-mpeg"}
LONGEST_URI = 159
"""Characters in VIDEO_STREAM_INFORMATION.uri, with room for its end."""


@dataclass(frozen=True)
class VideoSettings:
    """A stream that something else serves; we only say where it is.

    Attributes:
        uri: Where a ground station finds it, e.g. ``rtsp://192.168.1.20:8554/preview``; for ``rtpudp`` the port it is
            to listen on.
        kind: One of `STREAM_TYPES`; empty takes it from the scheme.
        width_px: Width of the picture, px; 0 when not known.
        height_px: Height of the picture, px; 0 when not known.
        rate_hz: Frames per second; 0 when not known.
        hfov_deg: Horizontal field of view, degrees; 0 when not known.

    Raises:
        InvalidValueError: The address is too long or not ASCII, or its type cannot be told.
    """

    uri: str
    kind: str = ""
    width_px: int = 0
    height_px: int = 0
    rate_hz: float = 0.0
    hfov_deg: float = 0.0

    def __post_init__(self) -> None:
        if not self.uri.isascii() or not 1 <= len(self.uri) <= LONGEST_URI:
            raise InvalidValueError(f"video uri '{self.uri}': expected 1 to {LONGEST_URI} ASCII characters")
        kind = self.kind or _TYPE_OF_SCHEME.get(urlsplit(self.uri).scheme, "")
        if kind not in STREAM_TYPES:
            raise InvalidValueError(
                f"video uri '{self.uri}': MAVLink has no stream type for it (none for MJPEG over "
                f"HTTP); serve RTSP, or set the type to one of {', '.join(STREAM_TYPES)}"
            )
        object.__setattr__(self, "kind", kind)
        for name in ("width_px", "height_px"):
            if not 0 <= getattr(self, name) <= 65_535:
                raise InvalidValueError(f"video {name} is {getattr(self, name)}, expected a size")
        if not (math.isfinite(self.rate_hz) and 0 <= self.rate_hz <= 1000):
            raise InvalidValueError(f"video rate_hz is {self.rate_hz}, expected 0 to 1000")
        if not (math.isfinite(self.hfov_deg) and 0 <= self.hfov_deg <= 360):
            raise InvalidValueError(f"video hfov_deg is {self.hfov_deg}, expected 0 to 360")

    @property
    def stream_type(self) -> int:
        """VIDEO_STREAM_TYPE."""
        return STREAM_TYPES[self.kind]
