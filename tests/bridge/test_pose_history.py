from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.pose_history import HeightSource, PoseHistory, PoseLimits
from landing.geometry import euler_from_quaternion, quaternion_from_euler

MS = 1_000_000
LEVEL = (1.0, 0.0, 0.0, 0.0)
SPIN = (0.0, 0.0, math.radians(500))


def yaw(degrees):
    return quaternion_from_euler(0, 0, math.radians(degrees))


def yaw_of(pose):
    return math.degrees(euler_from_quaternion(pose.ned_from_frd)[2])


def test_nothing_known():
    history = PoseHistory()
    assert history.at(5) is None
    assert history.latest(5) is None


def test_attitude_is_interpolated():
    history = PoseHistory()
    history.add_attitude(100 * MS, yaw(10), SPIN)
    history.add_attitude(120 * MS, yaw(20), SPIN)
    pose = history.at(105 * MS)
    assert pose.at_ns == 105 * MS
    assert yaw_of(pose) == pytest.approx(12.5, abs=1e-3)
    assert pose.position_ned_m is None
    assert pose.height_agl_m is None


def test_attitude_takes_the_short_way_round():
    history = PoseHistory()
    history.add_attitude(100 * MS, yaw(175), SPIN)
    history.add_attitude(120 * MS, yaw(-175), SPIN)
    assert abs(yaw_of(history.at(110 * MS))) == pytest.approx(180, abs=1e-3)


def test_attitude_extrapolates_at_its_rates_and_not_for_long():
    history = PoseHistory()
    history.add_attitude(100 * MS, yaw(0), (0.0, 0.0, math.radians(100)))
    assert yaw_of(history.at(150 * MS)) == pytest.approx(5.0, abs=1e-3)
    assert history.at(161 * MS) is None
    assert history.at(99 * MS) is None


def test_attitude_gap():
    history = PoseHistory()
    history.add_attitude(100 * MS, yaw(0))
    history.add_attitude(400 * MS, yaw(10))
    assert history.at(150 * MS).ned_from_frd is not None  # extrapolation from the older one
    assert history.at(250 * MS) is None
    assert history.at(400 * MS) is not None


def test_position_interpolates_and_extrapolates_with_velocity():
    history = PoseHistory()
    history.add_position(1000 * MS, (0.0, 0.0, -10.0), (2.0, 0.0, 1.0))
    history.add_position(1100 * MS, (0.2, 0.0, -9.9), (2.0, 0.0, 1.0))
    assert history.at(1050 * MS).position_ned_m == pytest.approx((0.1, 0.0, -9.95))
    assert history.at(1300 * MS).position_ned_m == pytest.approx((0.6, 0.0, -9.7))
    assert history.at(1351 * MS) is None


def test_position_without_velocity_is_not_extrapolated():
    history = PoseHistory()
    history.add_position(1000 * MS, (0.0, 0.0, -10.0))
    assert history.at(1000 * MS).position_ned_m == (0.0, 0.0, -10.0)
    assert history.at(1001 * MS) is None


def test_range_becomes_height_by_tilt():
    history = PoseHistory(HeightSource.RANGEFINDER)
    history.add_attitude(100 * MS, quaternion_from_euler(math.radians(20), 0, 0))
    assert history.add_range(100 * MS, 10.0, 0.1, 40.0)
    # 10 m along a body axis that leans 20 degrees: 10 * 0.9396926
    assert history.at(100 * MS).height_agl_m == pytest.approx(9.396926)


def test_rangefinder_mounted_off_the_origin():
    history = PoseHistory(HeightSource.RANGEFINDER, rangefinder_offset_frd_m=(0.5, 0.0, 0.1))
    history.add_attitude(100 * MS, quaternion_from_euler(0, math.radians(10), 0))
    history.add_range(100 * MS, 10.0, 0.1, 40.0)
    # Nose up 10 degrees lifts the sensor by 0.5 sin(10); down part = -0.0868241 + 10.1 * 0.9848078
    assert history.at(100 * MS).height_agl_m == pytest.approx(9.8597344, abs=1e-6)


