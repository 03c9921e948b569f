"""The daemon's configuration: one TOML file, every field with its unit and range.

Unknown keys are refused with the nearest valid name; relative paths start from the file's folder.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.cameras.contract import CameraRequest
from edge.lens import camera_for_size
from edge.runtimes.contract import RuntimeOptions
from edge.validation import first_problem, is_loopback
from firmware_bridge.connection import parse_connection
from firmware_bridge.pose_history import HeightSource
from firmware_bridge.settings import LinkSettings
from firmware_bridge.target import TargetForm
from firmware_bridge.video import VideoSettings
from landing.camera import CameraModel, Mount
from landing.errors import CameraError, ConfigError, InvalidValueError, LinkError
from landing.picture import PictureSettings
from landing.settings import (
    AuthorityLevel,
    AuthoritySettings,
    DecisionSettings,
    DirectorSettings,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Section(BaseModel):
    """What all sections share: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(Section):
    """Which network, and what runs it."""

    path: Path = Field(description="model file made by `touchdown export`")
    runtime: Literal["auto", "onnxruntime", "openvino", "tensorrt"] = Field(
        default="auto", description="what runs it; auto chooses by file type"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="of OpenVINO; auto: bf16 where the CPU has it and `export verify` passed at it",
    )
    providers: tuple[str, ...] = Field(
        default=("CPUExecutionProvider",),
        min_length=1,
        description="ONNX Runtime execution providers, in order of preference",
    )
    threads: int = Field(
        default=0, ge=0, le=64, description="threads of one inference; 0 leaves it to the runtime"
    )
    allow_failed_gate: bool = Field(
        default=False, description="fly a model that `export verify` found to decide otherwise"
    )
    taxonomy: str | None = Field(
        default=None,
        description="other taxonomy of the same classes and roles (name or file), for its "
        "clearances; the model's own by default",
    )

    @property
    def options(self) -> RuntimeOptions:
        """For `edge.runtimes.load_runtime`."""
        return RuntimeOptions(
            self.runtime, self.providers, self.threads, self.allow_failed_gate,
            precision=self.precision,
        )  # fmt: skip


GIMBAL_TURN_DEG = 45.0
"""A camera turned farther against its gimbal is a fixed mount's angles left in by mistake."""


class MountSection(Section):
    """How the camera is fixed to the vehicle; the default looks straight down, top forward."""

    roll_deg: float = Field(default=0.0, ge=-180, le=180, description="turn about its view, deg")
    pitch_deg: float = Field(default=-90.0, ge=-180, le=90, description="-90 looks down, deg")
    yaw_deg: float = Field(default=0.0, ge=-180, le=180, description="clockwise from above, deg")
    forward_m: float = Field(default=0.0, ge=-10, le=10, description="from the body origin, m")
    right_m: float = Field(default=0.0, ge=-10, le=10, description="from the body origin, m")
    down_m: float = Field(default=0.0, ge=-10, le=10, description="from the body origin, m")

    def mount(self, gimbal: bool) -> Mount:
        """As the camera model wants it; on a gimbal pitch_deg is 0 by default, not -90."""
        offset = (self.forward_m, self.right_m, self.down_m)
        if not gimbal:
            return Mount(self.roll_deg, self.pitch_deg, self.yaw_deg, offset)
        pitch_deg = self.pitch_deg if "pitch_deg" in self.model_fields_set else 0.0
        return Mount.on_gimbal(self.roll_deg, pitch_deg, self.yaw_deg, offset)


