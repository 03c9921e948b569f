"""Which autopilot is served: by kind, by id, by where it lives. Pure: time is an argument."""

from __future__ import annotations

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader
from firmware_bridge.report import AlarmKind
from firmware_bridge.selector import CONTESTED_NS, HAND_OVER_NS
from firmware_bridge.settings import LinkSettings
from firmware_bridge.telemetry import OWN_IDS_QUIET_NS, Telemetry
from landing.vehicle import Autopilot

MS = 1_000_000
SECOND = 1_000_000_000
HERE, THERE, ELSEWHERE = (("127.0.0.1", port) for port in (5001, 5002, 5003))
ARDUPILOT, PX4 = mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mavlink.MAV_AUTOPILOT_PX4


class Vehicle:
    """An autopilot that speaks into a Telemetry from a peer."""

    def __init__(self, telemetry, system=1, peer=HERE, kind=ARDUPILOT, height_m=20.0, armed=True):
        self.telemetry = telemetry
        self.peer = peer
        self.kind, self.height_m, self.armed = kind, height_m, armed
        self.boot_ms = 60_000
        self._mav = mavlink.MAVLink(None, system, 1)
        self._reader = FrameReader()

    def packed(self, message):
        raw = message.pack(self._mav)
        self._mav.seq = (self._mav.seq + 1) % 256
        return raw

    def hear(self, raw, now_ns, peer=None):
        for frame in self._reader.feed(raw):
            self.telemetry.take(frame.message, now_ns, peer or self.peer)

    def heartbeat(self, now_ns):
        base = mavlink.MAV_MODE_FLAG_SAFETY_ARMED if self.armed else 0
        self.hear(self.packed(mavlink.MAVLink_heartbeat_message(2, self.kind, base, 9, 4, 3)), now_ns)

    def stream(self, now_ns):
        self.boot_ms += 20
        for message in (
            mavlink.MAVLink_attitude_quaternion_message(self.boot_ms, 1, 0, 0, 0, 0, 0, 0),
            mavlink.MAVLink_local_position_ned_message(self.boot_ms, 0, 0, -self.height_m, 0, 0, 0),
            mavlink.MAVLink_distance_sensor_message(self.boot_ms, 20, 5000, round(100 * self.height_m), 0, 0, 25, 255),
        ):
            self.hear(self.packed(message), now_ns)


def fly(vehicles, start_ns, seconds, streams=True):
    """All of them speak, heartbeats once a second; returns the end, ns."""
    now_ns = start_ns
    for step in range(round(seconds * 50)):
        now_ns = start_ns + step * 20 * MS
        for k, vehicle in enumerate(vehicles):
            if step % 50 == 7 * k:
                vehicle.heartbeat(now_ns)
            if streams:
                vehicle.stream(now_ns)
    return now_ns


def telemetry(**settings):
    return Telemetry(LinkSettings("udpin:127.0.0.1:14550", **settings))


def kinds(heard, now_ns):
    return [alarm.kind for alarm in heard.alarms(now_ns)]


@pytest.mark.parametrize(
    ("kind", "autopilot"),
    [
        (mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_GENERIC),
        (mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_INVALID),
        (mavlink.MAV_TYPE_QUADROTOR, mavlink.MAV_AUTOPILOT_RESERVED),
        (mavlink.MAV_TYPE_GCS, ARDUPILOT),
        (mavlink.MAV_TYPE_ONBOARD_CONTROLLER, PX4),
        (mavlink.MAV_TYPE_GIMBAL, ARDUPILOT),
        (mavlink.MAV_TYPE_CAMERA, ARDUPILOT),
        (mavlink.MAV_TYPE_ADSB, PX4),
        (mavlink.MAV_TYPE_ANTENNA_TRACKER, ARDUPILOT),
        (mavlink.MAV_TYPE_GROUND_ROVER, ARDUPILOT),
        (mavlink.MAV_TYPE_GENERIC, PX4),
    ],
)
def test_a_stray_heartbeat_of_another_kind_locks_nobody_out(kind, autopilot):
    heard = telemetry()
    stranger = Vehicle(heard, system=9, peer=THERE)
    stray = mavlink.MAVLink_heartbeat_message(kind, autopilot, 0, 0, 4, 3)
    stranger.hear(stranger.packed(stray), SECOND)
    assert heard.autopilot is None
    own = Vehicle(heard)
    now_ns = fly([own], 2 * SECOND, 2)
    stranger.hear(stranger.packed(stray), now_ns)
    assert (heard.autopilot.system, heard.peer) == (1, HERE)
    assert heard.alarms(now_ns) == () and heard.problems(True, now_ns) == []


