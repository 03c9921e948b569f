"""Green places: parks, sports grounds, clearings in the forest, orchards."""

from __future__ import annotations

import math

import numpy as np

from sim.world.grid import Spot, blob, points_of
from sim.world.layout import bushes, clutter, grove, parking, patches, paths, stream, tree, tree_row, trees, water_body
from sim.world.materials import vary
from sim.world.scene_layout import SceneLayout
from sim.world.texture import rgb


def park(place: SceneLayout) -> None:
    """Lawns, groves, paths, a pond, people on the grass."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "mown", "meadow"))
    patches(place, place.count(8, 16), ("meadow", "lawn", "mown", "trampled", "slope"), (5, 17))
    if place.chance(0.65):
        water_body(place, *place.somewhere(0.6), place.between(6, 18))
    if place.chance(0.3):
        stream(place, place.between(1.5, 4))
    paths(place, place.count(2, 5), (1.8, 4.5))
    for walk in place.walks:
        place.strollers(walk, place.count(1, 5), 1.2)
    if place.chance(0.5):
        spot = place.at(place.between(-40, 40), place.between(-40, 40), place.pick_turn())
        canvas.building(spot, place.between(6, 14), place.between(5, 9), 4, place.pick("hip", "gable"))
    if place.walks:
        tree_row(place, place.walks[0] + 4.0, place.between(7, 12), 2.6)
    for _ in range(place.count(4, 9)):
        grove(place, *place.somewhere(), place.between(6, 16), place.count(8, 30))
    trees(place, place.count(20, 60))
    bushes(place, place.count(10, 50))
    if place.chance(0.4):
        place.crowd(place.at(place.between(-25, 25), place.between(-25, 25)), 9, place.count(5, 18), 0.2)
    place.groups(place.count(1, 6), 4)
    place.wanderers(place.count(1, 6))
    clutter(place, place.count(5, 16))


def _pitch(place: SceneLayout, spot: Spot) -> None:
    """A football pitch with its lines, sometimes with players."""
    length, width = place.between(64, 90), place.between(42, 56)
    kind = place.pick("turf", "mown", "turf")
    place.canvas.area(spot.corners(length + 6, width + 6), kind, 0.2, spot.heading_rad)
    place.outline(spot, length, width)
    place.outline(spot.moved(length / 2 - 5.5, 0), 11, width * 0.45)
    place.outline(spot.moved(5.5 - length / 2, 0), 11, width * 0.45)
    half = points_of(spot.moved(0, width / 2), spot.moved(0, -width / 2))
    white = vary(place.rng, rgb(222, 222, 218), 0.03)
    place.canvas.marking(half, 0.12, white)
    turn = np.linspace(0, 2 * math.pi, 40)
    ring = spot.place(np.column_stack([8 * np.cos(turn), 8 * np.sin(turn)]))
    place.canvas.marking(ring, 0.12, white)
    for end in (-1, 1):  # goals
        place.canvas.clutter(spot.moved(end * (length / 2 + 0.6), 0), 1.2, 6.0, 2.0)
    if place.chance(0.5):
        place.crowd(spot, width * 0.45, place.count(6, 22), 0.8)


def sports(place: SceneLayout) -> None:
    """Pitches, courts, a running track, a club house."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "mown", "meadow"))
    patches(place, 5, ("meadow", "lawn", "trampled"), (5, 12))
    if place.chance(0.45):  # a track around the first pitch
        turn = np.linspace(0, 2 * math.pi, 80)
        oval = np.column_stack([np.sign(np.cos(turn)) * 27 + 36 * np.cos(turn), 33 * np.sin(turn)])
        ring = place.at(0, 0).place(oval)
        canvas.ribbon(np.vstack([ring, ring[:1]]), 8.5, "court")
        white = vary(place.rng, rgb(222, 222, 218), 0.03)
        for lane in (-3, -1, 1, 3):
            centre = np.array([place.root.north_m, place.root.east_m])
            canvas.marking(centre + (ring - centre) * (1 + lane / 50), 0.08, white)
        place.strollers(ring, place.count(0, 4), 2.5)
        _small = place.at(0, 0)
        canvas.area(_small.corners(66, 40), "turf", 0, _small.heading_rad)
        place.outline(_small, 60, 36)
    else:
        _pitch(place, place.at(0, place.between(-6, 6)))
    if place.chance(0.6):
        _pitch(place, place.at(place.between(-4, 4), -70))
    for i in range(place.count(1, 4)):  # tennis
        court = place.at(-34 + i * 19, 58)
        canvas.area(court.corners(18.2, 36), "court", 0, court.heading_rad)
        place.outline(court, 8.2, 23.8, 0.08)
        net = [court.moved(-5, 0), court.moved(5, 0)]
        color = vary(place.rng, rgb(70, 74, 72))
        canvas.wall(points_of(*net), 0.15, 0.9, color, "wall")
        place.fence(court, 18.4, 36, 3.0)
        if place.chance(0.4):
            place.crowd(court, 6, place.count(2, 4), 0.7)
    canvas.building(
        place.at(52, 48, place.pick_turn()),
        place.between(16, 26),
        9,
        4.5,
        place.pick("flat", "metal", "gable", "green"),
    )
    parking(place, place.at(66, 8, math.pi / 2), place.count(6, 14), place.between(0.2, 0.9))
    for f in (-46, 0, 46):
        for r in (-30, 30):
            lamp = place.at(float(f), float(r))
            place.sketch.lamp(lamp.north_m, lamp.east_m, 16)
    tree_row(place, place.through(-38, 1.0), place.between(7, 14), 2.4)
    place.fringe(52, 26)
    trees(place, 18)
    place.groups(place.count(1, 4), 6)
    place.wanderers(place.count(1, 4))
    clutter(place, 10)


