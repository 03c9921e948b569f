"""Places with hardly any room, or none: closed woods, scrub, floods, festivals."""

from __future__ import annotations

import math

import numpy as np

from sim.world.grid import Spot, blob
from sim.world.layout import clutter, grove, patches, stream
from sim.world.scene_layout import SceneLayout


def wood(place: SceneLayout) -> None:
    """A closed wood; sometimes a gap or a ride wide enough to come down in."""
    canvas = place.canvas
    canvas.fill(place.pick("trampled", "dirt", "meadow"))
    patches(place, 12, ("meadow", "dirt", "trampled", "slope"), (4, 12))
    gaps = [(999.0, 999.0, 0.0)]
    for _ in range(place.count(0, 2)):
        n, e = place.somewhere(0.6)
        gaps.append((n, e, place.between(1.5, 6.5)))
    if place.chance(0.4):
        ride = place.through(place.between(-25, 25), 4)
        canvas.ribbon(ride, place.between(2, 3.5), place.pick("dirt", "gravel", "trampled"), 0.3)
        gaps += [(float(n), float(e), 1.0) for n, e in ride[::2]]
        place.strollers(ride, place.count(0, 3), 0.5)
    if place.chance(0.3):
        stream(place, place.between(1.2, 3))
    place.forest(place.between(3.5, 4.3), (1.9, 3.5), np.array(gaps))


def scrub(place: SceneLayout) -> None:
    """Bushes and stones on sand or heath, a path, gaps of all sizes between them."""
    canvas = place.canvas
    canvas.fill(place.pick("sand", "meadow", "dirt", "gravel"))
    patches(place, 20, ("meadow", "sand", "gravel", "scree", "dirt", "slope"), (3, 12))
    for _ in range(place.count(1, 2)):
        way = place.through(place.between(-40, 40), 9)
        canvas.ribbon(way, place.between(1.0, 2.4), place.pick("dirt", "sand", "gravel"), 0.3)
        place.strollers(way, place.count(0, 3), 0.4)
    for _ in range(place.count(10, 30)):
        n, e = place.somewhere()
        rock = blob(place.rng, n, e, place.between(0.8, 3.5), 0.4)
        canvas.area(rock, "scree", 0.2)
    for _ in range(place.count(2, 6)):
        grove(place, *place.somewhere(), place.between(5, 14), place.count(8, 25))
    place.scatter(place.count(1500, 4500))


def flood(place: SceneLayout) -> None:
    """High water: roofs, crowns and a few dry humps stand out of it."""
    canvas = place.canvas
    canvas.fill(place.pick("river", "water"))
    for _ in range(place.count(3, 10)):
        n, e = place.somewhere(0.9)
        hump = blob(place.rng, n, e, place.between(1.2, 6.5), 0.35)
        canvas.area(hump, place.pick("meadow", "mud", "gravel", "lawn"), 0.4)
    if place.chance(0.5):
        dyke = place.through(place.between(-40, 40), 5)
        canvas.ribbon(dyke, place.between(5, 9), "slope", 0.3)
        canvas.ribbon(dyke, place.between(1.6, 4.2), place.pick("gravel", "meadow"), 0.1)
        place.strollers(dyke, place.count(0, 4), 0.5)
    for _ in range(place.count(6, 22)):
        at = Spot(*place.somewhere(), place.between(0, math.pi))
        roof = place.pick("gable", "hip", "gable", "metal", "flat")
        canvas.building(at, place.between(8, 17), place.between(7, 11), place.between(1, 4), roof)
    for _ in range(place.count(20, 80)):
        n, e = place.somewhere()
        radius_m = place.between(0.8, 3.2)
        canvas.tree(n, e, radius_m, radius_m)
    clutter(place, 12)


def festival(place: SceneLayout) -> None:
    """A field full of people before a stage, stalls around it, some ground fenced off."""
    canvas = place.canvas
    canvas.fill(place.pick("trampled", "lawn", "mown", "meadow"))
    patches(place, 14, ("trampled", "lawn", "meadow", "mud"), (5, 16))
    canvas.building(place.at(34, 0, math.pi / 2), 22, 12, 9, place.pick("metal", "flat"))
    for row in (-1, 1):
        for i in range(place.count(6, 11)):
            stall = place.at(i * 8 - 55, row * place.between(26, 30))
            canvas.building(stall, 5, 3.5, 2.8, place.pick("hip", "metal", "gable"))
            if place.chance(0.7):
                place.crowd(stall.moved(0, -row * 4.0), 2.5, place.count(1, 4), 0.2)
    place.crowd(place.at(14, 0), 13, place.count(25, 55), 0.15)
    for _ in range(place.count(3, 12)):
        spot = place.at(place.between(-70, 25), place.between(-24, 24))
        place.crowd(spot, place.between(4, 11), place.count(4, 10), 0.5)
    for side in (-1, 1):
        camp = place.at(place.between(-20, 20), side * 58)
        place.fence(camp, 110, 36, 1.8)
        for i in range(-6, 7):
            for j in range(-2, 3):
                along, aside = place.between(-1.5, 1.5), place.between(-1, 1)
                tent = camp.moved(i * 8.0 + along, j * 6.5 + aside)
                if place.chance(0.75):
                    canvas.building(tent, 3.4, 2.4, 1.6, place.pick("gable", "hip"))
    place.wanderers(place.count(6, 16), 0.5)
    place.scatter(60)
    clutter(place, 40)


FAMILIES = {"wood": wood, "scrub": scrub, "flood": flood, "festival": festival}
