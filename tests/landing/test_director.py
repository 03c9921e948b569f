from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.choice.way import Way
from landing.decision import Decision
from landing.estimator import EstimatorFrame
from landing.geometry import quaternion_from_euler
from landing.guidance.director import SENDING, Director, DirectorInput, DirectorState
from landing.pad.track import PadReport, PadState
from landing.settings import DirectorSettings
from landing.site import Intruder, LandingSite, NoSite, NoSiteReason
from landing.taxonomy import Role
from landing.types import Pose
from landing.vehicle import Autopilot, VehicleStatus

S = 1_000_000_000
SETTINGS = DirectorSettings()
FLYING = VehicleStatus(True, Autopilot.ARDUPILOT, armed=True, airborne=True, mode="LOITER")
LANDING = replace(FLYING, landing=True, mode="LAND")
NONE = NoSite(NoSiteReason.TOO_SMALL, "widest clean disc 0.4 m")


def site(now_ns, held_s=5.0, seen_ago_s=0.1, at=(4.0, 3.0, 0.0)):
    last = now_ns - int(seen_ago_s * S)
    return LandingSite(at, 2.0, 40.0, last - int(held_s * S), last)


def step(
    director,
    now_s,
    selection="site",
    vehicle=LANDING,
    height=10.0,
    pose_age=0.02,
    decided_age=0.05,
    attitude=(1.0, 0.0, 0.0, 0.0),
):
    now = int(now_s * S)
    chosen = site(now) if selection == "site" else selection
    decided_ns = now - int(decided_age * S)
    decision = None if chosen is None else Decision(chosen, decided_ns, decided_ns - S // 20)
    pose = Pose(now - int(pose_age * S), attitude, (0.0, 0.0, -height), height)
    return director.step(DirectorInput(now, decision, pose, vehicle))


def test_a_whole_landing_passes_through_every_state_once():
    director, seen = Director(SETTINGS), []

    def go(*args, **kwargs):
        out = step(director, *args, **kwargs)
        seen.extend(t.to_state for t in out.transitions)
        return out

    assert go(0, None, FLYING).state is DirectorState.SEARCH
    assert go(1, NONE, FLYING).reason.startswith("too-small")
    assert go(2, site(2 * S, held_s=0.2), FLYING).state is DirectorState.CONFIRM
    assert go(3, vehicle=FLYING).state is DirectorState.TRACK
    assert go(4).state is DirectorState.DESCEND
    assert go(5, height=2.0).state is DirectorState.COMMIT
    assert go(6, vehicle=replace(LANDING, airborne=False)).state is DirectorState.LANDED
    states = ["confirm", "track", "descend", "commit", "landed"]
    assert [s.value for s in seen] == states


def test_a_vehicle_that_bobs_at_the_height_of_the_last_metres_stays_in_one_state():
    director, low_m = Director(SETTINGS), SETTINGS.commit_height_m
    step(director, 1, vehicle=LANDING)
    seen = [step(director, 2 + k, height=low_m + up_m, vehicle=LANDING).state for k, up_m in enumerate([-0.1, 0.6] * 3)]
    assert seen == [DirectorState.COMMIT] * 6
    assert step(director, 9, height=low_m + 0.8, vehicle=LANDING).state is DirectorState.DESCEND
    assert step(director, 10, height=low_m + 0.1, vehicle=LANDING).state is DirectorState.DESCEND


def test_target_points_from_the_vehicle_to_the_site_in_body_axes():
    director = Director(SETTINGS)
    target = step(director, 1, attitude=quaternion_from_euler(0, 0, math.pi / 2)).target
    assert target is not None
    # Facing east: 4 m north is to the left, 3 m east is ahead, 10 m down.
    np.testing.assert_allclose(target.offset_frd_m, (3.0, -4.0, 10.0), atol=1e-9)
    assert target.position_ned_m == (4.0, 3.0, 0.0)
    # Nose up by 30 degrees, facing north: what lies ahead on the ground goes down in body axes.
    target = step(director, 2, attitude=quaternion_from_euler(0, math.pi / 6, 0)).target
    assert target is not None
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    np.testing.assert_allclose(target.offset_frd_m, (4 * c - 10 * s, 3.0, 4 * s + 10 * c))


@pytest.mark.parametrize(
    ("kwargs", "word"),
    [
        ({"selection": None}, "frame"),
        ({"selection": NONE}, "too-small"),
        ({"pose_age": 0.4}, "pose"),
        ({"decided_age": 1.2}, "decision"),
        ({"selection": site(S, seen_ago_s=3.0)}, "seen"),
        ({"selection": site(S, held_s=0.3)}, "confirm"),
        ({"vehicle": replace(LANDING, armed=False)}, "disarmed"),
        ({"vehicle": replace(LANDING, airborne=False)}, "ground"),
        ({"vehicle": replace(LANDING, link_alive=False)}, "heartbeat"),
        ({"height": -2.0}, "below"),
    ],
)
def test_each_gate_keeps_the_target_back_and_says_why(kwargs, word):
    out = step(Director(SETTINGS), 1, **kwargs)
    assert out.target is None
    assert word in out.reason


def test_a_vehicle_on_its_wing_gets_no_target_until_it_hovers_and_gives_no_landing_up():
    director, wing = Director(SETTINGS), replace(LANDING, no_hover="the vehicle flies on its wing")
    for at_s in range(1, 60):
        out = step(director, at_s, vehicle=wing)
        assert out.target is None and out.state is DirectorState.SEARCH and "wing" in out.reason
    assert step(director, 61).target is not None
    assert step(director, 61.1, vehicle=wing).target is None


@pytest.mark.parametrize(
    ("hidden_s", "words"),
    [
        (0.1, ""),
        (0.25, "the link is late: poses may be 0.35 s old, more than 0.3 s"),
        (None, "the pose's age is not known: TIMESYNC is not answered"),
    ],
)
def test_a_link_that_may_be_late_gives_no_target_beyond_what_a_poses_age_may_be(hidden_s, words):
    director = Director(SETTINGS)
    assert step(director, 1).target is not None
    out = step(director, 1.05, vehicle=replace(LANDING, hidden_s=hidden_s), pose_age=0.1)
    assert (out.target is None) is bool(words)
    assert out.state is (DirectorState.HOLD if words else DirectorState.DESCEND)
    assert not words or out.reason == words


def test_pose_without_attitude_or_position_is_refused():
    director = Director(SETTINGS)
    for pose in (None, Pose(S, None, (0, 0, -5), 5), Pose(S, (1, 0, 0, 0), None, 5)):
        out = director.step(DirectorInput(S, Decision(site(S), S, S), pose, LANDING))
        assert out.target is None and "pose" in out.reason


@pytest.mark.parametrize("age_s", [0.1, 5.0])
def test_ways_and_outlooks_are_of_a_decision_of_now_alone(age_s):
    decided_ns = 10 * S - round(age_s * S)
    outlooks = ((9.0, 0.0, -5.0),)
    decision = replace(Decision(site(10 * S), decided_ns, decided_ns), way=Way.FREE, outlooks_ned_m=outlooks)
    pose = Pose(10 * S, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -5.0), 5.0)
    out = Director(SETTINGS).step(DirectorInput(10 * S, decision, pose, LANDING))
    assert (out.way is Way.FREE) is (age_s < 1.0) and out.outlooks_ned_m == (outlooks if age_s < 1.0 else ())
    moved = replace(pose, frame=EstimatorFrame(1))
    out = Director(SETTINGS).step(DirectorInput(10 * S, decision, moved, LANDING))
    assert out.way is not Way.FREE and out.outlooks_ned_m == ()
    aside = replace(decision, aside_ned_m=(1.0, 2.0, -5.0))
    out = Director(SETTINGS).step(DirectorInput(10 * S, aside, pose, LANDING))
    assert out.aside_ned_m == ((1.0, 2.0, -5.0) if age_s < 1.0 else None)