def test_two_autopilots_are_refused_by_name_and_their_poses_never_mix():
    heard = telemetry()
    own = Vehicle(heard)
    other = Vehicle(heard, system=2, peer=THERE, kind=PX4, height_m=90.0)
    now_ns = fly([own], SECOND, 3)
    assert heard.alarms(now_ns) == ()
    start_ns = now_ns
    for _ in range(5):
        now_ns = fly([own, other], now_ns, 1)
        assert heard.history.latest(now_ns).height_agl_m == pytest.approx(20.0)
        (alarm,) = heard.alarms(now_ns)
        assert alarm.kind is AlarmKind.CONTESTED
        for word in ("system 1 (ArduPilot", "127.0.0.1:5001", "system 2 (PX4", "127.0.0.1:5002", "set system_id"):
            assert word in alarm.text
        assert alarm.text in heard.problems(True, now_ns)[0]
        assert heard.request(now_ns) is None
    assert now_ns > start_ns
    now_ns = fly([own], now_ns, CONTESTED_NS / SECOND - 1)
    assert kinds(heard, now_ns) == [AlarmKind.CONTESTED]
    now_ns = fly([own], now_ns, 2)
    assert heard.alarms(now_ns) == ()
    assert heard.autopilot.system == 1 and heard.reboots == 0


def test_with_a_system_id_nothing_of_another_system_counts():
    heard = telemetry(system_id=2)
    other, own = Vehicle(heard), Vehicle(heard, system=2, peer=THERE, height_m=30.0)
    now_ns = fly([other, own], SECOND, 4)
    assert (heard.autopilot.system, heard.peer) == (2, THERE)
    assert heard.alarms(now_ns) == ()
    assert heard.history.latest(now_ns).height_agl_m == pytest.approx(30.0)
    now_ns = fly([other], now_ns, 40)
    assert heard.autopilot.system == 2
    assert "silent" in heard.problems(True, now_ns)[0]


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("pinned", [None, 1])
def test_one_id_at_two_peers_is_two_vehicles(streams, pinned):
    heard = telemetry(system_id=pinned)
    own = Vehicle(heard)
    twin = Vehicle(heard, peer=THERE, height_m=90.0)
    now_ns = fly([own], SECOND, 3)
    for _ in range(100):
        now_ns += 20 * MS
        own.stream(now_ns)
        if streams:
            twin.stream(now_ns)
        if _ % 50 == 10:
            own.heartbeat(now_ns)
        if _ % 50 == 11:
            twin.heartbeat(now_ns)
    assert heard.peer == HERE
    assert heard.history.latest(now_ns).height_agl_m == pytest.approx(20.0)
    (alarm,) = heard.alarms(now_ns)
    assert "127.0.0.1:5001" in alarm.text and "127.0.0.1:5002" in alarm.text
    assert "SYSID_THISMAV" in alarm.text
    # The twin is known: it does not take over when the served one is silent in the air.
    now_ns = fly([twin], now_ns, 30)
    assert heard.peer == HERE
    assert "silent" in heard.problems(True, now_ns)[0] or heard.alarms(now_ns)


@pytest.mark.parametrize("skew_ms", [-200, 0, 200])
@pytest.mark.parametrize("loss", [0, 7])
def test_one_autopilot_over_two_ways_is_one(skew_ms, loss):
    """Every frame comes by two peers, one later than the other; each way loses some."""
    heard = telemetry()
    own = Vehicle(heard)
    arrivals = []
    for step in range(500):
        now_ns = SECOND + step * 20 * MS
        own.boot_ms += 20
        raws = [own.packed(mavlink.MAVLink_attitude_quaternion_message(own.boot_ms, 1, 0, 0, 0, 0, 0, 0))]
        if step % 50 == 0:
            raws.append(own.packed(mavlink.MAVLink_heartbeat_message(2, 3, 128, 9, 4, 3)))
        for raw in raws:
            for peer, late_ms, each in ((HERE, 0, 11), (THERE, skew_ms, 13)):
                if not loss or (len(arrivals) + late_ms) % each:
                    arrivals.append((now_ns + 300 * MS + late_ms * MS, peer, raw))
                else:
                    arrivals.append((now_ns, None, b""))
    wrong = 0
    for at_ns, peer, raw in sorted(arrivals, key=lambda a: a[0]):
        if peer is not None:
            own.hear(raw, at_ns, peer)
            wrong += bool(heard.alarms(at_ns))
    assert wrong == 0
    served = heard.peer
    # The served way ends: the other one is followed.
    other = THERE if served == HERE else HERE
    own.peer = other
    now_ns = fly([own], at_ns + 20 * MS, 6)
    assert heard.peer == other and heard.alarms(now_ns) == () and heard.reboots == 0


