"""What autopilots say of their estimator and rangefinders, and what the link makes of it."""

from __future__ import annotations

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.estimator_state import ESTIMATOR_STREAMS
from firmware_bridge.pose_history import HeightSource
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import Telemetry
from landing.vehicle import Autopilot

MS = 1_000_000
ARDUPILOT, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4
GOOD = mavlink.EKF_ATTITUDE | mavlink.EKF_POS_HORIZ_REL | mavlink.EKF_POS_HORIZ_ABS
NAN21 = [float("nan")] * 21


class Vehicle:
    """A small autopilot that hovers at 20 m and speaks into a telemetry."""

    def __init__(self, kind: int = PX4, source: HeightSource = HeightSource.AUTO) -> None:
        self.telemetry = Telemetry(LinkSettings("udpin:127.0.0.1:14550", height_source=source))
        self._packer = mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
        self.now_ms, self.north_m, self.down_m, self.climb_m_s = 100_000, 0.0, -20.0, 0.0
        self.say(mavlink.MAVLink_heartbeat_message(2, kind, 0, 0, 4, 3))
        self._kind = kind

    def say(self, message) -> None:
        self.telemetry.feed(message.pack(self._packer), self.now_ms * MS)
        self._packer.seq = (self._packer.seq + 1) % 256

    def hover(self, seconds: float) -> None:
        for k in range(round(seconds * 50)):
            self.now_ms += 20
            self.down_m -= 0.02 * self.climb_m_s
            if k % 25 == 0:
                self.say(mavlink.MAVLink_heartbeat_message(2, self._kind, 0, 0, 4, 3))
            turn = (1, 0, 0, 0, 0, 0, 0)
            self.say(mavlink.MAVLink_attitude_quaternion_message(self.now_ms, *turn))
            place = (self.north_m, 0, self.down_m, 0, 0, -self.climb_m_s)
            self.say(mavlink.MAVLink_local_position_ned_message(self.now_ms, *place))

    def range(self, cm: int, ident: int = 0, **fields) -> None:
        low, high = fields.pop("limits", (20, 5000))
        orientation = fields.pop("orientation", 25)
        message = mavlink.MAVLink_distance_sensor_message(
            self.now_ms, low, high, cm, 0, ident, orientation, 255, **fields
        )
        self.say(message)

    def odometry(self, resets: int) -> None:
        self.say(
            mavlink.MAVLink_odometry_message(
                self.now_ms * 1000, 1, 12, 0, 0, 0, [1, 0, 0, 0], 0, 0, 0, 0, 0, 0, NAN21, NAN21, reset_counter=resets
            )
        )

    @property
    def pose(self):
        return self.telemetry.history.latest(self.now_ms * MS)

    @property
    def problems(self) -> str:
        return "; ".join(self.telemetry.problems(True, self.now_ms * MS))


@pytest.mark.parametrize("told", ["odometry", "flags", "origin", None])
def test_a_small_step_counts_where_the_autopilot_tells_of_it(told) -> None:
    vehicle = Vehicle()
    tell = {
        "odometry": vehicle.odometry,
        "flags": lambda n: vehicle.say(
            mavlink.MAVLink_estimator_status_message(
                vehicle.now_ms * 1000, GOOD | (mavlink.ESTIMATOR_GPS_GLITCH if n else 0), *[0.1] * 8
            )
        ),
        "origin": lambda n: vehicle.say(mavlink.MAVLink_gps_global_origin_message(470000000 + n, 80000000, 400000)),
        None: lambda n: None,
    }[told]
    tell(0)
    vehicle.hover(1.0)
    vehicle.north_m = 0.3
    vehicle.hover(0.04)
    tell(1)
    vehicle.hover(1.0)
    assert (vehicle.telemetry.history.position_resets > 0) is (told is not None)


def test_an_estimator_that_says_it_has_no_position_is_believed() -> None:
    vehicle = Vehicle(ARDUPILOT)

    def flags(value: int) -> None:
        vehicle.say(mavlink.MAVLink_ekf_status_report_message(value, 0, 0, 0, 0, 0))

    flags(GOOD)
    vehicle.hover(1.0)
    assert vehicle.pose.position_ned_m is not None
    flags(mavlink.EKF_ATTITUDE | mavlink.EKF_CONST_POS_MODE)
    vehicle.hover(0.5)
    assert vehicle.pose.position_ned_m is None and "has no position" in vehicle.problems
    flags(GOOD)
    vehicle.hover(0.5)
    assert vehicle.pose.position_ned_m is not None and vehicle.pose.frame.epoch == 1


