"""An operator's word on photographs: where the ground is safe, where it is not, and where a vehicle has room.

It is about ground and never about one site, so it judges every later site too. A CSV file with four columns:

    picture,says,what,where
    DJI_0018.JPG,room,,
    DJI_0018.JPG,unsafe,road and houses,
    DJI_0018.JPG,safe,lawn,0.10 0.62 0.45 0.60 0.48 0.95 0.08 0.97
    DJI_0018.JPG,unsafe,person,0.31 0.74

`says` is `room`, `no room` or `maybe` (a good operator could answer both ways), or `safe` or `unsafe` ground. `where`
holds x and y in parts of the picture's width and height: three or more corners of a polygon, two corners of a box, one
point of somebody who keeps `PERSON_M` of distance, or nothing for the whole picture. Later rows paint over earlier
ones; ground that no row paints is unsure. Label maps, where there are any, are painted first, and their people and
vehicles once more on top.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from landing.errors import DataError
from landing.labels.maps import decode_labels
from landing.picture_files import read_picture_bytes
from landing.reading import read_text
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray

COLUMNS = ["picture", "says", "what", "where"]
ROOM = {"room": True, "no room": False, "maybe": None}
UNSURE, SAFE, UNSAFE = 0, 1, 2
RIGHT = ("safe site", "right refusal")
WRONG = ("unsafe site", "wrong refusal")
OPEN = ("unsure", "refused at the margin", "not judged")
PERSON_M = 2.0
ROOM_M = 3.0
"""Radius of safe ground from which the part of a picture that is in view has room."""

MAP_PX = 960
"""Width of the map that verdicts are painted on."""

TOUCHED = 0.1
"""Part of the vehicle's disc on unsafe ground from which a site is unsafe: a hand draws no finer edge."""


@dataclass(frozen=True)
class Row:
    """One painted area.

    Attributes:
        ground: `SAFE` or `UNSAFE`.
        what: What is there.
        corners: (N, 2) x and y in parts of width and height; empty: the whole picture.
    """

    ground: int
    what: str
    corners: tuple[tuple[float, float], ...]


@dataclass
class PictureVerdict:
    """All that an operator says of one picture; `room` is None for maybe."""

    room: bool | None = None
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Judgement:
    """Ground that a site stands on.

    Attributes:
        ground: `UNSURE`, `SAFE` or `UNSAFE`.
        what: What makes it so.
        person_m: From its centre to the nearest person, m; None where nobody is known.
    """

    ground: int
    what: str = ""
    person_m: float | None = None


@dataclass(frozen=True)
class Answer:
    """One picture's answer.

    Attributes:
        place, picture: Names.
        outcome: One of `RIGHT`, `WRONG` and `OPEN`.
        why: The ground of a site, or what took the room.
        height_m: Of the camera above ground.
        seen_from_m: Height from which it was looked at: lower, for a picture's middle.
        person_m: From the site to the nearest person that is known, m.
        shown: File of the annotated picture.
        window: What it shows: left, top, right and bottom in parts of the photograph.
    """

    place: str
    picture: str
    outcome: str
    why: str
    height_m: float
    seen_from_m: float
    person_m: float | None = None
    shown: str = ""
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


def read_verdicts(path: Path) -> dict[str, PictureVerdict]:
    """Read verdicts by picture.

    Raises:
        DataError: The file cannot be read, or a row does not say what this module asks for.
    """
    rows = csv.reader(io.StringIO(read_text(path, "verdicts", DataError)))
    if next(rows, None) != COLUMNS:
        raise DataError(f"verdicts {path}: the first line is not {','.join(COLUMNS)}")
    found: dict[str, PictureVerdict] = {}
    said: set[str] = set()
    for number, cells in enumerate(rows, start=2):
        if not cells:
            continue
        if len(cells) != len(COLUMNS):
            raise DataError(f"verdicts {path}, line {number}: {len(cells)} cells, expected {','.join(COLUMNS)}")
        picture, says, what, where = (cell.strip() for cell in cells)
        verdict = found.setdefault(picture, PictureVerdict())
        if says in ROOM:
            verdict.room = ROOM[says]
            said.add(picture)
        elif says in ("safe", "unsafe"):
            corners = _corners(where, f"verdicts {path}, line {number}")
            verdict.rows.append(Row(SAFE if says == "safe" else UNSAFE, what or says, corners))
        else:
            expected = ", ".join((*ROOM, "safe", "unsafe"))
            raise DataError(f"verdicts {path}, line {number}: says {says!r}, expected one of {expected}")
    missing = sorted(found.keys() - said)
    if missing:
        raise DataError(f"verdicts {path}: {missing[0]} has no row that says room, no room or maybe")
    return found


def _corners(where: str, origin: str) -> tuple[tuple[float, float], ...]:
    try:
        values = [float(value) for value in where.split()]
    except ValueError:
        raise DataError(f"{origin}: {where!r} holds more than numbers") from None
    if len(values) % 2 or not all(-0.01 <= value <= 1.01 for value in values):
        raise DataError(f"{origin}: {where!r}: expected pairs of x and y from 0 to 1")
    return tuple(zip(values[::2], values[1::2], strict=True))


