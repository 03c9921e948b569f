from __future__ import annotations

import pytest
from pymavlink import mavutil

from firmware_bridge.dialect import mavlink
from firmware_bridge.vehicle import COPTER_MODES, VehicleTracker, is_autopilot_heartbeat, mode_of
from landing.vehicle import Autopilot, VehicleStatus

SECOND = 1_000_000_000
QUAD = mavlink.MAV_TYPE_QUADROTOR


def heartbeat(
    autopilot=mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, kind=QUAD, custom_mode=9, base_mode=0, system=1, component=1
):
    message = mavlink.MAVLink_heartbeat_message(kind, autopilot, base_mode, custom_mode, 4, 3)
    sender = mavlink.MAVLink(None, srcSystem=system, srcComponent=component)
    return mavlink.MAVLink(None).decode(bytearray(message.pack(sender)))


def test_copter_modes_agree_with_pymavlinks_own_table():
    for number in COPTER_MODES.keys() & mavutil.mode_mapping_acm.keys():
        name = mavutil.mode_mapping_acm[number]
        assert COPTER_MODES[number].replace("_", "") == name.replace("_", "")


@pytest.mark.parametrize(
    ("custom_mode", "name", "landing"),
    [
        (0, "STABILIZE", False),
        (4, "GUIDED", False),
        (5, "LOITER", False),
        (6, "RTL", True),
        (9, "LAND", True),
        (21, "SMART_RTL", True),
        (99, "MODE(99)", False),
    ],
)
def test_arducopter(custom_mode, name, landing):
    assert mode_of(Autopilot.ARDUPILOT, QUAD, custom_mode) == (name, landing)


@pytest.mark.parametrize(
    ("main", "sub", "name", "landing"),
    [
        (1, 0, "MANUAL", False),
        (3, 0, "POSCTL", False),
        (3, 1, "POSCTL.ORBIT", False),
        (4, 3, "AUTO.LOITER", False),
        (4, 4, "AUTO.MISSION", False),
        (4, 5, "AUTO.RTL", True),
        (4, 6, "AUTO.LAND", True),
        (4, 9, "AUTO.PRECLAND", True),
        (4, 19, "AUTO.GUIDED_COURSE", False),
        (4, 77, "AUTO.77", False),
        (6, 0, "OFFBOARD", False),
        (200, 6, "MODE(200)", False),
    ],
)
def test_px4(main, sub, name, landing):
    assert mode_of(Autopilot.PX4, QUAD, main << 16 | sub << 24) == (name, landing)


def test_px4_modes_agree_with_pymavlinks_own_table():
    theirs = {"LAND": "AUTO.LAND", "RTL": "AUTO.RTL", "MISSION": "AUTO.MISSION"}
    for word, name in theirs.items():
        _, main, sub = mavutil.px4_map[word]
        assert mode_of(Autopilot.PX4, QUAD, main << 16 | sub << 24)[0] == name


def test_a_plane_in_its_mode_9_is_not_landing():
    """ArduPlane's 9 is no LAND; its numbers are not ArduCopter's."""
    plane = mavlink.MAV_TYPE_FIXED_WING
    assert mode_of(Autopilot.ARDUPILOT, plane, 9) == ("MODE(9)", False)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (heartbeat(), True),
        (heartbeat(autopilot=mavlink.MAV_AUTOPILOT_PX4), True),
        (heartbeat(autopilot=mavlink.MAV_AUTOPILOT_GENERIC), False),
        (heartbeat(kind=mavlink.MAV_TYPE_ANTENNA_TRACKER), False),
        (heartbeat(kind=mavlink.MAV_TYPE_GROUND_ROVER), False),
        (heartbeat(kind=mavlink.MAV_TYPE_GENERIC), False),
        (heartbeat(kind=mavlink.MAV_TYPE_GCS, autopilot=mavlink.MAV_AUTOPILOT_INVALID), False),
        (heartbeat(kind=mavlink.MAV_TYPE_GCS), False),
        (heartbeat(component=191), False),
        (heartbeat(component=154, kind=mavlink.MAV_TYPE_GIMBAL), False),
        (heartbeat(autopilot=mavlink.MAV_AUTOPILOT_INVALID), False),
        (heartbeat(system=0), False),
        (heartbeat(kind=mavlink.MAV_TYPE_FIXED_WING), True),
        (heartbeat(kind=mavlink.MAV_TYPE_FIXED_WING, autopilot=mavlink.MAV_AUTOPILOT_PX4), False),
        (heartbeat(kind=mavlink.MAV_TYPE_VTOL_TILTROTOR, autopilot=mavlink.MAV_AUTOPILOT_PX4), True),
    ],
)
def test_only_autopilots_heartbeats_count(message, expected):
    assert is_autopilot_heartbeat(message) is expected


