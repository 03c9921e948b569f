"""Least bad ground of a failsafe landing without a site: nobody is hit first, then the vehicle."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.control import Control
from edge.log import EventLog
from firmware_bridge.report import SendResult
from landing.choice.last_resort import STRUCK_M, LastResort, ResortChooser
from landing.choice.picker import hazard_clearance_grid
from landing.decision import Decision
from landing.estimator import EstimatorFrame
from landing.ground.view import MOVING_ROLES, GroundView
from landing.guidance.director import Director, DirectorInput
from landing.settings import AuthoritySettings, DecisionSettings, DirectorSettings
from landing.site import Intruder, LandingSite, NoSite, NoSiteReason
from landing.taxonomy import HAZARD_ROLES, Role
from landing.types import Pose
from landing.vehicle import Autopilot, Battery, VehicleStatus, WayDown
from tests.landing.worlds import TAXONOMY

S = 1_000_000_000
SETTINGS = DecisionSettings()
CELLS, CELL_M = 80, 0.4
MIDDLE = CELLS * CELL_M / 2


def view_of(people=(), cars=(), water=(), obstacles=(), landable=True):
    """Ground of 32 m with discs (north, east, radius) of each kind, all seen now; the vehicle is above its middle."""
    north, east = np.mgrid[:CELLS, :CELLS] * CELL_M + CELL_M / 2 - MIDDLE

    def discs(places):
        grid = np.zeros((CELLS, CELLS), bool)
        for n, e, radius in places:
            grid |= np.hypot(north - n, east - e) <= radius
        return grid

    kinds = {Role.PERSON: people, Role.VEHICLE: cars, Role.WATER: water, Role.OBSTACLE: obstacles}
    hazards = {role: discs(kinds[role]) for role in HAZARD_ROLES}
    any_hazard = np.logical_or.reduce(list(hazards.values()))
    free = ~any_hazard if landable else np.zeros_like(any_hazard)
    known = np.ones_like(free)
    evidence = np.where(any_hazard, -4.0, 4.0).astype(np.float32)
    unseen = np.zeros((CELLS, CELLS), np.float32)
    return GroundView(CELL_M, (-MIDDLE, -MIDDLE), 0.0, free, hazards, unseen, evidence, known, hazards[Role.PERSON])


NOTHING = NoSite(NoSiteReason.NOTHING_LANDABLE, "no landable ground in view")


def pick_from(view, height_m=8.0, chooser=None):
    clearance = {role: hazard_clearance_grid(view, TAXONOMY, SETTINGS, (role,)) for role in MOVING_ROLES}
    chooser = chooser or ResortChooser(SETTINGS, TAXONOMY)
    return chooser.update(NOTHING, None, view, clearance, (0.0, 0.0), height_m), clearance


disc = st.tuples(st.floats(-15, 15), st.floats(-15, 15), st.floats(0.3, 1.0))


@settings(max_examples=60, deadline=None)
@given(
    people=st.lists(disc, max_size=8),
    cars=st.lists(disc, max_size=3),
    water=st.lists(disc, max_size=3),
    landable=st.booleans(),
    height_m=st.floats(0.5, 20.0),
)
def test_nobody_is_landed_beside_where_another_place_is_in_reach(people, cars, water, landable, height_m):
    view = view_of(people, cars, water, landable=landable)
    found, clearance = pick_from(view, height_m)
    if found is None:
        return
    cell = view.cell_of(*found.position_ned_m[:2])
    reach_m = SETTINGS.reach.base_m + SETTINGS.reach.per_height * height_m
    reach_m = 0.5 * height_m if height_m <= SETTINGS.commit_height_m else min(reach_m, SETTINGS.max_distance_m)
    north, east = np.mgrid[:CELLS, :CELLS] * CELL_M + CELL_M / 2 - MIDDLE
    in_reach = np.hypot(north, east) <= reach_m
    assert in_reach[cell]
    person_m = clearance[Role.PERSON]
    clear = in_reach & (person_m >= SETTINGS.vehicle_radius_m)
    if clear.any():
        assert person_m[cell] >= SETTINGS.vehicle_radius_m and found.near != "person"
    else:
        unstruck_m = SETTINGS.vehicle_radius_m + STRUCK_M - TAXONOMY.clearance_of(Role.PERSON)
        assert found.near == "person" and person_m[cell] >= min(unstruck_m, person_m[in_reach].max() - 2 * CELL_M)


def test_then_water_and_obstacles_are_kept_from():
    found, _ = pick_from(view_of(water=[(0.0, 0.0, 6.0)], obstacles=[(8.0, 0.0, 3.0)], landable=False))
    assert found is not None and found.ground == "doubtful" and found.near == ""
    assert math.dist(found.position_ned_m[:2], (0.0, 0.0)) > 6.0
    assert math.dist(found.position_ned_m[:2], (8.0, 0.0)) > 3.0
    sea, _ = pick_from(view_of(water=[(0.0, 0.0, 40.0)]))
    assert sea is not None and sea.ground == "water"


def test_dry_ground_far_enough_from_a_person_comes_before_water_farther_off():
    """One stands 2.9 m from dry ground in the last metres; the pond is 2 m farther from them."""
    found, clearance = pick_from(view_of(people=[(0.0, -2.9, 0.3)], water=[(0.0, 3.6, 2.8)], landable=False), 3.0)
    assert found is not None and found.near == "person" and found.ground == "doubtful"
    person_m = clearance[Role.PERSON] + TAXONOMY.clearance_of(Role.PERSON)
    assert person_m[view_of().cell_of(*found.position_ned_m[:2])] >= SETTINGS.vehicle_radius_m + STRUCK_M - 0.01


def test_the_place_is_kept_while_the_map_trembles():
    """A rock lies below; the nearest ground beside it changes with each frame."""
    chooser = ResortChooser(SETTINGS, TAXONOMY)

    def rock(north_m):
        return view_of(obstacles=[(north_m, 0.0, 2.0)], landable=False)

    places = [pick_from(rock(0.4 * (-1) ** k), 8.0, chooser)[0].position_ned_m for k in range(10)]
    assert max(math.dist(place, places[0]) for place in places) <= 1.0
    alone = [pick_from(rock(0.4 * (-1) ** k), 8.0)[0].position_ned_m for k in range(2)]
    assert math.dist(*alone) > 1.0, "without memory it turns between them"


def test_a_place_is_left_for_a_person_and_forgotten_beside_a_site_and_with_its_frame():
    chooser = ResortChooser(SETTINGS, TAXONOMY)
    first, _ = pick_from(view_of(landable=False), 8.0, chooser)
    north, east, _ = first.position_ned_m
    away, clearance = pick_from(view_of(people=[(north, east, 0.4)], landable=False), 8.0, chooser)
    assert clearance[Role.PERSON][view_of().cell_of(*away.position_ned_m[:2])] >= SETTINGS.vehicle_radius_m
    again = ResortChooser(SETTINGS, TAXONOMY)
    again.load_state_dict(chooser.state_dict())
    assert again.state_dict() == chooser.state_dict() != {"last": None}
    site = LandingSite((1.0, 1.0, 0.0), 2.0, 20.0, 0, 0)
    assert chooser.update(site, None, view_of(), clearance, (0.0, 0.0), 8.0) is None
    assert chooser.state_dict() == {"last": None}
    again.reset()
    assert again.state_dict() == {"last": None}


def test_ground_that_was_never_seen_is_no_answer():
    view = view_of()
    view.known[:] = False
    assert pick_from(view)[0] is None


# --- sent, and said ---


class Link:
    def __init__(self):
        self.targets, self.texts = [], []

    def send_target(self, target):
        self.targets.append(target)
        return SendResult()

    def send_text(self, text, severity):
        self.texts.append(text)
        return SendResult()

    def command(self, request):
        return SendResult()

    def withdraw_command(self):
        pass

    def take_answers(self):
        return ()


def tick(
    *,
    failsafe="guard",
    level="guard",
    in_failsafe=True,
    mode_lands=True,
    age_s=0.1,
    selection=None,
    resort=True,
    intruder=None,
) -> Link:
    link = Link()
    authority = AuthoritySettings(level=level, failsafe=failsafe, begin_in_air=True)
    events = EventLog(None)
    control = Control(DirectorSettings(), link, events, authority)
    place = LastResort((3.0, -2.0, 0.0), "", "doubtful")
    chosen = selection or NoSite(NoSiteReason.NOTHING_LANDABLE, "no landable ground in view")
    for k in range(60):
        now_ns = 1000 * S + k * S // 20
        pose = Pose(now_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -6.0), 6.0)
        seen_ns = now_ns - round(age_s * S)
        decision = Decision(chosen, now_ns, seen_ns, last_resort=place if resort else None, intruder=intruder)
        vehicle = VehicleStatus(
            link_alive=True,
            autopilot=Autopilot.ARDUPILOT,
            armed=True,
            airborne=True,
            landing=mode_lands,
            mode="LAND" if mode_lands else "LOITER",
            failsafe=in_failsafe,
            heartbeat_ns=now_ns,
            way_down=WayDown.LAND if mode_lands else WayDown.NONE,
            battery=Battery(30.0, critical=True),
        )
        control.tick(now_ns, decision, pose, vehicle)
    return link


def test_no_place_is_named_while_the_gimbal_looks_elsewhere_on_the_wing_or_without_evidence():
    now_ns = 1000 * S
    nothing = NoSite(NoSiteReason.NOTHING_LANDABLE, "no landable ground in view")
    decision = Decision(nothing, now_ns, now_ns, last_resort=LastResort((3.0, -2.0, 0.0), "", "doubtful"))
    pose = Pose(now_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -6.0), 6.0)
    landing = VehicleStatus(link_alive=True, autopilot=Autopilot.ARDUPILOT, armed=True, airborne=True, landing=True)
    inputs = DirectorInput(now_ns, decision, pose, landing)
    director = Director(DirectorSettings())
    assert director.last_resort(inputs) is not None
    for changes in (
        {"gimbal": "somebody moved the gimbal"},
        {"decision": None},
        {"pose": None},
        {"pose": replace(pose, frame=EstimatorFrame(1))},
        {"vehicle": replace(landing, no_hover="the vehicle flies on its wing")},
    ):
        assert director.last_resort(replace(inputs, **changes)) is None


def test_a_failsafe_landing_without_a_site_is_led_there_and_it_is_said():
    link = tick()
    assert len(link.targets) == 60 and link.targets[-1].offset_frd_m == pytest.approx((3.0, -2.0, 6.0))
    assert [t for t in link.texts if "failsafe" in t] == [
        "No site in a failsafe: lands on the least bad ground, doubtful"
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"failsafe": "advise"},
        {"level": "advise"},
        {"in_failsafe": False},
        {"mode_lands": False},
        {"age_s": 2.0},
        {"resort": False},
    ],
)
def test_nothing_is_led_there_otherwise(changes):
    link = tick(**changes)
    assert link.targets == [] and not any("least bad" in text for text in link.texts)


def test_a_site_comes_first():
    site = LandingSite((1.0, 1.0, 0.0), 2.0, 20.0, 990 * S, 1002 * S)
    link = tick(selection=site)
    assert link.targets and all(t.position_ned_m == (1.0, 1.0, 0.0) for t in link.targets)
    assert not any("least bad" in text for text in link.texts)


def test_somebody_in_the_site_leads_it_to_the_least_bad_ground_at_once():
    site = LandingSite((1.0, 1.0, 0.0), 2.0, 20.0, 990 * S, 1002 * S)
    link = tick(selection=site, intruder=Intruder(Role.PERSON, -1.0))
    assert len(link.targets) == 60 and link.targets[0].position_ned_m == (3.0, -2.0, 0.0)


def test_a_site_that_is_not_confirmed_is_better_than_none():
    site = LandingSite((1.0, 1.0, 0.0), 2.0, 20.0, 1000 * S, 1000 * S)
    link = tick(selection=site, resort=False)
    assert len(link.targets) == 51 and link.targets[0].position_ned_m == (1.0, 1.0, 0.0)  # until it is seen no more
    assert tick(selection=site, resort=False, in_failsafe=False).targets == []
    seen_long_ago = replace(site, first_seen_ns=990 * S, last_seen_ns=990 * S)
    assert tick(selection=seen_long_ago, resort=False).targets == []
    assert tick(selection=site, resort=False, intruder=Intruder(Role.PERSON, -1.0)).targets == []
