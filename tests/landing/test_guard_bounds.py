"""Heights, distances and times at which the authority stops, climbs, flies and lands, as a pilot would measure them."""

from __future__ import annotations

import pytest

from landing.command.orders import FlyTo, Hold, Land
from landing.estimator import FrameShift
from landing.vehicle import Autopilot, Battery
from tests.landing.test_authority import GUARD, PERSON, on_its_way, world

IN_FAILSAFE = GUARD.model_copy(update={"failsafe": "guard"})


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
    w = world()
    w.land()
    w.height_m, w.aside = 3.2, (3.0, 0.0, -3.2)
    w.until("look", 1.0)
    w.run(0.1)
    w.obeys = False
    w.until("aside", 1.0)
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
