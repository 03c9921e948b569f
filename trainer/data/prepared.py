"""A small copy of a data set: every picture decoded and shrunk once, in the layout `folder`.

`images/`, `labels/`, `taxonomy.toml`, `split.csv` (parts and groups), `ground.csv` and `TERMS.txt` replace the source.
A label map carries the digest of what it was made from, so that only what changed is written again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
from PIL import Image, PngImagePlugin

from landing.errors import DataError
from trainer.data.ground import GROUND_FILE, write_ground_file
from trainer.data.layouts import SPLIT_FILE, TAXONOMY_FILE, TERMS_FILE
from trainer.data.samples import LabeledSet, Sample
from trainer.data.splitfile import write_split_file
from trainer.data.store import shrink
from trainer.files import locked, whole_file
from trainer.threads import in_threads

MARKER = "PREPARED.txt"
_DIGEST = "touchdown-source"
_FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def prepare(
    data: LabeledSet, folder: Path, limit_wh: tuple[int, int], done: Callable[[], None] = lambda: None, threads: int = 0
) -> None:
    """Writes a shrunk copy of a data set, pictures at most `limit_wh` pixels; goes on where it was interrupted.

    `done` is called for each sample that is ready.

    Raises:
        DataError: A picture cannot be read, or the folder cannot be written or holds other files.
    """
    strangers = sorted(p.name for p in folder.iterdir() if p.name != ".lock") if folder.is_dir() else []
    if strangers and MARKER not in strangers:
        raise DataError(f"{folder} holds other files ({strangers[0]}); choose an empty --out")
    images, labels = folder / "images", folder / "labels"
    name_of = {sample.name: sample.name.replace("/", "-") for sample in data.samples}
    if len(set(name_of.values())) < len(name_of):
        raise DataError(f"two pictures of {data.name} have the same name once / becomes -; rename a source folder")

    def write(sample: Sample) -> None:
        text = f"{data.digest(sample)} {limit_wh[0]}x{limit_wh[1]}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        target = labels / f"{name_of[sample.name]}.png"
        if _digest_in(target) == digest:
            return
        image, ids = shrink(*data.read(sample), limit_wh)
        with whole_file(images / target.name) as stream:
            stream.write(cv2.imencode(".png", image, _FAST_PNG)[1].tobytes())
        facts = PngImagePlugin.PngInfo()
        facts.add_text(_DIGEST, digest)
        packed = io.BytesIO()
        Image.fromarray(ids).save(packed, "png", pnginfo=facts)
        with whole_file(target) as stream:  # last: it says that the pair is complete
            stream.write(packed.getvalue())

    with locked(folder):
        (folder / MARKER).write_text(f"Written by `trainer data prepare` from {data.name}; do not edit.\n", "utf-8")
        images.mkdir(exist_ok=True)
        labels.mkdir(exist_ok=True)
        in_threads(write, data.samples, threads, done)
        kept = {f"{name}.png" for name in name_of.values()}
        for path in (*images.iterdir(), *labels.iterdir()):
            if path.name not in kept:
                path.unlink()
        (folder / TAXONOMY_FILE).write_text(data.taxonomy.to_toml(), "utf-8")
        if data.terms:
            (folder / TERMS_FILE).write_text(data.terms + "\n", "utf-8")
        _write_ground(folder / GROUND_FILE, data, name_of)
        write_split_file(folder / SPLIT_FILE, data.samples, data.own_split or {}, name_of)


def _write_ground(path: Path, data: LabeledSet, name_of: Mapping[str, str]) -> None:
    """Writes the widths of the ground that the source states exactly; no file where it states none."""
    known = [(name_of[s.name], width) for s in data.samples if (width := data.ground_width(s)) is not None]
    rows = [(name, width.least_m) for name, width in known if width.least_m == width.greatest_m]
    if rows:
        write_ground_file(path, rows)
    else:
        path.unlink(missing_ok=True)


def _digest_in(label_map: Path) -> str:
    """Digest of the source that a label map was made from; empty where there is none."""
    try:
        with Image.open(label_map) as picture:
            return str(picture.info.get(_DIGEST, ""))
    except OSError:
        return ""