class VerdictMap:
    """Verdicts on one picture, painted.

    Args:
        verdict: The operator's.
        shape: Width and height of the picture, px.
        labels: Label map of the picture and its taxonomy, if there is one.
    """

    def __init__(
        self, verdict: PictureVerdict, shape: tuple[int, int], labels: tuple[ByteArray, Taxonomy] | None = None
    ) -> None:
        self.size = (MAP_PX, max(1, round(MAP_PX * shape[1] / shape[0])))
        self.ground = np.zeros(self.size[::-1], np.uint8)
        self.names = ["nobody painted this ground"]
        self._which = np.zeros(self.size[::-1], np.uint8)
        self._people: list[tuple[float, float]] = []
        if labels is not None:
            self._paint_labels(*labels, {Role.LANDABLE: SAFE} | dict.fromkeys(HAZARD_ROLES, UNSAFE))
        for row in verdict.rows:
            self._paint(row)
        if labels is not None:
            self._paint_labels(*labels, {Role.PERSON: UNSAFE, Role.VEHICLE: UNSAFE})
            self._people += _middles(*labels, self.size)

    def judge(self, u: float, v: float, radius: float, metres: float) -> Judgement:
        """Judge a site.

        Args:
            u, v: Its centre in parts of width and height.
            radius: Of the vehicle's disc, in parts of the width.
            metres: Width of the picture on the ground, m.
        """
        disc = np.zeros_like(self.ground)
        centre, reach = (round(u * self.size[0]), round(v * self.size[1])), max(1, round(radius * self.size[0]))
        cv2.circle(disc, centre, reach, 1, -1)
        inside = disc > 0
        if not inside.any():
            return Judgement(UNSURE, "outside the picture")
        person_m = min((_apart(centre, p) * metres / self.size[0] for p in self._people), default=None)
        if person_m is not None and person_m < PERSON_M:
            return Judgement(UNSAFE, f"person {person_m:.1f} m away", person_m)
        unsafe = inside & (self.ground == UNSAFE)
        if unsafe.sum() > TOUCHED * inside.sum():
            return Judgement(UNSAFE, self.names[int(np.bincount(self._which[unsafe]).argmax())], person_m)
        if any(not reach <= at < side - reach for at, side in zip(centre, self.size, strict=True)):
            return Judgement(UNSURE, "partly outside the picture", person_m)
        safe = inside & (self.ground == SAFE)
        if safe.sum() + unsafe.sum() >= (1.0 - TOUCHED) * inside.sum():
            return Judgement(SAFE, self.names[int(np.bincount(self._which[safe]).argmax())], person_m)
        return Judgement(UNSURE, self.names[0], person_m)

    def room_m(self, window: tuple[float, float, float, float], metres: float) -> float:
        """Return the radius of the widest disc of safe ground, m.

        Args:
            window: Left, top, right and bottom in parts of width and height; the disc lies within.
            metres: Width of the picture on the ground, m.
        """
        left, top, right, bottom = (round(part * self.size[axis % 2]) for axis, part in enumerate(window))
        safe = (self.ground[top:bottom, left:right] == SAFE).astype(np.uint8)
        if not safe.size:
            return 0.0
        inside = cv2.distanceTransform(cv2.copyMakeBorder(safe, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
        return float(inside.max()) * metres / self.size[0]

    def _paint(self, row: Row) -> None:
        points = [(x * self.size[0], y * self.size[1]) for x, y in row.corners]
        if len(points) == 1:
            self._people.append(points[0])
            return
        mask = np.zeros_like(self.ground)
        if not points:
            mask[:] = 1
        elif len(points) == 2:
            (left, top), (right, bottom) = points
            cv2.rectangle(mask, (round(left), round(top)), (round(right), round(bottom)), 1, -1)
        else:
            cv2.fillPoly(mask, [np.array(points).round().astype(np.int32)], 1)
        self._set(mask > 0, row.ground, row.what)

    def _paint_labels(self, labels: ByteArray, taxonomy: Taxonomy, grounds: Mapping[Role, int]) -> None:
        small = cv2.resize(labels, self.size, interpolation=cv2.INTER_NEAREST)
        for role, ground in grounds.items():
            self._set(np.isin(small, taxonomy.ids_of(role)), ground, role.value)

    def _set(self, mask: np.ndarray, ground: int, what: str) -> None:
        if what not in self.names:
            self.names.append(what)
        self.ground[mask] = ground
        self._which[mask] = self.names.index(what)


def read_labels(path: Path, taxonomy: Taxonomy) -> ByteArray:
    """Read a label map as class ids.

    Raises:
        DataError: It cannot be read, or is no map of class ids.
    """
    data = read_picture_bytes(path, "label map", DataError)
    return decode_labels(data, path, taxonomy, "index", "ignore")


def _apart(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _middles(labels: ByteArray, taxonomy: Taxonomy, size: tuple[int, int]) -> list[tuple[float, float]]:
    """Middles of the people of a label map, px of `size`."""
    people = np.isin(labels, taxonomy.ids_of(Role.PERSON)).astype(np.uint8)
    count, _, _, middles = cv2.connectedComponentsWithStats(people)
    scale = size[0] / labels.shape[1]
    return [(float(x) * scale, float(y) * scale) for x, y in middles[1:count]]
