"""Changes in front of the simulated camera in mid-flight: a file of orders, one JSON value a line.

The code that flies the landing appends; the camera reads on before each frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from landing.errors import DataError
from sim.world.actors import AnyActor, actor_from_json, actor_to_json


@dataclass(frozen=True)
class Stall:
    """No frame arrives until a monotonic time; a camera started anew meanwhile obeys as well."""

    until_ns: int


Order = AnyActor | Stall
"""An actor to add to the world, or a stall of the camera."""


def give_order(path: Path, order: Order) -> None:
    """Appends an order to the file."""
    row = {"stall": asdict(order)} if isinstance(order, Stall) else {"actor": actor_to_json(order)}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


class OrderTail:
    """Reads orders as they come, from a file that need not exist yet."""

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
            ((kind, value),) = json.loads(line).items()
            return Stall(**value) if kind == "stall" else {"actor": actor_from_json}[kind](value)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"camera orders {self._path}: {line!r} is none: {error}") from error
