"""The training task for Lightning: a step, scores on val, and the content of checkpoints."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import nn

from landing.errors import TouchdownError
from landing.problems import Problem
from trainer.checkpoint import Checkpoint
from trainer.data.pictures import Batch
from trainer.data.samples import IGNORE
from trainer.loss import SegmentationLoss
from trainer.metrics import Scores
from trainer.model import ModelConfig, normalise
from trainer.recipe import Recipe
from trainer.schedule import CurvePoint, EpochPlan, one_cycle
from trainer.torchvision_guard import ensure_torchvision

ensure_torchvision()
from lightning.pytorch import LightningModule  # noqa: E402
from torchmetrics.classification import MulticlassConfusionMatrix  # noqa: E402

CHECK_EVERY_GPU = 20
"""Steps between looks at the loss on a GPU, where each look waits for the device."""


class NotFiniteError(TouchdownError):
    """The loss became infinite or not a number."""

    problem = Problem.DIVERGED


class SegmentationTask(LightningModule):  # type: ignore[misc]  # torch is not followed
    """Trains a network by a recipe and scores it on val; `about` describes the run in its checkpoints."""

    def __init__(
        self, network: nn.Module, about: Checkpoint, recipe: Recipe, loss: SegmentationLoss, plan: EpochPlan
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.plan = plan
        self._about = about
        self._recipe = recipe
        self._config: ModelConfig = about.model
        self._confusion = MulticlassConfusionMatrix(len(about.taxonomy), ignore_index=IGNORE, validate_args=False)
        self._loss_sum: torch.Tensor | float = 0.0
        self._val_pictures = 0
        self._cpu_h_before = 0.0
        self.scores: Scores | None = None
        self.has_begun = False

    def on_train_start(self) -> None:
        """Notes that an interrupted run's state was taken up."""
        self.has_begun = True

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K, h, w) of pictures uint8 (B, H, W, 3)."""
        logits: torch.Tensor = self.network(normalise(images, self._config))
        return logits

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW; its learning rate is set before each step."""
        return torch.optim.AdamW(
            parameter_groups(self.network, self._recipe.lr, self._recipe.encoder_lr_factor),
            weight_decay=self._recipe.weight_decay,
        )

    def on_train_epoch_start(self) -> None:
        """Seeds dropout by epoch and process, so that a resumed run draws the same; tells data the epoch."""
        seed = self._recipe.seed + 100_003 * self.current_epoch + 1_009 * self.global_rank
        torch.manual_seed(seed)
        self.trainer.datamodule.set_epoch(self.current_epoch)
        self._loss_sum = 0.0

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Sets the learning rate of the step."""
        step = self.current_epoch * self.plan.steps_per_epoch + batch_idx
        share = one_cycle(step, self.plan.epochs * self.plan.steps_per_epoch)
        for group in self.optimizers().param_groups:
            group["lr"] = group["peak_lr"] * share
        if batch_idx % 10 == 0:
            self.log("lr", self._recipe.lr * share)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch.

        Raises:
            NotFiniteError: The loss is not finite; the last checkpoint is from before that.
        """
        images, labels, names = batch
        loss: torch.Tensor = self.loss(self(images), labels.long())
        if self.device.type == "cpu" or batch_idx % CHECK_EVERY_GPU == 0:
            self._stop_unless_finite(loss, batch_idx, names)
        self._loss_sum = self._loss_sum + loss.detach()
        self.log("train_loss", loss.detach())
        return loss

    def _stop_unless_finite(self, loss: torch.Tensor, batch_idx: int, names: Any) -> None:
        finite = math.isfinite(float(loss.detach()))
        if self.trainer.world_size > 1:
            finite = self.trainer.strategy.reduce_boolean_decision(finite, all=True)
        if not finite:
            raise NotFiniteError(
                f"the loss became {float(loss.detach())} in epoch {self.current_epoch + 1}, step "
                f"{batch_idx + 1}, on the pictures {', '.join(names[:8])}. The checkpoint of the "
                f"epoch before is kept; try a smaller --lr than {self._recipe.lr:g}, or "
                "--precision float32"
            )

    @property
    def train_loss(self) -> float:
        """Mean loss of this process in the epoch."""
        return float(self._loss_sum) / max(1, self.plan.steps_per_epoch)

    def on_validation_start(self) -> None:
        """Stops a run whose loss went bad between two looks, before it is saved.

        Raises:
            NotFiniteError: The mean loss is not finite.
        """
        self._stop_unless_finite(torch.tensor(self.train_loss), self.plan.steps_per_epoch - 1, ["of this epoch"])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Counts the pixels of a batch."""
        images, labels, names = batch
        logits = self(images).float()
        if logits.shape[-2:] != labels.shape[-2:]:
            logits = nn.functional.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
        self._confusion.update(logits.argmax(1), labels.long())
        self._val_pictures += len(names)

    def on_validation_epoch_end(self) -> None:
        """Turns the counts of all processes into scores.

        Raises:
            DataError: There is nothing to choose an epoch by.
        """
        matrix = self._confusion.compute().long().cpu().numpy()
        self._confusion.reset()
        self.scores = Scores.of(matrix, self._about.taxonomy, self._val_pictures)
        self._val_pictures = 0
        for name, value in self.scores.rates().items():
            self.log(f"val_{name}", value, rank_zero_only=True)
        self.log("val_choice", self.choice(self.scores))
        self.log("epochs_trained", float(self.current_epoch + 1))
        cpu_h = self._cpu_h_before + time.process_time() / 3600
        self.plan.curve.append(CurvePoint(self.current_epoch + 1, cpu_h, self.scores.miou_in_truth))

    def choice(self, scores: Scores) -> float:
        """Return the score that chooses the best epoch."""
        return scores.chosen_by(self._recipe.choose_by)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the trainer's own description to Lightning's file."""
        about = self._about.description()
        about["epochs_trained"] = self.current_epoch + 1
        if self.scores is not None:
            about["metrics"] = {"val": self.scores.to_mapping()}
        checkpoint.update(about)
        checkpoint["plan"] = {"epochs": self.plan.epochs, "curve": [list(point) for point in self.plan.curve]}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes over the plan of the interrupted run, which a time limit may have shortened."""
        self.plan.epochs = int(checkpoint["plan"]["epochs"])
        self.plan.done = int(checkpoint["epochs_trained"])
        self.plan.curve = [CurvePoint(*point) for point in checkpoint["plan"]["curve"]]
        self._cpu_h_before = self.plan.curve[-1].cpu_h if self.plan.curve else 0.0


def parameter_groups(network: nn.Module, lr: float, encoder_lr_factor: float) -> list[dict[str, Any]]:
    """Return optimiser groups: encoder and rest, each with and without weight decay (none for scales and biases)."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        key = (name.startswith("encoder."), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    result = []
    for (in_encoder, decays), parameters in groups.items():
        peak = lr * (encoder_lr_factor if in_encoder else 1.0)
        group: dict[str, Any] = {"params": parameters, "lr": peak, "peak_lr": peak}
        if not decays:
            group["weight_decay"] = 0.0
        result.append(group)
    return result
