"""Traps of the ground: what looks best is not landable, or nothing is."""

from __future__ import annotations

import math

import numpy as np

from sim.world.adversarial.stage import Stage
from sim.world.adversarial.trap import Expect, Made, Trap, zone
from sim.world.grid import Spot
from sim.world.materials import rgb


def _plain_meadow() -> Made:
    stage = Stage.of(1)
    stage.disc(6, -4, 22, "meadow", 0.6)
    stage.wood()
    return stage.finish("plain-meadow")


def _long_strip() -> Made:
    """220 m2 of verge, 2.4 m wide, against a lawn of 144 m2."""
    stage = Stage.of(2)
    strip = stage.lawn(-6, 0, 2.4, 92, "mown")
    color = rgb(150, 142, 130)
    for north in (-7.35, -4.65):
        wall = np.array([[north, -46.0], [north, 46.0]])
        stage.sketch.wall(wall, 0.3, 1.6, color, "wall")
    stage.lawn(20, 12, 12, 12)
    stage.wood()
    return stage.finish("long-strip", zone("the strip", strip))


def _no_ground() -> Made:
    stage = Stage.of(3)
    stage.disc(18, 20, 14, "water", 0.3)
    for north in (-40, -22, -4):
        for east in (-36, -16, 4, 24):
            stage.sketch.building(Spot(north, east, 0.1), 15, 17, 8, stage.pick("hip", "flat"))
    stage.wood()
    return stage.finish("no-ground")


def _pool_like_paving() -> Made:
    """A pool of 18 m lined with the slabs of its terrace; a lawn of 11 m behind the hedge."""
    stage = Stage.of(4)
    stage.lawn(0, 0, 24, 24, "slabs")
    pool = stage.lawn(0, 0, 20.5, 20.5, "greypool")
    stage.lawn(22, -18, 11, 11)
    stage.wood()
    return stage.finish("pool-like-paving", zone("the pool", pool), light="overcast")


def _roof_like_field() -> Made:
    """A planted roof of 34 by 26 m; a gravel yard of 12 m beside it."""
    stage = Stage.of(5)
    spot = Spot(-4, 2, 0.3)
    stage.sketch.building(spot, 34, 26, 7, "green")
    stage.lawn(25, -14, 12, 12, "gravel", 0.3)
    stage.wood()
    return stage.finish("roof-like-field", zone("the roof", spot.corners(34, 26)))


def _steep_bank() -> Made:
    """Grass everywhere; only the terrace of 11 by 14 m is level."""
    stage = Stage.of(6)
    stage.lawn(-19, 16, 11, 14, "meadow")
    return stage.finish("steep-bank")


def _crop_like_lawn() -> Made:
    """Waist-high maize in even rows; a headland of 10 m mown."""
    stage = Stage.of(7, "maize")
    stage.lawn(17, 17, 10, 13, "mown")
    return stage.finish("crop-like-lawn")


def _snow_over_pond() -> Made:
    stage = Stage.of(8, season="snow")
    stage.disc(0, 0, 26, "meadow", 0.5)
    pond = stage.disc(3, -2, 20, "water")
    stage.lawn(-31, 8, 12, 14, "meadow")
    stage.sketch.frozen = True
    stage.wood()
    return stage.finish("snow-over-pond", zone("the pond", pond))


def _courtyard_too_small() -> Made:
    """Roofs, and one yard of 2.6 m: a vehicle of 0.5 m with 1 m to the walls needs 3 m."""
    stage = Stage.of(9, "slope")
    for north, east, length, width in ((22, 0, 41, 98), (-22, 0, 41, 98), (0, 26, 6, 49), (0, -26, 6, 49)):
        stage.sketch.building(Spot(north, east), length, width, 9, "flat")
    stage.lawn(0, 0, 2.6, 2.6, "slabs")
    return stage.finish("courtyard-too-small")


