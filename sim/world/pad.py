"""A marked pad in a world: a tag printed on a plate, which stands or goes round in a circle."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from landing.geometry import FloatArray
from landing.pad.tag import tag_dictionary
from landing.types import ByteArray

MODULE_PX = 12
"""Pixels of the print for each cell of the tag."""


@dataclass(frozen=True)
class GroundPad:
    """A tag on the ground as a function of the world time.

    Attributes:
        dictionary, id, edge_m: Of the tag, as in `landing.pad.tag.PadSettings`.
        middle_ne_m: Of its circle; the pad's own place where it stands.
        radius_m: Of its circle; 0 where it stands.
        speed_mps: On the circle.
        phase_rad: Where on it at world time 0, and the pad's heading.
        copies_ne_m: Places of further tags like it, for tests of fraud.
    """

    dictionary: str
    id: int
    edge_m: float
    middle_ne_m: tuple[float, float]
    radius_m: float = 0.0
    speed_mps: float = 0.0
    phase_rad: float = 0.0
    copies_ne_m: tuple[tuple[float, float], ...] = ()

    def at(self, t_s: float) -> tuple[float, float]:
        """North and east at a world time, m."""
        turn = self._turn_rad(t_s)
        north_m, east_m = self.middle_ne_m
        return north_m + self.radius_m * math.cos(turn), east_m + self.radius_m * math.sin(turn)

    def _turn_rad(self, t_s: float) -> float:
        return self.phase_rad + (self.speed_mps * t_s / self.radius_m if self.radius_m > 0.0 else 0.0)

    def outlines_ned_m(self, t_s: float) -> list[FloatArray]:
        """Corners of the plate and of each copy, shape (4, 3), clockwise from above, first corner ahead on the left."""
        half = 0.5 * self.edge_m * _print(self.dictionary, self.id).shape[0] / _square_px(self.dictionary)
        turn = self._turn_rad(t_s)
        ahead = half * np.array([math.cos(turn), math.sin(turn), 0.0])
        right = half * np.array([-math.sin(turn), math.cos(turn), 0.0])
        corners = np.array([ahead - right, ahead + right, right - ahead, -ahead - right])
        return [corners + np.array([north, east, 0.0]) for north, east in (self.at(t_s), *self.copies_ne_m)]

    @property
    def image(self) -> ByteArray:
        """The print, uint8 (n, n)."""
        return _print(self.dictionary, self.id)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> GroundPad:
        """Reads what `to_json` made; raises KeyError, TypeError or ValueError for other data."""
        places = {"middle_ne_m": tuple(data["middle_ne_m"]), "copies_ne_m": tuple(map(tuple, data["copies_ne_m"]))}
        return cls(**{**data, **places})


def _square_px(dictionary: str) -> int:
    return MODULE_PX * (int(tag_dictionary(dictionary).markerSize) + 2)


@lru_cache(maxsize=8)
def _print(dictionary: str, number: int) -> ByteArray:
    """The tag with a white border of one cell."""
    square = cv2.aruco.generateImageMarker(tag_dictionary(dictionary), number, _square_px(dictionary))
    pad_px = MODULE_PX
    bordered = cv2.copyMakeBorder(square, pad_px, pad_px, pad_px, pad_px, cv2.BORDER_CONSTANT, value=235)
    return np.maximum(np.asarray(bordered, np.uint8), np.uint8(18))  # ink and paper are neither black nor white
