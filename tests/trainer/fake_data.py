"""Tiny labelled pictures in every layout, drawn by a seeded generator: nobody's data."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np

from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.data.samples import LabeledSet
from trainer.data.store import DecodedSample, centres_of, shrink


def picture(taxonomy: Taxonomy, seed: int, size_wh: tuple[int, int] = (96, 64)) -> tuple[ByteArray, ByteArray]:
    """A few rectangles of random classes in their colours, with some noise."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    labels = np.full((height, width), int(rng.integers(len(taxonomy))), dtype=np.uint8)
    for _ in range(6):
        left, top = int(rng.integers(width - 8)), int(rng.integers(height - 8))
        right, bottom = left + int(rng.integers(8, width)), top + int(rng.integers(8, height))
        labels[top:bottom, left:right] = rng.integers(len(taxonomy))
    noise = rng.integers(-12, 13, (height, width, 3))
    image = np.clip(taxonomy.palette_bgr[labels].astype(np.int16) + noise, 0, 255)
    return image.astype(np.uint8), labels


def write_pair(
    images: Path, labels: Path, name: str, pair: tuple[ByteArray, ByteArray], palette: Taxonomy | None = None
) -> None:
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    image, ids = pair
    cv2.imwrite(str(images / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    stored = ids if palette is None else palette.palette_bgr[ids]
    cv2.imwrite(str(labels / f"{name}.png"), stored)


def write_class_list(path: Path, taxonomy: Taxonomy) -> None:
    """As publishers put it beside their label maps."""
    rows = [f"{c.id},{c.name},{','.join(map(str, c.color_rgb))}\n" for c in taxonomy.classes]
    path.write_text("id,name,r,g,b\n" + "".join(rows))


def semantic_drone(root: Path, count: int = 6) -> Path:
    taxonomy = Taxonomy.load("semantic-drone")
    base = root / "dataset" / "semantic_drone_dataset"
    for i in range(count):
        pair = picture(taxonomy, i)
        write_pair(base / "original_images", base / "label_images_semantic", f"{i:03d}", pair)
    write_class_list(root / "class_dict_seg.csv", taxonomy)
    return root


def semantic_drone_low_res(root: Path, count: int = 6) -> Path:
    taxonomy = Taxonomy.load("semantic-drone")
    base = root / "training_set"
    labels = base / "gt/semantic/low_res_label_images"
    for i in range(count):
        pair = picture(taxonomy, i)
        write_pair(base / "low_res_images", labels, f"{i:03d}", pair, taxonomy)
    return root


def aeroscapes(root: Path, original: bool = False, per_sequence: int = 6) -> Path:
    taxonomy = Taxonomy.load("aeroscapes")
    names = ("JPEGImages", "SegmentationClass") if original else ("images", "labels")
    for s, sequence in enumerate(("001101", "040001", "041007")):
        for i in range(per_sequence):
            pair = picture(taxonomy, 100 * s + i)
            write_pair(root / names[0], root / names[1], f"{sequence}_{i:03d}", pair)
    write_class_list(root / "classes.csv", taxonomy)
    return root


def uavid(root: Path, per_sequence: int = 3) -> Path:
    """Labels as RGB colours; the test part has none, as in the published set."""
    taxonomy = Taxonomy.load("uavid")
    seed = 0
    # In order of the names the samples get, so that the first one has seed 0.
    for part, sequence in (("val", 16), ("val", 17), ("train", 1), ("train", 2), ("test", 21)):
        base = root / part / f"seq{sequence}"
        for i in range(per_sequence):
            pair = picture(taxonomy, seed)
            seed += 1
            write_pair(base / "Images", base / "Labels", f"{100 * i:06d}", pair, taxonomy)
    shutil.rmtree(root / "test" / "seq21" / "Labels")
    return root


def vdd(root: Path, per_part: int = 3) -> Path:
    taxonomy = Taxonomy.load("vdd")
    for p, part in enumerate(("test", "train", "val")):
        for i in range(per_part):
            pair = picture(taxonomy, 10 * p + i)
            write_pair(root / part / "src", root / part / "gt", f"DJI_{i:04d}", pair)
    write_class_list(root / "classes.csv", taxonomy)
    return root


TOY_TAXONOMY = """
name = "toy"
[[classes]]
id = 0
name = "grass"
color_rgb = [0, 180, 0]
role = "landable"
[[classes]]
id = 1
name = "house"
color_rgb = [200, 0, 0]
role = "obstacle"
[[classes]]
id = 2
name = "person"
color_rgb = [250, 250, 0]
role = "person"
"""


def folder(root: Path, worlds: int = 5, per_world: int = 3, split: bool = True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "taxonomy.toml").write_text(TOY_TAXONOMY)
    taxonomy = Taxonomy.load(root / "taxonomy.toml")
    rows = ["id,split"]
    for world in range(worlds):
        part = "train" if world < worlds - 2 else ("val" if world == worlds - 2 else "test")
        for i in range(per_world):
            name = f"{1000 + world}_{i:02d}"
            pair = picture(taxonomy, 10 * world + i)
            write_pair(root / "images", root / "labels", name, pair)
            rows.append(f"{name},{part}")
    if split:
        (root / "split.csv").write_text("\n".join(rows) + "\n")
    return root


def in_memory(data: LabeledSet, limit_wh: tuple[int, int]) -> list[DecodedSample]:
    """What a store must hold of a data set, made the plain way."""
    cached = []
    for sample in data.samples:
        image, labels = shrink(*data.read(sample), limit_wh)
        cached.append(DecodedSample(sample.name, image, labels, centres_of(labels)))
    return cached
