"""Working places: industry, harbours, railways, building sites."""

from __future__ import annotations

import math

from sim.world.grid import blob, points_of
from sim.world.layout import bushes, clutter, offset, parking, patches, ruts, trees
from sim.world.materials import vary
from sim.world.scene_layout import SceneLayout
from sim.world.texture import rgb


def _containers(place: SceneLayout, forward_m: float, right_m: float, rows: int, columns: int) -> None:
    """Stacks of containers in blocks."""
    for i in range(rows):
        for j in range(columns):
            if place.chance(0.8):
                at = place.at(forward_m + i * 6.5, right_m + j * 2.7)
                place.canvas.building(at, 6.1, 2.44, 2.6 * place.count(1, 3), "metal")


def industry(place: SceneLayout) -> None:
    """Halls, yards, containers, lorries."""
    canvas = place.canvas
    canvas.fill(place.pick("concrete", "asphalt", "gravel", "ballast"))
    patches(place, place.count(5, 12), ("gravel", "dirt", "meadow", "concrete", "asphalt"), (4, 14))
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            at = place.at(i * 48 + place.between(-5, 5), j * 46 + place.between(-5, 5))
            what = place.rng.random()
            if what < 0.5:
                length, width = place.between(20, 38), place.between(16, 26)
                roof = place.pick("metal", "flat", "metal", "gable")
                canvas.building(at, length, width, place.between(6, 12), roof)
            elif what < 0.65:
                _containers(place, i * 48 - 12, j * 46 - 8, place.count(1, 4), place.count(2, 6))
            elif what < 0.8:
                parking(place, at, place.count(6, 11), place.between(0.3, 0.9))
            elif what < 0.9:
                for _ in range(place.count(2, 5)):  # heaps of bulk
                    heap = at.moved(place.between(-13, 13), place.between(-13, 13))
                    outline = blob(place.rng, heap.north_m, heap.east_m, place.between(3, 6), 0.12)
                    canvas.area(outline, "scree", 0.3)
            else:
                place.box(i * 48, j * 46, 30, 26, place.pick("lawn", "meadow"), 0.2)
    place.street(place.through(23, 1.0), place.between(7, 9), 0, place.between(4, 16), 8.0)
    place.driveway(place.through(-23, 1.0), 5.0, "concrete", place.count(1, 3))
    spot = place.at(0, 0)
    place.fence(spot, 150, 148, 2.4)
    place.wanderers(place.count(2, 8))
    place.groups(place.count(1, 3), 3)
    place.fringe(58, 16)
    trees(place, place.count(6, 20), (0.8, 3.0))
    bushes(place, 12)
    clutter(place, place.count(12, 35))


def harbour(place: SceneLayout) -> None:
    """A quay: water along one side, a wide apron, cranes' rails, sheds."""
    canvas = place.canvas
    canvas.fill(place.pick("concrete", "asphalt", "slabs"), place.root.heading_rad)
    edge = place.between(2, 18)
    basin = [place.at(f, edge) for f in (-140, 140)] + [place.at(f, 190) for f in (140, -140)]
    outline = points_of(*basin)
    canvas.area(outline, place.pick("water", "sea"), 0, place.root.heading_rad)
    quay = place.path((-140, edge - 0.5), (140, edge - 0.5), smooth=False)
    canvas.ribbon(quay, 1.0, "concrete")
    if place.chance(0.6):  # a pier, or two
        for _ in range(place.count(1, 2)):
            pier = place.at(place.between(-50, 50), edge + 19, math.pi / 2)
            canvas.area(pier.corners(40, place.between(4, 12)), place.pick("concrete", "deck"), 0, pier.heading_rad)
    dark = rgb(70, 66, 62)
    for right in (edge - 4, edge - 14):
        canvas.marking(place.path((-140, right), (140, right), smooth=False), 0.25, dark, 0.9)
    for _ in range(place.count(1, 4)):  # boats
        boat = place.at(place.between(-65, 65), edge + place.between(3, 6))
        canvas.building(boat, place.between(7, 16), place.between(2.5, 4.5), 2.5, place.pick("metal", "flat"))
    for i in (-2, -1, 0, 1, 2):
        what = place.rng.random()
        if what < 0.35:
            shed = place.at(i * 34, edge - place.between(34, 46))
            place.building(shed, (18, 28), (12, 18), (6, 10), "metal", "flat", "gable")
        elif what < 0.7:
            _containers(place, i * 34 - 10, edge - 42, place.count(1, 3), place.count(2, 6))
    place.driveway(place.through(edge - 24, 0.5), 6.0, "asphalt", place.count(1, 4))
    place.street(place.through(edge - 62, 1.0), 7.5, 1.5, place.between(2, 14))
    place.strollers(offset(quay, -3), place.count(1, 4), 1.0)
    place.wanderers(place.count(1, 5))
    clutter(place, place.count(10, 30))


