"""Whole landings under `guard` and `land` on the stand-in, in one process and simulated time."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.report import Refusal, SendResult
from landing.settings import AuthoritySettings
from sim.vehicle.autopilot import Mode
from tests.flight.in_process import PARAMETERS, InProcessFlight
from tests.landing.worlds import GRASS, ROOF

GUARD = AuthoritySettings(level="guard", begin_in_air=True)
CLEARANCE_M = 4.0 + 0.5
"""A person nearer than this to the site's middle is in it: their clearance and the vehicle."""

AWAY_M, SPEED_MPS = 12.0, 1.4


class Intrusion:
    """Somebody walks to the site that the vehicle descends to, stays, and goes on."""

    def __init__(self, below_m: float = 9.0, stay_s: float = math.inf) -> None:
        self.below_m = below_m
        self.stay_s = stay_s
        self.flight: InProcessFlight | None = None
        self.site: tuple[float, float] | None = None
        self.from_s: float | None = None

    def people(self, t_s: float) -> list[tuple[float, float]]:
        flight = self.flight
        if flight is None or self.site is None:
            return []
        if self.from_s is None:
            if flight.vehicle.height_m > self.below_m:
                return []
            self.from_s = t_s
        walked_m = SPEED_MPS * (t_s - self.from_s)
        stays_m = SPEED_MPS * self.stay_s
        if walked_m > AWAY_M:
            walked_m = max(AWAY_M, walked_m - stays_m)
        return [(self.site[0], self.site[1] + AWAY_M - walked_m)]  # along the picture's width

    @property
    def entered_s(self) -> float:
        """When they came into the site."""
        assert self.from_s is not None
        return self.from_s + (AWAY_M - CLEARANCE_M) / SPEED_MPS


def descending(settings=GUARD, intrusion=None, **kwargs) -> InProcessFlight:
    """A landing that the pilot has just ordered, on a site that is tracked."""
    people = {"people": intrusion.people} if intrusion is not None else {}
    flight = InProcessFlight(settings, **people, **kwargs)
    flight.run(lambda: flight.output is not None and flight.output.state.value == "track", 10)
    flight.run_for(2)
    if intrusion is not None:
        intrusion.flight = flight
        intrusion.site = flight.output.target.position_ned_m[:2]
    flight.switch(Mode.LAND)
    flight.run(lambda: flight.authority == "guard", 1)
    return flight


def over(flight) -> bool:
    return flight.landed or flight.authority == "ended"


def island(radius_m: float):
    """Grass around the origin, roofs beyond."""
    return lambda n, e: np.where(np.hypot(n, e) < radius_m, GRASS, ROOF)


def test_an_undisturbed_landing_is_stopped_once_to_look_around():
    flight = descending()
    flight.run(lambda: flight.commands != [], 40)
    assert 2.9 < flight.vehicle.height_m < 3.6
    flight.run(lambda: flight.landed, 60)
    assert [c["command"] for c in flight.commands] == ["Hold", "Land"]
    assert flight.commands[1]["t_s"] - flight.commands[0]["t_s"] < GUARD.look_s + 2.0
    assert any("Authority look: looks around" in text for text in flight.said)


def test_an_undisturbed_landing_that_need_not_look_around_is_not_touched():
    flight = descending(settings=GUARD.model_copy(update={"look_s": 0.0}))
    flight.run(lambda: flight.landed, 60)
    assert flight.commands == [] and flight.modes == []


@pytest.mark.parametrize("looks", [True, False])
def test_somebody_who_sets_out_for_a_vehicle_that_is_low_is_seen_before_the_last_metres(looks):
    """They take 9 s, as long as the descent: without the look they come into no picture."""
    settings = GUARD if looks else GUARD.model_copy(update={"look_s": 0.0})
    intrusion = Intrusion(4.0)
    flight = descending(settings, intrusion, height_m=14.0)
    flight.run(lambda: over(flight), 200)
    assert flight.landed, flight.said
    (where,) = intrusion.people(flight.t_s)
    assert (flight.distance_m(*where) > 3.0) == looks


def test_somebody_in_the_site_stops_it_at_once_and_it_lands_elsewhere():
    intrusion = Intrusion()
    flight = descending(intrusion=intrusion)
    flight.run(lambda: flight.commands != [], 30)
    hold = flight.commands[0]
    assert hold["command"] == "Hold" and "person" in hold["reason"]
    assert hold["t_s"] - intrusion.entered_s < 0.3 + GUARD.sure_s
    flight.run(lambda: flight.mode is Mode.GUIDED, 0.3)
    flight.run(lambda: over(flight), 150)
    assert flight.landed, flight.said
    (where,) = intrusion.people(flight.t_s)
    assert flight.distance_m(*where) > 4.0
    assert flight.distance_m(*intrusion.site) > 2.0
    assert any("Authority hold: person at the site" in text for text in flight.said)
    accepted = [e for e in flight.events if e["event"] == "command-answer"]
    assert [e["kind"] for e in accepted] == ["accepted"] * len(flight.commands)


