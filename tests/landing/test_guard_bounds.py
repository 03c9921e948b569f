"""Heights, distances and times at which the authority stops, climbs, flies and lands, as a pilot would measure them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landing.choice.way import Way
from landing.command.orders import AnswerKind, FlyTo, Hold, Land
from landing.command.site_status import SiteStatus
from landing.estimator import FrameShift
from landing.guidance.director import DirectorOutput, DirectorState
from landing.types import Pose
from landing.vehicle import Autopilot, Battery
from tests.landing.test_authority import GUARD, LAND, PERSON, REST, S, on_its_way, world

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


@pytest.mark.parametrize(("height_m", "high_s", "after_s"), [(19.9, 5.0, 1.5), (20.1, 5.0, 5.0), (20.1, 0.5, 1.5)])
def test_a_missing_site_stops_it_after_one_and_a_half_seconds_and_high_up_after_five(height_m, high_s, after_s):
    w = world(GUARD.model_copy(update={"high_grace_s": high_s}), height_m=height_m)
    w.land()
    w.site = None
    w.run(after_s - 0.1)
    assert w.requests == []
    w.run(0.2)
    assert w.requests == [Hold()]


@pytest.mark.parametrize("gone", [False, True])
def test_below_the_commit_height_a_missing_site_stops_it_only_where_a_pad_has_left(gone):
    w = world(GUARD.model_copy(update={"look_s": 0.0}), height_m=2.9)
    w.land()
    w.site, w.pad_gone = None, gone
    w.run(GUARD.grace_s + 0.2)
    assert bool(w.requests) is gone


def test_it_does_not_stop_to_look_around_over_a_pad_that_moves():
    w = world(pad_ne_mps=(1.0, 0.0))
    w.land()
    w.height_m = 3.2
    w.run(2.0)
    assert w.requests == []


def test_a_long_way_down_takes_nothing_of_the_time_for_all_tries():
    w = world(GUARD.model_copy(update={"max_total_s": 12.0}))
    w.land()
    w.run(13.0)
    w.intruder = PERSON
    w.until("hold", 1.0)
    w.intruder = None
    w.until("guard", GUARD.calm_s + 1.0)


def test_a_stick_that_moves_before_a_new_mode_is_explained_ends_it_at_once():
    w = world(autopilot=Autopilot.PX4)
    w.land()
    w.run(1.2)
    w.next_mode, w.sticks = "POSCTL", replace(REST, roll=0.6)
    w.step()
    assert w.state.value == "ended"


def test_the_time_between_two_failsafes_in_one_hold_takes_nothing_of_what_the_battery_leaves():
    w = world(IN_FAILSAFE, battery=Battery(600.0), failsafe=True, height_m=8.0)
    w.land()
    w.intruder = PERSON
    w.until("hold", 1.0)
    w.run(10.0)
    w.failsafe = False
    w.run(30.0)
    w.failsafe = True
    w.run(15.0)
    assert Land() not in w.requests
    w.until("hand-back", 6.0)


def test_an_autopilot_of_an_unknown_kind_is_left_alone():
    w = world(autopilot=Autopilot.UNKNOWN, mode="LAND", intruder=PERSON)
    w.run(1.0)
    assert w.requests == [] and w.state.value == "ready"


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


@pytest.mark.parametrize(("height_m", "climbs"), [(28.9, True), (29.1, False)])
def test_a_search_within_a_metre_of_the_ceiling_goes_on_beside_instead_of_above(height_m, climbs):
    w = world(height_m=40.0, outlook_m=20.0)
    w.land()
    w.height_m, w.site = height_m, None
    w.until("hold", 6.0)
    w.run(GUARD.wait_s + 0.3)
    assert ("climb" in w.log) is climbs and ("move" in w.log) is not climbs


def held_in_a_failsafe_that_flies_home():
    """Held for 20 s of the 30 s that a failsafe may be held up; then PX4's own next action flies home."""
    w = world(IN_FAILSAFE.model_copy(update={"max_total_s": 25.0}), autopilot=Autopilot.PX4, battery=Battery(900.0))
    w.land()
    w.failsafe, w.intruder, w.height_m = True, PERSON, 8.0
    w.until("hold", 1.0)
    w.run(20.0)
    w.mode, w.failsafe_mode, w.touching_down, w.intruder = "AUTO.RTL", True, False, None
    w.until("ready", 1.0)
    w.failsafe = w.failsafe_mode = False
    return w