def test_losing_the_site_holds_then_aborts_and_stays_so_until_the_mode_changes():
    director = Director(SETTINGS)
    assert step(director, 1).state is DirectorState.DESCEND
    out = step(director, 2, NONE)
    assert out.state is DirectorState.HOLD and out.target is None
    assert [t.to_state for t in out.transitions] == [DirectorState.HOLD]
    assert step(director, 3, NONE).transitions == ()  # said once
    out = step(director, 2 + SETTINGS.hold_timeout_s + 0.5, NONE)
    assert out.state is DirectorState.ABORT
    assert step(director, 60).target is None  # a site now comes too late for this landing
    assert step(director, 61, vehicle=FLYING).state is DirectorState.TRACK


@pytest.mark.parametrize("given_up", [False, True])
def test_a_failsafe_landing_is_never_given_up(given_up):
    """It lands in any case: a site that comes late is better than the ground below."""
    director, failsafe = Director(SETTINGS), replace(LANDING, failsafe=True)
    step(director, 1)
    for second in range(2, 4 + int(SETTINGS.hold_timeout_s)):
        out = step(director, second, NONE, vehicle=LANDING if given_up else failsafe)
    assert out.state is (DirectorState.ABORT if given_up else DirectorState.HOLD)
    assert step(director, 40, NONE, vehicle=failsafe).state is DirectorState.HOLD
    out = step(director, 41, vehicle=failsafe)
    assert out.state is DirectorState.DESCEND and out.target is not None


