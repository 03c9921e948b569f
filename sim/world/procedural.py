"""Made-up places: parks, suburbs, farms, yards, shores and squares, each from a seed.

The same seed, size and scale give the same world, bit for bit, on one version of numpy and OpenCV.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from landing.errors import DataError
from landing.geometry import FloatArray
from landing.taxonomy import Taxonomy
from sim.world.actors import Actor
from sim.world.canvas import Canvas, Spot, blob, smooth_path
from sim.world.materials import rgb, vary
from sim.world.model import World

Rng = np.random.Generator

MAX_CELLS = 64_000_000
"""Rasters beyond this would not fit a small computer's memory."""


@dataclass
class _Site:
    """A canvas with what the layouts note for the actors."""

    canvas: Canvas
    rng: Rng
    root: Spot
    walks: list[FloatArray] = field(default_factory=list)
    drives: list[FloatArray] = field(default_factory=list)

    @property
    def half_m(self) -> float:
        return self.canvas.half_m

    def at(self, forward_m: float, right_m: float, turn_rad: float = 0.0) -> Spot:
        return self.root.moved(forward_m, right_m, turn_rad)

    def somewhere(self, reach: float = 1.0) -> tuple[float, float]:
        n, e = self.rng.uniform(-self.half_m * reach, self.half_m * reach, 2)
        return float(n), float(e)

    def label(self, north_m: float, east_m: float) -> str:
        u, v = self.canvas.pixels(np.array([[north_m, east_m]]))[0]
        rows, columns = self.canvas.shape
        if not (0 <= u < columns - 1 and 0 <= v < rows - 1):
            return "outside"
        value = int(self.canvas.labels[round(float(v)), round(float(u))])
        return next(name for name, i in self.canvas.ids.items() if i == value)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def pick(self, *kinds: str) -> str:
        return kinds[int(self.rng.integers(len(kinds)))]


def _across(site: _Site, wander_m: float, through_m: float = 0.35) -> FloatArray:
    """A curve from edge to edge that passes somewhere near the middle."""
    rng, reach = site.rng, site.half_m * 1.5
    spot = Spot(*site.somewhere(through_m), site.between(0, 2 * math.pi))
    legs = np.linspace(-reach, reach, 7)
    corners = [spot.moved(float(f), float(rng.normal(0, wander_m))) for f in legs]
    return smooth_path([(c.north_m, c.east_m) for c in corners])


def _patches(site: _Site, count: int, kinds: tuple[str, ...], radius: tuple[float, float]) -> None:
    for _ in range(count):
        outline = blob(site.rng, *site.somewhere(), site.between(*radius))
        site.canvas.area(outline, site.pick(*kinds), site.between(0.15, 0.5))


def _paths(site: _Site, count: int, width: tuple[float, float]) -> None:
    kind = site.pick("asphalt", "concrete", "gravel", "gravel", "pavers", "dirt", "slabs")
    for _ in range(count):
        if site.chance(0.3):
            kind = site.pick("gravel", "dirt", "asphalt", "pavers")
        path = _across(site, site.between(2, 11))
        waves = 1 + 0.12 * np.sin(np.linspace(0, site.between(3, 14), len(path)))
        widths = site.between(*width) * waves
        raw = kind in ("gravel", "dirt")
        if not raw and site.chance(0.4):  # kerb
            site.canvas.ribbon(path, widths + 0.35, "concrete")
        site.canvas.ribbon(path, widths, kind, 0.15 if raw else 0.0)
        site.walks.append(path)


def _water_body(site: _Site, north_m: float, east_m: float, radius_m: float) -> None:
    outline = blob(site.rng, north_m, east_m, radius_m, 0.25)
    centre = np.array([north_m, east_m])
    bank = centre + (outline - centre) * (1 + site.between(0.5, 1.6) / radius_m)
    site.canvas.area(bank, site.pick("dirt", "gravel", "meadow", "trampled"), 0.3)
    site.canvas.area(outline, "water", 0.12)


def _stream(site: _Site, width_m: float) -> None:
    path = _across(site, site.between(3, 9), 0.7)
    widths = width_m * (1 + 0.25 * np.sin(np.linspace(0, site.between(4, 12), len(path))))
    bank = site.pick("dirt", "meadow", "gravel", "trampled")
    site.canvas.ribbon(path, widths + site.between(0.8, 3), bank, 0.35)
    site.canvas.ribbon(path, widths, "water", 0.12)