@pytest.mark.parametrize(("below_m", "max_total_s"), [(9.0, GUARD.max_total_s), (5.0, 60.0)])
def test_where_there_is_no_other_site_nobody_is_landed_on(below_m, max_total_s):
    intrusion = Intrusion(below_m)
    settings = GUARD.model_copy(update={"max_total_s": max_total_s})
    flight = descending(settings, intrusion, ground=island(6.0), height_m=14.0)
    lowest_m = math.inf
    while not over(flight):
        flight.step()
        assert flight.t_s < 300
        if flight.commands:
            lowest_m = min(lowest_m, flight.vehicle.height_m)
    assert not flight.landed and flight.authority == "ended"
    assert flight.mode is Mode.GUIDED and flight.vehicle.height_m > 4.0
    assert lowest_m > 1.0
    count = len(flight.commands)
    flight.run_for(5)
    assert "take over" in flight.said[-1]
    told_ns = [(at_ns, text) for at_ns, text in flight.link.texts]
    late = [(b - a, text) for (a, _), (b, text) in pairwise(told_ns) if b - a < 2 * 10**9]
    assert all("person" in text for _, text in late), late
    assert len(flight.commands) == count and flight.vehicle.height_m > 4.0


def test_it_lands_once_they_have_gone():
    intrusion = Intrusion(stay_s=4.0)
    flight = descending(intrusion=intrusion, ground=island(6.0), height_m=14.0)
    flight.run(lambda: over(flight), 150)
    assert flight.landed, flight.said
    assert flight.distance_m(0.0, 0.0) < 5.0
    (where,) = intrusion.people(flight.t_s)
    assert flight.distance_m(*where) > 4.0
    assert [c["command"] for c in flight.commands][-1] == "Land"


@pytest.mark.parametrize("how", ["stick", "mode"])
def test_the_pilot_takes_over_in_the_middle_of_it(how):
    flight = descending(intrusion=Intrusion(), ground=island(6.0))
    flight.run(lambda: flight.authority == "hold", 30)
    flight.run_for(2)
    count = len(flight.commands)
    if how == "stick":
        flight.sticks(roll=1700)
    else:
        flight.switch(Mode.LOITER)
    flight.run(lambda: flight.authority == "ended", 0.5)
    assert any("the pilot has it" in text for text in flight.said)
    flight.switch(Mode.LOITER)
    flight.run_for(15)
    assert flight.mode is Mode.LOITER
    flight.switch(Mode.LAND)  # whoever stands there: it is the pilot's landing now
    flight.run(lambda: flight.landed, 60)
    assert len(flight.commands) == count


def test_an_autopilot_that_does_not_hear_us_ends_it_with_a_reason():
    flight = descending(intrusion=Intrusion())
    flight.run(lambda: flight.vehicle.height_m < 8.5, 30)
    flight.link.deaf = True
    flight.run(lambda: flight.authority == "ended", 30)
    (hold,) = flight.commands
    assert flight.t_s - hold["t_s"] < 2.5
    flight.run_for(2.1)
    assert any("not acknowledged in 5 tries" in text for text in flight.said)


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (Refusal.SWITCHED_OFF, "switched off by TD_ENABLE"),
        (Refusal.CONTESTED, "2 autopilots are heard"),
        (Refusal.OWN_IDS_TAKEN, "heartbeats of 1/191 come"),
    ],
)
def test_a_stop_that_the_link_does_not_take_is_said_at_once(refusal, why):
    flight = descending(intrusion=Intrusion())
    flight.link.refused = SendResult(refusal, why)
    flight.run(lambda: bool(flight.commands), 30)
    flight.run_for(1)
    assert flight.authority == "ended"
    flight.run_for(1)
    assert flight.mode is Mode.LAND
    assert any(why in text for text in flight.said)


def test_a_cut_link_in_the_middle_of_it_ends_it_and_nothing_is_sent_when_it_is_back():
    flight = descending(intrusion=Intrusion(), ground=island(6.0))
    flight.run(lambda: flight.authority == "hold", 30)
    flight.run_for(1)
    flight.link.cut = True
    flight.run_for(5)
    assert flight.authority == "ended"
    flight.link.cut = False
    count = len(flight.commands)
    flight.run_for(10)
    assert len(flight.commands) == count and flight.mode is Mode.GUIDED


def test_a_pilot_who_sends_the_held_vehicle_elsewhere_in_our_mode_is_obeyed():
    flight = descending(intrusion=Intrusion())
    flight.run(lambda: flight.authority == "hold", 30)
    flight.run_for(2)
    count, fix = len(flight.commands), flight.link.telemetry.fixes.newest
    to = fix.global_of((flight.vehicle.n_m - 25.0, flight.vehicle.e_m, fix.position_ned_m[2]))
    place = (round(to.latitude_deg * 1e7), round(to.longitude_deg * 1e7), to.altitude_m)
    go = (mavlink.MAV_FRAME_GLOBAL, mavlink.MAV_CMD_DO_REPOSITION, 0, 0, -1.0, 1.0, 0.0, math.nan)
    flight.autopilot.receive("pilot", mavlink.MAVLink_command_int_message(1, 1, *go, *place))
    flight.run(lambda: flight.authority == "ended", 5)
    flight.run_for(5)
    assert len(flight.commands) == count and flight.mode is Mode.GUIDED
    assert any("the vehicle was flown" in text for text in flight.said)


