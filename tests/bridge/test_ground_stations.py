"""Several connections at once: who hears what, who may ask, and that the flight is undisturbed."""

from __future__ import annotations

import threading
import time

import pytest

from firmware_bridge.addressing import Address
from firmware_bridge.channel import INTAKE_BYTES_PER_S
from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader
from firmware_bridge.link import FlightLink
from firmware_bridge.messages import HealthState, Severity
from firmware_bridge.report import Refusal
from firmware_bridge.token_bucket import TokenBucket
from firmware_bridge.video import VideoSettings
from landing.types import LandingTarget
from tests.bridge.fake_autopilot import FakeAutopilot
from tests.bridge.parameter_table import SmallTable
from tests.bridge.peers import PtyPeer, TcpServerPeer, UdpOutgoingPeer, UdpWaitingPeer, wait_for
from tests.bridge.test_link import now, settings

TARGET = LandingTarget((1.0, 2.0, 10.0), (4.0, 3.0, 0.5), 10**9, 10**9)
OWN = frozenset({Address(1, 191)})
SECOND = 1_000_000_000


class GroundStation:
    """Reads a peer in a thread; a context manager."""

    def __init__(self, peer, system=255, component=190):
        self.peer = peer
        self.received = []
        self._mav = mavlink.MAVLink(None, srcSystem=system, srcComponent=component)
        self._reader = FrameReader()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ground-station", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        self.peer.close()

    def send(self, message):
        self.peer.send(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256

    def of_type(self, name, component=None):
        return [m for m in tuple(self.received) if m.get_type() == name and component in (None, m.get_srcComponent())]

    def ask_until(self, message, condition):
        def attempt():
            self.send(message)
            return wait_for(condition, 0.3)

        return wait_for(attempt, 10)

    def _run(self):
        while not self._stop.is_set():
            for frame in self._reader.feed(self.peer.receive(0.02)):
                self.received.append(frame.message)


@pytest.fixture
def udp():
    return UdpOutgoingPeer()


def ask_version(component=191):
    return mavlink.MAVLink_command_long_message(1, component, 512, 0, 148, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("station_peer", [UdpWaitingPeer, UdpOutgoingPeer, TcpServerPeer])
def test_a_ground_station_hears_us_and_is_answered(udp, station_peer):
    peer = station_peer()
    link_settings = settings(udp, ground_stations=(peer.connection,), video=VideoSettings(uri="rtsp://a/b"))
    table = SmallTable()
    with (
        FakeAutopilot(udp) as fake,
        GroundStation(peer) as station,
        FlightLink(link_settings, parameters=table) as link,
    ):
        assert link.wait_ready(10).ready
        hello = mavlink.MAVLink_heartbeat_message(6, 8, 0, 0, 0, 3)
        station.send(hello)

        def beats():
            station.send(hello)
            link.send_heartbeat(HealthState.OK)
            time.sleep(0.02)
            return station.of_type("HEARTBEAT", 191)

        assert wait_for(beats, 10)
        assert wait_for(lambda: station.of_type("HEARTBEAT", 100))
        assert wait_for(lambda: station.of_type("ONBOARD_COMPUTER_STATUS", 191))
        link.send_text("Landing track: a site of 3 m", Severity.INFO)
        assert wait_for(lambda: station.of_type("STATUSTEXT"))
        assert station.ask_until(ask_version(), lambda: station.of_type("AUTOPILOT_VERSION"))
        assert station.of_type("COMMAND_ACK")[0].target_system == 255
        off = mavlink.MAVLink_param_set_message(1, 191, b"TD_ENABLE", 0, 6)
        assert station.ask_until(off, lambda: table.get("TD_ENABLE") == 0)
        # Targets are the autopilot's alone: a copy could come back to it late.
        assert link.send_target(TARGET).sent
        assert wait_for(lambda: fake.of_type("LANDING_TARGET"))
        assert station.of_type("LANDING_TARGET") == []
        assert station.of_type("ATTITUDE_QUATERNION") == []  # nothing is passed on by default
        assert [s.connected for s in link.status(now()).ground_stations] == [True]


def test_questions_that_the_autopilot_passes_on_are_answered(udp):
    """A ground station behind the autopilot's own telemetry, as MAVLink routes."""
    with FakeAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        sender = mavlink.MAVLink(None, srcSystem=255, srcComponent=190)
        udp.send(ask_version().pack(sender))
        assert wait_for(lambda: fake.of_type("AUTOPILOT_VERSION"))


def test_the_pose_is_the_autopilots_connection_alone(udp):
    """Somebody on the ground station's network pretends to be the autopilot."""
    peer = UdpOutgoingPeer()
    with (
        FakeAutopilot(udp, system=1),
        GroundStation(peer, system=1, component=1) as station,
        FlightLink(settings(udp, ground_stations=(peer.connection,))) as link,
    ):
        assert link.wait_ready(10).ready
        before = link.status(now())
        for _ in range(50):
            station.send(mavlink.MAVLink_heartbeat_message(2, 12, 0, 0, 4, 3))
            station.send(mavlink.MAVLink_attitude_quaternion_message(5, 1, 0, 0, 0, 0, 0, 0))
            station.send(mavlink.MAVLink_local_position_ned_message(5, 900, 900, -900, 0, 0, 0))
        assert wait_for(lambda: link.status(now()).ground_stations[0].bytes_received > 3000)
        after = link.status(now())
        assert link.vehicle(now()).armed
        assert (after.autopilot, after.reboots, after.position_resets) == (before.autopilot, 0, 0)
        assert link.latest_pose(now()).position_ned_m == pytest.approx((1.0, 2.0, -10.0))


def test_a_dead_and_a_flooding_station_do_not_disturb_the_flight(udp):
    dead = TcpServerPeer()
    dead.close()
    flooder = UdpOutgoingPeer()
    link_settings = settings(udp, ground_stations=(dead.connection, flooder.connection))
    stop = threading.Event()
    junk = b"".join(
        mavlink.MAVLink_param_request_list_message(1, 191).pack(mavlink.MAVLink(None, srcSystem=255, srcComponent=190))
        for _ in range(60)
    )

    def flood():
        while not stop.is_set():
            for _ in range(20):
                flooder.send(junk)
            time.sleep(0.001)

    with FakeAutopilot(udp) as fake, FlightLink(link_settings, parameters=SmallTable()) as link:
        assert link.wait_ready(10).ready
        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        started = time.monotonic()
        sent = 0
        while time.monotonic() - started < 2.0:
            sent += link.send_target(TARGET).sent
            time.sleep(0.05)
        seconds = time.monotonic() - started
        stop.set()
        thread.join(5)
        assert wait_for(lambda: len(fake.of_type("LANDING_TARGET")) == sent)
        assert wait_for(lambda: link.status(now()).alive)
        status = link.status(now())
        assert (status.reboots, status.reconnects) == (0, 0)
        ground = {s.connection: s for s in status.ground_stations}
        assert not ground[dead.connection].connected
        assert "cannot connect" in ground[dead.connection].last_error
        taken = ground[flooder.connection].bytes_received
        # Bursts of one datagram beyond the allowance; the rest is the network's to drop.
        assert taken < INTAKE_BYTES_PER_S * (seconds + 2.0) + 100_000
    flooder.close()


def test_answers_leave_a_slow_serial_line_to_the_flight(tmp_path):
    """Requests without end on 57600 baud: at most a quarter of the line goes to answers."""
    peer = PtyPeer(tmp_path, 57_600)
    with FakeAutopilot(peer) as fake, FlightLink(settings(peer), parameters=SmallTable()) as link:
        assert link.wait_ready(10).ready
        asker = mavlink.MAVLink(None, srcSystem=255, srcComponent=190)
        ask = mavlink.MAVLink_param_request_list_message(1, 191).pack(asker)
        started = time.monotonic()
        while time.monotonic() - started < 1.5:
            peer.send(ask)
            time.sleep(0.005)
        seconds = time.monotonic() - started
        answered = sum(len(bytes(m.get_msgbuf())) for m in fake.of_type("PARAM_VALUE"))
        assert 0 < answered < 0.25 * 5760 * seconds + 1000
        assert link.status(now()).dropped_writes > 0  # the queue is bounded
        assert link.send_target(TARGET).sent
        assert wait_for(lambda: fake.of_type("LANDING_TARGET"))


def test_withheld_targets_and_commands(udp):
    with FakeAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        link.withhold("switched off by TD_ENABLE")
        result = link.send_target(TARGET)
        assert (result.refusal, result.detail) == (Refusal.SWITCHED_OFF, "switched off by TD_ENABLE")
        link.withhold(None)
        assert link.send_target(TARGET).sent
        assert wait_for(lambda: len(fake.of_type("LANDING_TARGET")) == 1)


# --- pacing ---


def test_allowance_passes_its_rate_and_one_large_frame():
    allowance = TokenBucket(1000, 100)
    passed = 0
    for ms in range(0, 10_000, 5):
        while allowance.open(ms * 1_000_000):
            allowance.take(280)
            passed += 280
    assert passed == pytest.approx(10_000, rel=0.05)
