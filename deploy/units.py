"""systemd's side of a release: the unit for this root and this machine, and where it is linked.

The unit is part of the release, and `/etc/systemd/system` holds a link that goes through `current`: the switch of that
one link changes program, configuration and unit in one step, and so does the way back. User and device rules hardly
change from release to release and are copied.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.durable import make_folder, replace_link, write_file
from deploy.errors import InstallError
from deploy.layout import UNIT_FOLDER, Root
from edge.config import EdgeConfig

UNIT_NAME = "touchdown-edge.service"
SETTLE_NAME = "touchdown-settle.service"
SYSUSERS_NAME, RULES_NAME = "touchdown.sysusers", "touchdown.rules"
DEFAULT_ROOT = "/opt/touchdown"

Run = Callable[[Sequence[str], str], object]


def render_unit(text: str, root: Path, config: EdgeConfig, cores: int) -> str:
    """A unit for a root folder; the daemon's also waits for camera and port, and leaves half a core to others.

    Raises:
        InstallError: The root's name cannot stand in a unit.
    """
    if any(c.isspace() or c in "%\\\"'$;" for c in str(root)):
        raise InstallError(f"--root {root}: a systemd unit takes no such name; use {DEFAULT_ROOT}")
    devices = waited_for(config) if "\nType=notify\n" in text else []
    lines = []
    for line in text.replace(DEFAULT_ROOT, str(root)).splitlines():
        if line.startswith("CPUQuota="):
            line = f"CPUQuota={max(100, 100 * cores - 50)}%"
        lines.append(line)
        if line == "[Unit]" and devices:
            lines += [f"Wants={' '.join(devices)}", f"After={' '.join(devices)}"]
    return "\n".join(lines) + "\n"


def waited_for(config: EdgeConfig) -> list[str]:
    """Units that the daemon is started after: its camera and its serial port, where it has them."""
    source, port = config.camera.source, config.link.connection.partition(",")[0]
    units = []
    if source.startswith("v4l2://"):
        units.append(device_unit(source.removeprefix("v4l2://")))
    elif source.startswith("csi://"):
        units.append("nvargus-daemon.service")
    if port.startswith("/dev/"):
        units.append(device_unit(port))
    return units


def device_unit(path: str) -> str:
    """The systemd unit of a device, as ``dev-ttyTHS1.device`` (systemd.unit(5), escaping)."""
    plain = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.")
    trimmed = "/".join(part for part in path.split("/") if part)
    escaped = ""
    for position, byte in enumerate(trimmed.encode()):
        character = chr(byte)
        if character == "/":
            escaped += "-"
        elif character in plain and not (position == 0 and character == "."):
            escaped += character
        else:
            escaped += f"\\x{byte:02x}"
    return f"{escaped}.device"


def place_units(root: Root, etc: Path, run: Run | None, say: Callable[[str], None]) -> None:
    """Makes systemd know the current release: unit, user and device rules.

    No program is run where `run` is None: ``etc`` is then not this system's own, as in an image.

    Raises:
        InstallError: Not root, or a file of somebody else is in the way.
    """
    if os.geteuid() != 0:
        raise InstallError("--systemd: only root may write to /etc; run it with sudo")
    units = root.current_link / UNIT_FOLDER
    system = etc / "systemd" / "system"
    links = {system / name: units / name for name in (UNIT_NAME, SETTLE_NAME)}
    for link in links:
        if link.exists() and not link.is_symlink():
            raise InstallError(
                f"{link} is a file of somebody else: move it away, so that the release's unit can take its place"
            )
    copies = {
        SYSUSERS_NAME: etc / "sysusers.d" / "touchdown.conf",
        RULES_NAME: etc / "udev" / "rules.d" / "70-touchdown.rules",
    }
    for name, target in copies.items():
        make_folder(target.parent)
        write_file(target, (units / name).read_bytes())
    make_folder(system)
    for link, target in links.items():
        replace_link(link, str(target))
    if run is None:
        return
    for words in _commands(copies[SYSUSERS_NAME]):
        if shutil.which(words[0]) is None:
            say(f"note: {words[0]} is not here; left out: {' '.join(words)}")
        else:
            run(words, " ".join(words))


def _commands(sysusers: Path) -> list[list[str]]:
    """Commands that make the placed files known; udev and systemd are told only where they run."""
    commands = [["systemd-sysusers", str(sysusers)]]
    if has_systemd():
        subsystems = ["--subsystem-match=video4linux", "--subsystem-match=tty"]
        commands.append(["udevadm", "control", "--reload"])
        commands.append(["udevadm", "trigger", *subsystems])
        commands.append(["systemctl", "daemon-reload"])
    commands.append(["systemctl", "enable", UNIT_NAME, SETTLE_NAME])
    return commands


def has_systemd() -> bool:
    """Return True if systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()
