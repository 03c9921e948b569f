"""Targets in level axes: right where ArduPilot takes them, refused with the reason elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.dialect import mavlink
from firmware_bridge.link import FlightLink
from firmware_bridge.report import Refusal
from firmware_bridge.settings import LinkSettings
from firmware_bridge.target import LOCAL_FRD_SINCE, TargetForm, choose_form, landing_target_message
from landing.errors import InvalidValueError
from landing.geometry import euler_from_quaternion, matrix_from_quaternion, quaternion_from_euler
from landing.types import LandingTarget
from landing.vehicle import Autopilot
from sim.vehicle.autopilot import AutopilotConfig, FrameRules, StandInAutopilot
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.peers import UdpOutgoingPeer, wait_for

ARDUPILOT, PX4 = Autopilot.ARDUPILOT, Autopilot.PX4
LOCAL_FRD = TargetForm.LOCAL_FRD


def attitude(roll_deg, pitch_deg, yaw_deg):
    return quaternion_from_euler(*map(math.radians, (roll_deg, pitch_deg, yaw_deg)))


def target_towards(offset_ned_m, ned_from_frd):
    """A target at an offset from the vehicle, in NED, as the director computes it."""
    offset = matrix_from_quaternion(ned_from_frd).T @ np.asarray(offset_ned_m)
    forward, right, down = (float(c) for c in offset)
    return LandingTarget((forward, right, down), (4.0, 3.0, 0.5), 10**9, 10**9)


def levelled(target, ned_from_frd, version=LOCAL_FRD_SINCE):
    return landing_target_message(target, ARDUPILOT, form=LOCAL_FRD, version=version, ned_from_frd=ned_from_frd)


@given(
    st.floats(-30, 30), st.floats(-30, 30), st.floats(-180, 180), st.floats(-6, 6), st.floats(-6, 6), st.floats(8, 30)
)
def test_the_level_vector_turned_by_the_heading_is_the_way_to_the_site(roll, pitch, yaw, north, east, down):
    ned_from_frd = attitude(roll, pitch, yaw)
    message = levelled(target_towards((north, east, down), ned_from_frd), ned_from_frd)
    assert message.frame == mavlink.MAV_FRAME_LOCAL_FRD
    heading = euler_from_quaternion(ned_from_frd)[2]
    cos, sin = math.cos(heading), math.sin(heading)
    way = (cos * message.x - sin * message.y, sin * message.x + cos * message.y, message.z)
    assert way == pytest.approx((north, east, down), abs=1e-6)
    assert message.distance == pytest.approx(math.hypot(*way))
    # The angles carry the same line of sight.
    assert -math.tan(message.angle_y) == pytest.approx(message.x / message.z, abs=1e-9)
    assert math.tan(message.angle_x) == pytest.approx(message.y / message.z, abs=1e-9)


def test_a_level_vehicle_sends_the_same_vector_in_both_forms():
    ned_from_frd = attitude(0, 0, 77)
    target = target_towards((3.0, -2.0, 9.0), ned_from_frd)
    body = landing_target_message(target, ARDUPILOT)
    level = levelled(target, ned_from_frd)
    assert (level.x, level.y, level.z) == pytest.approx((body.x, body.y, body.z))
    assert (level.frame, body.frame) == (mavlink.MAV_FRAME_LOCAL_FRD, mavlink.MAV_FRAME_BODY_FRD)


@pytest.mark.parametrize(
    ("autopilot", "asked", "version", "reason"),
    [
        (ARDUPILOT, LOCAL_FRD, (4, 6, 2), "4.6.2 drops it, 4.7.0 is needed; send body_frd"),
        (ARDUPILOT, LOCAL_FRD, None, "version is not known"),
        (ARDUPILOT, TargetForm.LOCAL_NED, (4, 7, 0), "ArduPilot drops it; send body_frd"),
        (PX4, LOCAL_FRD, (1, 16, 0), "PX4 drops it; send local_ned"),
        (PX4, TargetForm.BODY_FRD, (1, 15, 4), "PX4 drops it; send local_ned"),
        (Autopilot.UNKNOWN, TargetForm.AUTO, None, "form to send is not known"),
    ],
)
def test_what_would_be_dropped_is_refused_with_the_reason(autopilot, asked, version, reason):
    with pytest.raises(InvalidValueError, match=reason.replace(".", r"\.")):
        choose_form(autopilot, asked, version)


@pytest.mark.parametrize("version", [None, (4, 6, 2), (4, 7, 1)])
def test_without_being_asked_the_proven_form_is_sent(version):
    assert choose_form(ARDUPILOT, TargetForm.AUTO, version) is TargetForm.BODY_FRD
    assert choose_form(PX4, TargetForm.AUTO, version) is TargetForm.LOCAL_NED


@pytest.mark.parametrize(
    ("version", "stage"), [((4, 7, 0), "dev"), ((4, 7, 0), "beta"), ((4, 7, 0), ""), ((4, 8, 0), "dev")]
)
def test_a_4_7_that_is_no_release_is_not_trusted_with_level_axes(version, stage):
    """Its yaw had the wrong sign: https://github.com/ArduPilot/ardupilot/issues/31651."""
    if stage and version[:2] == (4, 7):
        with pytest.raises(InvalidValueError, match=f"4.7.0 {stage} may turn it by the wrong sign"):
            choose_form(ARDUPILOT, LOCAL_FRD, version, stage)
    else:
        assert choose_form(ARDUPILOT, LOCAL_FRD, version, stage) is LOCAL_FRD


