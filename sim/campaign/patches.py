"""Correlation of a network's errors: over a picture, from one picture to the next, over a world, at people.

What a landing meets is the tail: the worst ground of each class, and people who are missed. So pixels (and people) are
judged wrong or not, and the correlation told is that of the two normal variables behind two such judgements
(tetrachoric). The correlation of all outputs would say far
less: most are right to the last digit, and differ by chance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from landing.geometry import FloatArray
from landing.types import ByteArray

TAIL = 0.05
"""Part of the pixels of each class that counts as wrong: the worst."""

UNKNOWN = 255
"""Label of pixels that do not count."""

LAGS_PX = (2, 4, 8, 12, 16, 24, 32, 48)
REGION_TIMES = 5.0
"""A region in which a network does badly is this much larger than a patch."""

LEAST_PAIRS = 1_000
LEAST_OF_WORLDS = 40
"""Pairs of places that tell what a world's share is."""
LEAST_MISSED = 12

LEAST_SEEN = 200
"""Pixels of a class with which a picture tells how the network does on it."""

Bools = npt.NDArray[np.bool_]


@dataclass
class Together:
    """Counts of two judgements: pairs, wrong at the first, at the second, at both; shares of pairs add up to counts."""

    pairs: int = 0
    first: float = 0
    second: float = 0
    both: float = 0

    def add(self, first: Bools, second: Bools) -> None:
        """Counts pairs of judgements, of one shape."""
        self.pairs += first.size
        self.first += int(np.count_nonzero(first))
        self.second += int(np.count_nonzero(second))
        self.both += int(np.count_nonzero(first & second))

    def __add__(self, other: Together) -> Together:
        return Together(
            self.pairs + other.pairs, self.first + other.first, self.second + other.second, self.both + other.both
        )

    def correlation(self) -> float:
        """Tetrachoric; NaN where nothing, or all, was wrong."""
        if not (0 < self.first < self.pairs and 0 < self.second < self.pairs):
            return math.nan
        normal = NormalDist()
        first = normal.inv_cdf(1.0 - self.first / self.pairs)
        second = normal.inv_cdf(1.0 - self.second / self.pairs)
        return _correlation_of(first, second, self.both / self.pairs)


def _correlation_of(a: float, b: float, both: float) -> float:
    """With which two standard normal variables are above a and b with probability `both`."""
    low, high = -0.99, 0.999
    for _ in range(24):
        middle = (low + high) / 2.0
        if _both_above(a, b, middle) < both:
            low = middle
        else:
            high = middle
    return low


_ERFC = np.vectorize(math.erfc)


def _both_above(a: float, b: float, correlation: float) -> float:
    x = np.linspace(a, max(a, 0.0) + 7.0, 600)
    rest = (b - correlation * x) / math.sqrt(2.0 * (1.0 - correlation**2))
    density = np.exp(-(x**2) / 2.0) / math.sqrt(2.0 * math.pi) * 0.5 * _ERFC(rest)
    return float((density[1:] + density[:-1]).sum() * (x[1] - x[0]) / 2.0)


@dataclass(frozen=True)
class Place:
    """Place where a picture was taken.

    Attributes:
        world: Its number.
        north_m, east_m: Of the camera.
        view_m: Width of ground in the picture.
    """

    world: int
    north_m: float
    east_m: float
    view_m: float

    def beside(self, other: Place) -> bool:
        """Return True when both are of one world and show no ground in common."""
        apart_m = math.hypot(self.north_m - other.north_m, self.east_m - other.east_m)
        return self.world == other.world and apart_m > (self.view_m + other.view_m) / 2


