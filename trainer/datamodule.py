"""The pictures of a run, for Lightning: decoded once into a store, or streamed from shards."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from landing.errors import DataError, InvalidValueError
from landing.progress import Progress
from landing.taxonomy import Role
from trainer.data.ground import zoom_of
from trainer.data.pictures import (
    EpochOrder,
    Kinds,
    LetterboxedPictures,
    Scale,
    StreamedPicture,
    TrainingPictures,
    one_thread_each,
)
from trainer.data.rare import RarePicker, rare_ids
from trainer.data.roles import labels_of
from trainer.data.samples import LabeledSet, Sample
from trainer.data.shards import ShardedSet
from trainer.data.splits import Split
from trainer.data.store import StoredSamples, open_or_prepare, shrunk_wh
from trainer.data.streaming import ShardStream
from trainer.recipe import Recipe, RunLimits
from trainer.scale import width_of
from trainer.torchvision_guard import ensure_torchvision

ensure_torchvision()
from lightning.pytorch import LightningDataModule  # noqa: E402

_STORE_MARGIN = 1.25
"""Pictures are kept a quarter larger than the input, for what zooms in."""

_STORE_MARGIN_BY_GROUND = 2.0
"""The same where ground sizes choose the zoom, which then reaches farther in."""


class TrainingData(LightningDataModule):  # type: ignore[misc]  # lightning is not followed
    """The pictures of a run, the same for every process.

    Attributes:
        class_pixels: Labelled training pixels of each class, shape (classes,).
    """

    def __init__(
        self, data: LabeledSet, split: Split, recipe: Recipe, limits: RunLimits, input_wh: tuple[int, int]
    ) -> None:
        super().__init__()
        self._recipe = recipe
        self._limits = limits
        self._input_wh = input_wh
        margin = stored_wh(recipe)
        store = store_folder(limits.cache, recipe)
        self._val = _decoded(data, split.val, margin, store, "val")
        require_labels(self._val.counts.sum(0)[: len(data.taxonomy)], "val", len(self._val))
        self._shards: ShardedSet | None = None
        self._to_tell: EpochOrder | ShardStream | None = None
        in_train = {name for name, part in (data.own_split or {}).items() if part == "train"}
        if isinstance(data, ShardedSet) and {sample.name for sample in split.train} == in_train:
            self._shards = data
            self.class_pixels = data.class_pixels["train"]
            self._count = len(split.train)
            require_labels(self.class_pixels, "train", self._count)
            rare = rare_ids(self.class_pixels, data.taxonomy, recipe.rare_classes)
            zoom_of_name = {s.name: _scale(data, s, recipe).zoom for s in split.train}
            self._vary = StreamedPicture(recipe, replace(_kinds(data), rare=rare), zoom_of_name.__getitem__)
            return
        train, self._training = training_pictures(data, split.train, recipe, store)
        self.class_pixels = train.counts.sum(0)[: len(data.taxonomy)]
        require_labels(self.class_pixels, "train", len(train))
        self._count = len(self._training)

    def steps_per_epoch(self, world: int) -> int:
        """Return the steps of each process.

        Raises:
            InvalidValueError: There are fewer pictures than processes.
        """
        if self._count < world:
            raise InvalidValueError(
                f"{self._count} training pictures for {world} processes; use fewer --devices, or --repeat {world}"
            )
        return self._count // world // self.batch_of(world)

    def batch_of(self, world: int) -> int:
        """Return the pictures of a batch of one process: no more than there are."""
        return min(self._recipe.batch, self._count // world)

    def train_dataloader(self) -> DataLoader:
        """Return the varied pictures of this process."""
        world, rank = self.trainer.world_size, self.trainer.global_rank
        batch, workers = self.batch_of(world), self._limits.workers
        pictures: Dataset
        order: EpochOrder | None = None
        if self._shards is not None:
            pictures = ShardStream(self._shards, "train", self._vary, self._recipe.seed, rank, world)
            self._to_tell = pictures
        else:
            self._to_tell = order = EpochOrder(self._count, batch, self._recipe.seed, rank, world)
            pictures = self._training
        # Loader processes fetch ahead before Lightning tells the sampler where a resumed run is.
        self.set_epoch(self.trainer.lightning_module.plan.done)
        return DataLoader(
            pictures,
            batch_size=batch,
            sampler=order,
            drop_last=True,
            num_workers=workers,
            worker_init_fn=one_thread_each if workers else None,
            # A stream's loader processes are started for each epoch: they read the epoch once.
            persistent_workers=workers > 0 and self._shards is None,
            pin_memory=torch.cuda.is_available(),
            # Its own generator: the loader's seeds must not move the one that dropout draws from.
            generator=torch.Generator().manual_seed(self._recipe.seed),
        )

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch of the next pictures."""
        if self._to_tell is not None:
            self._to_tell.set_epoch(epoch)

    def val_dataloader(self) -> DataLoader:
        """Return this process's share of val, letterboxed."""
        mine = self._val[self.trainer.global_rank :: self.trainer.world_size]
        pictures = LetterboxedPictures(mine, self._input_wh)
        return DataLoader(pictures, batch_size=min(4, max(1, len(mine))))