@pytest.mark.parametrize("rebooted", [True, False])
def test_a_new_port_after_a_reconnect_is_followed(rebooted):
    heard = telemetry()
    own = Vehicle(heard)
    now_ns = fly([own], SECOND, 3)
    own.peer = THERE
    if rebooted:
        own.boot_ms = 2000
        now_ns += 5 * SECOND
    alarms = 0
    for _ in range(5):
        now_ns = fly([own], now_ns + 20 * MS, 1)
        alarms += len(heard.alarms(now_ns))
    assert alarms == 0
    assert heard.peer == THERE
    assert heard.reboots == rebooted
    assert now_ns - heard.history.latest(now_ns).at_ns < 100 * MS


def test_a_passer_by_gives_way_at_once():
    heard = telemetry()
    Vehicle(heard, system=7, peer=THERE).heartbeat(SECOND)
    own = Vehicle(heard)
    now_ns = fly([own], 2 * SECOND, 3)
    assert kinds(heard, now_ns) == [AlarmKind.CONTESTED]
    now_ns = fly([own], now_ns, 5)
    assert heard.autopilot.system == 1 and heard.alarms(now_ns) == ()
    assert heard.history.latest(now_ns).height_agl_m == pytest.approx(20.0)


@pytest.mark.parametrize("armed", [True, False])
def test_a_neighbour_that_left_gives_way_on_the_ground_only(armed):
    heard = telemetry()
    neighbour = Vehicle(heard, system=7, peer=THERE, kind=PX4, height_m=0.4, armed=armed)
    own = Vehicle(heard, armed=armed)
    now_ns = fly([neighbour], SECOND, 5)
    now_ns = fly([own], now_ns, 8)
    assert heard.autopilot.system == 7
    assert "restart" in heard.problems(True, now_ns)[0]
    now_ns = fly([own], now_ns, HAND_OVER_NS / SECOND)
    assert heard.autopilot.system == (7 if armed else 1)
    if not armed:
        assert heard.vehicle.autopilot is Autopilot.ARDUPILOT and heard.reboots == 1
        assert heard.history.latest(now_ns).height_agl_m == pytest.approx(20.0)
        assert "system 1" in heard.last_error


def test_two_sequences_under_one_id_on_one_wire():
    heard = telemetry()
    one, two = Vehicle(heard, peer=None), Vehicle(heard, peer=None, height_m=90.0)
    two.boot_ms += 100_000
    one.peer = two.peer = ELSEWHERE
    now_ns = fly([one], SECOND, 3)
    assert heard.alarms(now_ns) == ()
    now_ns = fly([one, two], now_ns, 2)
    (alarm,) = heard.alarms(now_ns)
    assert alarm.kind is AlarmKind.CONTESTED and "interleave" in alarm.text
    assert heard.selector.sequence.turns > 10


def test_another_kind_of_autopilot_under_the_served_id():
    heard = telemetry()
    one, two = Vehicle(heard), Vehicle(heard, kind=PX4)
    now_ns = fly([one], SECOND, 3)
    two.heartbeat(now_ns)
    assert kinds(heard, now_ns) == [AlarmKind.CONTESTED]
    assert heard.vehicle.autopilot is Autopilot.ARDUPILOT


def test_our_own_ids_used_by_somebody_else_end_targets_until_it_is_quiet():
    heard = telemetry()
    own = Vehicle(heard)
    now_ns = fly([own], SECOND, 2)
    heard.on_own_ids(ELSEWHERE, now_ns)
    (alarm,) = heard.alarms(now_ns)
    assert alarm.kind is AlarmKind.OWN_IDS
    assert "1/191" in alarm.text and "127.0.0.1:5003" in alarm.text
    now_ns = fly([own], now_ns, OWN_IDS_QUIET_NS / SECOND - 1)
    assert heard.alarms(now_ns) == (alarm,)
    now_ns = fly([own], now_ns, 2)
    assert heard.alarms(now_ns) == ()


def test_mavlink_1_alone_is_told():
    heard = telemetry()
    own = Vehicle(heard)
    own.packed = lambda message: message.pack(own._mav, force_mavlink1=True)
    now_ns = fly([own], SECOND, 2)
    assert "SERIALn_PROTOCOL" in heard.problems(True, now_ns)[0]
    del own.packed
    now_ns = fly([own], now_ns, 1)
    assert heard.problems(True, now_ns) == []


def test_candidates_stay_within_bounds():
    heard = telemetry()
    own = Vehicle(heard)
    now_ns = fly([own], SECOND, 2)
    for number in range(1000):
        Vehicle(heard, system=2 + number % 250, peer=("10.0.0.1", number)).heartbeat(now_ns)
    assert len(heard.selector._candidates) <= 64
    assert heard.autopilot.system == 1
    assert "999" not in heard.alarms(now_ns)[0].text
    assert len(heard.alarms(now_ns)[0].text) < 500
