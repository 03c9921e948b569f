"""Input of the network: varied training pictures and letterboxed val pictures, as tensors.

One generator per (seed, epoch, index) makes everything random. So a run sees the same pictures with any number of
loader processes, and a resumed run goes on as if uninterrupted. The sampler puts the epoch into its indices, because
loader processes outlive epochs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from landing.spec import Letterbox
from trainer.data.augment import vary
from trainer.data.rare import RarePicker
from trainer.data.samples import IGNORE
from trainer.data.store import DecodedSample
from trainer.recipe import Recipe

EpochIndex = tuple[int, int]
"""Epoch, and index of a training picture in it."""

Batch = tuple[torch.Tensor, torch.Tensor, Sequence[str]]
"""Pictures uint8 (B, H, W, 3) BGR, labels uint8 (B, H, W), and names."""


class EpochOrder(Sampler):  # type: ignore[misc]  # torch is not followed
    """Order of `length` pictures, of which each process takes its share; a last incomplete step is left out."""

    def __init__(self, length: int, batch: int, seed: int, rank: int = 0, world: int = 1) -> None:
        self._length = length
        self._seed = seed
        self._rank = rank
        self._world = world
        self._epoch = 0
        self._count = length // (batch * world) * batch

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch; Lightning calls it before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[EpochIndex]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._length)
        mine = order[self._rank :: self._world][: self._count]
        return iter([(self._epoch, int(index)) for index in mine])


class TrainingPictures(Dataset):  # type: ignore[misc]
    """Item (epoch, i) is a varied copy of sample `i % len(samples)`, or of one with a rare class."""

    def __init__(
        self, cached: Sequence[DecodedSample], recipe: Recipe, rare: RarePicker, paintable: tuple[int, ...]
    ) -> None:
        self._cached = cached
        self._recipe = recipe
        self._rare = rare
        self._paintable = paintable

    def __len__(self) -> int:
        return len(self._cached) * self._recipe.repeat

    def __getitem__(self, place: EpochIndex) -> tuple[torch.Tensor, torch.Tensor, str]:
        epoch, index = place
        rng = np.random.default_rng([self._recipe.seed, epoch, index])
        number, centre = index % len(self._cached), None
        if rng.random() < self._recipe.rare:
            number, centre = self._rare.pick(rng) or (number, None)
        return _varied(self._cached[number], self._recipe, rng, centre, self._paintable)


class StreamedPicture:
    """Varies a sample of a stream; a rare class is looked for in that sample only."""

    def __init__(self, recipe: Recipe, rare: Sequence[int], paintable: tuple[int, ...]) -> None:
        self._recipe = recipe
        self._rare = list(rare)
        self._paintable = paintable

    def __call__(self, item: DecodedSample, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, str]:
        """The varied picture."""
        centre = None
        places = item.centres[np.isin(item.centres[:, 2], self._rare)]
        if len(places) and rng.random() < self._recipe.rare:
            class_id = rng.choice(np.unique(places[:, 2]))
            places = places[places[:, 2] == class_id]
            column, row, _ = places[int(rng.integers(len(places)))].tolist()
            centre = (column, row)
        return _varied(item, self._recipe, rng, centre, self._paintable)


def _varied(
    item: DecodedSample,
    recipe: Recipe,
    rng: np.random.Generator,
    centre: tuple[int, int] | None,
    paintable: tuple[int, ...],
) -> tuple[torch.Tensor, torch.Tensor, str]:
    image, labels = vary(
        item.image,
        item.labels,
        recipe.crop_wh or recipe.input_wh,
        recipe.variation,
        rng,
        centre=centre,
        paintable=paintable,
        scale_wh=recipe.input_wh,
    )
    return torch.from_numpy(image), torch.from_numpy(labels), item.name


class LetterboxedPictures(Dataset):  # type: ignore[misc]
    """Val pictures as the network sees them in flight; padding is labelled `IGNORE`."""

    def __init__(self, cached: Sequence[DecodedSample], input_wh: tuple[int, int]) -> None:
        self._cached = cached
        self._input_wh = input_wh

    def __len__(self) -> int:
        return len(self._cached)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, str]:
        item = self._cached[index]
        box = Letterbox.of((item.labels.shape[1], item.labels.shape[0]), self._input_wh)
        width, height = self._input_wh
        labels = np.full((height, width), IGNORE, dtype=np.uint8)
        labels[: box.valid_wh[1], : box.valid_wh[0]] = cv2.resize(
            np.ascontiguousarray(item.labels), box.valid_wh, interpolation=cv2.INTER_NEAREST_EXACT
        )
        image = box.apply(np.array(item.image))  # a copy: what is stored is mapped read-only
        return torch.from_numpy(image), torch.from_numpy(labels), item.name


def one_thread_each(_worker: int) -> None:
    """Keeps OpenCV in a loader process from taking the cores of the others."""
    cv2.setNumThreads(0)