_PLANTABLE = ("grass", "dirt", "gravel")


def _tree(site: _Site, north_m: float, east_m: float, radius_m: float, on: tuple[str, ...]) -> None:
    if site.label(north_m, east_m) in on:
        site.canvas.tree(north_m, east_m, radius_m, radius_m * site.between(1.4, 2.6))


def _trees(site: _Site, count: int, radius: tuple[float, float] = (1.0, 4.0)) -> None:
    for _ in range(count):
        _tree(site, *site.somewhere(1.05), site.between(*radius), _PLANTABLE)


def _grove(site: _Site, north_m: float, east_m: float, reach_m: float, count: int) -> None:
    for _ in range(count):
        turn, away = site.between(0, 2 * math.pi), reach_m * math.sqrt(site.between(0, 1))
        at = (north_m + away * math.cos(turn), east_m + away * math.sin(turn))
        _tree(site, *at, site.between(1.3, 3.8), (*_PLANTABLE, "tree"))


def _tree_row(site: _Site, path: FloatArray, spacing_m: float, radius_m: float) -> None:
    steps = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    for along in np.arange(0, steps[-1], spacing_m):
        n = float(np.interp(along, steps, path[:, 0])) + site.between(-0.4, 0.4)
        e = float(np.interp(along, steps, path[:, 1])) + site.between(-0.4, 0.4)
        _tree(site, n, e, radius_m * site.between(0.8, 1.2), _PLANTABLE)


def _offset(path: FloatArray, right_m: float) -> FloatArray:
    step = np.gradient(path, axis=0)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)
    return np.asarray(path + np.column_stack([-step[:, 1], step[:, 0]]) * right_m)


def _bushes(site: _Site, count: int) -> None:
    for _ in range(count):
        _tree(site, *site.somewhere(), site.between(0.35, 0.9), _PLANTABLE)


def _clutter(site: _Site, count: int) -> None:
    for _ in range(count):
        n, e = site.somewhere()
        if site.label(n, e) in ("grass", "paved", "gravel", "dirt"):
            length, width = site.between(0.5, 2.0), site.between(0.4, 0.8)
            site.canvas.clutter(Spot(n, e, site.between(0, 6.3)), length, width, 0.6)


def _ruts(site: _Site, path: FloatArray) -> None:
    dark = vary(site.rng, tuple(c * 0.72 for c in site.canvas.palette.dirt))  # type: ignore[arg-type]
    for side in (-0.8, 0.8):
        site.canvas.marking(_offset(path, side), site.between(0.25, 0.4), dark, 0.5)


def _road(site: _Site, path: FloatArray, width_m: float, sidewalk_m: float) -> None:
    canvas = site.canvas
    if sidewalk_m > 0:
        kind = site.pick("slabs", "concrete", "pavers", "asphalt")
        canvas.ribbon(path, width_m + 2 * sidewalk_m, kind)
        canvas.ribbon(path, width_m + 0.3, "concrete")
        for side in (-1, 1):
            site.walks.append(_offset(path, side * (width_m + sidewalk_m) / 2))
    canvas.ribbon(path, width_m, "asphalt")
    white = vary(site.rng, rgb(205, 205, 200))
    if site.chance(0.6):
        for i in range(0, len(path) - 1, 2 if site.chance(0.6) else 1):
            canvas.marking(path[i : i + 2], 0.14, white)
    if site.chance(0.4):
        for side in (-1, 1):
            canvas.marking(_offset(path, side * (width_m / 2 - 0.25)), 0.12, white)
    site.drives.append(_offset(path, width_m * 0.24))
    for i in range(4, len(path) - 1, 5):
        if site.chance(0.35):
            step = path[i + 1] - path[i]
            n, e = _offset(path, (width_m / 2 - 1.1) * (1 if site.chance(0.5) else -1))[i]
            if site.label(float(n), float(e)) == "paved":
                canvas.car(Spot(float(n), float(e), math.atan2(step[1], step[0])))


def _pool(site: _Site, spot: Spot) -> None:
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


