"""Files of a labelling tool's export: listed once, and read within bounds.

Names in annotations are strangers' text: they are looked up in the list and never joined to a path, so `../..`, drives
and absolute names lead nowhere.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from landing.errors import DataError
from landing.picture_files import PICTURE_SUFFIXES
from landing.reading import TABLE_BYTES, absence, parse_json, read_text

MOST_FILES = 1_000_000
_LOOKED_AT = 4
MOST_NODES = 10_000_000
"""Lists and objects in a JSON file: Python needs some 100 bytes for each."""


class ExportFolder:
    """An export: the folder that the tool wrote, and where the pictures are if not in it.

    Attributes:
        folder: Of the annotations.
        files: Paths below it by their names, with `/`, in order.

    Raises:
        DataError: No such folder, or more than `MOST_FILES` files in it.
    """

    def __init__(self, folder: Path, pictures: Path | None = None) -> None:
        self.folder = folder
        self.files = _listed(folder)
        self._pictures = pictures
        self._last_json: tuple[Path, Any] | None = None

    def ending(self, *suffixes: str) -> Iterator[tuple[str, Path]]:
        """Yield names and paths of files with one of these endings, in lower case."""
        return ((name, path) for name, path in self.files.items() if name.lower().endswith(suffixes))

    def first_json(self) -> Iterator[tuple[Path, Any]]:
        """Yield the first JSON files and their values, to recognise a form without reading thousands.

        Raises:
            DataError: See `json`.
        """
        return ((path, self.json(path)) for _, path in islice(self.ending(".json"), _LOOKED_AT))

    def text(self, path: Path) -> str:
        """Return a text of the export.

        Raises:
            DataError: Unreadable or too long.
        """
        return read_text(path, "annotations", DataError, TABLE_BYTES)

    def json(self, path: Path) -> Any:
        """Return the value in a JSON file of the export; the last one is kept.

        Raises:
            DataError: Unreadable, no JSON, or of more than `MOST_NODES` nodes.
        """
        if self._last_json is None or self._last_json[0] != path:
            self._last_json = path, read_annotations(path)
        return self._last_json[1]

    def picture(self, said: str) -> Path | None:
        r"""Return the picture that annotations name, or None.

        The end of the name counts: `C:\set\a\1.jpg` is `images/a/1.jpg`. A name without suffix, or with another
        one, is a picture of the same stem.

        Raises:
            DataError: Several pictures fit as well.
        """
        parts = _parts(said)
        found = self._stems.get(_stem(parts[-1]), ()) if parts else ()
        exact = [other for other in found if other[0][-1] == parts[-1]]
        best: list[Path] = []
        most = 0
        for other, path in exact or found:
            same = 1
            while same < min(len(parts), len(other)) and parts[-1 - same] == other[-1 - same]:
                same += 1
            if same > most:
                best, most = [], same
            if same == most:
                best.append(path)
        if len(best) > 1:
            raise DataError(
                f"the annotations name the picture {said!r}, and {best[0]} and {best[1]} both fit: leave one in the "
                "folder, or name another folder with --images"
            )
        return best[0] if best else None

    @cached_property
    def _stems(self) -> dict[str, list[tuple[tuple[str, ...], Path]]]:
        files = self.files if self._pictures is None else _listed(self._pictures)
        stems: dict[str, list[tuple[tuple[str, ...], Path]]] = defaultdict(list)
        for name, path in files.items():
            parts = _parts(name)
            # Folders of masks are never folders of pictures: SegmentationClass, SegmentationClassVisualization ...
            if path.suffix.lower() in PICTURE_SUFFIXES and not any(p.startswith("segmentation") for p in parts[:-1]):
                stems[_stem(parts[-1])].append((parts, path))
        return dict(stems)


def read_annotations(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises:
        DataError: Unreadable, no JSON, or of more than `MOST_NODES` nodes.
    """
    text = read_text(path, "annotations", DataError, TABLE_BYTES)
    nodes = text.count("[") + text.count("{")
    if nodes > MOST_NODES:
        raise DataError(
            f"annotations {path} have {nodes} lists and objects, at most {MOST_NODES} expected: export fewer "
            "pictures at a time"
        )
    return parse_json(text, f"annotations {path}", DataError)


def tidy(text: str) -> str:
    """Return a class name or file name in composed Unicode, without spaces around it."""
    return unicodedata.normalize("NFC", text).strip()


def _listed(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        unpack = ": unpack it, and name the folder" if folder.suffix.lower() in (".zip", ".tar", ".gz", ".7z") else ""
        raise DataError(f"folder {folder} {absence(folder, 'is no folder')}{unpack}")
    files: dict[str, Path] = {}
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        for name in sorted(names):
            if _is_litter(name):
                continue
            path = Path(base) / name
            files[path.relative_to(folder).as_posix()] = path
            if len(files) > MOST_FILES:
                raise DataError(f"folder {folder} has more than {MOST_FILES} files: name the export's own folder")
    return files


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _parts(name: str) -> tuple[str, ...]:
    """Parts of a name for comparison: Windows or POSIX, any case, any Unicode form."""
    path = PurePosixPath(tidy(name).casefold().replace("\\", "/"))
    return tuple(part for part in path.parts if part not in ("/", ".", ".."))


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix in PICTURE_SUFFIXES else name


def first_of(names: Iterable[str], most: int = 3) -> str:
    """Return the first names of several for a message, with the number of the others."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(repr(name) for name in listed[:most]) + more
