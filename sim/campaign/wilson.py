"""Wilson's score interval of a share: honest at 0 of n and n of n, where the usual one is not."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""Quantile 0.975 of the standard normal distribution."""


@dataclass(frozen=True)
class Share:
    """`count` of `of`, with its 95 % interval.

    Attributes:
        count, of: Whole numbers.
        low, high: Wilson's interval, 0 to 1; the whole range when `of` is 0.
    """

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.count / self.of if self.of else None


def share(count: int, of: int, z: float = Z_95) -> Share:
    """A share and its score interval (Wilson, J. Am. Stat. Assoc. 22, 1927).

    Raises:
        ValueError: Not 0 <= count <= of.
    """
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no share")
    if of == 0:
        return Share(0, 0, 0.0, 1.0)
    p, zz = count / of, z * z
    middle = (p + zz / (2 * of)) / (1 + zz / of)
    half = z / (1 + zz / of) * math.sqrt(p * (1 - p) / of + zz / (4 * of * of))
    low = 0.0 if count == 0 else max(0.0, middle - half)
    high = 1.0 if count == of else min(1.0, middle + half)
    return Share(count, of, low, high)