def test_tracker():
    tracker = VehicleTracker(heartbeat_timeout_ns=3 * SECOND)
    assert tracker.status(0) == VehicleStatus()
    armed = mavlink.MAV_MODE_FLAG_SAFETY_ARMED
    tracker.on_heartbeat(heartbeat(base_mode=armed), 10 * SECOND)
    assert tracker.status(11 * SECOND) == VehicleStatus(
        True, Autopilot.ARDUPILOT, armed=True, airborne=None, landing=True, mode="LAND"
    )
    for state, airborne in [(0, None), (1, False), (2, True), (3, True), (4, True), (9, None)]:
        tracker.on_extended_sys_state(mavlink.MAVLink_extended_sys_state_message(0, state), 11 * SECOND)
        assert tracker.status(11 * SECOND).airborne is airborne


def test_silence():
    tracker = VehicleTracker(heartbeat_timeout_ns=3 * SECOND)
    tracker.on_heartbeat(heartbeat(), 10 * SECOND)
    tracker.on_extended_sys_state(mavlink.MAVLink_extended_sys_state_message(0, 2), 10 * SECOND)
    assert tracker.alive(13 * SECOND)
    assert not tracker.alive(13 * SECOND + 1)
    later = tracker.status(16 * SECOND)
    assert not later.link_alive
    assert later.airborne is None
    assert later.mode == "LAND"
    tracker.on_heartbeat(heartbeat(custom_mode=5), 17 * SECOND)
    assert tracker.status(17 * SECOND).link_alive
    assert tracker.status(17 * SECOND).mode == "LOITER"


def test_an_autopilot_that_does_not_tell_its_landed_state_lands_by_its_mode():
    tracker = VehicleTracker()
    tracker.on_heartbeat(heartbeat(custom_mode=6), 10 * SECOND)  # RTL
    for state in (mavlink.MAV_LANDED_STATE_UNDEFINED, 9):
        tracker.on_extended_sys_state(mavlink.MAVLink_extended_sys_state_message(0, state), 10 * SECOND)
        status = tracker.status(10 * SECOND)
        assert status.touching_down is None and status.landing


def test_a_landing_told_in_one_mode_does_not_count_in_the_next():
    tracker = VehicleTracker()
    landing = mavlink.MAVLink_extended_sys_state_message(0, mavlink.MAV_LANDED_STATE_LANDING)
    tracker.on_heartbeat(heartbeat(), 10 * SECOND)
    tracker.on_extended_sys_state(landing, 10 * SECOND)
    assert tracker.status(10 * SECOND).touching_down is True
    tracker.on_heartbeat(heartbeat(), 10 * SECOND)
    assert tracker.status(10 * SECOND).touching_down is True
    tracker.on_heartbeat(heartbeat(custom_mode=6), 11 * SECOND)  # RTL: on the way home
    assert tracker.status(11 * SECOND).touching_down is False and not tracker.status(11 * SECOND).landing
    tracker.on_extended_sys_state(landing, 12 * SECOND)
    assert tracker.status(12 * SECOND).touching_down is True
