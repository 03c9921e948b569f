"""Built-up places: courtyards, streets, squares, suburbs, car parks, roofs."""

from __future__ import annotations

import math

import numpy as np

from sim.world.grid import Spot, blob
from sim.world.layout import bushes, clutter, grove, house_lot, offset, parking, tree, tree_row
from sim.world.materials import vary
from sim.world.scene_layout import SceneLayout
from sim.world.texture import rgb

_FLAT_ROOFS = ("flat", "flat", "flat", "metal", "hip", "gable", "green")


def _perimeter_block(place: SceneLayout, middle: Spot, length_m: float, width_m: float) -> None:
    """Four wings around a yard, with a gateway here and there."""
    depth = place.between(9, 13)
    height = place.between(7, 19)
    roof = place.pick("hip", "gable", "flat", "flat")
    for side in (-1, 1):
        wing = middle.moved(side * (length_m - depth) / 2, 0, math.pi / 2)
        place.canvas.building(wing, width_m, depth, height, roof)
        wing = middle.moved(0, side * (width_m - depth) / 2)
        inner = length_m - 2 * depth
        if place.chance(0.3):  # a gateway
            gap, part = 4.0, (inner - 4.0) / 2
            for end in (-1, 1):
                at = wing.moved(end * (part + gap) / 2, 0)
                place.canvas.building(at, part, depth, height, roof)
        else:
            place.canvas.building(wing, inner, depth, height, roof)
    _courtyard_floor(place, middle, length_m - 2 * depth, width_m - 2 * depth)


def _courtyard_floor(place: SceneLayout, middle: Spot, length_m: float, width_m: float) -> None:
    canvas = place.canvas
    kind = place.pick("lawn", "slabs", "gravel", "cobbles", "mown", "pavers")
    canvas.area(middle.corners(length_m, width_m), kind, 0, middle.heading_rad)
    if place.chance(0.5):
        inner = place.pick("lawn", "meadow", "gravel", "slabs")
        share = place.between(0.45, 0.75)
        canvas.area(middle.corners(length_m * share, width_m * share), inner, 0.1, middle.heading_rad)
    for _ in range(place.count(0, 6)):
        at = middle.moved(place.between(-0.42, 0.42) * length_m, place.between(-0.42, 0.42) * width_m)
        tree(place, at.north_m, at.east_m, place.between(0.8, 3.2), ("grass", "dirt", "gravel", "paved"))
    for _ in range(place.count(0, 4)):
        at = middle.moved(place.between(-0.45, 0.45) * length_m, place.between(-0.45, 0.45) * width_m)
        canvas.clutter(Spot(at.north_m, at.east_m, place.between(0, 3)), 1.8, 0.6, 0.6)
    if place.chance(0.35):
        side = place.between(-0.3, 0.3) * width_m
        for i in range(place.count(1, 4)):
            canvas.car(middle.moved(length_m / 2 - 3.5, side + i * 2.6 - 4))
    if place.chance(0.5):
        place.crowd(middle, min(length_m, width_m) * 0.3, place.count(1, 7), 0.4)


def courtyard(place: SceneLayout) -> None:
    """City blocks around yards, streets between."""
    canvas = place.canvas
    canvas.fill(place.pick("slabs", "asphalt", "concrete", "cobbles"), place.root.heading_rad)
    length, width = place.between(48, 66), place.between(46, 62)
    lane = place.between(7, 9)
    gap = lane + place.between(5, 8)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            middle = place.at(i * (length + gap), j * (width + gap))
            _perimeter_block(place, middle, length, width)
    for side in (-0.5, 0.5):
        place.street(place.through(side * (width + gap)), lane, 1.8, place.between(2, 12))
    across_path = place.path(
        *((side, r) for side, r in ((-(length + gap) / 2, float(r)) for r in np.linspace(-130, 130, 9)))
    )
    place.street(across_path, lane, 1.8, place.between(0, 8))


