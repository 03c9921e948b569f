"""The whole link against a tiny autopilot, over every kind of connection."""

from __future__ import annotations

import math
import os
import random
import threading
import time

import pytest
from pydantic import ValidationError

from firmware_bridge.dialect import mavlink
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState, Severity, statustext_messages
from firmware_bridge.pose_history import HeightSource
from firmware_bridge.report import Refusal
from firmware_bridge.settings import LinkSettings
from landing.errors import LinkError
from landing.geometry import euler_from_quaternion
from landing.types import LandingTarget
from landing.vehicle import Autopilot
from tests.bridge.fake_autopilot import PX4, FakeAutopilot
from tests.bridge.peers import PEERS, UdpOutgoingPeer, make_peer, wait_for

TARGET = LandingTarget((1.0, 2.0, 10.0), (4.0, 3.0, 0.5), 10**9, 10**9)
now = time.monotonic_ns


def settings(peer, **changes):
    values = {"heartbeat_timeout_s": 0.6, "reconnect_first_s": 0.05, "reconnect_longest_s": 0.2, **changes}
    return LinkSettings(peer.connection, **values)


@pytest.fixture
def udp():
    return UdpOutgoingPeer()


@pytest.mark.parametrize("kind", sorted(PEERS))
def test_ready_then_a_whole_round(kind, tmp_path):
    peer = make_peer(kind, tmp_path)
    with FakeAutopilot(peer, system=7) as fake, FlightLink(settings(peer)) as link:
        status = link.wait_ready(5)
        assert status.ready, status
        assert status.connected
        assert status.alive
        assert status.system_id == 7
        assert status.autopilot is Autopilot.ARDUPILOT
        assert status.heartbeat_age_s < 0.6

        vehicle = link.vehicle(now())
        assert vehicle.link_alive
        assert vehicle.armed
        assert vehicle.landing
        assert vehicle.mode == "LAND"
        assert wait_for(lambda: link.vehicle(now()).airborne)

        def full_pose():
            pose = link.latest_pose(now())
            return pose if pose and pose.position_ned_m and pose.height_agl_m else None

        pose = wait_for(full_pose)
        assert pose.position_ned_m == pytest.approx((1.0, 2.0, -10.0))
        assert pose.height_agl_m == pytest.approx(10.0)
        yaw_rad = euler_from_quaternion(pose.ned_from_frd)[2]
        assert math.degrees(yaw_rad) == pytest.approx(30, abs=0.01)
        assert 0 <= now() - pose.at_ns < 300_000_000
        assert wait_for(lambda: link.pose_at(now() - 100_000_000))

        assert link.send_heartbeat(HealthState.OK).sent
        assert link.send_target(TARGET).sent
        assert link.send_text("x" * 120, Severity.WARNING).sent
        assert wait_for(lambda: len(fake.of_type("STATUSTEXT")) == 3)
        target = fake.of_type("LANDING_TARGET")[0]
        assert (target.frame, target.x, target.y, target.z) == (12, 1.0, 2.0, 10.0)
        assert (target.get_srcSystem(), target.get_srcComponent()) == (7, 191)
        heartbeat = fake.of_type("HEARTBEAT")[-1]
        assert heartbeat.type == mavlink.MAV_TYPE_ONBOARD_CONTROLLER
        assert heartbeat.autopilot == mavlink.MAV_AUTOPILOT_INVALID
        assert heartbeat.system_status == mavlink.MAV_STATE_ACTIVE


def test_rates_come_as_asked(udp):
    with FakeAutopilot(udp), FlightLink(settings(udp)) as link:
        assert link.wait_ready(5).ready
        time.sleep(1.0)
        status = link.status(now())
        assert status.rates_hz["ATTITUDE_QUATERNION"] == pytest.approx(50, rel=0.3)
        assert status.rates_hz["LOCAL_POSITION_NED"] == pytest.approx(25, rel=0.3)
        assert status.rates_hz["DISTANCE_SENSOR"] == pytest.approx(15, rel=0.3)
        assert status.missing == ()
        assert status.bytes_bad == 0