def test_without_an_attitude_there_is_no_level_vector():
    target = LandingTarget((0.0, 0.0, 5.0), (0.0, 0.0, 0.0), 1, 1)
    with pytest.raises(InvalidValueError, match="attitude"):
        levelled(target, None)


def test_a_site_that_is_level_with_the_vehicle_has_no_line_of_sight_in_level_axes():
    ned_from_frd = attitude(0, 20, 0)
    assert levelled(target_towards((3.0, 0.0, 0.1), ned_from_frd), ned_from_frd).z == pytest.approx(0.1)
    with pytest.raises(InvalidValueError, match="m down in level axes"):
        levelled(target_towards((3.0, 0.0, 0.001), ned_from_frd), ned_from_frd)


@pytest.mark.parametrize(("rules", "taken"), [(FrameRules.V4_7, True), (FrameRules.V4_6, False)])
def test_the_stand_in_takes_it_by_the_rules_of_its_version(rules, taken):
    autopilot = StandInAutopilot(
        AutopilotConfig(
            parameters={"PLND_ENABLED": 1, "PLND_TYPE": 1}, ready_after_ms=100, boot_ms=50, frame_rules=rules
        )
    )
    autopilot.connect(0)
    target = LandingTarget((0.5, 0.2, 6.0), (0.0, 0.0, 0.0), 1, 1)
    message = levelled(target, attitude(0, 0, 0))
    texts = []
    for _ in range(80):
        autopilot.step(0.05)
        autopilot.receive(0, message)
        texts += [m.text for _, m in autopilot.take_outbox() if m.get_type() == "STATUSTEXT"]
    said = b" ".join(t if isinstance(t, bytes) else t.encode() for t in texts)
    assert (b"PrecLand: Target Found" in said) == taken
    assert (b"Frame not supported" in said) == (not taken)


@pytest.mark.parametrize("version", [(4, 6, 2), (4, 7, 0)])
def test_the_link_asks_for_the_version_and_sends_or_refuses(version):
    class Versioned(FakeAutopilot):
        def _answer(self, message):
            if (
                message.get_type() == "COMMAND_LONG"
                and message.command == mavlink.MAV_CMD_REQUEST_MESSAGE
                and message.param1 == mavlink.MAVLINK_MSG_ID_AUTOPILOT_VERSION
            ):
                major, minor, patch = version
                packed = major << 24 | minor << 16 | patch << 8 | 255
                self.send(
                    mavlink.MAVLink_autopilot_version_message(0, packed, 0, 0, 0, [0] * 8, [0] * 8, [0] * 8, 0, 0, 0)
                )
            else:
                super()._answer(message)

    with Versioned(UdpOutgoingPeer()) as autopilot:
        settings = LinkSettings(autopilot.peer.connection, target_frame=LOCAL_FRD)
        with FlightLink(settings) as link:
            assert wait_for(lambda: link.latest_pose(2**63 - 1) is not None, 20)

            def send():
                pose = link.latest_pose(2**63 - 1)
                return link.send_target(LandingTarget((1.0, 2.0, 10.0), (4.0, 3.0, 0.5), pose.at_ns, pose.at_ns))

            if version >= LOCAL_FRD_SINCE:
                assert wait_for(lambda: send().sent, 20)
                assert wait_for(lambda: autopilot.of_type("LANDING_TARGET"), 20)
                [frame] = {m.frame for m in autopilot.of_type("LANDING_TARGET")}
                assert frame == mavlink.MAV_FRAME_LOCAL_FRD
            else:
                assert wait_for(lambda: "4.6.2" in send().detail, 20)
                assert send().refusal is Refusal.INVALID_TARGET
                assert not autopilot.of_type("LANDING_TARGET")
