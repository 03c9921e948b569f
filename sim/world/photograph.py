"""The photograph of a world whose plane is one."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_GROUND = "unknown ground"
"""Name of cells without a label."""


@dataclass(frozen=True)
class Photograph:
    """A photograph of real ground in the middle of a world's plane; the rest of the plane mirrors it.

    Attributes:
        width_px, height_px: Its size, in pixels of the plane.
        labelled: It has labels.
        scale: Where its scale is known from, for people.
    """

    width_px: int
    height_px: int
    labelled: bool
    scale: str
