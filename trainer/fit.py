"""A training run, from labelled pictures to `best.pt`.

`val` chooses the best epoch; `test` is scored once, at the end, with that checkpoint. When a time
limit will not hold the planned epochs, the plan is shortened to what fits, and this is said, so
that the learning rate still ends low.
"""

from __future__ import annotations

import json
import math
import platform
import time
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from landing.errors import DataError, InvalidValueError, ModelError, TouchdownError
from landing.taxonomy import Role
from trainer.batches import TrainingBatches
from trainer.checkpoint import Checkpoint
from trainer.data import cache
from trainer.data.augment import Variation
from trainer.data.choice import open_and_split
from trainer.data.samples import LabeledSet
from trainer.data.splits import Split
from trainer.evaluate import Evaluator
from trainer.loss import SegmentationLoss, inverse_sqrt_weights
from trainer.metrics import Scores
from trainer.model import (
    NORMALISATIONS,
    EncoderWeights,
    ModelConfig,
    build,
    load_imagenet,
    normalise,
)
from trainer.progress import Progress, say
from trainer.recipe import Recipe, RunLimits
from trainer.schedule import epochs_that_fit, one_cycle

BEST, LAST, METRICS = "best.pt", "last.pt", "metrics.json"
_CACHE_MARGIN = 1.25


class NotFiniteError(TouchdownError):
    """The loss became infinite or not a number."""


@dataclass
class _State:
    """What moves during a run."""

    epoch: int = 0
    planned: int = 0
    best_epoch: int = 0
    best_miou: float = -1.0
    best_val: dict[str, Any] | None = None


