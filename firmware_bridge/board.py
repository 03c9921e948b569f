"""The board: its name, its power, its heat, and whether it runs slower than it could; from /proc and /sys.

Sources: power of Jetsons by `ina3221 <https://docs.kernel.org/hwmon/ina3221.html>`_ and their ``oc*_event_cnt``
(Jetson Linux, platform power and performance); Raspberry Pi's
`get_throttled <https://www.raspberrypi.com/documentation/computers/os.html#get_throttled>`_; elsewhere the kernel's
cooling devices and throttle counts. A board that does not tell something gives None or nothing, never 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.computer import ComputerMonitor

INPUT_RAILS = ("VDD_IN", "POM_5V_IN", "VIN")
"""Names of a rail that feeds the whole board."""

_NAMES = ("proc/device-tree/model", "sys/class/dmi/id/product_name")
_HWMON = "sys/class/hwmon/hwmon*"
_RASPBERRY = ("sys/devices/platform/soc*/*firmware/get_throttled", "sys/devices/platform/*firmware/get_throttled")
_RASPBERRY_BITS = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
_HAPPENED_BIT = 16
_COOLED = re.compile(r"(thermal-)?(cpufreq|devfreq)-")
_MOST_READ = 4096
_MILLI, _MICRO = 1e-3, 1e-6


@dataclass(frozen=True)
class BoardReading:
    """Readings of the sensors at one moment.

    Attributes:
        temperature_c: Of the hottest core, degrees Celsius.
        watts: By rail; a rail is a part of the board, or all of it (`INPUT_RAILS`).
        slowed: Why it runs slower than it could now.
        counts: Times since it was switched on that it was slowed, by cause; Raspberry Pi counts to 1.
        tells_throttling: Whether there is any source for the two.
    """

    temperature_c: int | None
    watts: Mapping[str, float]
    slowed: tuple[str, ...]
    counts: Mapping[str, int]
    tells_throttling: bool


class BoardSensors:
    """Reads a board's own sensors.

    Args:
        root: Folder of /proc and /sys; another one in tests.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._computer = ComputerMonitor(root)

    def read(self) -> BoardReading:
        """All sensors now; takes as long as they take to answer."""
        slowed, counts = list(self._cooled()), dict(self._throttle_counts())
        tells = bool(counts) or self._has_cooling
        flags = self._raspberry_flags()
        if flags is not None:
            tells = True
            for bit, cause in enumerate(_RASPBERRY_BITS):
                slowed += [cause] if flags >> bit & 1 else []
                counts[cause] = flags >> (_HAPPENED_BIT + bit) & 1
        return BoardReading(self._computer.hottest_c(), dict(self._watts()), tuple(slowed), counts, tells)

    def _watts(self) -> Iterator[tuple[str, float]]:
        """Power of each rail that has a name and a current, or a power of its own."""
        for chip in sorted(self._root.glob(_HWMON)):
            for path in sorted(chip.glob("in*_label")):
                number = path.name.removeprefix("in").removesuffix("_label")
                volts, amperes = _number(chip / f"in{number}_input"), _number(chip / f"curr{number}_input")
                if volts is not None and amperes is not None:
                    yield first_line(path) or f"{first_line(chip / 'name')} {number}", volts * _MILLI * amperes * _MILLI
            for path in sorted(chip.glob("power*_input")):
                power = _number(path)
                if power is not None:
                    label = first_line(path.with_name(path.name.replace("_input", "_label")))
                    yield label or first_line(chip / "name"), power * _MICRO

    @property
    def _has_cooling(self) -> bool:
        return any(True for _ in self._cooling())

    def _cooling(self) -> Iterator[tuple[str, Path]]:
        for device in sorted(self._root.glob("sys/class/thermal/cooling_device*")):
            kind = first_line(device / "type")
            if _COOLED.match(kind):
                yield kind, device

    def _cooled(self) -> Iterator[str]:
        for kind, device in self._cooling():
            if (_number(device / "cur_state") or 0) > 0:
                yield f"{kind} lowered by heat"

    def _throttle_counts(self) -> Iterator[tuple[str, int]]:
        for path in sorted(self._root.glob(f"{_HWMON}/oc*_event_cnt")):
            count = _number(path)
            if count is not None:
                yield f"over-current or under-voltage ({path.name.partition('_')[0]})", count
        cores = self._root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count")
        found = [count for path in cores if (count := _number(path)) is not None]
        if found:
            yield "processor throttled by heat", sum(found)

    def _raspberry_flags(self) -> int | None:
        """Bits of get_throttled, which the kernel writes in hexadecimal."""
        for pattern in _RASPBERRY:
            for path in sorted(self._root.glob(pattern)):
                text = first_line(path).removeprefix("0x")
                if re.fullmatch(r"[0-9a-fA-F]{1,8}", text):
                    return int(text, 16)
        return None


def board_name(root: Path = Path("/")) -> str:
    """Name of the board as its maker wrote it into it; ``unknown`` where there is none."""
    return next(filter(None, (first_line(root / path) for path in _NAMES)), "unknown")


def happened(before: BoardReading, after: BoardReading) -> tuple[str, ...]:
    """Causes whose count rose between two readings."""
    return tuple(cause for cause, count in after.counts.items() if count > before.counts.get(cause, count))


def first_line(path: Path) -> str:
    """First line of a file, at most 200 characters; empty where it is not there or does not answer."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_READ)
    except OSError:
        return ""
    return data.decode("utf-8", "replace").strip("\0\n ").partition("\n")[0][:200]


def _number(path: Path) -> int | None:
    text = first_line(path)
    return int(text) if re.fullmatch(r"-?\d{1,12}", text) else None
