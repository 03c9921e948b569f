"""Capture files: byte for byte what Wireshark expects, and the judge of good citizenship."""

from __future__ import annotations

import socket
import struct
import time

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from firmware_bridge.pcap import PcapWriter, read_pcap
from landing.errors import LinkError
from landing.types import LandingTarget
from tests.bridge.citizenship import complaints
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.parameter_table import SmallTable
from tests.bridge.peers import UdpOutgoingPeer
from tests.bridge.test_link import now, settings

MS = 1_000_000


def ones_complement(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total


def check_packets(path):
    """Reads a capture as the formats say, without our reader; returns (seconds, payload) of all."""
    data = path.read_bytes()
    magic, major, minor, _, _, snaplen, linktype = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, snaplen, linktype) == (0xA1B23C4D, 2, 4, 65535, 101)
    at, found = 24, []
    while at < len(data):
        seconds, nanoseconds, captured, original = struct.unpack_from("<IIII", data, at)
        assert nanoseconds < 1_000_000_000
        assert captured == original
        packet = data[at + 16 : at + 16 + captured]
        at += 16 + captured
        assert packet[0] == 0x45
        assert packet[9] == 17
        assert int.from_bytes(packet[2:4], "big") == len(packet)
        assert ones_complement(packet[:20]) == 0xFFFF
        assert {socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])} == {"10.0.0.1", "10.0.0.2"}
        assert struct.unpack_from(">HHH", packet, 20) == (14550, 14550, len(packet) - 20)
        pseudo = packet[12:20] + b"\0\x11" + packet[24:26]
        assert ones_complement(pseudo + packet[20:]) == 0xFFFF
        found.append((seconds + nanoseconds / 1e9, packet[28:]))
    return found


def test_frames_come_back_and_the_format_is_right(tmp_path):
    path = tmp_path / "folder" / "link.pcap"
    frames = [("rx" if n % 2 else "tx", 10**9 * n + n, bytes([0xFD, n % 256]) * (n + 1)) for n in range(300)]
    frames = [(d, t, raw[:280]) for d, t, raw in frames]
    with PcapWriter(path) as writer:
        for frame in frames:
            writer.on_frame(*frame)
    assert [(f.direction, f.at_ns, f.raw) for f in read_pcap(path)] == frames
    assert [payload for _, payload in check_packets(path)] == [raw for _, _, raw in frames]


def test_a_capture_cut_short_ends_before_the_cut(tmp_path):
    path = tmp_path / "link.pcap"
    with PcapWriter(path) as writer:
        for n in range(3):
            writer.on_frame("tx", n, b"frame")
    path.write_bytes(path.read_bytes()[:-3])
    assert len(list(read_pcap(path))) == 2


def test_what_is_no_capture_is_refused(tmp_path):
    (tmp_path / "file").write_text("no capture at all, but long enough")
    with pytest.raises(LinkError, match="capture"):
        list(read_pcap(tmp_path / "file"))
    with pytest.raises(LinkError, match="cannot be written"):
        PcapWriter(tmp_path / "file" / "link.pcap")


def test_the_link_is_a_good_citizen(tmp_path):
    """Six seconds of everything that we send, with a ground station that asks."""
    path = tmp_path / "link.pcap"
    udp = UdpOutgoingPeer()
    with (
        FakeAutopilot(udp) as fake,
        PcapWriter(path) as writer,
        FlightLink(settings(udp, heartbeat_timeout_s=3.0), parameters=SmallTable()) as link,
    ):
        link.observers.append(writer.on_frame)
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
    sent = [(f.at_ns, f.raw) for f in read_pcap(path) if f.direction == "tx"]
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
