"""Relief that parallax and depth have shown, as a value: what `landing.relief.parallax` tells with each frame.

It is small, and plain enough to be recorded with every step: a replay decides by the relief that was known in flight.
"""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from landing.errors import InvalidValueError
from landing.types import ByteArray

CELL_M, CELLS = 0.5, 96
"""Side of a cell, m, and cells along a side of the map: it reaches 24 m from its middle."""

UNKNOWN, FLAT, STEEP, STANDS = 0, 1, 2, 100
"""Codes of a cell: nothing known, flat, steep by code - STEEP degrees, something stands or gapes there, code - STANDS
times `STAND_M` tall or deep."""

STAND_M = 0.05


@dataclass(frozen=True)
class ReliefReport:
    """Relief that parallax and depth have shown so far.

    Attributes:
        corner: Row and column of the first cell, counted north and east from the NED origin.
        cells: Codes of all cells, uint8 (CELLS, CELLS), by zlib and base64; empty while nothing is known.

    Raises:
        InvalidValueError: The cells are no such codes.
    """

    corner: tuple[int, int] = (0, 0)
    cells: str = ""

    def __post_init__(self) -> None:
        if self.codes.size != CELLS * CELLS:
            raise InvalidValueError(f"relief of {self.codes.size} cells or more, expected {CELLS * CELLS}")

    @cached_property
    def codes(self) -> ByteArray:
        """Code of each cell, uint8 (CELLS, CELLS)."""
        if not self.cells:
            return np.zeros((CELLS, CELLS), np.uint8)
        try:  # no more than is wanted: a stranger's recording may hold gigabytes in a line
            cells = zlib.decompressobj().decompress(base64.b64decode(self.cells), CELLS * CELLS + 1)
        except (ValueError, zlib.error) as error:
            raise InvalidValueError(f"relief cannot be read: {error}") from error
        codes = np.frombuffer(cells, np.uint8)
        return codes.reshape(CELLS, CELLS) if codes.size == CELLS * CELLS else codes

    @cached_property
    def seen_m2(self) -> float:
        """Ground whose relief is known, m2."""
        return float(np.count_nonzero(self.codes)) * CELL_M**2

    @cached_property
    def rough_m2(self) -> float:
        """Ground that is refused, m2."""
        return float(np.count_nonzero(self.codes >= STEEP)) * CELL_M**2

    @cached_property
    def slope_deg(self) -> float:
        """Steepest ground that is refused, degrees; 0 without any."""
        return slope_deg(self.codes)

    @cached_property
    def step_m(self) -> float:
        """Height of the tallest thing that is refused, m; 0 without any."""
        return step_m(self.codes)

    @property
    def text(self) -> str:
        """In words."""
        if not self.seen_m2:
            return "relief not seen"
        return words(self.codes) if self.rough_m2 else f"flat where seen, {self.seen_m2:.0f} m2"

    @cached_property
    def _framed(self) -> ByteArray:
        """The cells, ranked, in a frame of unknown ones."""
        return _ranked(np.pad(self.codes, 1))

    def on_grid(self, south_west_m: tuple[float, float], cell_m: float, shape: tuple[int, int]) -> ByteArray:
        """Worst code of the cells that each cell of another grid touches, uint8 of that shape; flat is best.

        Args:
            south_west_m: North and east of the outer corner of its first cell, local NED, m.
            cell_m: Side of its cells, m.
            shape: Rows (north) and columns (east).
        """
        looks = math.ceil(cell_m / CELL_M) + 1
        within = np.linspace(1e-6, cell_m - 1e-6, looks)
        lines = []
        for start_m, count, first in zip(south_west_m, shape, self.corner, strict=True):
            at_m = start_m + cell_m * np.arange(count)[:, None] + within
            line = np.floor(at_m / CELL_M).astype(int) - first
            lines.append(np.clip(line + 1, 0, CELLS + 1))  # beyond the map: the frame of unknown cells
        rows, columns = lines
        by_rows = self._framed[rows].max(axis=1)
        return _ranked(np.asarray(by_rows[:, columns].max(axis=2), np.uint8))

    def mask(self, south_west_m: tuple[float, float], cell_m: float, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Cells of another grid that touch refused ground, bool of that shape; see `on_grid`."""
        return np.asarray(self.on_grid(south_west_m, cell_m, shape) >= STEEP)


def _ranked(codes: ByteArray) -> ByteArray:
    """Changes flat for unknown and back, so that a greater code is a worse one."""
    return codes ^ (codes < STEEP).view(np.uint8)  # ten times as fast as a choice


def packed(
    corner: tuple[int, int],
    known: npt.NDArray[np.bool_],
    slope: npt.NDArray[np.floating],
    stands_m: npt.NDArray[np.floating],
) -> ReliefReport:
    """Return the report of a map.

    Args:
        corner: See `ReliefReport`.
        known: Cells whose slope is known, bool (CELLS, CELLS).
        slope: Rise for each metre where that is refused, 0 elsewhere.
        stands_m: Height of what stands, or depth of a hole, where that is refused, 0 elsewhere, m.
    """
    codes = known.astype(np.uint8) * np.uint8(FLAT)
    degrees = np.rint(np.degrees(np.arctan(slope)))
    codes = np.where(slope > 0, STEEP + degrees, codes)
    codes = np.where(stands_m > 0, np.minimum(STANDS + np.rint(stands_m / STAND_M), 255), codes).astype(np.uint8)
    return ReliefReport(corner, base64.b64encode(zlib.compress(codes.tobytes(), 6)).decode())


def slope_deg(codes: ByteArray) -> float:
    """Steepest of some cells, degrees; 0 where none is steep."""
    steep = codes[(codes >= STEEP) & (codes < STANDS)]
    return float(steep.max()) - STEEP if steep.size else 0.0


def step_m(codes: ByteArray) -> float:
    """Height of the tallest thing in some cells, m; 0 where nothing stands."""
    highest = int(codes.max(initial=0))
    return (highest - STANDS) * STAND_M if highest >= STANDS else 0.0


def words(codes: ByteArray) -> str:
    """Say what is against some cells, with numbers; at least one of them is refused."""
    slope, step = slope_deg(codes), step_m(codes)
    if step:
        return f"something {step:.1f} m tall or deep"
    return f"a slope of {slope:.0f} degrees"
