"""Flights of the authority after a stop: climbs, searches, steps aside, ways to a site, and what ends each."""

from __future__ import annotations

import pytest

from landing.choice.way import Way
from landing.command.orders import AnswerKind, FlyTo, Hold, Land
from landing.estimator import FrameShift
from landing.vehicle import Battery
from tests.landing.test_authority import (
    GUARD,
    IN_FAILSAFE,
    PERSON,
    climbing_from_a_place_that_failed,
    on_its_way,
    stepping_aside,
    world,
)


@pytest.mark.parametrize(("resumed", "broken_off"), [(1, True), (2, False)])
def test_after_two_resumed_landings_a_climb_is_not_broken_off_for_a_site_on_the_way(resumed, broken_off):
    w = world(height_m=28.0)
    w.land()
    for _ in range(resumed):
        w.height_m, w.intruder = 8.0, PERSON
        w.until("hold", 1.0)
        w.intruder = None
        w.until("guard", 10.0)
    w.height_m, w.site = 8.0, None
    w.until("hold", 3.0)
    w.run(0.2)
    w.obeys = False
    w.until("climb", 10.0)
    w.height_m, w.site = 9.0, (0.0, 0.0, 0.0)
    w.run(5.0)
    assert (w.requests[-1] == Land()) is broken_off


def test_it_does_not_stop_to_look_around_over_a_pad_that_moves():
    w = world(pad_ne_mps=(1.0, 0.0))
    w.land()
    w.height_m = 3.2
    w.run(2.0)
    assert w.requests == []


@pytest.mark.parametrize("state", ["hold", "search", "climb", "approach", "aside"])
def test_a_position_that_is_lost_for_a_moment_ends_nothing_in_the_air(state):
    w = world(height_m=12.0)
    w.land()
    if state == "aside":
        w.height_m, w.aside = 3.2, (1.5, 0.0, -3.2)
    else:
        w.height_m, w.site = 6.0, None
    if state in ("climb", "approach", "aside"):
        w.until("look" if state == "aside" else "hold", 3.0)
        w.run(0.1)
        w.obeys = False
        w.site = (9.0, 0.0, 0.0) if state == "approach" else w.site
    w.until(state, 20.0)
    w.run(1.0)
    w.blind = True
    w.run(2.0)
    w.blind = False
    w.run(0.2)
    assert w.state.value == state


@pytest.mark.parametrize("since_the_start", [True, False])
def test_a_vehicle_that_holds_without_a_position_is_the_pilots_when_a_search_would_be_over(since_the_start):
    w = world(height_m=25.0, blind=since_the_start)
    w.land()
    w.height_m, w.site = 8.0, None
    w.until("hold", 2.0)
    w.blind = True
    w.run(GUARD.wait_s + GUARD.search_s - 1.0)
    assert w.state.value == "hold" and w.requests == [Hold()]
    w.until("ended", 1.5)
    assert "the position is not known" in w.reasons[-1]


def test_a_vehicle_that_holds_too_high_to_see_a_site_goes_down_once_its_position_is_known():
    w = world(known_up_to_m=16.0)
    w.land()
    w.intruder = PERSON
    w.until("hold", 1.0)
    w.height_m, w.intruder, w.blind = 40.0, None, True
    w.run(1.5)
    assert w.requests == [Hold()]
    w.blind = False
    w.until("descend", 0.2)


def test_a_step_aside_that_is_asked_for_while_the_position_is_lost_waits_for_it():
    w = world()
    w.land()
    w.height_m = 3.2
    w.until("look", 0.2)
    w.aside, w.blind = (1.5, 0.0, -3.2), True
    w.run(1.0)
    assert w.requests == [Hold()]
    w.blind = False
    w.until("aside", 0.2)


def test_a_step_aside_whose_end_is_lost_with_the_local_frame_is_stopped_where_it_is():
    w = stepping_aside()
    w.position, w.frame, w.site = (51.0, 40.0), w.frame.moved(None), (50.0, 40.0, 0.0)
    w.until("hold", 0.2)
    assert w.requests[-1] == FlyTo((51.0, 40.0, -3.2), frame=w.frame)


