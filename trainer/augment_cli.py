"""`trainer augment`: shows varied training pictures. Torch is imported when they are made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import cv2
import numpy as np
from PIL import Image

from landing.errors import DataError, InvalidValueError
from landing.types import ByteArray
from trainer.data.choice import open_and_split, open_data
from trainer.data.roles import as_classes
from trainer.data.samples import IGNORE, LabeledSet, Sample
from trainer.drawing import blend, legend
from trainer.options import SIZE, checked, data_choice, given, model_options, split_options, training_options
from trainer.recipe import DataChoice, Recipe, Variation

GRID, ANIMATION = "augment.png", "augment.gif"
_GAP_PX = 4
_LABEL_SHARE = 0.45
_FRAME_MS = 500
DONORS = 16
"""Further training pictures, at most, that people are taken from."""


@click.command(name="augment")
@click.option(
    "--data", "folders", multiple=True, metavar="DIR", help="Folder of labelled pictures; several are merged by role."
)
@click.option("--out", required=True, metavar="DIR", help=f"Where {GRID} and {ANIMATION} go.")
@click.option(
    "--input",
    "input_wh",
    type=SIZE,
    default="384x256",
    show_default=True,
    help="Network input, pixels: what zoom 1 fits a picture into.",
)
@click.option(
    "--crop",
    "crop_wh",
    type=SIZE,
    default=None,
    help="Training pictures, cut out at the scale of the input.  [default: the input]",
)
@click.option("--rows", type=click.IntRange(1, 50), default=4, show_default=True, help="Training pictures in the grid.")
@click.option("--columns", type=click.IntRange(1, 20), default=3, show_default=True, help="Varied copies of each.")
@click.option(
    "--frames",
    type=click.IntRange(1, 200),
    default=16,
    show_default=True,
    help="Varied copies of the first one in the animation.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of everything random.")
@split_options
@training_options
@model_options(Variation)
def augment_command(
    folders: tuple[str, ...],
    out: str,
    input_wh: tuple[int, int],
    crop_wh: tuple[int, int] | None,
    rows: int,
    columns: int,
    frames: int,
    seed: int,
    **values: Any,
) -> None:
    """Write a grid and an animation of varied training pictures, to judge the options by eye.

    A row of the grid holds a picture as it is, then varied copies, each beside itself with the labels over it. Use the
    same options as for fit.
    """
    variation: Variation = checked(Variation, **given(Variation, values))
    choice = data_choice(folders, values)
    data, samples = _training_samples(choice)
    count = min(rows, len(samples))
    shown = [samples[i * len(samples) // count] for i in range(count)]
    recipe: Recipe = checked(
        Recipe,
        data=choice,
        variation=variation,
        width_px=input_wh[0],
        height_px=input_wh[1],
        crop_wh=crop_wh,
        rare=0.0,
        seed=seed,
    )
    folder = Path(out)
    with TemporaryDirectory() as store:
        varied = _Varied(recipe, data, shown, _donors(samples, shown, variation), Path(store))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            grid = _grid(varied, count, columns)
            Image.fromarray(grid[..., ::-1]).save(folder / GRID)
            _animation(varied, frames, folder / ANIMATION)
        except OSError as error:
            raise InvalidValueError(f"output folder {folder}: {error.strerror or error}") from error
    names = ", ".join(sample.name for sample in shown)
    click.echo(f"{folder / GRID}: {count} pictures ({names}), {columns} varied copies of each")
    click.echo(f"{folder / ANIMATION}: {frames} varied copies of {shown[0].name}")


def _training_samples(choice: DataChoice) -> tuple[LabeledSet, Sequence[Sample]]:
    """Return the training part, or all pictures if there is no split."""
    if choice.train or choice.val or choice.test or choice.also:
        data, split = open_and_split(choice)
        return data, split.train
    data = open_data(choice)
    part_of = data.own_split
    samples = [s for s in data.samples if part_of is None or part_of.get(s.name) == "train"]
    if not samples:
        raise DataError(f"data set {data.name}: its split has no training pictures")
    return data, samples


def _donors(samples: Sequence[Sample], shown: Sequence[Sample], variation: Variation) -> list[Sample]:
    """Other training pictures that people are taken from, spread evenly."""
    others = [s for s in samples if s not in shown] if variation.people else []
    count = min(DONORS, len(others))
    return [others[i * len(others) // count] for i in range(count)]


class _Varied:
    """Makes the n-th varied copy of a picture as `trainer fit` does, the same one each time.

    Attributes:
        originals: Picture of each row, BGR uint8 (H, W, 3).
    """

    def __init__(
        self, recipe: Recipe, data: LabeledSet, shown: Sequence[Sample], donors: Sequence[Sample], store: Path
    ) -> None:
        from trainer.datamodule import training_pictures

        self.taxonomy = data.taxonomy
        self.size_wh = recipe.crop_wh or recipe.input_wh
        stored, self._pictures = training_pictures(data, [*shown, *donors], recipe, store)
        self.originals = [stored[row].image for row in range(len(shown))]

    def copy(self, row: int, number: int) -> tuple[ByteArray, ByteArray]:
        """Return picture and labels of copy `number` of the picture of a row."""
        image, labels, _ = self._pictures[(number, row)]
        return image.numpy(), as_classes(self.taxonomy)[labels.numpy()]


def _grid(varied: _Varied, rows: int, columns: int) -> ByteArray:
    """Return a BGR picture of the rows, with a legend of the classes beside them."""
    counts = np.zeros(256, dtype=np.int64)
    lines = []
    for row in range(rows):
        cells = [_fitted(varied.originals[row], varied.size_wh)]
        for number in range(columns):
            image, labels = varied.copy(row, number)
            cells += [image, blend(image, labels, varied.taxonomy, _LABEL_SHARE)]
            counts += np.bincount(labels.ravel(), minlength=256) * (np.arange(256) != IGNORE)
        lines.append(_joined(cells, axis=1))
    grid = _joined(lines, axis=0)
    return _joined([grid, legend(varied.taxonomy, grid.shape[0], counts)], axis=1)


def _joined(cells: Sequence[ByteArray], axis: int) -> ByteArray:
    shape = list(cells[0].shape)
    shape[axis] = _GAP_PX
    gap = np.full(shape, 255, np.uint8)
    return np.concatenate([part for cell in cells for part in (gap, cell)][1:], axis=axis)


def _fitted(image: ByteArray, size_wh: tuple[int, int]) -> ByteArray:
    """A picture shrunk or enlarged to fit a size, on white."""
    height, width = image.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    left, top = (size_wh[0] - size[0]) // 2, (size_wh[1] - size[1]) // 2
    canvas = np.full((size_wh[1], size_wh[0], 3), 255, np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def _animation(varied: _Varied, frames: int, path: Path) -> None:
    """Writes a GIF: each frame a varied copy, bare and with its labels."""
    shown = []
    for number in range(frames):
        image, labels = varied.copy(0, number)
        both = _joined([image, blend(image, labels, varied.taxonomy, _LABEL_SHARE)], axis=1)
        shown.append(Image.fromarray(np.ascontiguousarray(both[..., ::-1])))
    shown[0].save(path, save_all=True, append_images=shown[1:], duration=_FRAME_MS, loop=0)
