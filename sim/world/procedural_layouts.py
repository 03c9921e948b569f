"""The six older layouts: park, suburb, farm, yard, shore and square."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sim.world.grid import Spot, blob, points_of, smooth_path
from sim.world.layout import (
    PlaceLayout,
    across,
    bushes,
    clutter,
    grove,
    house_lot,
    offset,
    parking,
    patches,
    paths,
    road,
    ruts,
    stream,
    tree,
    tree_row,
    trees,
    water_body,
)
from sim.world.materials import vary
from sim.world.texture import rgb


def _park(site: PlaceLayout) -> None:
    site.canvas.fill(site.pick("lawn", "lawn", "mown", "meadow"))
    patches(site, int(site.rng.integers(2, 7)), ("meadow", "lawn", "mown", "trampled"), (4, 13))
    if site.chance(0.6):
        water_body(site, *site.somewhere(0.7), site.between(4, 13))
    if site.chance(0.25):
        stream(site, site.between(1.5, 4))
    paths(site, int(site.rng.integers(1, 5)), (1.5, 4.2))
    if site.chance(0.4):
        n, e = site.somewhere(0.5)
        site.canvas.area(blob(site.rng, n, e, site.between(4, 8), 0.08), site.pick("slabs", "pavers", "gravel", "dirt"))
    if site.chance(0.35):
        spot = Spot(*site.somewhere(0.7), site.between(0, 3.1))
        roof = site.pick("gable", "hip", "flat")
        site.canvas.building(spot, site.between(5, 10), site.between(4, 7), 3.2, roof)
    if site.walks and site.chance(0.6):
        tree_row(site, offset(site.walks[0], site.between(3, 5)), site.between(6, 11), 2.2)
    for _ in range(int(site.rng.integers(1, 4))):
        grove(site, *site.somewhere(), site.between(5, 13), int(site.rng.integers(6, 24)))
    trees(site, int(site.rng.integers(6, 26)))
    bushes(site, int(site.rng.integers(0, 16)))
    clutter(site, int(site.rng.integers(2, 10)))


def _suburb(site: PlaceLayout) -> None:
    site.canvas.fill(site.pick("lawn", "lawn", "mown", "meadow"))
    patches(site, 3, ("lawn", "trampled", "meadow"), (4, 10))
    road_w, walk = site.between(5.5, 7.5), site.pick("", "x", "x")
    sidewalk = site.between(1.3, 2.2) if walk else 0.0
    reach = site.half_m * 1.5
    legs = [site.at(float(f), site.between(-1.5, 1.5)) for f in np.linspace(-reach, reach, 7)]
    path = smooth_path(points_of(*legs))
    width, depth = site.between(15, 21), site.between(24, 32)
    near = road_w / 2 + sidewalk + 1
    count = math.ceil(reach / width)
    road(site, path, road_w, sidewalk)
    green = int(site.rng.integers(-1, 2)) if site.chance(0.75) else 99
    for side in (-1, 1):
        for i in range(-count, count + 1):
            lot = site.at(i * width, side * near, side * math.pi / 2)
            if i == green and side == 1:
                continue  # a lot that nobody has built on
            if abs(lot.north_m) < site.half_m + 20 and abs(lot.east_m) < site.half_m + 20:
                house_lot(site, lot, depth, width)
    trees(site, int(site.rng.integers(2, 10)), (0.8, 3.0))
    bushes(site, int(site.rng.integers(0, 14)))
    clutter(site, int(site.rng.integers(0, 6)))


def _farm(site: PlaceLayout) -> None:
    canvas = site.canvas
    canvas.fill(site.pick("meadow", "lawn", "lawn"))
    for forward in (-1, 1):
        for right in (-1, 1):
            if site.chance(0.65):
                size = site.between(20, 44)
                field_spot = site.at(forward * site.between(18, 30), right * site.between(18, 30))
                kind = site.pick("furrows", "meadow", "mown", "dirt", "lawn", "furrows")
                turn = site.root.heading_rad + (math.pi / 2 if site.chance(0.5) else 0)
                canvas.area(field_spot.corners(size, size * site.between(0.7, 1.2)), kind, 0.2, turn)
    if site.chance(0.45):
        stream(site, site.between(1.5, 5))
    elif site.chance(0.5):
        water_body(site, *site.somewhere(0.8), site.between(4, 9))
    for _ in range(int(site.rng.integers(1, 3))):
        path = across(site, site.between(1, 5))
        canvas.ribbon(path, site.between(2.6, 4.2), site.pick("dirt", "gravel", "trampled"), 0.25)
        ruts(site, path)
        site.walks.append(path)
    yard = Spot(*site.somewhere(0.55), site.root.heading_rad)
    canvas.area(
        blob(site.rng, yard.north_m, yard.east_m, site.between(9, 15), 0.15),
        site.pick("gravel", "dirt", "concrete", "ballast"),
        0.3,
    )
    for _ in range(int(site.rng.integers(1, 5))):
        turn = math.pi / 2 if site.chance(0.5) else 0.0
        at = yard.moved(site.between(-14, 14), site.between(-14, 14), turn)
        site.building(at, (8, 20), (6, 11), (4, 7), "metal", "gable", "metal", "hip", "flat")
    for _ in range(int(site.rng.integers(0, 4))):
        at = yard.moved(site.between(-12, 12), site.between(-12, 12), site.between(0, 6))
        if site.label(at.north_m, at.east_m) not in ("roof", "water", "outside"):
            canvas.car(at)
    for _ in range(int(site.rng.integers(0, 14))):
        n, e = site.somewhere()
        if site.label(n, e) == "grass":
            canvas.clutter(Spot(n, e, site.between(0, 3)), 1.5, 1.3, 1.2)  # bales
    row = across(site, 1.5, 0.9)
    tree_row(site, row, site.between(2.5, 7), site.between(1.2, 2.6))
    if site.chance(0.6):
        fence = across(site, 0.5, 0.8)
        canvas.wall(fence, 0.15, 1.1, vary(site.rng, rgb(130, 112, 90), 0.2), "wall")
    grove(site, *site.somewhere(), site.between(4, 10), int(site.rng.integers(3, 16)))
    trees(site, int(site.rng.integers(0, 9)))


def _yard(site: PlaceLayout) -> None:
    """Industry or a courtyard: halls, parking, containers, little green."""
    canvas = site.canvas
    canvas.fill(site.pick("asphalt", "concrete", "gravel", "asphalt", "ballast", "dirt"))
    patches(site, int(site.rng.integers(2, 6)), ("gravel", "dirt", "lawn", "concrete"), (3, 9))
    for _ in range(int(site.rng.integers(1, 4))):
        strip = site.at(site.between(-30, 30), site.between(-30, 30))
        kind = site.pick("lawn", "gravel", "concrete", "asphalt", "dirt", "meadow")
        canvas.area(strip.corners(site.between(14, 50), site.between(8, 20)), kind, 0.1, site.root.heading_rad)
    path = smooth_path(points_of(site.at(-60, 3), site.at(0, 2), site.at(60, 4)))
    if site.chance(0.6):
        road(site, path, site.between(6, 9), site.between(0, 2))
    for forward in (-1, 0, 1):
        for right in (-1, 1):
            turn = math.pi / 2 if site.chance(0.5) else 0.0
            at = site.at(forward * 25 + site.between(-4, 4), right * site.between(16, 28), turn)
            what = site.rng.random()
            if what < 0.45:
                site.building(at, (12, 26), (9, 16), (4, 9), "flat", "flat", "metal", "gable")
            elif what < 0.7:
                parking(site, at, int(site.rng.integers(4, 10)), site.between(0.3, 0.9))
    for _ in range(int(site.rng.integers(0, 4))):
        stack = site.at(site.between(-28, 28), site.between(-28, 28))
        for i in range(int(site.rng.integers(1, 4))):
            spot = stack.moved(0, i * 2.6)
            if site.label(spot.north_m, spot.east_m) in ("paved", "gravel", "dirt"):
                canvas.building(spot, 6.1, 2.44, 2.6, "metal")  # containers
    for right in (-1, 1):
        if site.chance(0.5):
            ends = [site.at(-36, right * 34), site.at(36, right * 34)]
            path = points_of(*ends)
            canvas.wall(path, 0.25, 2.2, vary(site.rng, rgb(160, 155, 148), 0.15), "wall")
    trees(site, int(site.rng.integers(2, 16)), (0.8, 3.2))
    bushes(site, int(site.rng.integers(0, 10)))
    clutter(site, int(site.rng.integers(4, 18)))
    site.walks.append(across(site, 1.0, 0.5))


def _shore(site: PlaceLayout) -> None:
    canvas = site.canvas
    canvas.fill(site.pick("lawn", "meadow", "mown"))
    patches(site, 4, ("meadow", "trampled", "lawn"), (4, 11))
    edge = [site.at(float(f), site.between(-4, 4) + 10) for f in np.linspace(-70, 70, 8)]
    line = smooth_path(points_of(*edge))
    beach = site.pick("gravel", "dirt", "meadow", "slabs", "concrete", "ballast")
    raw = beach in ("gravel", "dirt", "meadow", "ballast")
    canvas.ribbon(line, site.between(2, 9), beach, 0.4 if raw else 0.0)
    far = [site.at(70, 90), site.at(-70, 90)]
    lake = np.vstack([line, points_of(*far)])
    canvas.area(lake, "water", 0.2 if raw else 0.0)
    walk = offset(line, -site.between(6, 12))
    kind = site.pick("asphalt", "gravel", "pavers", "concrete", "dirt")
    canvas.ribbon(walk, site.between(2, 5), kind, 0.15 if kind in ("gravel", "dirt") else 0)
    site.walks.append(walk)
    if site.chance(0.4):
        jetty = site.at(site.between(-20, 20), 12, math.pi / 2)
        canvas.area(jetty.corners(16, site.between(1.6, 3)), "concrete", 0, jetty.heading_rad)
    paths(site, int(site.rng.integers(0, 3)), (1.5, 3))
    if site.chance(0.5):
        canvas.building(
            site.at(site.between(-20, 20), site.between(-28, -12)),
            site.between(7, 14),
            site.between(6, 9),
            4.5,
            site.pick("gable", "hip", "flat", "metal"),
        )
    if site.chance(0.5):
        parking(site, site.at(site.between(-20, 20), -30), int(site.rng.integers(3, 9)), 0.6)
    tree_row(site, offset(walk, -4), site.between(6, 12), site.between(1.5, 3))
    grove(site, *site.somewhere(), site.between(5, 11), int(site.rng.integers(4, 20)))
    trees(site, int(site.rng.integers(4, 18)))
    bushes(site, int(site.rng.integers(0, 14)))
    clutter(site, int(site.rng.integers(0, 9)))


def _square(site: PlaceLayout) -> None:
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
                    grove(site, at.north_m, at.east_m, inner * 0.4, int(site.rng.integers(1, 6)))
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
                        tree(site, spot.north_m, spot.east_m, site.between(1, 2), ("dirt",))
            elif what < 0.88:
                parking(site, at, max(2, int(inner / 2.6)), site.between(0.3, 0.9))
    paths(site, int(site.rng.integers(0, 3)), (2, 4))
    if not site.walks:
        site.walks.append(across(site, 1.0))
    trees(site, int(site.rng.integers(0, 10)), (0.8, 2.6))
    bushes(site, int(site.rng.integers(0, 10)))
    clutter(site, int(site.rng.integers(4, 16)))


LAYOUTS: dict[str, Callable[[PlaceLayout], None]] = {
    "park": _park,
    "suburb": _suburb,
    "farm": _farm,
    "yard": _yard,
    "shore": _shore,
    "square": _square,
}