def railway(place: SceneLayout) -> None:
    """Tracks and sidings through a town's edge."""
    canvas = place.canvas
    canvas.fill(place.pick("meadow", "lawn", "gravel"))
    patches(place, 14, ("meadow", "lawn", "gravel", "dirt", "trampled"), (4, 14))
    tracks = place.count(2, 6)
    rail = vary(place.rng, rgb(132, 112, 98))
    base = place.through(0.0, 2.0)
    canvas.ribbon(base, tracks * 4.6 + 6, place.pick("gravel", "ballast", "meadow"), 0.4)
    for i in range(tracks):
        line = offset(base, (i - (tracks - 1) / 2) * 4.6)
        canvas.ribbon(line, 3.2, "track", 0.15)
        for side in (-0.72, 0.72):
            canvas.marking(offset(line, side), 0.12, rail, 0.95)
        if place.chance(0.3):  # waggons
            start = place.count(20, max(21, len(line) - 40))
            for k in range(place.count(2, 5)):
                n, e = line[min(start + k * 2, len(line) - 2)]
                step = line[min(start + k * 2 + 1, len(line) - 1)] - line[min(start + k * 2, len(line) - 2)]
                spot = type(place.root)(float(n), float(e), math.atan2(step[1], step[0]))
                canvas.building(spot, 15, 2.9, 3.8, place.pick("metal", "flat"))
    side = 1 if place.chance(0.5) else -1
    for i in (-2, -1, 0, 1, 2):
        at = place.at(i * 32, side * (tracks * 2.3 + place.between(22, 34)))
        if place.chance(0.5):
            place.building(at, (12, 24), (9, 15), (4, 9), "metal", "gable", "flat")
        elif place.chance(0.4):
            parking(place, at, place.count(4, 8), 0.6)
    way = offset(base, -side * (tracks * 2.3 + place.between(12, 20)))
    canvas.ribbon(way, 3, place.pick("dirt", "gravel"), 0.2)
    place.strollers(way, place.count(1, 5), 0.6)
    place.street(offset(base, side * (tracks * 2.3 + 55)), 7, 1.6, place.between(4, 18))
    place.fringe(26, 30)
    place.wanderers(place.count(1, 4))
    bushes(place, 40)
    clutter(place, 10)


def construction(place: SceneLayout) -> None:
    """A building site: mud, a pit, heaps, shells of houses, machines."""
    canvas = place.canvas
    canvas.fill(place.pick("dirt", "mud", "gravel"))
    patches(place, place.count(10, 18), ("mud", "gravel", "dirt", "meadow", "furrows"), (4, 15))
    for _ in range(place.count(2, 5)):
        heap = place.at(place.between(-60, 60), place.between(-60, 60))
        outline = blob(place.rng, heap.north_m, heap.east_m, place.between(4, 9), 0.2)
        canvas.area(outline, place.pick("scree", "slope"), 0.4)
    pit = place.at(place.between(-35, 35), place.between(-35, 35))
    length, width = place.between(18, 34), place.between(14, 26)
    canvas.area(pit.corners(length + 7, width + 7), "slope", 0.5, pit.heading_rad)
    canvas.area(pit.corners(length, width), place.pick("concrete", "mud", "water"), 0.2, pit.heading_rad)
    for _ in range(place.count(2, 5)):
        at = place.at(place.between(-65, 65), place.between(-65, 65))
        canvas.building(at, place.between(12, 22), place.between(9, 15), place.between(3, 12), "flat")
    for _ in range(place.count(2, 4)):
        way = place.through(place.between(-50, 50), 9)
        canvas.ribbon(way, place.between(4, 6), place.pick("gravel", "dirt", "ballast"), 0.4)
        ruts(place, way)
        place.walks.append(way)
        place.strollers(way, place.count(1, 3), 1.5)
    for _ in range(place.count(3, 9)):
        at = place.at(place.between(-60, 60), place.between(-60, 60), place.between(0, 6))
        if place.label(at.north_m, at.east_m) in ("dirt", "gravel", "grass"):
            canvas.building(at, place.between(4, 7), 2.6, 2.8, "metal")
    place.groups(place.count(1, 5), 4)
    clutter(place, place.count(25, 60))
    place.street(place.through(70, 1.0), 7, 1.5, place.between(4, 12))


FAMILIES = {"industry": industry, "harbour": harbour, "railway": railway, "construction": construction}