def test_px4_gets_its_own_form(udp):
    with FakeAutopilot(udp, autopilot=PX4) as fake, FlightLink(settings(udp)) as link:
        fake.custom_mode = 4 << 16 | 9 << 24
        assert link.wait_ready(5).ready
        assert wait_for(lambda: link.vehicle(now()).mode == "AUTO.PRECLAND")
        assert link.vehicle(now()).landing
        assert link.send_target(TARGET).sent
        assert wait_for(lambda: fake.of_type("LANDING_TARGET"))
        target = fake.of_type("LANDING_TARGET")[0]
        assert (target.frame, target.x, target.y, target.z) == (1, 4.0, 3.0, 0.5)


def test_attitude_is_taken_where_the_quaternion_is_denied(udp):
    denied = (mavlink.MAVLINK_MSG_ID_ATTITUDE_QUATERNION,)
    with FakeAutopilot(udp, refused=denied), FlightLink(settings(udp)) as link:
        status = link.wait_ready(5)
        assert status.ready, status
        assert status.rates_hz["ATTITUDE"] > 0
        pose = link.latest_pose(now())
        assert math.degrees(euler_from_quaternion(pose.ned_from_frd)[2]) == pytest.approx(30)


def test_a_missing_stream_is_named(udp):
    silent = (mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED,)
    with FakeAutopilot(udp, silent_streams=silent) as fake, FlightLink(settings(udp)) as link:
        status = link.wait_ready(2.5)
        assert not status.ready
        assert any("LOCAL_POSITION_NED" in problem for problem in status.problems)
        assert fake.asked().count(mavlink.MAVLINK_MSG_ID_LOCAL_POSITION_NED) == 2


def test_refusals_before_anything_is_heard(udp):
    link = FlightLink(settings(udp))
    assert link.send_target(TARGET).refusal is Refusal.NO_AUTOPILOT
    assert link.send_heartbeat(HealthState.OK).refusal is Refusal.NOT_CONNECTED
    assert link.send_text("hello").refusal is Refusal.NOT_CONNECTED
    assert link.latest_pose(now()) is None
    assert link.pose_at(now()) is None
    assert not link.vehicle(now()).link_alive
    status = link.status(now())
    assert not status.ready
    assert not status.connected
    link.close()
    udp.close()


def test_refused_targets(udp):
    with FakeAutopilot(udp), FlightLink(settings(udp)) as link:
        assert link.wait_ready(5).ready
        above = LandingTarget((0.0, 0.0, -1.0), (0.0, 0.0, 0.0), 1, 1)
        result = link.send_target(above)
        assert result.refusal is Refusal.INVALID_TARGET
        assert "below" in result.detail
        nan = LandingTarget((math.nan, 0.0, 1.0), (0.0, 0.0, 0.0), 1, 1)
        assert link.send_target(nan).refusal is Refusal.INVALID_TARGET


def test_unknown_autopilot_gets_no_target(udp):
    generic = mavlink.MAV_AUTOPILOT_GENERIC
    with FakeAutopilot(udp, autopilot=generic) as fake, FlightLink(settings(udp)) as link:
        assert wait_for(lambda: "neither" in link.status(now()).problems[0])
        assert link.send_target(TARGET).refusal is Refusal.NO_AUTOPILOT
        assert fake.of_type("LANDING_TARGET") == []


def test_others_are_not_taken_for_the_autopilot(udp):
    """Ground station, another companion, our own echo, and another vehicle later on."""
    with FlightLink(settings(udp)) as link:
        assert wait_for(lambda: link.status(now()).connected)

        def heartbeat(system, component, kind, autopilot):
            sender = mavlink.MAVLink(None, srcSystem=system, srcComponent=component)
            udp.send(mavlink.MAVLink_heartbeat_message(kind, autopilot, 0, 9, 4, 3).pack(sender))

        heartbeat(255, 190, mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID)
        heartbeat(255, 1, mavlink.MAV_TYPE_GCS, 3)
        heartbeat(1, 191, mavlink.MAV_TYPE_ONBOARD_CONTROLLER, 8)
        heartbeat(1, 154, mavlink.MAV_TYPE_GIMBAL, 3)
        assert wait_for(lambda: link.status(now()).bytes_received > 80)
        assert link.status(now()).system_id is None
        assert "no autopilot" in link.status(now()).problems[0]
        heartbeat(3, 1, 2, 3)
        assert wait_for(lambda: link.status(now()).system_id == 3)
        heartbeat(4, 1, 2, 12)
        time.sleep(0.05)
        assert link.status(now()).system_id == 3
        assert link.vehicle(now()).autopilot is Autopilot.ARDUPILOT
    udp.close()


