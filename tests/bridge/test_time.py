"""One clock for TIMESYNC and targets, and the autopilot's clock in it within milliseconds."""

from __future__ import annotations

import re
import statistics
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import firmware_bridge
from firmware_bridge.channel import ANSWER_BURST_BYTES, ANSWER_SHARE
from firmware_bridge.clock import NS_PER_MS, ClockMap
from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader
from firmware_bridge.link import FlightLink
from firmware_bridge.settings import LinkSettings
from firmware_bridge.supplement import timesync, timesync_addressee
from firmware_bridge.timesync import ASK_PERIOD_NS, Timesync
from firmware_bridge.transport import LARGEST_FRAME
from landing.types import LandingTarget
from tests.bridge.delays import Delay, DelayProxy, ProxyPeer
from tests.bridge.fake_autopilot import PX4, FakeAutopilot
from tests.bridge.peers import PtyPeer, UdpOutgoingPeer, wait_for
from tests.bridge.test_link import now, settings

SECOND = 1_000_000_000
OFFSET_NS = 987_654_321_123


def worst_error_ms(to_us, to_them, seconds=20, settle_s=4):
    """Largest error of mapped stamps in a simulated exchange: 50 Hz of pose, 5 Hz of TIMESYNC."""
    clock = ClockMap()
    events = []
    for i in range(seconds * 50):
        boot_ns = SECOND + i * 20 * NS_PER_MS + i * 7919 % NS_PER_MS
        events.append((to_us.arrival_ns(boot_ns + OFFSET_NS), "pose", boot_ns, 0))
        if i % 10 == 0:
            sent_ns = boot_ns + OFFSET_NS
            answer_ns = to_them.arrival_ns(sent_ns) - OFFSET_NS
            events.append((to_us.arrival_ns(answer_ns + OFFSET_NS), "sync", answer_ns, sent_ns))
    worst_ns = 0
    events.sort()
    start_ns = events[0][0]
    for arrival_ns, kind, boot_ns, sent_ns in events:
        if kind == "sync":
            clock.synchronise(sent_ns, boot_ns, arrival_ns)
            continue
        clock.update(boot_ns // NS_PER_MS, arrival_ns)
        mapped_ns = (boot_ns // NS_PER_MS) * NS_PER_MS + clock.offset_ns
        assert mapped_ns <= arrival_ns
        if arrival_ns - start_ns > settle_s * SECOND:
            worst_ns = max(worst_ns, abs(mapped_ns - boot_ns - OFFSET_NS))
    return worst_ns / 1e6


@pytest.mark.parametrize("seed", range(6))
def test_within_5_ms_on_a_link_with_20_ms_jitter(seed):
    assert worst_error_ms(Delay(3, 20, seed), Delay(3, 20, seed + 100)) < 5.0


@pytest.mark.parametrize(("up_ms", "down_ms"), [(40, 2), (2, 40), (0, 20), (20, 0)])
def test_asymmetry_costs_at_most_half_of_it(up_ms, down_ms):
    """Nobody can tell which way the delay is; the error is half of the difference, no more."""
    error_ms = worst_error_ms(Delay(up_ms, 20, 1), Delay(down_ms, 20, 2))
    assert error_ms < abs(up_ms - down_ms) / 2 + 5.0


def test_timesync_is_better_than_the_smallest_delay_alone():
    """30 ms each way, as on a telemetry radio: the smallest delay alone is wrong by all of it."""
    clock = ClockMap()
    clock.update(1000, 1000 * NS_PER_MS + OFFSET_NS + 30 * NS_PER_MS)
    assert clock.offset_ns - OFFSET_NS == 30 * NS_PER_MS
    assert clock.uncertainty_ns is None
    sent_ns = 1000 * NS_PER_MS + OFFSET_NS
    answer_ns = sent_ns + 30 * NS_PER_MS - OFFSET_NS
    assert clock.synchronise(sent_ns, answer_ns, sent_ns + 60 * NS_PER_MS)
    assert clock.offset_ns == OFFSET_NS
    assert clock.uncertainty_ns == 30 * NS_PER_MS


@given(delays=st.lists(st.tuples(st.integers(0, 80_000_000), st.integers(0, 80_000_000)), min_size=1, max_size=40))
def test_the_error_never_exceeds_the_stated_uncertainty(delays):
    clock = ClockMap()
    arrival_ns = 0
    for i, (down_ns, up_ns) in enumerate(delays):
        sent_ns = 1000 * NS_PER_MS + i * 200 * NS_PER_MS + OFFSET_NS
        arrival_ns = max(arrival_ns, sent_ns + up_ns)
        clock.update((sent_ns - OFFSET_NS) // NS_PER_MS, arrival_ns)
        answered_ns = sent_ns + down_ns
        received_ns = max(arrival_ns, answered_ns + up_ns)
        clock.synchronise(sent_ns, answered_ns - OFFSET_NS, received_ns)
        arrival_ns = received_ns
        assert abs(clock.offset_ns - OFFSET_NS) <= clock.uncertainty_ns + 1


@pytest.mark.parametrize("late_ms", [(250, 250), (500, 0), (0, 500), (10, 5)])
def test_no_message_is_older_than_its_stamp_and_what_that_may_hide(late_ms):
    """A link that is late all the time looks quick without TIMESYNC, and says that nothing is known."""
    clock, up_ns, down_ns = ClockMap(), late_ms[0] * NS_PER_MS, late_ms[1] * NS_PER_MS
    for i in range(100):
        boot_ns = SECOND + i * 20 * NS_PER_MS
        arrival_ns = boot_ns + OFFSET_NS + up_ns
        clock.update(boot_ns // NS_PER_MS, arrival_ns)
        assert clock.hidden_ns is None
    sent_ns = boot_ns + OFFSET_NS - down_ns
    assert clock.synchronise(sent_ns, boot_ns, arrival_ns)
    shown_ns = arrival_ns - (boot_ns + clock.offset_ns)
    assert up_ns <= shown_ns + clock.hidden_ns + NS_PER_MS
    assert clock.hidden_ns == (up_ns + down_ns) // 2


def test_a_simulator_that_falls_behind_is_no_late_link():
    clock = ClockMap()
    for i in range(400):
        boot_ns = SECOND + i * 20 * NS_PER_MS
        now_ns = OFFSET_NS + boot_ns + i * 4 * NS_PER_MS  # a fifth slower than real time
        clock.update(boot_ns // NS_PER_MS, now_ns)
        clock.synchronise(now_ns - 2 * NS_PER_MS, boot_ns, now_ns)
    assert clock.hidden_ns < 5 * NS_PER_MS


@pytest.mark.parametrize("answers", [True, False])
def test_the_link_says_how_late_it_may_be(answers):
    peer = UdpOutgoingPeer()
    with FakeAutopilot(peer) as autopilot, FlightLink(settings(peer)) as link:
        autopilot.answers_timesync = answers
        assert wait_for(lambda: link.latest_pose(now()) is not None, 20)
        if answers:
            assert wait_for(lambda: (link.vehicle(now()).hidden_s or 9.0) < 2.0, 20)
            assert not [p for p in link.status(now()).problems if "TIMESYNC" in p]
        else:
            assert link.vehicle(now()).hidden_s is None
            assert [p for p in link.status(now()).problems if "TIMESYNC" in p]


@pytest.mark.parametrize("answer_ns", [1, 1_900_000_000 * SECOND, 2**63 - 1, 3600 * SECOND])
def test_another_clock_in_the_answer_says_nothing(answer_ns):
    """Unix time, garbage, or a forged value: the smallest delay goes on to serve."""
    clock = ClockMap()
    clock.update(60_000, 60_000 * NS_PER_MS + OFFSET_NS)
    assert not clock.synchronise(60_000 * NS_PER_MS + OFFSET_NS, answer_ns, 60_010 * NS_PER_MS + OFFSET_NS)
    assert clock.offset_ns == OFFSET_NS
    assert clock.uncertainty_ns is None


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_an_autopilot_that_runs_for_longer_than_32_bits_of_milliseconds_answers_with_the_same_clock(turns):
    """After 49.7 days, as in a dock, stamps begin again at 0, and TIMESYNC goes on."""
    clock, boot_ns = ClockMap(), 60 * SECOND
    clock.update(boot_ns // NS_PER_MS, boot_ns + OFFSET_NS)
    answer_ns = boot_ns + turns * 2**32 * NS_PER_MS
    assert clock.synchronise(boot_ns + OFFSET_NS - 4 * NS_PER_MS, answer_ns, boot_ns + OFFSET_NS)
    assert clock.offset_ns == OFFSET_NS - 2 * NS_PER_MS and clock.hidden_ns == 2 * NS_PER_MS


# --- the messages ---


def received(message, system=1, component=1):
    raw = message.pack(mavlink.MAVLink(None, srcSystem=system, srcComponent=component))
    (frame,) = FrameReader().feed(raw)
    return frame


def test_questions_are_answered_with_our_clock_and_addressed_back():
    frame = received(mavlink.MAVLink_timesync_message(0, 4711))
    answer = Timesync().reply(frame.raw, frame.message, 99, (1, 191))
    back = received(answer, 1, 191)
    assert (back.message.tc1, back.message.ts1) == (99, 4711)
    assert timesync_addressee(back.raw) == (1, 1)


@pytest.mark.parametrize(
    ("target", "answered"), [((0, 0), True), ((1, 191), True), ((1, 0), True), ((1, 1), False), ((2, 191), False)]
)
def test_only_questions_to_us_or_all_are_answered(target, answered):
    frame = received(timesync(0, 4711, *target))
    assert (Timesync().reply(frame.raw, frame.message, 99, (1, 191)) is not None) is answered


def test_answers_to_others_repeats_and_late_ones_are_no_use():
    sync = Timesync()
    assert sync.question(SECOND, 1, 1) is not None
    assert sync.question(SECOND + ASK_PERIOD_NS - 1, 1, 1) is None
    stranger = mavlink.MAVLink_timesync_message(5, SECOND + 1)
    assert sync.answer(stranger, SECOND + 10) is None
    ours = mavlink.MAVLink_timesync_message(5, SECOND)
    assert sync.answer(ours, SECOND + 10).answer_ns == 5
    assert sync.answer(ours, SECOND + 11) is None
    assert sync.question(3 * SECOND, 1, 1) is not None
    assert sync.answer(mavlink.MAVLink_timesync_message(5, 3 * SECOND), 5 * SECOND) is None


def test_questions_about_the_time_take_no_more_than_a_share_of_the_line(tmp_path):
    """Answered each, a flood of them would fill the line, and the landing targets would wait behind."""
    baud = 57_600
    peer = PtyPeer(tmp_path, baud)
    packer, decoder = mavlink.MAVLink(None, srcSystem=1, srcComponent=1), mavlink.MAVLink(None)
    with FlightLink(LinkSettings(peer.connection)) as link:
        assert wait_for(lambda: link.status(now()).connected)
        begin_ns, answered = now(), 0
        while now() - begin_ns < 2 * SECOND:
            with suppress(BlockingIOError):  # what is not read yet fills the pty
                peer.send(b"".join(mavlink.MAVLink_timesync_message(0, n + 1).pack(packer) for n in range(20)))
            heard = decoder.parse_buffer(bytearray(peer.receive(0.02))) or ()
            answered += sum(len(m.get_msgbuf()) for m in heard if m.get_type() == "TIMESYNC")
        share = ANSWER_SHARE * baud / 10 * (now() - begin_ns) / SECOND
        assert 0 < answered <= share + ANSWER_BURST_BYTES + LARGEST_FRAME
    peer.close()


# --- the whole link through a proxy that delays ---


class SyncedAutopilot(FakeAutopilot):
    """Tells its own boot time in ns."""

    def boot_ns(self):
        return time.monotonic_ns() - self._booted_ns


@pytest.mark.parametrize(("up_ms", "down_ms"), [(2, 2), (12, 4)])
def test_whole_link_through_a_proxy_with_20_ms_jitter_each_way(up_ms, down_ms):
    """Real sockets and threads; the median is judged, as a loaded machine delays some for real."""
    with DelayProxy(Delay(up_ms, 20, 5), Delay(down_ms, 20, 6)) as proxy:
        fake = SyncedAutopilot(ProxyPeer(proxy))
        with fake, FlightLink(settings(proxy, heartbeat_timeout_s=3.0)) as link:
            assert link.wait_ready(20).ready
            assert wait_for(lambda: link.status(now()).clock_uncertainty_ns is not None, 20)
            time.sleep(2.0)
            errors_ms = []
            for _ in range(40):
                status = link.status(now())
                errors_ms.append((status.clock_offset_ns - fake._booted_ns) / 1e6)
                time.sleep(0.05)
            allowed_ms = 5.0 + (up_ms - down_ms) / 2
            assert abs(statistics.median(errors_ms)) < allowed_ms


def px4_map(rounds):
    """What PX4 learns from answers, (sent + received) / 2 - answer, of the quickest round here.

    PX4 leaves slow rounds out and smooths the rest; a loaded machine makes many of them slow.
    """
    sent, answer, received = min(rounds, key=lambda r: r[2] - r[0])
    return (sent + received) // 2 - answer


def test_targets_are_stamped_in_the_clock_that_answers_timesync():
    """As PX4 sees it: after its mapping, a stamp is just past, never ahead, never 0."""
    udp = UdpOutgoingPeer()
    arrivals = {}
    rounds = []
    lock = threading.Lock()

    class AskingPx4(FakeAutopilot):
        def _answer(self, message):
            at_ns = time.monotonic_ns() - self._booted_ns
            if message.get_type() == "TIMESYNC" and message.tc1:
                with lock:
                    rounds.append((message.ts1, message.tc1, at_ns))
            if message.get_type() == "LANDING_TARGET":
                arrivals[at_ns] = message.time_usec
            super()._answer(message)

    with AskingPx4(udp, autopilot=PX4) as fake, FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        for _ in range(30):
            at_ns = time.monotonic_ns() - fake._booted_ns
            fake.send(mavlink.MAVLink_timesync_message(0, at_ns))
            time.sleep(0.01)
        assert wait_for(lambda: len(rounds) == 30)
        assert link.status(now()).timesync_answered == 30
        pose = link.latest_pose(now())
        stamps = [pose.at_ns, now() + 3600 * SECOND]  # and one from our own future
        for stamp in stamps:
            target = LandingTarget((1.0, 2.0, 10.0), (4.0, 3.0, 0.5), stamp, stamp)
            assert link.send_target(target).sent
        assert wait_for(lambda: len(arrivals) == 2)
        offset_ns = px4_map(rounds)
        for at_ns, time_usec in arrivals.items():
            age_ns = at_ns - (time_usec * 1000 + offset_ns)
            # Never ahead of its arrival but for the mapping's own error, here a scheduling delay.
            assert -20 * NS_PER_MS < age_ns < 5 * SECOND
            assert time_usec > 0


def test_jumps_of_the_wall_clock_by_hours_change_nothing(monkeypatch):
    udp = UdpOutgoingPeer()
    with SyncedAutopilot(udp) as fake, FlightLink(settings(udp)) as link:
        assert link.wait_ready(10).ready
        before = link.status(now())
        real_time, real_ns = time.time, time.time_ns  # noqa: TID251 - what jumps here
        for hours in (5, -9, 10_000):
            monkeypatch.setattr("time.time", lambda h=hours: real_time() + 3600 * h)
            monkeypatch.setattr("time.time_ns", lambda h=hours: real_ns() + 3600 * h * SECOND)
            pose = link.latest_pose(now())
            assert 0 <= now() - pose.at_ns < 2 * SECOND
            target = LandingTarget((1.0, 2.0, 10.0), (4.0, 3.0, 0.5), pose.at_ns, pose.at_ns)
            assert link.send_target(target).sent
        assert wait_for(lambda: len(fake.of_type("LANDING_TARGET")) == 3)
        after = link.status(now())
        assert after.alive
        assert (after.reboots, after.reconnects, after.position_resets) == (0, 0, 0)
        assert abs(after.clock_offset_ns - before.clock_offset_ns) < 200 * NS_PER_MS


def test_only_the_signing_stamp_asks_the_wall_clock():
    """And that once, at the start: the stamps of MAVLink signing count from a date."""
    asks = re.compile(r"\btime\.(time|time_ns|localtime|gmtime|ctime)\b|datetime|clock_gettime")
    folder = Path(firmware_bridge.__file__).parent
    found = {
        path.name: len(asks.findall(line))
        for path in folder.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if asks.search(line) and not line.lstrip().startswith("#")
    }
    assert found == {"stamp_file.py": 1}
