"""The daemon's configuration: one TOML file, every field with its unit and range.

Unknown keys are refused with the nearest valid name; relative paths start from the file's folder.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from edge.cameras import RECORDINGS
from edge.keys import from_file
from edge.sections.base import Section
from edge.sections.camera import CameraSection
from edge.sections.depth import DepthSection
from edge.sections.expert import ExpertSection
from edge.sections.model import ModelSection
from edge.sections.ros2 import Ros2Section
from edge.sections.watch import HealthSection, LogSection, PreviewSection, RecorderSection
from firmware_bridge.settings import LinkSection, LinkSettings, anchored
from landing.errors import CameraError, ConfigError, InvalidValueError, LinkError
from landing.pad.tag import PadSettings
from landing.picture.usable import PictureSettings
from landing.reading import read_toml
from landing.settings import AuthorityLevel, AuthoritySettings, DecisionSection, DirectorSection, check_together
from landing.validation import first_problem, other_type


class EdgeConfig(Section):
    """Everything the daemon is told."""

    model: ModelSection
    camera: CameraSection
    link: LinkSection
    depth: DepthSection = Field(default_factory=DepthSection)
    picture: PictureSettings = Field(default_factory=PictureSettings)
    decision: DecisionSection = Field(default_factory=DecisionSection)
    pad: PadSettings = Field(default_factory=PadSettings)
    director: DirectorSection = Field(default_factory=DirectorSection)
    authority: AuthoritySettings = Field(default_factory=AuthoritySettings)
    health: HealthSection = Field(default_factory=HealthSection)
    log: LogSection = Field(default_factory=LogSection)
    recorder: RecorderSection = Field(default_factory=RecorderSection)
    preview: PreviewSection = Field(default_factory=PreviewSection)
    ros2: Ros2Section = Field(default_factory=Ros2Section)
    expert: ExpertSection = Field(default_factory=ExpertSection)

    @model_validator(mode="after")
    def _fits_together(self) -> EdgeConfig:
        camera, link, pose_s = self.camera, self.expert.link, self.director.max_pose_age_s
        if self.depth.source is not None and not self.decision.relief.enabled:
            raise ValueError("depth.source is for relief: leave decision.relief.enabled on, or the source out")
        if self.depth.on_gimbal and camera.gimbal == "none":
            raise ValueError("depth.on_gimbal needs camera.gimbal, whose attitude is read")
        check_together({"decision": self.decision, "director": self.director, "authority": self.authority})
        self._relief_is_seen_before_it_is_asked_for()
        self._sensors_are_on_the_vehicle()
        rates = (
            ("camera.fps", camera.fps, "camera.stall_timeout_ms", camera.stall_timeout_ms, 1e3),
            ("camera.fps", camera.fps, "health.camera_timeout_ms", self.health.camera_timeout_ms, 1e3),
            ("link.attitude_rate_hz", link.attitude_rate_hz, "director.max_pose_age_s", pose_s, 1.0),
            ("link.position_rate_hz", link.position_rate_hz, "director.max_pose_age_s", pose_s, 1.0),
        )
        for name, rate_hz, limit_name, limit, second in rates:
            if rate_hz is not None and rate_hz * limit <= second:
                least = second / limit
                raise ValueError(f"{name} = {rate_hz:g} must be above {least:.3g}, for {limit_name} = {limit:g}")
        return self

    def _relief_is_seen_before_it_is_asked_for(self) -> None:
        """Refuse what would give up each straight way down, before the step aside of the look around shows relief."""
        relief, look_m = self.decision.relief, self.authority.look_height_m
        commands = self.authority.level is not AuthorityLevel.ADVISE
        if commands and relief.enabled and self.depth.source is None and relief.known_below_m > look_m:
            raise ValueError(
                f"decision.relief.known_below_m = {relief.known_below_m:g} must be at most authority.look_height_m = "
                f"{look_m:g}, where the step aside shows the relief, or depth.source must show it from higher up"
            )

    def _sensors_are_on_the_vehicle(self) -> None:
        """Refuse a sensor outside of the circle that holds the vehicle: its place moves every site, or every height."""
        radius_m, mounts = self.decision.vehicle_radius_m, {"camera.mount": self.camera.mount}
        if self.depth.source is not None:
            mounts["depth.mount"] = self.depth.mount
        places = {name: (m.forward_m, m.right_m, m.down_m) for name, m in mounts.items()}
        places["expert.link.rangefinder_offset_frd_m"] = self.expert.link.rangefinder_offset_frd_m
        for name, (forward_m, right_m, down_m) in places.items():
            if math.hypot(forward_m, right_m) > radius_m or abs(down_m) > 2 * radius_m:
                raise ValueError(
                    f"{name} is {forward_m:g} m forward, {right_m:g} m right and {down_m:g} m down, off the vehicle of "
                    f"decision.vehicle_radius_m = {radius_m:g}: write metres, or the radius of the circle that holds "
                    "all of it"
                )

    def link_settings(self) -> LinkSettings:
        """Settings of the link, which asks for more where something may be commanded, or of a gimbal.

        Raises:
            ValidationError: The values of the link do not fit together.
        """
        commands = self.authority.level is not AuthorityLevel.ADVISE
        gimbal = self.camera.gimbal != "none"
        more = {"gimbal_down": self.camera.gimbal_down, "depth": self.decision.relief.enabled}
        return LinkSettings.of(self.link, self.expert.link, commands=commands, gimbal=gimbal, **more)


def load_config(path: Path) -> EdgeConfig:
    """Reads and validates a configuration file.

    Raises:
        ConfigError: Names the file, the key, the value and what was expected.
    """
    remedy = "`touchdown edge check --print-default` prints one to start from"
    return parse_config(read_toml(path, "config", ConfigError, remedy), path)


def parse_config(data: dict[str, Any], path: Path) -> EdgeConfig:
    """Validates the mapping of a configuration file; see `load_config`."""
    try:
        tables = from_file(data, EdgeConfig)
        config = EdgeConfig.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(f"config {path}: {first_problem(error, EdgeConfig)}") from error
    except ValueError as error:
        raise ConfigError(f"config {path}: {error}") from error
    other = other_type(tables, EdgeConfig)
    if other is not None:
        raise ConfigError(f"config {path}: {other}")
    config = _anchored(config, path.parent)
    try:
        config.camera.model()
    except (InvalidValueError, CameraError) as error:
        raise ConfigError(f"config {path}: [camera] {error}") from error
    except ConfigError as error:
        raise ConfigError(f"config {path}: {error}") from error
    try:
        config.depth.lens()
    except (InvalidValueError, CameraError) as error:
        raise ConfigError(f"config {path}: [depth] {error}") from error
    try:
        config.link_settings().endpoints()
    except LinkError as error:
        raise ConfigError(f"config {path}: [link] {error}") from error
    except ValidationError as error:
        raise ConfigError(f"config {path}: [link] {first_problem(error, LinkSettings)}") from error
    return config


def _anchored(config: EdgeConfig, folder: Path) -> EdgeConfig:
    """The configuration with its relative paths made to start at its file's folder."""

    def at(path: Path | None) -> Path | None:
        return None if path is None else folder / path.expanduser()

    def from_folder(source: str | None) -> str | None:
        for scheme in RECORDINGS:
            if source is not None and source.startswith(scheme):
                return scheme + str(folder / source.removeprefix(scheme))
        return source

    camera, depth = config.camera, config.depth
    taxonomy = config.model.taxonomy
    if taxonomy is not None and (taxonomy.endswith(".toml") or "/" in taxonomy):
        taxonomy = str(folder / taxonomy)
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"path": at(config.model.path), "taxonomy": taxonomy}),
            "camera": camera.model_copy(
                update={"source": from_folder(camera.source), "calibration": at(camera.calibration)}
            ),
            "depth": depth.model_copy(
                update={"source": from_folder(depth.source), "calibration": at(depth.calibration)}
            ),
            "link": anchored(config.link, folder),
            "expert": config.expert.model_copy(update={"link": anchored(config.expert.link, folder)}),
            "log": config.log.model_copy(update={"events": at(config.log.events)}),
            "recorder": config.recorder.model_copy(update={"folder": at(config.recorder.folder)}),
            "preview": config.preview.model_copy(update={"token_file": at(config.preview.token_file)}),
        }
    )