def test_pinned_system_id(udp):
    with FakeAutopilot(udp, system=5), FlightLink(settings(udp, system_id=9)) as link:
        status = link.wait_ready(0.5)
        assert not status.alive
        assert "system_id is set to 9" in status.problems[0]


def test_silence_and_return(udp):
    with FakeAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        assert link.wait_ready(5).ready
        fake.muted = True
        assert wait_for(lambda: not link.status(now()).alive)
        assert link.send_target(TARGET).refusal is Refusal.AUTOPILOT_SILENT
        assert not link.vehicle(now()).link_alive
        old = link.latest_pose(now())
        assert old is None or now() - old.at_ns > 300_000_000
        assert link.pose_at(now()) is None
        asked = len(fake.asked())
        fake.muted = False
        assert wait_for(lambda: link.status(now()).alive)
        assert wait_for(lambda: len(fake.asked()) > asked)
        assert wait_for(lambda: now() - link.latest_pose(now()).at_ns < 200_000_000)
        assert link.send_target(TARGET).sent


def test_reboot_of_the_autopilot(udp):
    with FakeAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        assert link.wait_ready(5).ready
        assert wait_for(lambda: link.latest_pose(now()) is not None)
        fake.muted = True
        time.sleep(0.7)
        fake.reboot()
        fake.height_m = 3.0
        fake.muted = False

        def new_height():
            pose = link.latest_pose(now())
            return pose and pose.height_agl_m and pose.height_agl_m < 5

        assert wait_for(new_height)
        assert link.status(now()).reboots == 1
        assert now() - link.latest_pose(now()).at_ns < 300_000_000


def test_reboot_quicker_than_the_heartbeat_timeout(udp):
    """The streams stop although the link never counted as dead: they are asked for again."""
    with FakeAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        assert link.wait_ready(5).ready
        asked = len(fake.asked())
        fake.reboot()
        assert wait_for(lambda: len(fake.asked()) > asked)
        assert wait_for(lambda: link.status(now()).reboots == 1)


@pytest.mark.parametrize("kind", ["serial", "tcp", "tcpin", "udpout"])
def test_cable_pulled_and_back(kind, tmp_path):
    peer = make_peer(kind, tmp_path)
    with FakeAutopilot(peer) as fake, FlightLink(settings(peer)) as link:
        assert link.wait_ready(5).ready
        fake.muted = True
        peer.hangup()
        assert wait_for(lambda: not link.status(now()).alive)
        if not peer.survives_hangup:
            assert not link.status(now()).connected
            assert link.status(now()).last_error
        assert not link.send_target(TARGET).sent
        peer.come_back()
        fake.muted = False
        status = link.wait_ready(5)
        assert status.ready, status
        assert link.send_target(TARGET).sent
        if not peer.survives_hangup:
            assert link.status(now()).reconnects >= 1


def test_a_device_that_is_not_there_yet(tmp_path):
    peer = make_peer("serial", tmp_path)
    peer.hangup()
    with FlightLink(settings(peer)) as link:
        assert wait_for(lambda: "no such device" in link.status(now()).last_error)
        assert "no such device" in link.status(now()).problems[0]
        peer.come_back()
        with FakeAutopilot(peer):
            assert link.wait_ready(5).ready


def test_back_off_is_bounded():
    attempts = []

    class Unreachable:
        def open(self):
            attempts.append(time.monotonic())
            raise LinkError("not there")

        def close(self):
            pass

    link_settings = LinkSettings("udpin:127.0.0.1:14550", reconnect_first_s=0.02, reconnect_longest_s=0.1)
    with FlightLink(link_settings, make=Unreachable) as link:
        assert wait_for(lambda: len(attempts) >= 7)
        assert link.status(now()).last_error == "not there"
    gaps = [b - a for a, b in zip(attempts, attempts[1:])]  # noqa: B905, RUF007
    assert gaps[0] < gaps[2]
    assert max(gaps) < 1.0


