from __future__ import annotations

import threading
import time

import pytest

from edge.mailbox import Mailbox
from edge.worker import Worker


def test_the_newest_wins_and_drops_are_counted() -> None:
    box: Mailbox[int] = Mailbox()
    for number in range(5):
        box.put(number)
    assert box.waiting
    assert box.take(0) == 4
    assert box.dropped == 4
    assert not box.waiting


def test_an_empty_box_answers_none_after_its_timeout() -> None:
    box: Mailbox[int] = Mailbox()
    started = time.monotonic()
    assert box.take(0.05) is None
    assert time.monotonic() - started > 0.04


def test_a_waiting_reader_is_woken() -> None:
    box: Mailbox[str] = Mailbox()
    threading.Timer(0.05, box.put, args=["now"]).start()
    started = time.monotonic()
    assert box.take(5.0) == "now"
    assert time.monotonic() - started < 2.0


def test_clearing_is_no_drop() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.clear()
    assert box.take(0) is None
    assert box.dropped == 0


def test_a_reader_slower_than_its_writer_sees_rising_numbers() -> None:
    box: Mailbox[int] = Mailbox()

    def write() -> None:
        for number in range(2000):
            box.put(number)

    thread = threading.Thread(target=write)
    thread.start()
    taken = []
    while not taken or taken[-1] != 1999:
        number = box.take(1.0)
        assert number is not None
        taken.append(number)
    thread.join()
    assert taken == sorted(set(taken))
    assert box.dropped == 2000 - len(taken)


def test_what_a_worker_raises_reaches_its_owner() -> None:
    def body() -> None:
        raise ZeroDivisionError("in the thread")

    worker = Worker("failing", body)
    worker.check()
    worker.start()
    assert worker.join(1.0)
    with pytest.raises(ZeroDivisionError, match="in the thread"):
        worker.check()
