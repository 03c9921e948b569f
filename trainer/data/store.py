"""Pictures decoded and shrunk once: one array file each, shared by all processes that train on them.

Decoding a 24-megapixel JPEG takes longer than a training step on it. A file is named after all that its content follows
from (`LabeledSet.digest` and greatest size), so a source that changed is decoded again. Files are written whole and
never changed, and stay while a run may read them and for a week after one last opened them; one that was cut short does
not open and is written again. safetensors is imported where it is used: commands that only shrink do without it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.types import ByteArray
from trainer.data.samples import IGNORE, LabeledSet, Sample
from trainer.files import alone_in, locked, whole_file
from trainer.threads import in_threads

CENTRES_PER_CLASS = 32
"""Pixels of each class that are kept with a picture, for crops centred on a class."""

SPARE_BYTES = 64 << 20
"""Disk space left free for others."""

KEPT_UNUSED_S = 7 * 24 * 3600.0
"""Decoded pictures stay so long after a run last opened them."""

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class DecodedSample:
    """A sample ready to be varied.

    Attributes:
        name: Of the sample.
        image: BGR uint8 (H, W, 3).
        labels: uint8 (H, W).
        centres: Some pixels of every class, int32 (n, 3); see `centres_of`.
    """

    name: str
    image: ByteArray
    labels: ByteArray
    centres: npt.NDArray[np.int32]


class StoredSamples(Sequence[DecodedSample]):
    """Samples of a store, in the order asked for; pixels are read when one is taken.

    `centres` of each sample are as from `centres_of`; `counts` are pixels of each label value, int64 (samples, 256).
    """

    def __init__(
        self,
        samples: Sequence[tuple[str, Path]],
        centres: Sequence[npt.NDArray[np.int32]],
        counts: npt.NDArray[np.int64],
    ) -> None:
        self._samples = list(samples)
        self.centres = list(centres)
        self.counts = counts

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, index: int) -> DecodedSample: ...
    @overload
    def __getitem__(self, index: slice) -> StoredSamples: ...
    def __getitem__(self, index: int | slice) -> DecodedSample | StoredSamples:
        if isinstance(index, slice):
            return StoredSamples(self._samples[index], self.centres[index], self.counts[index])
        from safetensors import safe_open

        name, path = self._samples[index]
        with safe_open(path, "numpy") as tensors:
            return DecodedSample(name, tensors.get_tensor("image"), tensors.get_tensor("labels"), self.centres[index])


def open_or_prepare(
    data: LabeledSet,
    samples: Sequence[Sample],
    limit_wh: tuple[int, int],
    folder: str | Path,
    done: Callable[[], None] = lambda: None,
    threads: int = 0,
) -> StoredSamples:
    """Decoded samples out of a store, which first gets those that it lacks.

    Safe to call from several processes at once: one decodes, the others wait for it. Pictures are shrunk to fit
    `limit_wh` pixels, never enlarged. `folder` holds a store per data set and size. `done` is called for each sample
    that is ready.

    Raises:
        DataError: A picture cannot be read, or the folder cannot be written or is too full.
    """
    name = re.sub(r"[^A-Za-z0-9.+-]+", "-", data.name)
    root = Path(folder) / f"{name}-{limit_wh[0]}x{limit_wh[1]}"
    paths = {s.name: root / _file_name(data, s, limit_wh) for s in samples}
    with locked(root):
        facts = {s.name: found for s in samples if (found := _facts(paths[s.name])) is not None}
        missing = [sample for sample in samples if sample.name not in facts]
        for _ in range(len(samples) - len(missing)):
            done()
        if missing:
            _require_room(data, missing, limit_wh, root)

            def decode(sample: Sample) -> None:
                facts[sample.name] = _write(paths[sample.name], *shrink(*data.read(sample), limit_wh))

            in_threads(decode, missing, threads, done)
        for path in paths.values():
            with suppress(OSError):  # of another user
                os.utime(path)
        with alone_in(root) as alone:
            if alone:
                _remove_stale(root, set(paths.values()))
    counts = np.array([facts[s.name][1] for s in samples], np.int64).reshape(len(samples), 256)
    return StoredSamples([(s.name, paths[s.name]) for s in samples], [facts[s.name][0] for s in samples], counts)


def _file_name(data: LabeledSet, sample: Sample, limit_wh: tuple[int, int]) -> str:
    content = f"{data.digest(sample)} {limit_wh[0]}x{limit_wh[1]}"
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in (sample.name, content)]
    return f"{hashes[0][:16]}-{hashes[1][:32]}{_SUFFIX}"


def _facts(path: Path) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]] | None:
    """Centres and pixel counts of a file; None where it is missing or not whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as tensors:
            return tensors.get_tensor("centres"), tensors.get_tensor("counts")
    except (FileNotFoundError, SafetensorError):
        return None


