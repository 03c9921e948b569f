"""The daemon's configuration on its way into a bundle: which files it names, and where they go.

A TOML file is changed by replacing single values in its text, so comments and order survive, and the result is parsed
again: it must say the same in every other key, or the bundle is not made.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from deploy.errors import BundleError
from edge.cameras import RECORDINGS
from edge.config import EdgeConfig, load_config
from landing.errors import ConfigError
from landing.reading import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Key = tuple[str, str]
"""Section and name of a value, as ``("model", "path")``."""

MODEL_PATH: Key = ("model", "path")
CALIBRATION: Key = ("camera", "calibration")
TAXONOMY: Key = ("expert.model", "taxonomy")
_CARRIED = {MODEL_PATH, CALIBRATION}


@dataclass(frozen=True)
class Configuration:
    """A configuration file that was read and found valid."""

    path: Path
    text: str
    config: EdgeConfig

    @property
    def taxonomy_file(self) -> Path | None:
        """The taxonomy file it names, if it is a file and not a built-in one."""
        name = self.config.model.taxonomy
        if name is None or not (name.endswith(".toml") or "/" in name):
            return None
        return Path(name)


def read_configuration(path: Path) -> Configuration:
    """Reads a configuration for a bundle.

    Raises:
        ConfigError: Not valid.
        BundleError: It names another file inside the read-only release than model, calibration and taxonomy.
    """
    config = load_config(path)
    text = read_text(path, "config", ConfigError)
    document = tomllib.loads(text)
    written = _written_paths(config, document)
    if config.recorder.enabled and "folder" not in document.get("recorder", {}):
        written.append(("recorder", "folder", config.recorder.folder.name))
    for section, name, value in written:
        raise BundleError(
            f"config {path}: [{section}] {name} = {json.dumps(value)} would lie in the release, "
            "which nothing may change: name an absolute path, as "
            f'"/var/log/touchdown/{Path(value).name}"'
        )
    for scheme in RECORDINGS:
        source = document["camera"]["source"]
        if source.startswith(scheme) and not source.removeprefix(scheme).startswith("/"):
            raise BundleError(
                f"config {path}: [camera] source = {json.dumps(source)}: a bundle carries no "
                f"recordings; name an absolute path on the drone, as {scheme}/data/clip.mp4"
            )
    return Configuration(path, text, config)


def with_values(text: str, values: dict[Key, str], origin: Path) -> str:
    """Returns the TOML text with some string values replaced; a missing key is added at its section's start.

    Raises:
        BundleError: The text is written in a way that this cannot change safely.
    """
    wanted = tomllib.loads(text)
    changed = text
    for (section, name), value in values.items():
        changed = _replaced(changed, section, name, value)
        table = wanted
        for part in section.split("."):
            table = table.setdefault(part, {})
        table[name] = value
    try:
        same = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        keys = ", ".join(f"[{section}] {name}" for section, name in values)
        raise BundleError(
            f"config {origin}: {keys} cannot be changed safely. Write each on a line of its own "
            'below its [section], as path = "model.onnx"'
        )
    return changed


def check_text(text: str, folder: Path) -> EdgeConfig:
    """Parses a configuration's text as if its file lay in a folder.

    Raises:
        ConfigError: Not valid.
    """
    from edge.config import parse_config

    try:
        return parse_config(tomllib.loads(text), folder / "edge.toml")
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"config {folder / 'edge.toml'}: {error}") from error


def _replaced(text: str, section: str, name: str, value: str) -> str:
    lines = text.splitlines(keepends=True)
    head = re.compile(rf"^\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?$")
    assignment = re.compile(rf"""^(\s*{re.escape(name)}\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*')(\s*(?:#.*)?)$""")
    inside = False
    at: int | None = None
    for number, line in enumerate(lines):
        bare = line.rstrip("\r\n")
        if head.match(bare):
            inside, at = True, number
            continue
        if re.match(r"^\s*\[", bare):
            inside = False
        found = assignment.match(bare) if inside else None
        if found is not None:
            lines[number] = f"{found[1]}{json.dumps(value)}{found[3]}\n"
            return "".join(lines)
    if at is None:
        return text
    lines.insert(at + 1, f"{name} = {json.dumps(value)}\n")
    return "".join(lines)


def _written_paths(config: BaseModel, document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Relative paths that the daemon would not find in a bundle: section, name and value."""
    found: list[tuple[str, str, str]] = []

    def visit(kind: type[BaseModel], values: dict[str, Any], section: str) -> None:
        for name, info in kind.model_fields.items():
            value = values.get(name)
            annotation = info.annotation
            if isinstance(value, dict) and isinstance(annotation, type):
                if issubclass(annotation, BaseModel):
                    visit(annotation, value, f"{section}.{name}" if section else name)
            elif isinstance(value, str) and "Path" in str(annotation):
                relative = not Path(value).expanduser().is_absolute()
                if relative and (section, name) not in _CARRIED:
                    found.append((section, name, value))

    visit(type(config), document, "")
    return found
