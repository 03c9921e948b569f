"""Facts of this machine that decide whether the daemon can run: processor, memory, disk, runtimes, ports, cameras.

Nothing here names the machine or its owner: no host name, no address, no serial number.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from firmware_bridge.board import board_name, first_line
from firmware_bridge.computer import ComputerMonitor
from landing.distribution import DISTRIBUTION
from touchdown.version import RUNTIMES, version_text

_PORTS = ("dev/ttyTHS*", "dev/ttyACM*", "dev/ttyUSB*", "dev/ttyAMA*", "dev/serial0")
_NAMED = re.compile(r"^[A-Za-z0-9._-]+")
_MOST_READ = 4096


def software(root: Path = Path("/")) -> Iterator[str]:
    """Yield lines about Touchdown, Python and each installed dependency.

    Args:
        root: Folder of /usr; another one in tests.
    """
    yield from version_text().splitlines()
    yield f"own environment: {'yes' if sys.prefix != sys.base_prefix else 'no'}"
    for name in sorted(_dependencies(), key=str.lower):
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    for path in sorted(root.glob("usr/lib/*/libnvinfer.so.*.*")):
        yield f"TensorRT of the system: {path.name}"


def _dependencies() -> set[str]:
    """Names of all distributions that ours may need, extras included, but for the runtimes."""
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        wanted = []
    found = {match.group() for line in wanted if (match := _NAMED.match(line))}
    return found - {DISTRIBUTION} - {name for names in RUNTIMES.values() for name in names}


def hardware(root: Path = Path("/")) -> Iterator[str]:
    """Yield lines about the board, its system, its load, its ports and its cameras.

    Args:
        root: Folder of /proc, /sys, /etc and /dev; another one in tests.
    """
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', _text(root / "etc/os-release"), re.MULTILINE))
    yield f"board: {board_name(root)}"
    yield f"system: {release.get('PRETTY_NAME', platform.system())}, Linux {platform.release()}, {platform.machine()}"
    if l4t := first_line(root / "etc/nv_tegra_release"):
        yield f"Jetson Linux: {l4t}"
    if (root / ".dockerenv").exists():
        yield "in a container: yes"
    cores = re.findall(r"^(?:model name|Model)\s*: (.+)$", _text(root / "proc/cpuinfo"), re.MULTILINE)
    yield f"processor: {os.cpu_count()} cores{f', {cores[-1]}' if cores else ''}"
    memory = dict(re.findall(r"^(MemTotal|MemAvailable): +(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE))
    if len(memory) == 2:
        total, free = (int(memory[key]) / 2**20 for key in ("MemTotal", "MemAvailable"))
        yield f"memory: {total:.1f} GiB, {free:.1f} GiB available"
    disk = shutil.disk_usage(root)
    yield f"disk: {disk.total / 2**30:.0f} GiB, {disk.free / 2**30:.1f} GiB free"
    hottest = ComputerMonitor(root).hottest_c()
    yield f"hottest core: {'no sensor' if hottest is None else f'{hottest} degrees C'}"
    ports = sorted(str(path.relative_to(root)) for pattern in _PORTS for path in root.glob(pattern))
    yield f"serial ports: {', '.join(f'/{port}' for port in ports) or 'none'}"
    for path in sorted(root.glob("sys/class/video4linux/video*")):
        yield f"camera /dev/{path.name}: {first_line(path / 'name')}"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(_MOST_READ).decode("utf-8", "replace")
    except OSError:  # not there on this kind of machine
        return ""
