"""Batches of varied pictures for torch, the same ones for the same seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from trainer.data.augment import Variation, vary
from trainer.data.cache import CachedSample


class _EpochPictures(Dataset):  # type: ignore[misc]  # torch is not followed
    """The pictures of one epoch: item `i` is a varied copy of sample `i % len(cached)`."""

    def __init__(
        self,
        cached: Sequence[CachedSample],
        input_wh: tuple[int, int],
        variation: Variation,
        seed: int,
        epoch: int,
        length: int,
    ) -> None:
        self._cached = cached
        self._input_wh = input_wh
        self._variation = variation
        self._seed = seed
        self._epoch = epoch
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        item = self._cached[index % len(self._cached)]
        rng = np.random.default_rng([self._seed, self._epoch, index])
        image, labels = vary(
            item.image, item.labels, self._input_wh, self._variation, rng, item.centres
        )
        return torch.from_numpy(image), torch.from_numpy(labels)


def _one_thread_each(_worker: int) -> None:
    cv2.setNumThreads(0)


class TrainingBatches:
    """Gives the batches of any epoch.

    Args:
        cached: The training pictures.
        input_wh: Network input, pixels.
        variation: How far they are varied.
        batch: Pictures per step.
        repeat: Varied copies of each picture per epoch.
        seed: Of everything random.
        workers: Loader processes; 0 for none.
    """

    def __init__(
        self,
        cached: Sequence[CachedSample],
        input_wh: tuple[int, int],
        variation: Variation,
        batch: int,
        repeat: int,
        seed: int,
        workers: int,
    ) -> None:
        self._cached = cached
        self._input_wh = input_wh
        self._variation = variation
        self._length = len(cached) * repeat
        self._batch = min(batch, self._length)
        self._seed = seed
        self._workers = workers

    def __len__(self) -> int:
        """Steps per epoch; an incomplete last batch is left out."""
        return self._length // self._batch

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of an epoch: pictures uint8 (B, H, W, 3) BGR and labels uint8 (B, H, W)."""
        pictures = _EpochPictures(
            self._cached, self._input_wh, self._variation, self._seed, number, self._length
        )
        order = np.random.default_rng([self._seed, number]).permutation(self._length).tolist()
        yield from DataLoader(
            pictures,
            batch_size=self._batch,
            sampler=order,
            drop_last=True,
            num_workers=self._workers,
            worker_init_fn=_one_thread_each if self._workers else None,
            generator=torch.Generator().manual_seed(self._seed),
        )