@dataclass
class Patches:
    """Collects how wrong pixels inside areas were, picture by picture, in one band of heights."""

    _first: list[ByteArray] = field(default_factory=list)
    _labels: list[ByteArray] = field(default_factory=list)
    _second: list[ByteArray] = field(default_factory=list)
    _shared: list[ByteArray] = field(default_factory=list)
    _places: list[Place] = field(default_factory=list)

    def add(self, first: ByteArray, labels: ByteArray, second: ByteArray, labels_then: ByteArray, place: Place) -> None:
        """One picture, and the next one as seen from the first.

        Args:
            first: Error of each pixel, uint8 (h, w), any monotone scale.
            labels: Classes of those pixels that count; else `UNKNOWN`.
            second: The same of the next picture, brought onto the first.
            labels_then: Its classes.
            place: Of the first.
        """
        self._places.append(place)
        self._first.append(first)
        self._labels.append(labels)
        self._second.append(second)
        self._shared.append(np.where(labels == labels_then, labels, np.uint8(UNKNOWN)))

    def measure(self) -> tuple[float, float, float]:
        """Patch size (px, to 1/e), share of the regions, and of what stays in the next picture.

        Returns:
            NaN each where too little was seen.
        """
        if not self._first:
            return math.nan, math.nan, math.nan
        first, labels = np.stack(self._first), np.stack(self._labels)
        wrong, known = first > self._limits(first, labels)[labels], labels != UNKNOWN
        lags = [_over_pictures(wrong, known, lag) for lag in LAGS_PX]
        length_px, region = fitted([lag.correlation() for lag in lags])
        return length_px, region, self.kept()[0]

    def kept(self) -> tuple[float, int]:
        """Share of what is wrong that stays in the next picture, and pixels that tell it.

        NaN where too little was seen.
        """
        if not self._first:
            return math.nan, 0
        first, labels = np.stack(self._first), np.stack(self._labels)
        limits, there = self._limits(first, labels), np.stack(self._shared)
        seen = there != UNKNOWN
        stays = Together()
        stays.add((first > limits[labels])[seen], (np.stack(self._second) > limits[there])[seen])
        return (stays.correlation() if stays.pairs >= LEAST_PAIRS else math.nan), stays.pairs

    def over_worlds(self) -> Together:
        """Count what is wrong at one place of a world and at another, class by class; a pair of places counts 1."""
        if not self._first:
            return Together()
        first, labels = np.stack(self._first), np.stack(self._labels)
        limits, counted = self._limits(first, labels), Together()
        for value in np.unique(labels[labels != UNKNOWN]):
            of_class = labels == value
            seen = of_class.sum(axis=(1, 2))
            wrong = (of_class & (first > limits[value])).sum(axis=(1, 2)) / np.maximum(seen, 1)
            enough = np.flatnonzero(seen >= LEAST_SEEN)
            for i, j in itertools.combinations(enough.tolist(), 2):
                if self._places[i].beside(self._places[j]):
                    either = float(wrong[i] + wrong[j]) / 2
                    counted += Together(1, either, either, float(wrong[i] * wrong[j]))
        return counted

    @staticmethod
    def _limits(first: ByteArray, labels: ByteArray) -> FloatArray:
        """Above which a pixel of each class is among the worst."""
        limits = np.full(256, 256.0)
        for value in np.unique(labels[labels != UNKNOWN]):
            limits[value] = np.quantile(first[labels == value], 1.0 - TAIL)
        return limits


def _over_pictures(wrong: Bools, known: Bools, lag: int) -> Together:
    counted = Together()
    for a, b in (
        ((..., slice(None, -lag)), (..., slice(lag, None))),
        ((slice(None), slice(None, -lag)), (slice(None), slice(lag, None))),
    ):
        pairs = known[a] & known[b]
        counted.add(wrong[a][pairs], wrong[b][pairs])
    return counted


def fitted(correlations: Sequence[float]) -> tuple[float, float]:
    """Patch size and share of the regions that come nearest to correlations at `LAGS_PX`.

    The correlation of patches is exp(-(d / size)^2), that of regions the same with a size `REGION_TIMES` larger. Least
    squares on a grid.
    """
    lags, found = np.array(LAGS_PX, float), np.array(correlations)
    there = ~np.isnan(found)
    if not there.any():
        return math.nan, math.nan
    lags, found = lags[there], found[there]
    best = (math.inf, math.nan, math.nan)
    for size in np.arange(2.0, 24.1, 0.5):
        patch, region = np.exp(-((lags / size) ** 2)), np.exp(-((lags / size / REGION_TIMES) ** 2))
        # Linear in the share: solved, and kept between none and all.
        across = region - patch
        share = float(np.clip(across @ (found - patch) / (across @ across), 0.0, 1.0))
        error = float(np.sum((patch + share * across - found) ** 2))
        best = min(best, (error, float(size), share))
    return best[1], best[2]


def mover_persistence(bands: Sequence[Together], number: int) -> float:
    """Return the share of a miss that stays: of one band, or of as many as it takes.

    Args:
        bands: For each person or vehicle: missed in one picture, and in the next.
        number: Of the band.
    """
    for reach in range(len(bands)):
        near = bands[max(0, number - reach) : number + reach + 1]
        counted = sum(near, Together())
        if min(counted.first, counted.second) >= LEAST_MISSED:
            return counted.correlation()
    return math.nan


def world_share(bands: Sequence[Patches], number: int) -> float:
    """Return the share of the variance that all of a world has in common: of one band, or of as many as it takes.

    A network that does not know a world's gravel in a world's light errs on all of it. From high up a world has no two
    places without ground in common: lower bands tell.

    Args:
        bands: Pictures, each with its place.
        number: Of the band.
    """
    counts = [patches.over_worlds() for patches in bands]
    for reach in range(len(bands)):
        counted = sum(counts[max(0, number - reach) : number + reach + 1], Together())
        if counted.pairs >= LEAST_OF_WORLDS:
            return max(counted.correlation(), 0.0)
    return math.nan