@pytest.mark.parametrize("left_s", [80.0, 900.0])
def test_uneven_ground_that_the_step_shows_stops_a_failsafe_landing_while_there_is_time(left_s):
    w = stepping_aside(IN_FAILSAFE)
    w.failsafe, w.site, w.battery = True, None, Battery(left_s)
    w.position, w.obeys = (0.0, 0.0), True
    w.run(GUARD.look_s)
    assert ("hold" in w.log) == (left_s > 100.0)


@pytest.mark.parametrize("answer", [AnswerKind.REFUSED, AnswerKind.SILENT])
@pytest.mark.parametrize("state", ["climb", "move"])
def test_a_flight_that_comes_to_nothing_is_the_pilots_but_for_a_place_to_search_from_that_is_refused(state, answer):
    w = world(height_m=40.0, outlook_m=20.0)
    w.land()
    w.height_m, w.site = 29.5 if state == "move" else 8.0, None
    w.until("hold", 6.0)
    w.run(0.2)
    w.obeys, w.answers_with = False, answer
    w.until(state, 12.0)
    w.run(0.2)
    goes_on = state == "move" and answer is AnswerKind.REFUSED
    assert w.state.value == ("hold" if goes_on else "ended")


def test_a_request_is_not_withdrawn_in_the_step_that_makes_it():
    w = world()
    w.land()
    w.intruder = PERSON
    output = w.step()
    assert output.request is not None and not output.withdrawn


@pytest.mark.parametrize(
    ("searched", "height_m", "site", "broken_off"),
    [(False, 9.0, (9.0, 0.0, 0.0), False), (True, 12.0, (0.5, 0.5, 0.0), False), (True, 12.0, (9.0, 0.0, 0.0), True)],
)
def test_a_climb_ends_only_for_a_place_that_has_not_failed_seen_from_high_enough(searched, height_m, site, broken_off):
    w = climbing_from_a_place_that_failed()
    if searched:
        w.height_m = 10.8
        w.until("search", 0.2)
        w.until("climb", GUARD.search_s + 0.5)
        w.run(0.2)
    w.height_m, w.site = height_m, site
    w.run(GUARD.calm_s + 0.2)
    assert (w.state.value != "climb") is broken_off


def test_a_site_beside_a_place_that_failed_is_taken_before_the_search_is_over():
    w = climbing_from_a_place_that_failed()
    w.height_m, w.obeys = 10.8, True
    w.until("search", 0.2)
    assert w.reasons[-1] == "searches from 11 m"
    w.site = (5.0, 5.0, 0.0)
    w.until("approach", GUARD.calm_s + 0.2)


def test_a_way_down_to_see_a_site_ends_where_the_networks_answer_counts():
    w = world(known_up_to_m=16.0)
    w.land()
    w.intruder = PERSON
    w.until("hold", 1.0)
    w.run(0.2)
    w.height_m, w.intruder, w.obeys = 40.0, None, False
    w.until("descend", 0.2)
    w.run(0.2)
    w.height_m = 16.5
    w.run(0.5)
    assert w.state.value == "descend"
    w.height_m = 15.9
    w.until("search", 0.2)
    assert w.reasons[-1] == "searches from 16 m"


def test_somebody_who_comes_while_the_position_is_lost_in_a_flight_is_held_for_by_the_mode():
    w = on_its_way(began_m=12.0)
    w.run(0.2)
    w.blind, w.intruder = True, PERSON
    w.until("hold", 0.5)
    assert w.requests[-1] == Hold()


@pytest.mark.parametrize(("away_m", "lands"), [(0.5, True), (9.0, False)])
def test_in_a_climb_a_site_below_needs_no_way_and_one_beside_waits_for_the_height_to_fly_there(away_m, lands):
    w = world(height_m=28.0, way=Way.NOT_SEEN)
    w.land()
    w.height_m, w.site = 8.0, None
    w.until("hold", 3.0)
    w.run(0.2)
    w.obeys = False
    w.until("climb", 10.0)
    asked = len(w.requests)
    w.height_m, w.site = 9.0, (away_m, 0.0, 0.0)
    w.run(GUARD.calm_s + 0.5)
    assert w.requests[asked:] == ([Land()] if lands else [])


def test_a_flight_that_arrives_where_the_site_is_out_of_view_waits_for_it():
    w = on_its_way(began_m=12.0)
    w.run(0.2)
    w.position, w.site = (12.0, 0.0), None
    w.run(0.5)
    assert w.state.value == "approach"
    w.site = (12.0, 0.0, 0.0)
    w.until("resume", 0.2)


