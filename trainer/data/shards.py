"""WebDataset shards: tar files of whole samples, for data bigger than a disk or behind a web server.

`shards.json` beside them holds the taxonomy, terms, class pixels and the place of every sample in its tar file: any
sample is read by name, and a whole shard from front to back.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.picture_files import decode, require_picture
from landing.reading import TABLE_BYTES, open_file
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.ground import GroundWidth
from trainer.data.samples import LabeledSet, Sample, absent_classes, decode_image
from trainer.data.splitfile import PARTS
from trainer.data.splits import Split
from trainer.data.store import shrink
from trainer.files import is_full, whole_file
from trainer.threads import in_order

SHARDS_FILE = "shards.json"
FORMAT = "touchdown-shards-1"
LABEL_SUFFIX = "seg.png"
JPEG_QUALITY = 95
_TIMEOUT_S = 60.0
_WEB = ("http://", "https://")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+\.tar")


def write_shards(
    data: LabeledSet,
    split: Split,
    folder: Path,
    limit_wh: tuple[int, int],
    *,
    shard_mb: float = 256.0,
    picture: Literal["jpg", "png"] = "jpg",
    done: Callable[[], None] = lambda: None,
    threads: int = 0,
) -> dict[str, int]:
    """Writes the parts of a split as shards, in random order: neighbours on disk are not neighbours in time.

    Pictures are at most `limit_wh` pixels, as "jpg" at quality 95 or "png" without loss; a new shard begins from
    `shard_mb` (10^6 bytes) on. `done` is called for each sample.

    Returns:
        Number of shards of each part.

    Raises:
        DataError: A picture cannot be read, or the folder cannot be written or holds shards already.
    """
    if (folder / SHARDS_FILE).exists():
        raise DataError(f"{folder} already holds shards; choose another --out")
    parts: dict[str, list[dict[str, Any]]] = {}
    pixels: dict[str, list[int]] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            samples = list(getattr(split, part))
            np.random.default_rng(0).shuffle(samples)
            counts = np.zeros(256, np.int64)
            with _writer(folder, part, shard_mb) as writer:
                for item, label_counts in _encoded(data, samples, limit_wh, picture, threads):
                    writer.write(item)
                    counts += label_counts
                    done()
            found = [_shard_index(path, picture) for path in sorted(folder.glob(f"{part}-*.tar"))]
            parts[part] = [shard for shard in found if shard["samples"]]
            pixels[part] = counts[: len(data.taxonomy)].tolist()
        index = {
            "format": FORMAT,
            "name": data.name,
            "taxonomy": data.taxonomy.model_dump(mode="json"),
            "terms": data.terms,
            "class_pixels": pixels,
            "parts": parts,
        }
        with whole_file(folder / SHARDS_FILE) as stream:
            stream.write(json.dumps(index).encode())
    except OSError as error:
        reason = "its disk is full; make room and start again" if is_full(error) else error.strerror
        raise DataError(f"shards in {folder}: {reason}") from error
    return {part: len(shards) for part, shards in parts.items()}


def _writer(folder: Path, part: str, shard_mb: float) -> Any:
    """Return a writer of a part's shards; removes those of a killed run."""
    from webdataset import ShardWriter  # imports torch

    for path in folder.glob(f"{part}-*.tar"):
        path.unlink()
    pattern = f"{str(folder.resolve()).replace('%', '%%')}/{part}-%06d.tar"
    return ShardWriter(pattern, maxcount=1 << 30, maxsize=shard_mb * 1e6, encoder=False, mtime=0, verbose=0)


def _encoded(
    data: LabeledSet, samples: Sequence[Sample], limit_wh: tuple[int, int], picture: str, threads: int
) -> Iterator[tuple[dict[str, Any], npt.NDArray[np.int64]]]:
    """Files of each sample, and its pixels of each label value; in order, few in memory."""

    def encode(numbered: tuple[int, Sample]) -> tuple[dict[str, Any], npt.NDArray[np.int64]]:
        number, sample = numbered
        image, labels = shrink(*data.read(sample), limit_wh)
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if picture == "jpg" else []
        facts: dict[str, Any] = {"name": sample.name, "group": sample.group}
        facts["size_wh"] = [labels.shape[1], labels.shape[0]]
        width = data.ground_width(sample)
        facts["ground"] = None if width is None else list(vars(width).values())
        item = {
            "__key__": f"{number:07d}",
            picture: cv2.imencode(f".{picture}", image, options)[1].tobytes(),
            LABEL_SUFFIX: cv2.imencode(".png", labels)[1].tobytes(),
            "json": json.dumps(facts).encode(),
        }
        return item, np.bincount(labels.ravel(), minlength=256)

    yield from in_order(encode, list(enumerate(samples)), threads)


def _shard_index(path: Path, picture: str) -> dict[str, Any]:
    """Samples of a finished tar file: facts, and offset and size of picture and label map."""
    samples: dict[str, dict[str, Any]] = {}
    with tarfile.open(path) as shard:
        for member in shard:
            key, _, kind = member.name.partition(".")
            entry = samples.setdefault(key, {})
            if kind == "json":
                content = shard.extractfile(member)
                entry |= json.loads(content.read()) if content else {}
            else:
                entry["image" if kind == picture else "labels"] = [member.offset_data, member.size]
    return {"file": path.name, "samples": list(samples.values())}