@pytest.mark.parametrize(
    ("slant", "low", "high"),
    [
        (0.0, 0.0, 40.0),
        (0.1, 0.1, 40.0),
        (40.0, 0.1, 40.0),
        (50.0, 0.1, 40.0),
        (-1.0, -5.0, 40.0),
        (math.nan, 0.1, 40.0),
        (5.0, 0.1, 0.0),
    ],
)
def test_unusable_ranges(slant, low, high):
    history = PoseHistory()
    history.add_attitude(0, LEVEL)
    assert not history.add_range(0, slant, low, high)


def test_range_without_attitude_or_at_great_tilt_is_refused():
    history = PoseHistory()
    assert not history.add_range(0, 5.0, 0.1, 40.0)
    history.add_attitude(0, quaternion_from_euler(math.radians(50), 0, 0))
    assert not history.add_range(0, 5.0, 0.1, 40.0)


def test_height_is_held_for_half_a_second_following_the_descent():
    history = PoseHistory(HeightSource.RANGEFINDER)
    for i in range(11):
        history.add_attitude((1000 + 100 * i) * MS, LEVEL)
        history.add_position((1000 + 100 * i) * MS, (0, 0, -10 + 0.1 * i), (0.0, 0.0, 1.0))
    history.add_range(1000 * MS, 10.0, 0.1, 40.0)
    assert history.at(1400 * MS).height_agl_m == pytest.approx(9.6)
    assert history.at(1600 * MS).height_agl_m is None


def test_local_height_needs_a_ground_reference():
    history = PoseHistory(HeightSource.LOCAL)
    history.add_position(0, (0.0, 0.0, -0.8), (0.0, 0.0, -5.0))
    assert history.at(0).height_agl_m is None
    history.learn_ground()
    history.add_position(100 * MS, (0.0, 0.0, -1.3), (0.0, 0.0, -5.0))
    assert history.at(100 * MS).height_agl_m == pytest.approx(0.5)
    configured = PoseHistory(HeightSource.LOCAL, ground_down_m=2.0)
    configured.add_position(0, (0.0, 0.0, -8.0))
    configured.learn_ground()
    assert configured.at(0).height_agl_m == pytest.approx(10.0)


def test_auto_prefers_the_rangefinder():
    history = PoseHistory(HeightSource.AUTO, ground_down_m=0.0)
    history.add_attitude(0, LEVEL)
    history.add_position(0, (0.0, 0.0, -12.0), (0.0, 0.0, 0.0))
    assert history.at(0).height_agl_m == pytest.approx(12.0)
    history.add_range(0, 10.0, 0.1, 40.0)
    assert history.at(0).height_agl_m == pytest.approx(10.0)
    only_range = PoseHistory(HeightSource.RANGEFINDER, ground_down_m=0.0)
    only_range.add_position(0, (0.0, 0.0, -12.0))
    assert only_range.at(0).height_agl_m is None


def test_out_of_order_and_duplicates_change_nothing():
    history = PoseHistory()
    assert history.add_attitude(100 * MS, yaw(0))
    assert history.add_attitude(120 * MS, yaw(2))
    assert not history.add_attitude(120 * MS, yaw(5))
    assert not history.add_attitude(110 * MS, yaw(5))
    assert yaw_of(history.at(110 * MS)) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("bad", [(math.nan, 0, 0, 0), (0, 0, 0, 0), (2, 0, 0, 0), (math.inf, 0, 0, 0)])
def test_bad_attitudes(bad):
    history = PoseHistory()
    assert not history.add_attitude(0, bad)
    assert history.latest(0) is None


def test_nan_in_position_and_velocity():
    history = PoseHistory()
    assert not history.add_position(0, (math.nan, 0.0, 0.0))
    assert history.add_position(0, (1.0, 0.0, 0.0), (math.nan, 0.0, 0.0))
    assert history.at(1 * MS) is None


def test_a_lone_outlier_vanishes():
    history = PoseHistory()
    for i in range(10):
        x = 500.0 if i == 5 else 0.0
        history.add_position(i * 50 * MS, (x, 0.0, -10.0), (0.0, 0.0, 0.0))
    for t in range(0, 450, 10):
        assert history.at(t * MS).position_ned_m == pytest.approx((0.0, 0.0, -10.0))
    assert history.position_resets == 0


