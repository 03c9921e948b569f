"""The straight way to a site is free where all ground below it was seen and nothing stands on it."""

from __future__ import annotations

import numpy as np
import pytest

from landing.choice.way import Way, way_to_site
from landing.ground.view import GroundView
from landing.relief.ground import ReliefGround
from landing.relief.report import FLAT, STANDS, STEEP, UNKNOWN, ReliefReport
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.taxonomy import HAZARD_ROLES, Role

CELL_M, CELLS = 0.25, 120
SITE = LandingSite((10.0, 0.0, 0.0), 2.0, 20.0, 0, 0)
SETTINGS = DecisionSettings(vehicle_radius_m=0.5)


def view(standing: tuple[float, float] | None = None, role: Role = Role.OBSTACLE, seen: bool = True) -> GroundView:
    """A map of free ground around the origin with one thing of a metre on it, or a metre of it not seen."""
    free = np.ones((CELLS, CELLS), np.bool_)
    hazards = {name: np.zeros_like(free) for name in HAZARD_ROLES}
    known, half_m = np.ones_like(free), CELLS * CELL_M / 2
    if standing is not None:
        row, column = (round((k + half_m) / CELL_M) for k in standing)
        part = np.s_[row - 2 : row + 2, column - 2 : column + 2]
        free[part], known[part], hazards[role][part] = False, seen, seen
    unseen_s = np.where(known, 0.0, np.inf).astype(np.float32)
    landable = np.where(free, 4.0, -4.0).astype(np.float32)
    return GroundView(CELL_M, (-half_m, -half_m), 0.0, free, hazards, unseen_s, landable, known, np.zeros_like(free))


@pytest.mark.parametrize(
    ("ground", "way"),
    [
        (view(), Way.FREE),
        (view((5.0, 0.0)), Way.BLOCKED),
        (view((5.0, 1.6)), Way.BLOCKED),
        (view((5.0, 4.0)), Way.FREE),
        (view((-5.0, 0.0)), Way.FREE),
        (view((5.0, 0.0), seen=False), Way.NOT_SEEN),
        (view((5.0, 0.0), Role.WATER), Way.FREE),
        (view((5.0, 0.0), Role.VEHICLE), Way.BLOCKED),  # it may be a lorry
        (view((5.0, 0.0), Role.PERSON), Way.FREE),
    ],
)
def test_what_stands_below_the_way(ground: GroundView, way: Way) -> None:
    assert way_to_site(ground, None, SITE, (0.0, 0.0), 0, SETTINGS) is way


@pytest.mark.parametrize(
    ("code", "at", "way"),
    [
        (UNKNOWN, (5.0, 0.0), Way.FREE),
        (FLAT, (5.0, 0.0), Way.FREE),
        (STEEP + 15, (5.0, 0.0), Way.BLOCKED),
        (STANDS + 60, (5.0, 0.0), Way.BLOCKED),
        (STANDS + 60, (5.0, 4.0), Way.FREE),
    ],
)
def test_what_relief_shows_below_the_way_is_no_free_ground(code: int, at: tuple[float, float], way: Way) -> None:
    """A crown that the network calls lawn, or a bank."""
    ground = view()
    codes = np.zeros((CELLS, CELLS), np.uint8)
    cell = ground.cell_of(*at)
    assert cell is not None
    codes[cell] = code
    relief = ReliefGround(ground, ReliefReport(), codes, False)
    assert way_to_site(ground, relief, SITE, (0.0, 0.0), 0, SETTINGS) is way


def test_no_way_leads_to_no_site_or_out_of_the_map() -> None:
    nowhere = NoSite(NoSiteReason.TOO_SMALL, "")
    assert way_to_site(view(), None, nowhere, (0.0, 0.0), 0, SETTINGS) is Way.NOT_SEEN
    assert way_to_site(view(), None, SITE, (40.0, 0.0), 0, SETTINGS) is Way.NOT_SEEN
