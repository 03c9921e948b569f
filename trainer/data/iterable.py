"""Shards for torch's DataLoader: split by process and by loader process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from trainer.data.cache import CachedSample
from trainer.data.streaming import ShardStream


class StreamedSamples(IterableDataset):  # type: ignore[misc]  # torch is not followed
    """What a process gets of each epoch; call `set_epoch` before each.

    Every process gives the same number of samples, as DDP needs: where they do not come out even, a process leaves out
    its last one.

    Args:
        stream: The samples.
        make: What becomes of each, with a generator that follows from (seed, epoch, sample).
        rank, world: This process among all.
    """

    def __init__(
        self,
        stream: ShardStream,
        make: Callable[[CachedSample, np.random.Generator], Any],
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._stream = stream
        self._make = make
        self._rank = rank
        self._world = world
        # Shared, because loader processes may outlive the epoch they were started in.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration gives."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """Samples of this process per epoch."""
        return len(self._stream) // self._world

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        epoch = int(self._epoch)
        extra = self._stream.count(self._rank, self._world) - len(self)
        # The stretches of loader processes are of one length or one more; the last is the longest.
        left_out = extra if worker == workers - 1 else 0
        samples = self._stream.numbered(epoch, self._rank, self._world, worker, workers)
        count = _count_of(self._stream, self._rank, self._world, worker, workers) - left_out
        for _, (number, sample) in zip(range(count), samples, strict=False):
            rng = np.random.default_rng([self._stream.seed, epoch, number])
            yield self._make(sample, rng)


def _count_of(stream: ShardStream, rank: int, world: int, worker: int, workers: int) -> int:
    count = stream.count(rank, world)
    return count * (worker + 1) // workers - count * worker // workers
