"""One suite for stand-in, ArduPilot SITL and PX4 SIH: the same landings, the same promises.

The stand-in's part runs everywhere; the real autopilots' where their simulators are installed (`touchdown sim land
--autopilot ardupilot` says how). What the stand-in may not do is drift from what it stands for: a bound that differs is
written down in `cases.BOUNDS`.
"""

from __future__ import annotations

import math

import pytest

from benchmarks.sitl_failsafes import bound_kept
from edge.daemon import LAND_S
from tests.sitl.cases import BOUNDS, BY_NAME
from tests.sitl.conftest import START_NE_M, Flown

pytestmark = pytest.mark.timeout(2400)

AUTOPILOTS = [
    pytest.param("stand-in", marks=pytest.mark.flight),
    pytest.param("ardupilot", marks=pytest.mark.sitl),
    pytest.param("px4", marks=pytest.mark.sitl),
]
POSE_GATE_S = 0.3
"""`director.max_pose_age_s`: nothing is sent on an older pose."""

GOES_ON_IN = {"ardupilot": ("RTL", "LAND"), "px4": ("AUTO.PRECLAND", "AUTO.PRECLAND")}
"""Mode at the end after a failsafe that flies home, and after one that lands: PX4's precision landing goes on."""

MISSION = {"stand-in": "AUTO", "ardupilot": "AUTO", "px4": "AUTO.MISSION"}
LANDS_IN = {"stand-in": "LAND", "ardupilot": "LAND", "px4": "AUTO.PRECLAND"}
"""Modes of a mission, and of a landing that we resume."""

ENDS_IN = {"ardupilot": "LAND", "px4": "AUTO.PRECLAND"}
"""Mode of a landing that a daemon which ends orders."""

STARVED_S = 1.5
"""What a loaded machine may add to a reaction."""


def cases(*names: str):
    return pytest.mark.parametrize("case", names)


