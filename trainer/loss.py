"""The loss: cross-entropy over labelled pixels, optionally with soft Dice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from trainer.data.samples import IGNORE

_WEIGHT_RANGE = (0.3, 6.0)


class SegmentationLoss(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
    """Weighted cross-entropy plus `dice` times one minus the soft Dice of the classes present.

    A batch without a single labelled pixel costs nothing, instead of NaN.
    """

    def __init__(self, class_weights: torch.Tensor | None, dice: float) -> None:
        super().__init__()
        self.register_buffer("_weights", class_weights)
        self._dice = dice

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of logits (B, K, H, W) and labels int64 (B, H, W)."""
        weights = self._weights
        logits = logits.float()
        total = F.cross_entropy(
            logits, labels, weight=weights, ignore_index=IGNORE, reduction="sum"
        )
        valid = labels != IGNORE
        mass = valid.sum() if weights is None else weights[labels[valid]].sum()
        loss = total / mass.clamp(min=1e-6)
        if self._dice:
            loss = loss + self._dice * _soft_dice_loss(logits, labels, valid)
        return loss


def _soft_dice_loss(
    logits: torch.Tensor, labels: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    classes = logits.shape[1]
    probability = logits.softmax(1) * valid.unsqueeze(1)
    truth = labels.where(valid, labels.new_zeros(()))
    # Gathered and summed by class: a one-hot map of all classes would cost more than the network.
    of_truth = probability.gather(1, truth.unsqueeze(1)).flatten()
    overlap = of_truth.new_zeros(classes).index_add(0, truth.flatten(), of_truth)
    pixels = torch.bincount(labels[valid], minlength=classes)
    size = probability.sum((0, 2, 3)) + pixels
    present = pixels > 0
    dice = 2 * overlap / size.clamp(min=1.0)
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def inverse_sqrt_weights(pixels: npt.NDArray[np.int64]) -> torch.Tensor:
    """Class weights by one over the root of their frequency, clipped; 1 for the median class.

    Args:
        pixels: Labelled pixels per class, shape (classes,); absent classes get weight 1.
    """
    present = pixels > 0
    weights = np.ones(len(pixels))
    weights[present] = 1 / np.sqrt(pixels[present])
    weights[present] /= np.median(weights[present])
    clipped = np.clip(weights, *_WEIGHT_RANGE)
    return torch.tensor(clipped, dtype=torch.float32)
