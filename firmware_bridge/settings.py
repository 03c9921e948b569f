"""Everything a flight-controller link can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.pose_history import HeightSource, PoseLimits
from firmware_bridge.target import TargetForm
from firmware_bridge.video import VIDEO_COMPONENT, VideoSettings
from landing.errors import InvalidValueError


@dataclass(frozen=True)
class LinkSettings:
    """How to reach the autopilot and what to ask of it.

    Attributes:
        connection: Connection string, see `firmware_bridge.connection`.
        baud: Speed of a serial device whose string names none.
        system_id: MAVLink system id of the autopilot; None takes the only autopilot heard.
        component_id: Our MAVLink component id (191: MAV_COMP_ID_ONBOARD_COMPUTER).
        heartbeat_timeout_s: Without a heartbeat for this long the link counts as dead.
        attitude_rate_hz: Asked rate of ATTITUDE_QUATERNION, or ATTITUDE.
        position_rate_hz: Asked rate of LOCAL_POSITION_NED.
        range_rate_hz: Asked rate of DISTANCE_SENSOR.
        landed_rate_hz: Asked rate of EXTENDED_SYS_STATE.
        commands: We may command: asks for what that needs beside, and for the mode more often.
        mode_rate_hz: Asked rate of HEARTBEAT then, which is what tells the mode.
        stick_rate_hz: Asked rate of the pilot's sticks then.
        global_rate_hz: Asked rate of GLOBAL_POSITION_INT then.
        gimbal: A gimbal carries the camera: asks for its attitude.
        gimbal_rate_hz: Asked rate of GIMBAL_DEVICE_ATTITUDE_STATUS, or MOUNT_ORIENTATION, then.
        target_frame: Axes to send targets in; one that the autopilot drops is refused.
        stick_channels: RC channel of roll, pitch, throttle and yaw (ArduPilot's RCMAP_*).
        height_source: Where the height above ground comes from.
        rangefinder_offset_frd_m: Rangefinder from the body origin, body axes, m.
        ground_down_m: Down coordinate of the ground in the local frame, m, for the height from local position; None
            learns it while the vehicle stands disarmed on the ground.
        pose_limits: How far samples may be stretched in time.
        reconnect_first_s: Pause before the first attempt to open a lost connection again.
        reconnect_longest_s: Longest pause; each failure doubles it until there.
        ground_stations: Further connections, to ground stations or a router: they hear what we say, and may ask;
            nothing of the flight is taken from them.
        forward: Pass frames on between all connections.
        signing_key: File with the key of MAVLink 2 signing; None leaves the link unsigned.
        signing_stamp: File in which the stamp of signatures survives a restart; next to the key by default.
        video: The video stream to announce; None announces no camera.

    Raises:
        InvalidValueError: A number is out of its range.
    """

    connection: str
    baud: int = 921_600
    system_id: int | None = None
    component_id: int = 191
    heartbeat_timeout_s: float = 3.0
    attitude_rate_hz: float = 50.0
    position_rate_hz: float = 25.0
    range_rate_hz: float = 15.0
    landed_rate_hz: float = 2.0
    commands: bool = False
    mode_rate_hz: float = 5.0
    stick_rate_hz: float = 10.0
    global_rate_hz: float = 5.0
    gimbal: bool = False
    gimbal_rate_hz: float = 20.0
    target_frame: TargetForm = TargetForm.AUTO
    stick_channels: tuple[int, int, int, int] = (1, 2, 3, 4)
    height_source: HeightSource = HeightSource.AUTO
    rangefinder_offset_frd_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ground_down_m: float | None = None
    pose_limits: PoseLimits = field(default_factory=PoseLimits)
    reconnect_first_s: float = 0.2
    reconnect_longest_s: float = 5.0
    ground_stations: tuple[str, ...] = ()
    forward: bool = False
    signing_key: Path | None = None
    signing_stamp: Path | None = None
    video: VideoSettings | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "height_source", HeightSource(self.height_source))
        object.__setattr__(self, "target_frame", TargetForm(self.target_frame))
        if self.system_id is not None:
            _within("system_id", self.system_id, 1, 255)
        _within("component_id", self.component_id, 1, 255)
        if self.component_id == 1:
            raise InvalidValueError("link component_id is 1, the autopilot's own; take 191")
        _within("heartbeat_timeout_s", self.heartbeat_timeout_s, 0.1, 60.0)
        for name in ("attitude", "position", "range", "landed", "mode", "stick", "global", "gimbal"):
            _within(f"{name}_rate_hz", getattr(self, f"{name}_rate_hz"), 0.1, 400.0)
        for channel in self.stick_channels:
            _within("stick_channels", channel, 1, 18)
        for offset_m in self.rangefinder_offset_frd_m:
            _within("rangefinder_offset_frd_m", offset_m, -5.0, 5.0)
        if self.ground_down_m is not None:
            _within("ground_down_m", self.ground_down_m, -10_000.0, 10_000.0)
        _within("reconnect_first_s", self.reconnect_first_s, 0.01, 60.0)
        if self.component_id == VIDEO_COMPONENT and self.video is not None:
            raise InvalidValueError(f"link component_id is {VIDEO_COMPONENT}, the camera's, which is announced as well")
        _within("reconnect_longest_s", self.reconnect_longest_s, self.reconnect_first_s, 60.0)

    @property
    def stamp_file(self) -> Path | None:
        """Where the signing stamp is kept; None on an unsigned link."""
        if self.signing_key is None:
            return None
        return self.signing_stamp or self.signing_key.with_name(self.signing_key.name + ".stamp")

    def asked_rates_hz(self) -> dict[str, float]:
        """Message name to the rate asked of the autopilot."""
        rates = {
            "ATTITUDE_QUATERNION": self.attitude_rate_hz,
            "LOCAL_POSITION_NED": self.position_rate_hz,
            "EXTENDED_SYS_STATE": self.landed_rate_hz,
        }
        if self.height_source is not HeightSource.LOCAL:
            rates["DISTANCE_SENSOR"] = self.range_rate_hz
        if self.gimbal:
            rates["GIMBAL_DEVICE_ATTITUDE_STATUS"] = self.gimbal_rate_hz
        if self.commands:
            rates["HEARTBEAT"] = self.mode_rate_hz
            rates["GLOBAL_POSITION_INT"] = self.global_rate_hz
        return rates

    def needed(self) -> frozenset[str]:
        """Asked messages without which no landing target can be computed."""
        names = {"ATTITUDE_QUATERNION", "LOCAL_POSITION_NED"}
        if self.height_source is HeightSource.RANGEFINDER:
            names.add("DISTANCE_SENSOR")
        if self.gimbal:
            names.add("GIMBAL_DEVICE_ATTITUDE_STATUS")
        return frozenset(names)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise InvalidValueError(f"link {name} is {value}, expected {low:g} to {high:g}")
