"""Reads shards: any sample by its place, or whole parts from front to back in a seeded order.

The pictures of an epoch, over all processes, are one sequence: the shards in a random order, each from front to back.
Every process takes an even stretch of it, so no two see the same picture, all see the same number within one, and a
shard is read by one process, or by two where it is cut. Within its stretch a process mixes through a buffer. All of it
follows from (seed, epoch).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.pictures import decode, require_picture
from landing.reading import TABLE_BYTES, open_file
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.cache import CachedSample, centres_of
from trainer.data.samples import Sample, UnknownPolicy, decode_image
from trainer.data.shards import FORMAT, LABEL_SUFFIX, SHARDS_FILE

_TIMEOUT_S = 60.0
_WEB = ("http://", "https://")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+\.tar")


def is_sharded(where: str) -> bool:
    """Whether a folder, URL or list of tar files with braces means shards."""
    return where.startswith(_WEB) or where.endswith(".tar") or (Path(where) / SHARDS_FILE).is_file()


@dataclass(frozen=True)
class Shard:
    """A tar file and what is in it, in order."""

    file: str
    bytes: int
    samples: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class ShardedSet:
    """Shards as a `LabeledSet`, for what is read by name; `ShardStream` is for training.

    Attributes:
        base: Folder or URL, with a slash at its end.
        shards: Of each part, in order.
        class_pixels: Labelled pixels of each class in a part.
        places: Shard and facts of each sample, by name.
        version: Digest of the index.
    """

    name: str
    taxonomy: Taxonomy
    samples: tuple[Sample, ...]
    terms: str
    own_split: dict[str, str] | None
    base: str
    shards: dict[str, tuple[Shard, ...]]
    class_pixels: dict[str, npt.NDArray[np.int64]]
    version: str
    places: dict[str, tuple[Shard, dict[str, Any]]] = field(repr=False)

    @classmethod
    def open(cls, where: str) -> ShardedSet:
        """Reads the index of shards.

        Args:
            where: A folder, its URL, or tar files with braces, `DIR/train-{000000..000009}.tar`, for some of the shards
                in it.

        Raises:
            DataError: No index there, or it is not one, or lacks the shards asked for.
        """
        base, wanted = _base_and_files(where)
        try:
            with _open(base + SHARDS_FILE) as stream:
                text = stream.read(TABLE_BYTES)
            index = json.loads(text)
            if not isinstance(index, dict) or index.get("format") != FORMAT:
                raise ValueError(f"not of format {FORMAT}")
            taxonomy = Taxonomy.parse(index["taxonomy"], base + SHARDS_FILE)
            shards = {
                part: tuple(
                    Shard(s["file"], s["bytes"], tuple(s["samples"]))
                    for s in items
                    if not wanted or s["file"] in wanted
                )
                for part, items in index["parts"].items()
            }
            pixels = {p: np.array(n, np.int64) for p, n in index["class_pixels"].items()}
            name, terms = str(index["name"]), str(index["terms"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"shards {base}{SHARDS_FILE}: {error}; write them again") from error
        files = [shard.file for part in shards.values() for shard in part]
        strange = [file for file in files if not _PLAIN_NAME.fullmatch(file)]
        if strange:
            raise DataError(f"shards {base}{SHARDS_FILE}: {strange[0]!r} is no name of a tar file")
        if wanted - set(files):
            raise DataError(f"{base}{SHARDS_FILE} knows no shard {min(wanted - set(files))}")
        rows = sorted(
            (
                (item["name"], item["group"], part, shard, item)
                for part, items in shards.items()
                for shard in items
                for item in shard.samples
            ),
            key=lambda row: row[0],
        )
        return cls(
            name,
            taxonomy,
            tuple(Sample(n, g, Path(s.file), Path(s.file)) for n, g, _, s, _ in rows),
            terms,
            {n: part for n, _, part, _, _ in rows},
            base,
            shards,
            pixels,
            hashlib.sha256(text).hexdigest(),
            {n: (s, item) for n, _, _, s, item in rows},
        )

    def read(self, sample: Sample, unknown: UnknownPolicy = "refuse") -> tuple[ByteArray, ByteArray]:
        """See `LabeledSet.read`; unknown labels were dealt with when the shards were written."""
        shard, item = self.places[sample.name]
        url = self.base + shard.file
        image = decode_image(_read_at(url, *item["image"]), sample.name)
        return image, _decode_labels(_read_at(url, *item["labels"]), sample.name)

    def size_wh(self, sample: Sample) -> tuple[int, int]:
        """See `LabeledSet.size_wh`."""
        width, height = self.places[sample.name][1]["size_wh"]
        return width, height

    def digest(self, sample: Sample) -> str:
        """See `LabeledSet.digest`."""
        return hashlib.sha256(f"{self.version} {sample.name}".encode()).hexdigest()


class ShardStream:
    """The samples of a part, read from front to back.

    Args:
        data: The shards.
        part: "train", "val" or "test".
        seed: Of the order.
        buffer: Samples, still encoded, among which the next one is drawn; 1 for no mixing.

    Raises:
        DataError: The part is empty.
    """

    def __init__(self, data: ShardedSet, part: str, seed: int = 0, buffer: int = 512) -> None:
        self.data = data
        self.seed = seed
        self._shards = data.shards.get(part, ())
        self._buffer = max(1, buffer)
        if not len(self):
            raise DataError(f"shards {data.base} hold nothing for {part}")

    def __len__(self) -> int:
        """Samples of an epoch, over all processes."""
        return sum(len(shard.samples) for shard in self._shards)

    def count(self, rank: int = 0, world: int = 1) -> int:
        """Samples of an epoch that one of several processes gets."""
        first, last = _stretch(0, len(self), rank, world)
        return last - first

    def stream(
        self, epoch: int, rank: int = 0, world: int = 1, worker: int = 0, workers: int = 1
    ) -> Iterator[CachedSample]:
        """The samples of an epoch for one process, or one of its loader processes."""
        for _, sample in self.numbered(epoch, rank, world, worker, workers):
            yield sample

    def numbered(
        self, epoch: int, rank: int = 0, world: int = 1, worker: int = 0, workers: int = 1
    ) -> Iterator[tuple[int, CachedSample]]:
        """As `stream`, each with its number in the epoch, for a generator of its own.

        Raises:
            DataError: A shard cannot be read, or is not what the index says.
        """
        first, last = _stretch(*_stretch(0, len(self), rank, world), worker, workers)
        rng = np.random.default_rng([self.seed, epoch, first, last])
        held: list[tuple[int, dict[str, bytes]]] = []
        for item in self._encoded(epoch, first, last):
            held.append(item)
            if len(held) >= self._buffer:
                yield _decoded(*_draw(held, rng))
        while held:
            yield _decoded(*_draw(held, rng))

    def _encoded(self, epoch: int, first: int, last: int) -> Iterator[tuple[int, dict[str, bytes]]]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self._shards))
        number = 0
        for shard in (self._shards[i] for i in order):
            begin, end = number, number + len(shard.samples)
            number = end
            if end <= first or begin >= last:
                continue
            for at, item in enumerate(_members(self.data.base + shard.file, shard), begin):
                if at >= last:
                    break
                if at >= first:
                    yield at, item


def _stretch(first: int, last: int, index: int, count: int) -> tuple[int, int]:
    """The `index`-th of `count` even pieces of a range."""
    length = last - first
    return first + length * index // count, first + length * (index + 1) // count


def _draw(held: list[tuple[int, dict[str, bytes]]], rng: np.random.Generator) -> tuple[int, dict[str, bytes]]:
    chosen = int(rng.integers(len(held)))
    held[chosen], held[-1] = held[-1], held[chosen]
    return held.pop()


def _members(url: str, shard: Shard) -> Iterator[dict[str, bytes]]:
    from webdataset.tariterators import group_by_keys, tar_file_iterator  # imports torch

    count = 0
    try:
        with _open(url) as stream:
            files = ({**item, "__url__": url} for item in tar_file_iterator(stream))
            for item in group_by_keys(files):
                count += 1
                yield item
    except (tarfile.TarError, OSError, EOFError, http.client.HTTPException) as error:
        raise DataError(f"shard {url}: {error}; after {count} samples") from error
    if count != len(shard.samples):
        raise DataError(f"shard {url} holds {count} samples, its index says {len(shard.samples)}")


def _decoded(number: int, item: dict[str, bytes]) -> tuple[int, CachedSample]:
    name = str(json.loads(item["json"])["name"])
    image = decode_image(item.get("jpg") or item["png"], name)
    labels = _decode_labels(item[LABEL_SUFFIX], name)
    return number, CachedSample(name, image, labels, centres_of(labels))


def _decode_labels(data: bytes, name: str) -> ByteArray:
    require_picture(data, f"label map of {name}", DataError)
    labels = decode(data, cv2.IMREAD_UNCHANGED)
    if labels is None or labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(f"label map of {name} in its shard cannot be decoded")
    return np.asarray(labels, dtype=np.uint8)


def _base_and_files(where: str) -> tuple[str, set[str]]:
    if not where.endswith(".tar"):
        return where.rstrip("/") + "/", set()
    from braceexpand import braceexpand

    urls = list(braceexpand(where))
    bases = {url.rpartition("/")[0] for url in urls}
    if len(bases) != 1:
        raise DataError(f"shards {where} lie in {len(bases)} folders; give one --data for each")
    return (bases.pop() or ".") + "/", {url.rpartition("/")[2] for url in urls}


def _open(url: str) -> BinaryIO:
    # Not by webdataset's opener: it runs `pipe:` addresses, and curl, in a shell.
    try:
        if url.startswith(_WEB):
            response: BinaryIO = urllib.request.urlopen(url, timeout=_TIMEOUT_S)
            return response
        return open_file(url, "shards", DataError)
    except (urllib.error.URLError, OSError) as error:
        raise DataError(f"shards: {url}: {_why(error)}") from error


def _read_at(url: str, offset: int, size: int) -> bytes:
    try:
        if url.startswith(_WEB):
            last = offset + size - 1
            request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-{last}"})
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                if response.status != 206:
                    raise DataError(f"shards: the server of {url} does not serve parts of files")
                data: bytes = response.read()
        else:
            with open_file(url, "shards", DataError) as stream:
                stream.seek(offset)
                data = stream.read(size)
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        raise DataError(f"shards: {url}: {_why(error)}") from error
    if len(data) != size:
        raise DataError(f"shard {url} ends too early: it was not copied or written whole")
    return data


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
