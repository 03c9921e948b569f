"""Shares with their intervals."""

from __future__ import annotations

import math

Z_95 = 1.959964


def rate(part: int, whole: int) -> dict[str, float] | None:
    """A share with its Wilson 95 % interval; None of nothing.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if whole == 0:
        return None
    share, z2 = part / whole, Z_95**2
    centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = Z_95 / (1 + z2 / whole)
    half *= math.sqrt(share * (1 - share) / whole + z2 / (4 * whole**2))
    low = 0.0 if part == 0 else max(0.0, centre - half)
    high = 1.0 if part == whole else min(1.0, centre + half)
    return {"share": share, "low": low, "high": high}