def street(place: SceneLayout) -> None:
    """An avenue with traffic between blocks and green verges."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "mown", "meadow"))
    road_m = place.between(8, 14)
    verge = place.between(4, 14)
    path = place.through(0.0, 2.5)
    crossing = place.between(-20, 20) if place.chance(0.6) else None
    for side in (-1, 1):
        walk = offset(path, side * (road_m / 2 + verge + 1.5))
        canvas.ribbon(walk, place.between(2, 3.5), place.pick("asphalt", "pavers", "slabs"))
        place.walks.append(walk)
        place.strollers(walk, place.count(1, 5), 1.0)
        tree_row(place, offset(path, side * (road_m / 2 + verge * 0.5)), place.between(8, 16), place.between(1.5, 3))
        for i in range(-3, 4):
            what = place.rng.random()
            along = i * 27 + place.between(-3, 3)
            at = place.at(along, side * (road_m / 2 + verge + place.between(16, 22)))
            if crossing is not None and abs(along - crossing) < 20:
                continue
            if what < 0.55:
                place.building(at, (14, 23), (10, 16), (5, 16), *_FLAT_ROOFS)
            elif what < 0.75:
                parking(place, at, place.count(4, 8), place.between(0.2, 0.9))
            elif what < 0.9:
                grove(place, at.north_m, at.east_m, 8, place.count(3, 9))
    place.street(path, road_m, 0.0, place.between(10, 40), place.between(8, 14))
    if crossing is not None:
        bends = [(crossing + place.between(-2, 2), float(r)) for r in np.linspace(-130, 130, 9)]
        place.street(place.path(*bends), place.between(6, 8), 1.5, place.between(4, 14))
    place.fringe(road_m / 2 + verge + 30, 30)
    bushes(place, 20)
    clutter(place, 8)


def plaza(place: SceneLayout) -> None:
    """A town square with many people, stalls and a fountain."""
    canvas = place.canvas
    canvas.fill(place.pick("slabs", "cobbles", "pavers"), place.root.heading_rad)
    side = place.between(48, 76)
    for i in range(-2, 3):
        for j in range(-2, 3):
            if max(abs(i), abs(j)) == 2 or (max(abs(i), abs(j)) == 1 and place.chance(0.25)):
                at = place.at(i * side / 2.1, j * side / 2.1)
                canvas.building(
                    at, side / 2.9, side / place.between(2.9, 3.6), place.between(8, 20), place.pick(*_FLAT_ROOFS)
                )
    for _ in range(place.count(0, 3)):
        spot = place.at(place.between(-0.3, 0.3) * side, place.between(-0.3, 0.3) * side)
        lawn = spot.corners(place.between(9, 20), place.between(8, 15))
        canvas.area(lawn, place.pick("lawn", "mown", "gravel"), 0, place.root.heading_rad)
    if place.chance(0.6):
        n, e = (place.root.north_m, place.root.east_m)
        canvas.area(blob(place.rng, n, e, place.between(4, 6), 0.03), "concrete")
        canvas.area(blob(place.rng, n, e, place.between(2.5, 3.8), 0.03), "pool")
    for _ in range(place.count(0, 2)):
        row = place.at(place.between(-0.3, 0.3) * side, place.between(-0.3, 0.3) * side, place.pick_turn())
        for i in range(place.count(3, 8)):  # market stalls
            stall = row.moved(0, i * 4.2 - 12)
            canvas.building(stall, 3.0, 3.0, 2.5, place.pick("hip", "metal", "gable"))
    for _ in range(place.count(4, 14)):
        at = place.at(place.between(-0.45, 0.45) * side, place.between(-0.45, 0.45) * side)
        canvas.area(at.corners(1.6, 1.6), "dirt")
        tree(place, at.north_m, at.east_m, place.between(1.2, 2.6), ("dirt",))
    place.walks += [place.through(place.between(-15, 15), 3) for _ in range(3)]
    for walk in place.walks:
        place.strollers(walk, place.count(2, 7), 2.5)
    for _ in range(place.count(1, 4)):
        spot = place.at(place.between(-0.35, 0.35) * side, place.between(-0.35, 0.35) * side)
        place.crowd(spot, place.between(3, 10), place.count(4, 16), 0.35)
    for _ in range(8):
        lamp = place.at(place.between(-0.4, 0.4) * side, place.between(-0.4, 0.4) * side)
        place.sketch.lamp(lamp.north_m, lamp.east_m)
    clutter(place, place.count(6, 22))


def suburb(place: SceneLayout) -> None:
    """Houses with gardens and pools along streets."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "mown", "meadow"))
    lot_m, depth = place.between(15, 22), place.between(24, 33)
    road_m, walk = place.between(5.5, 7.5), place.pick_value(0.0, 1.4, 1.8)
    block = 2 * depth + road_m + 2 * walk + 2
    count = math.ceil(place.half_m * 1.5 / lot_m)
    empty = {(place.count(-1, 1), place.count(-2, 2)) for _ in range(place.count(1, 3))}
    for street_no in (-1, 0, 1):
        right = street_no * block
        place.street(place.through(right, 1.0), road_m, walk, place.between(0, 6), 7.0)
        for side in (-1, 1):
            for i in range(-count, count + 1):
                near = right + side * (road_m / 2 + walk + 1)
                lot = place.at(i * lot_m, near, side * math.pi / 2)
                inside = max(abs(lot.north_m), abs(lot.east_m)) < place.half_m + 20
                if inside and not ((street_no, i) in empty and side == 1):
                    house_lot(place, lot, depth, lot_m)
    place.wanderers(place.count(2, 8))
    place.groups(place.count(1, 4), 3)
    bushes(place, 25)
    clutter(place, 8)


