"""Relief in the decision: ground that is not flat is no site, with a reason; unknown relief is told."""

from __future__ import annotations

import numpy as np
import pytest

from edge.blackbox.records import StepRecord, step_from, to_json
from edge.pilot_texts import explain
from landing.decider import Decider
from landing.decision import Decision
from landing.decision_groups import ReliefSettings
from landing.estimator import FrameShift
from landing.ground.view import GridOfFloat, GroundView
from landing.problems import Problem
from landing.relief.ground import ReliefGround
from landing.relief.report import CELL_M, CELLS, ReliefReport, packed
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from tests.landing.test_decider import S, hovering, square_of_grass
from tests.landing.worlds import CAMERA, TAXONOMY, seen

GRASS_HALF_M = 4.0
SETTINGS = DecisionSettings(relief=ReliefSettings(enabled=True))


def around(north_m: float, east_m: float, half_m: float) -> GridOfFloat:
    """1 in the cells of a square, 0 elsewhere."""
    middles = (np.arange(CELLS) - CELLS / 2 + 0.5) * CELL_M
    rows, columns = np.abs(middles - north_m) < half_m, np.abs(middles - east_m) < half_m
    return np.outer(rows, columns).astype(np.float32)


def told(slope: GridOfFloat, stands_m: GridOfFloat, known: bool = True) -> ReliefReport:
    """Ground around the origin as parallax shows it."""
    return packed((-CELLS // 2, -CELLS // 2), np.full((CELLS, CELLS), known), slope, stands_m)


NOTHING = around(0, 0, 0)
FLAT_GROUND = told(NOTHING, NOTHING)
BANK = told(np.tan(np.radians(14.0)) * around(0, 0, 12), NOTHING)


def decide(decider: Decider, report: ReliefReport | None, start_ns: int = 0) -> Decision:
    """The decision after a second above a square of grass."""
    decision: Decision | None = None
    for pose in hovering(start_ns=start_ns):
        segmentation = seen(square_of_grass(0.0, 0.0, GRASS_HALF_M), pose, at_ns=pose.at_ns)
        decision = decider.observe(segmentation, pose, pose.at_ns + S // 20, None, report)
    assert decision is not None
    return decision


def decider(settings: DecisionSettings = SETTINGS) -> Decider:
    return Decider(settings, TAXONOMY, CAMERA)


def test_flat_ground_is_a_site_and_told_to_be_flat() -> None:
    decision = decide(decider(), FLAT_GROUND)
    assert isinstance(decision.selection, LandingSite) and decision.relief == "flat"


def test_unknown_relief_is_told_and_decided_on_as_it_looks() -> None:
    decision = decide(decider(), ReliefReport())
    assert isinstance(decision.selection, LandingSite) and decision.relief == "not known"
    without = decide(decider(), None)
    assert without.relief is None and without.selection == decision.selection


def test_a_steep_place_is_no_site() -> None:
    selection = decide(decider(), BANK).selection
    assert selection == NoSite(NoSiteReason.NOT_FLAT, "a slope of 14 degrees")
    assert selection.reason.problem is Problem.NOT_FLAT
    assert [text.code for text in explain(f"Landing search: {selection.reason.value}: {selection.detail}")][-1] == (
        Problem.NOT_FLAT
    )


def test_what_stands_is_landed_beside() -> None:
    site = decide(decider(), told(NOTHING, 0.8 * around(1.5, 0, 1.0))).selection
    assert isinstance(site, LandingSite)
    assert site.position_ned_m[0] + SETTINGS.required_radius_m <= 0.5
    selection = decide(decider(), told(NOTHING, 0.8 * around(0, 0, 3.0))).selection
    assert selection == NoSite(NoSiteReason.NOT_FLAT, "something 0.8 m tall or deep")


def test_a_site_that_comes_out_steep_is_given_up() -> None:
    one = decider()
    assert isinstance(decide(one, FLAT_GROUND).selection, LandingSite)
    words = []
    for number, pose in enumerate(hovering(6, start_ns=S)):
        segmentation = seen(square_of_grass(0.0, 0.0, GRASS_HALF_M), pose, at_ns=pose.at_ns)
        selection = one.observe(segmentation, pose, pose.at_ns, None, BANK).selection
        if isinstance(selection, NoSite):
            words.append((number, selection.text))
    first, said = words[0]
    assert first * 0.1 == pytest.approx(SETTINGS.lost_after_s, abs=0.1)
    assert said.startswith("no site: site-lost: relief at the site, a slope of 14 degrees; ")


def test_unknown_relief_is_refused_below_a_height_if_asked() -> None:
    asks = DecisionSettings(relief=ReliefSettings(enabled=True, known_below_m=20.0))
    selection = decide(decider(asks), ReliefReport()).selection  # from 15 m
    assert isinstance(selection, NoSite) and selection.reason is NoSiteReason.RELIEF_NOT_KNOWN
    assert isinstance(decide(decider(asks), FLAT_GROUND).selection, LandingSite)
    higher = DecisionSettings(relief=ReliefSettings(enabled=True, known_below_m=8.0))
    assert isinstance(decide(decider(higher), ReliefReport()).selection, LandingSite)


def test_relief_that_is_switched_off_changes_nothing() -> None:
    decision = decide(decider(DecisionSettings(relief=ReliefSettings(enabled=False))), BANK)
    assert isinstance(decision.selection, LandingSite) and decision.relief is None


def test_a_step_keeps_the_relief_it_was_decided_by() -> None:
    decision = decide(decider(), BANK)
    record = StepRecord(1, 1, 0, None, None, None, decision, 0.0, {}, None, BANK)
    again = step_from(to_json(record))
    assert again == record and again.relief is not None
    assert np.array_equal(again.relief.codes, BANK.codes)
    assert decide(decider(), again.relief) == decision


def offered(settings: DecisionSettings, report: ReliefReport, height_m: float = 4.0, half_m: float = 6.0) -> Decision:
    """The decision after half a second above a square of grass, low down."""
    chooser = decider(settings)
    decision: Decision | None = None
    for pose in hovering(5, height=height_m):
        segmentation = seen(square_of_grass(0.0, 0.0, half_m), pose, at_ns=pose.at_ns)
        decision = chooser.observe(segmentation, pose, pose.at_ns + S // 20, None, report)
    assert decision is not None
    return decision


def test_a_step_aside_is_offered_low_down_where_relief_is_not_known() -> None:
    aside = offered(SETTINGS, ReliefReport()).aside_ned_m
    assert aside is not None and np.hypot(*aside[:2]) == pytest.approx(SETTINGS.relief.aside_m, abs=0.8)
    assert aside[2] == pytest.approx(-4.0)
    assert offered(SETTINGS, FLAT_GROUND).aside_ned_m is None
    assert offered(SETTINGS, ReliefReport(), height_m=12.0, half_m=12.0).aside_ned_m is None
    none = SETTINGS.model_copy(update={"relief": ReliefSettings(enabled=True, aside_m=0.0)})
    assert offered(none, ReliefReport()).aside_ned_m is None


def test_unknown_relief_that_is_refused_asks_for_the_step_too() -> None:
    strict = SETTINGS.model_copy(update={"relief": ReliefSettings(enabled=True, known_below_m=5.0)})
    decision = offered(strict, ReliefReport())
    assert isinstance(decision.selection, NoSite) and decision.selection.reason is NoSiteReason.RELIEF_NOT_KNOWN
    assert decision.aside_ned_m is not None


def test_the_step_stays_over_ground_that_was_seen_clear() -> None:
    narrow = offered(SETTINGS, ReliefReport(), half_m=2.2).aside_ned_m
    assert narrow is None  # the roof around keeps its clearance
    beside = told(NOTHING, 0.8 * around(3.0, 0.0, 1.0), known=False)
    aside = offered(SETTINGS, beside).aside_ned_m
    assert aside is not None and aside[0] <= 3.0 - 1.0 - SETTINGS.required_radius_m


def test_a_decision_brings_its_step_along_when_the_estimator_s_frame_moves() -> None:
    decision = offered(SETTINGS, ReliefReport())
    moved = decision.in_frame(decision.frame.moved(FrameShift(0.0, (10.0, 0.0, 0.0))))
    assert decision.aside_ned_m is not None and moved is not None and moved.aside_ned_m is not None
    assert moved.aside_ned_m[0] - decision.aside_ned_m[0] == pytest.approx(10.0)


def test_a_disc_beyond_the_map_s_edge_is_judged_whole() -> None:
    """Low down the map holds less than the site; what relief knows of the rest counts."""
    view = GroundView(
        cell_m=0.2,
        south_west_m=(-1.0, -1.0),
        ground_down_m=0.0,
        free=np.ones((10, 10), np.bool_),
        hazards={},
        unseen_s=np.zeros((10, 10), np.float32),
        landable=np.ones((10, 10), np.float32),
        known=np.ones((10, 10), np.bool_),
        visited=np.zeros((10, 10), np.bool_),
    )
    beside = told(NOTHING, 0.8 * around(2.0, 0.0, 0.5))
    ground = ReliefGround.on(view, beside, SETTINGS.relief, 2.0)
    assert ground is not None and not ground.refused.any()
    assert ground.problem((5, 5), 2.0) == "something 0.8 m tall or deep" == ground.text((5, 5), 2.0)
    assert ground.problem((5, 5), 0.8) is None and ground.text((5, 5), 0.8) == "flat"
    some = packed((-CELLS // 2, -CELLS // 2), around(0.0, 0.0, 1.5) > 0, NOTHING, NOTHING)
    unseen = ReliefGround.on(view, some, SETTINGS.relief, 2.0)
    assert unseen is not None and unseen.text((5, 5), 2.0) == "not known" and unseen.text((5, 5), 0.8) == "flat"


def test_unknown_ground_does_not_hide_behind_flat_ground() -> None:
    half = packed((-CELLS // 2, -CELLS // 2), around(0.0, 0.0, 1.0) > 0, NOTHING, NOTHING)
    assert half.on_grid((-1.2, -1.2), 0.8, (3, 3)).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
