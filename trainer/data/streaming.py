"""Shards for torch's DataLoader: a part read from front to back, in a seeded order.

The samples of an epoch, over all processes, are one sequence: the shards in random order, each from front to back.
Every process takes an even stretch of it: no two see the same sample, and all see the same number, as DDP needs. What
does not come out even is left out, in each epoch something else. Within its stretch a process mixes through a buffer.
All of it follows from (seed, epoch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from landing.errors import DataError
from trainer.data.shards import ShardedSet, decode_pair, open_shard, read_exactly
from trainer.data.store import DecodedSample, centres_of

_Encoded = tuple[int, str, bytes, bytes]
"""Number in the epoch, name, picture, label map."""


class ShardStream(IterableDataset):  # type: ignore[misc]  # torch is not followed
    """The samples that one process gets of each epoch; call `set_epoch` before each.

    `make` makes an item of a sample and a generator that follows from (seed, epoch, sample). The next sample is drawn
    among `buffer` encoded ones; 1 for no mixing.

    Raises:
        DataError: The part is empty.
    """

    def __init__(
        self,
        data: ShardedSet,
        part: str,
        make: Callable[[DecodedSample, np.random.Generator], Any],
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        buffer: int = 512,
    ) -> None:
        self._base = data.base
        self._shards = data.shards.get(part, [])
        self._make = make
        self._seed, self._rank, self._world = seed, rank, world
        self._buffer = max(1, buffer)
        # Shared, because loader processes may outlive the epoch they were started in.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        if not self._shards:
            raise DataError(f"shards {data.base} hold nothing for {part}")

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next iteration gives."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """Samples of this process per epoch."""
        return sum(len(shard["samples"]) for shard in self._shards) // self._world

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        epoch, count = int(self._epoch), len(self)
        first, last = (self._rank * count + count * w // workers for w in (worker, worker + 1))
        rng = np.random.default_rng([self._seed, epoch, first, last])
        held: list[_Encoded] = []
        for item in self._encoded(epoch, first, last):
            held.append(item)
            if len(held) >= self._buffer:
                yield self._made(held, epoch, rng)
        while held:
            yield self._made(held, epoch, rng)

    def _encoded(self, epoch: int, first: int, last: int) -> Iterator[_Encoded]:
        """Samples `first` to `last` of the epoch's sequence, each shard opened once.

        Raises:
            DataError: A shard cannot be read, or is not as its index says.
        """
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._shards))
        sequence = [(self._shards[i]["file"], item) for i in order for item in self._shards[i]["samples"]]
        numbered = list(enumerate(sequence))[first:last]
        for file, group in groupby(numbered, key=lambda entry: entry[1][0]):
            url, entries = self._base + file, list(group)
            at = entries[0][1][1]["image"][0]
            with open_shard(url, at) as stream:
                for number, (_, item) in entries:
                    parts = []
                    for offset, size in (item["image"], item["labels"]):
                        read_exactly(stream, offset - at, url)
                        parts.append(read_exactly(stream, size, url))
                        at = offset + size
                    yield number, item["name"], parts[0], parts[1]

    def _made(self, held: list[_Encoded], epoch: int, rng: np.random.Generator) -> Any:
        """Takes a random one of the held samples, decodes it and makes an item of it."""
        chosen = int(rng.integers(len(held)))
        held[chosen], held[-1] = held[-1], held[chosen]
        number, name, image_bytes, label_bytes = held.pop()
        image, labels = decode_pair(name, image_bytes, label_bytes)
        sample = DecodedSample(name, image, labels, centres_of(labels))
        return self._make(sample, np.random.default_rng([self._seed, epoch, number]))
