"""A pack: decoded pictures and labels in one file that is mapped into memory.

    pack-0123456789ab/
        pixels.bin    picture, labels, picture, labels ...: raw bytes, so that reading is a view tables.npz    where
        each lies, its class pixels, centres and check sum
        index.json    names and digests; written last
        journal.txt   while it is written: what is done already, to go on after a kill

A folder without `index.json` does not count. With it, it never changes again.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.reading import TABLE_BYTES, open_file, read_json
from landing.types import ByteArray
from trainer.data.cache import CachedSample, centres_of, shrink, shrunk_wh
from trainer.data.samples import LabeledSet, Sample, UnknownPolicy

PIXELS, TABLES, INDEX, JOURNAL = "pixels.bin", "tables.npz", "index.json", "journal.txt"
FORMAT = "touchdown-pack-1"
SPARE_BYTES = 64 << 20
"""Left free on the disk, for tables and for others."""


@dataclass(frozen=True)
class Entry:
    """Where a picture lies in a pack.

    Attributes:
        name: Of the sample.
        digest: What the sample was when it was decoded; see `LabeledSet.digest`.
        offset: Of its first byte in the pixel file.
        width, height: As stored, pixels.
    """

    name: str
    digest: str
    offset: int
    width: int
    height: int

    @property
    def size(self) -> int:
        """Bytes in the pixel file: three of the picture and one of the label for each pixel."""
        return 4 * self.width * self.height

    def views(self, data: ByteArray) -> tuple[ByteArray, ByteArray]:
        """Picture and labels in the entry's own bytes."""
        pixels = self.width * self.height
        image = data[: 3 * pixels].reshape(self.height, self.width, 3)
        return image, data[3 * pixels :].reshape(self.height, self.width)


@dataclass(frozen=True)
class Facts:
    """What follows from a picture's pixels.

    Attributes:
        crc32: Of its bytes in the pixel file.
        counts: Pixels of each label value, int64 (256,).
        centres: See `CachedSample`.
    """

    crc32: int
    counts: npt.NDArray[np.int64]
    centres: npt.NDArray[np.int32]

    @classmethod
    def of(cls, image: ByteArray, labels: ByteArray) -> Facts:
        """Looks at the pixels."""
        crc32 = zlib.crc32(np.ascontiguousarray(labels).data, zlib.crc32(np.ascontiguousarray(image).data))
        return cls(crc32, np.bincount(labels.ravel(), minlength=256), centres_of(labels))


@dataclass(frozen=True)
class StoredSample(CachedSample):
    """A `CachedSample` whose pixels lie in a mapped file and whose counts are known."""

    counts: npt.NDArray[np.int64]

    def class_counts(self) -> npt.NDArray[np.int64]:
        """See `CachedSample.class_counts`; touches no pixel."""
        return self.counts