def test_low_down_a_blind_camera_changes_nothing_but_higher_up_it_holds():
    flight = descending()
    flight.run(lambda: flight.vehicle.height_m < 2.5, 60)
    flight.seeing = False
    flight.run(lambda: flight.landed, 30)
    assert [c["command"] for c in flight.commands] == ["Hold", "Land"]
    flight = descending()
    flight.run(lambda: flight.vehicle.height_m < 8.0, 40)
    flight.seeing = False
    flight.run(lambda: flight.mode is Mode.GUIDED, 6)
    assert "no decision" in flight.commands[0]["reason"]
    flight.seeing = True
    flight.run(lambda: flight.landed, 90)


def patch_of_grass(n, e):
    return np.where(np.hypot(n - 7.0, e + 4.0) < 3.5, GRASS, ROOF)


def test_land_flies_to_the_site_and_lands():
    settings = AuthoritySettings(level="land", announce_s=3.0, begin_in_air=True)
    flight = InProcessFlight(settings, height_m=15.0, ground=patch_of_grass, mode=Mode.LOITER)
    flight.run(lambda: flight.output is not None and flight.output.state.value == "track", 10)
    flight.run_for(8)
    assert flight.commands == []  # the mode was not entered in the air
    flight.switch(Mode.GUIDED)
    flight.run(lambda: flight.landed, 90)
    assert [c["command"] for c in flight.commands] == ["FlyTo", "Land", "Hold", "Land"]
    assert flight.distance_m(7.0, -4.0) < 1.0
    assert any("Authority announce" in text for text in flight.said)


def test_a_stick_during_the_announcement_stops_it():
    settings = AuthoritySettings(level="land", begin_in_air=True)
    flight = InProcessFlight(settings, height_m=15.0, ground=patch_of_grass, mode=Mode.LOITER)
    flight.run(lambda: flight.output is not None and flight.output.state.value == "track", 10)
    flight.switch(Mode.GUIDED)
    flight.run(lambda: flight.authority == "announce", 5)
    flight.run_for(2)
    flight.sticks(pitch=1650)
    flight.run(lambda: flight.authority == "ended", 0.5)
    flight.run_for(20)
    assert flight.commands == [] and flight.mode is Mode.GUIDED


def test_in_advise_nothing_is_ever_commanded():
    flight = InProcessFlight(AuthoritySettings(), people=(intrusion := Intrusion()).people)
    flight.run(lambda: flight.output is not None and flight.output.state.value == "track", 10)
    intrusion.flight, intrusion.site = flight, flight.output.target.position_ned_m[:2]
    flight.switch(Mode.LAND)
    flight.run(lambda: flight.landed, 120)
    assert flight.commands == [] and flight.authority == "off"


@pytest.mark.parametrize("late_s", [0.0, 0.06, 0.13])
def test_an_estimator_that_creeps_away_stops_a_climb_and_ends_nothing(late_s):
    """A step of unknown size: the place on the globe that is known then is of the frame before."""
    flight = descending(intrusion=Intrusion(), height_m=20.0)
    flight.run(lambda: flight.authority == "climb", 60)
    flight.run_for(0.5 + late_s)
    estimator = flight.autopilot.flight._estimator
    for k in range(1, 11):
        estimator._errors = replace(estimator._errors, position_bias_ned_m=(0.2 * k, 0.0, 0.0))
        flight.run_for(0.1)
    flight.run(lambda: flight.authority == "hold", 1.0)
    stopped_m = flight.vehicle.height_m
    flight.run_for(1.0)
    assert abs(flight.vehicle.height_m - stopped_m) < 0.5 and flight.authority == "hold"
    assert flight.commands[-1]["reason"] == "the local frame has moved by an unknown step"
    flight.run(lambda: flight.authority == "guard", 60)
    assert not any("ended" in text for text in flight.said)


def test_an_autopilot_that_takes_no_targets_is_not_let_down_beside_the_site(monkeypatch):
    """Precision landing is switched off, as PX4's AUTO.LAND has none: below the vehicle is a roof."""
    monkeypatch.setitem(PARAMETERS, "PLND_ENABLED", 0)
    lawn = lambda n, e: np.where((abs(n - 7) < 4) & (abs(e) < 4), GRASS, ROOF)  # noqa: E731
    flight = descending(GUARD.model_copy(update={"look_s": 0.0}), ground=lawn, height_m=14.0)
    flight.run(lambda: over(flight), 60)
    assert flight.landed and flight.distance_m(7.0, 0.0) < 2.0
    assert any("goes down 6 m beside the site" in command["reason"] for command in flight.commands)