def carpark(place: SceneLayout) -> None:
    """A shopping centre: rows of bays, a hall, cars that look for a place."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "asphalt", "meadow", "gravel"))
    rows = place.count(3, 6)
    full = place.between(0.15, 0.95)
    bays = place.count(14, 26)
    place.box(0, 0, bays * 2.6 + 16, rows * 17 + 14, "asphalt")
    for row in range(rows):
        right = (row - (rows - 1) / 2) * 17
        parking(place, place.at(0, right), bays, full * place.between(0.5, 1.2))
        if place.chance(0.4):  # an island of trees
            for f in np.arange(-bays * 1.3, bays * 1.3, 9.0):
                spot = place.at(float(f), right + 8.5)
                canvas.area(spot.corners(6, 1.5), place.pick("lawn", "dirt"), 0, spot.heading_rad)
                tree(place, spot.north_m, spot.east_m, place.between(1, 2.2), ("grass", "dirt"))
        if place.chance(0.5):
            lane = place.path((-bays * 1.3 - 5, right), (bays * 1.3 + 5, right), smooth=False)
            place.driveway(lane, 0.5, "asphalt", 1)
    hall = place.at(bays * 1.3 + place.between(28, 34), 0)
    canvas.building(hall, place.between(28, 36), rows * 14, place.between(7, 11), place.pick("flat", "metal", "green"))
    place.street(place.through(-(rows * 8.5 + 20), 1.0), 8, 1.6, place.between(6, 24))
    for _ in range(place.count(2, 5)):
        place.wanderers(2, 0.5)
    for f in np.arange(-40, 41, 20.0):
        lamp = place.at(float(f), 0)
        place.sketch.lamp(lamp.north_m, lamp.east_m, 12)
    place.fringe(rows * 8.5 + 16, 40)
    clutter(place, 10)


def roofs(place: SceneLayout) -> None:
    """A dense old town: hardly any ground between the roofs."""
    canvas = place.canvas
    canvas.fill(place.pick("cobbles", "road", "slabs", "road"), place.root.heading_rad)
    cell = place.between(15, 20)
    square = (place.count(-1, 1), place.count(-1, 1)) if place.chance(0.5) else (99, 99)
    for i in range(-6, 7):
        for j in range(-6, 7):
            at = place.at(i * cell + place.between(-1, 1), j * cell + place.between(-1, 1), place.pick_turn())
            if (i, j) == square or max(abs(at.north_m), abs(at.east_m)) > place.half_m + 12:
                continue
            if place.chance(0.02):
                yard = at.corners(cell * 0.8, cell * 0.7)
                canvas.area(yard, place.pick("lawn", "gravel", "slabs"))
                continue
            length, width = cell - place.between(1.5, 3.5), cell - place.between(2, 5)
            roof = place.pick("gable", "hip", "gable", "flat")
            canvas.building(at, length, width, place.between(6, 14), roof)
    for _ in range(3):
        walk = place.through(place.count(-3, 3) * cell + cell / 2, 0.5)
        place.strollers(walk, place.count(1, 3), 0.5)
        place.sketch.lamp(*place.somewhere(0.6))
    color = vary(place.rng, rgb(180, 176, 170))
    place.sketch.wall(place.path((-20, cell / 2), (20, cell / 2)), 0.3, 2.0, color, "wall")
    clutter(place, 20)


FAMILIES = {
    "courtyard": courtyard,
    "street": street,
    "plaza": plaza,
    "suburb": suburb,
    "carpark": carpark,
    "roofs": roofs,
}
