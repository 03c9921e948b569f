"""Cuts a data set into WebDataset shards: tar files of whole samples, read from front to back.

For data that is bigger than memory or one disk, or lies behind a web server. WebDataset and not MosaicML streaming: its
shards are plain tar files that any tool opens, and it needs only numpy, braceexpand and PyYAML, where the other
installs the clients of every cloud.

    shards.json        what the labels mean, terms, class pixels, and where each sample lies train-000000.tar
    0000000.jpg, 0000000.json, 0000000.seg.png, 0000001.jpg, ...
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tarfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from landing.errors import DataError
from trainer.data.cache import shrink
from trainer.data.pack import write_json
from trainer.data.samples import LabeledSet, Sample, UnknownPolicy
from trainer.data.splitfile import PARTS
from trainer.data.splits import Split

SHARDS_FILE = "shards.json"
FORMAT = "touchdown-shards-1"
LABEL_SUFFIX = "seg.png"
JPEG_QUALITY = 95
_HEADER_BYTES = 512 * 6
"""Of a sample in a tar file: a header and padding for each of its three files."""


@dataclass(frozen=True)
class ShardPlan:
    """How shards are made.

    Attributes:
        limit_wh: Greatest size kept, pixels.
        shard_mb: Size of a shard, 10^6 bytes; the last of a part is smaller.
        picture: "jpg" at quality 95, or "png" without loss.
        seed: Of the order of the samples: neighbours on disk should not be neighbours in time.
        threads: Encoding threads; 0 for one per core.
    """

    limit_wh: tuple[int, int]
    shard_mb: float = 256.0
    picture: Literal["jpg", "png"] = "jpg"
    seed: int = 0
    threads: int = 0


@dataclass(frozen=True)
class _Encoded:
    sample: Sample
    image: bytes
    labels: bytes
    size_wh: tuple[int, int]
    counts: np.ndarray[Any, Any]


def write_shards(
    data: LabeledSet,
    split: Split,
    folder: Path,
    plan: ShardPlan,
    unknown: UnknownPolicy = "refuse",
    done: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Writes the parts of a split as shards.

    Args:
        data: What.
        split: Its parts; samples in no part are left out.
        folder: Where to; must not hold shards already.
        plan: How.
        unknown: What becomes of labels the taxonomy does not know.
        done: Called for each sample.

    Returns:
        What is in `shards.json`.

    Raises:
        DataError: A picture cannot be read, or the folder cannot be written.
    """
    if (folder / SHARDS_FILE).exists():
        raise DataError(f"{folder} already holds shards; choose another --out")
    parts: dict[str, Any] = {}
    pixels: dict[str, list[int]] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            samples = list(getattr(split, part))
            np.random.default_rng(plan.seed).shuffle(samples)
            counts = np.zeros(256, np.int64)
            encoded = _encoded(data, samples, plan, unknown)
            parts[part] = _write_part(folder, part, encoded, plan, counts, done)
            pixels[part] = counts[: len(data.taxonomy)].tolist()
        index = {
            "format": FORMAT,
            "name": data.name,
            "taxonomy": data.taxonomy.model_dump(mode="json"),
            "terms": data.terms,
            "size_limit_wh": list(plan.limit_wh),
            "class_pixels": pixels,
            "parts": parts,
        }
        write_json(folder / SHARDS_FILE, index)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "its disk is full; make room and start again" if full else error.strerror
        raise DataError(f"shards in {folder}: {reason}") from error
    return index


def _encoded(
    data: LabeledSet, samples: Sequence[Sample], plan: ShardPlan, unknown: UnknownPolicy
) -> Iterator[_Encoded]:
    """Encodes in parallel, in order, with few pictures in memory."""

    def one(sample: Sample) -> _Encoded:
        image, labels = shrink(*data.read(sample, unknown), plan.limit_wh)
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if plan.picture == "jpg" else []
        packed = cv2.imencode(f".{plan.picture}", image, options)[1].tobytes()
        label_png = cv2.imencode(".png", labels)[1].tobytes()
        counts = np.bincount(labels.ravel(), minlength=256)
        return _Encoded(sample, packed, label_png, (labels.shape[1], labels.shape[0]), counts)

    threads = plan.threads or len(os.sched_getaffinity(0))
    waiting: deque[Future[_Encoded]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for sample in samples:
            waiting.append(pool.submit(one, sample))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _write_part(
    folder: Path,
    part: str,
    encoded: Iterator[_Encoded],
    plan: ShardPlan,
    counts: np.ndarray[Any, Any],
    done: Callable[[], None],
) -> list[dict[str, Any]]:
    shards: list[dict[str, Any]] = []
    held: list[_Encoded] = []
    size = number = 0

    def flush() -> None:
        nonlocal size, number
        if held:
            name = f"{part}-{len(shards):06d}.tar"
            shards.append(_write_shard(folder / name, held, number, plan.picture))
            number += len(held)
            held.clear()
            size = 0

    for item in encoded:
        weight = len(item.image) + len(item.labels) + _HEADER_BYTES
        if held and size + weight > plan.shard_mb * 1e6:
            flush()
        held.append(item)
        size += weight
        counts += item.counts
        done()
    flush()
    return shards


def _write_shard(path: Path, items: Sequence[_Encoded], first: int, picture: str) -> dict[str, Any]:
    """Writes a shard whole or not at all, and reads back where each file begins."""
    from webdataset import TarWriter  # imports torch

    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream, TarWriter(stream, encoder=False, mtime=0) as tar:
        for number, item in enumerate(items, first):
            facts = json.dumps({"name": item.sample.name, "group": item.sample.group})
            tar.write(
                {"__key__": f"{number:07d}", picture: item.image, LABEL_SUFFIX: item.labels, "json": facts.encode()}
            )
    with tarfile.open(partial) as tar_file:
        place_of = {member.name: [member.offset_data, member.size] for member in tar_file}
    samples = [
        {
            "name": item.sample.name,
            "group": item.sample.group,
            "size_wh": list(item.size_wh),
            "image": place_of[f"{number:07d}.{picture}"],
            "labels": place_of[f"{number:07d}.{LABEL_SUFFIX}"],
        }
        for number, item in enumerate(items, first)
    ]
    digest = hashlib.sha256()
    with partial.open("rb") as written:
        while block := written.read(1 << 20):
            digest.update(block)
        os.fsync(written.fileno())
    size = partial.stat().st_size
    partial.replace(path)
    return {"file": path.name, "bytes": size, "sha256": digest.hexdigest(), "samples": samples}
