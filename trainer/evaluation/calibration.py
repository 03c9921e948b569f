"""Calibration: expected calibration error (ECE), and the temperature that lowers it.

ECE is the mean over bins, weighted by pixels, of |confidence - accuracy| (Naeini 2015; 15 equal bins of the greatest
class probability). Temperature scaling follows Guo et al. 2017, "On Calibration of Modern Neural Networks". Both use a
regular grid of pixels of every picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

BINS = 15
TEMPERATURE_LIMITS = (0.25, 8.0)
_STEPS = 48


@dataclass
class Reliability:
    """Statements of a model in bins of their stated probability: pixels, and sums of probability and truth."""

    bins: int = BINS
    counts: npt.NDArray[np.float64] = field(init=False)
    confidence: npt.NDArray[np.float64] = field(init=False)
    right: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.counts, self.confidence, self.right = np.zeros((3, self.bins))

    def add(self, probability: npt.NDArray[np.floating[Any]], true: npt.NDArray[np.bool_]) -> None:
        """Adds statements: stated probabilities, and the truth of each."""
        place = np.clip((probability * self.bins).astype(np.int64), 0, self.bins - 1)
        self.counts += np.bincount(place, minlength=self.bins)
        self.confidence += np.bincount(place, weights=probability, minlength=self.bins)
        self.right += np.bincount(place, weights=true, minlength=self.bins)

    @property
    def ece(self) -> float | None:
        """Expected calibration error, 0 to 1; None without pixels."""
        total = self.counts.sum()
        return float(np.abs(self.confidence - self.right).sum() / total) if total else None

    def to_mapping(self) -> dict[str, Any]:
        """Return shares of pixels, mean probabilities and accuracies per bin, for JSON."""
        counts = np.maximum(self.counts, 1)
        return {
            "ece": self.ece,
            "pixels": int(self.counts.sum()),
            "share": [round(float(v), 5) for v in self.counts / max(1.0, self.counts.sum())],
            "confidence": [round(float(v), 4) for v in self.confidence / counts],
            "accuracy": [round(float(v), 4) for v in self.right / counts],
        }


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the temperature of least negative log-likelihood, by bisection.

    The likelihood is convex in 1 / temperature: its slope is the mean of the expected less the true logit.

    Args:
        logits: (n, K) of labelled pixels.
        labels: (n,) true classes.

    Returns:
        Within `TEMPERATURE_LIMITS`; 1 without any pixel.
    """
    if len(labels) == 0:
        return 1.0
    true = logits.gather(1, labels.long().view(-1, 1)).squeeze(1).double().mean()

    def slope(sharpness: float) -> float:
        share = F.softmax(logits * sharpness, dim=1)
        return float((share * logits).sum(1).double().mean() - true)

    low, high = (1.0 / limit for limit in reversed(TEMPERATURE_LIMITS))
    if slope(low) >= 0:
        return TEMPERATURE_LIMITS[1]
    if slope(high) <= 0:
        return TEMPERATURE_LIMITS[0]
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
        if high / low < 1 + 1e-5:
            break
    return float(1.0 / (low * high) ** 0.5)


def negative_log_likelihood(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> float:
    """Mean over pixels, nats."""
    return float(F.cross_entropy(logits / temperature, labels.long())) if len(labels) else 0.0


def sample_places(shape: tuple[int, int], most: int) -> tuple[slice, slice]:
    """Rows and columns of a regular grid of at most `most` pixels of a map."""
    step = max(1, int(np.ceil((shape[0] * shape[1] / max(1, most)) ** 0.5)))
    rows, columns = (slice(min(step // 2, side - 1), None, step) for side in shape)
    return rows, columns
