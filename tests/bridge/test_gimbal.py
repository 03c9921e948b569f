"""A camera on a gimbal: what its messages mean, and where the camera pointed at capture time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import load_config
from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.ardupilot import GIMBAL
from firmware_bridge.doctor.findings import Level
from firmware_bridge.gimbal import GimbalHistory
from firmware_bridge.gimbal_message import (
    NEUTRAL,
    PITCH_LOCK,
    RETRACT,
    ROLL_LOCK,
    YAW_IN_EARTH_FRAME,
    YAW_IN_VEHICLE_FRAME,
    YAW_LOCK,
    GimbalFrame,
    frame_of_flags,
)
from firmware_bridge.settings import LinkSettings
from firmware_bridge.target import TargetForm
from firmware_bridge.telemetry import Telemetry
from landing.camera import CameraModel, Mount
from landing.decider import Decider
from landing.errors import ConfigError, InvalidValueError
from landing.geometry import matrix_from_quaternion, multiplied, quaternion_from_euler
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.types import Pose
from tests.landing.worlds import GRASS, ROOF, TAXONOMY, seen

LEVELLED = ROLL_LOCK | PITCH_LOCK
NS_PER_S = 1_000_000_000
NADIR_DEG = -90.0


def quaternion(roll_deg, pitch_deg, yaw_deg):
    return quaternion_from_euler(*map(math.radians, (roll_deg, pitch_deg, yaw_deg)))


def on_the_wire(message, system=1, component=154):
    packer = mavlink.MAVLink(None, system, component)
    return mavlink.MAVLink(None).decode(bytearray(message.pack(packer)))


def status(boot_ms, attitude, flags=LEVELLED | YAW_IN_VEHICLE_FRAME, failures=0, **source):
    return on_the_wire(
        mavlink.MAVLink_gimbal_device_attitude_status_message(
            0, 0, boot_ms, flags, attitude, math.nan, math.nan, math.nan, failures
        ),
        **source,
    )


def orientation(boot_ms, roll, pitch, yaw, absolute=math.nan, **source):
    return on_the_wire(mavlink.MAVLink_mount_orientation_message(boot_ms, roll, pitch, yaw, absolute), **source)


def same_turn(a, b, tolerance_rad=1e-3):
    return np.abs(matrix_from_quaternion(a) - matrix_from_quaternion(b)).max() < tolerance_rad


@pytest.mark.parametrize(
    ("flags", "frame"),
    [
        (LEVELLED | YAW_IN_VEHICLE_FRAME, GimbalFrame.HEADING),
        (LEVELLED | YAW_IN_VEHICLE_FRAME | YAW_LOCK, GimbalFrame.HEADING),
        (LEVELLED | YAW_IN_EARTH_FRAME, GimbalFrame.EARTH),
        (LEVELLED | YAW_IN_EARTH_FRAME | YAW_LOCK, GimbalFrame.EARTH),
        (LEVELLED, GimbalFrame.HEADING),
        (LEVELLED | YAW_IN_VEHICLE_FRAME | NEUTRAL, GimbalFrame.OPEN),
        (YAW_IN_VEHICLE_FRAME, GimbalFrame.BODY),
        (0, GimbalFrame.BODY),
    ],
)
def test_the_flags_say_against_what(flags, frame):
    assert frame_of_flags(flags) is frame


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (LEVELLED | YAW_LOCK, "yaw frame is not known"),
        (LEVELLED | YAW_IN_VEHICLE_FRAME | YAW_IN_EARTH_FRAME, "both"),
        (ROLL_LOCK | YAW_IN_VEHICLE_FRAME, "only one"),
        (PITCH_LOCK, "only one"),
        (YAW_IN_EARTH_FRAME, "no one frame"),
        (LEVELLED | YAW_IN_VEHICLE_FRAME | RETRACT, "retracted"),
        (LEVELLED | YAW_IN_EARTH_FRAME | NEUTRAL, "neutral"),
    ],
)
def test_what_the_flags_do_not_say_is_refused_with_the_reason(flags, reason):
    with pytest.raises(InvalidValueError, match=reason):
        frame_of_flags(flags)
    history = GimbalHistory()
    assert not history.take(status(1000, quaternion(0, NADIR_DEG, 0), flags), NS_PER_S)
    assert reason in history.problem
    assert history.at(NS_PER_S, quaternion(0, 0, 0)) is None


@given(st.integers(0, 1023))
def test_every_combination_of_flags_is_read_or_refused(flags):
    try:
        assert frame_of_flags(flags) in GimbalFrame
    except InvalidValueError as error:
        assert "gimbal" in str(error)


def history_of(*messages, arrivals_ns=None):
    history = GimbalHistory()
    for index, message in enumerate(messages):
        at_ns = message.time_boot_ms * 1_000_000 if arrivals_ns is None else arrivals_ns[index]
        assert history.take(message, at_ns), history.problem
    return history


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        # Pointing 30 degrees right of the nose and 60 down, on a vehicle that heads east, banked.
        (LEVELLED | YAW_IN_VEHICLE_FRAME, quaternion(0, -60, 120)),
        (LEVELLED | YAW_IN_EARTH_FRAME, quaternion(0, -60, 30)),
    ],
)
def test_the_answer_is_against_north_whatever_it_came_against(flags, expected):
    attitude = quaternion(0, -60, 30)
    history = history_of(*(status(ms, attitude, flags) for ms in (1000, 1100)))
    assert same_turn(history.at(1_050_000_000, quaternion(10, 5, 90)), expected)


def test_without_locks_it_is_known_while_both_readings_of_the_flags_agree():
    attitude = quaternion(0, -60, 30)
    history = history_of(*(status(ms, attitude, YAW_IN_VEHICLE_FRAME) for ms in (1000, 1100)))
    level = history.at(1_050_000_000, quaternion(1, -1, 90))
    assert same_turn(level, quaternion(0, -60, 120), 0.06) and not history.problem
    assert history.at(1_050_000_000, quaternion(10, 5, 90)) is None and "does not lock roll" in history.problem
    assert history.at(1_050_000_000, quaternion(0, 0, 90)) is not None and not history.problem
    # PX4 tells the servos' angles against the vehicle.
    history = history_of(*(status(ms, attitude, YAW_IN_VEHICLE_FRAME, component=1) for ms in (1000, 1100)))
    expected = multiplied(quaternion(10, 5, 90), attitude)
    assert same_turn(history.at(1_050_000_000, quaternion(10, 5, 90)), expected) and not history.problem


def test_in_its_neutral_position_it_is_known_on_a_level_vehicle_alone():
    flags = LEVELLED | YAW_IN_VEHICLE_FRAME | NEUTRAL
    history = history_of(*(status(ms, quaternion(0, NADIR_DEG, 0), flags, component=1) for ms in (1000, 1100)))
    assert history.at(1_050_000_000, quaternion(0, 1, 0)) is not None
    assert history.at(1_050_000_000, quaternion(0, 8, 0)) is None and history.problem


def test_servos_that_ardupilot_says_are_against_the_horizon_are_not_believed_on_a_leaning_vehicle():
    def seen(pitch_deg, lean_deg, component=1):
        attitude = quaternion(0, pitch_deg, 0)
        history = history_of(*(status(ms, attitude, component=component) for ms in (1000, 1100)))
        return history.at(1_050_000_000, quaternion(0, lean_deg, 30)), history.problem

    # Held straight down on a vehicle with its nose 10 degrees up: the servo stands at 100 degrees.
    found, why = seen(-100, 10)
    assert found is None and "MNT1_TYPE 1" in why
    # A gimbal that holds itself and measures, one that tells for itself, and servos on a level vehicle.
    for pitch_deg, lean_deg, component in ((NADIR_DEG, 10, 1), (-100, 10, 154), (-92, 2, 1), (-60, 10, 1)):
        found, why = seen(pitch_deg, lean_deg, component)
        assert same_turn(found, quaternion(0, pitch_deg, 30)) and not why


def test_the_doctor_tells_of_servos():
    judged = [rule.judge({"MNT1_TYPE": 1.0, "MNT1_PITCH_MIN": -90.0}) for rule in GIMBAL]
    told = [f for f in judged if f is not None and f.level is Level.WARNING]
    assert len(told) == 1 and "leans by more than 3 degrees" in told[0].why and told[0].change is None
    assert all(f is None or f.level is Level.OK for f in (rule.judge({"MNT1_TYPE": 8.0}) for rule in GIMBAL))


def test_the_heading_at_capture_time_counts_not_that_of_the_message():
    history = history_of(*(status(ms, quaternion(0, NADIR_DEG, 0)) for ms in (1000, 1200)))
    for yaw_deg in (0.0, 20.0, -130.0):
        found = history.at(1_100_000_000, quaternion(3, -2, yaw_deg))
        assert same_turn(found, quaternion(0, NADIR_DEG, yaw_deg))


def test_it_is_interpolated_and_not_stretched_over_gaps_or_into_the_future():
    slow = history_of(
        status(1000, quaternion(0, -80, 0)), status(1200, quaternion(0, -80.5, 0)), status(1400, quaternion(0, -81, 0))
    )
    level = quaternion(0, 0, 0)
    assert same_turn(slow.at(1_100_000_000, level), quaternion(0, -80.25, 0))
    assert same_turn(slow.at(1_500_000_000, level), quaternion(0, -81, 0))
    assert slow.at(1_600_000_000, level) is None, "older than the limit"
    assert slow.at(900_000_000, level) is None, "before anything was heard"
    turning = history_of(status(1000, quaternion(0, -60, 0)), status(1200, quaternion(0, -80, 0)))
    assert turning.at(1_250_000_000, level) is None, "it turns, so it is not held"
    gap = history_of(status(1000, quaternion(0, -80, 0)), status(1700, quaternion(0, -81, 0)))
    assert gap.at(1_300_000_000, level) is None


def test_the_senders_clock_is_mapped_to_ours():
    boot = [5000, 5100, 5200]
    ours = [77 * NS_PER_S + 1_000_000 * (ms - 5000 + delay) for ms, delay in zip(boot, (9, 4, 30), strict=True)]
    attitudes = [quaternion(0, -80, 0), quaternion(0, -81, 0), quaternion(0, -82, 0)]
    messages = [status(ms, a) for ms, a in zip(boot, attitudes, strict=True)]
    history = history_of(*messages, arrivals_ns=ours)
    # 4 ms is the smallest delay seen: the mapping is late by no more than that.
    found = history.at(77 * NS_PER_S + 104_000_000 + 50_000_000, quaternion(0, 0, 0))
    assert same_turn(found, quaternion(0, -81.5, 0))


@pytest.mark.parametrize("error", ["ENCODER_ERROR", "COMMS_ERROR"])
def test_a_failing_gimbal_is_not_believed_and_its_past_does_not_stand_in(error):
    history = history_of(*(status(ms, quaternion(0, NADIR_DEG, 0)) for ms in (1000, 1100)))
    failed = getattr(mavlink, f"GIMBAL_DEVICE_ERROR_FLAGS_{error}")
    assert not history.take(status(1200, quaternion(0, NADIR_DEG, 0), failures=failed), 1_200_000_000)
    assert "failure" in history.problem
    assert history.at(1_150_000_000, quaternion(0, 0, 0)) is None


@pytest.mark.parametrize("bad", [(0, 0, 0, 0), (math.nan, 0, 0, 0), (2, 0, 0, 0)])
def test_no_rotation_is_refused(bad):
    history = GimbalHistory()
    assert not history.take(status(1000, bad), NS_PER_S)
    assert "quaternion" in history.problem


def test_the_older_message_stands_in_and_gives_way():
    level = quaternion(0, 0, 45)
    history = GimbalHistory()
    for ms in (1000, 1100):
        assert history.take(orientation(ms, 0, NADIR_DEG, 10), ms * 1_000_000)
    assert same_turn(history.at(1_050_000_000, level), quaternion(0, NADIR_DEG, 55))
    for ms in (1200, 1300):
        assert history.take(status(ms, quaternion(0, -45, 0)), ms * 1_000_000)
        assert not history.take(orientation(ms, 0, NADIR_DEG, 10), ms * 1_000_000)
    assert same_turn(history.at(1_250_000_000, level), quaternion(0, -45, 45))


def test_the_older_message_may_know_only_the_absolute_yaw():
    history = history_of(*(orientation(ms, 0, -60, math.nan, absolute=200) for ms in (1000, 1100)))
    assert same_turn(history.at(1_050_000_000, quaternion(0, 0, 45)), quaternion(0, -60, 200))
    unknown = GimbalHistory()
    assert not unknown.take(orientation(1000, 0, -60, math.nan), NS_PER_S)
    assert "not known" in unknown.problem


def test_of_two_gimbals_none_is_taken_for_the_cameras_unless_it_is_named():
    level = quaternion(0, 0, 0)
    first = [status(ms, quaternion(0, -80, 0)) for ms in (1000, 1100)]
    history = history_of(*first)
    other, late = (status(ms, level, component=171) for ms in (1150, 9000))
    for message in (other, late):
        assert not history.take(message, message.time_boot_ms * 1_000_000)
        assert history.contested and history.device == 0
        assert "gimbals 154, 171 tell an attitude" in history.problem and "expert.link.gimbal_device" in history.problem
        assert history.at(message.time_boot_ms * 1_000_000, level) is None
    history.clear()
    assert not history.take(late, 9 * NS_PER_S), "a reboot of the autopilot does not make the other one the only one"
    assert history.take(status(9000, level, component=171, system=2), 9 * NS_PER_S), "another vehicle's"
    named = GimbalHistory(wanted=154)
    assert [named.take(m, m.time_boot_ms * 1_000_000) for m in (*first, other, late)] == [True, True, False, False]
    assert same_turn(named.at(1_090_000_000, level), quaternion(0, -80, 0)) and not named.problem
    assert named.at(9 * NS_PER_S, level) is None, "it is silent, and no other stands in"


def test_the_autopilots_older_message_names_no_gimbal_and_stands_in_only_before_one_is_named():
    level = quaternion(0, 0, 0)
    history = history_of(*(orientation(ms, 0, NADIR_DEG, 10, component=1) for ms in (1000, 1100)))
    assert history.take(status(1200, quaternion(0, -45, 0)), 1_200_000_000) and history.device == 154
    assert not history.take(orientation(9000, 0, NADIR_DEG, 10, component=1), 9 * NS_PER_S)
    assert history.at(9 * NS_PER_S, level) is None and not history.contested


# --- the projection ---


@given(
    roll=st.floats(-20, 20),
    pitch=st.floats(-20, 20),
    yaw=st.floats(-180, 180),
    tilt=st.floats(-100, -60),
    pan=st.floats(-40, 40),
    north=st.floats(-8, 8),
    east=st.floats(-8, 8),
)
def test_a_point_on_the_ground_is_found_again_through_the_gimbal(roll, pitch, yaw, tilt, pan, north, east):
    camera = CameraModel.from_hfov(640, 480, 100.0, Mount.on_gimbal(offset_frd_m=(0.1, 0.0, 0.05)))
    pose = Pose(0, quaternion(roll, pitch, yaw), (1.0, 2.0, -10.0), 10.0, quaternion(0.0, tilt, yaw + pan))
    [pixel] = camera.pixel_from_ned(np.array([[north, east, 0.0]]), pose)
    if np.isnan(pixel).any():
        return
    [point] = camera.ground_from_pixel(pixel[None], pose, 0.0)
    assert point == pytest.approx([north, east, 0.0], abs=1e-6)


def test_the_bodys_tilt_does_not_move_what_a_stabilised_camera_sees():
    camera = CameraModel.from_hfov(640, 480, 70.0, Mount.on_gimbal())
    centre = np.array([[camera.cx, camera.cy]])
    for roll_deg in (-15.0, 0.0, 15.0):
        pose = Pose(0, quaternion(roll_deg, 0, 0), (0.0, 0.0, -20.0), 20.0, quaternion(0, NADIR_DEG, 0))
        [point] = camera.ground_from_pixel(centre, pose, 0.0)
        assert point == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    fixed = CameraModel.from_hfov(640, 480, 70.0)
    [point] = fixed.ground_from_pixel(centre, pose, 0.0)
    assert abs(point[1]) > 5.0, "a fixed camera would have seen 5 m aside"


def test_a_gimbal_that_points_down_sees_as_the_fixed_camera_that_looks_down():
    fixed = CameraModel.from_hfov(640, 480, 70.0)
    carried = CameraModel.from_hfov(640, 480, 70.0, Mount.on_gimbal())
    down = Pose(0, quaternion(0, 0, 33), (0.0, 0.0, -9.0), 9.0, quaternion(0, NADIR_DEG, 33))
    pixels = np.array([[0.0, 0.0], [639.0, 100.0], [300.0, 400.0]])
    assert carried.ground_from_pixel(pixels, down, 0.0) == pytest.approx(
        fixed.ground_from_pixel(pixels, down, 0.0), abs=1e-6
    )


def test_without_the_gimbals_attitude_nothing_is_projected():
    camera = CameraModel.from_hfov(640, 480, 70.0, Mount.on_gimbal())
    pose = Pose(0, quaternion(0, 0, 0), (0.0, 0.0, -9.0), 9.0)
    assert camera.missing_in(pose) == "gimbal attitude"
    with pytest.raises(InvalidValueError, match="gimbal"):
        camera.rays_ned(np.array([[0.0, 0.0]]), pose)
    assert CameraModel.from_hfov(640, 480, 70.0).missing_in(pose) is None


@pytest.mark.parametrize("bank_deg", [-12.0, 0.0, 12.0])
def test_a_site_is_found_through_a_gimbal_however_the_body_banks(bank_deg):
    camera = CameraModel.from_hfov(96, 72, 70.0, Mount.on_gimbal())
    decider = Decider(DecisionSettings(), TAXONOMY, camera)

    def labels_at(north, east):
        return np.where((abs(north - 1.5) <= 3.0) & (abs(east + 2.0) <= 3.0), GRASS, ROOF)

    selection = None
    for step in range(10):
        at_ns = step * NS_PER_S // 10
        pose = Pose(at_ns, quaternion(bank_deg, 0, 40), (0.0, 0.0, -15.0), 15.0, quaternion(2, -88, 40))
        segmentation = seen(labels_at, pose, camera, at_ns)
        selection = decider.observe(segmentation, pose, at_ns + NS_PER_S // 20).selection
    assert isinstance(selection, LandingSite), selection
    assert selection.position_ned_m == pytest.approx((1.5, -2.0, 0.0), abs=0.5)
    blind = replace(pose, ned_from_gimbal=None)
    decision = Decider(DecisionSettings(), TAXONOMY, camera).observe(segmentation, blind, at_ns)
    assert isinstance(decision.selection, NoSite)
    assert decision.selection.reason is NoSiteReason.NO_POSE
    assert "gimbal attitude" in decision.selection.detail


# --- on the link ---


def heartbeat():
    return on_the_wire(
        mavlink.MAVLink_heartbeat_message(mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, 0, 0, 4, 3),
        component=1,
    )


def attitude(boot_ms, yaw_deg):
    w, x, y, z = quaternion(5, 0, yaw_deg)
    return on_the_wire(mavlink.MAVLink_attitude_quaternion_message(boot_ms, w, x, y, z, 0, 0, 0), component=1)


@pytest.mark.parametrize("component", [1, 154])
def test_the_pose_holds_the_gimbals_attitude_whoever_tells_it(component):
    telemetry = Telemetry(LinkSettings("udpin:127.0.0.1:0", gimbal=True))
    telemetry.take(heartbeat(), NS_PER_S)
    for ms in range(1000, 1500, 20):
        telemetry.take(attitude(ms, 90.0), ms * 1_000_000)
        if ms % 100 == 0:
            message = status(ms, quaternion(0, NADIR_DEG, 0), component=component)
            telemetry.take(message, ms * 1_000_000)
    pose = telemetry.history.at(1_330_000_000)
    assert same_turn(pose.ned_from_gimbal, quaternion(0, NADIR_DEG, 90))
    assert "GIMBAL_DEVICE_ATTITUDE_STATUS" not in telemetry.streams.missing(1_500_000_000)
    refused = status(1500, quaternion(0, NADIR_DEG, 0), LEVELLED | YAW_LOCK, component=component)
    telemetry.take(refused, 1_500_000_000)
    assert telemetry.history.at(1_330_000_000).ned_from_gimbal is None
    assert any("yaw frame is not known" in p for p in telemetry.problems(True, 1_500_000_000))


def test_without_a_gimbal_configured_its_messages_mean_nothing():
    telemetry = Telemetry(LinkSettings("udpin:127.0.0.1:0"))
    telemetry.take(heartbeat(), NS_PER_S)
    for ms in (1000, 1020):
        telemetry.take(attitude(ms, 0.0), ms * 1_000_000)
        telemetry.take(status(ms, quaternion(0, NADIR_DEG, 0)), ms * 1_000_000)
    assert telemetry.history.at(1_010_000_000).ned_from_gimbal is None
    assert "GIMBAL_DEVICE_ATTITUDE_STATUS" not in telemetry.streams.rates_hz(1_020_000_000)


def test_what_arducopter_4_6_2_said_of_its_gimbal_is_read_as_it_was_pointed():
    """Commanded 80 degrees down and 20 to the right of the nose, while heading 81 degrees."""
    said = (0.754383, 0.111445, -0.633115, 0.132858)
    messages = [status(ms, said, flags=44, component=1) for ms in (18_974, 19_024)]
    history = history_of(*messages)
    found = history.at(19_000_000_000, quaternion(0, 0, 81))
    assert same_turn(found, quaternion(0, -80, 101), tolerance_rad=0.01)


# --- in the configuration ---


def configured(tmp_path, camera, link=""):
    path = tmp_path / "edge.toml"
    path.write_text(
        '[model]\npath = "m.onnx"\n[camera]\nsource = "v4l2:///dev/video0"\nwidth_px = 640\n'
        f"height_px = 480\nhfov_deg = 70\n{camera}\n[link]\n"
        f'connection = "/dev/ttyACM0"\n{link}\n'
    )
    return load_config(path)


def test_a_gimbal_is_configured_in_one_line(tmp_path):
    config = configured(tmp_path, 'gimbal = "mavlink"\n[camera.mount]\nforward_m = 0.1')
    mount = config.camera.model().mount
    assert mount.gimbal and (mount.roll_deg, mount.pitch_deg, mount.yaw_deg) == (0, 0, 0)
    assert mount.offset_frd_m == (0.1, 0, 0)
    settings = config.link_settings()
    assert settings.gimbal
    assert settings.asked_rates_hz()["GIMBAL_DEVICE_ATTITUDE_STATUS"] == 20.0
    named = configured(tmp_path, 'gimbal = "mavlink"', "[expert.link]\ngimbal_device = 2").link_settings()
    assert settings.gimbal_device == 0 and Telemetry(named).gimbal.wanted == 2
    assert "GIMBAL_DEVICE_ATTITUDE_STATUS" in settings.needed()


def test_without_one_the_mount_looks_down_and_nothing_is_asked(tmp_path):
    config = configured(tmp_path, "", '[expert.link]\ntarget_frame = "local_frd"')
    mount = config.camera.model().mount
    assert not mount.gimbal and mount.pitch_deg == -90
    settings = config.link_settings()
    assert not settings.gimbal and "GIMBAL_DEVICE_ATTITUDE_STATUS" not in settings.asked_rates_hz()
    assert settings.target_frame is TargetForm.LOCAL_FRD


def test_a_fixed_mounts_angles_left_in_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="against the gimbal"):
        configured(tmp_path, 'gimbal = "mavlink"\n[camera.mount]\npitch_deg = -90')
