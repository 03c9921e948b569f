"""Tests of what the flights of failsafes on the simulators measure, and how they begin; without a simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.sitl_failsafes import bound_kept, held
from landing.command.failsafe import LONGEST_S
from sim.flight.plan import FlightPlan, FlightResult
from sim.vehicle.autopilot_process import StartConditions
from sim.vehicle.failsafes import PX4_ACTIONS, Failsafe
from sim.vehicle.sitl.px4 import start_parameters
from sim.vehicle.smart_battery import SmartBattery
from tests.sitl.conftest import as_px4

FLOWN = [(26.0, "AUTO.LOITER"), (38.0, "AUTO.RTL"), (58.0, "AUTO.LOITER"), (62.0, "AUTO.PRECLAND")]


def reports(*, left_s: float | None = 600.0, critical: bool = False, good: bool = False):
    return [(float(at_s), 6.0, left_s, critical, good) for at_s in range(30, 100)]


def test_the_failsafes_own_hold_before_the_way_home_is_not_ours():
    assert held(FLOWN) == [(58.0, 62.0)]
    assert held([(1.0, "GUIDED")]) == []


def test_a_hold_counts_against_what_the_battery_allows():
    result = FlightResult("quiet", 1, "landed-safe", modes=FLOWN, batteries=reports())
    assert bound_kept(result)["held_s"] == 4.0 and not bound_kept(result)["held_too_long"]
    for batteries in (reports(left_s=None), reports(critical=True), reports(left_s=30.0)):
        assert bound_kept(replace(result, batteries=batteries))["held_too_long"]
    assert not bound_kept(replace(result, batteries=reports(left_s=None, good=True)))["held_too_long"]
    long = [*FLOWN[:3], (58.0 + LONGEST_S + 5.0, "AUTO.PRECLAND")]
    assert bound_kept(replace(result, modes=long))["held_too_long"]


@pytest.mark.parametrize("left_s", [900.0, 45.0, 0.0])
def test_the_battery_tells_its_charge_and_the_time_it_leaves(left_s):
    report = SmartBattery(left_s).report()
    assert report.battery_remaining == round(left_s / 9) and report.time_remaining == left_s


def test_px4s_failsafes_are_set_before_it_starts(tmp_path: Path):
    plan = FlightPlan(tmp_path / "model.onnx", tmp_path, autopilot="px4", ordered_by=Failsafe.GCS_LOSS)
    assert as_px4(plan).parameters == PX4_ACTIONS and as_px4(plan).battery_left_s is not None
    assert as_px4(replace(plan, ordered_by=None)).parameters == {}
    told = start_parameters(StartConditions((0.0, 0.0), 10.0, 0.0, wind=(2.0, 0.0), parameters=PX4_ACTIONS))
    assert told["NAV_DLL_ACT"] == 2 and told["SIH_WIND_N"] == 2.0
