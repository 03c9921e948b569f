"""A labelled set as a tool wrote it, before anything of it is drawn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landing.errors import DataError
from trainer.importers.canvas import Region
from trainer.importers.export import tidy

PART_WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Words for the parts of a split, in names of folders, files and subsets."""

BACKGROUNDS = frozenset(("background", "bg", "unlabeled", "unlabelled", "unannotated"))
"""Class names that tools give to what nobody labelled."""
VOIDS = frozenset(("void", "ignore", "ignored", "ignore region"))
"""Class names for what is to be left out of training."""


@dataclass(frozen=True)
class ForeignPicture:
    """A picture of the export.

    Attributes:
        said: Its name in the annotations.
        regions: What is drawn on its label map, in this order.
        size_wh: Width and height that the annotations count in, px; None where they do not say.
        path: Its file, where the form knows; else it is looked up by name.
        embedded: Gives the bytes of a picture that lies within the annotations.
        part: "train", "val", "test" or "".
        group: Pictures that show the same ground; empty to take it from the name.
    """

    said: str
    regions: Sequence[Region]
    size_wh: tuple[int, int] | None = None
    path: Path | None = None
    embedded: Callable[[], bytes] | None = None
    part: str = ""
    group: str = ""


@dataclass
class ForeignSet:
    """All pictures and classes of an export.

    Attributes:
        colour_of: Classes in the tool's order, with their colours, or None.
        pictures: In the tool's order.
        shown_turned: The tool shows pictures as their EXIF says, so that labels fit the turned picture; None where
            that depends on who used it.
        shapeless: Objects without an area, such as points, by class and kind.
        notes: Sentences for the user.
    """

    colour_of: dict[str, tuple[int, int, int] | None]
    pictures: list[ForeignPicture]
    shown_turned: bool | None = None
    shapeless: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def part_of(name: str) -> str:
    """Return the part that the folders or the file of a name say: `valid/a.json` and `instances_val.json` are val."""
    for word in re.split(r"[^a-z]+", name.casefold()):
        if word in PART_WORDS:
            return PART_WORDS[word]
    return ""


def plain_word(label: str) -> str:
    """Return a class name in small letters without signs around or within it, for comparison with lists."""
    return re.sub(r"[\W_]+", " ", label).strip().casefold()


def colour_from(text: object) -> tuple[int, int, int] | None:
    """Return the colour of `#rrggbb`; None for another text."""
    found = re.fullmatch(r"#([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?", text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    red, green, blue = bytes.fromhex(found[1])
    return red, green, blue


class Entry:
    """A JSON object whose fields are asked for by kind; errors say where it is."""

    def __init__(self, value: Any, origin: str) -> None:
        if not isinstance(value, dict):
            raise DataError(f"{origin}: expected an object with fields, got {type(value).__name__}")
        self._fields: Mapping[str, Any] = value
        self.origin = origin

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def names(self) -> tuple[str, ...]:
        """Return the names of all fields."""
        return tuple(self._fields)

    def get(self, name: str) -> Any:
        """Return a field as it is, or None."""
        return self._fields.get(name)

    def text(self, name: str) -> str:
        """Return a text that must be there, tidied.

        Raises:
            DataError: It is absent, empty or no text.
        """
        value = self._fields.get(name)
        text = tidy(value) if isinstance(value, str) else ""
        if not text:
            raise DataError(f"{self.origin} has no text {name!r}")
        return text

    def number(self, name: str) -> float:
        """Return a number that must be there; numbers in quotes are taken.

        Raises:
            DataError: It is absent or no finite number.
        """
        value = self._fields.get(name)
        try:
            number = float(value if isinstance(value, (int, float, str)) else "")
            if abs(number) < 1e12:  # neither infinite nor NaN
                return number
        except (ValueError, OverflowError):
            pass
        raise DataError(f"{self.origin} has no number {name!r}: {str(value)[:40]}")

    def entries(self, name: str) -> list[Entry]:
        """Return the objects of a list; an absent list is empty.

        Raises:
            DataError: It is no list of objects.
        """
        value = self._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise DataError(f"{self.origin}: {name!r} is no list")
        return [Entry(item, f"{self.origin}, {name} {number}") for number, item in enumerate(value)]

    def entry(self, name: str) -> Entry:
        """Return an object.

        Raises:
            DataError: It is none.
        """
        return Entry(self._fields.get(name), f"{self.origin}, {name}")

    def size_wh(self, width: str, height: str) -> tuple[int, int]:
        """Return a size in whole pixels.

        Raises:
            DataError: A side is absent or less than 1.
        """
        size = int(self.number(width)), int(self.number(height))
        if min(size) < 1:
            raise DataError(f"{self.origin} has {size[0]}x{size[1]} pixels")
        return size