def _parking(site: _Site, spot: Spot, bays: int, full: float) -> None:
    """Two rows of bays along a lane."""
    canvas = site.canvas
    length = bays * 2.6
    canvas.area(spot.corners(length + 1, 17), site.pick("asphalt", "asphalt", "pavers", "gravel"),
                0, spot.heading_rad)  # fmt: skip
    white = vary(site.rng, rgb(210, 210, 205))
    for side in (-1, 1):
        for i in range(bays + 1):
            f = i * 2.6 - length / 2
            ends = [spot.moved(f, side * 3.3), spot.moved(f, side * 8.2)]
            canvas.marking(np.array([(p.north_m, p.east_m) for p in ends]), 0.12, white)
            if i < bays and site.chance(full):
                wobble = site.between(-0.3, 0.3)
                turn = math.pi / 2 * (1 if site.chance(0.5) else -1) + site.between(-0.04, 0.04)
                canvas.car(spot.moved(f + 1.3, side * 5.9 + wobble, turn))


def _park(site: _Site) -> None:
    site.canvas.fill(site.pick("lawn", "lawn", "mown", "meadow"))
    _patches(site, int(site.rng.integers(2, 7)), ("meadow", "lawn", "mown", "trampled"), (4, 13))
    if site.chance(0.6):
        _water_body(site, *site.somewhere(0.7), site.between(4, 13))
    if site.chance(0.25):
        _stream(site, site.between(1.5, 4))
    _paths(site, int(site.rng.integers(1, 5)), (1.5, 4.2))
    if site.chance(0.4):
        n, e = site.somewhere(0.5)
        site.canvas.area(blob(site.rng, n, e, site.between(4, 8), 0.08),
                         site.pick("slabs", "pavers", "gravel", "dirt"))  # fmt: skip
    if site.chance(0.35):
        spot = Spot(*site.somewhere(0.7), site.between(0, 3.1))
        roof = site.pick("gable", "hip", "flat")
        site.canvas.building(spot, site.between(5, 10), site.between(4, 7), 3.2, roof)
    if site.walks and site.chance(0.6):
        _tree_row(site, _offset(site.walks[0], site.between(3, 5)), site.between(6, 11), 2.2)
    for _ in range(int(site.rng.integers(1, 4))):
        _grove(site, *site.somewhere(), site.between(5, 13), int(site.rng.integers(6, 24)))
    _trees(site, int(site.rng.integers(6, 26)))
    _bushes(site, int(site.rng.integers(0, 16)))
    _clutter(site, int(site.rng.integers(2, 10)))


def _lot(site: _Site, lot: Spot, depth_m: float, width_m: float) -> None:
    """A house with its garden; forward is away from the street."""
    canvas = site.canvas
    if site.chance(0.6):
        canvas.area(lot.moved(depth_m / 2, 0).corners(depth_m, width_m),
                    site.pick("lawn", "mown", "lawn", "meadow", "dirt"), 0.1,
                    lot.heading_rad)  # fmt: skip
    house_l, house_w = site.between(9, min(14, width_m - 3)), site.between(7, 9.5)
    set_back = site.between(4, 6.5) + house_w / 2
    drive_r = (width_m / 2 - 2) * (1 if site.chance(0.5) else -1)
    drive = lot.moved(set_back / 2, drive_r)
    canvas.area(drive.corners(set_back + 3, 3.0), site.pick("concrete", "pavers", "gravel",
                "asphalt"), 0, lot.heading_rad)  # fmt: skip
    patio = lot.moved(set_back + house_w / 2 + 1.4, site.between(-2, 2))
    canvas.area(patio.corners(2.8, site.between(3, 7)), site.pick("slabs", "pavers", "concrete"),
                0, lot.heading_rad)  # fmt: skip
    back_m = depth_m - set_back - house_w / 2
    pool = lot.moved(set_back + house_w / 2 + back_m * 0.6, site.between(-2, 2), math.pi / 2)
    if back_m > 9 and site.chance(0.4):
        _pool(site, pool)
    roof = site.pick("gable", "gable", "hip", "hip", "flat")
    canvas.building(lot.moved(set_back, 0, math.pi / 2), house_l, house_w,
                    site.between(3.2, 6.5), roof)  # fmt: skip
    if site.chance(0.4):
        wing = lot.moved(set_back + 2, site.between(-3, 3))
        canvas.building(wing, house_w + 3, site.between(4, 6), 3.1, roof)
    if site.chance(0.5):
        shed = lot.moved(depth_m - 2.5, site.between(-0.35, 0.35) * width_m)
        canvas.building(shed, site.between(2, 3.5), site.between(2, 3), 2.3,
                        site.pick("gable", "metal", "flat"))  # fmt: skip
    if site.chance(0.7):
        canvas.car(drive.moved(site.between(-0.5, 1.0), 0, 0 if site.chance(0.5) else math.pi))
    for right in (-width_m / 2, width_m / 2):
        ends = [lot.moved(1.0, right), lot.moved(depth_m, right)]
        path = np.array([(p.north_m, p.east_m) for p in ends])
        if site.chance(0.35):
            canvas.wall(path, site.between(0.6, 1.2), 1.5, canvas.palette.trees[0], "tree")
        elif site.chance(0.7):
            color = vary(site.rng, rgb(150, 140, 125), 0.2)
            canvas.wall(path, site.between(0.15, 0.3), 1.6, color, "wall")
    for _ in range(int(site.rng.integers(0, 5))):
        at = lot.moved(site.between(1, depth_m - 1), site.between(-0.45, 0.45) * width_m)
        _tree(site, at.north_m, at.east_m, site.between(0.6, 2.6), ("grass", "dirt"))


