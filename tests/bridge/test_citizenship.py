"""All that the link sends, judged as a stranger would."""

from __future__ import annotations

import time

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from landing.types import LandingTarget
from tests.bridge.citizenship import complaints
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.parameter_table import SmallTable
from tests.bridge.peers import UdpOutgoingPeer
from tests.bridge.test_link import now, settings

MS = 1_000_000


def test_the_link_is_a_good_citizen():
    """Six seconds of everything that we send, with a ground station that asks."""
    frames = []
    udp = UdpOutgoingPeer()
    with (
        FakeAutopilot(udp) as fake,
        FlightLink(settings(udp, heartbeat_timeout_s=3.0), parameters=SmallTable()) as link,
    ):
        link.observers.append(lambda *frame: frames.append(frame))
        station = mavlink.MAVLink(None, srcSystem=255, srcComponent=190)
        assert link.wait_ready(20).ready
        started = time.monotonic()
        beat_s = target_s = started
        link.send_text("Landing track: " + "a site of 3.2 m " * 5)
        asks = [
            mavlink.MAVLink_param_request_list_message(1, 191),
            mavlink.MAVLink_command_long_message(1, 191, 512, 0, 148, 0, 0, 0, 0, 0, 0),
            mavlink.MAVLink_command_long_message(1, 191, 512, 0, 397, 0, 0, 0, 0, 0, 0),
            mavlink.MAVLink_command_long_message(1, 191, 400, 0, 1, 0, 0, 0, 0, 0, 0),
            mavlink.MAVLink_timesync_message(0, 4711),
        ]
        while time.monotonic() - started < 6.0:
            if time.monotonic() >= beat_s:
                beat_s += 1.0
                link.send_heartbeat(HealthState.OK)
                if asks:
                    udp.send(asks.pop().pack(station))
            pose = link.latest_pose(now())
            if time.monotonic() >= target_s and pose is not None:
                target_s += 0.05
                link.send_target(LandingTarget((1.0, -2.0, 10.0), (1.0, 2.0, 0.0), now(), pose.at_ns))
            time.sleep(0.01)
        assert fake.of_type("LANDING_TARGET")
    sent = [(at_ns, raw) for direction, at_ns, raw in frames if direction == "tx"]
    assert complaints(sent) == []
    names = {
        mavlink.mavlink_map[i].msgname
        for i in {int.from_bytes(r[7:10], "little") for _, r in sent}
        if i in mavlink.mavlink_map
    }
    assert names >= {
        "HEARTBEAT",
        "LANDING_TARGET",
        "TIMESYNC",
        "STATUSTEXT",
        "COMMAND_ACK",
        "ONBOARD_COMPUTER_STATUS",
        "PARAM_VALUE",
        "AUTOPILOT_VERSION",
    }


def frames_of(message, count=8, system=1, component=191, gap_ms=1000):
    packer = mavlink.MAVLink(None, srcSystem=system, srcComponent=component)
    beat = mavlink.MAVLink_heartbeat_message(18, 8, 0, 0, 4, 3)
    frames = []
    for n in range(count):
        for each in (beat, message):
            frames.append(((5_000 + n * gap_ms) * MS, each.pack(packer)))
            packer.seq = (packer.seq + 1) % 256
    return frames


def target(**changes):
    fields = {
        "time_usec": 4_990_000,
        "target_num": 0,
        "frame": 12,
        "angle_x": 0.0,
        "angle_y": 0.0,
        "distance": 5.0,
        "size_x": 0,
        "size_y": 0,
        "x": 0.0,
        "y": 0.0,
        "z": 5.0,
        "position_valid": 1,
        **changes,
    }
    return mavlink.MAVLink_landing_target_message(**fields)


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (target(distance=float("nan")), "not finite"),
        (target(frame=0), "frame"),
        (target(angle_x=0.3), "angle_x"),
        (target(distance=9.0), "distance"),
        (target(time_usec=9_000_000), "stamped"),
        (mavlink.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0), "command 400"),
        (mavlink.MAVLink_command_long_message(2, 1, 511, 0, 1, 0, 0, 0, 0, 0, 0), "to 2/1"),
        (mavlink.MAVLink_command_ack_message(400, 0, target_system=0), "everybody"),
        (mavlink.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3), "autopilot"),
        (mavlink.MAVLink_statustext_message(9, b"x"), "severity"),
    ],
)
def test_the_judge_finds_what_is_wrong(message, word):
    assert any(word in c for c in complaints(frames_of(message, 1) + frames_of(target())[2:]))


def test_the_judge_finds_wrong_envelopes():
    good = frames_of(mavlink.MAVLink_statustext_message(6, b"x"))
    assert complaints(good) == []
    assert any("7/191" in c for c in complaints(frames_of(target(), system=7)))
    assert any("sequence" in c for c in complaints(good[:3] + good[4:]))
    spoiled = [(at, raw[:-1] + bytes([raw[-1] ^ 1])) for at, raw in good]
    assert any("malformed" in c for c in complaints(spoiled))
    assert any("apart" in c for c in complaints(frames_of(target(), gap_ms=4000)))
    assert any("Hz" in c for c in complaints(frames_of(target(), count=60, gap_ms=100)))
