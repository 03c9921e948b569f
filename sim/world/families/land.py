"""Open land: fields, slopes, narrow strips between what may not be used."""

from __future__ import annotations

import numpy as np

from sim.world.grid import Spot, blob
from sim.world.layout import across, bushes, clutter, grove, offset, patches, ruts, stream, tree_row, trees, water_body
from sim.world.materials import vary
from sim.world.scene_layout import SceneLayout
from sim.world.texture import rgb


def farmland(place: SceneLayout) -> None:
    """Fields of standing crops, stubble, pasture; tracks, hedges, a farm."""
    canvas = place.canvas
    canvas.fill(place.pick("meadow", "lawn", "stubble"))
    crops = ("wheat", "maize", "rapeseed", "stubble", "furrows", "meadow", "mown", "wheat", "dirt")
    cuts = np.cumsum([place.between(26, 60) for _ in range(7)])
    forward = -125.0
    for depth in np.diff(np.concatenate([[0.0], cuts])):
        right = -125.0
        while right < 125:
            width = place.between(22, 70)
            kind = place.pick(*crops)
            if place.chance(0.88):
                spot = place.at(forward + depth / 2, right + width / 2)
                angle = place.root.heading_rad + place.pick_turn()
                edge = place.between(0.5, 3.0)
                canvas.area(spot.corners(depth - edge, width - edge), kind, 0.35, angle)
            right += width
        forward += depth
    for _ in range(place.count(1, 3)):
        way = place.through(place.between(-50, 50), 4)
        canvas.ribbon(way, place.between(2.8, 4.5), place.pick("dirt", "gravel", "trampled"), 0.25)
        ruts(place, way)
        place.walks.append(way)
        place.strollers(way, place.count(0, 3), 0.8)
    yard = place.at(place.between(-45, 45), place.between(-45, 45))
    canvas.area(
        blob(place.rng, yard.north_m, yard.east_m, place.between(15, 24), 0.15),
        place.pick("gravel", "concrete", "dirt"),
        0.3,
    )
    for _ in range(place.count(2, 5)):
        at = yard.moved(place.between(-17, 17), place.between(-17, 17), place.pick_turn())
        place.building(at, (12, 28), (8, 13), (4, 8), "metal", "gable", "hip")
    if place.chance(0.35):
        water_body(place, *place.somewhere(0.8), place.between(5, 12))
    if place.chance(0.35):
        stream(place, place.between(1.5, 4))
    for _ in range(place.count(1, 4)):
        tree_row(place, across(place, 3, 0.9), place.between(2.5, 9), place.between(1.3, 2.8))
    for _ in range(place.count(5, 25)):
        n, e = place.somewhere()
        if place.label(n, e) == "dirt":
            canvas.clutter(Spot(n, e, place.between(0, 3)), 1.6, 1.4, 1.3)  # bales
    if place.chance(0.5):
        place.street(place.through(place.pick_value(-1, 1) * 68, 2), 6.5, 0, place.between(1, 8), 16.0, False)
    place.groups(place.count(0, 3), 3)
    place.wanderers(place.count(0, 3))
    grove(place, *place.somewhere(), 10, 15)


def hillside(place: SceneLayout) -> None:
    """Steep banks, scree and terraces with level ground between."""
    canvas = place.canvas
    canvas.fill(place.pick("meadow", "lawn", "meadow"))
    patches(place, 10, ("meadow", "lawn", "trampled", "gravel"), (5, 14))
    right = -100.0
    while right < 100:
        bank = place.between(5, 26)
        level = place.between(7, 30)
        line = place.through(right + bank / 2, place.between(1, 6))
        widths = bank * (1 + 0.3 * np.sin(np.linspace(0, place.between(3, 12), len(line))))
        canvas.ribbon(line, widths, place.pick("slope", "slope", "scree"), 0.6, place.root.heading_rad)
        if place.chance(0.3):
            wall = offset(line, bank * 0.62)
            canvas.wall(wall, 0.4, 0.8, vary(place.rng, rgb(150, 142, 130)), "wall")
        right += bank + level
    for _ in range(place.count(2, 7)):  # outcrops
        n, e = place.somewhere(0.9)
        rock = blob(place.rng, n, e, place.between(2, 7), 0.35)
        canvas.area(rock, "scree", 0.3)
    way = across(place, 9, 0.5)
    canvas.ribbon(way, place.between(1.5, 3), place.pick("gravel", "dirt"), 0.2)
    place.strollers(way, place.count(1, 5), 0.6)
    if place.chance(0.4):
        stream(place, place.between(1.2, 3))
    if place.chance(0.5):
        hut = Spot(*place.somewhere(0.5), place.between(0, 3))
        canvas.building(hut, place.between(6, 11), place.between(5, 8), 4, place.pick("gable", "metal"))
    for _ in range(place.count(3, 9)):
        grove(place, *place.somewhere(), place.between(6, 14), place.count(4, 22))
    trees(place, 30, (0.8, 3.2))
    bushes(place, 60)
    place.groups(place.count(0, 3), 3)
    place.wanderers(place.count(0, 3))
    clutter(place, 10)


def strips(place: SceneLayout) -> None:
    """Long narrow strips side by side: verge, ditch, hedge, track, allotments."""
    canvas = place.canvas
    canvas.fill(place.pick("lawn", "meadow"))
    right = -95.0
    while right < 95:
        width = place.between(2.0, 11)
        line = place.through(right + width / 2, 0.6)
        what = place.pick(
            "grass", "grass", "water", "hedge", "track", "crop", "gravel", "wall", "road", "beds", "grass"
        )
        if what == "grass":
            canvas.ribbon(line, width, place.pick("mown", "lawn", "meadow"), 0.2)
        elif what == "water":
            canvas.ribbon(line, width, "slope", 0.3)
            canvas.ribbon(line, width * 0.45, "water", 0.2)
        elif what == "hedge":
            canvas.wall(line, min(width, 1.8), 2.0, canvas.palette.trees[0], "tree")
        elif what == "track":
            canvas.ribbon(line, min(width, 4), place.pick("gravel", "dirt"), 0.2)
            place.strollers(line, place.count(0, 3), 0.6)
        elif what == "crop":
            canvas.ribbon(line, width, place.pick("wheat", "maize", "rapeseed"), 0.2, place.root.heading_rad)
        elif what == "gravel":
            canvas.ribbon(line, width, place.pick("gravel", "concrete", "asphalt"), 0.1)
        elif what == "road":
            place.street(line, max(6.0, width), 0.0, place.between(4, 20), 11.0)
            width = max(6.0, width)
        elif what == "wall":
            canvas.wall(line, 0.3, 1.6, vary(place.rng, rgb(150, 142, 130)), "wall")
        else:
            for forward in np.arange(-110, 110, place.between(6, 12)):
                bed = place.at(float(forward), right + width / 2)
                if place.chance(0.8):
                    kind = place.pick("furrows", "dirt", "maize", "lawn")
                    canvas.area(bed.corners(5, width * 0.8), kind, 0.1, bed.heading_rad)
                if place.chance(0.25):
                    canvas.building(bed, 2.5, min(2.2, width), 2.2, "gable")
        right += width + place.between(0.5, 2.5)
    tree_row(place, place.through(place.between(-60, 60), 1), place.between(7, 15), 2.2)
    place.groups(place.count(0, 4), 3)
    place.wanderers(place.count(0, 4))
    bushes(place, 25)
    clutter(place, 12)


FAMILIES = {"farmland": farmland, "hillside": hillside, "strips": strips}