def _suburb(site: _Site) -> None:
    site.canvas.fill(site.pick("lawn", "lawn", "mown", "meadow"))
    _patches(site, 3, ("lawn", "trampled", "meadow"), (4, 10))
    road_w, walk = site.between(5.5, 7.5), site.pick("", "x", "x")
    sidewalk = site.between(1.3, 2.2) if walk else 0.0
    reach = site.half_m * 1.5
    legs = [site.at(float(f), site.between(-1.5, 1.5)) for f in np.linspace(-reach, reach, 7)]
    path = smooth_path([(p.north_m, p.east_m) for p in legs])
    width, depth = site.between(15, 21), site.between(24, 32)
    near = road_w / 2 + sidewalk + 1
    count = math.ceil(reach / width)
    _road(site, path, road_w, sidewalk)
    green = int(site.rng.integers(-1, 2)) if site.chance(0.75) else 99
    for side in (-1, 1):
        for i in range(-count, count + 1):
            lot = site.at(i * width, side * near, side * math.pi / 2)
            if i == green and side == 1:
                continue  # a lot that nobody has built on
            if abs(lot.north_m) < site.half_m + 20 and abs(lot.east_m) < site.half_m + 20:
                _lot(site, lot, depth, width)
    _trees(site, int(site.rng.integers(2, 10)), (0.8, 3.0))
    _bushes(site, int(site.rng.integers(0, 14)))
    _clutter(site, int(site.rng.integers(0, 6)))


def _farm(site: _Site) -> None:
    canvas = site.canvas
    canvas.fill(site.pick("meadow", "lawn", "lawn"))
    for forward in (-1, 1):
        for right in (-1, 1):
            if site.chance(0.65):
                size = site.between(20, 44)
                field_spot = site.at(forward * site.between(18, 30), right * site.between(18, 30))
                kind = site.pick("furrows", "meadow", "mown", "dirt", "lawn", "furrows")
                turn = site.root.heading_rad + (math.pi / 2 if site.chance(0.5) else 0)
                canvas.area(field_spot.corners(size, size * site.between(0.7, 1.2)), kind, 0.2,
                            turn)  # fmt: skip
    if site.chance(0.45):
        _stream(site, site.between(1.5, 5))
    elif site.chance(0.5):
        _water_body(site, *site.somewhere(0.8), site.between(4, 9))
    for _ in range(int(site.rng.integers(1, 3))):
        path = _across(site, site.between(1, 5))
        canvas.ribbon(path, site.between(2.6, 4.2), site.pick("dirt", "gravel", "trampled"), 0.25)
        _ruts(site, path)
        site.walks.append(path)
    yard = Spot(*site.somewhere(0.55), site.root.heading_rad)
    canvas.area(blob(site.rng, yard.north_m, yard.east_m, site.between(9, 15), 0.15),
                site.pick("gravel", "dirt", "concrete", "ballast"), 0.3)  # fmt: skip
    for _ in range(int(site.rng.integers(1, 5))):
        turn = math.pi / 2 if site.chance(0.5) else 0.0
        at = yard.moved(site.between(-14, 14), site.between(-14, 14), turn)
        canvas.building(at, site.between(8, 20), site.between(6, 11), site.between(4, 7),
                        site.pick("metal", "gable", "metal", "hip", "flat"))  # fmt: skip
    for _ in range(int(site.rng.integers(0, 4))):
        at = yard.moved(site.between(-12, 12), site.between(-12, 12), site.between(0, 6))
        if site.label(at.north_m, at.east_m) not in ("roof", "water", "outside"):
            canvas.car(at)
    for _ in range(int(site.rng.integers(0, 14))):
        n, e = site.somewhere()
        if site.label(n, e) == "grass":
            canvas.clutter(Spot(n, e, site.between(0, 3)), 1.5, 1.3, 1.2)  # bales
    row = _across(site, 1.5, 0.9)
    _tree_row(site, row, site.between(2.5, 7), site.between(1.2, 2.6))
    if site.chance(0.6):
        fence = _across(site, 0.5, 0.8)
        canvas.wall(fence, 0.15, 1.1, vary(site.rng, rgb(130, 112, 90), 0.2), "wall")
    _grove(site, *site.somewhere(), site.between(4, 10), int(site.rng.integers(3, 16)))
    _trees(site, int(site.rng.integers(0, 9)))


