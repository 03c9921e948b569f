"""What the picture checks say of good pictures, and of the same ones blurred, darkened, emptied.

    python -m benchmarks.picture_checks FOLDER...       (any photographs from above; without labels)

For each picture, at 640 px width with a little noise: sharpness as it is and after a Gaussian blur, and how many of
each kind `landing.picture.monitor` refuses with its defaults. Then the time of one check.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.runner import Figures, benchmark, in_turn
from landing.camera import CameraModel
from landing.picture.monitor import PictureMonitor, PictureSettings, sharpness, thumbnail
from landing.types import ByteArray, Frame

BLURS_PX = (0, 2, 4, 8, 16)
WIDTH = 640
SUFFIXES = (".jpg", ".jpeg", ".png")


def pictures(folders: tuple[Path, ...]) -> list[ByteArray]:
    """All photographs below the folders, label maps left out, at the benchmark's width."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in SUFFIXES or "label" in str(path).lower():
                continue
            image = cv2.imread(str(path))
            if image is not None:
                size = (WIDTH, round(image.shape[0] * WIDTH / image.shape[1]))
                found.append(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))
    return found


def noisy(image: np.ndarray[Any, Any], seed: int) -> ByteArray:
    """With the noise of a small sensor."""
    noise = np.random.default_rng(seed).normal(0, 3, image.shape)
    return np.asarray(np.clip(image.astype(np.float32) + noise, 0, 255), np.uint8)


def refused(images: list[ByteArray]) -> int:
    """How many are not decided on."""
    return sum(monitor_of(i).problem(Frame(i, 0, 0), None) is not None for i in images)


def monitor_of(image: ByteArray) -> PictureMonitor:
    """One for the pictures of a camera."""
    camera = CameraModel.from_hfov(image.shape[1], image.shape[0], 70.0)
    return PictureMonitor(PictureSettings(), camera)


def milliseconds(width: int, height: int) -> float:
    """Median time of one check, one thread."""
    image = noisy(np.full((height, width, 3), 120), 0)
    monitor = monitor_of(image)
    times = in_turn({"check": lambda number: monitor.problem(Frame(image, number, number), None)}, 200)
    return statistics.median(times["check"])


@benchmark
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(folders: tuple[Path, ...]) -> Figures:
    cv2.setNumThreads(1)
    images = pictures(folders)
    kinds: dict[str, list[ByteArray]] = {}
    shares: dict[str, list[float]] = {}
    for blur in BLURS_PX:
        name = f"blurred by {blur} px" if blur else "as they are"
        changed = [noisy(cv2.GaussianBlur(i, (0, 0), blur) if blur else i, k) for k, i in enumerate(images)]
        kinds[name] = changed
        values = np.array([sharpness(thumbnail(i)) for i in changed])
        shares[name] = [round(float(v), 4) for v in np.percentile(values, (0, 5, 50, 95, 100))]
    kinds["a twentieth of the light"] = [noisy(i / 20.0, k) for k, i in enumerate(images)]
    kinds["white"] = [noisy(np.full_like(i, 255), k) for k, i in enumerate(images[:10])]
    return {
        "pictures": len(images),
        "sharpness_percentiles_0_5_50_95_100": shares,
        "refused": {name: f"{refused(many)} of {len(many)}" for name, many in kinds.items()},
        "check_ms": {"640x480": milliseconds(640, 480), "1920x1080": milliseconds(1920, 1080)},
    }