class Run:
    """One training run: the network, its optimiser, and where it stands.

    Args:
        recipe: What to do.
        limits: Where and how long.
        resume: A `last.pt` of the same recipe, to go on from.

    Raises:
        TouchdownError: Data, weights, network or device are not usable.
    """

    def __init__(self, recipe: Recipe, limits: RunLimits, resume: Checkpoint | None) -> None:
        self.recipe = recipe
        self.limits = limits
        self.device = choose_device(limits.device)
        self.precision = choose_precision(recipe.precision, self.device)
        if limits.threads:
            torch.set_num_threads(limits.threads)
        torch.manual_seed(recipe.seed)
        self.data, self.split = open_and_split(recipe.data)
        self.out = Path(limits.out)
        self._prepare_folder(resume)
        say(f"data: {self.data.name}, taxonomy {self.data.taxonomy.name}; {self.split.describe()}")
        network, self.config = prepare_network(recipe, len(self.data.taxonomy), resume)
        self.network = network.to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network, recipe.lr, recipe.encoder_lr_factor),
            weight_decay=recipe.weight_decay,
        )
        self.state = _State(planned=recipe.epochs)
        if resume is not None:
            self._restore(resume)

    def _prepare_folder(self, resume: Checkpoint | None) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidValueError(f"output folder {self.out}: {error.strerror}") from error
        if resume is None and (self.out / LAST).exists():
            raise InvalidValueError(
                f"{self.out} already holds a run ({LAST}); choose another --out, or go on with "
                f"--resume {self.out / LAST}"
            )

    def _restore(self, resume: Checkpoint) -> None:
        kept = resume.training or {}
        if resume.taxonomy != self.data.taxonomy:
            raise ModelError("the data to resume on has another taxonomy than the checkpoint")
        self.network.load_state_dict(resume.weights)
        self.optimizer.load_state_dict(kept["optimizer"])
        torch.set_rng_state(kept["rng"])
        self.state = _State(
            resume.epoch, kept["planned"], kept["best_epoch"], kept["best_miou"], kept["best_val"]
        )
        say(f"resumed after epoch {self.state.epoch} of {self.state.planned}")

    def train(self) -> dict[str, Any]:
        """Trains to the end of the plan, or as far as the limits allow.

        Returns:
            What is in `metrics.json`.
        """
        started = time.monotonic()
        train, val = self._load_pictures()
        batches = TrainingBatches(
            train, self.config.input_wh, self._variation(), self.recipe.batch, self.recipe.repeat,
            self.recipe.seed, self.limits.workers,
        )  # fmt: skip
        loss_of = SegmentationLoss(self._class_weights(train), self.recipe.dice).to(self.device)
        evaluator = self._evaluator()
        say(
            f"network: {self.config.architecture}, input {self.config.width_px}x"
            f"{self.config.height_px}, {self.device}, {self.precision}; "
            f"{len(batches)} steps per epoch, {self.state.planned} epochs"
        )
        limit_s = self.limits.time_limit_min * 60
        slowest_s = 0.0
        while self.state.epoch < self.state.planned:
            epoch_started = time.monotonic()
            loss = self._one_epoch(batches, loss_of)
            self.state.epoch += 1
            scores = evaluator.score_cached(val)
            self._keep(scores)
            now = time.monotonic()
            slowest_s = max(slowest_s, now - epoch_started)
            say(
                f"epoch {self.state.epoch}/{self.state.planned}: loss {loss:.4f}, "
                f"val mIoU {scores.miou_in_truth:.4f}, "
                f"false-safe {scores.false_safe_rate or 0.0:.4f}, "
                f"{now - epoch_started:.1f} s" + (" *" if self._is_best() else "")
            )
            if self.limits.stop_after and self.state.epoch >= self.limits.stop_after:
                break
            fits = epochs_that_fit(
                self.state.planned, self.state.epoch, now - started, slowest_s, limit_s
            )
            if fits < self.state.planned:
                say(
                    f"time limit: {self.limits.time_limit_min:g} min hold {fits} of the "
                    f"{self.state.planned} planned epochs"
                )
                self.state.planned = fits
        return self._finish()

    def _load_pictures(self) -> tuple[list[cache.CachedSample], list[cache.CachedSample]]:
        limit = tuple(math.ceil(side * _CACHE_MARGIN) for side in self.config.input_wh)
        parts = []
        for title, samples in (("train", self.split.train), ("val", self.split.val)):
            with Progress(f"reading {title}", len(samples), every=100) as progress:
                parts.append(
                    cache.load(
                        self.data, samples, (limit[0], limit[1]), self.recipe.data.unknown_labels,
                        done=progress.step,
                    )
                )  # fmt: skip
        return parts[0], parts[1]

    def _variation(self) -> Variation:
        r = self.recipe
        paintable = self.data.taxonomy.ids_of(Role.LANDABLE)
        return Variation(r.zoom, r.tilt_deg, r.light, r.faults, r.focus, r.markings, paintable)

    def _class_weights(self, train: list[cache.CachedSample]) -> torch.Tensor | None:
        if self.recipe.class_weights == "none":
            return None
        return inverse_sqrt_weights(cache.class_pixels(train, len(self.data.taxonomy)))

    def _evaluator(self) -> Evaluator:
        return Evaluator(self.network, self.config, self.data.taxonomy, self.device, self.precision)

    def _one_epoch(self, batches: TrainingBatches, loss_of: SegmentationLoss) -> float:
        total_steps = len(batches) * self.state.planned
        step = len(batches) * self.state.epoch
        self.network.train()
        total = torch.zeros((), device=self.device)
        title = f"epoch {self.state.epoch + 1}/{self.state.planned}"
        with Progress(title, len(batches), every=50) as progress:
            for images, labels in batches.epoch(self.state.epoch):
                for group in self.optimizer.param_groups:
                    group["lr"] = group["peak_lr"] * one_cycle(step, total_steps)
                loss = self._one_step(images, labels, loss_of)
                if not math.isfinite(loss):
                    raise NotFiniteError(
                        f"the loss became {loss} in epoch {self.state.epoch + 1}; try a smaller "
                        f"--lr than {self.recipe.lr:g}, or --precision float32"
                    )
                total += loss
                step += 1
                progress.step(f"loss {loss:.3f}")
        return float(total) / max(1, len(batches))

    def _one_step(
        self, images: torch.Tensor, labels: torch.Tensor, loss_of: SegmentationLoss
    ) -> float:
        images, labels = images.to(self.device), labels.to(self.device).long()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits = self.network(normalise(images, self.config))
        loss = loss_of(logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        return float(loss.detach())

    def _is_best(self) -> bool:
        return self.state.best_epoch == self.state.epoch

    def _keep(self, val: Scores) -> None:
        if val.miou_in_truth > self.state.best_miou:
            self.state.best_miou = val.miou_in_truth
            self.state.best_epoch = self.state.epoch
            self.state.best_val = val.to_mapping()
            self._checkpoint({"val": val.to_mapping()}, None).save(self.out / BEST)
        training = {
            "recipe": self.recipe.model_dump(mode="json"),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "planned": self.state.planned,
            "best_epoch": self.state.best_epoch,
            "best_miou": self.state.best_miou,
            "best_val": self.state.best_val,
        }
        self._checkpoint({"val": val.to_mapping()}, training).save(self.out / LAST)

    def _checkpoint(self, metrics: dict[str, Any], training: dict[str, Any] | None) -> Checkpoint:
        weights = {
            k: v.detach().cpu().contiguous().clone() for k, v in self.network.state_dict().items()
        }
        return Checkpoint(
            self.config, self.data.taxonomy, weights, self.state.epoch,
            provenance(self.recipe, self.data, self.split, self.precision), metrics, training,
        )  # fmt: skip

    def _finish(self) -> dict[str, Any]:
        """Scores the chosen checkpoint at label resolution and writes what was found."""
        best = Checkpoint.load(self.out / BEST)
        self.network.load_state_dict(best.weights)
        evaluator = self._evaluator()
        unknown = self.recipe.data.unknown_labels
        metrics: dict[str, Any] = {}
        for part, samples in (("val", self.split.val), ("test", self.split.test)):
            if samples:
                scores = evaluator.score_files(self.data, samples, unknown, part)
                metrics[part] = scores.to_mapping()
                say(f"{part}, best epoch {best.epoch}, at label resolution:\n{scores.table()}")
        replace(best, metrics=metrics).save(self.out / BEST)
        report = {
            "best_epoch": best.epoch,
            "epochs": self.state.epoch,
            "planned_epochs": self.state.planned,
            "resolution": "labels",
            "parts": metrics,
            "provenance": best.provenance,
        }
        (self.out / METRICS).write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        say(f"wrote {self.out / BEST}, {self.out / LAST}, {self.out / METRICS}")
        return report


def prepare_network(
    recipe: Recipe, classes: int, resume: Checkpoint | None
) -> tuple[nn.Module, ModelConfig]:
    """The network with its starting weights, and the configuration that goes with them.

    Raises:
        InvalidValueError: The network cannot be built.
        ModelError: The encoder weights are not usable.
    """
    if resume is not None:
        return build(resume.model), resume.model
    config = ModelConfig(
        arch=recipe.arch, encoder=recipe.encoder, encoder_depth=recipe.encoder_depth,
        decoder_channels=recipe.decoder_channels, classes=classes,
        width_px=recipe.width_px, height_px=recipe.height_px,
    )  # fmt: skip
    chosen = recipe.encoder_weights
    network: nn.Module
    if chosen == "none":
        network = build(config)
    elif chosen == "imagenet":
        network = build(config)
        config = load_imagenet(_encoder_of(network), config)
    else:
        weights = EncoderWeights(chosen)
        config = weights.adapt(config)
        network = build(config)
        matched, total = weights.load_into(_encoder_of(network))
        say(f"encoder weights {Path(chosen).name}: {matched} of {total} tensors matched")
    if recipe.normalisation != "auto":
        mean, std = NORMALISATIONS[recipe.normalisation]
        config = config.model_copy(update={"mean_rgb": mean, "std_rgb": std})
    return network, config


def _encoder_of(network: nn.Module) -> nn.Module:
    encoder = network.encoder
    assert isinstance(encoder, nn.Module)
    return encoder


def parameter_groups(
    network: nn.Module, lr: float, encoder_lr_factor: float
) -> list[dict[str, Any]]:
    """Encoder and decoder apart, and no weight decay on biases and BatchNorm."""
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


def choose_device(name: str) -> torch.device:
    """The device to train on.

    Raises:
        InvalidValueError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidValueError(f"device {name!r} is not usable: {reason}; use cpu") from error
    return device


def choose_precision(wanted: str, device: torch.device) -> str:
    """What to compute in: by default bfloat16 on a GPU that has it, else float32."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def provenance(recipe: Recipe, data: LabeledSet, split: Split, precision: str) -> dict[str, str]:
    """Where the weights come from, as text."""
    try:
        own = version("touchdown")
    except PackageNotFoundError:
        own = "source"
    return {
        "trained_on": f"{data.name}: {len(split.train)} pictures",
        "split": split.describe(),
        "recipe": recipe.command(),
        "licence": data.terms,
        "touchdown_version": own,
        "torch": str(torch.__version__),  # a plain string: its own type is refused on loading
        "python": platform.python_version(),
        "precision": precision,
    }


def fit(recipe: Recipe, limits: RunLimits) -> dict[str, Any]:
    """Trains from the start; see `Run`."""
    return Run(recipe, limits, None).train()


def resume(path: str | Path, limits: RunLimits, folder: str = "") -> dict[str, Any]:
    """Goes on with an interrupted run, by the recipe in its checkpoint.

    Args:
        path: A `last.pt`.
        limits: Where and how long; `out` should be the folder of `path`.
        folder: The data, if it lies elsewhere now.

    Raises:
        ModelError: The checkpoint is not one to go on from.
    """
    checkpoint = Checkpoint.load(path)
    if checkpoint.training is None:
        raise ModelError(f"{path} holds no optimiser state; resume from {LAST}")
    recipe = Recipe.model_validate(checkpoint.training["recipe"])
    if folder:
        moved = recipe.data.model_copy(update={"folder": folder})
        recipe = recipe.model_copy(update={"data": moved})
    return Run(recipe, limits, checkpoint).train()


def evaluate(path: str | Path, choice: Any, part: str, device: str) -> Scores:
    """Scores a checkpoint on a part ("train", "val", "test" or "all") of a data set.

    Raises:
        DataError: The part is empty, or the labels mean something else than the model's classes.
    """
    checkpoint = Checkpoint.load(path)
    data, split = open_and_split(choice)
    same = [c.name for c in data.taxonomy.classes] == [c.name for c in checkpoint.taxonomy.classes]
    if not same:
        raise DataError(
            f"the data has taxonomy {data.taxonomy.name!r} but the checkpoint was trained on "
            f"{checkpoint.taxonomy.name!r}; their classes differ"
        )
    samples = data.samples if part == "all" else getattr(split, part)
    if not samples:
        raise DataError(f"the {part} part is empty ({split.describe()})")
    where = choose_device(device)
    evaluator = Evaluator(
        checkpoint.network().to(where), checkpoint.model, checkpoint.taxonomy, where
    )
    return evaluator.score_files(data, samples, choice.unknown_labels, part)
