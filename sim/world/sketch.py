"""A place as a list of strokes: its labels are drawn at once, its picture when it is asked for.

A sketch has the methods of a `sim.world.canvas.Canvas`. Every stroke has a random generator of its own, so the picture
that is painted later has the outlines of the labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from landing.geometry import FloatArray
from landing.types import ByteArray
from sim.world.actors import outline_m
from sim.world.classes import scene_taxonomy
from sim.world.crowns import crown, ragged
from sim.world.grid import Box, GroundRaster, Spot
from sim.world.surfaces import SceneMaterials, Season, scene_palette
from sim.world.texture import Color


@dataclass(frozen=True)
class Stroke:
    """One call of a method of the canvas, with the seed of its random generator."""

    name: str
    arguments: tuple[Any, ...]
    seed: tuple[int, ...]


def stroke_rng(stroke: Stroke) -> np.random.Generator:
    """Randomness of a stroke's rough outline."""
    return np.random.default_rng(stroke.seed)


@dataclass
class Glow:
    """A lamp: it lights the ground around it when it is dark."""

    north_m: float
    east_m: float
    radius_m: float


class Sketch(GroundRaster):
    """Labels of a place while it is being laid out, and the strokes that made them.

    Attributes:
        lamps: Seen at dusk.
        frozen: Snow lies on the water too.
    """

    def __init__(self, seed: int, size_m: float, gsd_m: float, season: Season) -> None:
        super().__init__(size_m, gsd_m)
        self.seed = seed
        self.size_m = size_m
        self.season = season
        self.labels: ByteArray = np.zeros(self.shape, dtype=np.uint8)
        self.ids = {c.name: c.id for c in scene_taxonomy().classes}
        self.palette = scene_palette(np.random.default_rng([seed, 103]), season)
        self.strokes: list[Stroke] = []
        self.lamps: list[Glow] = []
        self.frozen = False

    def _note(self, name: str, *arguments: Any) -> np.random.Generator:
        stroke = Stroke(name, arguments, (self.seed, 104, len(self.strokes)))
        self.strokes.append(stroke)
        return stroke_rng(stroke)

    def _cover(self, drawn: tuple[Box, ByteArray] | None, label: str) -> None:
        if drawn is not None:
            (left, top, right, bottom), mask = drawn
            self.labels[top:bottom, left:right][mask > 127] = self.ids[label]

    def _cover_ragged(
        self, drawn: tuple[Box, ByteArray] | None, label: str, ragged_m: float, rng: np.random.Generator
    ) -> None:
        if drawn is not None and ragged_m > 0:
            drawn = (drawn[0], ragged(drawn[1], ragged_m, self.gsd_m, rng))
        self._cover(drawn, label)

    def fill(self, kind: str, angle_rad: float | None = None) -> None:
        """Covers everything with a ground material."""
        self._note("fill", kind, angle_rad)
        self.labels[:] = self.ids[SceneMaterials.KINDS[kind]]

    def area(self, points_ne_m: FloatArray, kind: str, ragged_m: float = 0.0, heading_rad: float | None = None) -> None:
        """A polygon of a ground material."""
        rng = self._note("area", points_ne_m, kind, ragged_m, heading_rad)
        drawn = self.polygon(points_ne_m, ragged_m + 0.3)
        self._cover_ragged(drawn, SceneMaterials.KINDS[kind], ragged_m, rng)

    def ribbon(
        self,
        path_ne_m: FloatArray,
        width_m: float | FloatArray,
        kind: str,
        ragged_m: float = 0.0,
        heading_rad: float | None = None,
    ) -> None:
        """A path, road or stream of a ground material."""
        rng = self._note("ribbon", path_ne_m, width_m, kind, ragged_m, heading_rad)
        drawn = self.ribbon_of(path_ne_m, width_m, float(np.max(width_m)) / 2 + ragged_m + 0.3)
        self._cover_ragged(drawn, SceneMaterials.KINDS[kind], ragged_m, rng)

    def marking(self, path_ne_m: FloatArray, width_m: float, color: Color, strength: float = 0.8) -> None:
        """A line of paint or wear: changes the picture, not the labels."""
        self._note("marking", path_ne_m, width_m, color, strength)

    def wall(self, path_ne_m: FloatArray, width_m: float, height_m: float, color: Color, label: str) -> None:
        """A wall, fence or hedge along a path."""
        rng = self._note("wall", path_ne_m, width_m, height_m, color, label)
        drawn = self.ribbon_of(path_ne_m, max(width_m, 0.15), width_m)
        self._cover_ragged(drawn, label, 0.12 if label == "tree" else 0.0, rng)

    def tree(self, north_m: float, east_m: float, radius_m: float, height_m: float) -> None:
        """A tree."""
        rng = self._note("tree", north_m, east_m, radius_m, height_m)
        shape = crown(self, north_m, east_m, radius_m, rng)
        if shape is not None:
            self._cover((shape.box, shape.mask), "tree")

    def building(self, spot: Spot, length_m: float, width_m: float, height_m: float, roof: str) -> None:
        """A building: "gable", "hip", "flat", "metal" or "green" roof over a rectangle."""
        self._note("building", spot, length_m, width_m, height_m, roof)
        self._cover(self.polygon(spot.corners(length_m, width_m)), "roof")

    def clutter(self, spot: Spot, length_m: float, width_m: float, height_m: float) -> None:
        """A bench, bin, bale or crate: an obstacle with the label of a wall."""
        self._note("clutter", spot, length_m, width_m, height_m)
        self._cover(self.polygon(spot.corners(length_m, width_m)), "wall")

    def car(self, spot: Spot) -> None:
        """A parked car."""
        self._note("car", spot)
        self._cover(self.polygon(spot.place(outline_m("car"))), "car")

    def lamp(self, north_m: float, east_m: float, radius_m: float = 9.0) -> None:
        """A street lamp: a spot of light when it is dark."""
        self.lamps.append(Glow(north_m, east_m, radius_m))
