"""The listening half alone: bytes and times in, poses out; nothing may make it raise."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.dialect import mavlink
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import Telemetry
from landing.geometry import euler_from_quaternion, quaternion_from_euler

MS = 1_000_000
SECOND = 1_000_000_000
SETTINGS = LinkSettings("udpin:127.0.0.1:14550")


def packed(message, system=1, component=1):
    return message.pack(mavlink.MAVLink(None, srcSystem=system, srcComponent=component))


HEARTBEAT = packed(mavlink.MAVLink_heartbeat_message(2, 3, 0, 9, 4, 3))


def attitude(boot_ms, yaw_deg):
    w, x, y, z = quaternion_from_euler(0, 0, math.radians(yaw_deg))
    return packed(mavlink.MAVLink_attitude_quaternion_message(boot_ms, w, x, y, z, 0, 0, 0))


def listening():
    telemetry = Telemetry(SETTINGS)
    telemetry.feed(HEARTBEAT, 0)
    return telemetry


def test_pose_is_stamped_by_the_boot_clock_not_by_its_arrival():
    """One message comes 80 ms late in a burst; the pose at its true time is still right."""
    telemetry = listening()
    boot_offset_ns = 3 * SECOND
    for boot_ms in range(1000, 1200, 20):
        delay_ns = 80 * MS if boot_ms == 1100 else 2 * MS
        arrival_ns = boot_offset_ns + boot_ms * MS + delay_ns
        telemetry.feed(attitude(boot_ms, boot_ms / 100), arrival_ns)
    pose = telemetry.history.at(boot_offset_ns + 1110 * MS + 2 * MS)
    yaw_deg = math.degrees(euler_from_quaternion(pose.ned_from_frd)[2])
    assert yaw_deg == pytest.approx(11.1, abs=0.01)


def test_reboot_forgets_the_old_poses():
    telemetry = listening()
    for boot_ms in range(60_000, 61_000, 20):
        telemetry.feed(attitude(boot_ms, 0), boot_ms * MS)
    assert telemetry.request(61 * SECOND) is None  # no heartbeat for a while: it asks nobody
    for boot_ms in (260, 280, 300):
        assert telemetry.reboots == 0
        telemetry.feed(attitude(boot_ms, 90), 62 * SECOND + 700 * MS + boot_ms * MS)
    assert telemetry.reboots == 1
    assert telemetry.history.at(60_500 * MS) is None
    assert telemetry.history.latest(63 * SECOND).at_ns == 63 * SECOND


@pytest.mark.parametrize("stalled_ms", [1500, 2500, 4000])
def test_a_height_that_was_held_up_is_as_old_as_its_stamp(stalled_ms):
    """Sinking at 2 m/s the process stops; what came meanwhile is read at once."""
    telemetry = listening()
    newest_ns, until_ms = 0, 10_000 + stalled_ms
    for boot_ms in range(8_000, until_ms, 50):
        down_m = -100.0 + 0.002 * boot_ms
        arrival_ns = max(boot_ms, until_ms if boot_ms >= 10_000 else 0) * MS
        where = mavlink.MAVLink_local_position_ned_message(boot_ms, 0.0, 0.0, down_m, 0.0, 0.0, 2.0)
        height_cm = round(-100.0 * down_m)
        height = mavlink.MAVLink_distance_sensor_message(boot_ms, 20, 20_000, height_cm, 0, 0, 25, 0)
        for message in (attitude(boot_ms, 0), packed(where), packed(height)):
            telemetry.feed(message, arrival_ns)
        if boot_ms >= 10_000:
            pose = telemetry.history.latest(arrival_ns)
            newest_ns = pose.at_ns
            assert pose.height_agl_m == pytest.approx(100.0 - 0.002 * newest_ns / MS, abs=0.1)
    assert newest_ns == (until_ms - 50) * MS
    assert telemetry.reboots == 0


@pytest.mark.parametrize("stalled_ms", [1500, 4000])
def test_a_mode_that_was_held_up_is_as_old_as_what_came_with_it(stalled_ms):
    """The line stands still, then brings at twice its pace what was held up; on an old mode nothing is commanded."""
    telemetry, arrival_ms = listening(), 0.0
    for boot_ms in range(5_000, 10_000 + 3 * stalled_ms, 20):
        held = boot_ms >= 10_000
        arrival_ms = max(boot_ms, arrival_ms + 10.0, 10_000 + stalled_ms if held else 0.0)
        telemetry.feed(attitude(boot_ms, 0), round(arrival_ms * MS))
        if boot_ms % 1000 == 0:
            telemetry.feed(HEARTBEAT, round(arrival_ms * MS))
            heard_ns = telemetry.vehicle.status(round(arrival_ms * MS)).heartbeat_ns
            assert heard_ns == pytest.approx(boot_ms * MS, abs=25 * MS)
    assert telemetry.reboots == 0


def test_attitude_stands_in_only_without_the_quaternion():
    telemetry = listening()
    telemetry.feed(attitude(1000, 10), SECOND)
    yaw_rad = math.radians(10)
    euler = packed(mavlink.MAVLink_attitude_message(1020, 0, 0, yaw_rad, 0, 0, 0))
    telemetry.feed(euler, SECOND + 20 * MS)
    assert telemetry.history.latest(2 * SECOND).at_ns == SECOND
    late = packed(mavlink.MAVLink_attitude_message(1600, 0, 0, yaw_rad, 0, 0, 0))
    telemetry.feed(late, SECOND + 600 * MS)
    assert telemetry.history.latest(2 * SECOND).at_ns == SECOND + 600 * MS


def test_messages_of_others_do_not_move_us():
    telemetry = listening()
    w, x, y, z = quaternion_from_euler(0, 0, 1.0)
    stray = mavlink.MAVLink_attitude_quaternion_message(1000, w, x, y, z, 0, 0, 0)
    telemetry.feed(packed(stray, system=2), SECOND)
    telemetry.feed(packed(stray, component=191), SECOND)
    telemetry.feed(packed(stray, component=154), SECOND)
    assert telemetry.history.latest(2 * SECOND) is None


def test_nan_everywhere():
    telemetry = listening()
    nan = math.nan
    for message in (
        mavlink.MAVLink_attitude_quaternion_message(1, nan, nan, nan, nan, nan, nan, nan),
        mavlink.MAVLink_attitude_message(2, nan, math.inf, nan, nan, nan, nan),
        mavlink.MAVLink_local_position_ned_message(3, nan, 0, 0, nan, 0, 0),
    ):
        telemetry.feed(packed(message), SECOND)
    assert telemetry.history.latest(2 * SECOND) is None


KNOWN = [
    kind
    for kind in mavlink.mavlink_map.values()
    if kind.msgname
    in {
        "HEARTBEAT",
        "ATTITUDE_QUATERNION",
        "ATTITUDE",
        "LOCAL_POSITION_NED",
        "DISTANCE_SENSOR",
        "EXTENDED_SYS_STATE",
        "COMMAND_ACK",
    }
]


def frame_of(kind, payload):
    """A frame with a good checksum around any payload."""
    empty = kind.__new__(kind)
    mavlink.MAVLink_message.__init__(empty, kind.id, kind.msgname)
    sender = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
    return empty._pack(sender, kind.crc_extra, payload.ljust(kind.unpacker.size, b"\0"))


@given(frames=st.lists(st.tuples(st.sampled_from(KNOWN), st.binary(max_size=90), st.integers(0, 10**9)), max_size=40))
def test_any_payload_with_a_good_checksum(frames):
    telemetry = listening()
    now_ns = SECOND
    for kind, payload, wait_ns in frames:
        now_ns += wait_ns
        telemetry.feed(frame_of(kind, payload[: kind.unpacker.size]), now_ns)
        telemetry.request(now_ns)
        telemetry.problems(True, now_ns)
        telemetry.vehicle.status(now_ns)
        for pose in (telemetry.history.latest(now_ns), telemetry.history.at(now_ns)):
            assert pose is None or pose.at_ns <= now_ns
    assert telemetry.own_system == 1
