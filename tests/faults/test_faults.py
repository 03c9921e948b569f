"""Every fault: what is promised, and that it is kept."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edge.blackbox.flight import Flight
from edge.blackbox.replay import Replay
from tests.faults.bench import Bench, wait_for
from tests.faults.matrix import SILENCE_S, Row

pytestmark = [pytest.mark.flight, pytest.mark.timeout(200)]

Keep = Callable[[Row], None]
LASTS_S = 2.0
"""How long a fault lasts before it is cured."""

SETTLE_S = 1.0
"""After so long in a fault no target may come any more."""


def stops(bench: Bench, inject: Callable[[], None], evidence_ns: Callable[[], int]) -> float:
    """Injects a fault; seconds from the last good evidence to the last target."""
    inject()
    time.sleep(SETTLE_S)
    count = len(bench.wire.targets)
    time.sleep(LASTS_S - SETTLE_S)
    assert len(bench.wire.targets) == count, "targets still come"
    return (bench.wire.targets[-1].at_ns - evidence_ns()) * 1e-9


def goes_on(bench: Bench, seconds: float) -> tuple[int, float]:
    """Targets in so many seconds, and the longest gap between two of them."""
    started_ns = time.monotonic_ns()
    time.sleep(seconds)
    stamps = [started_ns, *(t.at_ns for t in bench.wire.targets if t.at_ns > started_ns)]
    stamps.append(time.monotonic_ns())
    return len(stamps) - 2, max(b - a for a, b in pairwise(stamps)) * 1e-9


CAMERA = [
    (1, "camera unplugged", "gone", "silent; resumes when it is back"),
    (2, "camera runs, delivers nothing", "mute", "silent; resumes when it delivers"),
    (3, "camera delivers black pictures", "black", "silent, says `bad-picture`; resumes"),
    (4, "camera stops within a frame", "half",
     "silent, nothing of the torn frame is used; started anew"),
]  # fmt: skip


@pytest.mark.parametrize(("order", "fault", "word", "promise"), CAMERA)
def test_camera(
    tmp_path: Path, model_path: Path, keep: Keep, order: int, fault: str, word: str, promise: str
) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets()
        silence_s = stops(bench, lambda: bench.order_camera(word), lambda: bench.last_frame_ns)
        if word == "black":
            assert "bad-picture" in {e["reason"] for e in bench.events("no-site")}
        bench.order_camera("good")
        recovery_s = bench.wait_for_targets(5)
        failures = len(bench.events("camera-failed"))
        assert bench.daemon.poll() is None
    happened = f"silent; {failures} attempts to open it failed" if failures else "silent"
    keep(Row(order, fault, promise, happened, silence_s, recovery_s, silence_s <= SILENCE_S))


def test_frozen_camera(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.descend()  # whether a picture is frozen shows when the vehicle moves
        bench.wait_for_targets(30)
        silence_s = stops(bench, lambda: bench.order_camera("frozen"), lambda: bench.last_frame_ns)
        frozen = [e for e in bench.events("no-site") if "frozen" in e["detail"]]
        bench.order_camera("good")
        recovery_s = bench.wait_for_targets(5)
    promise = "silent once the vehicle moved 0.1 m under the same picture; resumes"
    keep(
        Row(
            5,
            "camera delivers the same picture for ever, while landing",
            promise,
            frozen[0]["detail"] if frozen else "nothing was said",
            silence_s,
            recovery_s,
            bool(frozen) and silence_s <= SILENCE_S,
        )
    )


def test_slow_camera(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets()
        bench.order_camera("slow")
        time.sleep(1.0)
        count, gap_s = goes_on(bench, 4.0)
        # Whatever is sent rests on a frame that is young enough.
        frames = [int(t) for t in bench.frames_log.read_text().split()]
        ages = [
            (target.at_ns - max(f for f in frames if f <= target.at_ns)) * 1e-9
            for target in bench.wire.targets[20:]
        ]
        bench.order_camera("good")
        recovery_s = bench.wait_for_targets(5)
    keep(
        Row(
            6,
            "camera three times slower",
            "goes on; no target on a frame older than 0.5 s",
            f"{count} targets in 4 s, longest gap {gap_s:.2f} s, oldest frame {max(ages):.2f} s",
            None,
            recovery_s,
            count > 20 and max(ages) <= SILENCE_S,
        )
    )


def test_model_replaced(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets()
        bench.model.write_bytes(b"not a model")
        count, gap_s = goes_on(bench, 2.0)
        bench.model.unlink()
        more, _ = goes_on(bench, 1.0)
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
def test_inside(
    tmp_path: Path, model_path: Path, keep: Keep, order: int, fault: str, word: str, said: str
) -> None:
    with Bench(tmp_path, model_path, inside=True) as bench:
        bench.wait_for_targets()

        def fail() -> None:
            bench.order_daemon(word)
            wait_for(lambda: bench.daemon.poll() is not None, 20, bench.said)
            bench.order_daemon("good")

        silence_s = stops(bench, fail, lambda: bench.last_frame_ns)
        log = bench.said()
        status = bench.daemon.returncode
        assert ("Traceback" in log) == (word == "memory") and status == (
            1 if word == "memory" else 2
        )
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


LINK = [
    (11, "link cut for 2 s", "cut", "silent: no pose, no target; resumes"),
    (12, "baud rate wrong: every third byte flipped", "garble", "silent; resumes"),
]


@pytest.mark.parametrize(("order", "fault", "word", "promise"), LINK)
def test_link(
    tmp_path: Path, model_path: Path, keep: Keep, order: int, fault: str, word: str, promise: str
) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets()

        def fail() -> None:
            bench.wire.order = word

        # The wire counts what the daemon tries to send, whether it arrives or not.
        silence_s = stops(bench, fail, lambda: bench.wire.last_pose_ns)
        bench.wire.order = "good"
        recovery_s = bench.wait_for_targets(5)
        reasons = {str(e["reason"]) for e in bench.events("target-stop")}
    keep(
        Row(
            order,
            fault,
            promise,
            "; ".join(sorted(reasons)),
            silence_s,
            recovery_s,
            silence_s <= SILENCE_S,
        )
    )


def test_flood(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets()
        before_mb = _resident_mb(bench.daemon.pid)
        bench.wire.order = "flood"
        count, gap_s = goes_on(bench, 4.0)
        grown_mb = _resident_mb(bench.daemon.pid) - before_mb
        bench.wire.order = "good"
        recovery_s = bench.wait_for_targets(5)
    keep(
        Row(
            13,
            "link flooded with 2 MB/s of random bytes",
            "goes on with the poses that come through, or is silent; memory stays",
            f"{count} targets in 4 s, longest gap {gap_s:.2f} s, memory {grown_mb:+.0f} MB",
            None,
            recovery_s,
            grown_mb < 60,
        )
    )


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def test_autopilot_reboot(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets()
        silence_s = stops(bench, bench.kill_autopilot, lambda: bench.wire.last_pose_ns)
        bench.restart_autopilot()
        recovery_s = bench.wait_for_targets(5)
        resets = len(bench.events("map-reset"))
    keep(
        Row(
            14,
            "autopilot reboots",
            "silent; the ground map starts anew; resumes",
            f"silent, {resets} map reset",
            silence_s,
            recovery_s,
            silence_s <= SILENCE_S and resets >= 1,
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


def test_stopped_and_continued(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets()
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


def test_throttled(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    with Bench(tmp_path, model_path) as bench:
        bench.wait_for_targets()
        with throttled(bench.daemon.pid) as how:
            count, gap_s = goes_on(bench, 5.0)
            ages = [
                t.at_ns * 1e-9 - t.stamp_us * 1e-6 for t in bench.wire.targets[-max(count, 1):]
            ]  # fmt: skip
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


@contextlib.contextmanager
def throttled(pid: int) -> Iterator[str]:
    """Gives a process a fifth of a core, by the kernel's quota or by stopping it in turns."""
    group = quota_group(pid)
    if group is not None:
        try:
            yield "cgroup quota of 0.2 cores"
        finally:
            leave(group)
        return
    stop = os.fork()
    if stop == 0:
        with contextlib.suppress(OSError):
            while True:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.08)
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.02)
        os._exit(0)
    try:
        yield "stopped four fifths of the time"
    finally:
        os.kill(stop, signal.SIGKILL)
        os.waitpid(stop, 0)
        os.kill(pid, signal.SIGCONT)


