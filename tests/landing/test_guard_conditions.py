"""Conditions on which the authority begins, stops a landing, counts its time, and gives the vehicle back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landing.command.failsafe import LONGEST_S
from landing.command.orders import AnswerKind, Hold, Land
from landing.vehicle import Autopilot, Battery
from tests.landing.test_authority import GUARD, IN_FAILSAFE, LAND, PERSON, REST, world


@pytest.mark.parametrize("gone", [False, True])
def test_below_the_commit_height_a_missing_site_stops_it_only_where_a_pad_has_left(gone):
    w = world(GUARD.model_copy(update={"look_s": 0.0}), height_m=2.9)
    w.land()
    w.site, w.pad_gone = None, gone
    w.run(GUARD.grace_s + 0.2)
    assert bool(w.requests) is gone


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
    w.run(LONGEST_S - 15.0)
    assert Land() not in w.requests
    w.until("hand-back", 6.0)


def test_an_autopilot_of_an_unknown_kind_is_left_alone():
    w = world(autopilot=Autopilot.UNKNOWN, mode="LAND", intruder=PERSON)
    w.run(1.0)
    assert w.requests == [] and w.state.value == "ready"


def held_in_a_failsafe_that_flies_home():
    """Held for 20 s of what a failsafe may be held up; then PX4's own next action flies home."""
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


def test_a_landing_whose_height_nobody_knows_goes_on_to_its_site():
    w = world(blind=True, down_mps=0.7)
    w.land()
    w.run(4.0)
    assert w.requests == [] and w.state.value == "guard"


def test_a_last_landing_that_is_refused_in_a_failsafe_is_asked_for_once():
    w = world(IN_FAILSAFE, battery=Battery(900.0))
    w.land()
    w.failsafe, w.intruder = True, PERSON
    w.until("hold", 1.0)
    w.run(LONGEST_S - 10.0)
    w.obeys, w.answers_with = False, AnswerKind.REFUSED
    w.until("ended", 20.0)
    assert w.requests.count(Land()) == 1


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


def test_below_the_commit_height_a_site_that_is_lost_from_beside_stops_nothing():
    w = world(GUARD.model_copy(update={"look_s": 0.0}), height_m=2.9, site=(4.0, 0.0, 0.0), down_mps=0.7)
    w.land()
    w.site = None
    w.run(4.0)
    assert w.requests == []


@pytest.mark.parametrize(("intruder", "state"), [(None, "ready"), (PERSON, "hold")])
def test_a_link_that_is_lost_in_a_failsafe_ends_all_but_a_hold_of_ours(intruder, state):
    w = world(IN_FAILSAFE, battery=Battery(900.0), intruder=None)
    w.land()
    w.failsafe, w.intruder = True, intruder
    w.run(0.5)
    w.alive = False
    w.run(0.5)
    assert w.state.value == state


def test_a_vehicle_that_comes_off_its_wing_in_the_hold_mode_was_given_no_order_to_land():
    w = world(LAND, autopilot=Autopilot.PX4, mode="POSCTL", site=(12.0, 0.0, 0.0))
    w.run(1.0)
    w.mode, w.no_hover = "AUTO.LOITER", "the vehicle flies on its wing"
    w.run(1.0)
    w.no_hover = ""
    w.run(4.0)
    assert w.state.value == "ready"


def test_a_landing_that_hovers_and_then_goes_down_is_not_taken_for_one_that_is_flown_away():
    w = world(height_m=15.0)
    w.land()
    w.run(3.0)
    w.height_m = 8.0
    w.run(1.0)
    assert w.state.value == "guard"


def test_a_fence_that_may_act_holds_nothing_back_in_a_mode_of_ours():
    w = world()
    w.land()
    w.fence_open, w.intruder = True, PERSON
    w.until("hold", 0.2)


def test_a_mode_of_the_fence_is_the_autopilots_own_once_its_failsafe_is_told():
    w = world()
    w.land()
    w.fence_open, w.mode, w.touching_down = True, "RTL", False
    w.run(0.2)
    assert w.state.value == "guard"
    w.failsafe = True
    w.step()
    assert w.state.value == "ready"
