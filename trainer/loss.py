"""The training loss: cross-entropy, soft Dice, and the cost of hazards called landable."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from trainer.data.roles import ROLE_ORDER, labels_of
from trainer.data.samples import IGNORE
from trainer.recipe import LossChoice

_WEIGHT_RANGE = (0.3, 6.0)

HAZARD_WEIGHT = {Role.OBSTACLE: 1.0, Role.WATER: 1.0, Role.VEHICLE: 2.0, Role.PERSON: 8.0}
"""Cost of a hazard pixel called landable, by role.

An obstacle or water costs the vehicle. A car may have people in it and may drive off. A person is what must never be
hit, and is small: without a weight, the mean over hazard pixels would be that of trees and roofs. Eight brings the
people of the Semantic Drone Dataset, 1 in 34 of its hazard pixels, to about a fifth of the cost; with much more, one
person outweighs all else in a picture.
"""


class SegmentationLoss(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
    """Sum of the losses of a choice, over the labelled pixels of a batch.

    A batch without a labelled pixel costs 0 and has a zero gradient, not NaN. Class weights have the shape (K,).

    A pixel with a role label (`trainer.data.roles`) asks that the classes of the role together are probable: its
    cross-entropy is that of their sum, its weight the mean of theirs. Dice leaves it out.
    """

    def __init__(
        self, choice: LossChoice, class_weights: torch.Tensor | None, taxonomy: Taxonomy, by_role: bool = False
    ) -> None:
        super().__init__()
        self._choice = choice
        self._members = [list(taxonomy.ids_of(role)) for role in ROLE_ORDER] if by_role else []
        landable = torch.from_numpy(taxonomy.landable_lut[: len(taxonomy)].copy())
        hazard = torch.zeros(len(taxonomy) + len(ROLE_ORDER))
        for role in HAZARD_ROLES:
            hazard[list(labels_of(taxonomy, role))] = HAZARD_WEIGHT[role]
        if class_weights is not None and by_role:
            of_roles = [class_weights[ids].mean() if ids else torch.tensor(0.0) for ids in self._members]
            class_weights = torch.cat([class_weights, torch.stack(of_roles)])
        # Not in the state: they follow from the recipe, and a checkpoint holds only the network.
        self.register_buffer("_class_weights", class_weights, persistent=False)
        self.register_buffer("_elsewhere", (~landable).float(), persistent=False)
        self.register_buffer("_hazard_weights", hazard, persistent=False)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar.

        Args:
            logits: Float (B, K, h, w).
            labels: int64 (B, H, W), `IGNORE` where unlabelled. Where they are finer than the logits, each logit is
                compared with the label in the middle of its cell: with an output stride of 4, a sixteenth of the work.
        """
        labels = labels_at(labels, logits.shape[-2:])
        # In half precision a softmax over many classes does not add up to one; and it, and the sums below, are several
        # times slower on channels-last memory than one copy.
        logs = logits.float().flatten(2).contiguous().log_softmax(1)
        labels = labels.flatten(1)
        valid = labels != IGNORE
        truth = labels.where(valid, labels.new_zeros(()))
        # One gather of the true class serves cross-entropy and Dice. One-hot maps of all classes, as
        # smp.losses.DiceLoss builds, make Dice alone 3 to 6 times as long.
        log_true = self._with_roles(logs).gather(1, truth.unsqueeze(1)).squeeze(1)
        loss = self._per_pixel(log_true, truth, valid)
        choice = self._choice
        if choice.dice or choice.hazard_cost:
            probabilities = logs.exp()
            if choice.dice:
                exact = valid & (truth < logs.shape[1])
                of_class = truth.where(exact, truth.new_zeros(()))
                loss = loss + choice.dice * _soft_dice(probabilities, log_true, of_class, exact)
            if choice.hazard_cost:
                cost = self._hazard_cost(probabilities, truth, valid)
                loss = loss + choice.hazard_cost * cost
        return loss

    def _with_roles(self, logs: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (B, K, n) with those of the roles behind them, (B, K + R, n); a role without classes: 0."""
        if not self._members:
            return logs
        empty = torch.zeros_like(logs[:, :1])
        sums = [logs[:, ids].logsumexp(1, keepdim=True) if ids else empty for ids in self._members]
        return torch.cat([logs, *sums], 1)

    def _per_pixel(self, log_true: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Weighted mean of cross-entropy."""
        weights = valid.float()
        if self._class_weights is not None:
            weights = weights * self._class_weights[truth]
        return (weights * -log_true).sum() / weights.sum().clamp(min=1e-6)

    def _hazard_cost(self, probabilities: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Weighted mean of -log(1 - p) on hazards, with p the probability of landable ground.

        1 - p is summed from the other classes: a subtraction would round to 0, and its gradient with it, where the
        network is surest and most wrong.
        """
        elsewhere = self._elsewhere @ probabilities
        weights = self._hazard_weights[truth] * valid
        cost = -elsewhere.clamp(min=1e-30).log()
        return (weights * cost).sum() / weights.sum().clamp(min=1.0)


def labels_at(labels: torch.Tensor, size_hw: tuple[int, int] | torch.Size) -> torch.Tensor:
    """Return labels (B, H, W) at a lower resolution (B, h, w): those in the middle of each cell."""
    if labels.shape[-2:] == size_hw:
        return labels
    for dimension, size in zip((-2, -1), size_hw, strict=True):
        have = labels.shape[dimension]
        cells = torch.arange(size, device=labels.device)
        labels = labels.index_select(dimension, (2 * cells + 1) * have // (2 * size))
    return labels


def _soft_dice(
    probabilities: torch.Tensor, log_true: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """One less the soft Dice coefficient, averaged over the classes present in the batch."""
    classes = probabilities.shape[1]
    of_truth = (log_true.exp() * valid).flatten()
    overlap = of_truth.new_zeros(classes).index_add(0, truth.flatten(), of_truth)
    pixels = torch.bincount(truth[valid], minlength=classes)
    size = (probabilities @ valid.float().unsqueeze(2)).sum((0, 2)) + pixels
    present = pixels > 0
    dice = 2 * overlap / size.clamp(min=1.0)
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def inverse_sqrt_weights(pixels: npt.NDArray[np.int64]) -> torch.Tensor:
    """Class weights: one over the root of the pixels per class, clipped; 1 for the median and for absent classes."""
    present = pixels > 0
    weights = np.ones(len(pixels))
    weights[present] = 1 / np.sqrt(pixels[present])
    weights[present] /= np.median(weights[present])
    clipped = np.clip(weights, *_WEIGHT_RANGE)
    return torch.tensor(clipped, dtype=torch.float32)