def _island() -> Made:
    """Water all around; one island of 6 m, and bars of sand too small to stand on."""
    stage = Stage.of(10, "water")
    stage.disc(14, 11, 6.0, "meadow", 0.2)
    bars = []
    for north, east, radius in ((-2, 3, 1.5), (-9, -12, 1.7), (5, -8, 1.4), (-14, 9, 1.6)):
        bars.append(zone("a sand bar", stage.disc(north, east, radius, "sand")))
    return stage.finish("island", *bars)


def _site_at_the_edge() -> Made:
    """The only lawn touches the edge of the known ground."""
    stage = Stage.of(11)
    stage.lawn(4, 44, 14, 12)
    stage.wood()
    return stage.finish("site-at-the-edge")


def _thin_fence() -> Made:
    """Wires across the large lawn leave no 3 m free; a lawn of 11 m has none."""
    stage = Stage.of(12)
    stage.lawn(0, 0, 34, 34, "meadow")
    for north in np.arange(-16.0, 17.0, 2.6):
        wire = np.array([[north, -17.0], [north, 17.0]])
        stage.sketch.wall(wire, 0.15, 1.2, rgb(120, 112, 96), "wall")
    stage.lawn(-30, -22, 12, 12)
    stage.wood()
    fenced = Spot(0, 0).corners(34, 34)
    return stage.finish("thin-fence", zone("the fenced lawn", fenced))


def _hard_shadows() -> Made:
    """A good lawn, black and white with the shadows of the trees around it."""
    stage = Stage.of(13)
    stage.disc(2, 3, 12, "mown", 0.3)
    for i in range(14):
        turn = i / 14 * 2 * math.pi
        stage.sketch.tree(2 + 14 * math.cos(turn), 3 + 14 * math.sin(turn), 1.6, 7.5)
    stage.wood()
    return stage.finish("hard-shadows", light="low")


def _ditch_through_field() -> Made:
    """Two ditches of half a metre cut the large meadow; stubble of 12 m is whole."""
    stage = Stage.of(14)
    stage.lawn(0, 0, 40, 9, "meadow")
    for east in (-2.4, 0.4, 3.0):
        ditch = np.array([[-20.0, east], [20.0, east]])
        stage.sketch.ribbon(ditch, 0.6, "water")
    stage.lawn(-10, -24, 12, 12, "stubble")
    stage.wood()
    return stage.finish("ditch-through-field")


TRAPS = (
    Trap("plain-meadow", "A control: a wide meadow and nothing wrong with it.", _plain_meadow, Expect.LAND),
    Trap("long-strip", "The largest clean area is a strip too narrow to land on.", _long_strip, Expect.LAND),
    Trap("no-ground", "Roofs, water and trees: no safe ground at all.", _no_ground, Expect.ABSTAIN),
    Trap(
        "pool-like-paving",
        "The largest paved square is a pool lined with the same slabs.",
        _pool_like_paving,
        Expect.LAND,
    ),
    Trap("roof-like-field", "The largest meadow is a planted roof.", _roof_like_field, Expect.LAND),
    Trap("steep-bank", "Grass everywhere, and all of it steep but one terrace.", _steep_bank, Expect.LAND),
    Trap("crop-like-lawn", "Standing maize that looks like a lawn.", _crop_like_lawn, Expect.LAND),
    Trap("snow-over-pond", "Snow hides the ice of a pond from the meadow around it.", _snow_over_pond, Expect.LAND),
    Trap(
        "courtyard-too-small",
        "The only ground is a yard just too small for the clearances.",
        _courtyard_too_small,
        Expect.ABSTAIN,
    ),
    Trap("island", "Water, sand bars too small to stand on, and one island.", _island, Expect.LAND),
    Trap(
        "site-at-the-edge",
        "The only lawn lies at the very edge of the known ground.",
        _site_at_the_edge,
        Expect.LAND,
        start_ne_m=(0.0, 14.0),
    ),
    Trap("thin-fence", "Fence wires, centimetres thick, cut the best lawn to ribbons.", _thin_fence, Expect.LAND),
    Trap("hard-shadows", "A good lawn under hard shadows: abstaining would be wrong.", _hard_shadows, Expect.LAND),
    Trap("ditch-through-field", "Narrow ditches cut the large meadow.", _ditch_through_field, Expect.LAND),
)
