"""The daemon is killed at random moments, and started again as systemd does."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest

from edge.blackbox.recording import Recording
from edge.blackbox.replay import Replay
from edge.exact import RecordingError
from tests.faults.bench import Bench
from tests.faults.matrix import SILENCE_S, Row
from tests.faults.measure import Keep

pytestmark = pytest.mark.flight


@dataclass
class Killed:
    """What came of killing a daemon again and again.

    Attributes:
        silences_s: From each death to the last target; negative when that came before.
        recoveries_s: From each start to the next target.
        read: Recordings of which every decision was made again, identical.
        empty: Recordings that were cut before anything of them reached the disk.
    """

    silences_s: list[float] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    read: int = 0
    empty: int = 0

    def row(self, order: int) -> Row:
        """As the table has it."""
        times = len(self.silences_s)
        silence_s, recovery_s = max(self.silences_s), max(self.recoveries_s)
        return Row(
            order,
            f"SIGKILL at random moments, {times} times",
            "silent at once; started again it resumes; log and recordings can be read",
            f"resumed {times} times, after {median(self.recoveries_s):.1f} s in the median; "
            f"{self.read} recordings decided again, identical; {self.empty} cut before their "
            "first chunk",
            max(silence_s, 0.0),
            recovery_s,
            silence_s <= SILENCE_S and self.read >= times // 2,
        )


def killed(folder: Path, model: Path, times: int) -> Killed:
    """Kills the daemon at random moments, then reads what it left."""
    rng = random.Random(times)
    result = Killed()
    with Bench(folder, model) as bench:
        for _ in range(times):
            bench.wait_for_targets(rng.randrange(1, 25))
            bench.daemon.kill()
            bench.daemon.wait()
            dead_ns = time.monotonic_ns()
            time.sleep(0.1)
            result.silences_s.append((bench.wire.targets[-1].at_ns - dead_ns) * 1e-9)
            started = time.monotonic()
            bench.start_daemon()
            bench.wait_for_targets(1)
            result.recoveries_s.append(time.monotonic() - started)
        bench.events()  # every whole line of the log can be read
        bench.daemon.terminate()
        bench.daemon.wait(10)
    for flight in sorted((folder / "recordings" / "flights").iterdir()):
        for boot in {p.name.split("-")[0] for p in flight.iterdir()}:
            files = [p for p in sorted(flight.iterdir()) if p.name.startswith(boot)]
            try:
                replayed = Replay(Recording(*files)).run()
            except RecordingError as error:
                assert "cut short before anything was written" in str(error)
                result.empty += 1
                continue
            assert replayed.identical == replayed.decisions
            result.read += 1
        shutil.rmtree(flight)
    return result


@pytest.mark.timeout(200)
def test_killed_at_random_moments(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    keep(killed(tmp_path, model_path, 4).row(20))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_two_hundred_times(tmp_path: Path, model_path: Path, keep: Keep) -> None:
    keep(killed(tmp_path, model_path, 200).row(24))
