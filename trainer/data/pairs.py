"""Pairs of pictures and label maps with the same file name, without extension."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from landing.errors import DataError
from landing.labels.files import LABEL_SUFFIXES, MASK_ENDINGS, normal_name
from landing.picture_files import RAW_SUFFIXES, UNREAD_SUFFIXES
from landing.reading import absence
from trainer.data.samples import Sample

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
OTHER_PICTURES = (".bmp", ".webp", ".heic", ".heif", *RAW_SUFFIXES, *UNREAD_SUFFIXES)
OTHER_LABELS = (".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".npy", ".mat", ".json", ".xml", ".txt")
"""Suffixes of pictures and label maps that are not read, and are named where nothing else has their name."""
MOST_FILES = 2_000_000
"""Files of a folder that are listed."""


@dataclass(frozen=True)
class FolderPair:
    """Two folders whose files pair up; `labels` may be missing, or the same folder.

    Attributes:
        part: "train", "val" or "test", if the place says so.
        prefix: Put before the name of each file, so that names differ between places.
    """

    images: Path
    labels: Path
    part: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class PairedFiles:
    """Samples, numbers of files, files without a partner or with a name taken twice, and parts by name.

    `other_images` and `other_labels` are of a kind that is not read; `other_case` are label maps whose name differs
    from a picture's in upper and lower case only.
    """

    samples: tuple[Sample, ...]
    images: int
    labels: int
    lonely_images: tuple[Path, ...]
    lonely_labels: tuple[Path, ...]
    doubles: tuple[Path, ...]
    part_of: dict[str, str]
    other_images: tuple[Path, ...] = ()
    other_labels: tuple[Path, ...] = ()
    other_case: tuple[tuple[Path, Path], ...] = ()


@dataclass
class _Listing:
    """Files of all places by name."""

    image_of: dict[str, Path] = field(default_factory=dict)
    label_of: dict[str, Path] = field(default_factory=dict)
    other_images: dict[str, Path] = field(default_factory=dict)
    other_labels: dict[str, Path] = field(default_factory=dict)
    part_of: dict[str, str] = field(default_factory=dict)
    doubles: list[Path] = field(default_factory=list)

    def add(self, place: FolderPair, paths: Iterable[Path], found: dict[str, Path], ending: str = "") -> None:
        for path in paths:
            name = place.prefix + normal_name(path.stem).removesuffix(ending)
            if name in found:
                self.doubles.append(path)
                continue
            found[name] = path
            if place.part:
                self.part_of[name] = place.part


def is_folder(path: Path) -> bool:
    """True for a folder; False where it cannot be told."""
    try:
        return path.is_dir()
    except OSError:  # a folder above it must not be searched, or its name is too long
        return False


def require_folder(path: Path) -> None:
    """Refuses what is no folder.

    Raises:
        DataError: It is not there, or something else.
    """
    if not is_folder(path):
        raise DataError(f"data folder {path} {absence(path, 'is no folder')}")


def files_in(folder: Path) -> list[Path]:
    """Return what a folder holds, by name, hidden files left out; nothing for no folder.

    Raises:
        DataError: It cannot be read, or holds too many files.
    """
    if not is_folder(folder):
        return []
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    names.append(entry.name)
                if len(names) > MOST_FILES:
                    raise DataError(f"folder {folder} holds more than {MOST_FILES} files: cut the set into shards")
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read: {error.strerror}") from error
    return [folder / name for name in sorted(names)]


def find_pairs(places: Sequence[FolderPair], group_of: Callable[[str], str]) -> PairedFiles:
    """Pairs the files of some folders, decoding nothing; `group_of` gives the group of a name.

    Raises:
        DataError: A folder cannot be read.
    """
    listing = _Listing()
    for place in places:
        _list(place, listing)
    image_of, label_of = listing.image_of, listing.label_of
    names = sorted(set(image_of) & set(label_of))
    lonely_images = {n: image_of[n] for n in sorted(set(image_of) - set(label_of))}
    lonely_labels = {n: label_of[n] for n in sorted(set(label_of) - set(image_of))}
    folded = {name.casefold(): path for name, path in lonely_images.items()}
    other_case = {n: (folded[n.casefold()], p) for n, p in lonely_labels.items() if n.casefold() in folded}
    cased = {image for image, _ in other_case.values()}
    return PairedFiles(
        samples=tuple(Sample(n, group_of(n), image_of[n], label_of[n]) for n in names),
        images=len(image_of),
        labels=len(label_of),
        lonely_images=tuple(path for path in lonely_images.values() if path not in cased),
        lonely_labels=tuple(path for name, path in lonely_labels.items() if name not in other_case),
        doubles=tuple(listing.doubles),
        part_of={n: listing.part_of[n] for n in names if n in listing.part_of},
        other_images=tuple(p for n, p in sorted(listing.other_images.items()) if n not in image_of),
        other_labels=tuple(p for n, p in sorted(listing.other_labels.items()) if n not in label_of),
        other_case=tuple(other_case.values()),
    )


def mask_ending(names: Iterable[str], image_names: Iterable[str]) -> str:
    """Return the end of label maps' names that makes them differ from the pictures'; empty for none."""
    images, labels = set(image_names), list(names)
    if any(name in images for name in labels):
        return ""
    return next((e for e in MASK_ENDINGS if any(n.endswith(e) and n.removesuffix(e) in images for n in labels)), "")


def has_masks_beside(folder: Path) -> bool:
    """True for a folder with pictures and, beside them, their label maps with an ending.

    Raises:
        DataError: It cannot be read.
    """
    return bool(_beside_ending({normal_name(p.stem) for p in _with_suffix(files_in(folder), IMAGE_SUFFIXES)}))


def _beside_ending(stems: set[str]) -> str:
    return next((e for e in MASK_ENDINGS if any(s.endswith(e) and s.removesuffix(e) in stems for s in stems)), "")


def _list(place: FolderPair, listing: _Listing) -> None:
    images = _with_suffix(files_in(place.images), IMAGE_SUFFIXES)
    stems = {normal_name(path.stem) for path in images}
    if place.images == place.labels:
        ending = _beside_ending(stems)
        masks = [p for p in images if ending and normal_name(p.stem).endswith(ending)]
        images = [p for p in images if p not in set(masks)]
        masks = _with_suffix(masks, LABEL_SUFFIXES)
        others: list[Path] = []
    else:
        others = files_in(place.labels)
        masks = _with_suffix(others, LABEL_SUFFIXES)
        ending = mask_ending((normal_name(path.stem) for path in masks), stems)
    listing.add(place, images, listing.image_of)
    listing.add(place, masks, listing.label_of, ending)
    for path in _with_suffix(files_in(place.images), OTHER_PICTURES):
        listing.other_images.setdefault(place.prefix + normal_name(path.stem), path)
    for path in _with_suffix(others, OTHER_LABELS):
        name = normal_name(path.stem).removesuffix(ending)
        if name in stems:
            listing.other_labels.setdefault(place.prefix + name, path)


def _with_suffix(paths: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() in suffixes]
