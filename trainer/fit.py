"""A training run, from labelled pictures to `best.pt`, on Lightning's loop.

`val` chooses the best epoch. `test` is left to `trainer evaluate`.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import platform
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from landing.distribution import VERSION
from landing.errors import InvalidValueError, ModelError, TouchdownError
from landing.problems import Problem
from landing.progress import say
from trainer.callbacks import (
    LAST,
    AverageWeights,
    EndInTime,
    FitProgress,
    Reporter,
    WholeFiles,
    keep,
    keep_best,
    keep_every,
)
from trainer.checkpoint import Checkpoint
from trainer.data.choice import open_and_split, require_classes
from trainer.data.samples import LabeledSet
from trainer.data.splits import Split
from trainer.datamodule import TrainingData
from trainer.evaluation.calibrate import calibrate_checkpoint
from trainer.evaluation.measure import SiteAssumptions
from trainer.evaluation.view import view_of
from trainer.hardware import Hardware, OutOfMemoryError, memory_advice
from trainer.loss import SegmentationLoss, inverse_sqrt_weights
from trainer.model import build, require_trainable
from trainer.recipe import Recipe, RunLimits
from trainer.scale import trained_range
from trainer.schedule import EpochPlan
from trainer.start import prepare_network
from trainer.task import SegmentationTask
from trainer.tensor_files import load_tensors
from trainer.torchvision_guard import ensure_torchvision

ensure_torchvision()
from lightning.pytorch import Trainer  # noqa: E402
from lightning.pytorch.callbacks import (  # noqa: E402
    Callback,
    EarlyStopping,
)
from lightning.pytorch.utilities.exceptions import MisconfigurationException  # noqa: E402

_STATE = ("epoch", "global_step", "pytorch-lightning_version", "loops", "callbacks", "lr_schedulers", "plan")
"""Entries of a run to go on from, beside weights and optimiser: without some, Lightning begins anew, silently."""

_STATE_ERRORS = (
    RuntimeError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    MisconfigurationException,
)
"""Errors that torch and Lightning raise on a state that is not theirs."""

BEST, METRICS = "best.pt", "metrics.json"


def fit(recipe: Recipe, limits: RunLimits) -> dict[str, Any]:
    """Trains from the start; returns the content of `metrics.json`.

    Raises:
        TouchdownError: Data, weights, network or device are not usable, the loss became NaN, or a checkpoint could not
            be written; earlier checkpoints stay.
    """
    return _run(recipe, limits, None)


def resume(
    path: str | Path, limits: RunLimits, folders: Sequence[str] = (), also: Sequence[str] = ()
) -> dict[str, Any]:
    """Goes on with an interrupted run, by the recipe in its `last.pt`.

    `folders` are the data, and `also` what teaches by role, if they lie elsewhere now.

    Raises:
        ModelError: The checkpoint is not one to go on from.
    """
    content = load_tensors(Path(path), "checkpoint")
    checkpoint = Checkpoint.of(content, path)
    if not content.get("optimizer_states"):
        raise ModelError(f"{path} holds no optimiser state; resume from {LAST}")
    missing = [name for name in _STATE if name not in content]
    if missing:
        raise ModelError(f"{path} is incomplete: it holds no {', '.join(missing)}; start anew with --init {path}")
    del content
    try:
        recipe = Recipe.model_validate(checkpoint.recipe)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(
            f"{path} was written by another version of the trainer, its recipe is not understood "
            f"({where}: {first['msg']}); start anew with --init {path}"
        ) from error
    moved = {name: tuple(given) for name, given in (("folders", folders), ("also", also)) if given}
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=moved)})
    return _run(recipe, limits, Path(path))


def _run(recipe: Recipe, limits: RunLimits, resume_from: Path | None) -> dict[str, Any]:
    _quieten()
    hardware = Hardware.choose(recipe, limits)
    data, split = open_and_split(recipe.data)
    absent = require_classes(data, recipe.data)
    out = _out_folder(Path(limits.out), resume_from)
    torch.manual_seed(recipe.seed)
    before = Checkpoint.load(resume_from) if resume_from else None
    if before is not None:
        _require_same_data(before, data, split)
    network, config = (build(before.model), before.model) if before else prepare_network(recipe, len(data.taxonomy))
    _say_first(f"data: {data.name}, taxonomy {data.taxonomy.name}; {split.describe()}")
    for line in (*data.remarks, absent):
        if line:
            _say_first(line)
    ground = trained_range(recipe, data, split.train)
    shown = "not known, so the model cannot say from how high its answer counts; give --ground-width-m"
    _say_first(f"ground: {shown if ground is None else f'{ground.describe()} a pixel, {ground.source}'}")
    pictures = TrainingData(data, split, recipe, limits, config.input_wh)
    require_trainable(network, config, pictures.batch_of(hardware.world))
    plan = EpochPlan(recipe.epochs, pictures.steps_per_epoch(hardware.world))
    weights = inverse_sqrt_weights(pictures.class_pixels)
    chosen = weights if recipe.loss.class_weights == "auto" else None
    loss = SegmentationLoss(recipe.loss, chosen, data.taxonomy, by_role=bool(recipe.data.also))
    network = network.to(memory_format=torch.channels_last)
    about = Checkpoint(
        config,
        data.taxonomy,
        {},
        0,
        provenance(recipe, data, split, hardware.precision),
        {},
        recipe.model_dump(mode="json"),
        ground,
    )
    task = SegmentationTask(network, about, recipe, loss, plan)
    best = keep_best(out, limits.keep_best)
    trainer = _trainer(recipe, limits, hardware, out, best)
    _say_first(
        f"network: {config.architecture}, input {config.width_px}x{config.height_px}, "
        f"{hardware.describe()}; {plan.steps_per_epoch} steps per epoch, {plan.epochs} epochs"
    )
    _train(trainer, task, pictures, recipe, resume_from)
    if not trainer.is_global_zero:
        return {}
    return _finish(plan, best.best_model_path, out, recipe, data, split, hardware)


def _require_same_data(before: Checkpoint, data: LabeledSet, split: Split) -> None:
    """Refuse to go on with a run on other data: val could hold what trained.

    Raises:
        ModelError: Classes differ, or the names in train or val.
    """
    if before.taxonomy.classes != data.taxonomy.classes:
        raise ModelError("the data to resume on has other classes than the checkpoint")
    if before.provenance.get("parts_sha256", split.digest()) != split.digest():
        raise ModelError(
            "the data to resume on has other pictures in train or val than the run had "
            f"(then: {before.provenance.get('split')}; now: {split.describe()}): val could hold what trained. "
            "Put the pictures back, or start anew with --init"
        )


def _train(
    trainer: Trainer, task: SegmentationTask, pictures: TrainingData, recipe: Recipe, resume_from: Path | None
) -> None:
    """Train, after taking up the state of an interrupted run.

    Raises:
        OutOfMemoryError: With what to change.
        ModelError: The interrupted run's state does not fit its own recipe, or is damaged.
    """
    try:
        trainer.fit(task, pictures, ckpt_path=str(resume_from) if resume_from else None, weights_only=True)
    except TouchdownError:
        raise
    except (*_STATE_ERRORS, MemoryError) as error:
        advice = memory_advice(error, recipe)
        if advice is not None:
            raise OutOfMemoryError(advice) from error
        if resume_from is None or task.has_begun:
            raise
        reason = (str(error).strip() or repr(error)).splitlines()[0][:200]
        raise ModelError(
            f"{resume_from} cannot be gone on with, its state does not fit its own recipe: {reason}; start anew with "
            f"--init {resume_from}"
        ) from error


def _trainer(recipe: Recipe, limits: RunLimits, hardware: Hardware, out: Path, best: Callback) -> Trainer:
    callbacks: list[Callback] = [FitProgress(), Reporter(), EndInTime(limits.time_limit_min * 60, limits.stop_after)]
    if recipe.ema:
        callbacks.append(AverageWeights(recipe.ema))
    if recipe.patience:
        callbacks.append(EarlyStopping("val_choice", patience=recipe.patience, mode="max"))
    callbacks += [best, keep(out, "last")]
    if limits.keep_every:
        callbacks.append(keep_every(out, limits.keep_every))
    return Trainer(
        **hardware.trainer_options(),
        max_epochs=recipe.epochs,
        accumulate_grad_batches=recipe.accumulate,
        gradient_clip_val=recipe.clip_norm,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=callbacks,
        logger=_logger(limits.logger, out),
        log_every_n_steps=10,
        default_root_dir=out,
        plugins=[WholeFiles(out)],
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _logger(name: str, out: Path) -> Any:
    """Return a logger of Lightning, by a short word or by its class path.

    Raises:
        InvalidValueError: There is no such class, or it cannot be made.
    """
    if name == "none":
        return False
    short = {"tensorboard": "TensorBoardLogger", "csv": "CSVLogger"}.get(name)
    path = f"lightning.pytorch.loggers.{short}" if short else name
    module, _, kind = path.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), kind)
        return made(save_dir=str(out), name="logs") if short else made()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InvalidValueError(
            f"--logger {name}: {str(error)[:200]}; expected tensorboard, csv, none or a class such "
            "as lightning.pytorch.loggers.WandbLogger"
        ) from error


def _finish(
    plan: EpochPlan, path: str, out: Path, recipe: Recipe, data: LabeledSet, split: Split, hardware: Hardware
) -> dict[str, Any]:
    """Writes the best epoch as a slim `best.pt`, calibrated and measured on val."""
    if not path or not Path(path).is_file():
        raise ModelError(f"no checkpoint was kept in {out}: not one epoch was finished", Problem.NO_CHECKPOINT)
    # Under its name when its thresholds are in it: without them it would fly by default, at the loosest.
    best = calibrate_checkpoint(
        path,
        data,
        split,
        "cuda" if hardware.accelerator == "gpu" else "cpu",
        split_column=recipe.data.split_column,
        precision="bfloat16" if hardware.precision == "bfloat16" else "float32",
        ground=SiteAssumptions(view_of(data, split.val, data.taxonomy, ground_width_m=recipe.data.ground_width_m)),
        output=out / BEST,
    )
    report = {
        "best_epoch": best.epoch,
        "epochs": plan.curve[-1].epoch,
        "planned_epochs": recipe.epochs,
        "resolution": "labels",
        "curve": [point._asdict() for point in plan.curve],
        "parts": best.metrics,
        "provenance": best.provenance,
    }
    (out / METRICS).write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    say(f"best epoch {best.epoch}: val mIoU {best.metrics['val']['miou_in_truth']:.4f}")
    say(f"wrote {out / BEST}, {out / LAST}, {out / METRICS}")
    if split.test:
        say(f"test ({len(split.test)} pictures) was not looked at: `trainer evaluate` reports it")
    return report


def _out_folder(out: Path, resume_from: Path | None) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidValueError(f"output folder {out}: {error.strerror}") from error
    if resume_from is None and (out / LAST).exists() and _first_process():
        raise InvalidValueError(
            f"{out} already holds a run ({LAST}); choose another --out, or go on with --resume {out / LAST}"
        )
    return out


def _first_process() -> bool:
    rank = os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_PROCID")
    return int(rank or 0) == 0


def _say_first(line: str) -> None:
    if _first_process():
        say(line)


def _quieten() -> None:
    """Silences Lightning's hints, which are for its own users."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*logging interval.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    # Every process logs the same scores: their counts were summed over all before.
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
    warnings.filterwarnings("ignore", message=".*`IterableDataset` has `__len__`.*")


def provenance(recipe: Recipe, data: LabeledSet, split: Split, precision: str) -> dict[str, str]:
    """Return the origin of the weights, as strings."""
    return {
        "trained_on": f"{data.name}: {len(split.train)} pictures",
        "split": split.describe(),
        "parts_sha256": split.digest(),
        "labels": "; ".join(data.remarks),
        "recipe": recipe.command(),
        "licence": data.terms,
        "touchdown_version": VERSION,
        "torch": str(torch.__version__),  # a plain string: its own type is refused on loading
        "python": platform.python_version(),
        "precision": precision,
    }