def test_hold_ends_with_a_confirmed_site():
    director = Director(SETTINGS)
    step(director, 1)
    step(director, 2, NONE)
    young = site(3 * S, held_s=0.2)
    assert step(director, 3, young).state is DirectorState.HOLD
    out = step(director, 5)
    assert out.state is DirectorState.DESCEND and out.target is not None


def test_link_loss_stops_targets_and_they_resume():
    director = Director(SETTINGS)
    assert step(director, 1).target is not None
    lost = step(director, 2, vehicle=replace(LANDING, link_alive=False), pose_age=1.0)
    assert lost.target is None and lost.state is DirectorState.HOLD
    assert step(director, 4).target is not None


def test_committed_vehicle_may_lose_sight_for_a_while():
    director = Director(SETTINGS)
    unseen = site(10 * S, seen_ago_s=8.0)
    assert step(director, 10, unseen, height=1.0).target is not None
    assert step(director, 10, unseen, height=10.0).target is None
    too_old = site(100 * S, seen_ago_s=SETTINGS.commit_max_age_s + 1)
    assert step(director, 100, too_old, height=1.0).target is None


def test_last_decimetres_keep_a_target_below():
    target = step(Director(SETTINGS), 1, height=-0.05).target
    assert target is not None and target.offset_frd_m[2] == 0.1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 5.0),
            st.sampled_from(["site", "none", "nothing", "young", "old"]),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.sampled_from([None, True, False]),
            st.floats(0, 2),
            st.floats(-1.5, 40),
        ),
        max_size=40,
    )
)
def test_no_sequence_sends_without_evidence(steps):
    director, now_s = Director(SETTINGS), 100.0
    for passed, what, alive, armed, landing, airborne, pose_age, height in steps:
        now_s += passed
        now = int(now_s * S)
        selection = {
            "site": site(now),
            "none": NONE,
            "nothing": None,
            "young": site(now, held_s=0.1),
            "old": site(now, seen_ago_s=30),
        }[what]
        vehicle = VehicleStatus(alive, Autopilot.PX4, armed, airborne, landing, "x")
        before = director.state
        out = step(director, now_s, selection, vehicle, height, pose_age)
        if out.target is not None:
            assert what == "site" and alive and armed and airborne is not False
            assert pose_age <= SETTINGS.max_pose_age_s and out.state in SENDING
            assert out.target.offset_frd_m[2] > 0
        # Transitions chain from the state before to the state after.
        for transition in out.transitions:
            assert transition.from_state is before and transition.reason
            before = transition.to_state
        assert before is out.state


@pytest.mark.parametrize("selection", [NONE, None, "young"])
def test_a_vehicle_that_lands_without_a_site_is_on_hold_from_whatever_state(selection):
    """A pilot who orders a landing in the moment the site is lost must hear of it."""
    director = Director(SETTINGS)
    step(director, 1, vehicle=FLYING)
    step(director, 2, site(2 * S, held_s=0.1), vehicle=FLYING)
    assert director.state is DirectorState.CONFIRM
    chosen = site(3 * S, held_s=0.1) if selection == "young" else selection
    out = step(director, 3, chosen, vehicle=LANDING)
    assert out.state is DirectorState.HOLD and out.target is None
    later = step(director, 3 + SETTINGS.hold_timeout_s + 1, chosen, vehicle=LANDING)
    assert later.state in (DirectorState.ABORT, DirectorState.DESCEND)


def test_an_intruder_stops_the_target_at_once_and_it_is_back_with_the_next_clean_decision():
    director = Director(SETTINGS)
    assert step(director, 1).state is DirectorState.DESCEND
    now = 2 * S
    intruder = Intruder(Role.PERSON, 0.3)
    decision = Decision(site(now), now, now, intruder=intruder)
    pose = Pose(now, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -10.0), 10.0)
    out = director.step(DirectorInput(now, decision, pose, LANDING))
    assert out.target is None and out.state is DirectorState.HOLD
    assert out.reason == "person at the site" and out.intruder is intruder
    out = step(director, 2.1)
    assert out.target is not None and out.intruder is None


