"""Callbacks of a run: saving, reporting, and ending in time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch

from landing.progress import Progress, say
from trainer.checkpoint import write_whole
from trainer.schedule import epochs_that_fit
from trainer.task import SegmentationTask
from trainer.tensor_files import load_tensors
from trainer.torchvision_guard import ensure_torchvision

ensure_torchvision()
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO  # noqa: E402
from lightning.pytorch import Trainer  # noqa: E402
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging  # noqa: E402

LAST = "last.pt"


class WholeFiles(CheckpointIO):  # type: ignore[misc]  # lightning is not followed
    """Writes checkpoints whole or not at all; reads tensors and plain values only.

    Args:
        folder: Of the run; what a checkpoint says of files in another folder holds for those of the same names there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Writes a file; see `trainer.checkpoint.write_whole`."""
        write_whole(checkpoint, Path(path))

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads tensors and plain values, whatever Lightning asks for."""
        content = load_tensors(Path(path), "checkpoint")
        for state in content.get("callbacks", {}).values():
            if isinstance(state, dict) and "dirpath" in state:
                _follow(state, self._folder)
        return content

    def remove_checkpoint(self, path: Any) -> None:
        """Removes a file."""
        Path(path).unlink(missing_ok=True)


def _follow(state: dict[str, Any], folder: Path) -> None:
    """Let the state of a `ModelCheckpoint` follow its files into the folder that they lie in; else leave it."""
    kept = state.get("best_k_models") or {}
    best = state.get("best_model_path") or ""
    named = {str(path) for path in (*kept, best) if path}
    if not all((folder / Path(path).name).is_file() for path in named):
        return

    def moved(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    state["dirpath"] = os.path.realpath(folder)
    state["best_k_models"] = {moved(path): score for path, score in kept.items()}
    for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[name] = moved(state.get(name) or "")


class EveryNthEpoch(ModelCheckpoint):  # type: ignore[misc]
    """Checkpoints of every n-th epoch, with a state of their own: where n is 1, `last.pt` has the same options."""

    @property
    def state_key(self) -> str:
        """Name of its state in a checkpoint."""
        return f"{super().state_key} {self.filename}"


def keep(folder: Path, filename: str, kind: type[ModelCheckpoint] = ModelCheckpoint, **options: Any) -> ModelCheckpoint:
    """Return a callback that writes checkpoints after epochs.

    `last.pt` needs one of its own: Lightning's `save_last` writes only after a best one.
    """
    callback = kind(
        dirpath=folder,
        filename=filename,
        auto_insert_metric_name=False,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        **options,
    )
    callback.FILE_EXTENSION = ".pt"
    return callback


def keep_every(folder: Path, epochs: int) -> ModelCheckpoint:
    """Return a callback that keeps the checkpoint of every n-th epoch."""
    return keep(folder, "epoch-{epochs_trained:03.0f}", EveryNthEpoch, every_n_epochs=epochs, save_top_k=-1)


def keep_best(folder: Path, count: int) -> ModelCheckpoint:
    """Return a callback that keeps the best checkpoints by the recipe's metric on val."""
    return keep(folder, "best-epoch-{epochs_trained:03.0f}", monitor="val_choice", mode="max", save_top_k=count)


class AverageWeights(WeightAveraging):  # type: ignore[misc]
    """Exponentially averaged weights: they are scored on val and kept in checkpoints.

    The decay rises from 0.1 towards its final value, so that the random start is soon forgotten (as in TensorFlow's
    ExponentialMovingAverage with `num_updates`).
    """

    def __init__(self, decay: float) -> None:
        def averaged(mean: torch.Tensor, now: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
            if not mean.is_floating_point():
                return now
            share = 1.0 - min(decay, (1.0 + int(count)) / (10.0 + int(count)))
            return torch.lerp(mean, now.to(mean.dtype), share)

        super().__init__(avg_fn=averaged)


class Reporter(Callback):  # type: ignore[misc]
    """Prints a line per epoch."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._best = -1.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: SegmentationTask) -> None:
        """Takes the time."""
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: SegmentationTask) -> None:
        """Prints loss, scores and time of the epoch; a star marks the best so far."""
        scores = pl_module.scores
        if scores is None or not trainer.is_global_zero:
            return
        value = pl_module.choice(scores)
        better, self._best = value > self._best, max(value, self._best)
        false_safe, person = scores.hazard_false_safe_rate, scores.person_recall
        say(
            f"epoch {trainer.current_epoch + 1}/{pl_module.plan.epochs}: loss "
            f"{pl_module.train_loss:.4f}, val mIoU {scores.miou_in_truth:.4f}, person recall "
            f"{'none' if person is None else f'{person:.3f}'}, hazard called landable "
            f"{'none' if false_safe is None else f'{false_safe:.3f}'}, "
            f"{time.monotonic() - self._started:.1f} s" + (" *" if better else "")
        )


class FitProgress(Callback):  # type: ignore[misc]
    """Shows how far the training is, over all epochs."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: SegmentationTask) -> None:
        """Begins, where a run that goes on has stopped."""
        if trainer.is_global_zero:
            plan = pl_module.plan
            steps = plan.steps_per_epoch
            self._progress = Progress("training", steps * plan.epochs, steps * trainer.current_epoch)
            self._progress.__enter__()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: SegmentationTask, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts a step."""
        if self._progress is not None:
            plan = pl_module.plan
            self._progress.total = plan.steps_per_epoch * plan.epochs
            self._progress.step(note=f"epoch {trainer.current_epoch + 1} of {plan.epochs}")

    def on_validation_batch_end(self, *_: Any) -> None:
        """Shows that it goes on."""
        if self._progress is not None:
            self._progress.tick()

    def on_train_end(self, *_: Any) -> None:
        """Takes it away."""
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
            self._progress = None

    def on_exception(self, *_: Any) -> None:
        """Takes it away before the error is told."""
        self.on_train_end()


class EndInTime(Callback):  # type: ignore[misc]
    """Shortens the plan to a time limit (0 for none), and ends the run when the plan, or `stop_after`, is reached."""

    def __init__(self, limit_s: float, stop_after: int) -> None:
        self._limit_s = limit_s
        self._stop_after = stop_after
        self._started = self._epoch_started = time.monotonic()
        self._slowest_s = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: SegmentationTask) -> None:
        """Takes the time."""
        self._epoch_started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: SegmentationTask) -> None:
        """Checks the clock; all processes follow the first one's."""
        now = time.monotonic()
        done = trainer.current_epoch + 1
        self._slowest_s = max(self._slowest_s, now - self._epoch_started)
        fits = epochs_that_fit(pl_module.plan.epochs, done, now - self._started, self._slowest_s, self._limit_s)
        fits = int(trainer.strategy.broadcast(torch.tensor(fits)))
        if fits < pl_module.plan.epochs:
            if trainer.is_global_zero:
                say(f"time limit: {self._limit_s / 60:g} min hold {fits} of the {pl_module.plan.epochs} planned epochs")
            pl_module.plan.epochs = fits
        if done >= pl_module.plan.epochs or (self._stop_after and done >= self._stop_after):
            trainer.should_stop = True
