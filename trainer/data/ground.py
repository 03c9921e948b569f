"""Width of the ground that labelled pictures show, and the range of scales that training makes of it. No torch here."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from landing.errors import DataError, InvalidValueError
from landing.model.spec import GroundRange, Letterbox
from landing.reading import TABLE_BYTES, read_text
from trainer.recipe import Variation

GROUND_FILE = "ground.csv"
"""Table of a data set beside its pictures: `id`, `width_m`."""


@dataclass(frozen=True)
class GroundWidth:
    """Ground across pictures.

    Attributes:
        least_m, greatest_m: Between which it lies, m.
        source: Who says so, in words.
        usual_m: Width that most pictures have, m; None where nobody knows.

    Raises:
        InvalidValueError: No such width.
    """

    least_m: float
    greatest_m: float
    source: str
    usual_m: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.least_m <= self.greatest_m < math.inf:
            raise InvalidValueError(
                f"ground {self.least_m:g} to {self.greatest_m:g} m wide ({self.source}): expected 0 < least <= greatest"
            )
        if self.usual_m is not None and not self.least_m <= self.usual_m <= self.greatest_m:
            raise InvalidValueError(
                f"ground usually {self.usual_m:g} m wide ({self.source}): expected {self.least_m:g} to "
                f"{self.greatest_m:g} m"
            )

    @property
    def middle_m(self) -> float:
        """The usual width, or the geometric mean of least and greatest, m."""
        return math.sqrt(self.least_m * self.greatest_m) if self.usual_m is None else self.usual_m

    @classmethod
    def given(cls, width_m: tuple[float, ...], source: str) -> GroundWidth:
        """Return a width of the command line: two numbers, or one for both.

        Raises:
            InvalidValueError: Other numbers.
        """
        if len(width_m) not in (1, 2):
            raise InvalidValueError(f"{source} {','.join(map(str, width_m))}: expected LEAST,GREATEST in metres")
        return cls(width_m[0], width_m[-1], source)

    @classmethod
    def seen_from(cls, heights_m: tuple[float, ...], hfov_deg: tuple[float, ...]) -> GroundWidth:
        """Return the width that cameras show straight down, from least and greatest height and field of view.

        Raises:
            InvalidValueError: Numbers of no camera above the ground.
        """
        if len(heights_m) not in (1, 2) or len(hfov_deg) not in (1, 2) or not all(1 < d < 170 for d in hfov_deg):
            raise InvalidValueError(
                "--heights-m and --hfov-deg: expected LEAST,GREATEST, fields of view above 1 and below 170 degrees"
            )
        across = [2 * math.tan(math.radians(degrees) / 2) for degrees in hfov_deg]
        source = (
            f"seen from {heights_m[0]:g} to {heights_m[-1]:g} m with fields of view of {hfov_deg[0]:g} to "
            f"{hfov_deg[-1]:g} degrees"
        )
        return cls(heights_m[0] * across[0], heights_m[-1] * across[-1], source)


@dataclass(frozen=True)
class GroundWidths:
    """Ground across each picture of a set.

    Attributes:
        of_all: Of pictures that `of_each` lacks; None where nobody knows.
        of_each: By name, m.
    """

    of_all: GroundWidth | None = None
    of_each: Mapping[str, float] = field(default_factory=dict)

    def of(self, name: str) -> GroundWidth | None:
        """Return what is known of one picture."""
        width_m = self.of_each.get(name)
        return self.of_all if width_m is None else GroundWidth(width_m, width_m, f"its {GROUND_FILE}")


NO_GROUND = GroundWidths()


def read_ground_file(path: Path) -> dict[str, float]:
    """Read the widths of a `ground.csv`, m by name.

    Raises:
        DataError: Unreadable, or no such table.
    """
    text = read_text(path, "ground widths", DataError, TABLE_BYTES)
    try:
        widths = {row["id"]: float(row["width_m"]) for row in csv.DictReader(io.StringIO(text, newline=""))}
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise DataError(f"ground widths {path}: {error}; expected a table with columns id and width_m") from error
    bad = next((name for name, width_m in widths.items() if not 0 < width_m < math.inf), None)
    if bad is not None:
        raise DataError(f"ground widths {path}: {bad!r} is {widths[bad]:g} m wide; expected more than 0")
    return widths


def write_ground_file(path: Path, rows: Iterable[tuple[str, float]]) -> None:
    """Writes a `ground.csv`: names of pictures and the ground across each, m.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", "width_m"))
        writer.writerows(rows)


_LEAST_ZOOM = 0.5
"""Least zoom that `zoom_of` gives: below it a training picture is mostly padding."""

_MOST_ENLARGED = 2.0
"""Times that `zoom_of` enlarges a picture's own pixels at most: beyond it training would show blur alone."""


def zoom_of(
    variation: Variation, width: GroundWidth | None, size_wh: tuple[int, int], input_wh: tuple[int, int]
) -> tuple[float, float]:
    """Return the least and greatest scale of a training picture against a full fit.

    Args:
        variation: Range of the variation; its `ground_mm` wins over its `zoom`.
        width: Ground across the picture; the middle by ratio of what is known counts.
        size_wh: Of the picture, px.
        input_wh: Of the network, px.

    Raises:
        InvalidValueError: `ground_mm` is asked for and the width is not known.
    """
    if variation.ground_mm is None:
        return variation.zoom
    if width is None:
        raise InvalidValueError(
            "--ground-mm: the ground across a training picture is not known; give --ground-width-m LEAST,GREATEST, "
            f"or a {GROUND_FILE} beside the pictures"
        )
    shown_px = Letterbox.of(size_wh, input_wh).valid_wh[0]
    fit_mm = 1000 * width.middle_m / shown_px
    most = max(_MOST_ENLARGED * size_wh[0] / shown_px, 1.0)
    low, high = (min(max(fit_mm / mm, _LEAST_ZOOM), most) for mm in reversed(variation.ground_mm))
    return low, high


def range_of(
    pictures: Iterable[tuple[GroundWidth, tuple[int, int]]], input_wh: tuple[int, int], variation: Variation, words: str
) -> GroundRange:
    """Return the range of ground sizes of a pixel that training shows.

    Args:
        pictures: Ground width and size, px, of each.
        input_wh: Of the network, px.
        variation: Range of the variation of training pictures.
        words: What pictures they are.
    """
    finest_mm, coarsest_mm, widths = math.inf, 0.0, []
    for width, size_wh in pictures:
        zoom = zoom_of(variation, width, size_wh, input_wh)
        shown_px = Letterbox.of(size_wh, input_wh).valid_wh[0]
        finest_mm = min(finest_mm, 1000 * width.least_m / shown_px / zoom[1])
        coarsest_mm = max(coarsest_mm, 1000 * width.greatest_m / shown_px / zoom[0])
        widths.append(width)
    least_m, greatest_m = min(w.least_m for w in widths), max(w.greatest_m for w in widths)
    sources = ", ".join(sorted({w.source for w in widths}))
    asked = variation.ground_mm
    scales = (
        f"zoom {variation.zoom[0]:g} to {variation.zoom[1]:g}"
        if asked is None
        else f"scaled to {asked[0]:g} to {asked[1]:g} mm a pixel"
    )
    return GroundRange(
        finest_mm=finest_mm,
        coarsest_mm=coarsest_mm,
        source=f"{words}: {least_m:.3g} to {greatest_m:.3g} m of ground across a picture ({sources}), input "
        f"{input_wh[0]}x{input_wh[1]}, {scales}",
    )