@pytest.mark.parametrize("autopilot", AUTOPILOTS)
class TestEveryAutopilot:
    @cases("plain", "wind", "latency", "attitude-noise")
    def test_lands_on_the_site_it_was_led_to(self, flown: Flown, autopilot: str, case: str):
        bounds, result = BOUNDS[autopilot], flown.result
        assert result.verdict == "landed-safe", result.reason
        assert result.miss_estimated_m is not None and result.miss_estimated_m < bounds.miss_m
        assert result.seconds is not None and result.seconds < bounds.lands_within_s
        states = [t["to_state"] for t in result.transitions]
        assert states[0] == "confirm" and "descend" in states and "commit" in states

    @cases("plain", "wind", "latency", "attitude-noise")
    def test_the_site_is_clear_of_every_hazard_by_the_truth(self, flown: Flown, autopilot: str, case: str):
        assert flown.result.truth is not None
        assert flown.result.truth.all_landable and flown.result.truth.clearance_m > 0.5

    @cases("no-target")
    def test_without_a_target_it_lands_as_if_we_were_not_there(self, flown: Flown, autopilot: str, case: str):
        bounds, result = BOUNDS[autopilot], flown.result
        assert result.daemon["targets_sent"] == 0 and not result.sites
        assert result.touchdown_ne_m is not None, result.reason
        assert math.dist(result.touchdown_ne_m, START_NE_M) < bounds.drift_m
        if bounds.without_target is not None:
            assert any(bounds.without_target in text for text in result.texts)

    @cases("targets-stop", "daemon-kill")
    def test_targets_that_stop_leave_an_autopilot_that_climbs_looks_and_lands_there(
        self, flown: Flown, autopilot: str, case: str
    ):
        bounds, result = BOUNDS[autopilot], flown.result
        assert result.touchdown_ne_m is not None, result.reason
        assert flown.climb_m >= bounds.climbs_m, result.heights
        # It was led to the site until then, and comes down where it is.
        assert result.miss_m is not None and result.miss_m < bounds.miss_m + 1.5

    @cases("link-cut")
    def test_a_cut_link_stops_the_targets_and_mended_lands_on_the_site(self, flown: Flown, autopilot: str, case: str):
        stop = flown.after(flown.happened_ns, "target-stop")[0]
        assert (stop["mono_ns"] - flown.happened_ns) * 1e-9 < POSE_GATE_S + STARVED_S
        again = flown.after(stop["mono_ns"], "target-start")[0]
        assert (again["mono_ns"] - flown.happened_ns) * 1e-9 > 4.5
        self._landed_on_its_site(flown, autopilot)

    @cases("camera-stall")
    def test_a_stalled_camera_stops_the_targets_and_comes_back(self, flown: Flown, autopilot: str, case: str):
        stop = flown.after(flown.happened_ns, "target-stop")[0]
        assert "no decision" in stop["reason"] or "not seen" in stop["reason"]
        assert (stop["mono_ns"] - flown.happened_ns) * 1e-9 < 2.5 + STARVED_S
        assert flown.after(stop["mono_ns"], "target-start")
        self._landed_on_its_site(flown, autopilot)

    @cases("daemon-kill")
    def test_nothing_of_a_killed_daemon_reaches_the_autopilot(self, flown: Flown, autopilot: str, case: str):
        assert flown.result.happened[0]["fault"] == "daemon-kill"
        assert not flown.after(flown.happened_ns, "stop", "target-stop")  # no farewell

    @cases("autopilot-restart")
    def test_a_restarted_autopilot_is_met_anew(self, flown: Flown, autopilot: str, case: str):
        stop = flown.after(flown.happened_ns, "target-stop")[0]
        assert (stop["mono_ns"] - flown.happened_ns) * 1e-9 < POSE_GATE_S + STARVED_S
        # Local positions may mean other places now: nothing more until the map began anew.
        anew = flown.after(stop["mono_ns"], "map-reset")[0]
        late_ns = flown.happened_ns + round((POSE_GATE_S + STARVED_S) * 1e9)
        early = [e for e in flown.after(late_ns, "target-start") if e["mono_ns"] < anew["mono_ns"]]
        assert not early and flown.after(anew["mono_ns"], "target-start")
        self._landed_on_its_site(flown, autopilot)

    @cases("gimbal")
    def test_a_gimbal_that_looks_ahead_is_pointed_down_and_released(self, flown: Flown, autopilot: str, case: str):
        told = [e["order"] for e in flown.after(0, "gimbal-order")]
        assert told == ["take", "point", "release"]
        states = [e["state"] for e in flown.after(0, "gimbal")]
        assert states[:4] == ["idle", "ask", "turn", "down"]
        down = next(e["mono_ns"] for e in flown.after(0, "gimbal") if e["state"] == "down")
        # A site that it saw while it looked ahead was sent in the hover, and is no more from the order on.
        taken = flown.after(0, "gimbal-order")[0]["mono_ns"]
        starts = [e["mono_ns"] for e in flown.after(taken, "target-start")]
        assert starts and min(starts) > down
        self._landed_on_its_site(flown, autopilot)

    @cases("rc-loss", "gcs-loss", "fence")
    def test_a_failsafe_that_flies_home_lands_on_a_site_too(self, flown: Flown, autopilot: str, case: str):
        assert flown.result.modes[-1][1] == GOES_ON_IN[autopilot][0], flown.result.modes
        led = [e["to_state"] for e in flown.after(flown.happened_ns, "transition")]
        assert "commit" in led, led
        assert not flown.after(0, "authority")
        self._landed_on_its_site(flown, autopilot)

    @cases("rc-loss-goes-on")
    def test_a_failsafe_that_lets_a_landing_go_on_ends_on_its_site(self, flown: Flown, autopilot: str, case: str):
        assert {name for _, name in flown.result.modes} <= {"GUIDED", "LAND"}, flown.result.modes
        assert any("Radio Failsafe" in text for text in flown.result.texts)
        assert not flown.after(flown.happened_ns, "command")
        self._landed_on_its_site(flown, autopilot)

    @cases("switched-off")
    def test_a_ground_station_switches_it_off_and_on_in_a_landing(self, flown: Flown, autopilot: str, case: str):
        [off, on] = flown.after(0, "parameter")
        assert (off["name"], off["value"], on["value"]) == ("TD_ENABLE", 0.0, 1.0)
        assert (on["mono_ns"] - off["mono_ns"]) * 1e-9 > 4.5
        self._landed_on_its_site(flown, autopilot)

    @cases("mission")
    def test_a_missions_landing_ends_on_its_site_within_the_mission(self, flown: Flown, autopilot: str, case: str):
        # PX4 tells of its mode by its next heartbeat: it may still tell of its hover once.
        modes = [name for _, name in flown.result.modes]
        assert modes in ([MISSION[autopilot]], ["AUTO.LOITER", MISSION[autopilot]]), flown.result.modes
        assert "commit" in [t["to_state"] for t in flown.result.transitions]
        self._landed_on_its_site(flown, autopilot)

    @cases("mission-person", "mission-home-person")
    def test_a_person_stops_a_missions_landing(self, flown: Flown, autopilot: str, case: str):
        result = flown.result
        changes = [(e["to_state"], e["reason"]) for e in flown.after(0, "authority")]
        assert ("guard", "the mission's landing on the site") in changes, changes
        assert any(state == "hold" and "person" in reason for state, reason in changes), changes
        assert flown.after(flown.happened_ns, "command")[0]["command"] == "Hold"
        assert any("the mission ends at item" in reason for _, reason in changes), changes
        assert result.modes[-1][1] == LANDS_IN[autopilot], result.modes
        assert result.verdict == "landed-safe", result.reason
        assert result.person_m is not None and result.person_m > 2.0

    @cases("land")
    def test_with_authority_to_land_it_announces_flies_there_and_lands(self, flown: Flown, autopilot: str, case: str):
        states = [e["to_state"] for e in flown.after(0, "authority")]
        assert states[0] == "announce" and "guard" in states, states
        commands = [e["command"] for e in flown.after(0, "command")]
        assert commands[-1] == "Land", commands
        self._landed_on_its_site(flown, autopilot)

    @cases("battery-low")
    def test_a_failsafe_that_lands_goes_on_to_the_site_and_is_not_commanded(
        self, flown: Flown, autopilot: str, case: str
    ):
        assert flown.result.modes[-1][1] == GOES_ON_IN[autopilot][1], flown.result.modes
        assert autopilot == "px4" or any("Battery Failsafe" in text for text in flown.result.texts)
        # Ended, where it had commanded before. The battery takes its time to be low: a hold may go on until then.
        stood_back = flown.after(flown.happened_ns, "authority")[-1]
        assert stood_back["to_state"] in ("ready", "ended") and "failsafe" in stood_back["reason"]
        assert not flown.after(stood_back["mono_ns"], "command")
        self._landed_on_its_site(flown, autopilot)

    @cases("rc-loss-person", "fence-person")
    def test_in_a_failsafe_it_is_held_up_for_people_alone(self, flown: Flown, autopilot: str, case: str):
        result = flown.result
        changes = [(e["to_state"], e["reason"]) for e in flown.after(flown.happened_ns, "authority")]
        assert changes[0] == ("ready", "the autopilot's own failsafe is in force"), changes
        # ArduCopter 4.7 refuses to climb outside of its fence; it waits there within the same time.
        held = [reason for state, reason in changes if state == "hold"]
        assert held and all("failsafe, at most" in reason or "waits here" in reason for reason in held), changes
        assert result.verdict == "landed-safe", result.reason
        assert result.person_m is not None and result.person_m > 2.0

    @cases("lands-by-gcs-loss", "lands-by-battery")
    def test_a_failsafe_with_nobody_at_the_sticks_lands_on_a_site(self, flown: Flown, autopilot: str, case: str):
        assert not bound_kept(flown.result)["held_too_long"], flown.result.modes
        assert flown.result.modes[-1][1] in ("RTL", "LAND", "AUTO.RTL"), flown.result.modes
        self._landed_on_its_site(flown, autopilot)

    @cases("lands-by-gcs-loss-person")
    def test_with_nobody_at_the_sticks_a_person_holds_it_up(self, flown: Flown, autopilot: str, case: str):
        result = flown.result
        held = [e["reason"] for e in flown.after(0, "authority") if e["to_state"] == "hold"]
        assert held and all("failsafe, at most" in reason for reason in held), flown.after(0, "authority")
        assert not bound_kept(result)["held_too_long"], result.modes
        assert result.verdict == "landed-safe", result.reason
        assert result.person_m is not None and result.person_m > 2.0

    @cases("ends-in-a-hold")
    def test_a_daemon_that_ends_in_a_hold_lets_the_failsafes_landing_go_on(
        self, flown: Flown, autopilot: str, case: str
    ):
        result, bounds = flown.result, BOUNDS[autopilot]
        ended_ns = result.happened[-1]["mono_ns"]
        assert result.happened[-1]["fault"] == "daemon-end", flown.after(0, "authority")
        orders = [e["command"] for e in flown.after(ended_ns, "command")]
        assert orders == ["Land"], orders
        # It ends once the autopilot has told that it lands, not when its time to wait for that is over.
        [stop] = flown.after(ended_ns, "stop")
        assert (stop["mono_ns"] - ended_ns) * 1e-9 < LAND_S
        assert result.modes[-1][1] == ENDS_IN[autopilot], result.modes
        assert result.touchdown_ne_m is not None, result.reason
        assert result.miss_m is not None and result.miss_m < bounds.miss_m + 1.5

    def _landed_on_its_site(self, flown: Flown, autopilot: str) -> None:
        result = flown.result
        assert result.verdict == "landed-safe", result.reason
        assert result.miss_estimated_m is not None
        assert result.miss_estimated_m < BOUNDS[autopilot].miss_m


def test_every_case_is_flown():
    named = set()
    for mark in vars(TestEveryAutopilot).values():
        for parameter in getattr(mark, "pytestmark", ()):
            named |= set(parameter.args[1])
    assert named == set(BY_NAME)
