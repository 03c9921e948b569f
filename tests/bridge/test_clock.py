from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock import NS_PER_MS, ClockMap, SensorStamps

MS, SECOND = 1_000_000, 1_000_000_000


@given(
    offset_ns=st.integers(-(10**15), 10**15),
    first_ms=st.integers(0, 10**6),
    jitter_ns=st.lists(st.integers(0, 400_000_000), min_size=2, max_size=150),
)
def test_error_stays_within_the_smallest_delay_of_the_window(offset_ns, first_ms, jitter_ns):
    clock = ClockMap(window_ns=3 * SECOND)
    seen = []
    arrival_ns = -(10**18)
    for i, delay_ns in enumerate(jitter_ns):
        boot_ms = first_ms + 20 * i
        # A link keeps the order: nothing overtakes.
        arrival_ns = max(arrival_ns, boot_ms * NS_PER_MS + offset_ns + delay_ns)
        seen.append((arrival_ns, arrival_ns - boot_ms * NS_PER_MS - offset_ns))
        reading = clock.update(boot_ms, arrival_ns)
        assert not reading.rebooted
        error_ns = reading.offset_ns - offset_ns
        smallest = min(d for at, d in seen if at >= arrival_ns - 3 * SECOND)
        assert error_ns == smallest
        assert boot_ms * NS_PER_MS + reading.offset_ns <= arrival_ns


@given(drift_ppm=st.floats(-200, 200))
def test_drift_is_followed(drift_ppm):
    clock = ClockMap()
    for i in range(0, 60_000, 20):
        true_ns = int(i * NS_PER_MS * (1 + drift_ppm * 1e-6))
        clock.update(i, true_ns + 2_000_000)
    mapped = (60_000) * NS_PER_MS + clock.offset_ns
    truth = int(60_000 * NS_PER_MS * (1 + drift_ppm * 1e-6))
    assert mapped is not None
    # 200 ppm over the 3 s window is 0.6 ms; plus the constant delay of 2 ms.
    assert abs(mapped - truth) <= 2_000_000 + 700_000


@given(uptime_ms=st.integers(2_000, 10**7), new_boot_ms=st.integers(0, 500), gap=st.integers(1, 10**11))
def test_reboot_resets(uptime_ms, new_boot_ms, gap):
    clock = ClockMap()
    at_ns = uptime_ms * NS_PER_MS + 7
    clock.update(uptime_ms, at_ns)
    readings = [clock.update(new_boot_ms + ms, at_ns + gap + ms * NS_PER_MS) for ms in range(0, 60, 20)]
    # The first ones could be a fault; until others agree they are left out.
    assert [r.trusted for r in readings] == [False, False, True]
    assert [r.rebooted for r in readings] == [False, False, True]
    assert readings[-1].offset_ns == at_ns + gap - new_boot_ms * NS_PER_MS


@given(strays=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2**32 - 1)), min_size=1, max_size=40))
def test_lone_stamps_that_make_no_sense_move_nothing(strays):
    """A fault or a forgery between good messages, at any moment, of any value."""
    clock = ClockMap()
    offset_ns = 7 * SECOND
    by_time = {}
    for ms, value in strays:
        by_time[20 * (ms // 20)] = value
    for ms in range(10_000, 13_000, 20):
        reading = clock.update(ms, ms * NS_PER_MS + offset_ns)
        assert reading.trusted
        assert reading.offset_ns >= offset_ns - SECOND  # never thrown off by more than a step
        stray = by_time.get(ms - 10_000)
        if stray is not None:
            assert not clock.update(stray, ms * NS_PER_MS + offset_ns).rebooted


def test_reordered_datagram_is_no_reboot():
    clock = ClockMap()
    clock.update(10_000, 10_000 * NS_PER_MS)
    reading = clock.update(9_960, 10_005 * NS_PER_MS)
    assert not reading.rebooted
    assert reading.offset_ns == 0


def test_reboot_that_overtakes_the_old_boot_clock():
    """Up 5 s, away for a minute, back with a boot clock that already reads 20 s."""
    clock = ClockMap()
    for ms in range(0, 5_000, 20):
        clock.update(ms, ms * NS_PER_MS)
    new_offset = 45 * SECOND
    results = [clock.update(ms, ms * NS_PER_MS + new_offset) for ms in range(20_000, 20_000 + 4_000, 20)]
    assert results[-1].offset_ns == new_offset


def test_such_a_reboot_is_seen_on_a_line_whose_delays_vary():
    clock = ClockMap()
    for ms in range(0, 5_000, 20):
        clock.update(ms, ms * NS_PER_MS)
    delays_ms = itertools.cycle((0, 400, 250, 390))
    for ms in range(20_000, 28_000, 20):
        clock.update(ms, ms * NS_PER_MS + 45 * SECOND + next(delays_ms) * NS_PER_MS)
    assert clock.offset_ns == 45 * SECOND


def test_one_long_delay_is_no_reboot():
    clock = ClockMap()
    for ms in range(0, 2_000, 20):
        clock.update(ms, ms * NS_PER_MS)
    reading = clock.update(2_000, 2_000 * NS_PER_MS + 2 * SECOND)
    assert not reading.rebooted
    assert reading.offset_ns == 0


def test_nothing_is_known_at_first():
    clock = ClockMap()
    assert clock.offset_ns is None
    assert clock.offset_ns is None


@pytest.mark.parametrize("stalled_ms", [1200, 2000, 2900, 3000, 8000])
@pytest.mark.parametrize("ms_each", [0.001, 10])
def test_what_was_held_up_is_no_reboot_and_stays_old(stalled_ms, ms_each):
    """The process was stopped, or the line stood still: what came meanwhile is read at once, or at twice its pace."""
    clock = ClockMap()
    arrival_ms = 0.0
    for ms in range(0, 10_000 + 3 * stalled_ms, 20):
        held_ms = 10_000 + stalled_ms if ms >= 10_000 else 0
        arrival_ms = max(ms, held_ms, arrival_ms + (ms_each if held_ms else 0.0))
        reading = clock.update(ms, round(arrival_ms * NS_PER_MS))
        assert not reading.rebooted
        assert reading.offset_ns <= MS


def test_a_late_stamp_of_a_sensor_of_the_boot_clock_stays_old():
    stamps = SensorStamps()
    assert stamps.at_ns("foreign", 5_000, 9 * SECOND, 0) == 9 * SECOND
    assert stamps.at_ns("own", 5_000, 5 * SECOND + MS, 0) == 5 * SECOND
    assert stamps.at_ns("own", 6_000, 9 * SECOND, 0) == 6 * SECOND
    assert stamps.at_ns("own", 0, 60 * SECOND, 0) == 60 * SECOND  # begun anew
    assert stamps.at_ns("own", 70_000, 60 * SECOND, 0) == 60 * SECOND
