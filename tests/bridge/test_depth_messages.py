"""Depth messages: where their points lie, and which are left out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from firmware_bridge.depth import WAITING, DepthReadings
from firmware_bridge.dialect import mavlink
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import Telemetry
from landing.geometry import quaternion_from_euler
from landing.relief.depth import MOST_POINTS

NOW_NS = 9_000_000_000
CUSTOM = mavlink.MAV_SENSOR_ROTATION_CUSTOM


def beam(orientation: int = mavlink.MAV_SENSOR_ROTATION_PITCH_315, **other: Any) -> Any:
    """A DISTANCE_SENSOR of 5 m: by default it looks forward and down by 45 degrees."""
    fields = {"current_distance": 500, "id": 3, "covariance": 255, "fov": 0.03, "quality": 80, **other}
    limits = (fields.get("min_distance", 20), fields.get("max_distance", 4000))
    quaternion = fields.get("quaternion", (0.0, 0.0, 0.0, 0.0))
    return mavlink.MAVLink_distance_sensor_message(
        fields.get("boot_ms", 0),
        *limits,
        fields["current_distance"],
        0,
        fields["id"],
        orientation,
        fields["covariance"],
        fields["fov"],
        fields["fov"],
        list(quaternion),
        fields["quality"],
    )


def point(
    x: float = 1.0,
    y: float = -2.0,
    z: float = 6.0,
    frame: int = mavlink.MAV_FRAME_BODY_FRD,
    limits: tuple[float, float] = (0.2, 30.0),
) -> Any:
    """An OBSTACLE_DISTANCE_3D without an id."""
    return mavlink.MAVLink_obstacle_distance_3d_message(0, 0, frame, 65535, x, y, z, *limits)


def taken(*messages: Any) -> tuple[DepthReadings, list[np.ndarray]]:
    """Points of messages that came at once."""
    readings = DepthReadings()
    for message in messages:
        readings.take(message, NOW_NS, None)
    return readings, [look.points_m for look in readings.looks(NOW_NS)]


def test_beams_look_where_their_orientation_or_quaternion_says() -> None:
    side = 5.0 / math.sqrt(2.0)
    _, (forward,) = taken(beam())
    assert np.allclose(forward, [[side, 0.0, side]], atol=1e-6)
    right = quaternion_from_euler(0.0, math.radians(-60.0), math.radians(90.0))
    _, (custom,) = taken(beam(CUSTOM, quaternion=right))
    assert np.allclose(custom, [[0.0, 5.0 * math.cos(math.radians(60)), 5.0 * math.sin(math.radians(60))]], atol=1e-5)
    _, (obstacle,) = taken(point(), point(x=2.0))
    assert np.allclose(obstacle, [[1.0, -2.0, 6.0], [2.0, -2.0, 6.0]])


@pytest.mark.parametrize(
    "message",
    [
        beam(mavlink.MAV_SENSOR_ROTATION_PITCH_270),  # the rangefinder
        beam(mavlink.MAV_SENSOR_ROTATION_NONE),  # level
        beam(mavlink.MAV_SENSOR_ROTATION_PITCH_90),  # up
        beam(current_distance=0),
        beam(current_distance=4000),
        beam(quality=1),
        point(z=0.1),
        point(z=-6.0),
        point(z=60.0),
    ],
)
def test_what_sees_no_ground_is_left_out_in_silence(message: Any) -> None:
    readings, looks = taken(message)
    assert not looks and not readings.problem


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (beam(77), "orientation 77, which MAVLink does not know"),
        (beam(CUSTOM), "without a quaternion"),
        (beam(CUSTOM, quaternion=(math.nan, 0.0, 0.0, 0.0)), "without a quaternion"),
        (beam(fov=0.6), "a cone of 34 degrees"),
        (beam(fov=math.nan), "a cone of nan degrees"),
        (beam(fov=-1.0), "a cone of"),
        (beam(min_distance=4000, max_distance=20), "the range 4000 to 20 cm"),
        (point(limits=(30.0, 0.2)), "the range 30 to 0.2 m"),
        (point(limits=(0.0, 0.0)), "the range 0 to 0 m"),
        (point(frame=mavlink.MAV_FRAME_LOCAL_NED), "frame 1, expected 12"),
        (point(x=math.nan), "not finite"),
        (point(z=math.inf), "not finite"),
    ],
)
def test_what_cannot_be_placed_is_refused_with_its_reason(message: Any, reason: str) -> None:
    readings, looks = taken(message)
    assert not looks and reason in readings.problem


def test_errors_are_the_sensors_own_or_a_share_of_the_distance() -> None:
    readings = DepthReadings()
    readings.take(beam(covariance=100), NOW_NS, None)
    readings.take(beam(), NOW_NS + 10**9, None)
    told, assumed = readings.looks(NOW_NS + 10**9)
    assert told.sd_m == pytest.approx([math.hypot(0.03, 0.1)]) and assumed.sd_m == pytest.approx(
        [math.hypot(0.03, 0.1)]
    )
    assert told.spread_rad == pytest.approx(0.015)


def test_looks_are_bounded_and_wait_for_their_time() -> None:
    readings = DepthReadings()
    for number in range(3 * WAITING):
        readings.take(point(), NOW_NS + number, None)
    assert readings.looks(NOW_NS) == ()
    looks = readings.looks(NOW_NS + 10**9)
    assert sum(len(look.points_m) for look in looks) == WAITING <= MOST_POINTS and readings.looks(NOW_NS + 10**9) == ()


def test_only_the_served_vehicles_sensors_are_heard_and_only_where_relief_is_measured() -> None:
    heartbeat = mavlink.MAVLink_heartbeat_message(2, 3, 0, 9, 4, 3)

    def heard(system: int, component: int, depth: bool) -> int:
        telemetry = Telemetry(LinkSettings("udpin:127.0.0.1:14550", depth=depth))
        for message, sender in ((heartbeat, (1, 1)), (point(), (system, component)), (beam(), (system, component))):
            encoder = mavlink.MAVLink(None, srcSystem=sender[0], srcComponent=sender[1])
            telemetry.feed(message.pack(encoder), NOW_NS)
        return 0 if telemetry.depth is None else len(telemetry.depth.looks(NOW_NS))

    assert heard(1, 196, depth=True) == heard(1, 1, depth=True) == 2
    assert heard(7, 196, depth=True) == heard(1, 196, depth=False) == 0
