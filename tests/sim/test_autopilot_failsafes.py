"""The stand-in's failsafes of battery and ground station, and what it tells of them."""

from __future__ import annotations

from typing import Any

import pytest

from firmware_bridge.battery import BatteryWatch
from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader, packed
from firmware_bridge.vehicle import FAILSAFE_STATES
from sim.vehicle.autopilot import TICK_S, AutopilotConfig, Mode, StandInAutopilot
from sim.vehicle.autopilot.config import BatteryPack
from sim.vehicle.autopilot.failsafes import LAND_PAUSE_MS

LINK = "station"
LANDS = {
    "BATT_MONITOR": 4,
    "BATT_CAPACITY": 3000.0,
    "BATT_LOW_MAH": 900.0,
    "BATT_CRT_MAH": 880.0,
    "BATT_FS_LOW_ACT": 1,
    "BATT_FS_CRT_ACT": 1,
}
DRAW_A = 36.0
"""10 mAh a second."""


def stand_in(battery: BatteryPack | None = None, **parameters: float) -> StandInAutopilot:
    """A vehicle that hovers 30 m up in GUIDED."""
    config = AutopilotConfig(parameters=parameters, airborne_height_m=30.0, battery=battery or BatteryPack())
    autopilot = StandInAutopilot(config)
    autopilot.connect(LINK)
    return autopilot


def flown(autopilot: StandInAutopilot, seconds: float) -> list[Any]:
    """Messages of a stretch of time."""
    messages = []
    for _ in range(round(seconds / TICK_S)):
        autopilot.step(TICK_S)
        messages += [message for _, message in autopilot.take_outbox()]
    return messages


def beat(autopilot: StandInAutopilot, system: int = 255) -> None:
    heartbeat = mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID, 0, 0, 0, 3)
    (frame,) = FrameReader().feed(packed(heartbeat, system, 190, 0))
    autopilot.receive(LINK, frame.message)


def states(messages: list[Any]) -> list[int]:
    return [m.system_status for m in messages if m.get_type() == "HEARTBEAT"]


def test_a_low_battery_lands_after_a_pause_and_the_heartbeat_says_so() -> None:
    autopilot = stand_in(BatteryPack(2090.0, DRAW_A, ends=True), **LANDS)
    assert not FAILSAFE_STATES & set(states(flown(autopilot, 0.9)))
    assert autopilot.flight.mode is Mode.GUIDED
    told = flown(autopilot, 1.0)
    assert autopilot.flight.mode is Mode.LAND
    assert states(told)[-1] in FAILSAFE_STATES
    assert any("low" in m.text.decode() if isinstance(m.text, bytes) else "low" in m.text for m in texts(told))
    height_m = autopilot.vehicle.height_m
    flown(autopilot, LAND_PAUSE_MS / 1000 - 1.0)
    assert autopilot.vehicle.height_m == pytest.approx(height_m, abs=0.2)
    flown(autopilot, 4.0)
    assert autopilot.vehicle.height_m < height_m - 2.0


def texts(messages: list[Any]) -> list[Any]:
    return [m for m in messages if m.get_type() == "STATUSTEXT"]


def test_each_level_acts_once_and_what_is_commanded_between_is_obeyed() -> None:
    autopilot = stand_in(BatteryPack(2095.0, DRAW_A, ends=True), **LANDS)
    flown(autopilot, 1.0)
    assert autopilot.flight.mode is Mode.LAND
    autopilot.flight.set_mode(Mode.LOITER)
    flown(autopilot, 0.5)
    assert autopilot.flight.mode is Mode.LOITER
    flown(autopilot, 2.0)
    assert autopilot.flight.mode is Mode.LAND  # critical
    autopilot.flight.set_mode(Mode.LOITER)
    flown(autopilot, 3.0)
    assert autopilot.flight.mode is Mode.LOITER and autopilot.failsafes.in_force


def test_the_bridge_reads_what_the_battery_leaves() -> None:
    autopilot = stand_in(BatteryPack(2085.0, DRAW_A, ends=True), **LANDS)
    watch = BatteryWatch()
    ask = mavlink.MAVLink_command_long_message(1, 1, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, 0, 147, 1e6, 0, 0, 0, 0, 0)
    autopilot.receive(LINK, ask)
    for second in range(30):
        for message in flown(autopilot, 1.0):
            if message.get_type() == "BATTERY_STATUS":
                watch.on_status(message, second * 1_000_000_000)
        left_s = autopilot.failsafes.left_mah / 10.0
    status = watch.status(29_000_000_000)
    assert status is not None and status.critical
    assert status.left_s == pytest.approx(left_s, rel=0.05)


@pytest.mark.parametrize(("action", "mode"), [(0, Mode.GUIDED), (1, Mode.RTL), (2, Mode.LAND)])
def test_the_fence_acts_once_and_tells_of_the_breach_behind_the_mode(action: int, mode: Mode) -> None:
    autopilot = stand_in(FENCE_TYPE=2, FENCE_ACTION=action)
    ask = mavlink.MAVLink_command_long_message(1, 1, mavlink.MAV_CMD_SET_MESSAGE_INTERVAL, 0, 162, 5e5, 0, 0, 0, 0, 0)
    autopilot.receive(LINK, ask)
    assert not any(m.get_type() == "FENCE_STATUS" for m in flown(autopilot, 1.0))  # no fence is enabled
    autopilot.parameters.set("FENCE_ENABLE", 1)
    inside = [m for m in flown(autopilot, 2.0) if m.get_type() == "FENCE_STATUS"]
    assert len(inside) == 4 and {(m.breach_status, m.breach_count) for m in inside} == {(0, 0)}
    autopilot.parameters.set("FENCE_RADIUS", -1)
    told = flown(autopilot, TICK_S)
    assert autopilot.flight.mode is mode
    names = [m.get_type() for m in told]
    assert names[-1] == "FENCE_STATUS" and ("HEARTBEAT" in names or action == 0)
    assert (told[-1].breach_status, told[-1].breach_count) == (1, 1)
    later = flown(autopilot, 1.5)
    assert not FAILSAFE_STATES & set(states(told + later))
    assert {m.breach_count for m in later if m.get_type() == "FENCE_STATUS"} == {1}


def test_an_empty_battery_falls() -> None:
    autopilot = stand_in(BatteryPack(2995.0, DRAW_A, ends=True), BATT_CAPACITY=3000.0)
    flown(autopilot, 2.0)
    assert autopilot.vehicle.height_m < 25.0


@pytest.mark.parametrize(("action", "mode"), [(0, Mode.GUIDED), (1, Mode.RTL), (5, Mode.LAND)])
def test_a_ground_station_that_falls_silent_is_missed(action: int, mode: Mode) -> None:
    autopilot = stand_in(FS_GCS_ENABLE=action, FS_GCS_TIMEOUT=2)
    flown(autopilot, 3.0)
    assert autopilot.flight.mode is Mode.GUIDED  # nobody was there
    beat(autopilot)
    beat(autopilot, system=7)
    flown(autopilot, 1.9)
    assert autopilot.flight.mode is Mode.GUIDED
    told = flown(autopilot, 1.5)
    assert autopilot.flight.mode is mode
    assert bool(FAILSAFE_STATES & set(states(told))) == (action > 0)
    beat(autopilot)
    told = flown(autopilot, 1.5)
    assert autopilot.flight.mode is mode
    assert states(told)[-1] not in FAILSAFE_STATES
