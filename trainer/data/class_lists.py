"""Lists of classes that labelling tools and publishers put beside label maps: they tell whose classes these are."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from landing.errors import DataError
from landing.reading import read_text
from landing.taxonomy import Taxonomy
from trainer.data.findings import DataFinding

FILES = (
    "classes.csv",
    "_classes.csv",
    "class_dict.csv",
    "class_dict_seg.csv",
    "labelmap.txt",
    "label_colors.txt",
    "classes.txt",
    "labels.txt",
)
MOST_CLASSES = 1024
"""Most classes of a list: a label map has 255, and a list may have those of all sets of a publisher."""
_ID = ("id", "pixel value", "value", "index", "class_id", "category_id", "label_id")
_NAME = ("name", "class", "label", "class_name", "category_name", "label_name")
_HEX = ("color", "colour", "hex", "color_hex", "hex_color")
_RED, _GREEN, _BLUE = ("r", "red"), ("g", "green"), ("b", "blue")


@dataclass(frozen=True)
class ListedClass:
    """A class of a list; None where the list says no id or colour."""

    name: str
    id: int | None = None
    color_rgb: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class ClassList:
    """Classes of a list, in its order."""

    path: Path
    classes: tuple[ListedClass, ...]

    def names(self) -> str:
        """Return the first names, for people."""
        more = f" ... ({len(self.classes)})" if len(self.classes) > 6 else ""
        return ", ".join(c.name for c in self.classes[:6]) + more

    def is_of(self, taxonomy: Taxonomy) -> bool:
        """True where the list has a taxonomy's classes: the same names, with the same ids and colours."""
        return len(self.classes) == len(taxonomy) and all(
            _plain(listed.name) == _plain(c.name)
            and listed.id in (None, c.id)
            and listed.color_rgb in (None, c.color_rgb)
            for listed, c in zip(self.classes, taxonomy.classes, strict=True)
        )


def find_class_list(folders: Iterable[Path]) -> ClassList | None:
    """Return the first class list of some folders; None where there is none.

    Raises:
        DataError: One that cannot be read.
    """
    for folder in folders:
        for name in FILES:
            if os.path.lexists(folder / name):
                return read_class_list(folder / name)
    return None


def read_class_list(path: Path) -> ClassList:
    """Read a list of classes: CSV with a header, CVAT's `labelmap.txt` (name:r,g,b:parts:actions), or a name a line.

    Raises:
        DataError: It cannot be read, or lists no class.
    """
    text = read_text(path, "class list", DataError)
    try:
        classes = _of_csv(text) if path.suffix.lower() == ".csv" else _of_lines(text)
    except (ValueError, csv.Error) as error:
        raise DataError(f"class list {path}: {error}") from error
    if len(classes) > MOST_CLASSES or not all(c.name.isprintable() for c in classes):
        raise DataError(f"class list {path}: more than {MOST_CLASSES} classes, or a name with control characters")
    if not classes:
        raise DataError(f"class list {path} lists no class: expected a line for each, or remove the file")
    return ClassList(path, tuple(classes))


def compare(listed: ClassList, taxonomy: Taxonomy, by_colour: bool, name: str) -> list[DataFinding]:
    """Findings of a list beside a taxonomy: a name with another id, or another colour where colours are read."""
    class_of = {_plain(c.name): c for c in taxonomy.classes}
    findings = []
    other = []
    for number, entry in enumerate(listed.classes):
        mine = class_of.get(_plain(entry.name))
        entry_id = number if entry.id is None else entry.id
        if mine is None:
            other.append(entry.name)
        elif by_colour and entry.color_rgb is not None and entry.color_rgb != mine.color_rgb:
            detail = f"{entry.name} is rgb{entry.color_rgb} there and rgb{mine.color_rgb} in {taxonomy.name}"
            findings.append(DataFinding("class list of other classes", name, detail))
        elif not by_colour and entry_id != mine.id:
            detail = f"{entry.name} is {entry_id} there and {mine.id} in {taxonomy.name}"
            findings.append(DataFinding("class list of other classes", name, detail))
    if other and not findings:
        detail = f"{', '.join(other[:4])} of it are not in {taxonomy.name}"
        findings.append(DataFinding("class names differ", name, detail))
    return findings


def _of_csv(text: str) -> list[ListedClass]:
    header = text.partition("\n")[0]
    between = max(",;\t", key=header.count)  # spreadsheets write semicolons where the comma is the decimal point
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=between, skipinitialspace=True)
    rows = list(islice(reader, MOST_CLASSES + 1))
    classes = []
    for number, row in enumerate(rows, 2):
        cells = {str(key).strip().lower(): str(value or "").strip() for key, value in row.items()}
        name = _cell(cells, _NAME)
        if not name:
            raise ValueError(f"line {number} names no class; expected a column {' or '.join(_NAME[:3])}")
        colour = [_cell(cells, names) for names in (_RED, _GREEN, _BLUE)]
        class_id = _cell(cells, _ID)
        hexed = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", _cell(cells, _HEX))
        rgb = (int(colour[0]), int(colour[1]), int(colour[2])) if all(colour) else None
        if rgb is None and hexed is not None:
            rgb = (int(hexed[1], 16), int(hexed[2], 16), int(hexed[3], 16))
        classes.append(ListedClass(name, int(class_id) if class_id else None, rgb))
    return classes


def _cell(cells: dict[str, str], names: tuple[str, ...]) -> str:
    return next((cells[name] for name in names if name in cells), "")


def _of_lines(text: str) -> list[ListedClass]:
    classes = []
    for line in text.splitlines()[: 2 * MOST_CLASSES]:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = re.match(r"([^:]+):(\d+),\s*(\d+),\s*(\d+)", line)
        if found is None:
            classes.append(ListedClass(line.partition(":")[0]))
        else:
            classes.append(ListedClass(found[1].strip(), None, (int(found[2]), int(found[3]), int(found[4]))))
    return classes


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())