@pytest.mark.parametrize("reason", [NoSiteReason.TOO_HIGH, NoSiteReason.HEIGHT_OUT_OF_RANGE])
def test_the_way_down_to_where_a_site_can_be_seen_is_no_time_without_one(reason):
    director, high = Director(SETTINGS), NoSite(reason, "descend to 28 m first", 28.0)
    states = set()
    for second in range(90):
        out = step(director, second, high, height=100.0)
        states.add(out.state)
        assert out.target is None and out.descend_to_m == 28.0
    assert states == {DirectorState.HOLD} and "descend to 28 m first" in out.reason
    out = step(director, 91, height=27.0)
    assert out.state is DirectorState.DESCEND and out.target is not None and out.descend_to_m is None
    for second in range(92, 92 + int(SETTINGS.hold_timeout_s) + 2):
        out = step(director, second, NONE)
    assert out.state is DirectorState.ABORT


def test_an_old_word_to_descend_is_none():
    out = step(Director(SETTINGS), 1, NoSite(NoSiteReason.TOO_HIGH, "descend", 28.0), decided_age=1.0)
    assert out.descend_to_m is None


@pytest.mark.parametrize("hz", [1.0, 1.7, 2.4, 3.0, 3.7, 6.0])
def test_at_the_edge_of_its_speed_the_state_does_not_flap(hz):
    director, transitions = Director(SETTINGS), []
    for tick in range(60 * 20):
        now_s = 10.0 + tick / 20
        # Each third decision takes half as long again, as on a loaded machine.
        number = math.floor(now_s * hz)
        decided_s = (number + (0.5 if number % 3 == 0 else 0.0)) / hz
        age_s = max(0.05, now_s - decided_s) + 0.6 / hz
        transitions += step(director, now_s, decided_age=age_s).transitions
    assert len(transitions) <= 3, [(t.from_state.value, t.to_state.value, t.reason) for t in transitions]


@pytest.mark.parametrize(
    ("selection", "pad", "bad_ground", "pad_gone"),
    [
        (NONE, None, True, False),
        (NONE, PadReport(PadState.LOST, "looks for ground"), True, True),
        (NONE, PadReport(PadState.FOLLOWED), True, True),
        (NONE, PadReport(PadState.UNSEEN), True, False),
        (NoSite(NoSiteReason.NO_POSE, "no pose"), PadReport(PadState.LOST), False, False),
        ("site", PadReport(PadState.LOST), False, False),
    ],
)
def test_bad_ground_is_the_grounds_fault_and_a_pad_is_gone_only_after_it_was_followed(
    selection, pad, bad_ground, pad_gone
):
    chosen = site(S) if selection == "site" else selection
    pose = Pose(S, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -5.0), 5.0)
    out = Director(SETTINGS).step(DirectorInput(S, Decision(chosen, S, S, pad=pad), pose, LANDING))
    assert (out.bad_ground, out.pad_gone) == (bad_ground, pad_gone)


GROUND, WING = replace(LANDING, airborne=False), replace(LANDING, no_hover="the vehicle flies on its wing")


@pytest.mark.parametrize("between", [LANDING, GROUND, WING])
def test_each_time_without_a_site_begins_anew_after_a_site_the_ground_or_the_wing(between):
    director, longest_s = Director(SETTINGS), SETTINGS.hold_timeout_s
    for now_s in (1.0, longest_s - 1.0):
        assert step(director, now_s, NONE).state is DirectorState.HOLD
    step(director, longest_s, vehicle=between)
    for now_s in (longest_s + 1.0, 2.0 * longest_s):
        assert step(director, now_s, NONE).state is DirectorState.HOLD
    assert step(director, 2.0 * longest_s + 1.1, NONE).state is DirectorState.ABORT


def test_a_landing_that_was_given_up_is_over_with_its_mode_though_there_is_no_site():
    director, failsafe = Director(SETTINGS), replace(LANDING, failsafe=True)
    for now_s in (1.0, 2.0 + SETTINGS.hold_timeout_s):
        step(director, now_s, NONE)
    assert director.state is DirectorState.ABORT
    out = step(director, 30, NONE, vehicle=failsafe)
    assert [t.to_state for t in out.transitions] == [DirectorState.HOLD]
    for now_s in (31.0, 32.0 + SETTINGS.hold_timeout_s):
        step(director, now_s, NONE)
    assert director.state is DirectorState.ABORT
    assert step(director, 60, NONE, vehicle=FLYING).state is DirectorState.SEARCH


