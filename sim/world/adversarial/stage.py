"""Material of adversarial scenarios: a wood on steep ground, with openings of a given shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from landing.geometry import FloatArray
from sim.world.actors import Actor
from sim.world.adversarial.scenario import AdversarialScenario, Built, ExpectedOutcome, ForbiddenZone
from sim.world.daylight import TimeOfDay
from sim.world.grid import Spot
from sim.world.scene_layout import SceneLayout
from sim.world.scenes import world_of
from sim.world.sketch import Sketch
from sim.world.surfaces import Season

SIZE_M = 100.0
GSD_M = 0.1

ADVERSARIAL: dict[str, AdversarialScenario] = {}
"""Every scenario, by name."""


@dataclass
class Stage(SceneLayout):
    """A layout whose ground is nowhere landable until something is painted on it.

    Attributes:
        zones: Forbidden zones, so far.
    """

    zones: list[ForbiddenZone] = field(default_factory=list)

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

    def wires(self, *lines_ne_m: tuple[float, float, float, float]) -> list[FloatArray]:
        """Straight paths, each from (north, east) to (north, east)."""
        return [np.array([line[:2], line[2:]]) for line in lines_ne_m]

    def forbid(self, name: str, outline_ne_m: FloatArray) -> None:
        """Makes a landing within an outline a failure."""
        self.zones.append(ForbiddenZone(name, tuple((float(n), float(e)) for n, e in outline_ne_m)))

    def person(self, north_m: float, east_m: float, style: int, heading_rad: float = 0.0) -> None:
        """Somebody who stands."""
        self.actors.append(Actor("person", ((north_m, east_m),), 0.0, 0.0, heading_rad, style))

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


Paint = Callable[[Stage], None]


def scenario(
    seed: int,
    story: str,
    expect: ExpectedOutcome = ExpectedOutcome.LAND,
    *,
    base: str = "slope",
    season: Season = "summer",
    light: TimeOfDay = "noon",
    start_ne_m: tuple[float, float] = (0.0, 0.0),
) -> Callable[[Paint], Paint]:
    """Adds the painter of a stage to `ADVERSARIAL`, under its function's name with dashes; `base` is its ground."""

    def add(paint: Paint) -> Paint:
        name = paint.__name__.strip("_").replace("_", "-")

        def make() -> Built:
            sketch = Sketch(seed, SIZE_M, GSD_M, season)
            sketch.fill(base, 0.4)
            stage = Stage(sketch, np.random.default_rng([seed, 108]), Spot(0.0, 0.0, 0.0))
            paint(stage)
            return world_of(f"adversarial {name}", sketch, tuple(stage.actors), light), tuple(stage.zones)

        ADVERSARIAL[name] = AdversarialScenario(name, story, make, expect, start_ne_m)
        return paint

    return add
