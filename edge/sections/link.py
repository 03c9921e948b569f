"""How to reach the autopilot and ground stations, and what to tell them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from edge.sections.base import Section
from firmware_bridge.connection import parse_connection
from firmware_bridge.pose_history import HeightSource
from firmware_bridge.settings import LinkSettings
from firmware_bridge.target import TargetForm
from firmware_bridge.video import VideoSettings


class VideoSection(Section):
    """A video stream that something else serves, announced so that ground stations find it."""

    uri: str | None = Field(
        default=None,
        description="where it is served, e.g. rtsp://192.168.1.20:8554/preview; nothing is announced without",
    )
    type: Literal["auto", "rtsp", "rtpudp", "tcp-mpeg", "mpeg-ts", "whep"] = Field(
        default="auto", description="kind of stream; auto tells it from the address"
    )
    width_px: int = Field(default=0, ge=0, le=65535, description="picture width, px; 0: unknown")
    height_px: int = Field(default=0, ge=0, le=65535, description="picture height, px; 0: unknown")
    rate_hz: float = Field(default=0.0, ge=0, le=1000, description="frame rate, Hz; 0: unknown")

    def settings(self) -> VideoSettings | None:
        """As the link wants it; None where nothing is to be announced.

        Raises:
            InvalidValueError: The address cannot be announced.
        """
        if self.uri is None:
            return None
        kind = "" if self.type == "auto" else self.type
        return VideoSettings(self.uri, kind, self.width_px, self.height_px, self.rate_hz)


class LinkSection(Section):
    """How to reach the autopilot and what to ask of it."""

    connection: str = Field(
        description="/dev/ttyACM0, /dev/ttyTHS1:921600, udpin:HOST:PORT, udpout:HOST:PORT, tcp:HOST:PORT"
    )
    baud: int = Field(default=921_600, ge=1200, le=12_000_000, description="serial speed, where none is named")
    system_id: int | None = Field(
        default=None, ge=1, le=255, description="of the autopilot; by default the only one heard"
    )
    component_id: int = Field(default=191, ge=2, le=255, description="ours (191: companion)")
    heartbeat_timeout_s: float = Field(
        default=3.0, ge=0.1, le=60, description="silent for longer: the autopilot is lost, s"
    )
    attitude_rate_hz: float = Field(default=50.0, ge=0.1, le=400, description="asked rate, Hz")
    position_rate_hz: float = Field(default=25.0, ge=0.1, le=400, description="asked rate, Hz")
    range_rate_hz: float = Field(default=15.0, ge=0.1, le=400, description="asked rate, Hz")
    landed_rate_hz: float = Field(default=2.0, ge=0.1, le=400, description="asked rate, Hz")
    height_source: HeightSource = Field(
        default=HeightSource.AUTO, description="where the height above ground comes from"
    )
    rangefinder_offset_frd_m: tuple[float, float, float] = Field(
        default=(0.0, 0.0, 0.0), description="from the body origin, body axes, m"
    )
    ground_down_m: float | None = Field(
        default=None,
        ge=-10_000,
        le=10_000,
        description="down coordinate of the ground, m; learnt on the ground by default",
    )
    target_frame: TargetForm = Field(
        default=TargetForm.AUTO,
        description="axes of the targets sent; local_frd (ArduPilot 4.7 on) is what a stabilised "
        "gimbal measures; one that the autopilot drops is refused, with the reason",
    )
    gimbal_rate_hz: float = Field(default=20.0, ge=0.1, le=400, description="asked rate of the gimbal's attitude, Hz")
    stick_channels: tuple[int, int, int, int] = Field(
        default=(1, 2, 3, 4), description="RC channels of roll, pitch, throttle and yaw (ArduPilot: its RCMAP_*)"
    )
    ground_stations: tuple[str, ...] = Field(
        default=(),
        max_length=4,
        description="further connections: they hear us and may ask, e.g. udpout:192.168.1.10:14550",
    )
    forward: bool = Field(default=False, description="pass frames on between all connections, as a router does")
    signing_key: Path | None = Field(
        default=None,
        description="key file of MAVLink 2 signing, mode 0600 (`touchdown bridge keygen`); then "
        "everything unsigned but RADIO_STATUS is ignored, on every connection",
    )
    signing_stamp: Path | None = Field(
        default=None, description="file of the signing stamp; the key's name + .stamp by default"
    )
    parameters: Path | None = Field(
        default=None,
        description="file that keeps what ground stations set; without it only TD_ENABLE and "
        "TD_STATUS_S can be set, until the daemon ends",
    )
    video: VideoSection = Field(default_factory=VideoSection)
    pcap: Path | None = Field(
        default=None, description="capture file of the autopilot's connection, for Wireshark; replaced at start"
    )

    def settings(self) -> LinkSettings:
        """As the link wants it.

        Raises:
            LinkError: A connection string is in none of the known forms.
            InvalidValueError: A number is out of its range.
        """
        for connection in (self.connection, *self.ground_stations):
            parse_connection(connection, self.baud)
        values = self.model_dump(exclude={"parameters", "pcap", "video"})
        return LinkSettings(**values, video=self.video.settings())
