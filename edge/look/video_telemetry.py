"""Telemetry beside a DJI video, in its subtitles (`NAME.SRT`): height, gimbal, position and zoom of every frame.

Forms: `[rel_alt: 30.5 abs_alt: 450.1] [gb_yaw: 10.0 gb_pitch: -90.0 gb_roll: 0.0] [latitude: ..] [longitude: ..]`
`[dzoom_ratio: 10000]` of the newer models (also `1.00`), and `GPS(LON,LAT,..) BAROMETER:30.2` of the older ones.
Heights are above the take-off point.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from edge.look.photo import Fact, PhotoFacts
from landing.errors import DataError, InvalidValueError
from landing.geometry import quaternion_from_euler
from landing.globe import GlobalPlace
from landing.reading import read_text
from landing.types import Pose

TELEMETRY_BYTES = 64 << 20
OLD_FRAME_S = 0.5
"""A frame farther than this from any entry has no telemetry."""

_TIME = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{3})\s*-->")
_FIELD = re.compile(r"\b(\w+)\s*:\s*([+-]?\d+(?:\.\d+)?)")
_OLD_GPS = re.compile(r"GPS\s*\(\s*([+-]?\d+\.\d+)\s*,\s*([+-]?\d+\.\d+)")


@dataclass(frozen=True)
class TelemetryEntry:
    """One subtitle; None where it does not say.

    Attributes:
        at_s: Since the start of the video.
        height_m: Above the take-off point.
        pitch_deg, roll_deg, yaw_deg: Gimbal; -90 straight down, yaw from north.
        place: Position.
        zoom: Digital zoom factor.
    """

    at_s: float
    height_m: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    yaw_deg: float | None = None
    place: GlobalPlace | None = None
    zoom: float = 1.0


class VideoTelemetry:
    """Entries of one video, in the order of time.

    Attributes:
        source: File name, for people.
        on_gimbal: The camera's attitude is a gimbal's, and the vehicle is taken as level.
    """

    on_gimbal = True

    def __init__(self, entries: list[TelemetryEntry], source: str) -> None:
        self._entries = sorted(entries, key=lambda e: e.at_s)
        self._times = [e.at_s for e in self._entries]
        self.source = source
        self._origin = next((e for e in self._entries if _is_placed(e)), None)

    def at(self, at_s: float) -> TelemetryEntry | None:
        """Find the newest entry at a time of the video; None where it is too old."""
        index = bisect_right(self._times, at_s + 1e-3) - 1
        if index < 0 or at_s - self._times[index] > OLD_FRAME_S:
            return None
        return self._entries[index]

    def facts(self, entry: TelemetryEntry, size_px: tuple[int, int]) -> PhotoFacts:
        """Facts of a frame, as of a photo."""

        def fact(value: float | None, name: str) -> Fact | None:
            return None if value is None else Fact(value, f"{self.source} {name}")

        return PhotoFacts(
            size_px,
            zoom=entry.zoom,
            above_take_off_m=fact(entry.height_m, "height (above take-off)"),
            pitch_deg=fact(entry.pitch_deg, "gimbal pitch"),
            roll_deg=fact(entry.roll_deg, "gimbal roll"),
        )

    def pose(self, entry: TelemetryEntry, at_ns: int, height_agl_m: float, pitch_deg: float, roll_deg: float) -> Pose:
        """Pose of a level vehicle with its gimbal: position from the first entry that is placed, heading the gimbal's.

        Raises:
            InvalidValueError: A number is not finite.
        """
        yaw = math.radians(entry.yaw_deg or 0.0)
        north_m, east_m = self._offset_m(entry)
        return Pose(
            at_ns,
            quaternion_from_euler(0.0, 0.0, yaw),
            (north_m, east_m, -height_agl_m),
            height_agl_m,
            ned_from_gimbal=quaternion_from_euler(math.radians(roll_deg), math.radians(pitch_deg), yaw),
        )

    @property
    def has_positions(self) -> bool:
        """True when positions and headings are known."""
        return self._origin is not None

    def places(self, entry: TelemetryEntry) -> bool:
        """Tell whether an entry has position and heading, where others of the video have them."""
        return self._origin is None or _is_placed(entry)

    def _offset_m(self, entry: TelemetryEntry) -> tuple[float, float]:
        origin = None if self._origin is None else self._origin.place
        return (0.0, 0.0) if origin is None or entry.place is None else origin.offset_to(entry.place)


def _is_placed(entry: TelemetryEntry) -> bool:
    return entry.place is not None and entry.yaw_deg is not None


def telemetry_beside(video: Path) -> VideoTelemetry | None:
    """Read the subtitles beside a video; None where there are none, or they hold no telemetry.

    Raises:
        DataError: The file cannot be read.
    """
    path = next((p for s in (".SRT", ".srt") if (p := video.with_suffix(s)).is_file()), None)
    if path is None:
        return None
    text = read_text(path, "video telemetry", DataError, most_bytes=TELEMETRY_BYTES)
    entries = [entry for block in re.split(r"\n\s*\n", text) if (entry := _entry_of(block)) is not None]
    return VideoTelemetry(entries, path.name) if entries else None


def _entry_of(block: str) -> TelemetryEntry | None:
    time = _TIME.search(block)
    if time is None:
        return None
    hours, minutes, seconds, milliseconds = (int(g) for g in time.groups())
    fields = {name.lower(): float(value) for name, value in _FIELD.findall(block[time.end() :])}
    fields = {name: value for name, value in fields.items() if not (name.startswith("gb_") and abs(value) > 360.0)}
    gps = _OLD_GPS.search(block)
    longitude, latitude = fields.get("longitude"), fields.get("latitude")
    if gps is not None:
        longitude, latitude = float(gps[1]), float(gps[2])
    place = _place_of(latitude, longitude)
    height_m = fields.get("rel_alt", fields.get("barometer"))
    if height_m is None and "gb_pitch" not in fields and place is None:
        return None
    zoom = fields.get("dzoom_ratio", 1.0)
    return TelemetryEntry(
        hours * 3600 + minutes * 60 + seconds + milliseconds * 1e-3,
        height_m,
        fields.get("gb_pitch"),
        fields.get("gb_roll"),
        fields.get("gb_yaw"),
        place,
        max(1.0, zoom / 10_000 if zoom >= 1000 else zoom),
    )


def _place_of(latitude_deg: float | None, longitude_deg: float | None) -> GlobalPlace | None:
    if not latitude_deg and not longitude_deg:  # 0, 0 is written where there is no fix
        return None
    try:
        return None if latitude_deg is None or longitude_deg is None else GlobalPlace(latitude_deg, longitude_deg)
    except InvalidValueError:
        return None
