"""Options that several commands of `export` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from landing.errors import InvalidValueError
from landing.labels.maps import READINGS

MOST_SIDE_PX = 16_384
F = TypeVar("F", bound=Callable[..., Any])
HEIGHT_AGL_M, HFOV_DEG = 20.0, 75.0
"""The view that sites are compared from, where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Pictures that judge, beside their folder, and how they are seen: what `judging_options` adds to a command.

    Attributes:
        split, split_column: CSV that puts pictures into parts, and its column.
        labels: Folder of label maps of the same names, to judge by mIoU and recall too; None without.
        labels_as: How they are to be read, as `export.pictures.LabelFolder` takes it.
        height_agl_m, hfov_deg: Of the camera the sites are chosen from.
    """

    split: Path | None = None
    split_column: str = "split"
    labels: Path | None = None
    labels_as: str = "auto"
    height_agl_m: float = HEIGHT_AGL_M
    hfov_deg: float = HFOV_DEG


@dataclass(frozen=True)
class Calibrating(Judging):
    """Pictures that calibrate 8 bits, and others that judge the result: what `calibrating_options` adds to a command.

    Attributes:
        calibrate: Folder of pictures; with a split only its training part calibrates, and its `val` part judges.
        gate_data: Folder of pictures to judge by, when not that of `calibrate`.
        pictures, gate_pictures: At most so many calibrate, and judge.
    """

    calibrate: Path
    _: KW_ONLY
    gate_data: Path | None = None
    pictures: int = 64
    gate_pictures: int = 64


def split_options(command: F) -> F:
    """Adds the options that put pictures into parts."""
    column = click.option("--split-column", default="split", show_default=True, help="Column of --split.")
    command = column(command)
    path = click.Path(path_type=Path)
    return click.option("--split", type=path, help="CSV of parts of the pictures, as train, val and test.")(command)


def judging_options(command: F) -> F:
    """Adds the options that say which pictures judge, and from where they are seen."""
    path = click.Path(path_type=Path)
    for option in (
        click.option(
            "--hfov-deg",
            default=HFOV_DEG,
            show_default=True,
            type=click.FloatRange(5, 170),
            help="Horizontal field of view of the pictures.",
        ),
        click.option(
            "--height-agl-m",
            default=HEIGHT_AGL_M,
            show_default=True,
            type=click.FloatRange(1, 500),
            help="Sites are chosen as if seen from here.",
        ),
        split_options,
        click.option(
            "--labels", type=path, help="Folder of label maps of the same names, to judge by mIoU and recall."
        ),
        click.option(
            "--labels-as",
            default="auto",
            show_default=True,
            type=click.Choice(("auto", *READINGS)),
            help="Meaning of label maps, as for `trainer fit`; auto: by the evidence of all of them.",
        ),
    ):
        command = option(command)
    return command


def calibrating_options(
    pictures: int = Calibrating.pictures, gate_pictures: int = Calibrating.gate_pictures
) -> Callable[[F], F]:
    """Return what adds `judging_options`, and which pictures calibrate 8 bits; the numbers are the defaults."""

    def add(command: F) -> F:
        many = click.IntRange(1, 100_000)
        for option in (
            click.option(
                "--gate-pictures", default=gate_pictures, show_default=True, type=many, help="At most so many judge."
            ),
            click.option(
                "--pictures", default=pictures, show_default=True, type=many, help="At most so many calibrate."
            ),
            click.option(
                "--gate-data",
                default=None,
                type=click.Path(path_type=Path),
                help="Folder of pictures to judge by, when not that of --calibrate.",
            ),
        ):
            command = option(command)
        return judging_options(command)

    return add


def size_of(text: str, option: str = "--input") -> tuple[int, int] | None:
    """A size as typed, or None for an empty text.

    Raises:
        InvalidValueError: It is no size.
    """
    if not text:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InvalidValueError(f"{option} {text!r}: expected WIDTHxHEIGHT as 512x512")
    if not (1 <= int(width) <= MOST_SIDE_PX and 1 <= int(height) <= MOST_SIDE_PX):
        raise InvalidValueError(f"{option} {text}: expected 1 to {MOST_SIDE_PX} pixels each way")
    return int(width), int(height)