def _write(path: Path, image: ByteArray, labels: ByteArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    from safetensors.numpy import save

    centres, counts = centres_of(labels), np.bincount(labels.ravel(), minlength=256).astype(np.int64)
    arrays = {"image": image, "labels": labels, "centres": centres, "counts": counts}
    with whole_file(path) as stream:
        stream.write(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
    return centres, counts


def _require_room(data: LabeledSet, samples: Sequence[Sample], limit_wh: tuple[int, int], root: Path) -> None:
    needed = sum(4 * w * h for w, h in (shrunk_wh(data.size_wh(sample), limit_wh) for sample in samples))
    free = shutil.disk_usage(root).free
    if needed + SPARE_BYTES > free:
        raise DataError(
            f"{len(samples)} decoded pictures need {needed / 1e9:.2f} GB in {root}, but its disk has "
            f"{free / 1e9:.2f} GB free; choose another folder or a smaller size"
        )


def _remove_stale(root: Path, current: set[Path]) -> None:
    """Removes other versions of these samples that no run has opened for `KEPT_UNUSED_S`.

    Called while nobody else reads the store: a training run opens each picture anew in each epoch, and clocks jump.
    """
    names = {path.name.partition("-")[0] for path in current}
    before = time.time() - KEPT_UNUSED_S  # noqa: TID251  # file times are of this clock
    for path in root.glob(f"*{_SUFFIX}"):
        if path not in current and path.name.partition("-")[0] in names and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def shrunk_wh(size_wh: tuple[int, int], limit_wh: tuple[int, int]) -> tuple[int, int]:
    """Size that fits a limit, with the same proportions; never larger than it was."""
    scale = min(limit_wh[0] / size_wh[0], limit_wh[1] / size_wh[1], 1.0)
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def shrink(image: ByteArray, labels: ByteArray, limit_wh: tuple[int, int]) -> tuple[ByteArray, ByteArray]:
    """Picture and labels scaled down to fit a size; never scaled up."""
    size = shrunk_wh((labels.shape[1], labels.shape[0]), limit_wh)
    if size == (labels.shape[1], labels.shape[0]):
        return image, labels
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small_labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(small, dtype=np.uint8), np.asarray(small_labels, dtype=np.uint8)


def centres_of(labels: ByteArray) -> npt.NDArray[np.int32]:
    """Some pixels of every class in a label map, int32 (n, 3): column, row, class id.

    At most `CENTRES_PER_CLASS` of each class, evenly spaced in reading order: a lake does not crowd out a person, and
    the same map always gives the same pixels.
    """
    flat = labels.ravel()
    present = np.flatnonzero(np.bincount(flat, minlength=256)[:IGNORE])
    picks = []
    for value in present:
        places = np.flatnonzero(flat == value)
        count = min(CENTRES_PER_CLASS, len(places))
        # The middles of `count` equal stretches, so no class is drawn from its edge pixels alone.
        chosen = places[(2 * np.arange(count) + 1) * len(places) // (2 * count)]
        rows, columns = np.divmod(chosen, labels.shape[1])
        picks.append(np.column_stack([columns, rows, np.full(count, value)]))
    found = np.concatenate(picks) if picks else np.empty((0, 3))
    return np.ascontiguousarray(found, dtype=np.int32)