def test_an_estimator_that_reports_no_more_is_not_relied_on() -> None:
    """ArduPilot's DCM fallback sends positions, but no EKF_STATUS_REPORT."""
    vehicle = Vehicle(ARDUPILOT)
    vehicle.say(mavlink.MAVLink_ekf_status_report_message(GOOD, 0, 0, 0, 0, 0))
    vehicle.hover(2.0)
    assert vehicle.pose.position_ned_m is not None and "reports" not in vehicle.problems
    vehicle.hover(2.0)
    assert vehicle.pose.position_ned_m is None and "no longer reports" in vehicle.problems
    vehicle.say(mavlink.MAVLink_ekf_status_report_message(GOOD, 0, 0, 0, 0, 0))
    vehicle.hover(0.5)
    assert vehicle.pose.position_ned_m is not None and vehicle.pose.frame.epoch == 1


@pytest.mark.parametrize(("kind", "autopilot"), [(ARDUPILOT, "ARDUPILOT"), (PX4, "PX4")])
def test_each_autopilot_is_asked_for_what_it_tells_of_its_estimator(kind, autopilot) -> None:
    vehicle = Vehicle(kind)
    asked = set()
    for _ in range(40):
        vehicle.hover(0.6)
        request = vehicle.telemetry.request(vehicle.now_ms * MS)
        if request is not None:
            asked.add(int(request.param1))
    for name in ESTIMATOR_STREAMS[Autopilot[autopilot]]:
        assert getattr(mavlink, f"MAVLINK_MSG_ID_{name}") in asked


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("leg_each", [2, 4])
def test_of_two_rangefinders_the_one_that_follows_the_climb_is_used(first, leg_each, caplog) -> None:
    vehicle = Vehicle()
    vehicle.down_m = 0.0
    for k in range(1200):
        vehicle.climb_m_s = 1.0 if k > 100 and vehicle.down_m > -20.0 else 0.0
        vehicle.hover(0.02)
        height_m = 0.3 - vehicle.down_m
        if (k + first) % leg_each == 0:
            vehicle.range(40, ident=1, limits=(10, 800))
        else:
            vehicle.range(round(height_m * 100), ident=0, limits=(10, 5000))
        if height_m > 4.0:
            assert vehicle.pose.height_agl_m == pytest.approx(height_m, abs=0.3)
    assert "id 1 stays at 0.40 m; it is left out" in caplog.text
    assert not vehicle.problems  # the other one is enough


def test_a_lone_rangefinder_that_sees_the_payload_is_named() -> None:
    vehicle = Vehicle(source=HeightSource.RANGEFINDER)
    vehicle.climb_m_s = 1.0
    for _ in range(150):
        vehicle.hover(0.02)
        vehicle.range(40)
    assert vehicle.pose.height_agl_m is None and "id 0 stays at 0.40 m" in vehicle.problems


def test_rangefinders_that_contradict_each_other_give_no_height_until_one_is_proven() -> None:
    vehicle = Vehicle(source=HeightSource.RANGEFINDER)
    for k in range(100):
        vehicle.hover(0.02)
        vehicle.range(1500 if k % 2 else 400, ident=k % 2)
    assert vehicle.pose.height_agl_m is None
    assert "contradict each other: 4.00 m (id 0) and 15.00 m (id 1)" in vehicle.problems
    vehicle.climb_m_s = 1.0
    for k in range(200):  # a climb of 4 m shows that sensor 0 stays where it is
        vehicle.hover(0.02)
        vehicle.range(1500 + 2 * k if k % 2 else 400, ident=k % 2)
    assert vehicle.pose.height_agl_m == pytest.approx(19.0, abs=0.3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"orientation": 0}, "looks to orientation 0, expected 25"),
        ({"limits": (0, 0)}, "has the range 0 to 0 cm"),
        ({"signal_quality": 1}, "says that its signal is invalid"),
    ],
)
def test_a_rangefinder_that_can_never_give_a_height_is_named(fields, words) -> None:
    vehicle = Vehicle()
    for _ in range(50):
        vehicle.hover(0.02)
        vehicle.range(1500, **fields)
    assert vehicle.pose.height_agl_m is None
    assert f"no rangefinder can give a height: id 0 {words}" in vehicle.problems
    vehicle.range(1500)  # and no more once one can
    assert "no rangefinder can give" not in vehicle.problems
