"""Picture checks on good pictures, and on the same ones blurred, darkened, emptied, fogged, grey and covered.

    python -m benchmarks.picture_checks FOLDER...       (any photographs from above; without labels)

For each picture, at 640 px width with a little noise: haze and colour, sharpness as it is and after a blur, how many of
each kind `landing.picture.monitor` refuses with the limits of photographs, and in how many of them as they are
`edge look` sees sky. Then the time of one check.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.runner import Figures, benchmark, in_turn
from edge.look.sky import sky_fraction
from landing.camera import CameraModel
from landing.picture.monitor import PictureMonitor
from landing.picture.usable import STILL, colour, grey_of, haze, sharpness, thumbnail
from landing.types import ByteArray, Frame

BLURS_PX = (0, 2, 4, 8, 16)
WIDTH = 640
SPREAD = (0, 5, 50, 95, 100)
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


def fogged(image: ByteArray, left: float, seed: int) -> ByteArray:
    """In bright fog that leaves a part of the contrast."""
    return noisy(170.0 + left * (image.astype(np.float64) - image.mean()), seed)


def covered(image: ByteArray, part: float, seed: int) -> ByteArray:
    """With a finger before the left part of the lens."""
    columns = np.arange(image.shape[1]) / image.shape[1]
    finger = 1.0 / (1.0 + np.exp((columns - part) * 50.0))[None, :, None]
    return noisy(image * (1.0 - finger) + finger * np.array((50.0, 70.0, 140.0)), seed)


def refused(images: list[ByteArray]) -> int:
    """How many are not decided on."""
    return sum(monitor_of(i).problem(Frame(i, 0, 0), None) is not None for i in images)


def monitor_of(image: ByteArray) -> PictureMonitor:
    """One for the pictures of a camera."""
    camera = CameraModel.from_hfov(image.shape[1], image.shape[0], 70.0)
    return PictureMonitor(STILL, camera)


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
        values = np.array([sharpness(grey_of(thumbnail(i))) for i in changed])
        shares[name] = [round(float(v), 4) for v in np.percentile(values, SPREAD)]
    kinds["a twentieth of the light"] = [noisy(i / 20.0, k) for k, i in enumerate(images)]
    for part in (0.5, 0.25, 0.12, 0.06):
        kinds[f"in fog that leaves {100 * part:.0f} % of the contrast"] = [
            fogged(i, part, k) for k, i in enumerate(images)
        ]
    kinds["without colour"] = [np.repeat(noisy(grey_of(i), k)[..., None], 3, axis=2) for k, i in enumerate(images)]
    kinds["a finger before 60 % of the lens"] = [covered(i, 0.6, k) for k, i in enumerate(images)]
    kinds["white"] = [noisy(np.full_like(i, 255), k) for k, i in enumerate(images[:10])]
    small = [thumbnail(i) for i in kinds["as they are"]]
    return {
        "pictures": len(images),
        "haze_percentiles_0_5_50_95_100": [round(float(v), 3) for v in np.percentile([haze(s) for s in small], SPREAD)],
        "colour_percentiles_0_5_50_95_100": [
            round(float(v), 1) for v in np.percentile([colour(s) for s in small], SPREAD)
        ],
        "sharpness_percentiles_0_5_50_95_100": shares,
        "refused": {name: f"{refused(many)} of {len(many)}" for name, many in kinds.items()},
        "taken_for_sky": f"{sum(sky_fraction(i) > 0 for i in images)} of {len(images)}",
        "check_ms": {"640x480": milliseconds(640, 480), "1920x1080": milliseconds(1920, 1080)},
    }
