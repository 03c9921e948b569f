"""Link or autopilot fail: what is promised, and that it is kept."""

from __future__ import annotations

import pytest

from tests.faults.bench import Bench
from tests.faults.matrix import SILENCE_S, Row
from tests.faults.measure import Keep, goes_on, resident_mb, stops

pytestmark = [pytest.mark.flight, pytest.mark.timeout(200)]

LINK = [
    (11, "link cut for 2 s", "cut", "silent: no pose, no target; resumes"),
    (12, "baud rate wrong: every third byte flipped", "garble", "silent; resumes"),
]


@pytest.mark.parametrize(("order", "fault", "word", "promise"), LINK)
def test_link(bench: Bench, keep: Keep, order: int, fault: str, word: str, promise: str) -> None:
    def fail() -> None:
        bench.wire.order = word

    # The wire counts what the daemon tries to send, whether it arrives or not.
    silence_s = stops(bench, fail, lambda: bench.wire.last_pose_ns)
    bench.wire.order = "good"
    recovery_s = bench.wait_for_targets(5)
    reasons = {str(e["reason"]) for e in bench.events("target-stop")}
    keep(
        Row(order, fault, promise, "; ".join(sorted(reasons)), max(silence_s, 0.0), recovery_s, silence_s <= SILENCE_S)
    )


def test_lying_stamps(bench: Bench, keep: Keep) -> None:
    before = bench.wire.lies
    bench.wire.order = "lie"
    count, gap_s = goes_on(bench, 4.0)
    lies = bench.wire.lies - before
    bench.wire.order = "good"
    recovery_s = bench.wait_for_targets(5)
    resets = len(bench.events("map-reset"))
    keep(
        Row(
            23,
            "autopilot's time stamps lie: each fifth is 4 s too early or too late",
            "those are left out; goes on, and nothing is taken for a reboot",
            f"{lies} lies, {count} targets in 4 s, longest gap {gap_s:.2f} s, {resets} map resets",
            None,
            recovery_s,
            lies > 10 and count > 40 and resets == 0,
        )
    )


def test_flood(bench: Bench, keep: Keep) -> None:
    before_mb = resident_mb(bench.daemon.pid)
    bench.wire.order = "flood"
    count, gap_s = goes_on(bench, 4.0)
    grown_mb = resident_mb(bench.daemon.pid) - before_mb
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


def test_autopilot_reboot(bench: Bench, keep: Keep) -> None:
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
