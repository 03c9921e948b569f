"""Training pictures per second out of 6000x4000 files: decoded every time, against the store.

    python -m benchmarks.input_pipeline [--json benchmarks/results/input_pipeline.json]

Both ways end in the same varied pictures of the same training size, made by the same code in two loader processes with
one thread each. They are timed in turn, so that a load on the machine hits both, and the ratio stays comparable between
machines. The files are in the page cache both times: a real disk makes decoding every time slower still. Budget: the
store is at least 5 times as fast.

The pictures are drawn by a seeded generator: fields of fractal texture and objects, JPEG quality 92 (some 10 MB each,
as a camera's), labels as 8-bit PNG.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.runner import Figures, benchmark, in_turn, ratio
from landing.taxonomy import Taxonomy
from trainer.data.augment import Variation, vary
from trainer.data.layouts import open_set
from trainer.data.store import open_or_prepare

SIZE_WH = (6000, 4000)
TRAINING_WH = (768, 512)
STORED_WH = (960, 640)  # 1.25 times the training size, as trainer fit keeps them
BUDGET = 5.0
PROCESSES = 2

_now: dict[str, Any] = {}
"""What a loader process works on; inherited by fork."""


def texture(rng: np.random.Generator, size_wh: tuple[int, int], finest: int = 12) -> np.ndarray:
    """Fractal noise, float32 (H, W), about -1 to 1, with up to 2**finest cells across."""
    total = np.zeros((size_wh[1], size_wh[0]), np.float32)
    for octave in range(2, finest + 1):
        cells = 2**octave
        shape = (max(2, cells * size_wh[1] // size_wh[0]), cells)
        noise = rng.standard_normal(shape, dtype=np.float32)
        total += cv2.resize(noise, size_wh, interpolation=cv2.INTER_LINEAR) * 0.75**octave
    return total / np.abs(total).max()


def draw(taxonomy: Taxonomy, seed: int, size_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its labels: fields, and some hundred objects on them."""
    rng = np.random.default_rng(seed)
    fields = texture(rng, size_wh, 5)  # outlines as smooth as those that people draw
    labels = np.digitize(fields, (-0.15, 0.0, 0.15)).astype(np.uint8) + 1
    for _ in range(150):
        centre = (int(rng.integers(size_wh[0])), int(rng.integers(size_wh[1])))
        axes = (int(rng.integers(10, 250)), int(rng.integers(10, 250)))
        shape = (centre, axes, float(rng.uniform(0, 180)))
        cv2.ellipse(labels, (shape[0], (2 * axes[0], 2 * axes[1]), shape[2]), int(rng.integers(5, len(taxonomy))), -1)
    detail = texture(rng, size_wh)[..., None] * 60 + rng.normal(0, 4, (*labels.shape, 1))
    image = np.clip(taxonomy.palette_bgr[labels] * 0.7 + 40 + detail, 0, 255).astype(np.uint8)
    return image, labels


def write_pictures(root: Path, count: int) -> None:
    """Writes `count` pairs in the layout of AeroScapes."""
    taxonomy = Taxonomy.load("aeroscapes")
    for name in ("JPEGImages", "SegmentationClass"):
        (root / name).mkdir(parents=True)
    for i in range(count):
        image, labels = draw(taxonomy, i, SIZE_WH)
        path = root / "JPEGImages" / f"{i:03d}.jpg"
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        cv2.imwrite(str(root / "SegmentationClass" / f"{i:03d}.png"), labels)


def decoded_every_time(index: int) -> float:
    sample = _now["data"].samples[index % len(_now["data"].samples)]
    return varied(*_now["data"].read(sample), index)


def out_of_the_store(index: int) -> float:
    item = _now["stored"][index % len(_now["stored"])]
    return varied(item.image, item.labels, index)


def varied(image: np.ndarray, labels: np.ndarray, index: int) -> float:
    rng = np.random.default_rng([0, index])
    picture, _ = vary(image, labels, TRAINING_WH, Variation(), rng)
    return float(picture[0, 0, 0])


def one_thread() -> None:
    cv2.setNumThreads(0)  # not 1: that waits for OpenCV's threads, which a fork leaves behind


def measure(rounds: int, decoded: int, stored: int) -> dict[str, Any]:
    """Pictures per second both ways, in turn."""
    with multiprocessing.get_context("fork").Pool(PROCESSES, one_thread) as pool:
        ways = {
            "decode": lambda _: list(pool.imap_unordered(decoded_every_time, range(decoded))),
            "store": lambda _: list(pool.imap_unordered(out_of_the_store, range(stored))),
        }
        times = in_turn(ways, rounds, warm_up=1)
    decode = [ms / decoded for ms in times["decode"]]
    store = [ms / stored for ms in times["store"]]
    return {
        "decode_every_time_images_per_s": round(1e3 / statistics.median(decode), 2),
        "store_images_per_s": round(1e3 / statistics.median(store), 1),
        "ratio": round(ratio(store, decode), 1),
        "ratio_least": round(min(d / s for d, s in zip(decode, store, strict=True)), 1),
        "rounds": rounds,
    }


@benchmark
@click.option("--pictures", default=8, show_default=True)
@click.option("--rounds", default=7, show_default=True)
def main(pictures: int, rounds: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="input-pipeline-") as folder:
        root = Path(folder)
        write_pictures(root / "pictures", pictures)
        data = open_set(root / "pictures", "aeroscapes-original")
        start = time.perf_counter()
        stored = open_or_prepare(data, data.samples, STORED_WH, root / "store")
        prepare_s = time.perf_counter() - start
        _now.update(data=data, stored=stored)
        # About as long each way: a round of the store takes many more pictures.
        result = measure(rounds, 2 * pictures, 40 * pictures)
        jpeg = statistics.mean(s.image.stat().st_size for s in data.samples)
        png = statistics.mean(s.label.stat().st_size for s in data.samples)
    return {
        "source": "x".join(map(str, SIZE_WH)),
        "training": "x".join(map(str, TRAINING_WH)),
        "stored": "x".join(map(str, STORED_WH)),
        "jpeg_mb": round(jpeg / 1e6, 1),
        "label_png_mb": round(png / 1e6, 2),
        "loader_processes": PROCESSES,
        "prepare_images_per_s": round(pictures / prepare_s, 2),
        **result,
        "budget_ratio": BUDGET,
        "within_limits": result["ratio"] >= BUDGET,
    }