def test_garbage_on_the_wire(udp):
    """Noise before every frame: all is still understood, and the noise is counted."""
    rng = random.Random(1)
    with FakeAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        fake.noise = bytes(b for b in rng.randbytes(64) if b not in (0xFD, 0xFE))
        status = link.wait_ready(5)
        assert status.ready, status
        assert status.bytes_bad > 100
        for _ in range(200):
            udp.send(rng.randbytes(rng.randrange(1, 300)))
        assert link.wait_ready(3).alive


def test_a_wrong_baud_rate_is_guessed_at(udp):
    with FlightLink(settings(udp)) as link:
        assert wait_for(lambda: link.status(now()).connected)
        udp.send(os.urandom(4000).replace(b"\xfd", b"\0").replace(b"\xfe", b"\0"))
        assert wait_for(lambda: link.status(now()).bytes_bad > 100)
        assert "baud" in link.status(now()).problems[0]
    udp.close()


def test_close_is_quick_and_repeatable(udp):
    link = FlightLink(settings(udp))
    link.close()
    link.start()
    link.start()
    assert wait_for(lambda: link.status(now()).connected)
    start = time.monotonic()
    link.close()
    link.close()
    assert time.monotonic() - start < 1.0
    assert not link.status(now()).connected
    assert not [t for t in threading.enumerate() if t.name == "flight-link"]
    link.start()
    assert wait_for(lambda: link.status(now()).connected)
    link.close()
    udp.close()


def test_bad_connection_string():
    with pytest.raises(LinkError, match="warp:9"):
        FlightLink(LinkSettings("warp:9"))


@pytest.mark.parametrize(
    "changes",
    [
        {"system_id": 0},
        {"component_id": 1},
        {"component_id": 256},
        {"heartbeat_timeout_s": math.nan},
        {"attitude_rate_hz": 0},
        {"reconnect_longest_s": 0.01},
        {"ground_down_m": math.inf},
    ],
)
def test_bad_settings(changes):
    with pytest.raises(ValidationError):
        LinkSettings("udpin:127.0.0.1:14550", **changes)


def test_height_source_by_name():
    assert LinkSettings("udpin:0:1", height_source="local").height_source is HeightSource.LOCAL
    with pytest.raises(ValueError, match="sonar"):
        LinkSettings("udpin:0:1", height_source="sonar")


def test_ground_is_learned_on_the_ground(udp):
    with FakeAutopilot(udp) as fake, FlightLink(settings(udp, height_source=HeightSource.LOCAL)) as link:
        fake.armed = False
        fake.landed_state = mavlink.MAV_LANDED_STATE_ON_GROUND
        fake.height_m = 0.7  # the local frame's origin is not at the ground
        assert link.wait_ready(5).ready

        def height():
            pose = link.latest_pose(now())
            return None if pose is None else pose.height_agl_m

        assert wait_for(lambda: height() is not None)
        assert height() == pytest.approx(0.0, abs=1e-5)
        fake.armed = True
        fake.landed_state = mavlink.MAV_LANDED_STATE_IN_AIR
        assert wait_for(lambda: link.vehicle(now()).airborne and link.vehicle(now()).armed)
        fake.climb_m_s = 0.4  # a jump of its height would be a reset of the estimator
        for _ in range(40):
            fake.height_m += 0.02
            time.sleep(0.05)
        fake.climb_m_s = 0.0
        assert wait_for(lambda: height() == pytest.approx(0.8, abs=1e-5))
        assert "DISTANCE_SENSOR" not in link.status(now()).rates_hz


def test_airborne_without_a_rangefinder_nobody_knows_the_height(udp):
    silent = (mavlink.MAVLINK_MSG_ID_DISTANCE_SENSOR,)
    with FakeAutopilot(udp, silent_streams=silent), FlightLink(settings(udp)) as link:
        status = link.wait_ready(0.8)
        assert status.alive
        assert "no height" in status.problems[-1]


def test_airborne_with_the_ground_configured_it_is_ready(udp):
    silent = (mavlink.MAVLINK_MSG_ID_DISTANCE_SENSOR,)
    with FakeAutopilot(udp, silent_streams=silent), FlightLink(settings(udp, ground_down_m=0.0)) as link:
        assert link.wait_ready(5).ready