@pytest.mark.parametrize(("flown_by_hand", "spent"), [(False, True), (True, False)])
def test_the_time_for_all_tries_begins_anew_only_after_the_pilot_has_flown(flown_by_hand, spent):
    w = held_in_a_failsafe_that_flies_home()
    if flown_by_hand:
        w.mode = "POSCTL"
        w.run(1.0)
        w.mode = "AUTO.PRECLAND"
    w.touching_down = True
    w.until("guard", 5.0)
    w.intruder = PERSON
    w.until("hold", 1.0)
    w.run(8.0)
    assert (w.state.value == "ended") is spent


def test_a_landing_is_not_accompanied_by_a_site_that_it_no_longer_sees():
    w = world(mode="AUTO", touching_down=False)
    w.run(1.0)
    w.site, w.touching_down = None, True
    w.run(3.0)
    assert w.state.value == "ready"
    w.site = (0.0, 0.0, 0.0)
    w.until("guard", 0.2)


@pytest.mark.parametrize(("height_m", "begins"), [(4.9, False), (5.1, True)])
def test_land_begins_from_five_metres_on(height_m, begins):
    w = world(LAND, site=(12.0, 0.0, 0.0), height_m=height_m)
    w.run(1.0)
    w.mode = "GUIDED"
    w.run(3.0)
    assert ("announce" in w.log) is begins


@pytest.mark.parametrize("lacks", [{"site": None}, {"failsafe": True}, {"fence_open": True}, {"blind": True}])
def test_land_does_not_begin_without_a_site_or_in_the_autopilots_own_failsafe(lacks):
    w = world(LAND.model_copy(update={"failsafe": "guard"}), site=(12.0, 0.0, 0.0))
    w.run(1.0)
    w.mode = "GUIDED"
    w.step()
    for name, value in lacks.items():
        setattr(w, name, value)
    w.run(5.0)
    assert w.state.value == "ready" and w.requests == []


def test_land_leaves_a_way_home_without_waiting_for_the_vehicle_to_stand():
    w = world(LAND.model_copy(update={"start_modes": ("RTL",)}), site=(12.0, 0.0, 0.0))
    w.run(1.0)
    w.mode = "RTL"
    for k in range(120):
        w.position = (0.0, 0.2 * k)
        w.step()
    assert w.requests[0] == Hold()


def test_a_landing_mode_is_guarded_before_the_autopilot_tells_that_it_lands():
    w = world(touching_down=False)
    w.land()
    w.intruder = PERSON
    w.until("hold", 0.2)


@pytest.mark.parametrize("change", [{"site": None}, {"intruder": PERSON}])
def test_a_landing_whose_height_nobody_knows_is_stopped_as_any_other(change):
    w = world(blind=True)
    w.land()
    for name, value in change.items():
        setattr(w, name, value)
    w.until("hold", GUARD.grace_s + 0.2)
    w.intruder = None
    w.run(GUARD.calm_s + 1.0)
    assert w.state.value == "hold" and w.requests == [Hold()]


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


def test_a_landing_whose_height_nobody_knows_goes_on_to_its_site():
    w = world(blind=True, down_mps=0.7)
    w.land()
    w.run(4.0)
    assert w.requests == [] and w.state.value == "guard"


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
    w = world()
    w.land()
    w.height_m, w.aside = 3.2, (3.0, 0.0, -3.2)
    w.until("look", 1.0)
    w.run(0.1)
    w.obeys = False
    w.until("aside", 1.0)
    w.run(0.2)
    w.position, w.frame, w.site = (51.0, 40.0), w.frame.moved(None), (50.0, 40.0, 0.0)
    w.until("hold", 0.2)
    assert w.requests[-1] == FlyTo((51.0, 40.0, -3.2), frame=w.frame)


def test_uneven_ground_that_the_step_shows_stops_no_failsafe_landing():
    w = world(IN_FAILSAFE, battery=Battery(600.0))
    w.land()
    w.height_m, w.aside = 3.2, (1.5, 0.0, -3.2)
    w.until("look", 1.0)
    w.run(0.1)
    w.obeys = False
    w.until("aside", 1.0)
    w.failsafe, w.site = True, None
    w.run(6.0)
    w.position, w.obeys = (0.0, 0.0), True
    w.until("guard", GUARD.look_s)
    assert "hold" not in w.log


def test_a_last_landing_that_is_refused_in_a_failsafe_is_asked_for_once():
    w = world(IN_FAILSAFE, battery=Battery(900.0))
    w.land()
    w.failsafe, w.intruder = True, PERSON
    w.until("hold", 1.0)
    w.run(20.0)
    w.obeys, w.answers_with = False, AnswerKind.REFUSED
    w.until("ended", 20.0)
    assert w.requests.count(Land()) == 1


