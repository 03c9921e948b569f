"""Heights, distances and times at which the authority stops, climbs, flies and lands, as a pilot would measure them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landing.command.orders import FlyTo, Hold, Land
from landing.command.site_status import SiteStatus
from landing.estimator import FrameShift
from landing.guidance.director import DirectorOutput, DirectorState
from landing.types import Pose
from landing.vehicle import Autopilot, Battery
from tests.landing.test_authority import (
    GUARD,
    IN_FAILSAFE,
    LAND,
    PERSON,
    REST,
    S,
    climbing_from_a_place_that_failed,
    on_its_way,
    stepping_aside,
    world,
)


@pytest.mark.parametrize(
    ("height_m", "away_m", "guarded"), [(20.0, 9.9, True), (20.0, 10.1, False), (3.0, 1.9, True), (3.0, 2.1, False)]
)
def test_a_missions_landing_is_guarded_where_its_site_is_within_half_its_height_or_two_metres(
    height_m, away_m, guarded
):
    w = world(mode="AUTO", touching_down=True, height_m=height_m, site=(away_m, 0.0, 0.0))
    w.run(1.0)
    assert ("guard" in w.log) is guarded


@pytest.mark.parametrize(("away_m", "asked"), [(1.9, [Land()]), (2.1, [FlyTo((2.1, 0.0, -8.0)), Land()])])
def test_a_site_within_two_metres_is_landed_on_and_one_beyond_is_flown_to_first(away_m, asked):
    w = world()
    w.land()
    w.height_m, w.intruder = 8.0, PERSON
    w.until("hold", 2.0)
    w.site, w.intruder = (away_m, 0.0, 0.0), None
    w.until("guard", 20.0)
    assert w.requests == [Hold(), *asked]


@pytest.mark.parametrize(("left_m", "lands"), [(1.1, False), (0.9, True)])
def test_a_flight_to_a_site_ends_within_a_metre_of_it(left_m, lands):
    w = on_its_way(began_m=12.0)
    w.position = (12.0 - left_m, 0.0)
    w.run(1.0)
    assert (w.requests[-1] == Land()) is lands


@pytest.mark.parametrize(("further_m", "again"), [(0.9, False), (1.1, True)])
def test_a_site_that_moves_by_more_than_a_metre_is_flown_to_anew(further_m, again):
    w = on_its_way(began_m=12.0)
    w.run(0.5)
    asked = len(w.requests)
    w.site = (12.0, further_m, 0.0)
    w.run(0.5)
    assert w.requests[asked:] == ([FlyTo((12.0, further_m, -8.0))] if again else [])


@pytest.mark.parametrize(("moved_m", "again"), [(0.25, False), (0.35, True)])
def test_a_flight_is_asked_for_again_where_the_local_frame_has_moved_by_a_third_of_a_metre(moved_m, again):
    w = on_its_way(began_m=12.0)
    w.run(0.5)
    asked = len(w.requests)
    w.position, w.site = (moved_m, 0.0), (12.0 + moved_m, 0.0, 0.0)
    w.frame = w.frame.moved(FrameShift(0.0, (moved_m, 0.0, 0.0)))
    w.run(0.5)
    assert (len(w.requests) > asked) is again


def test_a_flight_has_ten_seconds_and_one_for_each_30_cm():
    w = on_its_way(began_m=12.0)
    w.run(49.0)
    assert w.state.value == "approach"
    w.until("hold", 2.0)
    assert w.reasons[-1] == "the site is not reached; stops here"
    w.until("ended", 1.0)


def test_on_the_way_to_a_site_it_may_be_out_of_view_for_three_seconds_more_than_in_a_landing():
    w = on_its_way(began_m=12.0)
    w.site = None
    w.run(GUARD.grace_s + 2.9)
    assert w.state.value == "approach"
    w.until("hold", 0.3)


@pytest.mark.parametrize(("height_m", "looks"), [(3.6, False), (3.4, True), (2.1, True), (1.9, False)])
def test_it_looks_around_from_three_and_a_half_metres_down_to_two(height_m, looks):
    w = world()
    w.land()
    w.height_m = height_m
    w.run(1.0)
    assert ("look" in w.log) is looks


@pytest.mark.parametrize(("away_m", "stepped"), [(4.9, True), (5.1, False)])
def test_a_step_aside_is_five_metres_long_at_most(away_m, stepped):
    w = world()
    w.land()
    w.height_m, w.aside = 3.2, (away_m, 0.0, -3.2)
    w.run(1.0)
    assert ("aside" in w.log) is stepped


@pytest.mark.parametrize(("left_m", "turns"), [(0.5, False), (0.3, True)])
def test_a_step_aside_ends_within_40_cm_of_its_end_and_of_where_it_began(left_m, turns):
    w = stepping_aside()
    w.position = (3.0 - left_m, 0.0)
    w.run(0.5)
    assert (len(w.requests) == 3) is turns
    if turns:
        w.position = (0.5, 0.0)
        w.run(0.5)
        assert w.state.value == "aside"
        w.position = (left_m, 0.0)
        w.run(0.5)
        assert w.state.value == "look"


@pytest.mark.parametrize(("away_m", "down_mps", "stopped"), [(2.9, 0.7, False), (3.1, 0.7, True), (3.1, 0.2, False)])
def test_it_goes_down_beside_its_site_from_three_metres_on_for_three_seconds(away_m, down_mps, stopped):
    w = world(autopilot=Autopilot.PX4, height_m=14.0)
    w.land()
    w.site, w.down_mps = (away_m, 0.0, 0.0), down_mps
    w.run(2.9)
    assert w.requests == []
    w.run(0.3)
    assert (w.requests == [Hold()]) is stopped


def test_who_sinks_beside_the_site_for_a_moment_and_again_is_led_there():
    w = world(autopilot=Autopilot.PX4, height_m=14.0, site=(4.0, 0.0, 0.0))
    w.land()
    for w.down_mps in (0.7, 0.0, 0.7, 0.0):
        w.run(2.0)
    assert w.requests == []


@pytest.mark.parametrize(("left_s", "held"), [(85.8, False), (86.2, True)])
def test_a_failsafe_landing_is_held_up_for_somebody_where_more_than_three_seconds_are_left(left_s, held):
    """At 8 m a battery of 86 s leaves 3 s: half of it, less 20 s, less 8 m at 0.4 m/s."""
    w = world(IN_FAILSAFE, battery=Battery(left_s))
    w.land()
    w.height_m, w.failsafe, w.intruder = 8.0, True, PERSON
    w.run(0.5)
    assert (w.requests == [Hold()]) is held


@pytest.mark.parametrize(("left_s", "looks"), [(81.8, False), (82.2, True)])
def test_a_failsafe_landing_looks_around_where_three_seconds_are_left_after_the_look(left_s, looks):
    """At 3.2 m a battery of 82 s leaves 13 s, and the look takes ten."""
    w = world(IN_FAILSAFE, battery=Battery(left_s))
    w.land()
    w.height_m, w.failsafe = 3.2, True
    w.run(0.5)
    assert (w.requests == [Hold()]) is looks


@pytest.mark.parametrize(("height_m", "high_s", "after_s"), [(19.9, 5.0, 1.5), (20.1, 5.0, 5.0), (20.1, 0.5, 1.5)])
def test_a_missing_site_stops_it_after_one_and_a_half_seconds_and_high_up_after_five(height_m, high_s, after_s):
    w = world(GUARD.model_copy(update={"high_grace_s": high_s}), height_m=height_m)
    w.land()
    w.site = None
    w.run(after_s - 0.1)
    assert w.requests == []
    w.run(0.2)
    assert w.requests == [Hold()]


@pytest.mark.parametrize(("height_m", "climbs"), [(28.9, True), (29.1, False)])
def test_a_search_within_a_metre_of_the_ceiling_goes_on_beside_instead_of_above(height_m, climbs):
    w = world(height_m=40.0, outlook_m=20.0)
    w.land()
    w.height_m, w.site = height_m, None
    w.until("hold", 6.0)
    w.run(GUARD.wait_s + 0.3)
    assert ("climb" in w.log) is climbs and ("move" in w.log) is not climbs


@pytest.mark.parametrize(("height_m", "begins"), [(4.9, False), (5.1, True)])
def test_land_begins_from_five_metres_on(height_m, begins):
    w = world(LAND, site=(12.0, 0.0, 0.0), height_m=height_m)
    w.run(1.0)
    w.mode = "GUIDED"
    w.run(3.0)
    assert ("announce" in w.log) is begins


@pytest.mark.parametrize(("height_m", "stopped"), [(19.9, True), (20.1, False)])
def test_a_vehicle_is_stopped_beside_its_site_from_twenty_metres_down(height_m, stopped):
    w = world(autopilot=Autopilot.PX4, height_m=height_m)
    w.land()
    w.site, w.down_mps = (5.0, 0.0, 0.0), 0.7
    w.run(4.0)
    assert bool(w.requests) is stopped


def test_on_a_step_aside_the_site_may_be_out_of_view_for_three_seconds_more_than_in_a_landing():
    w = stepping_aside()
    w.site = None
    w.run(GUARD.grace_s + 2.9)
    assert w.state.value == "aside"
    w.until("hold", 0.3)


@pytest.mark.parametrize(("height_m", "held"), [(8.7, True), (8.9, False)])
def test_a_good_charge_whose_time_nobody_tells_counts_as_ninety_seconds(height_m, held):
    """Half of it, less 20 s, less 8.8 m at 0.4 m/s, are the 3 s for which a failsafe landing is held up."""
    w = world(IN_FAILSAFE, battery=Battery(None, good=True))
    w.land()
    w.height_m, w.failsafe, w.intruder = height_m, True, PERSON
    w.run(0.5)
    assert (w.requests == [Hold()]) is held


def test_a_mode_that_is_accepted_must_be_reported_within_three_seconds():
    w = world(obeys=False, heartbeat_age_s=0.01)
    w.land()
    w.intruder = PERSON
    w.until("hold", 0.1)
    w.run(2.9)
    assert w.state.value == "hold"
    w.until("ended", 0.3)


@pytest.mark.parametrize(("after_s", "ended"), [(0.85, False), (1.15, True)])
def test_a_hand_may_be_on_the_sticks_for_a_second_after_the_order(after_s, ended):
    w = world()
    w.land()
    w.run(after_s)
    w.sticks = replace(REST, roll=0.6)
    w.step()
    assert (w.state.value == "ended") is ended


@pytest.mark.parametrize(("age_s", "ended"), [(1.4, False), (1.6, True)])
def test_sticks_that_were_reported_may_be_a_second_and_a_half_old(age_s, ended):
    w = world()
    w.land()
    w.stick_age_s = age_s
    w.step()
    assert (w.state.value == "ended") is ended


@pytest.mark.parametrize(("lost_s", "guarded"), [(4.9, True), (5.1, False)])
def test_a_landing_that_is_ordered_within_five_seconds_of_a_site_is_one_on_it(lost_s, guarded):
    w = world()
    w.run(1.0)
    w.site = None
    w.run(lost_s)
    w.mode = "LAND"
    w.step()
    assert ("guard" in w.log) is guarded


@pytest.mark.parametrize(("age_s", "known"), [(0.9, True), (1.1, False)])
def test_a_pose_tells_the_position_for_a_second(age_s, known):
    status, pose = SiteStatus(GUARD), Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -8.0), 8.0)
    status.update(DirectorOutput(DirectorState.SEARCH, "", None, ()), pose, round(age_s * S))
    assert (status.position_ned_m is not None) is known and (status.height_m == 8.0) is known


@pytest.mark.parametrize(("drifts_mps", "stands"), [(0.2, True), (0.3, False)])
def test_a_vehicle_stands_that_stays_within_half_a_metre_for_two_seconds(drifts_mps, stands):
    w = world(LAND, site=(12.0, 0.0, 0.0), mode="GUIDED")
    w.mode = "LOITER"
    for k in range(40):
        w.position = (0.3 * k, 0.0)
        w.step()
    w.mode = "GUIDED"
    for k in range(44):
        assert w.state.value == "ready" or k >= 38, k
        w.position = (12.0, 0.05 * drifts_mps * k)
        w.step()
    assert ("announce" in w.log) is stands


@pytest.mark.parametrize(("height_m", "arrived"), [(10.2, False), (10.4, True)])
def test_a_climb_arrives_seventy_centimetres_below_its_end(height_m, arrived):
    w = climbing_from_a_place_that_failed()  # to 11 m
    w.height_m = height_m
    w.run(0.2)
    assert (w.state.value == "search") is arrived


@pytest.mark.parametrize(("beside_m", "same"), [(2.9, True), (3.1, False)])
def test_a_site_within_three_metres_of_a_place_that_failed_is_that_place(beside_m, same):
    w = climbing_from_a_place_that_failed()
    w.height_m, w.obeys = 10.8, True
    w.until("search", 0.2)
    w.site = (0.0, beside_m, 0.0)
    w.run(GUARD.calm_s + 0.5)
    assert (w.state.value == "search") is same