def test_a_link_that_comes_back_begins_no_landing_anew_that_was_given_up():
    director, silent = Director(SETTINGS), replace(LANDING, link_alive=False)
    for now_s in (1.0, 2.0 + SETTINGS.hold_timeout_s):
        step(director, now_s, NONE)
    assert step(director, 20, vehicle=silent).state is DirectorState.ABORT
    out = step(director, 21)
    assert out.state is DirectorState.ABORT and out.target is None


@pytest.mark.parametrize(("vehicle", "state"), [(LANDING, DirectorState.HOLD), (FLYING, DirectorState.SEARCH)])
def test_a_silent_autopilot_holds_a_landing_and_the_silence_is_no_time_without_a_site(vehicle, state):
    director, silent = Director(SETTINGS), replace(FLYING, link_alive=False)
    step(director, 1, vehicle=vehicle)
    for now_s in (2.0, 60.0):
        assert step(director, now_s, NONE, vehicle=replace(silent, landing=vehicle.landing)).state is state
    assert step(director, 61.0, NONE, vehicle=silent).state is state
    assert step(director, 62.0, NONE, vehicle=vehicle).state is state


def test_landed_is_told_once_a_flight():
    director, disarmed = Director(SETTINGS), replace(GROUND, armed=False, landing=False)
    assert step(director, 0, NONE, vehicle=disarmed).state is DirectorState.SEARCH
    step(director, 1)
    for now_s in (2.0, 3.0):
        assert step(director, now_s, vehicle=disarmed).state is DirectorState.LANDED
    step(director, 4, vehicle=replace(disarmed, link_alive=False))
    assert step(director, 5, vehicle=disarmed).state is DirectorState.SEARCH
    step(director, 6)
    step(director, 7, vehicle=disarmed)
    out = step(director, 8, NONE, vehicle=FLYING)
    assert [(t.to_state, t.reason) for t in out.transitions] == [(DirectorState.SEARCH, "airborne again")]


def test_one_late_decision_stops_the_target_alone_and_a_later_one_holds_until_they_come_in_time_again():
    director, limit_s = Director(SETTINGS), SETTINGS.max_decision_age_s
    assert step(director, 1).target is not None
    out = step(director, 2, decided_age=limit_s + 0.4)  # the frame is 0.05 s older
    assert out.target is None and out.state is DirectorState.DESCEND and "no decision on a frame" in out.reason
    assert step(director, 2.1).target is not None
    out = step(director, 3, decided_age=limit_s + 0.5)
    assert out.target is None and out.state is DirectorState.HOLD
    out = step(director, 3.95)
    assert out.target is None and out.reason == "decisions come again, for less than 1 s"
    assert step(director, 4.0).target is not None
    assert step(director, 4.1).target is not None


def test_a_landing_that_begins_while_decisions_are_late_is_on_hold_at_once():
    director = Director(SETTINGS)
    step(director, 1, NONE, vehicle=FLYING)
    assert step(director, 2, decided_age=SETTINGS.max_decision_age_s + 0.1).state is DirectorState.HOLD


def test_the_first_decision_is_not_waited_for_again_and_none_at_all_is_no_late_one():
    director = Director(SETTINGS)
    assert step(director, 1, None).reason == "no frame yet"
    assert step(director, 1.1).target is not None
    assert step(director, 1.2, None).state is DirectorState.HOLD


def test_a_site_in_place_of_another_is_told_as_another():
    director = Director(SETTINGS)
    step(director, 1, NONE, vehicle=FLYING)
    first = step(director, 2, site(2 * S, held_s=0.1), vehicle=FLYING)
    step(director, 3, vehicle=FLYING)
    second = step(director, 4, site(4 * S, held_s=0.1), vehicle=FLYING)
    assert (first.reason, second.reason) == ("site found, confirming", "another site, confirming")


def test_a_director_goes_on_from_the_state_of_another():
    director, other = Director(SETTINGS), Director(SETTINGS)
    step(director, 1)
    step(director, 2, decided_age=SETTINGS.max_decision_age_s + 0.6)
    other.load_state_dict(director.state_dict())
    assert other.state_dict() == director.state_dict() and other.state is DirectorState.HOLD
    assert step(other, 2.1) == step(director, 2.1)
