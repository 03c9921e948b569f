"""Pairs of pictures and label maps with the same file name, without extension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from landing.errors import DataError
from trainer.data.samples import Sample

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
LABEL_SUFFIXES = (".png",)


@dataclass(frozen=True)
class FolderPair:
    """Two folders whose files pair up; `labels` may be missing.

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
    """Samples, numbers of files, files without a partner or with a name taken twice, and parts by name."""

    samples: tuple[Sample, ...]
    images: int
    labels: int
    lonely_images: tuple[Path, ...]
    lonely_labels: tuple[Path, ...]
    doubles: tuple[Path, ...]
    part_of: dict[str, str]


def find_pairs(places: Sequence[FolderPair], group_of: Callable[[str], str]) -> PairedFiles:
    """Pairs the files of some folders, decoding nothing; `group_of` gives the group of a name."""
    image_of: dict[str, Path] = {}
    label_of: dict[str, Path] = {}
    part_of: dict[str, str] = {}
    doubles: list[Path] = []
    for place in places:
        for folder, suffixes, found in (
            (place.images, IMAGE_SUFFIXES, image_of),
            (place.labels, LABEL_SUFFIXES, label_of),
        ):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.suffix.lower() not in suffixes or path.name.startswith("."):
                    continue
                name = place.prefix + path.stem
                if name in found:
                    doubles.append(path)
                    continue
                found[name] = path
                if place.part:
                    part_of[name] = place.part
    names = sorted(set(image_of) & set(label_of))
    return PairedFiles(
        samples=tuple(Sample(n, group_of(n), image_of[n], label_of[n]) for n in names),
        images=len(image_of),
        labels=len(label_of),
        lonely_images=tuple(image_of[n] for n in sorted(set(image_of) - set(label_of))),
        lonely_labels=tuple(label_of[n] for n in sorted(set(label_of) - set(image_of))),
        doubles=tuple(doubles),
        part_of={n: part_of[n] for n in names if n in part_of},
    )


def refuse_problems(pairs: PairedFiles, places: Sequence[FolderPair]) -> None:
    """Raises for the first problem; `trainer data check` lists all.

    Raises:
        DataError: No pictures, files without a partner, or two of one name.
    """
    if not pairs.images:
        folders = ", ".join(str(place.images) for place in places[:3])
        raise DataError(f"{folders} has no pictures (*.jpg, *.jpeg, *.png)")
    if pairs.doubles:
        raise DataError(f"{pairs.doubles[0].parent} has more than one file named {pairs.doubles[0].stem}")
    for alone, count, have, lack in (
        (pairs.lonely_images, pairs.images, "pictures", f"label map in {places[0].labels}"),
        (pairs.lonely_labels, pairs.labels, "label maps", f"picture in {places[0].images}"),
    ):
        if alone:
            raise DataError(
                f"{len(alone)} of {count} {have} have no {lack}, the first is {alone[0].name}; "
                "trainer data check lists all"
            )
