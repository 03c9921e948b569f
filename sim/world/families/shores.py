"""Places at the water: lakes, rivers, beaches, swimming baths."""

from __future__ import annotations

import math

import numpy as np

from sim.world.grid import Spot, blob, points_of, smooth_path
from sim.world.layout import bushes, clutter, grove, offset, parking, patches, paths, swimming_pool, tree_row, trees
from sim.world.scene_layout import SceneLayout


def _boats(place: SceneLayout, count: int) -> None:
    for _ in range(count):
        n, e = place.somewhere(0.9)
        if place.label(n, e) == "water":
            boat = Spot(n, e, place.between(0, 6.2))
            place.canvas.building(boat, place.between(4, 9), place.between(1.8, 3), 1.6, "flat")


def lake(place: SceneLayout) -> None:
    """A lake with bays and islands, reeds, jetties, a path around it."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "meadow", "mown"))
    patches(place, 12, ("meadow", "trampled", "lawn", "slope"), (5, 15))
    far = place.between(15, 55)
    middle = place.at(far, place.between(-10, 10))
    outline = blob(place.rng, middle.north_m, middle.east_m, place.between(30, 56), 0.35)
    centre = np.array([middle.north_m, middle.east_m])
    bank = place.pick("sand", "gravel", "mud", "meadow")
    canvas.area(centre + (outline - centre) * 1.06, bank, 0.5)
    canvas.area(outline, "water", 0.3)
    for _ in range(place.count(0, 3)):  # islands
        at = middle.moved(place.between(-22, 22), place.between(-22, 22))
        isle = blob(place.rng, at.north_m, at.east_m, place.between(3, 9))
        canvas.area(isle, place.pick("meadow", "sand", "lawn"), 0.4)
        if place.chance(0.5):
            grove(place, at.north_m, at.east_m, 4, place.count(1, 5))
    path = np.vstack([centre + (outline - centre) * 1.22, centre + (outline[:1] - centre) * 1.22])
    canvas.ribbon(smooth_path(path[::4].tolist()), place.between(1.8, 3), place.pick("gravel", "dirt", "asphalt"), 0.1)
    place.walks.append(path)
    place.strollers(path, place.count(1, 6), 0.7)
    for _ in range(place.count(0, 2)):
        i = place.count(0, len(outline) - 1)
        n, e = outline[i]
        jetty = Spot(float(n), float(e), math.atan2(centre[1] - e, centre[0] - n))
        canvas.area(jetty.moved(3, 0).corners(14, place.between(1.8, 3)), "deck", 0, jetty.heading_rad)
    for _ in range(place.count(4, 9)):
        grove(place, *place.somewhere(), place.between(6, 14), place.count(6, 26))
    trees(place, 30)
    _boats(place, place.count(0, 6))
    place.groups(place.count(1, 5), 4)
    bushes(place, 30)
    clutter(place, 8)


def river(place: SceneLayout) -> None:
    """A river with banks, meadows and towpaths, a bridge with traffic."""
    canvas = place.canvas
    canvas.fill(place.pick("meadow", "lawn", "mown"))
    patches(place, 14, ("meadow", "trampled", "lawn", "dirt"), (5, 16))
    line = place.through(place.between(-12, 12), 9)
    width = place.between(10, 34)
    widths = width * (1 + 0.16 * np.sin(np.linspace(0, place.between(5, 14), len(line))))
    canvas.ribbon(line, widths + place.between(8, 16), place.pick("slope", "meadow", "slope"), 0.5)
    canvas.ribbon(line, widths + place.between(1, 5), place.pick("gravel", "mud", "sand"), 0.6)
    canvas.ribbon(line, widths, "river", 0.2)
    for _ in range(place.count(0, 3)):  # gravel bars
        n, e = line[place.count(len(line) // 4, 3 * len(line) // 4)]
        bar = blob(place.rng, float(n), float(e), place.between(3, 7), 0.35)
        canvas.area(bar, place.pick("gravel", "sand"), 0.4)
    for side in (-1, 1):
        walk = offset(line, side * (width / 2 + place.between(12, 20)))
        canvas.ribbon(walk, place.between(2, 3.5), place.pick("gravel", "asphalt", "dirt"), 0.1)
        place.strollers(walk, place.count(1, 5), 0.8)
        tree_row(place, offset(walk, side * 4), place.between(8, 18), place.between(1.8, 3.2))
    if place.chance(0.6):
        bridge = place.path(*((place.between(-1, 1), float(r)) for r in np.linspace(-130, 130, 7)))
        place.street(bridge, place.between(7, 9), 1.6, place.between(4, 16))
    for _ in range(place.count(3, 8)):
        grove(place, *place.somewhere(), place.between(6, 14), place.count(5, 22))
    trees(place, 25)
    place.groups(place.count(1, 4), 3)
    place.wanderers(place.count(0, 4))
    bushes(place, 35)
    clutter(place, 8)


def beach(place: SceneLayout) -> None:
    """Sea, surf, sand with bathers, dunes, a promenade."""
    canvas = place.canvas
    canvas.fill(place.pick("meadow", "lawn", "sand"))
    edge = place.between(2, 26)
    strand = place.between(16, 40)
    shore = place.path(*((float(f), edge + place.between(-4, 4)) for f in np.linspace(-140, 140, 10)))
    far = [place.at(140, 200), place.at(-140, 200)]
    sea = np.vstack([shore, points_of(*far)])
    canvas.ribbon(offset(shore, -strand / 2), strand + 6, "sand", 0.8)
    canvas.area(sea, "sand", 0.3)
    canvas.area(sea, "sea", 0.6, place.root.heading_rad)
    for _ in range(place.count(3, 8)):  # dunes
        at = place.at(place.between(-75, 75), edge - strand - place.between(4, 14))
        dune = blob(place.rng, at.north_m, at.east_m, place.between(4, 10), 0.35)
        canvas.area(dune, place.pick("slope", "meadow", "sand"), 0.8)
    walk = offset(shore, -(strand + place.between(18, 24)))
    canvas.ribbon(walk, place.between(3, 6), place.pick("deck", "pavers", "concrete", "slabs"))
    place.strollers(walk, place.count(2, 8), 1.3)
    place.strollers(offset(shore, -4), place.count(1, 5), 1.5)
    for _ in range(place.count(2, 12)):  # bathers
        at = place.at(place.between(-75, 75), edge - place.between(4, strand))
        place.crowd(at, 2.5, place.count(1, 5), 0.2)
        if place.chance(0.6):
            towel = Spot(at.north_m + 1.0, at.east_m, place.between(0, 3))
            canvas.clutter(towel, 1.9, 0.9, 0.4)
    if place.chance(0.6):
        bar = place.at(place.between(-50, 50), edge - strand - 8)
        canvas.building(bar, 9, 6, 3.5, place.pick("hip", "flat", "metal"))
    parking(place, place.at(place.between(-30, 30), edge - strand - 44), place.count(6, 15), 0.7)
    place.street(offset(shore, -(strand + 62)), 7, 1.6, place.between(2, 14))
    _boats(place, place.count(0, 4))
    trees(place, 12, (0.8, 2.4))
    bushes(place, 40)
    clutter(place, 12)


def pools(place: SceneLayout) -> None:
    """Swimming baths: basins in paving and lawns, and many people."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "mown"))
    patches(place, 6, ("lawn", "meadow", "mown", "trampled"), (5, 12))
    paths(place, 2, (1.8, 3))
    place.box(0, 0, place.between(50, 72), place.between(34, 50), place.pick("slabs", "pavers", "concrete"))
    main = place.at(0, place.between(-4, 4))
    canvas.area(main.corners(51, 22.5), "concrete", 0, main.heading_rad)
    canvas.area(main.corners(50, 21), "pool", 0, main.heading_rad)
    for lane in range(-3, 4):
        ends = [main.moved(-24, lane * 2.6), main.moved(24, lane * 2.6)]
        dark = (120.0, 90.0, 40.0)
        canvas.marking(points_of(*ends), 0.2, dark, 0.6)
    for _ in range(place.count(1, 4)):
        at = place.at(place.between(-55, 55), place.pick_value(-1, 1) * place.between(32, 58), place.pick_turn())
        swimming_pool(place, at)
    canvas.building(place.at(48, 0, math.pi / 2), place.between(30, 50), 9, 4.5, place.pick("flat", "metal"))
    for _ in range(place.count(3, 10)):
        n, e = place.somewhere(0.65)
        place.crowd(Spot(n, e), place.between(2, 7), place.count(1, 7), 0.35)
    place.wanderers(place.count(2, 9), 0.6)
    hedge = place.at(0, 0)
    place.fence(hedge, 140, 136, 2.0)
    tree_row(place, place.through(60, 1), 8, 2.6)
    for _ in range(5):
        grove(place, *place.somewhere(), 9, place.count(4, 14))
    trees(place, 20)
    clutter(place, 30)


FAMILIES = {"lake": lake, "river": river, "beach": beach, "pools": pools}
