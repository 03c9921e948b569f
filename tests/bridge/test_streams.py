from __future__ import annotations

import itertools

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.streams import MESSAGE_IDS, RateMeter, StreamRequests

SECOND = 1_000_000_000
MS = 1_000_000
SUBSTITUTES = {"ATTITUDE_QUATERNION": "ATTITUDE"}


def run(streams, seconds, *, sends=(), answer=mavlink.MAV_RESULT_ACCEPTED, start_ns=0):
    """Tick every 10 ms; returns what was asked, as (second, message id). Streams come at 50 Hz."""
    asked = []
    for i in range(int(seconds * 100)):
        now_ns = start_ns + i * 10 * MS
        if i % 2 == 0:
            for name in sends:
                streams.on_message(name, now_ns)
        request = streams.due(now_ns)
        if request:
            asked.append((now_ns / SECOND, *request))
            if answer is not None:
                streams.on_ack(answer, now_ns)
    return asked


def test_each_stream_is_asked_for_once_when_it_comes():
    streams = StreamRequests({"LOCAL_POSITION_NED": 25.0, "EXTENDED_SYS_STATE": 2.0})
    asked = run(streams, 1)
    assert [(a[1], a[2]) for a in asked] == [(32, 40_000), (245, 500_000)]
    both = ("LOCAL_POSITION_NED", "EXTENDED_SYS_STATE")
    assert run(streams, 20, sends=both, start_ns=SECOND) == []
    assert streams.missing(21 * SECOND) == ()


def test_a_missing_stream_is_asked_again_less_and_less_often():
    streams = StreamRequests({"LOCAL_POSITION_NED": 25.0})
    times = [a[0] for a in run(streams, 200)]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == pytest.approx([2, 4, 8, 16, 30, 30, 30, 30, 30], abs=0.02)
    assert streams.missing(200 * SECOND) == ("LOCAL_POSITION_NED",)


def test_without_an_answer_the_next_request_waits_half_a_second():
    streams = StreamRequests({"LOCAL_POSITION_NED": 25.0, "DISTANCE_SENSOR": 15.0})
    times = [a[0] for a in run(streams, 1.5, answer=None)]
    assert times == pytest.approx([0.0, 0.5], abs=0.011)


def test_a_slow_stream_is_asked_again():
    streams = StreamRequests({"ATTITUDE_QUATERNION": 100.0}, SUBSTITUTES)
    asked = run(streams, 5, sends=("ATTITUDE_QUATERNION",))
    assert len(asked) >= 2
    assert streams.missing(5 * SECOND) == ()
    assert streams.slow(5 * SECOND) == ("ATTITUDE_QUATERNION",)


@pytest.mark.parametrize(
    "answer", [mavlink.MAV_RESULT_DENIED, mavlink.MAV_RESULT_UNSUPPORTED, mavlink.MAV_RESULT_FAILED]
)
def test_a_refused_stream_is_substituted_at_once(answer):
    streams = StreamRequests({"ATTITUDE_QUATERNION": 50.0}, SUBSTITUTES)
    asked = run(streams, 0.1, answer=answer)
    assert [a[1] for a in asked] == [MESSAGE_IDS["ATTITUDE_QUATERNION"], MESSAGE_IDS["ATTITUDE"]]
    run(streams, 3, sends=("ATTITUDE",), start_ns=SECOND)
    assert streams.missing(4 * SECOND) == ()
    assert streams.slow(4 * SECOND) == ()


def test_an_accepted_stream_that_does_not_come_is_substituted():
    streams = StreamRequests({"ATTITUDE_QUATERNION": 50.0}, SUBSTITUTES)
    asked = run(streams, 8)
    assert MESSAGE_IDS["ATTITUDE"] in [a[1] for a in asked]


def test_restart_asks_for_everything_again():
    streams = StreamRequests({"LOCAL_POSITION_NED": 25.0})
    run(streams, 3, sends=("LOCAL_POSITION_NED",))
    streams.restart(3 * SECOND)
    assert streams.due(3 * SECOND) is not None
    assert streams.missing(3 * SECOND) == ("LOCAL_POSITION_NED",)


def test_a_stray_ack_is_harmless():
    streams = StreamRequests({"LOCAL_POSITION_NED": 25.0})
    streams.on_ack(mavlink.MAV_RESULT_DENIED, 0)
    assert streams.due(0) is not None


def test_unknown_message_name():
    with pytest.raises(KeyError, match="NO_SUCH"):
        StreamRequests({"NO_SUCH": 1.0})


@pytest.mark.parametrize("rate_hz", [2, 10, 25, 50])
def test_rate_meter(rate_hz):
    meter = RateMeter()
    period_ns = SECOND // rate_hz
    now_ns = 0
    for i in range(rate_hz * 3):
        now_ns = i * period_ns
        meter.count(now_ns)
    assert meter.rate_hz(now_ns) == pytest.approx(rate_hz, rel=0.02)
    assert meter.rate_hz(now_ns + period_ns // 2) == pytest.approx(rate_hz, rel=0.26)
    assert meter.rate_hz(now_ns + SECOND) < 0.8 * rate_hz
    assert meter.rate_hz(now_ns + 5 * SECOND) == 0.0