def test_rangefinders_that_do_not_look_down_or_see_nothing(udp):
    with FakeAutopilot(udp, silent_streams=(132,)) as fake, FlightLink(settings(udp)) as link:
        assert wait_for(lambda: link.latest_pose(now()) is not None)

        def distance(centimetres, orientation=25, quality=0):
            boot_ms = 0  # a driver that does not stamp
            fake.send(
                mavlink.MAVLink_distance_sensor_message(
                    boot_ms, 10, 4000, centimetres, 0, 1, orientation, 0, signal_quality=quality
                )
            )

        for bad in ((500, 0, 100), (500, 25, 1), (5, 25, 100), (4000, 25, 100)):
            distance(*bad)
        time.sleep(0.1)
        assert link.latest_pose(now()).height_agl_m is None
        distance(500, 25, 100)
        assert wait_for(lambda: link.latest_pose(now()).height_agl_m == pytest.approx(5.0))


def test_observers_see_every_frame_and_a_failing_one_is_dropped(udp):
    seen = []

    def broken(*_):
        raise OSError("disk full")

    with FakeAutopilot(udp), FlightLink(settings(udp)) as link:
        link.observers.append(broken)
        link.observers.append(lambda *what: seen.append(what))
        assert link.wait_ready(5).ready
        assert broken not in link.observers
        directions = {direction for direction, _, _ in tuple(seen)}
        assert directions == {"rx", "tx"}
        assert all(frame[0] in (0xFD, 0xFE) for _, _, frame in tuple(seen))


def test_senders_in_many_threads_keep_frames_whole_and_are_observed_in_their_order(udp):
    sent = []

    def observer(direction, at_ns, frame):
        if direction == "tx":
            time.sleep(0.0002)  # another sender's chance to overtake
            sent.append((at_ns, frame))

    with FakeAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        link.observers.append(observer)
        assert link.wait_ready(5).ready
        results = []

        def send():
            for _ in range(30):
                results.append(link.send_target(TARGET).sent)
                time.sleep(0.001)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert results == [True] * 120
        assert wait_for(lambda: len(fake.of_type("LANDING_TARGET")) == 120)
    assert len(sent) > 120
    first = sent[0][1][4]  # the link may have sent before it was observed
    assert [frame[4] for _, frame in sent] == [(first + n) % 256 for n in range(len(sent))]
    assert [at_ns for at_ns, _ in sent] == sorted(at_ns for at_ns, _ in sent)


# --- texts ---


@pytest.mark.parametrize(("length", "chunks"), [(0, 1), (50, 1), (51, 2), (100, 3), (120, 3), (199, 4), (1000, 4)])
def test_statustext_chunks(length, chunks):
    messages = statustext_messages("a" * length, Severity.INFO, 77)
    assert len(messages) == chunks
    assert all(m.id == (77 if chunks > 1 else 0) for m in messages)
    assert [m.chunk_seq for m in messages] == list(range(chunks))
    assert sum(len(m.text) for m in messages) == min(length, 199)
    if chunks > 1:
        assert len(messages[-1].text) < 50


def test_statustext_chunks_break_no_word():
    text = "Authority hold: too-small: the widest clean radius is 1.2 m, needs 1.5 m at 3.4 m; next try from 11 m"
    messages = statustext_messages(text, Severity.WARNING, 7)
    assert [len(m.text) for m in messages[:-1]] == [50] * (len(messages) - 1) and len(messages[-1].text) < 50
    assert [word for m in messages for word in m.text.split()] == text.split()
    assert " ".join("".join(m.text for m in messages).split()) == text  # joined by a ground station


def test_statustext_that_is_too_long_is_cut_after_a_word():
    messages = statustext_messages("landing " * 40, Severity.INFO, 77)
    whole = "".join(m.text for m in messages)
    assert whole.startswith("landing landing") and whole.endswith(" landing...")
    assert len(whole) <= 199 and len(messages[-1].text) < 50


def test_statustext_is_ascii():
    (message,) = statustext_messages("gr\u00fc\u00df\0e", Severity.ERROR, 1)
    assert message.text == "gr???e"
    assert message.severity == mavlink.MAV_SEVERITY_ERROR
