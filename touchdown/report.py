"""`touchdown report`: one text file with what somebody needs to help, and nothing that is secret.

Each line goes through the same door as all logs (`landing.redaction`); what the configuration and the files it names
hold as secret is known by value too. Comments of the configuration are left out. Every part is bounded.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from deploy.layout import FLIGHT_CONFIG, Root
from deploy.listing import lines_of, listing
from deploy.units import UNIT_NAME
from edge.config import load_config
from firmware_bridge.events import EventTail, previous
from landing.distribution import VERSION
from landing.errors import ConfigError, DataError, TouchdownError
from landing.reading import open_for_writing, read_bytes, read_json, read_toml, require_file, sha256_of
from landing.redaction import redact, secrets_in
from landing.terminal import printable
from touchdown.machine import hardware, software

DEPLOYED = Path("/opt/touchdown")
FILE = "touchdown-report.txt"

PART_BYTES = 200_000
"""Of one part; of the event log and of the journal these are the last."""
LINE_CHARACTERS = 12_000
"""Longest line that is looked through for secrets; a longer one is left out."""
CONFIG_BYTES = 100_000
SECRET_BYTES = 4096
RECORDINGS = 20
JOURNAL_LINES = 300
JOURNAL_S = 10.0
SECRET_CHARACTERS = 8
"""Shorter ones are no good secrets, and would take words out of everything else."""
_HOME = re.compile(r"/home/[^/\s\"':,]+")

ABOUT = """\
Touchdown {version}, report for somebody who helps.
Passwords, tokens and keys that Touchdown knows of are taken out. The names of your files, the settings of your
drone and, if its log has them, places of your flights are in it: read it before you attach it.
"""


class Report:
    """Collects parts; a part that fails says why and stops no other.

    Args:
        known: Values that are secret wherever they stand.
    """

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self._parts: list[str] = []

    def add(self, title: str, lines: Callable[[], Iterable[str]]) -> None:
        """Adds a part of at most `PART_BYTES`; of more lines the last are kept."""
        kept: list[str] = []
        try:
            kept += [self.clean(line) for line in lines()]
        except (TouchdownError, OSError, RecursionError, subprocess.SubprocessError) as error:
            kept.append(self.clean(f"not read: {error}"))
        left, first = PART_BYTES, len(kept)
        while first and (left := left - len(kept[first - 1].encode()) - 1) >= 0:
            first -= 1
        cut = [f"({first} earlier lines left out)"] if first else []
        self._parts.append("\n".join([f"== {title} ==", *cut, *(kept[first:] or ["nothing"]), ""]))

    def clean(self, line: str) -> str:
        """Return a line without secrets, control codes and names of home folders."""
        if len(line) > LINE_CHARACTERS:
            return f"(a line of {len(line)} characters left out)"
        return printable(_HOME.sub("/home/~", redact(line, self._known)))

    def text(self) -> str:
        """The whole report."""
        return "\n".join([ABOUT.format(version=VERSION), *self._parts])


def gather(config: Path | None, events: Path | None, doctor: Path | None, root: Path = Path("/")) -> str:
    """Write the report's text.

    Args:
        config: Of the daemon; None where there is none.
        events: Event log; None takes the one that `config` names.
        doctor: Output of `touchdown bridge doctor --json`.
        root: Folder of /proc, /sys, /etc and /dev.
    """
    values, problem = _settings(config)
    events = events or _named(config, values, "log", "events")
    report = Report(_secrets(config, values))
    report.add("software", lambda: software(root))
    report.add("machine", lambda: hardware(root))
    report.add(f"configuration {config or ''}".rstrip(), lambda: [*problem, *_keys(values)])
    report.add("model", lambda: _model(_named(config, values, "model", "path")))
    report.add("doctor", lambda: _doctor(doctor))
    report.add(f"event log {events or ''}".rstrip(), lambda: _events(events))
    report.add("recordings", lambda: _recordings(_named(config, values, "recorder", "folder", "recordings")))
    report.add("releases", lambda: lines_of(listing(DEPLOYED)) if DEPLOYED.is_dir() else [])
    report.add("journal", _journal)
    return report.text()


def _settings(config: Path | None) -> tuple[dict[str, Any], list[str]]:
    """The tables of the configuration as they are written, and what is wrong with them."""
    if config is None:
        return {}, ["no configuration: --config FILE names it"]
    try:
        read_bytes(config, "config", ConfigError, CONFIG_BYTES)
        values = read_toml(config, "config", ConfigError)
    except ConfigError as error:
        return {}, [f"error: {error}"]
    try:
        load_config(config)
    except ConfigError as error:
        return values, [f"error: {error}"]
    return values, ["valid"]


def _keys(value: Any, name: str = "") -> Iterator[str]:
    """Yield each setting in a line, as ``camera.fps = 15``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _keys(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from _keys(inner, f"{name}[{number}]")
    else:
        yield f"{name} = {json.dumps(value, default=str, ensure_ascii=False)}"


def _named(config: Path | None, values: dict[str, Any], table: str, key: str, default: str = "") -> Path | None:
    """A file that the configuration names; relative names start at its folder."""
    found = values.get(table)
    name = (found.get(key) if isinstance(found, dict) else None) or default or None
    return config.parent / Path(name) if config is not None and isinstance(name, str) and "\0" not in name else None


def _secrets(config: Path | None, values: dict[str, Any]) -> frozenset[str]:
    """Secrets by value: those in the settings, and the tokens and keys in the files that they name."""
    known: set[str] = set()
    for line in [*_keys(values), *_lines(config)]:
        if len(line) <= LINE_CHARACTERS:
            known |= secrets_in(line) | secrets_in(line.replace('\\"', '"'))
    for table, key in (("preview", "token_file"), ("link", "signing_key")):
        path = _named(config, values, table, key)
        if path is None:
            continue
        try:
            data = read_bytes(path, key, ConfigError, SECRET_BYTES)
        except ConfigError:  # what cannot be read here stands in no log either
            continue
        known |= {data.decode("utf-8", "replace").strip(), data.hex()}
    return frozenset(value for value in known if len(value) >= SECRET_CHARACTERS)


def _lines(config: Path | None) -> list[str]:
    """The lines of a configuration that may be no TOML."""
    if config is None:
        return []
    try:
        return read_bytes(config, "config", ConfigError, CONFIG_BYTES).decode("utf-8", "replace").splitlines()
    except ConfigError:
        return []


def _model(path: Path | None) -> Iterator[str]:
    if path is not None:
        yield f"{path.name}: SHA-256 {sha256_of(path)}, {path.stat().st_size} bytes"


def _doctor(path: Path | None) -> Iterator[str]:
    if path is None:
        yield "no output: `touchdown bridge doctor --json > doctor.json`, then --doctor doctor.json"
        return
    yield from _keys(read_json(path, "doctor", DataError, remedy="`touchdown bridge doctor --json` prints it"))


def _events(path: Path | None) -> Iterator[str]:
    if path is None:
        yield "no event log: [log] events names one, or --events FILE"
        return
    for log in (previous(path), path):
        yield from _lines_of(log)


def _lines_of(log: Path) -> Iterator[str]:
    for event in EventTail(log, first_bytes=PART_BYTES).read():
        yield json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _recordings(folder: Path | None) -> Iterator[str]:
    if folder is not None and folder.is_dir():
        found = sorted(path for pattern in ("*.mcap", "*/*.mcap") for path in folder.glob(pattern))
        for path in found[-RECORDINGS:]:
            yield f"{path.relative_to(folder)}: {path.stat().st_size} bytes"


def _journal() -> list[str]:
    program = shutil.which("journalctl")
    if program is None:
        return ["no journalctl here"]
    words = [program, "-u", UNIT_NAME, "-n", str(JOURNAL_LINES), "--no-pager", "--no-hostname", "-o", "short-iso"]
    done = subprocess.run(words, capture_output=True, timeout=JOURNAL_S, check=False)
    return done.stdout.decode("utf-8", "replace").splitlines()


def _found(config: Path | None) -> Path | None:
    """The configuration that was named, else the one that flies here, else one in this folder."""
    places = (Root(DEPLOYED).current_link / FLIGHT_CONFIG, Path(FLIGHT_CONFIG))
    return config or next((path for path in places if path.is_file()), None)


@click.command()
@click.option(
    "--config", "-c", type=click.Path(path_type=Path), help="Configuration [default: what flies, or ./edge.toml]."
)
@click.option("--events", type=click.Path(path_type=Path), help="Event log [default: the configuration's].")
@click.option(
    "--doctor", type=click.Path(path_type=Path), help="Output of `touchdown bridge doctor --json`, in a file."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=FILE, show_default=True, help="File to write; it is replaced."
)
def cli(config: Path | None, events: Path | None, doctor: Path | None, out: Path) -> None:
    """Gather versions, settings without secrets, the last events and facts of the machine in one file.

    Read the file before you attach it to a question.
    """
    for name, path in (("config", config), ("event log", events), ("doctor", doctor)):
        if path is not None:
            require_file(path, name, DataError)
    text = gather(_found(config), events, doctor)
    data = text.encode("utf-8", "backslashreplace")
    with open_for_writing(out, "report", DataError) as stream:
        stream.write(data)
    click.echo(f"{printable(str(out))}: {len(data)} bytes; read it before you attach it")