def _yard(site: _Site) -> None:
    """Industry or a courtyard: halls, parking, containers, little green."""
    canvas = site.canvas
    canvas.fill(site.pick("asphalt", "concrete", "gravel", "asphalt", "ballast", "dirt"))
    _patches(site, int(site.rng.integers(2, 6)), ("gravel", "dirt", "lawn", "concrete"), (3, 9))
    for _ in range(int(site.rng.integers(1, 4))):
        strip = site.at(site.between(-30, 30), site.between(-30, 30))
        kind = site.pick("lawn", "gravel", "concrete", "asphalt", "dirt", "meadow")
        canvas.area(strip.corners(site.between(14, 50), site.between(8, 20)), kind, 0.1,
                    site.root.heading_rad)  # fmt: skip
    path = smooth_path([(p.north_m, p.east_m) for p in (site.at(-60, 3), site.at(0, 2),
                        site.at(60, 4))])  # fmt: skip
    if site.chance(0.6):
        _road(site, path, site.between(6, 9), site.between(0, 2))
    for forward in (-1, 0, 1):
        for right in (-1, 1):
            turn = math.pi / 2 if site.chance(0.5) else 0.0
            at = site.at(forward * 25 + site.between(-4, 4), right * site.between(16, 28), turn)
            what = site.rng.random()
            if what < 0.45:
                canvas.building(at, site.between(12, 26), site.between(9, 16), site.between(4, 9),
                                site.pick("flat", "flat", "metal", "gable"))  # fmt: skip
            elif what < 0.7:
                _parking(site, at, int(site.rng.integers(4, 10)), site.between(0.3, 0.9))
    for _ in range(int(site.rng.integers(0, 4))):
        stack = site.at(site.between(-28, 28), site.between(-28, 28))
        for i in range(int(site.rng.integers(1, 4))):
            spot = stack.moved(0, i * 2.6)
            if site.label(spot.north_m, spot.east_m) in ("paved", "gravel", "dirt"):
                canvas.building(spot, 6.1, 2.44, 2.6, "metal")  # containers
    for right in (-1, 1):
        if site.chance(0.5):
            ends = [site.at(-36, right * 34), site.at(36, right * 34)]
            path = np.array([(p.north_m, p.east_m) for p in ends])
            canvas.wall(path, 0.25, 2.2, vary(site.rng, rgb(160, 155, 148), 0.15), "wall")
    _trees(site, int(site.rng.integers(2, 16)), (0.8, 3.2))
    _bushes(site, int(site.rng.integers(0, 10)))
    _clutter(site, int(site.rng.integers(4, 18)))
    site.walks.append(_across(site, 1.0, 0.5))


