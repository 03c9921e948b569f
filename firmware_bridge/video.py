"""The video stream announced to ground stations, as MAVLink wants it described."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from firmware_bridge.dialect import mavlink

VIDEO_COMPONENT: int = mavlink.MAV_COMP_ID_CAMERA

STREAM_TYPES: dict[str, int] = {
    "rtsp": mavlink.VIDEO_STREAM_TYPE_RTSP,
    "rtpudp": mavlink.VIDEO_STREAM_TYPE_RTPUDP,
    "tcp-mpeg": mavlink.VIDEO_STREAM_TYPE_TCP_MPEG,
    "mpeg-ts": mavlink.VIDEO_STREAM_TYPE_MPEG_TS,
    "whep": mavlink.VIDEO_STREAM_TYPE_WHEP,
}
_TYPE_OF_SCHEME = {"rtsp": "rtsp", "rtsps": "rtsp", "udp": "rtpudp", "tcp": "tcp-mpeg"}
LONGEST_URI = 159  # Characters in VIDEO_STREAM_INFORMATION.uri, with room for its end


class VideoSettings(BaseModel):
    """``[expert.link.video]``: a stream that something else serves; we only announce its address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str = Field(
        min_length=1,
        max_length=LONGEST_URI,
        pattern=r"^[\x00-\x7f]*$",
        description="address of the stream, e.g. rtsp://192.168.1.20:8554/preview; for rtpudp the port to listen on",
    )
    type: Literal["auto", "rtsp", "rtpudp", "tcp-mpeg", "mpeg-ts", "whep"] = Field(
        default="auto", description="kind of stream; auto tells it from the address"
    )
    width_px: int = Field(default=0, ge=0, le=65_535, description="picture width, px; 0: unknown")
    height_px: int = Field(default=0, ge=0, le=65_535, description="picture height, px; 0: unknown")
    rate_hz: float = Field(default=0.0, ge=0, le=1000, description="frame rate, Hz; 0: unknown")

    @model_validator(mode="after")
    def _has_a_type(self) -> VideoSettings:
        if self._kind not in STREAM_TYPES:
            raise ValueError(
                f"uri '{self.uri}': MAVLink has no stream type for it (none for MJPEG over HTTP); serve RTSP, or set "
                f"the type to one of {', '.join(STREAM_TYPES)}"
            )
        return self

    @property
    def _kind(self) -> str:
        return _TYPE_OF_SCHEME.get(urlsplit(self.uri).scheme, "") if self.type == "auto" else self.type

    @property
    def stream_type(self) -> int:
        """VIDEO_STREAM_TYPE."""
        return STREAM_TYPES[self._kind]
