"""Rally points that we have set, remembered between runs: an update replaces only these.

One JSON file with an entry for each vehicle. It also holds the pilot's own points while they are being sent back, so
that an upload that broke off can be mended by the next run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.rally import RallyPoint
from landing.errors import DataError, FileError
from landing.reading import read_json, take_name

FORMAT = 1
MOST_BYTES = 1 << 20


def default_path() -> Path:
    """Return the file's usual place, below the user's state folder."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "touchdown" / "rally.json"


@dataclass
class RallyMemory:
    """The entry of one vehicle."""

    path: Path
    vehicle: str  # Name of the entry
    ours: list[RallyPoint] = field(default_factory=list)
    under_way: list[RallyPoint] = field(default_factory=list)  # The pilot's points of an upload that has no end yet
    home_m: float | None = None  # Altitude of home that ours count from; None where it was not known
    _others: dict[str, Any] = field(default_factory=dict)

    @property
    def remembers_others(self) -> bool:
        """True where the file has entries of other vehicles too."""
        return bool(self._others)

    @classmethod
    def load(cls, path: Path, vehicle: str) -> RallyMemory:
        """Read the entry of a vehicle; an empty one where there is no file yet.

        Raises:
            DataError: The file is damaged; it is not written over.
        """
        if not path.exists():
            return cls(path, vehicle)
        whole = read_json(path, "memory of rally points", DataError, MOST_BYTES)
        try:
            if whole["format"] != FORMAT:
                raise ValueError(whole["format"])
            entries = dict(whole["vehicles"])
            own = entries.pop(vehicle, {})
            ours, under_way = ([_point(p) for p in own.get(name, ())] for name in ("ours", "under_way"))
            home_m = own.get("home_m")
            home_m = None if home_m is None else float(home_m)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"memory of rally points {path} is damaged: move it away, and every rally point counts as the pilot's"
            ) from error
        return cls(path, vehicle, ours, under_way, home_m, entries)

    def save(self, ours: Sequence[RallyPoint], under_way: Sequence[RallyPoint] = ()) -> None:
        """Write the entry, whole or not at all; entries of other vehicles stay as they are in the file.

        Raises:
            FileError: It cannot be written.
            DataError: The file was damaged since it was read.
        """
        self._others = RallyMemory.load(self.path, self.vehicle)._others
        self.ours, self.under_way = list(ours), list(under_way)
        points = {"ours": [_plain(p) for p in ours], "under_way": [_plain(p) for p in under_way]}
        entry = {**points, "home_m": self.home_m}
        whole = {"format": FORMAT, "vehicles": {**self._others, self.vehicle: entry}}
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
            take_name(beside, self.path)
        except OSError as error:
            raise FileError(f"memory of rally points {self.path}: {error.strerror or error}") from error


def _plain(point: RallyPoint) -> list[Any]:
    return [
        point.latitude_e7,
        point.longitude_e7,
        point.altitude_m,
        point.frame,
        [None if p != p else p for p in point.parameters],
        point.command,
    ]


def _point(values: Any) -> RallyPoint:
    latitude, longitude, altitude_m, frame, parameters, command = values
    first, second, third, fourth = (float("nan") if p is None else float(p) for p in parameters)
    whole = (int(latitude), int(longitude), float(altitude_m), int(frame))
    return RallyPoint(*whole, (first, second, third, fourth), int(command))