def test_an_estimator_reset_is_not_interpolated_into():
    history = PoseHistory()
    for i in range(10):
        x = 0.0 if i < 5 else 80.0
        history.add_position(i * 50 * MS, (x, 0.0, -10.0), (0.0, 0.0, 0.0))
    assert history.position_resets == 1
    assert history.at(200 * MS).position_ned_m[0] == 0.0
    assert history.at(225 * MS) is None
    assert history.at(250 * MS).position_ned_m[0] == 80.0


def test_attitude_outlier():
    history = PoseHistory()
    for i in range(10):
        history.add_attitude(i * 20 * MS, yaw(170 if i == 5 else 0))
    assert abs(yaw_of(history.at(100 * MS))) < 1e-6


def test_latest_keeps_its_true_age():
    history = PoseHistory()
    history.add_attitude(1000 * MS, LEVEL)
    history.add_position(980 * MS, (1.0, 2.0, -3.0), (1.0, 0.0, 0.0))
    pose = history.latest(60_000 * MS)
    assert pose.at_ns == 1000 * MS
    assert pose.position_ned_m == pytest.approx((1.02, 2.0, -3.0))
    assert history.latest(999 * MS).at_ns == 999 * MS


def test_rebase_moves_everything_at_once():
    history = PoseHistory()
    history.add_attitude(100 * MS, yaw(0))
    history.rebase(5_000 * MS)
    history.add_attitude(120 * MS, yaw(2))
    assert yaw_of(history.at(5_110 * MS)) == pytest.approx(1.0, abs=1e-3)
    history.rebase(4_000 * MS)
    assert yaw_of(history.at(4_110 * MS)) == pytest.approx(1.0, abs=1e-3)
    assert history.latest(9_000 * MS).at_ns == 4_120 * MS


def test_clear():
    history = PoseHistory()
    history.add_attitude(10**15, LEVEL)
    history.clear()
    assert history.latest(10**16) is None
    assert history.add_attitude(5 * MS, LEVEL)


def test_it_is_bounded():
    history = PoseHistory(limits=PoseLimits(keep_ns=100 * MS))
    for i in range(20_000):
        history.add_attitude(i * MS // 50, LEVEL)
    assert len(history._attitudes._samples) <= 1024
    history.add_attitude(10_000 * MS, LEVEL)
    assert len(history._attitudes._samples) == 1


finite = st.floats(-1e6, 1e6)
anything = st.floats(allow_nan=True, allow_infinity=True, width=32)
event = st.tuples(
    st.sampled_from(["attitude", "position", "range"]), st.integers(0, 3_000), anything, anything, anything
)


@given(events=st.lists(event, max_size=60), asked=st.lists(st.integers(-10, 4_000), max_size=20))
def test_any_input_gives_finite_poses_or_none(events, asked):
    history = PoseHistory(ground_down_m=0.0)
    for kind, ms, a, b, c in events:
        if kind == "attitude":
            history.add_attitude(ms * MS, (1.0, a, b, c), (a, b, c))
        elif kind == "position":
            history.add_position(ms * MS, (a, b, c), (b, c, a))
        else:
            history.add_range(ms * MS, a, b, c)
    for ms in asked:
        for pose in (history.at(ms * MS), history.latest(ms * MS)):
            if pose is not None and pose.position_ned_m is not None:
                assert all(map(math.isfinite, pose.position_ned_m))


@given(rate_deg_s=st.floats(-200, 200), at_ms=st.integers(0, 1000), step_ms=st.sampled_from([5, 20, 50]))
def test_steady_turn_is_followed_everywhere(rate_deg_s, at_ms, step_ms):
    history = PoseHistory()
    for ms in range(0, 1001, step_ms):
        rates = (0.0, 0.0, math.radians(rate_deg_s))
        history.add_attitude(ms * MS, yaw(rate_deg_s * ms / 1000), rates)
    error = yaw_of(history.at(at_ms * MS)) - rate_deg_s * at_ms / 1000
    assert (error + 180) % 360 - 180 == pytest.approx(0, abs=1e-3)


def test_threads():
    history = PoseHistory()
    stop = threading.Event()
    errors = []

    def read():
        while not stop.is_set():
            try:
                history.latest(10**12)
                history.at(500 * MS)
            except (IndexError, ValueError, TypeError) as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(3_000):
        history.add_attitude(i * MS, LEVEL)
        history.add_position(i * MS, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    stop.set()
    reader.join(5)
    assert not errors
