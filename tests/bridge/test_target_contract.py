"""Signs and frames of LANDING_TARGET. A flipped sign is a runaway, so the numbers are by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firmware_bridge.dialect import mavlink
from firmware_bridge.target import MAX_DISTANCE_M, landing_target_message
from landing.errors import InvalidValueError
from landing.geometry import matrix_from_quaternion, quaternion_from_euler
from landing.types import LandingTarget
from landing.vehicle import Autopilot

SITE_NED = np.array([4.0, 3.0, 0.5])  # 4 m north, 3 m east, ground half a metre below the origin
VEHICLE_NED = np.array([0.0, 0.0, -9.5])  # so the ground is 10 m below the vehicle


def target(offset, position=tuple(SITE_NED), pose_at_ns=5_000_000_000):
    return LandingTarget(
        offset_frd_m=tuple(float(v) for v in offset),
        position_ned_m=tuple(float(v) for v in position),
        evidence_at_ns=4_900_000_000,
        pose_at_ns=pose_at_ns,
    )


def on_the_wire(message):
    """What the autopilot decodes: the message after packing to float32 and back."""
    sender = mavlink.MAVLink(None, srcSystem=1, srcComponent=191)
    return mavlink.MAVLink(None).decode(bytearray(message.pack(sender)))


def ardupilot_line_of_sight(message):
    """ArduPilot's documented reading of the angle form: (-tan(angle_y), tan(angle_x), 1)."""
    los = np.array([-math.tan(message.angle_y), math.tan(message.angle_x), 1.0])
    return los / np.linalg.norm(los)


# By hand, for a level vehicle: forward = 4 cos(yaw) + 3 sin(yaw), right = -4 sin(yaw) + 3 cos(yaw). yaw 120: cos =
# -1/2, sin = 0.8660254; yaw 240: cos = -1/2, sin = -0.8660254.
LEVEL_CASES = [
    # yaw_deg, forward, right
    (0.0, 4.0, 3.0),
    (90.0, 3.0, -4.0),
    (120.0, 0.5980762, -4.9641016),
    (240.0, -4.5980762, 1.9641016),
]


@pytest.mark.parametrize(("yaw_deg", "forward", "right"), LEVEL_CASES)
def test_ardupilot_level_vehicle(yaw_deg, forward, right):
    ned_from_frd = matrix_from_quaternion(quaternion_from_euler(0, 0, math.radians(yaw_deg)))
    offset = ned_from_frd.T @ (SITE_NED - VEHICLE_NED)
    message = on_the_wire(landing_target_message(target(offset), Autopilot.ARDUPILOT))

    assert message.get_type() == "LANDING_TARGET"
    assert message.frame == mavlink.MAV_FRAME_BODY_FRD == 12
    assert message.position_valid == 1
    assert (message.x, message.y, message.z) == pytest.approx((forward, right, 10.0), abs=1e-5)
    assert message.distance == pytest.approx(math.sqrt(4**2 + 3**2 + 10**2), abs=1e-5)
    assert message.angle_x == pytest.approx(math.atan(right / 10.0), abs=1e-6)
    assert message.angle_y == pytest.approx(math.atan(-forward / 10.0), abs=1e-6)
    assert message.type == mavlink.LANDING_TARGET_TYPE_VISION_OTHER


def test_signs_in_words():
    ahead = landing_target_message(target((2.0, 0.0, 10.0)), Autopilot.ARDUPILOT)
    behind = landing_target_message(target((-2.0, 0.0, 10.0)), Autopilot.ARDUPILOT)
    right = landing_target_message(target((0.0, 2.0, 10.0)), Autopilot.ARDUPILOT)
    left = landing_target_message(target((0.0, -2.0, 10.0)), Autopilot.ARDUPILOT)
    assert ahead.angle_y < 0 < behind.angle_y
    assert left.angle_x < 0 < right.angle_x
    assert ahead.angle_x == behind.angle_x == right.angle_y == left.angle_y == 0
    assert ahead.x == 2.0
    assert behind.x == -2.0
    assert right.y == 2.0
    assert left.y == -2.0
    assert all(m.z == 10.0 for m in (ahead, behind, right, left))


def test_ardupilot_tilted_vehicle():
    """Pitched 10 degrees nose up over a site straight below: it is seen *behind* body down.

    Body forward points 10 degrees above the horizon, so straight down, (0, 0, 10) in NED, has a forward part of -10
    sin(10 deg) = -1.7364818 and a down part of 10 cos(10 deg) = 9.8480775.
    """
    ned_from_frd = matrix_from_quaternion(quaternion_from_euler(0, math.radians(10), 0))
    offset = ned_from_frd.T @ np.array([0.0, 0.0, 10.0])
    message = on_the_wire(landing_target_message(target(offset), Autopilot.ARDUPILOT))
    assert (message.x, message.y, message.z) == pytest.approx((-1.7364818, 0.0, 9.8480775), abs=1e-5)
    assert message.angle_y == pytest.approx(math.radians(10), abs=1e-6)
    assert message.distance == pytest.approx(10.0, abs=1e-5)


