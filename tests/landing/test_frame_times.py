"""Frame numbers of the ground map: exact times back, whatever the order they come in."""

from __future__ import annotations

import numpy as np
import pytest

from landing.ground.frame_times import CLEARED_AT, NEVER_NS, FrameTimes


@pytest.mark.parametrize("ordered", [True, False])
def test_cells_keep_the_exact_times_of_their_frames(ordered: bool) -> None:
    rng = np.random.default_rng(1)
    times, seen, other = FrameTimes(), np.zeros((9, 9), np.int32), np.zeros((9, 9), np.int32)
    expected, others = np.full((9, 9), NEVER_NS), np.full((9, 9), NEVER_NS)
    for k in range(3 * CLEARED_AT):
        at_ns = int(k * 10_000_000 + (0 if ordered else rng.integers(-(10**9), 10**9))) + 10**12
        number = times.number(at_ns, (seen, other))
        cell = tuple(rng.integers(0, 9, 2))
        seen[cell], expected[cell] = number, at_ns
        if k % 7 == 0:
            other[cell], others[cell] = number, at_ns
    assert np.array_equal(times.stamps_ns(seen), expected)
    assert np.array_equal(times.stamps_ns(other), others)
    assert len(times._stamps_ns) <= 2 * CLEARED_AT
    limit_ns = int(np.median(expected)) + 1
    assert np.array_equal(seen >= times.since(limit_ns), expected >= limit_ns)
    again = FrameTimes(np.unique([expected, others]).tolist())
    assert np.array_equal(again.stamps_ns(again.numbers(expected)), expected)


def test_ages_are_infinite_where_nothing_was_seen() -> None:
    times, seen = FrameTimes(), np.zeros((1, 2), np.int32)
    seen[0, 1] = times.number(1_500_000_000, (seen,))
    assert times.ages_s(seen, 2_000_000_000).tolist() == [[np.inf, 0.5]]
