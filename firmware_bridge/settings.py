"""The one model of the link: ``[link]`` and ``[expert.link]`` of ``edge.toml``, for the daemon and every tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from firmware_bridge.connection import Endpoint, parse_connection
from firmware_bridge.gimbal_manager import STATUS_RATE_HZ, STATUS_STREAM
from firmware_bridge.pose_history import HeightSource
from firmware_bridge.target import TargetForm
from firmware_bridge.video import VIDEO_COMPONENT, VideoSettings
from landing.errors import ConfigError
from landing.reading import read_toml
from landing.validation import first_problem, other_type

MODE_RATE_HZ = 5.0  # Asked rate of HEARTBEAT, which tells the mode, where we may command
STICK_RATE_HZ = 10.0  # Asked rate of the pilot's sticks, where we may command
GLOBAL_RATE_HZ = 5.0  # Asked rate of GLOBAL_POSITION_INT, where we may command
PLACE_RATE_HZ = 1.0  # The same where we may not: it places known sites on the globe
RateHz = Annotated[float, Field(ge=0.1, le=400)]
OffsetM = Annotated[float, Field(ge=-5, le=5)]
Table = TypeVar("Table", bound=BaseModel)
Channel = Annotated[int, Field(ge=1, le=18)]


class LinkSection(BaseModel):
    """``[link]``: the autopilot and the ground stations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection: str = Field(
        description="connection to the autopilot: /dev/ttyACM0, /dev/ttyTHS1,921600, udpin:HOST:PORT, "
        "udpout:HOST:PORT, tcp:HOST:PORT or tcpin:HOST:PORT"
    )
    system_id: int | None = Field(
        default=None, ge=1, le=255, description="system id of the autopilot; the only one heard by default"
    )
    ground_stations: tuple[str, ...] = Field(
        default=(),
        max_length=4,
        description="further connections, e.g. udpout:192.168.1.10:14550; they hear us and may ask",
    )
    signing_key: Path | None = Field(
        default=None,
        description="key file of MAVLink 2 signing, mode 0600 (`touchdown bridge keygen`); unsigned frames are then "
        "ignored on every connection, RADIO_STATUS excepted",
    )


class LinkExpert(BaseModel):
    """``[expert.link]``: height, form of the targets, rates, timeouts and ids; the defaults fit most vehicles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    baud: int = Field(
        default=921_600, ge=1200, le=12_000_000, description="speed of a serial connection that names none, baud"
    )
    target_frame: TargetForm = Field(
        default=TargetForm.AUTO,
        description="axes of the targets sent; a form that the autopilot drops is refused with the reason",
    )
    height_source: HeightSource = Field(
        default=HeightSource.AUTO, description="source of the height above ground: rangefinder, local position or both"
    )
    rangefinder_offset_frd_m: tuple[OffsetM, OffsetM, OffsetM] = Field(
        default=(0.0, 0.0, 0.0), description="rangefinder from the body's origin: forward, right, down, m"
    )
    parameters: Path | None = Field(
        default=None,
        description="file that keeps the parameters set by ground stations; without it only TD_ENABLE and "
        "TD_STATUS_S can be set, until the daemon ends",
    )
    video: VideoSettings | None = Field(default=None, description="video stream announced to ground stations")
    component_id: int = Field(default=191, ge=2, le=255, description="our MAVLink component id (191: companion)")
    heartbeat_timeout_s: float = Field(
        default=3.0, ge=0.1, le=60, description="the autopilot counts as lost after this silence, s"
    )
    attitude_rate_hz: RateHz = Field(default=50.0, description="asked rate of ATTITUDE_QUATERNION, or ATTITUDE, Hz")
    position_rate_hz: RateHz = Field(default=25.0, description="asked rate of LOCAL_POSITION_NED, Hz")
    range_rate_hz: RateHz = Field(default=15.0, description="asked rate of DISTANCE_SENSOR, Hz")
    landed_rate_hz: RateHz = Field(default=2.0, description="asked rate of EXTENDED_SYS_STATE, Hz")
    gimbal_rate_hz: RateHz = Field(default=20.0, description="asked rate of the gimbal's attitude, Hz")
    gimbal_device: int = Field(
        default=0,
        ge=0,
        le=255,
        description="id of the gimbal that carries the camera: gimbal_device_id, else the gimbal's component id; 0: "
        "the only one, and several are refused",
    )
    stick_channels: tuple[Channel, Channel, Channel, Channel] = Field(
        default=(1, 2, 3, 4), description="RC channels of roll, pitch, throttle and yaw (ArduPilot's RCMAP_*)"
    )
    ground_down_m: float | None = Field(
        default=None,
        ge=-10_000,
        le=10_000,
        description="down coordinate of the ground, m; learnt while disarmed on the ground by default",
    )
    signing_stamp: Path | None = Field(
        default=None, description="file that keeps the signing stamp; the key's name + .stamp by default"
    )

    @model_validator(mode="after")
    def _every_stick_is_seen(self) -> LinkExpert:
        if len(set(self.stick_channels)) < len(self.stick_channels):
            raise ValueError(
                f"stick_channels {list(self.stick_channels)} has a channel twice, so a stick of the pilot would not be "
                "seen; expected four, of roll, pitch, throttle and yaw"
            )
        return self


def anchored(table: Table, folder: Path) -> Table:
    """Make the relative paths of a table start at the folder of its file."""
    return table.model_copy(update={name: folder / v.expanduser() for name, v in table if isinstance(v, Path)})


class LinkSettings(LinkSection, LinkExpert):
    """All that a link is told: both tables of the file, and what other tables ask of the link.

    Raises:
        ValidationError: A value is out of its range, or a name is unknown.
    """

    commands: bool = Field(default=False, description="commands may be sent: mode, sticks and global position are read")
    gimbal: bool = Field(default=False, description="a gimbal carries the camera: its attitude is read")
    gimbal_down: bool = Field(default=False, description="that gimbal is pointed down for landings")
    depth: bool = Field(default=False, description="relief is measured: depth sensors are read")
    reconnect_first_s: float = Field(
        default=0.2, ge=0.01, le=60, description="pause before a lost connection is opened again, s"
    )
    reconnect_longest_s: float = Field(
        default=5.0, ge=0.01, le=60, description="longest pause; each failure doubles the pause, s"
    )

    def __init__(self, *connection: str, **values: Any) -> None:
        """Take the connection by place or by name."""
        super().__init__(**(values if not connection else {"connection": connection[0], **values}))

    @classmethod
    def of(cls, link: LinkSection, expert: LinkExpert, **more: Any) -> LinkSettings:
        """Join both tables of the file with what is known elsewhere.

        Raises:
            ValidationError: The values do not fit together.
        """
        return cls(**{**dict(link), **dict(expert), **more})

    @model_validator(mode="after")
    def _fits_together(self) -> LinkSettings:
        if self.video is not None and self.component_id == VIDEO_COMPONENT:
            raise ValueError(f"component_id is {VIDEO_COMPONENT}, the camera's, which is announced as well; take 191")
        if self.reconnect_longest_s < self.reconnect_first_s:
            raise ValueError(f"reconnect_longest_s is shorter than reconnect_first_s {self.reconnect_first_s:g}")
        return self

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Parse all connections; the first is the autopilot's.

        Raises:
            LinkError: A connection string is in none of the known forms.
        """
        return tuple(parse_connection(text, self.baud) for text in (self.connection, *self.ground_stations))

    @property
    def stamp_file(self) -> Path | None:
        """File of the signing stamp; None on an unsigned link."""
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
        if self.gimbal_down:
            rates[STATUS_STREAM] = STATUS_RATE_HZ
        if self.commands:
            rates["HEARTBEAT"] = MODE_RATE_HZ
            rates["GLOBAL_POSITION_INT"] = GLOBAL_RATE_HZ
        return rates

    def needed(self) -> frozenset[str]:
        """Asked messages without which no landing target can be computed."""
        names = {"ATTITUDE_QUATERNION", "LOCAL_POSITION_NED"}
        if self.height_source is HeightSource.RANGEFINDER:
            names.add("DISTANCE_SENSOR")
        if self.gimbal:
            names.add("GIMBAL_DEVICE_ATTITUDE_STATUS")
        return frozenset(names)


