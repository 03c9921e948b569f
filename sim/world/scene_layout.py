"""A scene being laid out, with the parts that its families share: people, traffic, ground."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from landing.geometry import FloatArray
from sim.world.actors import Actor, AnyActor, Timetable
from sim.world.grid import Spot, blob, points_of, smooth_path
from sim.world.layout import PlaceLayout, grove, offset
from sim.world.materials import vary
from sim.world.people import stander, walker
from sim.world.sketch import Sketch
from sim.world.texture import rgb

_CAR_GAP_S = 3.0
"""Time between two cars in a lane."""

OPEN = ("grass", "paved", "gravel", "dirt")
"""Classes that people walk on."""


@dataclass
class SceneLayout(PlaceLayout):
    """A sketch with what its family notes for the actors.

    Attributes:
        actors: So far.
    """

    actors: list[AnyActor] = field(default_factory=list)

    @property
    def sketch(self) -> Sketch:
        """The canvas, known to be a sketch."""
        assert isinstance(self.canvas, Sketch)
        return self.canvas

    def count(self, low: int, high: int) -> int:
        """A random whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def pick_value(self, *values: float) -> float:
        """One of some numbers."""
        return float(values[int(self.rng.integers(len(values)))])

    def pick_turn(self) -> float:
        """Along or across."""
        return self.pick_value(0.0, math.pi / 2)

    def path(self, *forward_right_m: tuple[float, float], smooth: bool = True) -> FloatArray:
        """A curve through points given against the root."""
        corners = [self.at(f, r) for f, r in forward_right_m]
        points = points_of(*corners)
        return smooth_path(points) if smooth else np.asarray(points, dtype=np.float64)

    def through(self, right_m: float, wander_m: float = 0.0) -> FloatArray:
        """A curve from beyond one edge to beyond the other, along the root's heading."""
        reach = self.half_m * 1.6
        legs = np.linspace(-reach, reach, 9)
        return self.path(*((float(f), right_m + self.between(-1, 1) * wander_m) for f in legs))

    # --- people --------------------------------------------------------------------------------

    def strollers(self, path: FloatArray, count: int, spread_m: float = 0.8) -> None:
        """People who walk to and fro along a path, as far as it is open ground."""
        for _ in range(count):
            found = walker(self, offset(path, self.between(-spread_m, spread_m)))
            if found is not None:
                self.actors.append(found)

    def wanderers(self, count: int, reach: float = 0.8) -> None:
        """People who cross open ground."""
        for _ in range(count):
            start = Spot(*self.somewhere(reach), self.between(0, 2 * math.pi))
            end = start.moved(self.between(6, 25), self.between(-4, 4))
            ends = points_of(start, end)
            self.strollers(ends, 1, 0.0)

    def crowd(self, spot: Spot, radius_m: float, count: int, moving: float = 0.3) -> None:
        """People close together; a share of them ambles about."""
        for _ in range(count):
            away = radius_m * math.sqrt(self.between(0, 1))
            turn = self.between(0, 2 * math.pi)
            at = (spot.north_m + away * math.cos(turn), spot.east_m + away * math.sin(turn))
            if self.chance(moving):
                goal = Spot(*at, self.between(0, 2 * math.pi)).moved(self.between(2, 7), 0)
                ends = np.array([at, (goal.north_m, goal.east_m)])
                self.strollers(ends, 1, 0.0)
                continue
            found = stander(self, *at)
            if found is not None:
                self.actors.append(found)

    def groups(self, count: int, size: int = 4, reach: float = 0.8) -> None:
        """Small groups that stand together."""
        for _ in range(count):
            self.crowd(Spot(*self.somewhere(reach)), 1.6, self.count(1, size), 0.15)

    # --- traffic -------------------------------------------------------------------------------

    def traffic(self, lane: FloatArray, speed_mps: float, per_minute: float) -> None:
        """Cars that follow one another along a lane, from beyond one edge to beyond the other."""
        steps = np.linalg.norm(np.diff(lane, axis=0), axis=1)
        times = np.concatenate([[0.0], np.cumsum(steps)]) / speed_mps
        lasts_s = float(times[-1])
        slots = max(1, math.ceil(lasts_s / _CAR_GAP_S) + 1)
        period_s = slots * _CAR_GAP_S  # every lane car has the same: none catches up
        cars = min(slots, max(1, round(per_minute * period_s / 60.0)))
        places = tuple((float(n), float(e)) for n, e in lane)
        for slot in self.rng.permutation(slots)[:cars]:
            self.actors.append(
                Timetable(
                    "car",
                    tuple(float(t) for t in times),
                    places,
                    period_s=period_s,
                    phase_s=float(slot) * _CAR_GAP_S + self.between(-0.5, 0.5),
                    style=int(self.rng.integers(1 << 30)),
                )
            )

    def street(
        self,
        path: FloatArray,
        width_m: float,
        sidewalk_m: float = 0.0,
        per_minute: float = 8.0,
        speed_mps: float = 9.0,
        lamps: bool = True,
    ) -> None:
        """A carriageway in use: two lanes that keep right, markings, lamps, people beside it."""
        sketch = self.sketch
        if sidewalk_m > 0:
            kind = self.pick("slabs", "concrete", "pavers", "asphalt")
            sketch.ribbon(path, width_m + 2 * sidewalk_m, kind)
            sketch.ribbon(path, width_m + 0.35, "concrete")
            for side in (-1, 1):
                walk = offset(path, side * (width_m + sidewalk_m) / 2)
                self.walks.append(walk)
                self.strollers(walk, self.count(0, 2), sidewalk_m / 3)
        sketch.ribbon(path, width_m, "road")
        white = vary(self.rng, rgb(205, 205, 200))
        for i in range(0, len(path) - 1, 2):
            sketch.marking(path[i : i + 2], 0.16, white)
        for side in (-1, 1):
            sketch.marking(offset(path, side * (width_m / 2 - 0.3)), 0.14, white)
            lane = offset(path, side * width_m / 4)
            if per_minute > 0:
                self.traffic(lane if side > 0 else lane[::-1], speed_mps, per_minute / 2)
        self.drives.append(offset(path, width_m / 4))
        if lamps:
            beside = offset(path, width_m / 2 + max(0.6, sidewalk_m - 0.4))
            for i in range(3, len(beside), 9):
                sketch.lamp(float(beside[i, 0]), float(beside[i, 1]))

    def driveway(self, path: FloatArray, width_m: float, kind: str, cars: int) -> None:
        """A lane of a private ground, landable for all its labels say, with cars to and fro."""
        self.sketch.ribbon(path, width_m, kind)
        for _ in range(cars):
            run = walker(self, path)
            if run is not None:
                style = int(self.rng.integers(1 << 30))
                speed, phase = self.between(2, 5), self.between(0, 90)
                self.actors.append(Actor("car", run.path_ne_m, speed, phase, 0.0, style))

    # --- ground --------------------------------------------------------------------------------

    def box(
        self, forward_m: float, right_m: float, length_m: float, width_m: float, kind: str, ragged_m: float = 0.0
    ) -> Spot:
        """A rectangle along the root's heading; returns its middle."""
        spot = self.at(forward_m, right_m)
        corners = spot.corners(length_m, width_m)
        self.sketch.area(corners, kind, ragged_m, self.root.heading_rad)
        return spot

    def outline(self, spot: Spot, length_m: float, width_m: float, stroke_m: float = 0.12) -> None:
        """White lines around a rectangle."""
        corners = spot.corners(length_m, width_m)
        white = vary(self.rng, rgb(222, 222, 218), 0.03)
        self.sketch.marking(np.vstack([corners, corners[:1]]), stroke_m, white)

    def fence(self, spot: Spot, length_m: float, width_m: float, height_m: float = 1.8) -> None:
        """A fence around a rectangle."""
        corners = spot.corners(length_m, width_m)
        color = vary(self.rng, rgb(150, 148, 142), 0.15)
        self.sketch.wall(np.vstack([corners, corners[:1]]), 0.15, height_m, color, "wall")

    def fringe(self, inner_m: float, count: int) -> None:
        """Surroundings: houses, groves, hedges and other ground beyond a square."""
        for _ in range(count):
            f, r = (self.between(-1.05, 1.05) * self.half_m for _ in range(2))
            spot = self.at(f, r, self.pick_turn() + self.between(-0.1, 0.1))
            if max(abs(f), abs(r)) < inner_m or self.label(spot.north_m, spot.east_m) not in OPEN:
                continue
            what = self.rng.random()
            if what < 0.3:
                length, width = self.between(8, 20), self.between(7, 13)
                self.canvas.area(
                    spot.corners(length + 7, width + 7),
                    self.pick("lawn", "gravel", "slabs", "meadow"),
                    0.1,
                    spot.heading_rad,
                )
                roof = self.pick("gable", "hip", "flat", "metal")
                self.canvas.building(spot, length, width, self.between(3.5, 9), roof)
            elif what < 0.6:
                grove(self, spot.north_m, spot.east_m, self.between(4, 10), self.count(3, 14))
            elif what < 0.85:
                outline = blob(self.rng, spot.north_m, spot.east_m, self.between(5, 13))
                kind = self.pick("meadow", "mown", "gravel", "dirt", "trampled", "wheat", "slope")
                self.canvas.area(outline, kind, 0.4)
            else:
                ends = [spot.moved(-self.between(6, 16), 0), spot.moved(self.between(6, 16), 0)]
                hedge = points_of(*ends)
                color = self.canvas.palette.trees[0]
                self.canvas.wall(hedge, self.between(0.7, 1.6), 1.8, color, "tree")

    def scatter(self, count: int) -> None:
        """Bushes, young trees, stones and stakes all over."""
        for _ in range(count):
            n, e = self.somewhere(1.0)
            if self.label(n, e) not in OPEN:
                continue
            if self.chance(0.7):
                radius_m = self.between(0.4, 1.6)
                self.canvas.tree(n, e, radius_m, radius_m * self.between(1.2, 2.4))
            else:
                spot = Spot(n, e, self.between(0, 6))
                self.canvas.clutter(spot, self.between(0.5, 2.2), self.between(0.4, 1.0), 0.7)

    def forest(self, spacing_m: float, radius: tuple[float, float], clear: FloatArray) -> None:
        """Trees everywhere, but not within glades: rows of north, east and radius."""
        steps = np.arange(-self.half_m - 2, self.half_m + 2, spacing_m)
        for north in steps:
            for east in steps:
                n, e = north + self.between(-0.4, 0.4) * spacing_m, east + self.between(-0.4, 0.4)
                radius_m = self.between(*radius)
                away = np.hypot(clear[:, 0] - n, clear[:, 1] - e) - clear[:, 2]
                free = away.min(initial=99.0) > radius_m * self.between(0.3, 1.3)
                if free and self.label(float(n), float(e)) in (*OPEN, "tree", "slope"):
                    self.canvas.tree(n, e, radius_m, radius_m * self.between(1.6, 2.8))