class ShardedSet:
    """Shards as a `LabeledSet`, read by name; `ShardStream` reads them from front to back.

    Args:
        where: Folder of shards, or its URL.

    Attributes:
        base: Folder or URL, with a slash at its end.
        shards: Shards of each part, in order, as in the index: file, and facts of each sample.
        class_pixels: Labelled pixels of each class in a part.

    Raises:
        DataError: No index there, or another file.
    """

    def __init__(self, where: str) -> None:
        self.base = where.rstrip("/") + "/"
        path = self.base + SHARDS_FILE
        try:
            with open_shard(path) as stream:
                text = stream.read(TABLE_BYTES)
            index = json.loads(text)
            if not isinstance(index, dict) or index.get("format") != FORMAT:
                raise ValueError(f"not of format {FORMAT}")
            self.taxonomy = Taxonomy.parse(index["taxonomy"], path)
            self.name, self.terms = str(index["name"]), str(index["terms"])
            self.shards: dict[str, list[dict[str, Any]]] = index["parts"]
            self.class_pixels = {p: np.array(n, np.int64) for p, n in index["class_pixels"].items()}
            self.absent = absent_classes(self.taxonomy, sum(self.class_pixels.values()))
            rows = [
                (str(item["name"]), str(item["group"]), part, str(shard["file"]), item)
                for part, shards in self.shards.items()
                for shard in shards
                for item in shard["samples"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"shards {path}: {error}; write them again") from error
        for *_, file, _ in rows:
            if not _PLAIN_NAME.fullmatch(file):
                raise DataError(f"shards {path}: {file!r} is no name of a tar file")
        rows.sort(key=lambda row: row[0])
        self.samples = tuple(Sample(name, group, Path(file), Path(file)) for name, group, _, file, _ in rows)
        self.own_split: dict[str, str] | None = {name: part for name, _, part, _, _ in rows}
        self._facts = {name: item for name, *_, item in rows}
        self.remarks: tuple[str, ...] = ()
        self._version = hashlib.sha256(text).hexdigest()

    def read(self, sample: Sample) -> tuple[ByteArray, ByteArray]:
        """See `LabeledSet.read`; unknown labels were dealt with when the shards were written."""
        url, facts = self.base + str(sample.image), self._facts[sample.name]
        parts = []
        for offset, size in (facts["image"], facts["labels"]):
            with open_shard(url, offset, size) as stream:
                parts.append(read_exactly(stream, size, url))
        return decode_pair(sample.name, parts[0], parts[1])

    def size_wh(self, sample: Sample) -> tuple[int, int]:
        """See `LabeledSet.size_wh`."""
        width, height = self._facts[sample.name]["size_wh"]
        return width, height

    def ground_width(self, sample: Sample) -> GroundWidth | None:
        """See `LabeledSet.ground_width`."""
        known = self._facts[sample.name].get("ground")
        return None if known is None else GroundWidth(*known)

    def digest(self, sample: Sample) -> str:
        """See `LabeledSet.digest`."""
        return hashlib.sha256(f"{self._version} {sample.name}".encode()).hexdigest()


def is_sharded(where: str) -> bool:
    """True for a URL, and for a folder that holds shards."""
    return where.startswith(_WEB) or os.path.lexists(Path(where) / SHARDS_FILE)


def decode_pair(name: str, image: bytes, labels: bytes) -> tuple[ByteArray, ByteArray]:
    """Picture and class ids out of a shard's bytes.

    Raises:
        DataError: They cannot be decoded.
    """
    require_picture(labels, f"label map of {name}", DataError)
    ids = decode(labels, cv2.IMREAD_UNCHANGED)
    if ids is None or ids.ndim != 2 or ids.dtype != np.uint8:
        raise DataError(f"label map of {name} in its shard cannot be decoded")
    return decode_image(image, name), np.asarray(ids, dtype=np.uint8)


def open_shard(url: str, offset: int = 0, size: int | None = None) -> BinaryIO:
    """Opens a file or URL at an offset; of a URL, at most `size` bytes are asked for.

    Not by webdataset's opener: that runs `pipe:` addresses, and curl, in a shell.

    Raises:
        DataError: It cannot be opened, or the server does not serve ranges.
    """
    try:
        if not url.startswith(_WEB):
            local = open_file(url, "shards", DataError)
            local.seek(offset)
            return local
        part = bool(offset or size)
        headers = {"Range": f"bytes={offset}-{offset + size - 1 if size else ''}"} if part else {}
        response: Any = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)
        if part and response.status != 206:
            response.close()
            raise DataError(f"shards: the server of {url} does not serve parts of files")
        opened: BinaryIO = response
        return opened
    except (urllib.error.URLError, OSError) as error:
        raise DataError(f"shards: {url}: {error.strerror or error}") from error


def read_exactly(stream: BinaryIO, size: int, url: str) -> bytes:
    """The next `size` bytes of a shard.

    Raises:
        DataError: It cannot be read, or has fewer.
    """
    try:
        data = stream.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"shards: {url}: {error}") from error
    if len(data) != size:
        raise DataError(f"shard {url} ends too early: it was not copied or written whole")
    return data
