"""Orders to a gimbal's manager and its word, as they are on the wire."""

from __future__ import annotations

import math

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.gimbal import GimbalHistory
from firmware_bridge.gimbal_manager import GimbalManager, order_message
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import Telemetry
from firmware_bridge.vehicle import AutopilotId
from landing.command.orders import AnswerKind, CommandRequest, Hold
from landing.command.pointing import GimbalHolder, GimbalOrder, GimbalRequest
from landing.vehicle import Autopilot
from tests.bridge.test_gimbal import on_the_wire, quaternion, status

VEHICLE = AutopilotId(7, 1, Autopilot.PX4, mavlink.MAV_TYPE_QUADROTOR)
S = 1_000_000_000


def word(device: int, system: int = 0, component: int = 0):
    message = mavlink.MAVLink_gimbal_manager_status_message(0, 12, device, system, component, 0, 0)
    return on_the_wire(message, system=7, component=1)


def parameters(order: GimbalOrder) -> tuple[int, list[float]]:
    sent = on_the_wire(order_message(order, VEHICLE, (7, 191), 1))
    return sent.command, [getattr(sent, f"param{n}") for n in range(1, 8)]


def test_control_is_taken_with_our_own_ids_and_released_by_minus_three():
    configure = mavlink.MAV_CMD_DO_GIMBAL_MANAGER_CONFIGURE
    assert parameters(GimbalOrder.TAKE) == (configure, [7, 191, -1, -1, 0, 0, 1])
    assert parameters(GimbalOrder.RELEASE) == (configure, [-3, -3, -1, -1, 0, 0, 1])


def test_straight_down_is_an_angle_against_the_horizon_and_no_rate():
    command, (pitch, yaw, pitch_rate, yaw_rate, flags, _, device) = parameters(GimbalOrder.POINT)
    assert command == mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW
    assert (pitch, yaw, device) == (-90, 0, 1) and math.isnan(pitch_rate) and math.isnan(yaw_rate)
    assert flags == mavlink.GIMBAL_MANAGER_FLAGS_ROLL_LOCK | mavlink.GIMBAL_MANAGER_FLAGS_PITCH_LOCK


@pytest.mark.parametrize(
    ("primary", "holder", "who"),
    [
        ((0, 0), GimbalHolder.NOBODY, "nobody"),
        ((7, 191), GimbalHolder.US, "7/191"),
        ((7, 1), GimbalHolder.OTHER, "7/1"),
        ((255, 190), GimbalHolder.OTHER, "255/190"),
        ((255, 191), GimbalHolder.OTHER, "255/191"),
    ],
)
def test_the_manager_says_who_has_control_until_it_falls_silent(primary, holder, who):
    manager = GimbalManager(None, 191)
    assert manager.report(7, S).holder is GimbalHolder.UNKNOWN
    manager.on_status(word(1, *primary), S)
    report = manager.report(7, 5 * S)
    assert (report.holder, report.who) == (holder, who)
    assert manager.report(7, 7 * S).holder is GimbalHolder.UNKNOWN


def test_of_several_gimbals_the_one_whose_attitude_is_read_counts():
    history = GimbalHistory()
    manager = GimbalManager(history, 191)
    manager.on_status(word(1, 255, 190), S)
    manager.on_status(word(154), S)
    report = manager.report(7, S)
    assert report.holder is GimbalHolder.UNKNOWN and report.who.startswith("2 gimbal(s)")
    assert history.take(status(1000, quaternion(0, 0, 0), component=154), S)
    assert manager.report(7, S).holder is GimbalHolder.NOBODY
    manager.ask(GimbalRequest(1, GimbalOrder.TAKE), VEHICLE, S)
    assert manager.tracker.due(S).param7 == 154


def test_no_other_gimbal_is_pointed_than_the_one_with_the_camera():
    named = GimbalManager(GimbalHistory(wanted=2), 191)
    named.on_status(word(1), S)
    report = named.report(7, S)
    assert report.holder is GimbalHolder.UNKNOWN and report.who.startswith("1 gimbal(s)")
    named.on_status(word(2), S)
    named.ask(GimbalRequest(1, GimbalOrder.TAKE), VEHICLE, S)
    assert named.tracker.due(S).param7 == 2
    unnamed = GimbalManager(GimbalHistory(wanted=154), 191)
    unnamed.on_status(word(0), S)
    assert unnamed.report(7, S).holder is GimbalHolder.NOBODY
    contested = GimbalHistory()
    alone = GimbalManager(contested, 191)
    alone.on_status(word(1), S)
    for component in (154, 171):
        contested.take(status(1000, quaternion(0, 0, 0), component=component), S)
    assert alone.report(7, S).holder is GimbalHolder.UNKNOWN


def test_an_order_takes_the_place_of_no_flight_command_nor_the_other_way_round():
    telemetry = Telemetry(LinkSettings("udpin:127.0.0.1:0", commands=True, gimbal=True, gimbal_down=True))
    beat = mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_PX4, 128, 0, 4, 3)
    telemetry.take(on_the_wire(beat, system=7, component=1), S)
    telemetry.ask(CommandRequest(1, Hold()), S)
    telemetry.gimbal_manager.ask(GimbalRequest(1, GimbalOrder.POINT), VEHICLE, S)
    assert {telemetry.request(S).command, telemetry.request(S).command} == {
        mavlink.MAV_CMD_DO_SET_MODE,
        mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW,
    }
    denied = mavlink.MAVLink_command_ack_message(
        mavlink.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW, mavlink.MAV_RESULT_DENIED, 0, 0, 7, 191
    )
    telemetry.take(on_the_wire(denied, system=7, component=1), S)
    (answer,) = telemetry.gimbal_manager.tracker.take_answers()
    assert answer.kind is AnswerKind.REFUSED and telemetry.command_tracker.take_answers() == ()
