"""What traps are built from: a wood on steep ground, with openings of a given shape."""

from __future__ import annotations

import math

import cv2
import numpy as np

from landing.geometry import FloatArray
from sim.world.actors import AnyActor
from sim.world.adversarial.trap import Made, Zone
from sim.world.daylight import TimeOfDay
from sim.world.grid import Spot
from sim.world.place import Place
from sim.world.scenes import world_of
from sim.world.sketch import Sketch
from sim.world.surfaces import Season

SIZE_M = 100.0
GSD_M = 0.1


class Stage(Place):
    """A place whose ground is nowhere landable until something is painted on it."""

    @classmethod
    def of(cls, seed: int, base: str = "slope", season: Season = "summer") -> Stage:
        """A stage of one material, north up."""
        sketch = Sketch(seed, SIZE_M, GSD_M, season)
        sketch.fill(base, 0.4)
        return cls(sketch, np.random.default_rng([seed, 108]), Spot(0.0, 0.0, 0.0))

    def lawn(
        self, north_m: float, east_m: float, length_m: float, width_m: float, kind: str = "lawn", turn_rad: float = 0.0
    ) -> FloatArray:
        """A rectangle of ground; returns its corners."""
        corners = Spot(north_m, east_m, turn_rad).corners(length_m, width_m)
        self.sketch.area(corners, kind, 0.0, turn_rad)
        return corners

    def disc(
        self, north_m: float, east_m: float, radius_m: float, kind: str = "lawn", ragged_m: float = 0.0
    ) -> FloatArray:
        """A round piece of ground; returns its outline."""
        turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
        outline = np.column_stack([north_m + radius_m * np.cos(turn), east_m + radius_m * np.sin(turn)])
        self.sketch.area(outline, kind, ragged_m)
        return outline

    def wood(self, spacing_m: float = 4.2) -> None:
        """Trees on all that is not landable, water or built on, right up to it."""
        free = self.sketch.labels == self.sketch.ids["slope"]
        room_m = cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, 5) * GSD_M
        steps = np.arange(-SIZE_M / 2, SIZE_M / 2 + 1, spacing_m)
        for north in steps:
            for east in steps:
                n = float(north) + self.between(-1.3, 1.3)
                e = float(east) + self.between(-1.3, 1.3)
                u, v = self.sketch.pixels(np.array([[n, e]]))[0]
                side = self.sketch.shape[0]
                row, column = (int(np.clip(x, 0, side - 1)) for x in (v, u))
                radius_m = min(self.between(2.0, 3.6), float(room_m[row, column]) / 1.35)
                if radius_m > 0.6:
                    self.sketch.tree(n, e, radius_m, radius_m * self.between(1.6, 2.6))

    def finish(self, name: str, *zones: Zone, actors: tuple[AnyActor, ...] = (), light: TimeOfDay = "noon") -> Made:
        """The world, and where a landing in it fails."""
        everybody = (*self.actors, *actors)
        return world_of(f"worst {name}", self.sketch, everybody, light), zones
