"""What the command-line tools take from the daemon's configuration file: the link and the log.

The daemon validates its file with pydantic; here only what a tool needs is read, and unknown keys are none of its
business.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from firmware_bridge.doctor.session import TOOL_COMPONENT
from firmware_bridge.settings import LinkSettings
from firmware_bridge.target import TargetForm
from landing.errors import ConfigError, InvalidValueError
from landing.reading import read_toml

NOT_FOR_TOOLS = frozenset(
    {
        "connection",
        "baud",
        "component_id",
        "commands",
        "ground_stations",
        "forward",
        "signing_stamp",
        "video",
        "pose_limits",
    }
)
"""Keys of `[link]` that belong to the daemon alone, or that the command line says."""


@dataclass(frozen=True)
class ToolConfig:
    """The part of the daemon's configuration that a tool shares.

    Attributes:
        connection: Of `[link]`; None without a file.
        baud: Of `[link]`.
        link: Other settings of the link, by name.
        target_form: `link.target_frame`, what targets are sent in.
        events: `log.events`, if it is set.
        path: The file; None when there is none.
    """

    connection: str | None = None
    baud: int = 921_600
    link: dict[str, Any] = field(default_factory=dict)
    target_form: TargetForm = TargetForm.AUTO
    events: Path | None = None
    path: Path | None = None

    def settings(self, connection: str | None, baud: int | None) -> LinkSettings:
        """Settings of a tool's own link: never the daemon's component.

        Args:
            connection: Of the command line; the file's by default.
            baud: Of the command line; the file's by default.

        Raises:
            ConfigError: Neither names a connection, or a value of the file is wrong.
        """
        where = connection or self.connection
        if where is None:
            raise ConfigError("no link: give --link (e.g. /dev/ttyACM0 or udpin:0.0.0.0:14550) or --config")
        try:
            return LinkSettings(where, baud or self.baud, **{"component_id": TOOL_COMPONENT, **self.link})
        except (InvalidValueError, TypeError, ValueError) as error:
            raise ConfigError(f"config {self.path}: [link] {error}") from error


def load_tool_config(path: Path | None) -> ToolConfig:
    """Read the daemon's configuration file; without one, defaults.

    Raises:
        ConfigError: It cannot be read.
    """
    if path is None:
        return ToolConfig()
    data = read_toml(path, "config", ConfigError)
    link, log = data.get("link", {}), data.get("log", {})
    if not isinstance(link, dict) or not isinstance(log, dict):
        raise ConfigError(f"config {path}: [link] and [log] are expected to be tables")
    known = {f.name for f in fields(LinkSettings)} - NOT_FOR_TOOLS
    shared = {name: _plain(value) for name, value in link.items() if name in known}
    if isinstance(shared.get("signing_key"), str):
        shared["signing_key"] = path.parent / Path(shared["signing_key"]).expanduser()
    events = log.get("events")
    asked = link.get("target_frame", TargetForm.AUTO.value)
    if asked not in [form.value for form in TargetForm]:
        raise ConfigError(
            f"config {path}: link.target_frame = {asked!r}: expected one of "
            f"{', '.join(form.value for form in TargetForm)}"
        )
    return ToolConfig(
        connection=link.get("connection"),
        baud=link.get("baud", ToolConfig.baud),
        link=shared,
        target_form=TargetForm(asked),
        events=path.parent / Path(events).expanduser() if isinstance(events, str) else None,
        path=path,
    )


def _plain(value: Any) -> Any:
    """TOML's arrays as the settings want them."""
    return tuple(value) if isinstance(value, list) else value
