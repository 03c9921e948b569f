"""Others on the port of the link: a second autopilot, floods, forgers, our own ids and echoes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor import Session, tool_settings
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState
from firmware_bridge.peers import MAX_PEERS, STRANGER_BYTES_PER_S, PeerTable
from firmware_bridge.report import AlarmKind, Refusal
from firmware_bridge.settings import LinkSettings
from firmware_bridge.transport import Arrival
from landing.command.orders import CommandRequest, Hold
from landing.errors import LinkError
from landing.types import LandingTarget
from tests.bridge.fake_autopilot import PX4, FakeAutopilot
from tests.bridge.peers import TcpClientPeer, UdpOutgoingPeer, wait_for

SECOND = 1_000_000_000
TARGET = LandingTarget((1.0, 2.0, 9.0), (3.0, 4.0, 0.0), 1, 1)


def now():
    return time.monotonic_ns()


def settings(peer, **changes):
    return LinkSettings(peer.connection, **{"reconnect_first_s": 0.05, "heartbeat_timeout_s": 0.5, **changes})


class AnotherPeer(UdpOutgoingPeer):
    """One more socket that speaks to the port of another peer."""

    def __init__(self, peer):
        self._socket = None
        self.connection, self._to = peer.connection, peer._to
        self.come_back()


@pytest.fixture
def udp():
    return UdpOutgoingPeer()


def packer(system=1, component=1):
    return mavlink.MAVLink(None, srcSystem=system, srcComponent=component)


def beat(mav, kind=mavlink.MAV_TYPE_QUADROTOR, autopilot=3):
    raw = mavlink.MAVLink_heartbeat_message(kind, autopilot, 128, 9, 4, 3).pack(mav)
    mav.seq = (mav.seq + 1) % 256
    return raw


def alarms(link):
    return [alarm.kind for alarm in link.status(now()).alarms]


def test_a_second_autopilot_gets_nothing_and_ends_targets(udp):
    other_peer = AnotherPeer(udp)
    with FakeAutopilot(udp) as own, FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        assert link.send_target(TARGET).sent
        with FakeAutopilot(other_peer, autopilot=PX4, system=2) as other:
            other.height_m = 90.0
            assert wait_for(lambda: alarms(link))
            result = link.send_target(TARGET)
            assert result.refusal is Refusal.CONTESTED
            assert "system 1" in result.detail and "system 2" in result.detail
            assert "set system_id" in result.detail
            assert not link.status(now()).ready
            request = CommandRequest(1, Hold())
            assert link.command(request).refusal is Refusal.CONTESTED
            heights_m = set()
            for _ in range(50):
                heights_m.add(link.latest_pose(now()).height_agl_m)
                time.sleep(0.01)
            # On a busy machine ranges may pause, but never are they the other's 90 m.
            assert list(heights_m - {None}) == [pytest.approx(10.0)]
            assert other.of_type("LANDING_TARGET") == other.of_type("COMMAND_LONG") == []
        assert wait_for(lambda: link.send_target(TARGET).sent, 8.0)
        assert wait_for(lambda: len(own.of_type("LANDING_TARGET")) == 2)


def test_the_doctor_refuses_two_autopilots_by_name(udp):
    with (
        FakeAutopilot(udp),
        FakeAutopilot(AnotherPeer(udp), system=2),
        Session(tool_settings(udp.connection)) as session,
    ):
        session.listen(1.0)
        with pytest.raises(LinkError, match="set system_id"):
            session.connect(0.5)


def test_with_a_system_id_the_other_one_is_nothing_to_us(udp):
    other_peer = AnotherPeer(udp)
    with (
        FakeAutopilot(other_peer, system=1) as other,
        FakeAutopilot(udp, system=2) as own,
        FlightLink(settings(udp, system_id=2)) as link,
    ):
        status = link.wait_ready(10)
        assert status.ready and status.system_id == 2
        assert link.send_target(TARGET).sent
        assert wait_for(lambda: own.of_type("LANDING_TARGET"))
        assert other.of_type("LANDING_TARGET") == other.of_type("COMMAND_LONG") == []


def test_a_forger_gets_no_target_while_the_true_one_lives(udp):
    forger = AnotherPeer(udp)
    mav = packer()
    with FakeAutopilot(udp), FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        heard = b""
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            forger.send(beat(mav))
            link.send_target(TARGET)
            with contextlib.suppress(OSError):
                heard += forger._socket.recv(65_535)
            time.sleep(0.05)
        assert alarms(link) == [AlarmKind.CONTESTED]
        assert link.send_target(TARGET).refusal is Refusal.CONTESTED
        reader = mavlink.MAVLink(None)
        reader.robust_parsing = True
        got = {m.get_type() for m in reader.parse_buffer(heard) or ()}
        assert got <= {"HEARTBEAT", "STATUSTEXT", "ONBOARD_COMPUTER_STATUS"}
    forger.close()


def test_fifty_senders_take_no_target_from_the_autopilot(udp):
    crowd = [AnotherPeer(udp) for _ in range(50)]
    stop = threading.Event()
    mavs = [packer(100 + k, 190) for k in range(50)]

    def chatter():
        while not stop.is_set():
            for mav, peer in zip(mavs, crowd, strict=True):
                peer.send(beat(mav, mavlink.MAV_TYPE_GCS, mavlink.MAV_AUTOPILOT_INVALID))
            time.sleep(0.05)

    thread = threading.Thread(target=chatter, daemon=True)
    thread.start()
    with FakeAutopilot(udp) as own, FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        sent = 0
        for _ in range(40):
            sent += link.send_target(TARGET).sent
            time.sleep(0.02)
        assert sent == 40
        assert wait_for(lambda: len(own.of_type("LANDING_TARGET")) == 40)
    stop.set()
    thread.join(5)
    for peer in crowd:
        peer.close()


def test_flooding_strangers_starve_nobody(udp):
    flooders = [AnotherPeer(udp) for _ in range(4)]
    stop = threading.Event()
    junk = b"".join(beat(packer(9, 190), mavlink.MAV_TYPE_GCS, 8) for _ in range(50))

    def flood():
        while not stop.is_set():
            for peer in flooders:
                with contextlib.suppress(OSError):
                    peer.send(junk)
            time.sleep(0.001)

    thread = threading.Thread(target=flood, daemon=True)
    with FakeAutopilot(udp) as own, FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        thread.start()
        oldest_s, sent = 0.0, 0
        for _ in range(40):
            time.sleep(0.05)
            sent += link.send_target(TARGET).sent
            oldest_s = max(oldest_s, (now() - link.latest_pose(now()).at_ns) / 1e9)
        stop.set()
        thread.join(5)
        status = link.status(now())
        assert status.alive and status.reboots == 0 and sent == 40
        assert status.bytes_over > 0
        assert oldest_s < 1.0
        assert wait_for(lambda: len(own.of_type("LANDING_TARGET")) == 40)
    for peer in flooders:
        peer.close()


def test_a_book_of_peers_is_bounded_and_keeps_the_served_one():
    book = PeerTable()
    served = ("10.0.0.1", 1)
    book.take(Arrival(beat(packer()), served), 1)
    book.serve(served)
    for number in range(1000):
        book.take(Arrival(b"\xfd", ("10.0.0.2", number)), 2 + number)
    assert len(book._peers) <= MAX_PEERS
    (frame,) = book.take(Arrival(beat(packer()), served), 2000)
    assert frame.peer == served
    # Cut frames of one do not spoil those of another.
    raw = beat(packer())
    assert book.take(Arrival(raw[:9], served), 2001) == []
    assert book.take(Arrival(b"\xfd\x33junk", ("10.0.0.2", 999)), 2002) == []
    assert [f.raw for f in book.take(Arrival(raw[9:], served), 2003)] == [raw]


def test_each_stranger_has_a_budget():
    book = PeerTable()
    raw = beat(packer(9, 190)) * 10
    peers = ("10.0.0.2", 1), ("10.0.0.2", 2)
    heard = dict.fromkeys(peers, 0)
    for ms in range(0, 10_000, 2):
        for peer in peers:
            heard[peer] += len(raw) * len(book.take(Arrival(raw, peer), ms * 1_000_000)) / 10
    for taken in heard.values():
        assert taken == pytest.approx(11 * STRANGER_BYTES_PER_S, rel=0.1)
    assert book.bytes_over == book.bytes_received - sum(heard.values())


def test_who_is_alone_needs_no_budget():
    book = PeerTable()
    raw = beat(packer()) * 10
    frames = [f for ms in range(2000) for f in book.take(Arrival(raw, ("10.0.0.2", 1)), ms * 10**6)]
    assert len(frames) == 20_000 and book.bytes_over == 0


def test_a_newer_tcp_client_does_not_take_the_link_away():
    own_peer = TcpClientPeer()
    with FlightLink(settings(own_peer)) as link:
        assert wait_for(lambda: link.status(now()).connected)
        with FakeAutopilot(own_peer) as own:
            assert link.wait_ready(10).ready
            port = int(own_peer.connection.rsplit(":", 1)[1])
            with socket.create_connection(("127.0.0.1", port), 2) as stranger:
                stranger.sendall(beat(packer(255, 190), mavlink.MAV_TYPE_GCS, 8))
                for _ in range(20):
                    assert link.send_target(TARGET).sent
                    time.sleep(0.01)
                assert wait_for(lambda: len(own.of_type("LANDING_TARGET")) == 20)
                stranger.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    assert b"\x95\x00\x00" not in stranger.recv(65_535)  # message 149


@pytest.mark.parametrize("component", [191])
def test_heartbeats_with_our_ids_that_we_did_not_send_end_targets(udp, component):
    impostor = AnotherPeer(udp)
    mav = packer(1, component)
    with FakeAutopilot(udp), FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        time.sleep(1.1)  # an echo of the run before us may come until then
        assert link.send_target(TARGET).sent
        impostor.send(beat(mav, mavlink.MAV_TYPE_ONBOARD_CONTROLLER, 8))
        assert wait_for(lambda: alarms(link) == [AlarmKind.OWN_IDS])
        result = link.send_target(TARGET)
        assert result.refusal is Refusal.OWN_IDS_TAKEN
        assert "1/191" in result.detail and "component_id" in result.detail
        assert "1/191" in link.status(now()).problems[0]
        assert wait_for(lambda: link.send_target(TARGET).sent, 8.0)
    impostor.close()


def test_an_echo_of_our_own_frames_is_no_alarm(udp):
    """A router that sends everybody everything, us included."""
    router = AnotherPeer(udp)
    stop = threading.Event()
    echoed = []

    def echo():
        router.send(beat(packer(255, 190), mavlink.MAV_TYPE_GCS, 8))
        while not stop.is_set():
            data = router.receive(0.05)
            if data:
                echoed.append(data)
                router.send(data)
                router.send(beat(packer(255, 190), mavlink.MAV_TYPE_GCS, 8))

    with FakeAutopilot(udp), FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        time.sleep(1.1)
        for _ in range(10):
            link.send_heartbeat(HealthState.OK)
            time.sleep(0.1)
            assert alarms(link) == []
        assert len(echoed) >= 10
        assert link.send_target(TARGET).sent
        stop.set()
        thread.join(5)
    router.close()
