"""State of the companion computer: ONBOARD_COMPUTER_STATUS from /proc and /sys.

What cannot be read is sent as the specification's "unknown", never as 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from firmware_bridge.dialect import mavlink

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
MIB = 1 << 20

UNKNOWN_U8 = 255
UNKNOWN_I8 = 127
UNKNOWN_I16 = 32_767
UNKNOWN_U32 = 0xFFFFFFFF

CPU_CORES = 8
GPU_CORES = 4
SLICES = 10
TEMPERATURES = 8
FANS = 4
STORAGES = 4
LINKS = 6

_CPU_LINE = re.compile(r"cpu\d+(?: \d+){8}")
_CORE_ZONE = re.compile(r"cpu|gpu|soc|core|x86_pkg|^cv\d|^tj", re.IGNORECASE)
_BOARD_ZONE = re.compile(r"board|diode|pcb", re.IGNORECASE)

# The share of a GPU in use, in thousandths, as Jetsons report it.
GPU_LOADS = ("sys/devices/platform/gpu.0/load", "sys/devices/gpu.0/load", "sys/devices/platform/17000000.gpu/load")


class ComputerMonitor:
    """Reads the figures; each call reports the time since the one before.

    Args:
        root: Folder of /proc and /sys; another one in tests.
    """

    def __init__(self, root: Path = Path("/"), disk: Path = Path("/")) -> None:
        self._root = root
        self._disk = disk
        self._cores_before: list[tuple[int, int]] = []  # Busy and all ticks of each core since boot

    def message(self, now_ns: int) -> Any:
        """ONBOARD_COMPUTER_STATUS by now; blocks for as long as the sensors take to read."""
        cores = self._cpu_percent()
        known = [c for c in cores if c != UNKNOWN_U8]
        ram_used, ram_total = self._ram_mib()
        disk_used, disk_total = self._disk_mib()
        core_c, board_c = self._temperatures_c()
        unknown = [UNKNOWN_U32] * LINKS
        return mavlink.MAVLink_onboard_computer_status_message(
            time_usec=now_ns // NS_PER_US,
            uptime=self._uptime_ms(),
            type=0,
            cpu_cores=_filled(cores, CPU_CORES, UNKNOWN_U8),
            cpu_combined=_filled([round(sum(known) / len(known))] if known else [], SLICES, UNKNOWN_U8),
            gpu_cores=_filled(self._gpu_percent(), GPU_CORES, UNKNOWN_U8),
            gpu_combined=_filled(self._gpu_percent(), SLICES, UNKNOWN_U8),
            temperature_board=board_c,
            temperature_core=_filled(core_c, TEMPERATURES, UNKNOWN_I8),
            fan_speed=_filled(self._fans_rpm(), FANS, UNKNOWN_I16),
            ram_usage=ram_used,
            ram_total=ram_total,
            storage_type=unknown[:STORAGES],
            storage_usage=_filled([disk_used], STORAGES, UNKNOWN_U32),
            storage_total=_filled([disk_total], STORAGES, UNKNOWN_U32),
            **dict.fromkeys(("link_type", "link_tx_rate", "link_rx_rate", "link_tx_max", "link_rx_max"), unknown),
        )

    def hottest_c(self) -> int | None:
        """The hottest core, degrees Celsius; None where no sensor can be read."""
        return max(self._temperatures_c()[0], default=None)

    def _cpu_percent(self) -> list[int]:
        lines = self._text("proc/stat").splitlines()
        cores = [_cpu_times(line) for line in lines if _CPU_LINE.match(line)]
        before, self._cores_before = self._cores_before, cores
        if len(before) != len(cores):
            return [UNKNOWN_U8] * len(cores)
        return [_percent(a, b) for a, b in zip(before, cores, strict=True)]

    def _gpu_percent(self) -> list[int]:
        for path in GPU_LOADS:
            load = self._number(path)
            if load is not None and 0 <= load <= 1000:
                return [round(load / 10)]
        return []

    def _ram_mib(self) -> tuple[int, int]:
        kib = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB", self._text("proc/meminfo"), re.MULTILINE))
        if len(kib) != 2:
            return UNKNOWN_U32, UNKNOWN_U32
        total = int(kib["MemTotal"])
        return (total - int(kib["MemAvailable"])) // 1024, total // 1024

    def _disk_mib(self) -> tuple[int, int]:
        try:
            found = os.statvfs(self._disk)
        except OSError:
            return UNKNOWN_U32, UNKNOWN_U32
        used = (found.f_blocks - found.f_bfree) * found.f_frsize // MIB
        return min(used, UNKNOWN_U32 - 1), min(found.f_blocks * found.f_frsize // MIB, UNKNOWN_U32 - 1)

    def _temperatures_c(self) -> tuple[list[int], int]:
        core: list[int] = []
        board = UNKNOWN_I8
        for zone in _sorted(self._root.glob("sys/class/thermal/thermal_zone*")):
            kind = self._read(zone / "type").strip()
            milli = _number(self._read(zone / "temp"))
            if milli is None or not -126_000 <= milli <= 126_000:
                continue
            if _CORE_ZONE.search(kind):
                core.append(round(milli / 1000))
            elif _BOARD_ZONE.search(kind) and board == UNKNOWN_I8:
                board = round(milli / 1000)
        return core, board

    def _fans_rpm(self) -> list[int]:
        found = (_number(self._read(path)) for path in _sorted(self._root.glob("sys/class/hwmon/hwmon*/fan*_input")))
        return [rpm for rpm in found if rpm is not None and 0 <= rpm < UNKNOWN_I16]

    def _uptime_ms(self) -> int:
        found = re.match(r"(\d+)\.(\d\d) ", self._text("proc/uptime"))
        return 0 if found is None else int(found[1] + found[2]) * 10 & 0xFFFFFFFF

    def _text(self, path: str) -> str:
        return self._read(self._root / path)

    def _number(self, path: str) -> int | None:
        return _number(self._text(path))

    def _read(self, path: Path) -> str:
        try:
            return path.read_text("ascii", "replace")
        except OSError:  # not there on this computer, or the sensor does not answer now
            return ""


def _cpu_times(line: str) -> tuple[int, int]:
    # user nice system idle iowait irq softirq steal; guest times are within user already.
    ticks = [int(field) for field in line.split()[1:9]]
    idle = sum(ticks[3:5])
    return sum(ticks) - idle, sum(ticks)


def _percent(before: tuple[int, int], after: tuple[int, int]) -> int:
    busy, total = after[0] - before[0], after[1] - before[1]
    return UNKNOWN_U8 if total <= 0 else min(100, max(0, round(100 * busy / total)))


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if re.fullmatch(r"-?\d{1,12}", text) else None


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """Sort by the numbers in the names: zone 2 before zone 10."""
    return sorted(paths, key=lambda p: [int(n) for n in re.findall(r"\d+", str(p))])


def _filled(values: list[int], size: int, unknown: int) -> list[int]:
    return (values + [unknown] * size)[:size]
