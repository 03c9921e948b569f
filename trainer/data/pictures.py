"""Input of the network: varied training pictures and letterboxed val pictures, as tensors.

One generator per (seed, epoch, index) makes everything random. So a run sees the same pictures with any number of
loader processes, and a resumed run goes on as if uninterrupted. The sampler puts the epoch into its indices, because
loader processes outlive epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from landing.model.spec import Letterbox
from trainer.data.augment import vary
from trainer.data.augment.people import cut_out, with_people
from trainer.data.rare import RarePicker
from trainer.data.samples import IGNORE
from trainer.data.store import DecodedSample, StoredSamples
from trainer.recipe import Recipe

EpochIndex = tuple[int, int]
"""Epoch, and index of a training picture in it."""

Batch = tuple[torch.Tensor, torch.Tensor, Sequence[str]]
"""Pictures uint8 (B, H, W, 3) BGR, labels uint8 (B, H, W), and names."""


MOST_PASTED = 6
"""People pasted into a picture at most."""


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


@dataclass(frozen=True)
class Scale:
    """Scale of a training picture.

    Attributes:
        zoom: Least and greatest scale to show it at, against a full fit.
        stored_mm: Ground of a pixel as it is stored, mm; None where nobody knows it.
    """

    zoom: tuple[float, float]
    stored_mm: float | None = None


@dataclass(frozen=True)
class Kinds:
    """Labels that variation asks for: `landable` ground, `people`, and `rare` classes of a stream."""

    landable: tuple[int, ...]
    people: tuple[int, ...]
    rare: tuple[int, ...] = ()


class TrainingPictures(Dataset):  # type: ignore[misc]
    """Item (epoch, i) is a varied copy of sample `i % len(samples)`, or of one with a rare class.

    `scales` are of the samples, in their order.
    """

    def __init__(
        self, cached: StoredSamples, scales: Sequence[Scale], recipe: Recipe, rare: RarePicker, kinds: Kinds
    ) -> None:
        self._cached = cached
        self._scales = scales
        self._recipe = recipe
        self._rare = rare
        self._kinds = kinds
        self._peopled = [n for n, c in enumerate(cached.centres) if np.isin(c[:, 2], kinds.people).any()]

    def __len__(self) -> int:
        return len(self._cached) * self._recipe.repeat

    def __getitem__(self, place: EpochIndex) -> tuple[torch.Tensor, torch.Tensor, str]:
        epoch, index = place
        rng = np.random.default_rng([self._recipe.seed, epoch, index])
        number, centre = index % len(self._cached), None
        if rng.random() < self._recipe.rare:
            number, centre = self._rare.pick(rng) or (number, None)
        item, scale = self._cached[number], self._scales[number]
        if self._peopled and rng.random() < self._recipe.variation.people:
            donor = self._peopled[int(rng.integers(len(self._peopled)))]
            mm, own_mm = self._scales[donor].stored_mm, scale.stored_mm
            ratio = mm / own_mm if mm is not None and own_mm is not None else 1.0
            item = _with_people(item, self._cached[donor], ratio, self._kinds, rng)
        return _varied(item, self._recipe, rng, centre, self._kinds, scale.zoom)


class StreamedPicture:
    """Varies a sample of a stream; a rare class, and people to paste, are looked for in that sample only."""

    def __init__(self, recipe: Recipe, kinds: Kinds, zoom_of: Callable[[str], tuple[float, float]]) -> None:
        self._recipe = recipe
        self._kinds = kinds
        self._zoom_of = zoom_of

    def __call__(self, item: DecodedSample, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, str]:
        """The varied picture."""
        centre = None
        places = item.centres[np.isin(item.centres[:, 2], self._kinds.rare)]
        if len(places) and rng.random() < self._recipe.rare:
            class_id = rng.choice(np.unique(places[:, 2]))
            places = places[places[:, 2] == class_id]
            column, row, _ = places[int(rng.integers(len(places)))].tolist()
            centre = (column, row)
        if np.isin(item.centres[:, 2], self._kinds.people).any() and rng.random() < self._recipe.variation.people:
            item = _with_people(item, item, 1.0, self._kinds, rng)
        return _varied(item, self._recipe, rng, centre, self._kinds, self._zoom_of(item.name))


def _with_people(
    item: DecodedSample, donor: DecodedSample, ratio: float, kinds: Kinds, rng: np.random.Generator
) -> DecodedSample:
    """A sample with people of another on its ground; `ratio` is the other's ground of a pixel over its own."""
    places = donor.centres[np.isin(donor.centres[:, 2], kinds.people)]
    count = int(rng.integers(1, MOST_PASTED + 1))
    chosen = (places[int(rng.integers(len(places)))] for _ in range(count))
    found = (cut_out(donor.image, donor.labels, (int(c), int(r))) for c, r, _ in chosen)
    people = [(cutout, ratio) for cutout in found if cutout is not None]
    image, labels = with_people(item.image, item.labels, people, kinds.landable, rng)
    return replace(item, image=image, labels=labels)


def _varied(
    item: DecodedSample,
    recipe: Recipe,
    rng: np.random.Generator,
    centre: tuple[int, int] | None,
    kinds: Kinds,
    zoom: tuple[float, float],
) -> tuple[torch.Tensor, torch.Tensor, str]:
    image, labels = vary(
        item.image,
        item.labels,
        recipe.crop_wh or recipe.input_wh,
        recipe.variation.model_copy(update={"zoom": zoom}),
        rng,
        centre=centre,
        paintable=kinds.landable,
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
