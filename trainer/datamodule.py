"""The pictures of a run, for Lightning: decoded once into a store, or streamed from shards."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from landing.errors import DataError, InvalidValueError
from landing.taxonomy import Role
from trainer.data.pictures import EpochOrder, LetterboxedPictures, StreamedPicture, TrainingPictures, one_thread_each
from trainer.data.rare import RarePicker, rare_ids
from trainer.data.samples import LabeledSet, Sample
from trainer.data.shards import ShardedSet
from trainer.data.splits import Split
from trainer.data.store import StoredSamples, open_or_prepare
from trainer.data.streaming import ShardStream
from trainer.progress import Progress
from trainer.recipe import Recipe, RunLimits
from trainer.torchvision_guard import ensure_torchvision

ensure_torchvision()
from lightning.pytorch import LightningDataModule  # noqa: E402

_STORE_MARGIN = 1.25
"""Pictures are kept a quarter larger than the input, for what zooms in."""


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
        margin = (math.ceil(input_wh[0] * _STORE_MARGIN), math.ceil(input_wh[1] * _STORE_MARGIN))
        store = store_folder(limits.cache, recipe)
        self._val = _decoded(data, split.val, margin, store, "val")
        require_labels(self._val.counts.sum(0)[: len(data.taxonomy)], "val", len(self._val))
        paintable = data.taxonomy.ids_of(Role.LANDABLE)
        self._shards: ShardedSet | None = None
        self._to_tell: EpochOrder | ShardStream | None = None
        in_train = {name for name, part in (data.own_split or {}).items() if part == "train"}
        if isinstance(data, ShardedSet) and {sample.name for sample in split.train} == in_train:
            self._shards = data
            self.class_pixels = data.class_pixels["train"]
            self._count = len(split.train)
            require_labels(self.class_pixels, "train", self._count)
            rare = rare_ids(self.class_pixels, data.taxonomy, recipe.rare_classes)
            self._vary = StreamedPicture(recipe, rare, paintable)
            return
        train = _decoded(data, split.train, margin, store, "train")
        self.class_pixels = train.counts.sum(0)[: len(data.taxonomy)]
        require_labels(self.class_pixels, "train", len(train))
        picker = RarePicker(train.centres, self.class_pixels, data.taxonomy, recipe.rare_classes)
        self._training = TrainingPictures(train, recipe, picker, paintable)
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
    with Progress(f"reading {title}", len(samples), every=100) as progress:
        return open_or_prepare(data, samples, limit_wh, folder, progress.step)


def store_folder(chosen: str, recipe: Recipe) -> Path:
    """Return the folder for decoded pictures: one for each set of data folders."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "touchdown"
    where = [str(Path(f).resolve()) for f in (*recipe.data.folders, recipe.data.images) if f]
    digest = hashlib.sha256("\n".join(where).encode()).hexdigest()[:12]
    return (Path(chosen) if chosen else home / "pictures") / digest