class CameraSection(Section):
    """Where frames come from and what the lens does to them.

    The lens is given by `hfov_deg`, by a `calibration` file, or by `fx fy cx cy`.
    """

    source: str = Field(
        description="v4l2:///dev/video0, csi://0, rtsp://..., pipe:COMMAND, file://clip.mp4 or "
        "images://folder"
    )
    width_px: int = Field(ge=16, le=16384, description="picture width, px")
    height_px: int = Field(ge=16, le=16384, description="picture height, px")
    fps: float | None = Field(
        default=None, ge=0.1, le=240, description="frame rate to ask for, Hz; else the source's own"
    )
    hfov_deg: float | None = Field(
        default=None, gt=1, lt=170, description="horizontal field of view, degrees"
    )
    calibration: Path | None = Field(
        default=None, description="ROS camera_info or OpenCV calibration YAML"
    )
    fx: float | None = Field(default=None, gt=0, description="focal length, px")
    fy: float | None = Field(default=None, gt=0, description="focal length, px; fx by default")
    cx: float | None = Field(default=None, description="principal point, px; the centre by default")
    cy: float | None = Field(default=None, description="principal point, px; the centre by default")
    distortion: tuple[float, float, float, float, float] = Field(
        default=(0.0, 0.0, 0.0, 0.0, 0.0), description="k1 k2 p1 p2 k3, with fx"
    )
    mount: MountSection = Field(default_factory=MountSection)
    gimbal: Literal["none", "mavlink"] = Field(
        default="none",
        description="mavlink: a stabilised gimbal carries the camera and tells its attitude by "
        "GIMBAL_DEVICE_ATTITUDE_STATUS or MOUNT_ORIENTATION, and the mount's angles are against it",
    )
    latency_ms: float = Field(
        default=0.0, ge=0, le=1000, description="from exposure to arrival, ms; taken off the stamp"
    )
    max_frame_age_ms: float = Field(
        default=300.0, ge=20, le=5000, description="older frames are dropped, not decided on, ms"
    )
    start_timeout_ms: float = Field(
        default=5000.0, ge=100, le=60000, description="the first frame must come within, ms"
    )
    stall_timeout_ms: float = Field(
        default=1000.0, ge=50, le=60000, description="without a frame for so long: reopen, ms"
    )
    loop: bool = Field(default=False, description="recordings start again at their end")

    @model_validator(mode="after")
    def _one_lens(self) -> CameraSection:
        given = [
            name for name in ("hfov_deg", "calibration", "fx") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            what = " and ".join(given) if given else "none of them"
            raise ValueError(
                f"the lens needs exactly one of hfov_deg, calibration or fx; got {what}"
            )
        return self

    @model_validator(mode="after")
    def _looks_along_its_gimbal(self) -> CameraSection:
        mount = self.mount.mount(self.gimbal != "none")
        if mount.gimbal and max(abs(mount.pitch_deg), abs(mount.roll_deg)) > GIMBAL_TURN_DEG:
            raise ValueError(
                f"mount.pitch_deg {mount.pitch_deg:g} and roll_deg {mount.roll_deg:g} are against "
                "the gimbal, which points the camera itself: leave them out, or at most "
                f"{GIMBAL_TURN_DEG:g}"
            )
        return self

    def request(self) -> CameraRequest:
        """For `edge.cameras.make_camera`."""
        return CameraRequest(
            self.source,
            self.width_px,
            self.height_px,
            self.fps,
            loop=self.loop,
            latency_ns=round(self.latency_ms * 1e6),
        )

    def model(self) -> CameraModel:
        """The lens and mount, for pictures of the configured size.

        Raises:
            ConfigError: A calibration that is unreadable or for another shape of picture.
            InvalidValueError: Numbers that no camera has.
        """
        mount = self.mount.mount(self.gimbal != "none")
        size = (self.width_px, self.height_px)
        if self.hfov_deg is not None:
            return CameraModel.from_hfov(*size, self.hfov_deg, mount)
        if self.calibration is not None:
            return camera_for_size(CameraModel.from_calibration(self.calibration, mount), *size)
        assert self.fx is not None
        return CameraModel(
            *size,
            self.fx,
            self.fy if self.fy is not None else self.fx,
            self.cx if self.cx is not None else (self.width_px - 1) / 2,
            self.cy if self.cy is not None else (self.height_px - 1) / 2,
            self.distortion,
            mount,
        )


class VideoSection(Section):
    """A video stream that something else serves, announced so that ground stations find it."""

    uri: str | None = Field(
        default=None,
        description="where it is served, e.g. rtsp://192.168.1.20:8554/preview; nothing is "
        "announced without",
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
        description="/dev/ttyACM0, /dev/ttyTHS1:921600, udpin:HOST:PORT, udpout:HOST:PORT, "
        "tcp:HOST:PORT"
    )
    baud: int = Field(
        default=921_600, ge=1200, le=12_000_000, description="serial speed, where none is named"
    )
    system_id: int | None = Field(
        default=None, ge=1, le=255, description="of the autopilot; the first one heard by default"
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
    gimbal_rate_hz: float = Field(
        default=20.0, ge=0.1, le=400, description="asked rate of the gimbal's attitude, Hz"
    )
    stick_channels: tuple[int, int, int, int] = Field(
        default=(1, 2, 3, 4),
        description="RC channels of roll, pitch, throttle and yaw (ArduPilot: its RCMAP_*)",
    )
    ground_stations: tuple[str, ...] = Field(
        default=(),
        max_length=4,
        description="further connections: they hear us and may ask, e.g. udpout:192.168.1.10:14550",
    )
    forward: bool = Field(
        default=False, description="pass frames on between all connections, as a router does"
    )
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
        default=None,
        description="capture file of the autopilot's connection, for Wireshark; replaced at start",
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


class HealthSection(Section):
    """When an input counts as lost, and the process as hung."""

    camera_timeout_ms: float = Field(
        default=1000.0, ge=50, le=10000, description="no frame for so long: camera lost, ms"
    )
    pipeline_timeout_ms: float = Field(
        default=1500.0, ge=50, le=10000, description="no decision for so long: pipeline lost, ms"
    )
    pose_timeout_ms: float = Field(
        default=500.0, ge=50, le=10000, description="no newer pose for so long: pose lost, ms"
    )
    min_rate_hz: float = Field(
        default=1.0, ge=0, le=100, description="fewer decisions a second are too few, Hz"
    )
    hang_timeout_ms: float = Field(
        default=5000.0, ge=500, le=60000, description="frames wait but none is decided for so "
        "long: heartbeats and watchdog stop, ms",
    )  # fmt: skip


class LogSection(Section):
    """Where the daemon writes."""

    events: Path | None = Field(default=None, description="JSON-lines event log; appended to")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="of the text log on standard error"
    )
    status_period_s: float = Field(
        default=1.0, ge=0.1, le=60, description="period of the status line, s"
    )


class RecorderSection(Section):
    """The black box: what is written and what is kept of it."""

    enabled: bool = Field(default=True, description="whether anything is recorded")
    folder: Path = Field(default=Path("recordings"), description="of ring and kept flights")
    ring_s: float = Field(default=180.0, ge=10, le=36_000, description="kept in any case, s")
    before_s: float = Field(default=60.0, ge=0, le=3600, description="kept before an event, s")
    after_s: float = Field(default=20.0, ge=0, le=3600, description="kept after an event, s")
    segment_s: float = Field(default=15.0, ge=1, le=600, description="length of one file, s")
    budget_mb: float = Field(
        default=4000.0, ge=10, le=10_000_000, description="of all recordings; oldest go first, MB"
    )
    free_mb: float = Field(
        default=300.0, ge=0, le=1_000_000, description="left free on the disk, MB"
    )
    image_quality: int = Field(default=85, ge=10, le=100, description="of the JPEG pictures")


class PreviewSection(Section):
    """Health, metrics and the live page over HTTP; the loopback alone unless told otherwise."""

    enabled: bool = Field(default=True, description="whether anything is served")
    listen: str = Field(
        default="127.0.0.1:8650",
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^\[\]:]+):\d{1,5}$",
        description="HOST:PORT; beyond the loopback a token is needed; port 0 takes a free one",
    )
    token_file: Path | None = Field(
        default=None, description="file with the token that viewers need, mode 0600"
    )
    fps: float = Field(default=10.0, ge=0.2, le=60, description="pictures a second at most, Hz")
    width_px: int = Field(default=640, ge=64, le=4096, description="width of the picture, px")
    history_s: float = Field(default=300.0, ge=10, le=3600, description="of the page's slider, s")

    @property
    def address(self) -> tuple[str, int]:
        """Host, without brackets, and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @model_validator(mode="after")
    def _guarded(self) -> PreviewSection:
        host, port = self.address
        if port > 65_535:
            raise ValueError(f"port {port} of preview.listen is more than 65535")
        if self.enabled and self.token_file is None and not is_loopback(host):
            raise ValueError(
                f"preview.listen {self.listen} is open beyond the loopback: set token_file to a "
                "file made by `openssl rand -hex 16`, mode 0600"
            )
        return self


class EdgeConfig(Section):
    """Everything the daemon is told."""

    model: ModelSection
    camera: CameraSection
    link: LinkSection
    picture: PictureSettings = Field(default_factory=PictureSettings)
    decision: DecisionSettings = Field(default_factory=DecisionSettings)
    director: DirectorSettings = Field(default_factory=DirectorSettings)
    authority: AuthoritySettings = Field(default_factory=AuthoritySettings)
    health: HealthSection = Field(default_factory=HealthSection)
    log: LogSection = Field(default_factory=LogSection)
    recorder: RecorderSection = Field(default_factory=RecorderSection)
    preview: PreviewSection = Field(default_factory=PreviewSection)

    def link_settings(self) -> LinkSettings:
        """Of the link, which asks for more where something may be commanded, or of a gimbal.

        Raises:
            LinkError: The connection string is in none of the known forms.
            InvalidValueError: A number is out of its range.
        """
        commands = self.authority.level is not AuthorityLevel.ADVISE
        gimbal = self.camera.gimbal != "none"
        return replace(self.link.settings(), commands=commands, gimbal=gimbal)


def load_config(path: Path) -> EdgeConfig:
    """Reads and validates a configuration file.

    Raises:
        ConfigError: Names the file, the key, the value and what was expected.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"config {path} does not exist; `touchdown edge check --print-default` prints one to "
            "start from"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"config {path}: {error}") from error
    return parse_config(data, path)