# --- the same file, as doctor and monitor read it ---


class _ExpertTable(BaseModel):
    link: LinkExpert = LinkExpert()


class _LogTable(BaseModel):
    events: Path | None = None


class _CameraTable(BaseModel):
    gimbal: str = "none"
    gimbal_down: bool = False


class _AuthorityTable(BaseModel):
    level: str = "advise"


class ToolConfig(BaseModel):
    """The tables of ``edge.toml`` that doctor and monitor share; the others are the daemon's."""

    link: LinkSection | None = None
    expert: _ExpertTable = _ExpertTable()
    log: _LogTable = _LogTable()
    camera: _CameraTable = _CameraTable()
    authority: _AuthorityTable = _AuthorityTable()

    def settings(self, connection: str | None, baud: int | None, component_id: int) -> LinkSettings:
        """Return the settings of a tool's own link; the command line wins over the file.

        Raises:
            ConfigError: Neither names a connection.
        """
        values = {**dict(self.link or {}), **dict(self.expert.link)}
        given = {"connection": connection, "baud": baud}
        values.update({name: value for name, value in given.items() if value is not None})
        if "connection" not in values:
            raise ConfigError("no link: give --link (e.g. /dev/ttyACM0 or udpin:0.0.0.0:14550) or --config")
        gimbal = self.camera.gimbal != "none"
        values.update(gimbal=gimbal, gimbal_down=gimbal and self.camera.gimbal_down)
        values.update(commands=self.authority.level != "advise")
        # The tool shares the key but not the stamp of its signatures, and announces no video.
        return LinkSettings(**{**values, "component_id": component_id, "video": None})


def load_tool_config(path: Path | None) -> ToolConfig:
    """Read the daemon's configuration file; without a file, return the defaults.

    Raises:
        ConfigError: The file cannot be read, or a key or value of the link is wrong.
    """
    if path is None:
        return ToolConfig()
    data = read_toml(path, "config", ConfigError)
    link = data.get("link")
    for key in link if isinstance(link, dict) else ():
        if key in LinkExpert.model_fields:
            raise ConfigError(f"config {path}: link.{key} is an expert's key: write it as [expert.link] {key}")
    try:
        config = ToolConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"config {path}: {first_problem(error, ToolConfig)}") from error
    other = other_type(data, ToolConfig)
    if other is not None:
        raise ConfigError(f"config {path}: {other}")
    folder = path.parent
    return ToolConfig(
        link=None if config.link is None else anchored(config.link, folder),
        expert=_ExpertTable(link=anchored(config.expert.link, folder)),
        log=anchored(config.log, folder),
        camera=config.camera,
        authority=config.authority,
    )