class Pack:
    """A finished pack, read only. Processes that read it share its memory.

    Args:
        folder: Of the pack.

    Raises:
        DataError: It is not whole, or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = read_json(folder / INDEX, "index", DataError, TABLE_BYTES)
            if not isinstance(index, dict) or index.get("format") != FORMAT:
                raise ValueError(f"not of format {FORMAT}")
            with (
                open_file(folder / TABLES, "tables", DataError, TABLE_BYTES) as stream,
                np.load(stream, allow_pickle=False) as tables,
            ):
                places, self._counts = tables["places"], tables["counts"]
                self._crc32, self._centres = tables["crc32"], tables["centres"]
                self._first_centre = tables["first_centre"]
            size = (folder / PIXELS).stat().st_size
        except (DataError, OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise DataError(
                f"prepared pictures {folder} are not usable ({error}); delete the folder and prepare again"
            ) from error
        self.entries = tuple(
            Entry(name, digest, *map(int, place))
            for name, digest, place in zip(index["names"], index["digests"], places, strict=True)
        )
        needed = sum(entry.size for entry in self.entries)
        if size != needed:
            raise DataError(
                f"prepared pictures {folder / PIXELS} have {size} bytes, expected {needed}; delete "
                "the folder and prepare again"
            )
        self._mapped: ByteArray | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A mapping would be copied to a loader process; there it is mapped again instead.
        return self.__dict__ | {"_mapped": None}

    def sample(self, index: int) -> StoredSample:
        """A picture as views of the file; its pixels are read from disk when they are used."""
        entry = self.entries[index]
        image, labels = entry.views(self._bytes(entry))
        centres = self._centres[self._first_centre[index] : self._first_centre[index + 1]]
        return StoredSample(entry.name, image, labels, centres, self._counts[index])

    def _bytes(self, entry: Entry) -> ByteArray:
        if self._mapped is None:
            mapped = np.memmap(self.folder / PIXELS, dtype=np.uint8, mode="r")
            self._mapped = mapped.view(np.ndarray)
        return self._mapped[entry.offset : entry.offset + entry.size]

    def damaged(self) -> list[str]:
        """Names of the pictures whose bytes on disk are not those that were written."""
        return [
            entry.name
            for entry, crc32 in zip(self.entries, self._crc32, strict=True)
            if zlib.crc32(self._bytes(entry).data) != crc32
        ]


def plan(data: LabeledSet, samples: Sequence[Sample], digests: Sequence[str], limit_wh: tuple[int, int]) -> list[Entry]:
    """Where each picture will lie; reads only headers.

    Raises:
        DataError: A picture is missing or none.
    """
    entries: list[Entry] = []
    offset = 0
    for sample, digest in zip(samples, digests, strict=True):
        width, height = shrunk_wh(data.size_wh(sample), limit_wh)
        entries.append(Entry(sample.name, digest, offset, width, height))
        offset += entries[-1].size
    return entries


class PackWriter:
    """Fills a pack from several threads, and goes on where a killed one stopped.

    Args:
        folder: Of the pack; the same plan must come with the same folder.
        planned: From `plan`.

    Raises:
        DataError: The disk has not enough room, or cannot be written.
    """

    def __init__(self, folder: Path, planned: Sequence[Entry]) -> None:
        self.folder = folder
        self._planned = planned
        self._journal_lock = Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._check_room()
        except OSError as error:
            raise self._trouble(error) from error

    def _check_room(self) -> None:
        pixels = self.folder / PIXELS
        # Blocks, not length: the file has holes where nothing was written yet.
        there = pixels.stat().st_blocks * 512 if pixels.exists() else 0
        missing = sum(entry.size for entry in self._planned) - there
        free = shutil.disk_usage(self.folder).free
        if missing + SPARE_BYTES > free:
            raise DataError(
                f"{len(self._planned)} prepared pictures need {missing / 1e9:.2f} GB more in "
                f"{self.folder.parent}, but its disk has {free / 1e9:.2f} GB free; choose another "
                "folder or a smaller size"
            )

    def write(
        self,
        data: LabeledSet,
        samples: Sequence[Sample],
        limit_wh: tuple[int, int],
        unknown: UnknownPolicy,
        threads: int,
        done: Callable[[], None],
    ) -> Pack:
        """Decodes what is missing and finishes the pack.

        Raises:
            DataError: A picture cannot be read, or the disk is full. What was written stays, and the next call goes on
                from there.
        """
        try:
            descriptor = os.open(self.folder / PIXELS, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise self._trouble(error) from error
        try:
            os.ftruncate(descriptor, sum(entry.size for entry in self._planned))
            written = self._already_written(descriptor)

            def one(index: int) -> Facts:
                entry = self._planned[index]
                if index in written:
                    stored = os.pread(descriptor, entry.size, entry.offset)
                    return Facts.of(*entry.views(np.frombuffer(stored, dtype=np.uint8)))
                image, labels = shrink(*data.read(samples[index], unknown), limit_wh)
                return self._put(descriptor, index, image, labels)

            facts = []
            with ThreadPoolExecutor(threads) as pool:
                jobs = [pool.submit(one, index) for index in range(len(self._planned))]
                try:
                    for job in jobs:
                        facts.append(job.result())
                        done()
                finally:
                    for job in jobs:
                        job.cancel()
            os.fsync(descriptor)
            self._finish(facts)
        except OSError as error:
            raise self._trouble(error) from error
        finally:
            os.close(descriptor)
        return Pack(self.folder)

    def _put(self, descriptor: int, index: int, image: ByteArray, labels: ByteArray) -> Facts:
        entry = self._planned[index]
        if labels.shape != (entry.height, entry.width):
            raise DataError(f"picture {entry.name} changed its size while it was prepared")
        write_at(descriptor, image.tobytes() + labels.tobytes(), entry.offset)
        facts = Facts.of(image, labels)
        with self._journal_lock, (self.folder / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(f"{index} {facts.crc32}\n")
        return facts

    def _already_written(self, descriptor: int) -> set[int]:
        """Pictures that a killed run left whole, by their check sums."""
        journal = self.folder / JOURNAL
        whole: set[int] = set()
        for line in journal.read_text("utf-8").splitlines() if journal.is_file() else ():
            words = line.split()
            if len(words) != 2 or not all(word.isdigit() for word in words):
                continue  # the line that was being written when the run was killed
            index, crc32 = map(int, words)
            if index < len(self._planned):
                entry = self._planned[index]
                if zlib.crc32(os.pread(descriptor, entry.size, entry.offset)) == crc32:
                    whole.add(index)
        return whole

    def _finish(self, facts: Sequence[Facts]) -> None:
        tables = self.folder / TABLES
        partial = tables.with_name(tables.name + ".partial")
        with partial.open("wb") as stream:
            np.savez(
                stream,
                places=np.array([(e.offset, e.width, e.height) for e in self._planned], np.int64),
                counts=np.array([f.counts for f in facts], np.int64),
                crc32=np.array([f.crc32 for f in facts], np.uint32),
                centres=np.concatenate([f.centres for f in facts]),
                first_centre=np.cumsum([0, *(len(f.centres) for f in facts)]),
            )
        partial.replace(tables)
        write_json(
            self.folder / INDEX,
            {
                "format": FORMAT,
                "names": [entry.name for entry in self._planned],
                "digests": [entry.digest for entry in self._planned],
            },
        )
        (self.folder / JOURNAL).unlink(missing_ok=True)

    def _trouble(self, error: OSError) -> DataError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DataError(
                f"the disk of {self.folder.parent} became full while pictures were prepared; what "
                "is done is kept: make room and run it again, or choose another folder"
            )
        return DataError(f"prepared pictures {self.folder}: {error.strerror or error}")


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Writes all bytes at a place of a file; one `pwrite` may take only some of them."""
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
