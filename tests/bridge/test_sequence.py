"""Sequence numbers: losses, late frames, and two senders under one id."""

from __future__ import annotations

import random

from firmware_bridge.dialect import mavlink
from firmware_bridge.sequence import MAX_SENDERS, SequenceCounter

SECOND = 1_000_000_000


def message(number, component=1, system=1):
    packer = mavlink.MAVLink(None, system, component)
    packer.seq = number % 256
    packed = mavlink.MAVLink_heartbeat_message(2, 3, 0, 0, 0, 3).pack(packer)
    return mavlink.MAVLink(None).decode(bytearray(packed))


def counted(numbers, rate_hz=100):
    counter = SequenceCounter()
    for k, number in enumerate(numbers):
        counter.add(message(number), k * SECOND // rate_hz)
    return counter, len(numbers) * SECOND // rate_hz


def test_gaps_are_losses_but_late_frames_are_not():
    counter, _ = counted([0, 1, 2, 5, 6, 106, 255, 256, 258, 257, 259])
    # 3, 4, 7 to 105 and 107 to 254 never came; 257 came late.
    assert (counter.received, counter.lost) == (11, 2 + 99 + 148)
    two_ids = SequenceCounter()
    for number in range(600):
        two_ids.add(message(number), number)
        two_ids.add(message(number + 100, component=191), number)
    assert (two_ids.received, two_ids.lost, two_ids.turns) == (1200, 0, 0)


def test_one_sender_with_losses_late_frames_and_a_reboot_is_one():
    rng = random.Random(3)
    numbers = [n for n in range(4000) if rng.random() > 0.05]
    for at in range(0, len(numbers) - 1, 40):  # every 40th pair of datagrams is swapped
        numbers[at], numbers[at + 1] = numbers[at + 1], numbers[at]
    numbers += [*range(1000), *range(7, 900)]  # it boots twice
    counter = SequenceCounter()
    shared = 0
    for k, number in enumerate(numbers):
        counter.add(message(number), k * SECOND // 100)
        shared += counter.shared(k * SECOND // 100)
    assert shared == 0


def test_a_sender_that_does_not_count_is_one():
    counter, end_ns = counted([0] * 500)
    assert not counter.shared(end_ns)


def test_a_full_stream_and_a_heartbeat_a_second_are_two_senders():
    for start in range(0, 256, 17):
        counter = SequenceCounter()
        for k in range(500):
            now_ns = k * SECOND // 100
            counter.add(message(k), now_ns)
            if k % 100 == 50:
                counter.add(message(start + k // 100), now_ns)
        # By chance of the numbers a few of the five beats hide in the stream.
        assert counter.turns >= 4, start
        assert counter.shared(now_ns), start


def test_two_full_streams_are_two_senders_also_in_step():
    for offset in (0, 1, 5, 16, 100, 255):
        numbers = [n for k in range(50) for n in (k, k + offset)]
        counter, end_ns = counted(numbers)
        assert counter.shared(end_ns), offset
        assert not counter.shared(end_ns + 6 * SECOND)


def test_many_ids_stay_within_bounds():
    counter = SequenceCounter()
    for number in range(2000):
        counter.add(message(number, 1 + number % 250, 1 + number // 250), 0)
    assert len(counter._lines) <= MAX_SENDERS