def test_a_look_around_ends_only_with_a_site_that_has_been_there_for_a_second():
    w = world()
    w.land()
    w.height_m = 3.2
    w.until("look", 0.2)
    w.run(GUARD.look_s - 0.5)
    w.site = None
    w.run(0.4)
    w.site = (0.0, 0.0, 0.0)
    w.run(0.9)
    assert w.requests == [Hold()]
    w.until("resume", 0.4)


def test_a_landing_that_goes_on_is_not_sent_back_to_where_it_flew_when_the_local_frame_moves():
    w = on_its_way(began_m=12.0)
    w.obeys, w.position = True, (12.0, 0.0)
    w.until("guard", 1.0)
    asked = len(w.requests)
    w.position, w.site, w.frame = (15.0, 0.0), (15.0, 0.0, 0.0), w.frame.moved(FrameShift(0.0, (3.0, 0.0, 0.0)))
    w.run(1.0)
    assert len(w.requests) == asked


@pytest.mark.parametrize("left_s", [88.0, 900.0])
def test_a_site_that_is_far_after_the_look_around_is_flown_to_in_a_failsafe_while_there_is_time(left_s):
    w = world(IN_FAILSAFE, battery=Battery(left_s))
    w.land()
    w.height_m, w.failsafe = 3.2, True
    w.until("look", 0.2)
    w.site = (6.0, 0.0, 0.0)
    w.until("guard", GUARD.look_s + 25.0)
    flown = any(isinstance(request, FlyTo) for request in w.requests)
    assert w.requests[-1] == Land() and flown == (left_s > 100.0)


def test_a_flight_over_what_comes_to_light_goes_on_where_it_is_high_enough():
    w = on_its_way(began_m=12.0)
    w.height_m, w.way = 12.0, Way.BLOCKED
    asked = len(w.requests)
    w.run(1.0)
    assert w.state.value == "approach" and len(w.requests) == asked


def test_a_way_down_to_see_a_site_ends_no_lower_than_where_it_waits():
    w = world(known_up_to_m=4.0, height_m=3.8)
    w.land()
    w.intruder = PERSON
    w.until("hold", 1.0)
    w.height_m, w.intruder = 20.0, None
    w.until("descend", 0.5)
    assert w.requests[-1] == FlyTo((0.0, 0.0, pytest.approx(-GUARD.clear_height_m)))


def test_each_search_counts_once():
    w = world(GUARD.model_copy(update={"max_tries": 2}), height_m=40.0)
    w.land()
    w.height_m, w.site = 8.0, None
    w.until("ended", 60.0)
    assert sum(isinstance(request, FlyTo) for request in w.requests) == 2
    at_the_top = world(GUARD.model_copy(update={"max_tries": 2}))
    at_the_top.land()
    at_the_top.site = None
    at_the_top.until("hold", 2.0)
    at_the_top.run(GUARD.wait_s + 2 * GUARD.search_s - 1.0)
    assert at_the_top.state.value == "search"
    at_the_top.until("ended", 1.5)


def test_after_what_came_to_light_on_one_way_the_next_landing_flies_as_high_as_it_is():
    w = on_its_way(began_m=25.0)
    w.run(0.2)
    w.way = Way.BLOCKED
    w.until("climb", 0.5)
    w.way, w.obeys = Way.FREE, True
    w.height_m = GUARD.over_height_m
    w.until("guard", 30.0)
    w.position, w.height_m, w.intruder = (12.0, 0.0), 8.0, PERSON
    w.until("hold", 0.5)
    w.site, w.intruder = (20.0, 0.0, 0.0), None
    w.until("guard", 10.0)
    assert w.requests[-2:] == [FlyTo((20.0, 0.0, -8.0)), Land()]


def test_that_a_resumed_landing_leaves_the_mission_is_said_once():
    w = world(mode="AUTO", touching_down=True)
    for _ in range(2):
        w.until("guard", 1.0)
        w.intruder = PERSON
        w.until("hold", 0.5)
        w.intruder = None
        w.until("resume", GUARD.calm_s + 0.5)
    assert [reason for reason in w.reasons if "lands" in reason] == [
        "site confirmed: lands in LAND, the mission ends",
        "site confirmed: lands",
    ]
