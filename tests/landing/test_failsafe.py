"""Landings in the autopilot's failsafes: held up for a person or for the ground, within what the battery leaves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landing.command.failsafe import GOOD_LEFT_S, LONGEST_S, MARGIN_S, SHARE, SLOWEST_DESCENT_MPS, HoldBound, may_hold_s
from landing.command.orders import AnswerKind, FlyTo, Hold, Land
from landing.vehicle import Autopilot, Battery, Sticks
from tests.landing.test_authority import COMMIT_M, GUARD, IN_FAILSAFE, PERSON, S, world

FULL = Battery(600.0)


def landing_in_failsafe(settings=IN_FAILSAFE, battery=FULL, **kwargs):
    w = world(settings, battery=battery, **kwargs)
    w.run(1.0)
    w.failsafe = True
    w.mode = "AUTO.LAND" if w.autopilot is Autopilot.PX4 else "LAND"
    w.run(2.0)
    return w


@given(
    left_s=st.one_of(st.none(), st.floats(0, 7200)),
    critical=st.booleans(),
    good=st.booleans(),
    height_m=st.one_of(st.none(), st.floats(0, 120)),
)
def test_the_landing_itself_always_has_its_time(left_s, critical, good, height_m):
    hold_s = may_hold_s(Battery(left_s, critical, good), height_m)
    assert 0.0 <= hold_s <= LONGEST_S
    if left_s is None and good:
        left_s = GOOD_LEFT_S
    if critical or left_s is None or height_m is None:
        assert hold_s == 0.0
    elif hold_s > 0.0:
        assert left_s - hold_s >= (1 - SHARE) * left_s + MARGIN_S
        assert left_s - hold_s >= height_m / SLOWEST_DESCENT_MPS + MARGIN_S


def test_the_end_only_ever_comes_nearer():
    bound = HoldBound()
    assert bound.left_s(FULL, 5.0, 0, held=False) == pytest.approx(LONGEST_S)
    assert bound.left_s(FULL, 5.0, 100 * S, held=True) == pytest.approx(LONGEST_S)
    assert bound.left_s(FULL, 5.0, 110 * S, held=True) == pytest.approx(LONGEST_S - 10.0)
    assert bound.left_s(Battery(80.0), 5.0, 111 * S, held=True) == pytest.approx(0.5 * 80 - 20 - 12.5)
    assert bound.left_s(FULL, 5.0, 111 * S, held=True) == pytest.approx(7.5)  # a better figure gives nothing back


def test_the_time_between_holds_counts_for_the_battery_alone():
    bound = HoldBound()
    assert bound.left_s(FULL, 30.0, 0, held=True) == pytest.approx(LONGEST_S)
    assert bound.left_s(FULL, 30.0, 12 * S, held=False) == pytest.approx(LONGEST_S - 12.0)
    assert bound.left_s(FULL, 10.0, 40 * S, held=False) == pytest.approx(LONGEST_S - 12.0)
    assert bound.left_s(FULL, 4.0, 45 * S, held=True) == pytest.approx(LONGEST_S - 12.0)
    assert bound.left_s(FULL, 4.0, 55 * S, held=True) == pytest.approx(LONGEST_S - 22.0)
    assert bound.left_s(FULL, 4.0, 123 * S, held=True) == 0.0
    assert bound.left_s(FULL, 4.0, 124 * S, held=False) == 0.0
    assert bound.left_s(Battery(70.0), 4.0, 125 * S, held=False) <= may_hold_s(Battery(70.0), 4.0)


@given(st.lists(st.tuples(st.floats(0.05, 8.0), st.booleans(), st.floats(0, 900), st.floats(0, 60)), max_size=40))
def test_all_holds_together_never_last_longer(steps):
    """Whoever obeys it and lets go when it is over."""
    bound, now_ns, held, total_s = HoldBound(), 0, False, 0.0
    for step_s, asked, battery_s, height_m in steps:
        left_s = bound.left_s(Battery(battery_s), height_m, now_ns, held=held)
        assert left_s <= may_hold_s(Battery(battery_s), height_m) + 1e-6
        held = asked and left_s > 0.0
        if held:
            left_s = bound.left_s(Battery(battery_s), height_m, now_ns, held=True)
        passed_s = min(step_s, left_s) if held else step_s
        total_s += passed_s if held else 0.0
        now_ns += round(passed_s * 1e9)
    assert total_s <= LONGEST_S + 1e-3


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
def test_a_person_holds_it_up_and_when_they_have_gone_it_lands(autopilot):
    w = landing_in_failsafe(autopilot=autopilot)
    assert w.state.value == "guard" and w.requests == []
    w.intruder = PERSON
    w.step()
    assert w.requests == [Hold()] and f"failsafe, at most {LONGEST_S:.0f} s" in w.reasons[-1]
    w.run(3.0)
    w.intruder = None
    w.until("guard", 10.0)
    assert w.requests == [Hold(), Land()]


def test_when_the_time_is_over_it_lands_and_says_so():
    w = landing_in_failsafe()
    w.intruder = PERSON
    w.step()
    began_ns = w.now_ns
    w.until("ended", LONGEST_S + 5.0)
    assert (w.now_ns - began_ns) / S < LONGEST_S + 1.0
    assert w.requests[-1] == Land() and "hand-back" in w.log
    assert any("failsafe, no time left: lands without a site" in reason for reason in w.reasons)
    count = len(w.requests)
    w.run(20.0)
    assert len(w.requests) == count


def test_a_daemon_that_ends_lets_a_landing_that_it_holds_up_go_on():
    w = landing_in_failsafe()
    w.intruder = PERSON
    w.run(1.0)
    assert w.requests == [Hold()]
    w.leaving = True
    w.until("ended", 2.0)
    assert w.requests == [Hold(), Land()]
    assert any("failsafe, the daemon ends: lands without a site" in reason for reason in w.reasons)


def test_a_daemon_that_ends_stops_no_failsafe_landing_and_leaves_a_hold_without_failsafe_to_the_pilot():
    w = landing_in_failsafe()
    w.leaving, w.intruder = True, PERSON
    w.run(1.0)
    assert w.requests == []
    w = world()
    w.land()
    w.intruder = PERSON
    w.until("hold", 2.0)
    w.leaving = True
    w.run(2.0)
    assert w.requests == [Hold()]


@pytest.mark.parametrize("leaves", [True, False])
def test_a_climb_that_is_refused_ends_no_failsafe_landing_in_the_air(leaves):
    """ArduPilot refuses to fly to a place outside of its fence (flown on 4.7.0-dev), and nobody is at the sticks."""
    w = landing_in_failsafe(height_m=6.0)
    w.intruder, w.height_m = PERSON, 3.0
    w.step()
    w.answers_with = AnswerKind.REFUSED
    began_ns = w.now_ns
    w.until("hold", 3.0)
    w.run(1.0)
    assert "climb refused" in w.reasons[-1] and "waits here" in w.reasons[-1]
    w.answers_with = AnswerKind.ACCEPTED
    if leaves:
        w.intruder = None
        w.until("guard", 20.0)
    else:
        w.until("ended", LONGEST_S + 5.0)
    assert w.requests[-1] == Land() and (w.now_ns - began_ns) / S < LONGEST_S + 1.0
    assert sum(isinstance(request, FlyTo) for request in w.requests) == 1


@pytest.mark.parametrize(("answer", "lands_late"), [(AnswerKind.SILENT, False), (None, False), (None, True)])
def test_a_request_without_an_answer_leaves_nobody_hovering_in_a_failsafe(answer, lands_late):
    """The answers are lost for a while, that of the landing as well; nobody is at the sticks."""
    w = landing_in_failsafe(height_m=6.0)
    w.intruder, w.height_m = PERSON, 3.0
    w.step()
    began_ns, w.answers_with, w.obeys = w.now_ns, answer, False
    w.until("hand-back", LONGEST_S + 1.0)
    assert (w.now_ns - began_ns) / S < LONGEST_S + 1.0 and w.mode == "GUIDED"
    if lands_late:
        w.run(15.0)
        assert w.mode == "GUIDED" and w.state.value != "ended"
    w.answers_with, w.obeys = AnswerKind.ACCEPTED, True
    w.until("ended", 15.0)
    assert w.requests[-1] == Land() and w.mode == "LAND" and "lands without us" in w.reasons[-1]


def test_a_landing_that_is_refused_for_a_while_in_a_failsafe_is_asked_for_again():
    w = landing_in_failsafe(height_m=8.0)
    w.intruder = PERSON
    w.run(2.0)
    w.intruder, w.answers_with, w.obeys = None, AnswerKind.REFUSED, False
    w.run(8.0)
    assert w.mode == "GUIDED" and w.state.value != "ended" and w.requests.count(Land()) > 1
    w.answers_with, w.obeys = AnswerKind.ACCEPTED, True
    w.until("guard", 5.0)
    assert w.mode == "LAND"


def test_a_link_that_is_lost_in_a_failsafe_hold_is_no_end_of_it():
    w = landing_in_failsafe(height_m=8.0)
    w.intruder = PERSON
    w.run(2.0)
    assert w.state.value == "hold"
    w.alive = False
    w.run(LONGEST_S + 5.0)
    assert w.state.value == "hold" and w.requests == [Hold()]
    w.alive = True
    w.run(1.0)
    assert w.requests == [Hold(), Land()] and w.mode == "LAND"


@pytest.mark.parametrize("hidden_s", [None, 2.0])
def test_a_link_whose_delay_is_not_known_or_long_leaves_nobody_hovering_in_a_failsafe(hidden_s):
    w = landing_in_failsafe()
    w.intruder = PERSON
    w.until("hold", 5.0)
    w.hidden_s = hidden_s
    w.until("hand-back", LONGEST_S + 1.0)
    assert w.requests[-1] == Land()


def test_a_link_that_comes_back_with_another_mode_is_the_pilots():
    w = landing_in_failsafe(height_m=8.0)
    w.intruder = PERSON
    w.run(2.0)
    w.alive, w.mode = False, "LOITER"
    w.run(5.0)
    w.alive = True
    w.run(1.0)
    assert w.state.value == "ended" and w.requests == [Hold()]


def test_who_never_answers_a_landing_in_a_failsafe_is_asked_a_bounded_number_of_times():
    w = landing_in_failsafe(height_m=6.0)
    w.intruder = PERSON
    w.step()
    w.answers_with, w.obeys = AnswerKind.SILENT, False
    w.until("ended", 600.0)
    assert len(w.requests) <= IN_FAILSAFE.max_tries + 2 and "take over" in w.reasons[-1]


def test_in_a_failsafe_it_lands_when_its_tries_are_over():
    w = world(IN_FAILSAFE.model_copy(update={"max_total_s": 12.0}), battery=FULL, height_m=8.0)
    w.land()
    w.intruder = PERSON
    w.run(10.0)
    w.failsafe = True
    w.until("ended", 5.0)
    assert w.requests[-1] == Land() and "hand-back" in w.log


def test_with_a_site_it_lands_there():
    w = landing_in_failsafe(height_m=25.0)
    w.intruder = PERSON
    w.height_m = 15.0
    w.run(0.5)
    w.intruder, w.battery = None, Battery(600.0, critical=True)
    w.until("ended", 5.0)
    assert any("lands on the site" in reason for reason in w.reasons)


@pytest.mark.parametrize("battery", [None, Battery(None), Battery(40.0), Battery(600.0, critical=True)])
def test_without_time_by_the_battery_nothing_is_held_up(battery):
    w = landing_in_failsafe(battery=battery)
    w.intruder = PERSON
    w.run(20.0)
    assert w.requests == []


def test_a_good_charge_whose_time_nobody_tells_holds_near_the_ground_until_it_is_low():
    w = landing_in_failsafe(battery=Battery(None, good=True), height_m=12.0)
    w.intruder = PERSON
    w.run(1.0)
    assert w.requests == []  # from up here the landing takes all of it
    w.height_m = 4.0
    w.run(1.0)
    assert w.requests[0] == Hold() and Land() not in w.requests
    w.battery = Battery(None)
    w.until("ended", 3.0)
    assert w.requests[-1] == Land()


def descend_to_the_look(battery):
    w = landing_in_failsafe(battery=battery, height_m=12.0)
    for w.height_m in (10.0, 6.0, 3.4):
        w.run(0.5)
    return w


def test_it_looks_around_once_for_people_and_then_lands():
    w = descend_to_the_look(FULL)
    assert w.requests == [Hold()] and w.state.value == "look"
    w.site, w.ground_known = None, False  # evidence that is missing is no reason to stay
    began_ns = w.now_ns
    w.until("guard", IN_FAILSAFE.look_s + 3.0)
    assert w.requests == [Hold(), Land()] and (w.now_ns - began_ns) / S < IN_FAILSAFE.look_s + 2.0
    w.run(10.0)
    assert w.requests == [Hold(), Land()]


def test_a_person_who_comes_while_it_looks_around_is_waited_for_within_the_bound():
    w = descend_to_the_look(FULL)
    w.intruder = PERSON
    began_ns = w.now_ns
    w.until("ended", LONGEST_S + 5.0)
    assert (w.now_ns - began_ns) / S < LONGEST_S + 1.0 and w.requests[-1] == Land()


@pytest.mark.parametrize("battery", [None, Battery(80.0), Battery(600.0, critical=True)])
def test_it_does_not_look_around_where_the_battery_leaves_no_time_for_it(battery):
    assert descend_to_the_look(battery).requests == []


@pytest.mark.parametrize(("battery", "ground_known"), [(FULL, False), (Battery(80.0), True), (None, True)])
def test_missing_evidence_or_ground_without_time_for_another_place_never_stops_it(battery, ground_known):
    w = landing_in_failsafe(height_m=12.0, battery=battery)
    w.site, w.ground_known = None, ground_known
    for w.height_m in (10.0, 6.0, 3.4, 3.0, 1.0):
        w.run(3.0)
    assert w.requests == []


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
def test_ground_that_turns_out_bad_is_left_for_another_place_while_there_is_time(autopilot):
    """Relief shows a slope at 9 m, when the flat ground beside it is out of the picture (flown, park 97012)."""
    w = landing_in_failsafe(height_m=20.0, autopilot=autopilot)
    w.height_m, w.site = 9.0, None
    w.until("hold", 3.0)
    assert f"site lost; failsafe, at most {LONGEST_S:.0f} s" in w.reasons
    w.until("climb", 10.0)
    w.until("search", 10.0)
    w.site = (7.0, 0.0, 0.0)
    w.until("approach", 10.0)
    w.until("guard", 20.0)
    assert w.requests[-1] == Land() and w.position[0] == pytest.approx(7.0, abs=1.0)


def test_a_failsafe_that_lands_beside_the_site_is_led_to_it():
    """PX4 lands in AUTO.LAND, which follows no target."""
    w = landing_in_failsafe(height_m=14.0, autopilot=Autopilot.PX4)
    w.site, w.down_mps = (8.0, 0.0, 0.0), 0.7
    w.until("hold", 5.0)
    assert f"goes down 8 m beside the site; failsafe, at most {LONGEST_S:.0f} s" in w.reasons
    w.down_mps = 0.0
    w.until("guard", 25.0)
    assert w.requests == [Hold(), FlyTo((8.0, 0.0, -14.0)), Land()] and w.mode == "AUTO.PRECLAND"


def test_where_no_other_place_is_found_it_lands_when_the_time_is_over():
    w = landing_in_failsafe(height_m=20.0)
    w.height_m, w.site = 9.0, None
    w.until("hold", 3.0)
    began_ns = w.now_ns
    w.until("ended", LONGEST_S + 5.0)
    assert (w.now_ns - began_ns) / S < LONGEST_S + 1.0 and w.requests[-1] == Land()
    assert any("failsafe, no time left: lands without a site" in reason for reason in w.reasons)


def test_below_the_commit_height_the_ground_stops_no_failsafe_landing():
    w = landing_in_failsafe(height_m=20.0)
    w.height_m, w.site = COMMIT_M - 0.3, None
    w.run(5.0)
    assert w.requests == []


def test_a_search_from_beside_is_flown_while_there_is_time():
    w = landing_in_failsafe(height_m=30.0, outlook_m=20.0)
    w.height_m, w.site = 25.0, None
    w.until("move", 40.0)
    assert w.requests[-1] == FlyTo((20.0, 0.0, pytest.approx(-30.0, abs=1.0)))


def test_the_autopilots_next_action_ends_it():
    w = landing_in_failsafe()
    w.intruder = PERSON
    w.run(2.0)
    assert w.requests == [Hold()] and w.mode == "GUIDED"
    w.mode, w.battery = "LAND", Battery(200.0, critical=True)  # its critical action
    w.run(30.0)
    assert w.requests == [Hold()] and w.state.value == "ended"


def test_a_failsafe_that_comes_while_it_is_held_up_gets_the_bound_of_then():
    w = world(IN_FAILSAFE, battery=FULL, height_m=8.0)
    w.land()
    w.intruder = PERSON
    w.run(5.0)
    w.failsafe, w.battery = True, Battery(100.0)
    began_ns = w.now_ns
    w.until("ended", 40.0)
    assert w.requests[-1] == Land()
    assert (w.now_ns - began_ns) / S <= may_hold_s(Battery(100.0), 8.0) + 1.0


def test_by_default_only_targets_go_on():
    w = landing_in_failsafe(GUARD)
    w.intruder = PERSON
    w.run(10.0)
    assert w.requests == [] and w.state.value == "ready"
    assert math.isfinite(w.height_m) and not any(isinstance(r, FlyTo) for r in w.requests)


def way_home(settings):
    """A landing that is accompanied, and the failsafe that breaks it off: mode and state come in one heartbeat."""
    w = world(settings, battery=FULL, height_m=8.0)
    w.land()
    w.failsafe, w.mode, w.touching_down = True, "RTL", False
    w.step()
    return w


def test_a_failsafe_that_flies_home_is_not_called_the_pilots_and_its_landing_is_accompanied():
    w = way_home(IN_FAILSAFE)
    assert w.state.value == "ready" and "the autopilot's own failsafe" in w.reasons[-1]
    w.run(5.0)
    assert w.requests == [] and w.state.value == "ready"
    w.touching_down = True
    w.until("guard", 3.0)
    w.intruder = PERSON
    w.run(0.5)
    assert w.requests == [Hold()] and "failsafe, at most" in w.reasons[-1]


def test_a_failsafe_of_px4_holds_first_and_flies_home_later():
    """AUTO.LOITER for some seconds, which is a mode of ours too, and then AUTO.RTL by the same failsafe."""
    w = world(IN_FAILSAFE, battery=FULL, height_m=8.0, autopilot=Autopilot.PX4)
    w.land()
    w.intruder = PERSON
    w.run(1.0)
    assert w.mode == "AUTO.LOITER"
    w.failsafe = w.failsafe_mode = True
    w.run(2.0)
    w.mode, w.touching_down = "AUTO.RTL", False
    w.step()
    assert w.state.value == "ready" and "the autopilot's own failsafe" in w.reasons[-1]
    w.intruder, w.touching_down = None, True
    w.until("guard", 3.0)


def test_a_failsafe_that_begins_anew_in_a_hold_has_no_time_of_its_own():
    """A lost link does on PX4, after a hold of 5 s: it flies home, and the landing there is accompanied."""
    w = landing_in_failsafe(autopilot=Autopilot.PX4)
    w.intruder = PERSON
    w.run(20.0)
    assert w.mode == "AUTO.LOITER" and w.requests == [Hold()]
    w.mode, w.failsafe_mode, w.touching_down, w.intruder = "AUTO.RTL", True, False, None
    w.run(60.0)  # the way home costs none of it
    assert w.state.value == "ready"
    w.touching_down = True
    w.until("guard", 3.0)
    w.intruder = PERSON
    w.run(1.0)
    assert w.requests == [Hold(), Hold()] and "failsafe, at most 70 s" in w.reasons[-1]
    began_ns = w.now_ns
    w.until("hand-back", 80.0)
    assert w.requests[-1] == Land() and 68.5 <= (w.now_ns - began_ns) / S <= 70.0


def test_failsafes_that_come_and_clear_give_our_holds_no_new_time_for_ever():
    """A link that comes and goes breaks each hold off after 5 s, and clears on the way home."""
    w = world(IN_FAILSAFE, battery=FULL, height_m=8.0, autopilot=Autopilot.PX4)
    w.land()
    held_s, rounds = 0.0, 0
    while w.state.value != "ended" and rounds < 80:
        rounds += 1
        w.intruder = PERSON
        w.until("hold", 3.0)
        began_ns = w.now_ns
        w.run(5.0, lambda: w.state.value == "ended")
        held_s += (w.now_ns - began_ns) / S
        if w.state.value == "ended":
            break
        w.mode, w.failsafe, w.failsafe_mode, w.touching_down = "AUTO.RTL", True, True, False
        w.run(0.5)
        w.failsafe, w.failsafe_mode, w.intruder = False, False, None
        w.run(2.0)
        w.touching_down = True
        w.until("guard", 5.0)
    assert w.state.value == "ended" and "240 s are over" in w.reasons[-1]
    assert held_s <= 245.0 and rounds > 10


def test_the_next_failsafe_inside_one_that_we_took_over_is_not_the_pilots():
    w = landing_in_failsafe(autopilot=Autopilot.PX4)
    w.intruder = PERSON
    w.run(1.0)
    assert w.mode == "AUTO.LOITER"  # on our word; the failsafe counts on
    w.mode, w.failsafe_mode, w.touching_down = "AUTO.LAND", True, True
    w.run(0.2)
    assert not any("the pilot has it" in reason for reason in w.reasons)
    w.mode, w.failsafe_mode = "POSCTL", False
    w.run(1.0)
    assert w.state.value in ("ready", "ended")
    assert w.requests.count(Hold()) <= 2


def test_in_advise_it_is_left_alone_and_not_called_the_pilots_either():
    w = way_home(GUARD)
    w.touching_down, w.intruder = True, PERSON
    w.run(10.0)
    assert w.requests == [] and not any("the pilot has it" in reason for reason in w.reasons)


def test_a_mode_that_comes_later_in_a_failsafe_is_the_pilots():
    w = landing_in_failsafe()
    assert w.state.value == "guard"
    w.mode = "RTL"
    w.run(1.0)
    assert w.state.value == "ended" and "the pilot has it: mode RTL" in w.reasons[-1]


def test_a_failsafe_without_a_change_of_mode_does_not_hide_the_pilots_hand():
    w = world(IN_FAILSAFE, battery=FULL, height_m=8.0)
    w.land()
    w.run(2.0)
    w.failsafe, w.sticks = True, Sticks(0.8, 0.0, 0.0, 0.0)
    w.run(0.5)
    assert w.state.value == "ended" and "stick" in w.reasons[-1]


def way_home_of_the_fence(settings):
    """A landing that is accompanied and broken off: mode first, and whose it is only later."""
    w = world(settings, battery=FULL, height_m=8.0)
    w.land()
    w.fence_open, w.mode, w.touching_down = True, "RTL", False
    w.intruder = PERSON
    w.run(0.5)
    assert w.state.value == "guard" and w.requests == []
    return w


@pytest.mark.parametrize("settings", [GUARD, IN_FAILSAFE])
def test_a_mode_that_the_fence_began_is_not_the_pilots(settings):
    w = way_home_of_the_fence(settings)
    w.fence_open, w.failsafe = False, True
    w.step()
    assert w.state.value == "ready" and "the autopilot's own failsafe" in w.reasons[-1]
    w.intruder, w.touching_down = None, True
    w.run(3.0)
    assert w.state.value == ("ready" if settings is GUARD else "guard")
    w.intruder = PERSON
    w.run(0.5)
    assert w.requests == ([] if settings is GUARD else [Hold()])


def test_a_mode_that_turns_out_not_to_be_the_fences_is_the_pilots():
    w = way_home_of_the_fence(IN_FAILSAFE)
    w.fence_open = False
    w.run(20.0)
    assert w.requests == [] and w.state.value == "ended" and "the pilot has it: mode RTL" in w.reasons[-1]


def test_no_landing_is_accompanied_while_it_may_be_the_fences():
    w = world(GUARD, battery=FULL, height_m=8.0)
    w.run(1.0)
    w.mode, w.fence_open = "LAND", True
    w.run(1.0)
    assert w.state.value == "ready"
    w.fence_open = False
    w.until("guard", 1.0)
