"""What happens in front of the simulated camera in mid-flight: a file of orders, one a line.

Whoever flies the landing appends; the camera's process reads on before each frame. World times are the autopilot's
seconds since boot, less the camera's ``--t0-boot``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from landing.errors import DataError
from sim.world.actors import Timetable, visit


@dataclass(frozen=True)
class Visit:
    """Somebody walks to a place.

    Attributes:
        place_ne_m: Where to, world north and east.
        arrives_s: World time of the arrival.
        from_rad: Direction they come from, clockwise from north.
        walk_m: Distance of the way in.
        stay_s: Time at the place; None for good.
        kind: "person" or "car".
        style: Picks the look.
    """

    place_ne_m: tuple[float, float]
    arrives_s: float
    from_rad: float
    walk_m: float = 8.0
    stay_s: float | None = None
    kind: str = "person"
    style: int = 3

    def actor(self) -> Timetable:
        """For the world."""
        return visit(
            self.kind,
            self.place_ne_m,
            self.arrives_s,
            from_rad=self.from_rad,
            walk_m=self.walk_m,
            stay_s=math.inf if self.stay_s is None else self.stay_s,
            style=self.style,
        )


@dataclass(frozen=True)
class Stall:
    """No frame arrives for a while.

    Attributes:
        until_ns: Monotonic time; a camera started anew meanwhile obeys as well.
    """

    until_ns: int


Order = Visit | Stall
_KINDS: dict[str, type[Visit] | type[Stall]] = {"visit": Visit, "stall": Stall}


def give_order(path: Path, order: Order) -> None:
    """Appends an order to the file."""
    row = {"order": type(order).__name__.lower(), **asdict(order)}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


class OrderTail:
    """Reads orders as they come.

    Args:
        path: Of the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Order]:
        """The orders since the last call.

        Raises:
            DataError: A line is not an order.
        """
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            yield self._order(line)

    def _order(self, line: bytes) -> Order:
        try:
            row: dict[str, Any] = json.loads(line)
            kind = _KINDS[row.pop("order")]
            if "place_ne_m" in row:
                north_m, east_m = row["place_ne_m"]
                row["place_ne_m"] = (float(north_m), float(east_m))
            return kind(**row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"camera orders {self._path}: {line!r} is none: {error}") from error