def _shore(site: _Site) -> None:
    canvas = site.canvas
    canvas.fill(site.pick("lawn", "meadow", "mown"))
    _patches(site, 4, ("meadow", "trampled", "lawn"), (4, 11))
    edge = [site.at(float(f), site.between(-4, 4) + 10) for f in np.linspace(-70, 70, 8)]
    line = smooth_path([(p.north_m, p.east_m) for p in edge])
    beach = site.pick("gravel", "dirt", "meadow", "slabs", "concrete", "ballast")
    raw = beach in ("gravel", "dirt", "meadow", "ballast")
    canvas.ribbon(line, site.between(2, 9), beach, 0.4 if raw else 0.0)
    far = [site.at(70, 90), site.at(-70, 90)]
    lake = np.vstack([line, [(p.north_m, p.east_m) for p in far]])
    canvas.area(lake, "water", 0.2 if raw else 0.0)
    walk = _offset(line, -site.between(6, 12))
    kind = site.pick("asphalt", "gravel", "pavers", "concrete", "dirt")
    canvas.ribbon(walk, site.between(2, 5), kind, 0.15 if kind in ("gravel", "dirt") else 0)
    site.walks.append(walk)
    if site.chance(0.4):
        jetty = site.at(site.between(-20, 20), 12, math.pi / 2)
        canvas.area(jetty.corners(16, site.between(1.6, 3)), "concrete", 0, jetty.heading_rad)
    _paths(site, int(site.rng.integers(0, 3)), (1.5, 3))
    if site.chance(0.5):
        canvas.building(site.at(site.between(-20, 20), site.between(-28, -12)),
                        site.between(7, 14), site.between(6, 9), 4.5,
                        site.pick("gable", "hip", "flat", "metal"))  # fmt: skip
    if site.chance(0.5):
        _parking(site, site.at(site.between(-20, 20), -30), int(site.rng.integers(3, 9)), 0.6)
    _tree_row(site, _offset(walk, -4), site.between(6, 12), site.between(1.5, 3))
    _grove(site, *site.somewhere(), site.between(5, 11), int(site.rng.integers(4, 20)))
    _trees(site, int(site.rng.integers(4, 18)))
    _bushes(site, int(site.rng.integers(0, 14)))
    _clutter(site, int(site.rng.integers(0, 9)))


def _square(site: _Site) -> None:
    """A campus or town square: paving, lawns in a grid, planters, flat roofs."""
    canvas = site.canvas
    canvas.fill(site.pick("slabs", "pavers", "concrete", "slabs"), site.root.heading_rad)
    cell = site.between(17, 25)
    for i in range(-2, 3):
        for j in range(-2, 3):
            at = site.at(i * cell, j * cell)
            inner = cell - site.between(3, 7)
            what = site.rng.random()
            if what < 0.4:
                kind = site.pick("lawn", "mown", "gravel", "lawn")
                canvas.area(at.corners(inner, inner), kind, 0, site.root.heading_rad)
                if site.chance(0.5):
                    _grove(site, at.north_m, at.east_m, inner * 0.4, int(site.rng.integers(1, 6)))
            elif what < 0.6:
                roof = site.pick("flat", "flat", "hip", "metal", "gable")
                canvas.building(at, inner, inner * site.between(0.5, 1), site.between(4, 11), roof)
            elif what < 0.68:
                canvas.area(at.corners(inner * 0.7, inner * 0.4), site.pick("pool", "water"))
            elif what < 0.8:
                for k in range(-1, 2):
                    for m in range(-1, 2):
                        spot = at.moved(k * cell / 4, m * cell / 4)
                        canvas.area(spot.corners(1.4, 1.4), "dirt")
                        _tree(site, spot.north_m, spot.east_m, site.between(1, 2), ("dirt",))
            elif what < 0.88:
                _parking(site, at, max(2, int(inner / 2.6)), site.between(0.3, 0.9))
    _paths(site, int(site.rng.integers(0, 3)), (2, 4))
    if not site.walks:
        site.walks.append(_across(site, 1.0))
    _trees(site, int(site.rng.integers(0, 10)), (0.8, 2.6))
    _bushes(site, int(site.rng.integers(0, 10)))
    _clutter(site, int(site.rng.integers(4, 16)))


LAYOUTS: dict[str, Callable[[_Site], None]] = {
    "park": _park, "suburb": _suburb, "farm": _farm, "yard": _yard, "shore": _shore,
    "square": _square,
}  # fmt: skip


