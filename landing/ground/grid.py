"""Layers of ground cells that go with the vehicle, in local NED: how they shift, change scale, and turn with a reset.

Rows go north, columns go east. What the cells hold is the map's (`landing.ground.map`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from landing.estimator import FrameShift
from landing.ground.shown_cells import Extent

GridOfDouble = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class Layer(NamedTuple):
    """One value of each cell, or several side by side.

    Attributes:
        dtype: Of a value.
        unknown: Value of a cell that was never seen.
        worst: Joins two old cells that become one, to the careful side.
        values: Of each cell: 1 makes a grid of shape (n, n), more make (n, n, values).
    """

    dtype: type
    unknown: float
    worst: np.ufunc
    values: int = 1


class RollingGrid:
    """Square of cells that moves in whole cells. One owner.

    Args:
        side: Cells along a side, n.
        layers: By name.

    Attributes:
        cell_m: Side of a cell, m; 0 before it is placed.
        corner: South-west cell, counted in whole cells from the NED origin.
        cells: The layers' arrays; they are only ever changed in place.
    """

    def __init__(self, side: int, layers: Mapping[str, Layer]) -> None:
        self._side = side
        self._layers = layers
        shapes = {name: (side, side, layer.values)[: 2 + (layer.values > 1)] for name, layer in layers.items()}
        self.cells: dict[str, npt.NDArray[Any]] = {n: np.empty(shapes[n], layer.dtype) for n, layer in layers.items()}
        self.clear()

    @property
    def extent(self) -> Extent:
        """Its place."""
        return Extent(self.cell_m, self.corner, self._side)

    def clear(self) -> None:
        """Forgets all, the place too."""
        self.cell_m = 0.0
        self.corner = (0, 0)
        for name, layer in self._layers.items():
            self.cells[name][...] = layer.unknown

    def place(self, cell_m: float, north_m: float, east_m: float) -> bool:
        """Lie around a point with cells of a side, m; return True where cells have moved.

        Of another scale a coarser cell takes its worst part.
        """
        n, old_m, old_corner = self._side, self.cell_m, self.corner
        corner = (math.floor(north_m / cell_m) - n // 2, math.floor(east_m / cell_m) - n // 2)
        if old_m == 0.0:
            self.cell_m, self.corner = cell_m, corner
            return False
        if cell_m != old_m:

            def old_cell(north_m: GridOfDouble, east_m: GridOfDouble) -> tuple[Indices, Indices]:
                return _cells_at(north_m, old_m) - old_corner[0], _cells_at(east_m, old_m) - old_corner[1]

            self._take_over(cell_m, corner, max(1, round(cell_m / old_m)), old_cell)
            return True
        self._shift(corner[0] - old_corner[0], corner[1] - old_corner[1])
        return corner != old_corner

    def moved(self, shift: FrameShift) -> None:
        """Follow a reset of the estimator: the same ground at its coordinates after the shift.

        A turned cell takes the worst of the old cells it covers.
        """
        n, cell_m, old_corner, back = self._side, self.cell_m, self.corner, shift.inverse
        middle = ((old_corner[0] + n / 2) * cell_m, (old_corner[1] + n / 2) * cell_m, 0.0)
        north_m, east_m, _ = shift.point(middle)
        corner = (round(north_m / cell_m - n / 2), round(east_m / cell_m - n / 2))
        cos, sin = math.cos(back.yaw_rad), math.sin(back.yaw_rad)

        def old_cell(north_m: GridOfDouble, east_m: GridOfDouble) -> tuple[Indices, Indices]:
            old_north_m = cos * north_m - sin * east_m + back.offset_ned_m[0]
            old_east_m = sin * north_m + cos * east_m + back.offset_ned_m[1]
            return _cells_at(old_north_m, cell_m) - old_corner[0], _cells_at(old_east_m, cell_m) - old_corner[1]

        # Samples half a cell apart meet every old cell, whatever the turn.
        self._take_over(cell_m, corner, 1 if shift.yaw_rad == 0.0 else 2, old_cell)

    def _shift(self, rows: int, columns: int) -> None:
        """Moves all layers: cell (r, c) takes the values of (r + rows, c + columns)."""
        n = self._side
        self.corner = (self.corner[0] + rows, self.corner[1] + columns)
        if max(abs(rows), abs(columns)) >= n:
            rows, columns = n, 0
        if rows == 0 and columns == 0:
            return
        new_rows = slice(n - rows, n) if rows > 0 else slice(0, -rows)
        new_columns = slice(n - columns, n) if columns > 0 else slice(0, -columns)
        for name, layer in self._layers.items():
            grid = self.cells[name]
            # In a row of all cells a shift is one step; what it carries over an edge lies in what is new.
            line = grid.reshape(-1)
            step = (rows * n + columns) * layer.values
            if step > 0:
                line[:-step] = line[step:]
            else:
                line[-step:] = line[: line.size + step]
            grid[new_rows] = layer.unknown
            grid[:, new_columns] = layer.unknown

    def _take_over(
        self,
        new_m: float,
        corner: tuple[int, int],
        samples: int,
        old_cell: Callable[[GridOfDouble, GridOfDouble], tuple[Indices, Indices]],
    ) -> None:
        """Fills the grid at another scale or place from the present one.

        Args:
            new_m: Side of the new cells, m.
            corner: South-west cell of the new grid, in new cells from the NED origin.
            samples: Points along a side of each new cell; it takes the worst of what lies there.
            old_cell: Gives row and column of the old cell at north (rows, 1) and east (1, columns).
        """
        n = self._side
        index = (np.arange(n) + 0.5) * new_m
        offsets = (np.arange(samples) + 0.5) / samples - 0.5
        taken: dict[str, npt.NDArray[Any]] = {}
        for dr in offsets:
            north = corner[0] * new_m + index + dr * new_m
            for dc in offsets:
                east = corner[1] * new_m + index + dc * new_m
                r, c = old_cell(north[:, None], east[None, :])
                inside = (r >= 0) & (r < n) & (c >= 0) & (c < n)
                grid = (np.clip(r, 0, n - 1), np.clip(c, 0, n - 1))
                for name, layer in self._layers.items():
                    here = self.cells[name][grid]
                    here[~inside] = layer.unknown
                    taken[name] = layer.worst(taken[name], here) if name in taken else here
        for name, values in taken.items():
            self.cells[name][...] = values
        self.cell_m, self.corner = new_m, corner


def _cells_at(metres: GridOfDouble, cell_m: float) -> Indices:
    """Return the whole cells from the NED origin at distances along an axis, m."""
    return np.floor(metres / cell_m).astype(np.int64)
