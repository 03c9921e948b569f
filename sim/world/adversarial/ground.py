"""Scenarios of the ground: the best-looking ground is not landable, or none is."""

from __future__ import annotations

import math

import numpy as np

from sim.world.adversarial.scenario import ExpectedOutcome
from sim.world.adversarial.stage import Stage, scenario
from sim.world.grid import Spot
from sim.world.texture import rgb


@scenario(1, "A control: a wide meadow and nothing wrong with it.")
def _plain_meadow(stage: Stage) -> None:
    stage.disc(6, -4, 22, "meadow", 0.6)
    stage.wood()


@scenario(2, "The largest clean area is a strip too narrow to land on.")
def _long_strip(stage: Stage) -> None:
    """220 m2 of verge, 2.4 m wide, against a lawn of 144 m2."""
    stage.forbid("the strip", stage.lawn(-6, 0, 2.4, 92, "mown"))
    for wall in stage.wires((-7.35, -46.0, -7.35, 46.0), (-4.65, -46.0, -4.65, 46.0)):
        stage.sketch.wall(wall, 0.3, 1.6, rgb(150, 142, 130), "wall")
    stage.lawn(20, 12, 12, 12)
    stage.wood()


@scenario(3, "Roofs, water and trees: no safe ground at all.", ExpectedOutcome.NO_SITE)
def _no_ground(stage: Stage) -> None:
    stage.disc(18, 20, 14, "water", 0.3)
    for north in (-40, -22, -4):
        for east in (-36, -16, 4, 24):
            stage.sketch.building(Spot(north, east, 0.1), 15, 17, 8, stage.pick("hip", "flat"))
    stage.wood()


@scenario(4, "The largest paved square is a pool lined with the same slabs.", light="overcast")
def _pool_like_paving(stage: Stage) -> None:
    """A pool of 18 m lined with the slabs of its terrace; a lawn of 11 m behind the hedge."""
    stage.lawn(0, 0, 24, 24, "slabs")
    stage.forbid("the pool", stage.lawn(0, 0, 20.5, 20.5, "greypool"))
    stage.lawn(22, -18, 11, 11)
    stage.wood()


@scenario(5, "The largest meadow is a planted roof.")
def _roof_like_field(stage: Stage) -> None:
    """A planted roof of 34 by 26 m; a gravel yard of 12 m beside it."""
    spot = Spot(-4, 2, 0.3)
    stage.sketch.building(spot, 34, 26, 7, "green")
    stage.forbid("the roof", spot.corners(34, 26))
    stage.lawn(25, -14, 12, 12, "gravel", 0.3)
    stage.wood()


@scenario(6, "Grass everywhere, and all of it steep but one terrace.")
def _steep_bank(stage: Stage) -> None:
    """Only the terrace of 11 by 14 m is level."""
    stage.lawn(-19, 16, 11, 14, "meadow")


@scenario(7, "Standing maize that looks like a lawn.", base="maize")
def _crop_like_lawn(stage: Stage) -> None:
    """Waist-high maize in even rows; a headland of 10 m mown."""
    stage.lawn(17, 17, 10, 13, "mown")


@scenario(8, "Snow hides the ice of a pond from the meadow around it.", season="snow")
def _snow_over_pond(stage: Stage) -> None:
    stage.disc(0, 0, 26, "meadow", 0.5)
    stage.forbid("the pond", stage.disc(3, -2, 20, "water"))
    stage.lawn(-31, 8, 12, 14, "meadow")
    stage.sketch.frozen = True
    stage.wood()


@scenario(9, "The only ground is a yard just too small for the clearances.", ExpectedOutcome.NO_SITE)
def _courtyard_too_small(stage: Stage) -> None:
    """Roofs, and one yard of 2.6 m: a vehicle of 0.5 m with 1 m to the walls needs 3 m."""
    for north, east, length, width in ((22, 0, 41, 98), (-22, 0, 41, 98), (0, 26, 6, 49), (0, -26, 6, 49)):
        stage.sketch.building(Spot(north, east), length, width, 9, "flat")
    stage.lawn(0, 0, 2.6, 2.6, "slabs")


@scenario(10, "Water, sand bars too small to stand on, and one island.", base="water")
def _island(stage: Stage) -> None:
    """One island of 6 m."""
    stage.disc(14, 11, 6.0, "meadow", 0.2)
    for north, east, radius in ((-2, 3, 1.5), (-9, -12, 1.7), (5, -8, 1.4), (-14, 9, 1.6)):
        stage.forbid("a sand bar", stage.disc(north, east, radius, "sand"))


@scenario(11, "The only lawn lies at the very edge of the known ground.", start_ne_m=(0.0, 14.0))
def _site_at_the_edge(stage: Stage) -> None:
    stage.lawn(4, 44, 14, 12)
    stage.wood()


@scenario(12, "Fence wires, centimetres thick, cut the best lawn to ribbons.")
def _thin_fence(stage: Stage) -> None:
    """Wires across the large lawn leave no 3 m free; a lawn of 11 m has none."""
    stage.forbid("the fenced lawn", stage.lawn(0, 0, 34, 34, "meadow"))
    for wire in stage.wires(*((north, -17.0, north, 17.0) for north in np.arange(-16.0, 17.0, 2.6))):
        stage.sketch.wall(wire, 0.15, 1.2, rgb(120, 112, 96), "wall")
    stage.lawn(-30, -22, 12, 12)
    stage.wood()


@scenario(13, "A good lawn under hard shadows: no site would be wrong.", light="low")
def _hard_shadows(stage: Stage) -> None:
    stage.disc(2, 3, 12, "mown", 0.3)
    for i in range(14):
        turn = i / 14 * 2 * math.pi
        stage.sketch.tree(2 + 14 * math.cos(turn), 3 + 14 * math.sin(turn), 1.6, 7.5)
    stage.wood()


@scenario(14, "Narrow ditches cut the large meadow.")
def _ditch_through_field(stage: Stage) -> None:
    """Ditches of half a metre cut the large meadow; stubble of 12 m is whole."""
    stage.lawn(0, 0, 40, 9, "meadow")
    for ditch in stage.wires(*((-20.0, east, 20.0, east) for east in (-2.4, 0.4, 3.0))):
        stage.sketch.ribbon(ditch, 0.6, "water")
    stage.lawn(-10, -24, 12, 12, "stubble")
    stage.wood()