def _landable_run(site: _Site, path: FloatArray) -> FloatArray:
    """The longest part of a path that keeps to landable ground, shape (n, 2)."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    even = np.arange(0, along[-1], 0.5)
    dense = np.column_stack([np.interp(even, along, path[:, k]) for k in (0, 1)])
    ground = ("grass", "paved", "gravel", "dirt")
    free = [site.label(float(n), float(e)) in ground for n, e in dense]
    best, start = (0, 0), None
    for i, ok in enumerate([*free, False]):
        if ok and start is None:
            start = i
        elif not ok and start is not None:
            if i - start > best[1] - best[0]:
                best = (start, i)
            start = None
    return dense[best[0] + 1 : max(best[0] + 1, best[1] - 1)]


def _walker(site: _Site, path: FloatArray) -> Actor | None:
    run = _landable_run(site, path)
    if len(run) < 6:
        return None
    run = run[:: 1 if len(run) < 20 else 2]
    return Actor(
        "person", tuple((float(n), float(e)) for n, e in run), site.between(0.7, 1.7),
        site.between(0, 120), 0.0, int(site.rng.integers(1 << 30)),
    )  # fmt: skip


def _stander(site: _Site, north_m: float, east_m: float) -> Actor | None:
    if site.label(north_m, east_m) not in ("grass", "paved", "gravel", "dirt"):
        return None
    style = int(site.rng.integers(1 << 30))
    return Actor("person", ((north_m, east_m),), 0, 0, site.between(0, 6.3), style)


def _people(site: _Site) -> tuple[Actor, ...]:
    actors: list[Actor | None] = []
    crowd = float(site.rng.choice([0.4, 1.0, 1.0, 2.0]))
    for _ in range(round(crowd * site.between(1, 6))):
        if site.walks:
            walk = site.walks[int(site.rng.integers(len(site.walks)))]
            actors.append(_walker(site, _offset(walk, site.between(-0.9, 0.9))))
    for _ in range(round(crowd * site.between(1, 5))):
        start = Spot(*site.somewhere(0.8), site.between(0, 6.3))
        ends = [start, start.moved(site.between(4, 18), site.between(-3, 3))]
        actors.append(_walker(site, np.array([(p.north_m, p.east_m) for p in ends])))
    for _ in range(round(crowd * site.between(1, 5))):
        n, e = site.somewhere(0.85)
        for _ in range(int(site.rng.integers(1, 4))):
            actors.append(_stander(site, n + site.between(-1, 1), e + site.between(-1, 1)))
    if site.drives and site.chance(0.5):
        run = _landable_run(site, site.drives[0])
        if len(run) > 16:
            path = tuple((float(n), float(e)) for n, e in run[::2])
            actors.append(Actor("car", path, site.between(1.5, 4), site.between(0, 60), 0.0,
                                int(site.rng.integers(1 << 30))))  # fmt: skip
    return tuple(a for a in actors if a is not None)


def procedural(
    seed: int, size_m: float = 80.0, gsd_m: float = 0.05, layout: str | None = None
) -> World:
    """A made-up place.

    Args:
        seed: Same seed, same world.
        size_m: Side of the square.
        gsd_m: Metres per pixel.
        layout: One of `LAYOUTS`; by the seed when None.

    Raises:
        DataError: Unknown layout, or a size or scale that cannot be made.
    """
    if layout is not None and layout not in LAYOUTS:
        raise DataError(f"layout {layout!r} is unknown: expected one of {', '.join(LAYOUTS)}")
    cells = (size_m / gsd_m) ** 2 if gsd_m > 0 else math.inf
    if not (20.0 <= size_m <= 1000.0 and 64**2 <= cells <= MAX_CELLS):
        raise DataError(
            f"world of size_m={size_m:g} at gsd_m={gsd_m:g}: expected 20 to 1000 m and "
            f"64 to {math.isqrt(MAX_CELLS)} pixels a side"
        )
    if seed < 0:
        raise DataError(f"world seed {seed}: expected 0 or more")
    rng = np.random.default_rng([seed, 7])
    taxonomy = Taxonomy.load("synthetic")
    name = layout or list(LAYOUTS)[int(rng.integers(len(LAYOUTS)))]
    canvas = Canvas(rng, size_m, gsd_m, taxonomy)
    north_m, east_m, turn_rad = rng.uniform([-6, -6, 0], [6, 6, 2 * math.pi])
    root = Spot(float(north_m), float(east_m), float(turn_rad))
    site = _Site(canvas, rng, root)
    LAYOUTS[name](site)
    actors = _people(site)
    return World(
        name=f"{name} {seed}", ortho_bgr=canvas.finished(), labels=canvas.labels, gsd_m=gsd_m,
        taxonomy=taxonomy, origin_px=canvas.origin_px, actors=actors, sun=canvas.sun,
        detail_seed=seed,
    )  # fmt: skip