def quota_group(pid: int) -> Path | None:
    """Moves a process into a group of its own with a quota; None where that is not allowed."""
    for root, name, quota in (
        (Path("/sys/fs/cgroup/cpu"), "cpu.cfs_quota_us", "20000"),
        (Path("/sys/fs/cgroup"), "cpu.max", "20000 100000"),
    ):
        if not (root / "cgroup.procs").exists():
            continue
        group = root / f"touchdown-test-{pid}"
        with contextlib.suppress(OSError):
            group.mkdir()
            try:
                (group / name).write_text(quota)
                (group / "cgroup.procs").write_text(str(pid))
                return group
            except OSError:
                group.rmdir()
    return None


def leave(group: Path) -> None:
    """Moves everybody out of a group, children that began in it too, and removes it."""
    deadline = time.monotonic() + 10
    while group.exists():
        for member in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):  # it has ended
                (group.parent / "cgroup.procs").write_text(member)
        with contextlib.suppress(OSError):
            group.rmdir()
        assert time.monotonic() < deadline, f"{group} does not become empty"


def killed(folder: Path, model: Path, times: int) -> tuple[float, float, int]:
    """Kills the daemon at random moments.

    Returns:
        Longest silence and recovery, s, and how many recordings were read back.
    """
    rng = random.Random(times)
    silences, recoveries = [], []
    with Bench(folder, model) as bench:
        for _ in range(times):
            bench.wait_for_targets(rng.randrange(1, 25))
            bench.daemon.kill()
            bench.daemon.wait()
            dead_ns = time.monotonic_ns()
            time.sleep(0.1)
            silences.append((bench.wire.targets[-1].at_ns - dead_ns) * 1e-9)
            started = time.monotonic()
            bench.start_daemon()
            bench.wait_for_targets(1)
            recoveries.append(time.monotonic() - started)
        bench.events()  # every whole line of the log can be read
        bench.daemon.terminate()
        bench.daemon.wait(10)
    read = 0
    for flight in sorted((folder / "recordings" / "flights").iterdir()):
        for boot in {p.name.split("-")[0] for p in flight.iterdir()}:
            files = [p for p in sorted(flight.iterdir()) if p.name.startswith(boot)]
            result = Replay(Flight(*files)).run()
            assert result.identical == result.decisions
            read += 1
        shutil.rmtree(flight)
    return max(silences), max(recoveries), read


def test_killed_at_random_moments(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    silence_s, recovery_s, read = killed(tmp_path, model_path, 4)
    keep(
        Row(
            20,
            "SIGKILL at random moments, 4 times (200 times under `-m soak`)",
            "silent at once; started again it resumes; log and recordings can be read",
            f"resumed 4 times; {read} recordings decided again, identical",
            max(silence_s, 0.0),
            recovery_s,
            silence_s <= 0.0 + SILENCE_S and read >= 4,
        )
    )


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_two_hundred_times(tmp_path: Path, model_path: Path) -> None:
    silence_s, _, read = killed(tmp_path, model_path, 200)
    assert silence_s <= 0.05 and read >= 200
