"""Label maps of a folder by the names of their pictures, the same for training, export and `edge look`."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from landing.errors import DataError
from landing.picture_files import TIFF_SUFFIXES, files_of

LABEL_SUFFIXES = (".png", *TIFF_SUFFIXES)
MASK_ENDINGS = ("_mask", "-mask", ".mask", "_label", "_labels", "_seg", "_gt")
"""Ends of label maps' names that pictures' names lack."""


def normal_name(name: str) -> str:
    """Return a name as NFC: file systems and archives of macOS write letters and their accents apart."""
    return unicodedata.normalize("NFC", name)


class LabelFiles:
    """The label maps of one folder; hidden files are left out.

    Args:
        folder: Of label maps, named as their pictures, or so with one of `MASK_ENDINGS`.

    Attributes:
        paths: Of all label maps, by name.

    Raises:
        DataError: The folder cannot be read, holds no label map, or two of one name.
    """

    def __init__(self, folder: Path) -> None:
        try:
            found = files_of(folder, LABEL_SUFFIXES)
        except OSError as error:
            raise DataError(f"label folder {folder}: {error.strerror}; expected a folder of label maps") from error
        if not found:
            raise DataError(f"label folder {folder} holds no label map: expected {' '.join(LABEL_SUFFIXES)}")
        self._path_of: dict[str, Path] = {}
        for path in found:
            first = self._path_of.setdefault(normal_name(path.stem), path)
            if first is not path:
                raise DataError(f"label folder {folder}: {first.name} and {path.name} have one name; keep one of them")
        self.paths = tuple(found)

    def of(self, picture: Path) -> Path | None:
        """Find the label map of a picture; None where it has none."""
        name = normal_name(picture.stem)
        names = (name, *(name + ending for ending in MASK_ENDINGS))
        return next((self._path_of[n] for n in names if n in self._path_of), None)