def test_ardupilot_rolled_vehicle():
    """Rolled 10 degrees right wing down: straight down lies right of body down."""
    ned_from_frd = matrix_from_quaternion(quaternion_from_euler(math.radians(10), 0, 0))
    offset = ned_from_frd.T @ np.array([0.0, 0.0, 10.0])
    message = on_the_wire(landing_target_message(target(offset), Autopilot.ARDUPILOT))
    assert message.y == pytest.approx(1.7364818, abs=1e-5)
    assert message.angle_x == pytest.approx(math.radians(10), abs=1e-6)


def test_px4_is_absolute_local_ned():
    """The body offset must not leak: PX4 reads x, y, z as the estimator's local position."""
    message = on_the_wire(landing_target_message(target((3.0, -4.0, 10.0)), Autopilot.PX4))
    assert message.frame == mavlink.MAV_FRAME_LOCAL_NED == 1
    assert message.position_valid == 1
    assert (message.x, message.y, message.z) == pytest.approx((4.0, 3.0, 0.5), abs=1e-6)


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
def test_time_is_the_poses_and_never_zero(autopilot):
    message = landing_target_message(target((0, 0, 5), pose_at_ns=7_000_123_456), autopilot)
    assert message.time_usec == 7_000_123
    message = landing_target_message(target((0, 0, 5), pose_at_ns=0), autopilot)
    assert message.time_usec > 0


def test_unknown_autopilot_is_refused():
    with pytest.raises(InvalidValueError, match="unknown"):
        landing_target_message(target((0, 0, 5)), Autopilot.UNKNOWN)


BAD_OFFSETS = [
    (0.0, 0.0, 0.0),
    (1.0, 1.0, 0.0),
    (0.0, 0.0, -5.0),
    (math.nan, 0.0, 5.0),
    (0.0, math.inf, 5.0),
    (0.0, 0.0, math.nan),
    (0.0, 0.0, MAX_DISTANCE_M + 1),
    (MAX_DISTANCE_M, MAX_DISTANCE_M, 10.0),
    (1e30, 0.0, 10.0),
]


@pytest.mark.parametrize("autopilot", [Autopilot.ARDUPILOT, Autopilot.PX4])
@pytest.mark.parametrize("offset", BAD_OFFSETS)
def test_nonsense_is_refused(offset, autopilot):
    with pytest.raises(InvalidValueError):
        landing_target_message(target(offset), autopilot)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e9])
def test_px4_position_nonsense_is_refused(bad):
    with pytest.raises(InvalidValueError):
        landing_target_message(target((0, 0, 5), position=(bad, 0, 0)), Autopilot.PX4)


coordinate = st.floats(-150, 150)
angle = st.floats(-math.pi, math.pi)


@given(forward=coordinate, right=coordinate, down=st.floats(0.05, 200))
def test_angles_and_position_are_one_line_of_sight(forward, right, down):
    """Both of ArduPilot's readings must point the same way, whichever a version uses."""
    vector = np.array([forward, right, down])
    assume(np.linalg.norm(vector) < MAX_DISTANCE_M)
    message = on_the_wire(landing_target_message(target(vector), Autopilot.ARDUPILOT))
    from_position = np.array([message.x, message.y, message.z]) / message.distance
    assert message.distance > 0
    assert np.linalg.norm(from_position) == pytest.approx(1.0, abs=1e-5)
    assert ardupilot_line_of_sight(message) == pytest.approx(from_position, abs=2e-3)


@given(yaw=angle, roll=st.floats(-0.5, 0.5), pitch=st.floats(-0.5, 0.5))
def test_rotating_back_finds_the_site(yaw, roll, pitch):
    """The autopilot's own arithmetic, body offset through its attitude, ends on the site."""
    ned_from_frd = matrix_from_quaternion(quaternion_from_euler(roll, pitch, yaw))
    offset = ned_from_frd.T @ (SITE_NED - VEHICLE_NED)
    assume(offset[2] > 0.1)
    message = on_the_wire(landing_target_message(target(offset), Autopilot.ARDUPILOT))
    found = VEHICLE_NED + ned_from_frd @ np.array([message.x, message.y, message.z])
    assert found == pytest.approx(SITE_NED, abs=1e-4)