def training_pictures(
    data: LabeledSet, samples: Sequence[Sample], recipe: Recipe, store: Path
) -> tuple[StoredSamples, TrainingPictures]:
    """Return samples decoded into a store, and the training pictures that a recipe makes of them.

    Raises:
        DataError: A picture cannot be read, or the store cannot be written.
        InvalidValueError: The recipe asks for ground sizes, and nobody knows those of a picture.
    """
    stored = _decoded(data, samples, stored_wh(recipe), store, "train")
    pixels = stored.counts.sum(0)[: len(data.taxonomy)]
    picker = RarePicker(stored.centres, pixels, data.taxonomy, recipe.rare_classes)
    scales = [_scale(data, sample, recipe) for sample in samples]
    return stored, TrainingPictures(stored, scales, recipe, picker, _kinds(data))


def stored_wh(recipe: Recipe) -> tuple[int, int]:
    """Return the size that pictures are stored to fit, px."""
    larger = _STORE_MARGIN if recipe.variation.ground_mm is None else _STORE_MARGIN_BY_GROUND
    return math.ceil(recipe.width_px * larger), math.ceil(recipe.height_px * larger)


def _kinds(data: LabeledSet) -> Kinds:
    return Kinds(labels_of(data.taxonomy, Role.LANDABLE), labels_of(data.taxonomy, Role.PERSON))


def _scale(data: LabeledSet, sample: Sample, recipe: Recipe) -> Scale:
    """Scale of a training picture.

    Raises:
        InvalidValueError: The recipe asks for ground sizes, and nobody knows the picture's.
    """
    width, size_wh = width_of(recipe.data, data, sample), data.size_wh(sample)
    zoom = zoom_of(recipe.variation, width, size_wh, recipe.input_wh)
    stored_mm = None if width is None else 1000 * width.middle_m / shrunk_wh(size_wh, stored_wh(recipe))[0]
    return Scale(zoom, stored_mm)


def require_labels(class_pixels: npt.NDArray[np.int64], part: str, pictures: int) -> None:
    """Raises for a part without a labelled pixel, before hours are spent on it.

    Raises:
        DataError: Every label is "ignore".
    """
    if not class_pixels.any():
        raise DataError(
            f"no pixel of the {pictures} pictures of {part} is labelled; `trainer data check` says "
            "which label maps are empty"
        )


def _decoded(
    data: LabeledSet, samples: Sequence[Sample], limit_wh: tuple[int, int], folder: Path, title: str
) -> StoredSamples:
    with Progress(f"reading {title}", len(samples)) as progress:
        return open_or_prepare(data, samples, limit_wh, folder, progress.step)


def store_folder(chosen: str, recipe: Recipe) -> Path:
    """Return the folder for decoded pictures: one for each set of data folders."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "touchdown"
    where = [str(Path(f).resolve()) for f in (*recipe.data.folders, *recipe.data.also, recipe.data.images) if f]
    digest = hashlib.sha256("\n".join(where).encode()).hexdigest()[:12]
    return (Path(chosen) if chosen else home / "pictures") / digest
