"""`trainer predict`: what a checkpoint sees, drawn over pictures or a video."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from landing.errors import DataError, TouchdownError
from landing.reading import require_file
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.checkpoint import Checkpoint
from trainer.data.samples import read_image
from trainer.evaluation.predictor import Predictor, choose_device, class_map
from trainer.progress import Progress, say

PICTURES = (".jpg", ".jpeg", ".png")
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".m4v")
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK, _PAPER = (30, 30, 30), (245, 245, 245)


@dataclass(frozen=True)
class PredictOptions:
    """What the command line asks for.

    Attributes:
        device: "auto" or where to compute.
        precision: "float32" or "bfloat16".
        opacity: Of the classes' colours over the picture, 0 to 1.
        masks: Write the class ids as PNG files, too.
        every: Take every n-th picture or frame.
    """

    device: str = "auto"
    precision: str = "float32"
    opacity: float = 0.5
    masks: bool = False
    every: int = 1


def predict(checkpoint_path: Path, source: Path, out: Path, options: PredictOptions) -> int:
    """Draws overlays of a picture, of a folder's pictures, or of a video.

    Returns:
        How many frames were drawn.

    Raises:
        DataError: The source is not there, is neither, or cannot be read.
        ModelError: The checkpoint is not usable.
        TouchdownError: The output cannot be written.
    """
    if not source.exists():
        raise DataError(f"{source} does not exist: expected a picture, a folder or a video")
    files = _pictures(source)
    predictor = Predictor(Checkpoint.load(checkpoint_path), choose_device(options.device), options.precision)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TouchdownError(f"--out {out}: {error.strerror}") from error
    count = (
        _draw_video(predictor, source, out, options)
        if files is None
        else _draw_pictures(predictor, files[:: options.every], out, options)
    )
    say(f"wrote {count} {'pictures' if files is not None else 'frames'} to {out}")
    return count


def _pictures(source: Path) -> list[Path] | None:
    """The pictures of a source, or None for a video."""
    if source.is_dir():
        files = sorted(p for p in source.iterdir() if p.suffix.lower() in PICTURES)
        if not files:
            raise DataError(f"{source} holds no pictures ({' '.join(PICTURES)})")
        return files
    if source.suffix.lower() in PICTURES:
        return [source]
    if source.suffix.lower() in VIDEOS:
        return None
    raise DataError(
        f"{source}: expected a picture ({' '.join(PICTURES)}), a folder of them or a video ({' '.join(VIDEOS)})"
    )


def _draw_pictures(predictor: Predictor, files: list[Path], out: Path, options: PredictOptions) -> int:
    with Progress("predict", len(files), every=50) as bar:
        for path in files:
            image = read_image(path)
            classes = classes_of(predictor, image)
            drawn = overlay(image, classes, predictor.checkpoint.taxonomy, options.opacity)
            _write(out / f"{path.stem}.overlay.jpg", drawn)
            if options.masks:
                _write(out / f"{path.stem}.mask.png", classes)
            bar.step()
    return len(files)


def _draw_video(predictor: Predictor, source: Path, out: Path, options: PredictOptions) -> int:
    taxonomy = predictor.checkpoint.taxonomy
    count = 0
    with ExitStack() as stack:
        require_file(source, "video", DataError)
        capture = cv2.VideoCapture(str(source))
        stack.callback(capture.release)
        if not capture.isOpened():
            raise DataError(f"video {source} cannot be opened: is it whole, and of a known codec?")
        fps = capture.get(cv2.CAP_PROP_FPS) or 25.0
        total = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT))) // options.every
        bar = stack.enter_context(Progress("predict", total, every=100))
        writer: Any = None
        for index, image in enumerate(_frames(capture)):
            if index % options.every:
                continue
            classes = classes_of(predictor, image)
            drawn = overlay(image, classes, taxonomy, options.opacity)
            if writer is None:
                target = out / f"{source.stem}.overlay.mp4"
                size = (drawn.shape[1], drawn.shape[0])
                code = cv2.VideoWriter.fourcc(*"mp4v")
                writer = cv2.VideoWriter(str(target), code, fps / options.every, size)
                stack.callback(writer.release)
                if not writer.isOpened():
                    raise TouchdownError(f"{target} cannot be written: no MPEG-4 encoder here")
            writer.write(drawn)
            if options.masks:
                _write(out / f"{source.stem}.{index:06d}.mask.png", classes)
            count += 1
            bar.step()
    if not count:
        raise DataError(f"video {source} has no frame that can be decoded")
    return count


def _frames(capture: Any) -> Iterator[ByteArray]:
    while True:
        ok, image = capture.read()
        if not ok:
            return
        yield image


def classes_of(predictor: Predictor, image_bgr: ByteArray) -> ByteArray:
    """Most probable class of each pixel, uint8 (H, W), at the picture's size."""
    return class_map(predictor.logits(image_bgr), (image_bgr.shape[1], image_bgr.shape[0]))


def overlay(image_bgr: ByteArray, classes: ByteArray, taxonomy: Taxonomy, opacity: float) -> ByteArray:
    """The picture with its classes in their colours, and a legend to the right of it.

    Args:
        image_bgr: uint8 (H, W, 3).
        classes: uint8 (H, W).
        taxonomy: Their names and colours.
        opacity: Of the colours, 0 to 1.

    Returns:
        uint8 (H, W + legend, 3), sides even, as video encoders want it.
    """
    mixed = cv2.addWeighted(image_bgr, 1 - opacity, taxonomy.palette_bgr[classes], opacity, 0)
    height = image_bgr.shape[0]
    legend = _legend(taxonomy, height, np.bincount(classes.ravel(), minlength=256))
    joined = cv2.hconcat([np.asarray(mixed, np.uint8), legend])
    return np.ascontiguousarray(joined[: height // 2 * 2, : joined.shape[1] // 2 * 2])


def _legend(taxonomy: Taxonomy, height: int, counts: Any) -> ByteArray:
    """All classes, those in the picture dark with their share, the others pale."""
    row = max(9, min(34, height // (len(taxonomy) + 1)))
    size = row / 42
    total = max(1, int(counts.sum()))
    texts = [f"{c.name} {_share(counts[c.id] / total)}" if counts[c.id] else c.name for c in taxonomy.classes]
    widest = max(cv2.getTextSize(f"{c.name} 100%", _FONT, size, 1)[0][0] for c in taxonomy.classes)
    panel = np.full((height, 2 * row + widest, 3), _PAPER, np.uint8)
    for k, (c, text) in enumerate(zip(taxonomy.classes, texts, strict=True)):
        top = k * row + row // 2
        if top + row > height:
            break
        inset = max(1, row // 6)
        corner, far = (row // 3, top + inset), (row // 3 + row - 2 * inset, top + row - inset)
        cv2.rectangle(panel, corner, far, c.color_rgb[::-1], -1)
        cv2.rectangle(panel, corner, far, _INK, 1)
        ink = _INK if counts[c.id] else (160, 160, 160)
        place = (row // 2 + row, top + row - 2 * inset)
        cv2.putText(panel, text, place, _FONT, size, ink, 1, cv2.LINE_AA)
    return panel


def _share(value: float) -> str:
    return f"{100 * value:.0f}%" if value >= 0.005 else "<1%"


def _write(path: Path, image: ByteArray) -> None:
    if not cv2.imwrite(str(path), image):
        raise TouchdownError(f"{path} cannot be written: is the disk full or the folder read-only?")