def clearing(place: SceneLayout) -> None:
    """A forest with glades of many sizes, a track, felled ground."""
    canvas = place.canvas
    canvas.fill(place.pick("meadow", "trampled", "dirt"))
    glades = []
    for _ in range(place.count(1, 4)):
        n, e = place.somewhere(0.55)
        radius = place.between(5, 19)
        kind = place.pick("meadow", "lawn", "mud", "trampled", "meadow")
        canvas.area(blob(place.rng, n, e, radius * 1.3), kind, 0.6)
        glades.append((n, e, radius))
        if place.chance(0.3):
            canvas.area(blob(place.rng, n, e, radius * place.between(0.3, 0.6)), "water", 0.3)
        if place.chance(0.3):
            hut = Spot(n + radius * 0.6, e, place.between(0, 3))
            canvas.building(hut, place.between(4, 8), place.between(4, 6), 3.5, "gable")
    way = place.through(place.between(-20, 20), 10)
    canvas.ribbon(way, place.between(2.5, 4), place.pick("gravel", "dirt"), 0.3)
    if place.chance(0.3):
        stream(place, place.between(1.5, 3))
    keep = [(float(n), float(e), 2.0) for n, e in way[::2]]
    place.forest(place.between(4.2, 5.6), (1.7, 3.6), np.array(glades + keep))
    place.strollers(way, place.count(0, 4), 0.6)
    for n, e, radius in glades:
        if place.chance(0.35):
            place.crowd(Spot(n, e), radius * 0.5, place.count(1, 5), 0.5)
    bushes(place, 25)
    clutter(place, 12)


def orchard(place: SceneLayout) -> None:
    """Rows of fruit trees or vines with grass between, some plots left free."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "meadow", "mown"))
    vines = place.chance(0.4)
    row_m = place.between(2.2, 3.2) if vines else place.between(5, 8)
    step_m = 0.0 if vines else place.between(3.5, 6)
    green = canvas.palette.trees[0]
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            if place.chance(0.25):
                kind = place.pick("meadow", "stubble", "mown", "dirt")
                place.box(i * 54, j * 54, 46, 46, kind, 0.3)
                continue
            for right in np.arange(-23, 23.1, row_m):
                if vines:
                    row = place.path((i * 54 - 23, j * 54 + right), (i * 54 + 23, j * 54 + right), smooth=False)
                    canvas.wall(row, place.between(0.6, 0.9), 1.6, green, "tree")
                    continue
                for forward in np.arange(-23, 23.1, step_m):
                    if place.chance(0.94):
                        at = place.at(i * 54 + float(forward), j * 54 + float(right))
                        radius = place.between(1.1, 1.9)
                        tree(place, at.north_m, at.east_m, radius, ("grass", "dirt"))
    for right in (-27, 27):
        way = place.through(right, 0.5)
        canvas.ribbon(way, place.between(2.6, 4), place.pick("gravel", "dirt", "trampled"), 0.25)
        place.strollers(way, place.count(0, 3), 0.6)
    canvas.building(place.at(54, place.between(-20, 20)), place.between(10, 18), 8, 5, place.pick("gable", "metal"))
    place.groups(place.count(1, 4), 3)
    clutter(place, place.count(4, 20))


FAMILIES = {"park": park, "sports": sports, "clearing": clearing, "orchard": orchard}
