"""The autopilot's estimator is reset: no target points at other ground than was chosen."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest

from landing.geometry import FloatArray
from tests.faults.bench import Bench
from tests.faults.matrix import Row
from tests.faults.measure import Keep
from tests.faults.wire import Reset

pytestmark = [pytest.mark.flight, pytest.mark.timeout(200)]

GRASS = np.s_[12:36, 42:63]
"""The only ground to land on lies beside the vehicle, so another heading points at the roof."""

ALLOWED_S = 0.2
SAME_GROUND_M = 1.0
LASTS_S = 4.0
RESETS = (
    ("heading by 40 degrees", Reset(yaw_rad=math.radians(40))),
    ("position by 4.5 m", Reset(yaw_rad=math.radians(40), north_m=4.5)),
    ("height by 6 m, without a rangefinder", Reset(math.radians(40), 4.5, 6.0)),
)


def settled_m(bench: Bench) -> FloatArray:
    """Return the offset of a site that has stayed for 20 targets, FRD, m: it moves while the map fills."""
    until_s = time.monotonic() + 15.0
    while True:
        bench.wait_for_targets(10)
        last = np.array([t.offset_frd_m for t in bench.wire.targets[-20:]])
        if (len(last) == 20 and np.ptp(last, axis=0).max() < 0.2) or time.monotonic() > until_s:
            return np.asarray(np.median(last, axis=0))
        time.sleep(0.25)


@pytest.mark.parametrize("rate_hz", [4, 10, 50])
def test_reset(tmp_path: Path, model_path: Path, keep: Keep, rate_hz: int) -> None:
    link = {"attitude_rate_hz": float(rate_hz), "position_rate_hz": float(rate_hz), "ground_down_m": 0.0}
    expert = {"link": link}
    rows = []
    with Bench(tmp_path, model_path, {"expert": expert}, patch=GRASS) as bench:
        bench.wire.range_heard = False
        for number, (what, reset) in enumerate(RESETS):
            chosen_m = settled_m(bench)
            moved_before = len(bench.events("map-moved")) + len(bench.events("map-reset"))
            bench.wire.reset = reset
            reset_ns = time.monotonic_ns()
            time.sleep(LASTS_S)
            after = [t for t in bench.wire.targets if t.at_ns > reset_ns]
            wrong = [t for t in after if math.dist(t.offset_frd_m, chosen_m) > SAME_GROUND_M]
            last_wrong_s = max(((t.at_ns - reset_ns) * 1e-9 for t in wrong), default=0.0)
            recovery_s = bench.wait_for_targets(3)
            noticed = len(bench.events("map-moved")) + len(bench.events("map-reset"))
            rows.append(
                Row(
                    70 + 3 * number + (4, 10, 50).index(rate_hz),
                    f"estimator resets its {what}; pose messages at {rate_hz} Hz",
                    f"no target at other ground later than {ALLOWED_S:g} s; goes on at the same",
                    f"{len(after)} targets in {LASTS_S:g} s, {len(wrong)} of them more than "
                    f"{SAME_GROUND_M:g} m from the chosen ground; the map moved "
                    f"{noticed - moved_before} time",
                    last_wrong_s,
                    recovery_s,
                    last_wrong_s <= ALLOWED_S and noticed > moved_before and bool(after),
                )
            )
    for row in rows:
        keep(row)