@pytest.mark.parametrize(("height_m", "stopped"), [(19.9, True), (20.1, False)])
def test_a_vehicle_is_stopped_beside_its_site_from_twenty_metres_down(height_m, stopped):
    w = world(autopilot=Autopilot.PX4, height_m=height_m)
    w.land()
    w.site, w.down_mps = (5.0, 0.0, 0.0), 0.7
    w.run(4.0)
    assert bool(w.requests) is stopped


def test_a_better_figure_of_the_battery_gives_a_hold_in_a_failsafe_no_time_back():
    w = world(IN_FAILSAFE, battery=Battery(100.0))  # leaves 10 s at 8 m
    w.land()
    w.height_m, w.failsafe, w.intruder = 8.0, True, PERSON
    w.until("hold", 1.0)
    w.run(5.0)
    w.battery = Battery(900.0)
    w.until("hand-back", 6.0)


@pytest.mark.parametrize("flag", ["failsafe", "failsafe_mode", "fence_open"])
@pytest.mark.parametrize(("autopilot", "hold"), [(Autopilot.ARDUPILOT, "GUIDED"), (Autopilot.PX4, "AUTO.LOITER")])
def test_a_hold_that_the_autopilots_own_safeguard_began_is_no_order_to_land(flag, autopilot, hold):
    px4 = autopilot is Autopilot.PX4
    w = world(LAND, autopilot=autopilot, mode="POSCTL" if px4 else "LOITER", site=(12.0, 0.0, 0.0))
    w.run(1.0)
    w.mode = hold
    setattr(w, flag, True)
    w.run(1.0)
    setattr(w, flag, False)
    w.run(4.0)
    assert w.state.value == "ready"


def test_the_pilots_own_hovering_mode_is_no_order_to_land():
    w = world(LAND, mode="STABILIZE", site=(12.0, 0.0, 0.0))
    w.run(1.0)
    w.mode = "LOITER"
    w.run(4.0)
    assert w.state.value == "ready"


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


def test_below_the_commit_height_a_site_that_is_lost_from_beside_stops_nothing():
    w = world(GUARD.model_copy(update={"look_s": 0.0}), height_m=2.9, site=(4.0, 0.0, 0.0), down_mps=0.7)
    w.land()
    w.site = None
    w.run(4.0)
    assert w.requests == []


def stepping_aside(settings=GUARD):
    """On its step to 3 m north, from a look around at 3.2 m, and not moved yet."""
    w = world(settings, battery=Battery(900.0))
    w.land()
    w.height_m, w.aside = 3.2, (3.0, 0.0, -3.2)
    w.until("look", 1.0)
    w.run(0.1)
    w.obeys = False
    w.until("aside", 1.0)
    w.run(0.2)
    return w


def test_on_a_step_aside_the_site_may_be_out_of_view_for_three_seconds_more_than_in_a_landing():
    w = stepping_aside()
    w.site = None
    w.run(GUARD.grace_s + 2.9)
    assert w.state.value == "aside"
    w.until("hold", 0.3)


def climbing_from_a_place_that_failed():
    """Sent from 4.5 m, where the ground was no good, to 11 m, and not moved yet."""
    w = world(height_m=25.0)
    w.land()
    w.height_m, w.site = 4.5, None
    w.until("hold", GUARD.grace_s + 0.2)
    w.run(0.1)
    w.obeys = False
    w.until("climb", 0.2)
    w.run(0.2)
    return w


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


@pytest.mark.parametrize(("intruder", "state"), [(None, "ready"), (PERSON, "hold")])
def test_a_link_that_is_lost_in_a_failsafe_ends_all_but_a_hold_of_ours(intruder, state):
    w = world(IN_FAILSAFE, battery=Battery(900.0), intruder=None)
    w.land()
    w.failsafe, w.intruder = True, intruder
    w.run(0.5)
    w.alive = False
    w.run(0.5)
    assert w.state.value == state


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


def test_a_site_that_is_far_after_the_look_around_stops_no_failsafe_landing():
    w = world(IN_FAILSAFE, battery=Battery(900.0))
    w.land()
    w.height_m, w.failsafe = 3.2, True
    w.until("look", 0.2)
    w.site = (6.0, 0.0, 0.0)
    w.until("guard", GUARD.look_s + 1.0)
    assert w.requests == [Hold(), Land()]


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


def test_a_vehicle_that_comes_off_its_wing_in_the_hold_mode_was_given_no_order_to_land():
    w = world(LAND, autopilot=Autopilot.PX4, mode="POSCTL", site=(12.0, 0.0, 0.0))
    w.run(1.0)
    w.mode, w.no_hover = "AUTO.LOITER", "the vehicle flies on its wing"
    w.run(1.0)
    w.no_hover = ""
    w.run(4.0)
    assert w.state.value == "ready"


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
