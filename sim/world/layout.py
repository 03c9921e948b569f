"""A place being laid out, and what many places have: paths, water, trees, roads, gardens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from landing.geometry import FloatArray
from sim.world.canvas import Canvas
from sim.world.grid import Spot, blob, points_of, smooth_path
from sim.world.materials import vary
from sim.world.sketch import Sketch
from sim.world.texture import rgb

Rng = np.random.Generator


@dataclass
class PlaceLayout:
    """A canvas with what the layouts note for the actors."""

    canvas: Canvas | Sketch
    rng: Rng
    root: Spot
    walks: list[FloatArray] = field(default_factory=list)
    drives: list[FloatArray] = field(default_factory=list)

    @property
    def half_m(self) -> float:
        """From the middle to an edge."""
        return self.canvas.half_m

    def at(self, forward_m: float, right_m: float, turn_rad: float = 0.0) -> Spot:
        """A spot forward and right of the root, as it is turned."""
        return self.root.moved(forward_m, right_m, turn_rad)

    def somewhere(self, reach: float = 1.0) -> tuple[float, float]:
        """A random place, within a share of the half side."""
        n, e = self.rng.uniform(-self.half_m * reach, self.half_m * reach, 2)
        return float(n), float(e)

    def label(self, north_m: float, east_m: float) -> str:
        """Name of the class painted at a place so far; "outside" beyond the raster."""
        u, v = self.canvas.pixels(np.array([[north_m, east_m]]))[0]
        rows, columns = self.canvas.shape
        if not (0 <= u < columns - 1 and 0 <= v < rows - 1):
            return "outside"
        value = int(self.canvas.labels[round(float(v)), round(float(u))])
        return next(name for name, i in self.canvas.ids.items() if i == value)

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """A random number in a range."""
        return float(self.rng.uniform(low, high))

    def pick(self, *kinds: str) -> str:
        """One of some words."""
        return kinds[int(self.rng.integers(len(kinds)))]

    def building(
        self,
        spot: Spot,
        length_m: tuple[float, float],
        width_m: tuple[float, float],
        height_m: tuple[float, float],
        *roofs: str,
    ) -> None:
        """A building of a random size, under one of some roofs."""
        size = (self.between(*length_m), self.between(*width_m), self.between(*height_m))
        self.canvas.building(spot, *size, self.pick(*roofs))


def across(site: PlaceLayout, wander_m: float, through_m: float = 0.35) -> FloatArray:
    """A curve from edge to edge that passes somewhere near the middle."""
    rng, reach = site.rng, site.half_m * 1.5
    spot = Spot(*site.somewhere(through_m), site.between(0, 2 * math.pi))
    legs = np.linspace(-reach, reach, 7)
    corners = [spot.moved(float(f), float(rng.normal(0, wander_m))) for f in legs]
    return smooth_path(points_of(*corners))


def patches(site: PlaceLayout, count: int, kinds: tuple[str, ...], radius: tuple[float, float]) -> None:
    """Blobs of ground here and there."""
    for _ in range(count):
        outline = blob(site.rng, *site.somewhere(), site.between(*radius))
        site.canvas.area(outline, site.pick(*kinds), site.between(0.15, 0.5))


def paths(site: PlaceLayout, count: int, width: tuple[float, float]) -> None:
    """Footpaths from edge to edge, noted for walkers."""
    kind = site.pick("asphalt", "concrete", "gravel", "gravel", "pavers", "dirt", "slabs")
    for _ in range(count):
        if site.chance(0.3):
            kind = site.pick("gravel", "dirt", "asphalt", "pavers")
        path = across(site, site.between(2, 11))
        waves = 1 + 0.12 * np.sin(np.linspace(0, site.between(3, 14), len(path)))
        widths = site.between(*width) * waves
        raw = kind in ("gravel", "dirt")
        if not raw and site.chance(0.4):  # kerb
            site.canvas.ribbon(path, widths + 0.35, "concrete")
        site.canvas.ribbon(path, widths, kind, 0.15 if raw else 0.0)
        site.walks.append(path)


def water_body(site: PlaceLayout, north_m: float, east_m: float, radius_m: float) -> None:
    """A pond with its bank."""
    outline = blob(site.rng, north_m, east_m, radius_m, 0.25)
    centre = np.array([north_m, east_m])
    bank = centre + (outline - centre) * (1 + site.between(0.5, 1.6) / radius_m)
    site.canvas.area(bank, site.pick("dirt", "gravel", "meadow", "trampled"), 0.3)
    site.canvas.area(outline, "water", 0.12)


def stream(site: PlaceLayout, width_m: float) -> None:
    """A stream from edge to edge."""
    path = across(site, site.between(3, 9), 0.7)
    widths = width_m * (1 + 0.25 * np.sin(np.linspace(0, site.between(4, 12), len(path))))
    bank = site.pick("dirt", "meadow", "gravel", "trampled")
    site.canvas.ribbon(path, widths + site.between(0.8, 3), bank, 0.35)
    site.canvas.ribbon(path, widths, "water", 0.12)


PLANTABLE = ("grass", "dirt", "gravel")


def tree(site: PlaceLayout, north_m: float, east_m: float, radius_m: float, on: tuple[str, ...]) -> None:
    """A tree, if the ground there is one that it may grow on."""
    if site.label(north_m, east_m) in on:
        site.canvas.tree(north_m, east_m, radius_m, radius_m * site.between(1.4, 2.6))


def trees(site: PlaceLayout, count: int, radius: tuple[float, float] = (1.0, 4.0)) -> None:
    """Single trees here and there."""
    for _ in range(count):
        tree(site, *site.somewhere(1.05), site.between(*radius), PLANTABLE)


def grove(site: PlaceLayout, north_m: float, east_m: float, reach_m: float, count: int) -> None:
    """Trees close together."""
    for _ in range(count):
        turn, away = site.between(0, 2 * math.pi), reach_m * math.sqrt(site.between(0, 1))
        at = (north_m + away * math.cos(turn), east_m + away * math.sin(turn))
        tree(site, *at, site.between(1.3, 3.8), (*PLANTABLE, "tree"))


def tree_row(site: PlaceLayout, path: FloatArray, spacing_m: float, radius_m: float) -> None:
    """Trees along a path."""
    steps = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    for along in np.arange(0, steps[-1], spacing_m):
        n = float(np.interp(along, steps, path[:, 0])) + site.between(-0.4, 0.4)
        e = float(np.interp(along, steps, path[:, 1])) + site.between(-0.4, 0.4)
        tree(site, n, e, radius_m * site.between(0.8, 1.2), PLANTABLE)


def offset(path: FloatArray, right_m: float) -> FloatArray:
    """A path beside a path; right is positive."""
    step = np.gradient(path, axis=0)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)
    return np.asarray(path + np.column_stack([-step[:, 1], step[:, 0]]) * right_m)


def bushes(site: PlaceLayout, count: int) -> None:
    """Low bushes here and there."""
    for _ in range(count):
        tree(site, *site.somewhere(), site.between(0.35, 0.9), PLANTABLE)


def clutter(site: PlaceLayout, count: int) -> None:
    """Benches, bins and crates on open ground."""
    for _ in range(count):
        n, e = site.somewhere()
        if site.label(n, e) in ("grass", "paved", "gravel", "dirt"):
            length, width = site.between(0.5, 2.0), site.between(0.4, 0.8)
            site.canvas.clutter(Spot(n, e, site.between(0, 6.3)), length, width, 0.6)


def ruts(site: PlaceLayout, path: FloatArray) -> None:
    """Two dark lines that wheels have left."""
    dark = vary(site.rng, tuple(c * 0.72 for c in site.canvas.palette.dirt))  # type: ignore[arg-type]
    for side in (-0.8, 0.8):
        site.canvas.marking(offset(path, side), site.between(0.25, 0.4), dark, 0.5)


def road(site: PlaceLayout, path: FloatArray, width_m: float, sidewalk_m: float) -> None:
    """A road with kerbs, markings and parked cars, noted for drivers."""
    canvas = site.canvas
    if sidewalk_m > 0:
        kind = site.pick("slabs", "concrete", "pavers", "asphalt")
        canvas.ribbon(path, width_m + 2 * sidewalk_m, kind)
        canvas.ribbon(path, width_m + 0.3, "concrete")
        for side in (-1, 1):
            site.walks.append(offset(path, side * (width_m + sidewalk_m) / 2))
    canvas.ribbon(path, width_m, "asphalt")
    white = vary(site.rng, rgb(205, 205, 200))
    if site.chance(0.6):
        for i in range(0, len(path) - 1, 2 if site.chance(0.6) else 1):
            canvas.marking(path[i : i + 2], 0.14, white)
    if site.chance(0.4):
        for side in (-1, 1):
            canvas.marking(offset(path, side * (width_m / 2 - 0.25)), 0.12, white)
    site.drives.append(offset(path, width_m * 0.24))
    for i in range(4, len(path) - 1, 5):
        if site.chance(0.35):
            step = path[i + 1] - path[i]
            n, e = offset(path, (width_m / 2 - 1.1) * (1 if site.chance(0.5) else -1))[i]
            if site.label(float(n), float(e)) == "paved":
                canvas.car(Spot(float(n), float(e), math.atan2(step[1], step[0])))


def swimming_pool(site: PlaceLayout, spot: Spot) -> None:
    """A swimming pool in its paving."""
    length, width = site.between(4, 9), site.between(2.6, 4.5)
    rim = site.between(0.8, 2.2)
    heading = spot.heading_rad
    paving = site.pick("slabs", "pavers", "concrete")
    site.canvas.area(spot.corners(length + 2 * rim, width + 2 * rim), paving, 0, heading)
    if site.chance(0.3):
        shape = blob(site.rng, spot.north_m, spot.east_m, width * 0.7, 0.15)
        site.canvas.area(shape, "pool")
        return
    site.canvas.area(spot.corners(length + 0.5, width + 0.5), "concrete", 0, heading)
    site.canvas.area(spot.corners(length, width), "pool", 0, heading)


def parking(site: PlaceLayout, spot: Spot, bays: int, full: float) -> None:
    """Two rows of bays along a lane."""
    canvas = site.canvas
    length = bays * 2.6
    canvas.area(spot.corners(length + 1, 17), site.pick("asphalt", "asphalt", "pavers", "gravel"), 0, spot.heading_rad)
    white = vary(site.rng, rgb(210, 210, 205))
    for side in (-1, 1):
        for i in range(bays + 1):
            f = i * 2.6 - length / 2
            ends = [spot.moved(f, side * 3.3), spot.moved(f, side * 8.2)]
            canvas.marking(points_of(*ends), 0.12, white)
            if i < bays and site.chance(full):
                wobble = site.between(-0.3, 0.3)
                turn = math.pi / 2 * (1 if site.chance(0.5) else -1) + site.between(-0.04, 0.04)
                canvas.car(spot.moved(f + 1.3, side * 5.9 + wobble, turn))


def house_lot(site: PlaceLayout, lot: Spot, depth_m: float, width_m: float) -> None:
    """A house with its garden; forward is away from the street."""
    canvas = site.canvas
    if site.chance(0.6):
        canvas.area(
            lot.moved(depth_m / 2, 0).corners(depth_m, width_m),
            site.pick("lawn", "mown", "lawn", "meadow", "dirt"),
            0.1,
            lot.heading_rad,
        )
    house_l, house_w = site.between(9, min(14, width_m - 3)), site.between(7, 9.5)
    set_back = site.between(4, 6.5) + house_w / 2
    drive_r = (width_m / 2 - 2) * (1 if site.chance(0.5) else -1)
    drive = lot.moved(set_back / 2, drive_r)
    canvas.area(
        drive.corners(set_back + 3, 3.0), site.pick("concrete", "pavers", "gravel", "asphalt"), 0, lot.heading_rad
    )
    patio = lot.moved(set_back + house_w / 2 + 1.4, site.between(-2, 2))
    canvas.area(patio.corners(2.8, site.between(3, 7)), site.pick("slabs", "pavers", "concrete"), 0, lot.heading_rad)
    back_m = depth_m - set_back - house_w / 2
    pool = lot.moved(set_back + house_w / 2 + back_m * 0.6, site.between(-2, 2), math.pi / 2)
    if back_m > 9 and site.chance(0.4):
        swimming_pool(site, pool)
    roof = site.pick("gable", "gable", "hip", "hip", "flat")
    canvas.building(lot.moved(set_back, 0, math.pi / 2), house_l, house_w, site.between(3.2, 6.5), roof)
    if site.chance(0.4):
        wing = lot.moved(set_back + 2, site.between(-3, 3))
        canvas.building(wing, house_w + 3, site.between(4, 6), 3.1, roof)
    if site.chance(0.5):
        shed = lot.moved(depth_m - 2.5, site.between(-0.35, 0.35) * width_m)
        canvas.building(shed, site.between(2, 3.5), site.between(2, 3), 2.3, site.pick("gable", "metal", "flat"))
    if site.chance(0.7):
        canvas.car(drive.moved(site.between(-0.5, 1.0), 0, 0 if site.chance(0.5) else math.pi))
    for right in (-width_m / 2, width_m / 2):
        ends = [lot.moved(1.0, right), lot.moved(depth_m, right)]
        path = points_of(*ends)
        if site.chance(0.35):
            canvas.wall(path, site.between(0.6, 1.2), 1.5, canvas.palette.trees[0], "tree")
        elif site.chance(0.7):
            color = vary(site.rng, rgb(150, 140, 125), 0.2)
            canvas.wall(path, site.between(0.15, 0.3), 1.6, color, "wall")
    for _ in range(int(site.rng.integers(0, 5))):
        at = lot.moved(site.between(1, depth_m - 1), site.between(-0.45, 0.45) * width_m)
        tree(site, at.north_m, at.east_m, site.between(0.6, 2.6), ("grass", "dirt"))
