"""Pictures decoded and shrunk once, kept on disk, and shared by all processes that train on them.

A store is a folder of packs (`trainer.data.pack`). What is asked for and in no pack yet is decoded into a new one; a
picture or label map that changed is noticed by its digest and decoded again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, overload, runtime_checkable

from landing.errors import DataError
from trainer.data.cache import CachedSample
from trainer.data.pack import INDEX, Pack, PackWriter, StoredSample, plan
from trainer.data.samples import LabeledSet, Sample, UnknownPolicy

_PACK = "pack-"
_LOOK_AGAIN_S = 0.2


class StoredPictures(Sequence[CachedSample]):
    """Pictures of a store, in the order asked for. Small to hand to a loader process.

    Args:
        places: The pack of each, and its number in it.
    """

    def __init__(self, places: Sequence[tuple[Pack, int]]) -> None:
        self._places = tuple(places)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> StoredSample: ...
    @overload
    def __getitem__(self, index: slice) -> StoredPictures: ...
    def __getitem__(self, index: int | slice) -> StoredSample | StoredPictures:
        if isinstance(index, slice):
            return StoredPictures(self._places[index])
        pack, number = self._places[index]
        return pack.sample(number)

    def digests(self) -> list[str]:
        """What each picture was made from; see `Entry.digest`."""
        return [pack.entries[number].digest for pack, number in self._places]


@runtime_checkable
class Ready(Protocol):
    """A data set whose pictures are decoded already."""

    def pictures_within(self, samples: Sequence[Sample], limit_wh: tuple[int, int]) -> StoredPictures | None:
        """The pictures, or None if one is larger than the limit."""


def open_or_prepare(
    data: LabeledSet,
    samples: Sequence[Sample],
    limit_wh: tuple[int, int],
    unknown: UnknownPolicy,
    folder: str | Path,
    done: Callable[[], None] = lambda: None,
    threads: int = 0,
) -> StoredPictures:
    """Decoded pictures out of a store, which first gets what it does not hold yet.

    Safe to call from several processes at once: one decodes, the others wait for it.

    Args:
        data: The set the samples are of.
        samples: Which.
        limit_wh: Greatest size kept, pixels; pictures are shrunk to fit, never enlarged.
        unknown: What becomes of labels the taxonomy does not know.
        folder: Where stores are kept; this one is a folder in it, by name and size.
        done: Called for each picture that is ready.
        threads: Decoding threads; 0 for one per core.

    Raises:
        DataError: A picture cannot be read, or the folder cannot be written.
    """
    ready = data.pictures_within(samples, limit_wh) if isinstance(data, Ready) else None
    if ready is not None:
        for _ in samples:
            done()
        return ready
    name = re.sub(r"[^A-Za-z0-9.+-]+", "-", data.name)
    root = Path(folder) / f"{name}-{limit_wh[0]}x{limit_wh[1]}"
    return fill(root, data, samples, limit_wh, unknown, done, threads)


def fill(
    root: Path,
    data: LabeledSet,
    samples: Sequence[Sample],
    limit_wh: tuple[int, int],
    unknown: UnknownPolicy,
    done: Callable[[], None] = lambda: None,
    threads: int = 0,
) -> StoredPictures:
    """As `open_or_prepare`, in exactly this folder.

    Raises:
        DataError: A picture cannot be read, or the folder cannot be written.
    """
    digests = {s.name: _digest(data, s, limit_wh, unknown) for s in samples}
    with locked(root):
        packs = open_packs(root)
        places = _wanted(packs, digests)
        missing = [sample for sample in samples if sample.name not in places]
        for _ in range(len(samples) - len(missing)):
            done()
        if missing:
            pack = _new_pack(
                root, data, missing, digests, limit_wh, unknown, done, threads or len(os.sched_getaffinity(0))
            )
            places |= _wanted([pack], digests)
            _remove_stale(root, packs, digests)
    return StoredPictures([places[sample.name] for sample in samples])


def _digest(data: LabeledSet, sample: Sample, limit_wh: tuple[int, int], unknown: UnknownPolicy) -> str:
    text = f"{data.digest(sample)} {limit_wh[0]}x{limit_wh[1]} {unknown}"
    return hashlib.sha256(text.encode()).hexdigest()


def open_packs(root: Path) -> list[Pack]:
    """The finished packs of a store.

    Raises:
        DataError: One is damaged.
    """
    return [Pack(path.parent) for path in sorted(root.glob(f"{_PACK}*/{INDEX}"))]


def _wanted(packs: Sequence[Pack], digests: dict[str, str]) -> dict[str, tuple[Pack, int]]:
    return {
        entry.name: (pack, number)
        for pack in packs
        for number, entry in enumerate(pack.entries)
        if digests.get(entry.name) == entry.digest
    }


def _new_pack(
    root: Path,
    data: LabeledSet,
    samples: Sequence[Sample],
    digests: dict[str, str],
    limit_wh: tuple[int, int],
    unknown: UnknownPolicy,
    done: Callable[[], None],
    threads: int,
) -> Pack:
    wanted = [digests[sample.name] for sample in samples]
    # By its content, so that the same call after a kill finds the half-written folder.
    folder = root / (_PACK + hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:12])
    for other in root.glob(f"{_PACK}*"):
        if other != folder and not (other / INDEX).exists():
            shutil.rmtree(other)  # a killed run for other pictures; we hold the lock
    writer = PackWriter(folder, plan(data, samples, wanted, limit_wh))
    return writer.write(data, samples, limit_wh, unknown, threads, done)


def _remove_stale(root: Path, packs: Sequence[Pack], digests: dict[str, str]) -> None:
    """Removes packs that hold nothing but older versions of these samples."""
    for pack in packs:
        if all(digests.get(entry.name, entry.digest) != entry.digest for entry in pack.entries):
            shutil.rmtree(pack.folder)  # who has it mapped keeps it until then


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Holds a folder for one process at a time; the lock of a killed process is free.

    Raises:
        DataError: The folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DataError(f"folder {root} for prepared pictures: {error.strerror}") from error
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_LOOK_AGAIN_S)  # another process prepares, with its own progress
        yield
    finally:
        os.close(descriptor)