def parse_config(data: dict[str, Any], path: Path) -> EdgeConfig:
    """Validates the mapping of a configuration file; see `load_config`."""
    try:
        config = EdgeConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"config {path}: {first_problem(error, EdgeConfig)}") from error
    config = _anchored(config, path.parent)
    try:
        config.camera.model()
    except (InvalidValueError, CameraError) as error:
        raise ConfigError(f"config {path}: [camera] {error}") from error
    except ConfigError as error:
        raise ConfigError(f"config {path}: {error}") from error
    try:
        config.link_settings()
    except (InvalidValueError, LinkError) as error:
        raise ConfigError(f"config {path}: [link] {error}") from error
    return config


def _anchored(config: EdgeConfig, folder: Path) -> EdgeConfig:
    """The configuration with its relative paths made to start at its file's folder."""

    def at(path: Path | None) -> Path | None:
        return None if path is None else folder / path.expanduser()

    camera, link = config.camera, config.link
    source = camera.source
    for scheme in ("file://", "images://"):
        if source.startswith(scheme):
            source = scheme + str(folder / source.removeprefix(scheme))
    taxonomy = config.model.taxonomy
    if taxonomy is not None and (taxonomy.endswith(".toml") or "/" in taxonomy):
        taxonomy = str(folder / taxonomy)
    return config.model_copy(
        update={
            "model": config.model.model_copy(
                update={"path": at(config.model.path), "taxonomy": taxonomy}
            ),
            "camera": camera.model_copy(
                update={"source": source, "calibration": at(camera.calibration)}
            ),
            "link": link.model_copy(
                update={
                    "signing_key": at(link.signing_key),
                    "signing_stamp": at(link.signing_stamp),
                    "parameters": at(link.parameters),
                    "pcap": at(link.pcap),
                }
            ),
            "log": config.log.model_copy(update={"events": at(config.log.events)}),
            "recorder": config.recorder.model_copy(update={"folder": at(config.recorder.folder)}),
            "preview": config.preview.model_copy(
                update={"token_file": at(config.preview.token_file)}
            ),
        }
    )
