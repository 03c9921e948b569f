"""Network, clock, disk or processor fail: what is promised, and that it is kept."""

from __future__ import annotations

import resource
import signal
import time
from pathlib import Path

import pytest

from tests.faults.bench import Bench, wait_for
from tests.faults.matrix import SILENCE_S, Row
from tests.faults.measure import Keep, goes_on, stops
from tests.faults.throttle import throttled

pytestmark = [pytest.mark.flight, pytest.mark.timeout(200)]


def test_model_replaced(bench: Bench, keep: Keep) -> None:
    model = bench.model.read_bytes()
    bench.model.write_bytes(b"not a model")
    count, gap_s = goes_on(bench, 2.0)
    bench.model.unlink()
    more, _ = goes_on(bench, 1.0)
    bench.model.write_bytes(model)
    keep(
        Row(
            7,
            "model file overwritten, then deleted, while it flies",
            "goes on with what it loaded",
            f"{count + more} targets in 3 s, longest gap {gap_s:.2f} s",
            None,
            None,
            count > 25 and more > 10,
        )
    )


INSIDE = [
    (8, "network out of memory", "memory", "crash, with a traceback"),
    (9, "device of the network gone", "device", "the device is gone"),
]


@pytest.mark.parametrize(("order", "fault", "word", "said"), INSIDE)
def test_inside(tmp_path: Path, model_path: Path, keep: Keep, order: int, fault: str, word: str, said: str) -> None:
    with Bench(tmp_path, model_path, inside=True) as bench:
        bench.wait_for_targets()

        def fail() -> None:
            bench.order_daemon(word)
            wait_for(lambda: bench.daemon.poll() is not None, 20, bench.said)
            bench.order_daemon("good")

        silence_s = stops(bench, fail, lambda: bench.last_frame_ns)
        log = bench.said()
        status = bench.daemon.returncode
        assert ("Traceback" in log) == (word == "memory") and status == (1 if word == "memory" else 2)
        bench.start_daemon()  # as systemd does
        recovery_s = bench.wait_for_targets(5)
    keep(
        Row(
            order,
            fault,
            "ends at once with an error, is started again by systemd, resumes",
            f"exit status {status}: {said}",
            max(silence_s, 0.0),
            recovery_s,
            silence_s <= SILENCE_S,
        )
    )


def test_hang(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    settings = {"health": {"hang_timeout_ms": 1000.0}}
    with Bench(tmp_path, model_path, settings, inside=True) as bench:
        bench.wait_for_targets()
        before = time.monotonic_ns()
        silence_s = stops(bench, lambda: bench.order_daemon("hang"), lambda: before)
        wait_for(lambda: bench.events("hang"), 10, bench.said)
        bench.order_daemon("good")
        recovery_s = bench.wait_for_targets(5)
    keep(
        Row(
            10,
            "an inference does not come back",
            "silent; heartbeat and watchdog stop, so systemd restarts it; or resumes",
            "silent, `hang` logged, heartbeat stopped",
            silence_s,
            recovery_s,
            silence_s <= SILENCE_S,
        )
    )


def test_clock_jumps(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path, inside=True) as bench:
        bench.wait_for_targets()
        gaps, total = [], 0
        for hours in (5, -3, 400 * 24):
            bench.order_daemon(f"clock:{hours * 3600}")
            count, gap_s = goes_on(bench, 1.5)
            gaps.append(gap_s)
            total += count
            bench.wire.order = "cut"  # something to log
            time.sleep(0.5)
            bench.wire.order = "good"
            bench.wait_for_targets(5)
        years = {str(e["time"])[:4] for e in bench.events()}
        bench.daemon.terminate()
        bench.daemon.wait(20)
    assert len(years) > 1, "the clock did not jump"
    keep(
        Row(
            15,
            "wall clock jumps by +5 h, -3 h, +400 days",
            "goes on: nothing but log lines uses it",
            f"{total} targets in 4.5 s, longest gap {max(gaps):.2f} s",
            None,
            None,
            # A shared machine may stand still for a moment; a clock that mattered, for hours.
            total > 40 and max(gaps) < 1.5,
        )
    )


def test_full_disk(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    with Bench(tmp_path, model_path, preexec=small_files) as bench:
        bench.wait_for_targets()
        wait_for(lambda: bench.times_said("nothing is recorded until"), 30, bench.said)
        count, gap_s = goes_on(bench, 3.0)
        said = bench.times_said("nothing is recorded until")
    keep(
        Row(
            16,
            "disk full: no file may grow",
            "goes on without recording, says so once",
            f"{count} targets in 3 s, longest gap {gap_s:.2f} s, said {said} time",
            None,
            None,
            count > 40 and said == 1,
        )
    )


def test_read_only_disk(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    settings = {"recorder": {"folder": "/proc/recordings"}}
    with Bench(tmp_path, model_path, settings) as bench:
        bench.wait_for_targets()
        count, gap_s = goes_on(bench, 2.0)
        assert bench.times_said("nothing is recorded until")
    keep(
        Row(
            17,
            "folder of the recordings cannot be written",
            "goes on without recording, says so",
            f"{count} targets in 2 s, longest gap {gap_s:.2f} s",
            None,
            None,
            count > 25,
        )
    )


def test_stopped_and_continued(bench: Bench, keep: Keep) -> None:
    bench.signal_daemon(signal.SIGSTOP)
    time.sleep(0.2)
    stopped_ns = time.monotonic_ns()
    time.sleep(3.0)
    before = bench.targets_after(stopped_ns)
    woken_ns = time.monotonic_ns()
    bench.signal_daemon(signal.SIGCONT)
    recovery_s = bench.wait_for_targets(5)
    first = next(t for t in bench.wire.targets if t.at_ns > woken_ns)
    # It slept through 3 s: what it sends first must rest on what it saw after it woke.
    evidence_ns = first.stamp_us * 1000
    keep(
        Row(
            18,
            "SIGSTOP for 3 s, then SIGCONT",
            "after waking nothing is sent before a frame of that time was decided on",
            f"first target rests on a frame {(evidence_ns - woken_ns) * 1e-9:+.2f} s from waking",
            None,
            recovery_s,
            before == 0 and evidence_ns > woken_ns - 300_000_000,
        )
    )


def test_throttled(bench: Bench, keep: Keep) -> None:
    with throttled(bench.daemon.pid) as how:
        count, gap_s = goes_on(bench, 5.0)
        ages = [t.at_ns * 1e-9 - t.stamp_us * 1e-6 for t in bench.wire.targets[-max(count, 1) :]]
    recovery_s = bench.wait_for_targets(5)
    keep(
        Row(
            19,
            f"processor throttled ({how})",
            "goes on, or is silent; no target on evidence older than 0.5 s",
            f"{count} targets in 5 s, longest gap {gap_s:.2f} s, oldest frame {max(ages):.2f} s",
            None,
            recovery_s,
            max(ages) <= SILENCE_S + 0.05,
        )
    )
