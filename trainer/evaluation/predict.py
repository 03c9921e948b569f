"""`trainer predict`: the classes that a checkpoint finds, drawn over pictures or a video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from landing.errors import DataError, FileError
from landing.picture_files import PICTURE_SUFFIXES, VIDEO_SUFFIXES, files_of, open_video, write_picture
from landing.progress import Progress, say, tracked
from landing.reading import absence, require_file
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.checkpoint import Checkpoint
from trainer.data.samples import read_image
from trainer.drawing import blend, legend
from trainer.evaluation.predictor import Predictor, choose_device, class_map


def predict(
    checkpoint_path: Path,
    source: Path,
    out: Path,
    *,
    device: str = "auto",
    precision: str = "float32",
    opacity: float = 0.5,
    masks: bool = False,
    every: int = 1,
) -> None:
    """Draws overlays of a picture, of every n-th picture of a folder, or of every n-th frame of a video.

    `opacity` of the classes' colours is 0 to 1; `masks` writes class ids as PNG files, too.

    Raises:
        DataError: The source is missing, of another kind, or cannot be read.
        ModelError: The checkpoint is not usable.
        TouchdownError: The output cannot be written.
    """
    if not source.exists():
        raise DataError(f"{source} {absence(source)}: expected a picture, a folder or a video")
    files = _pictures(source)
    predictor = Predictor(Checkpoint.load(checkpoint_path), choose_device(device), precision)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"--out {out}: {error.strerror}") from error

    def draw(image: ByteArray, mask: Path) -> ByteArray:
        classes = class_map(predictor.logits(image), (image.shape[1], image.shape[0]))
        if masks:
            write_picture(mask, classes)
        return overlay(image, classes, predictor.checkpoint.taxonomy, opacity)

    if files is None:
        count = _draw_video(draw, source, out, every)
    else:
        chosen = files[::every]
        stems = Counter(path.stem for path in chosen)
        for path in tracked("predict", chosen, len(chosen)):
            name = path.stem if stems[path.stem] == 1 else path.name
            write_picture(out / f"{name}.overlay.jpg", draw(read_image(path), out / f"{name}.mask.png"))
        count = len(chosen)
    say(f"wrote {count} {'pictures' if files is not None else 'frames'} to {out}")


def _pictures(source: Path) -> list[Path] | None:
    """The pictures of a source, or None for a video."""
    if source.is_dir():
        files = files_of(source)
        if not files:
            raise DataError(f"{source} holds no pictures ({' '.join(PICTURE_SUFFIXES)})")
        return files
    if source.suffix.lower() in PICTURE_SUFFIXES:
        return [source]
    if source.suffix.lower() in VIDEO_SUFFIXES:
        return None
    pictures, videos = " ".join(PICTURE_SUFFIXES), " ".join(VIDEO_SUFFIXES)
    raise DataError(f"{source}: expected a picture ({pictures}), a folder of them or a video ({videos})")


def _draw_video(draw: Callable[[ByteArray, Path], ByteArray], source: Path, out: Path, every: int) -> int:
    count = 0
    with ExitStack() as stack:
        require_file(source, "video", DataError)
        capture = cv2.VideoCapture(str(source))
        stack.callback(capture.release)
        if not capture.isOpened():
            raise DataError(f"video {source} cannot be opened: is it whole, and of a known codec?")
        fps = capture.get(cv2.CAP_PROP_FPS) or 25.0
        total = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT))) // every
        bar = stack.enter_context(Progress("predict", total))
        writer: Any = None
        for index, image in enumerate(_frames(capture)):
            if index % every:
                continue
            drawn = draw(image, out / f"{source.stem}.{index:06d}.mask.png")
            if writer is None:
                target = out / f"{source.stem}.overlay.mp4"
                size = (drawn.shape[1], drawn.shape[0])
                writer = open_video(target, fps / every, size)
                stack.callback(writer.release)
            writer.write(drawn)
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


def overlay(image_bgr: ByteArray, classes: ByteArray, taxonomy: Taxonomy, opacity: float) -> ByteArray:
    """Return the picture uint8 (H, W, 3) with its classes in colour and a legend to its right; sides are even."""
    height = image_bgr.shape[0]
    shares = legend(taxonomy, height, np.bincount(classes.ravel(), minlength=256))
    joined = cv2.hconcat([blend(image_bgr, classes, taxonomy, opacity), shares])
    return np.ascontiguousarray(joined[: height // 2 * 2, : joined.shape[1] // 2 * 2])
