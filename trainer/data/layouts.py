"""How labelled data lies in folders: known layouts, found by what is there or named by the user."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from landing.errors import DataError
from landing.taxonomy import Taxonomy
from trainer.data.samples import FolderSet, LabelFormat, Sample

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
SPLIT_FILE = "split.csv"
TAXONOMY_FILE = "taxonomy.toml"
TERMS_FILE = "TERMS.txt"

_TU_GRAZ_TERMS = (
    "Semantic Drone Dataset, TU Graz: non-commercial research only; pictures not redistributable; "
    "models trained on it may be distributed but not used commercially"
)
_AEROSCAPES_TERMS = "AeroScapes (Nigam, Huang, Ramanan, WACV 2018): CC BY-SA 4.0"


def _sequence(name: str) -> str:
    """`040001_017` belongs to sequence `040001`; a name without `_` is its own group."""
    return name.rsplit("_", 1)[0]


def _block_of_ten(name: str) -> str:
    """Neighbouring numbers show the same house; without a scene list, tens are kept together."""
    return f"{int(name) // 10:03d}x" if name.isdigit() else name


@dataclass(frozen=True)
class Layout:
    """One way in which a data set lies on disk.

    Attributes:
        name: What the user calls it.
        images, labels: Folders under the root, or under one of `below`.
        below: Folders under the root the data set may lie in.
        marker: A file that must be there too, to tell it from other layouts; empty for none.
        taxonomy: Built-in taxonomy, or empty for the folder's own file.
        label_format: See `FolderSet`.
        group_of: Group of a sample from its name.
        terms: Licence of the data.
    """

    name: str
    images: str
    labels: str
    taxonomy: str
    label_format: LabelFormat = "index"
    below: tuple[str, ...] = ("",)
    marker: str = ""
    group_of: Callable[[str], str] = _sequence
    terms: str = ""

    def find(self, root: Path) -> Path | None:
        """The folder with this layout at or under a root, or None."""
        for part in self.below:
            base = root / part
            folders = (base / self.images).is_dir() and (base / self.labels).is_dir()
            if folders and (not self.marker or (base / self.marker).is_file()):
                return base
        return None


LAYOUTS = (
    Layout("folder", "images", "labels", "", marker=TAXONOMY_FILE),
    Layout(
        "semantic-drone", "original_images", "label_images_semantic", "semantic-drone",
        below=("", "semantic_drone_dataset", "dataset/semantic_drone_dataset"),
        group_of=_block_of_ten, terms=_TU_GRAZ_TERMS,
    ),
    Layout(
        "semantic-drone-low-res", "low_res_images", "gt/semantic/low_res_label_images",
        "semantic-drone", "palette", below=("", "training_set"),
        group_of=_block_of_ten, terms=_TU_GRAZ_TERMS,
    ),
    Layout(
        "semantic-drone-rgb", "images", "gt/semantic/label_images", "semantic-drone", "palette",
        below=("", "training_set"), group_of=_block_of_ten, terms=_TU_GRAZ_TERMS,
    ),
    Layout(
        "aeroscapes-original", "JPEGImages", "SegmentationClass", "aeroscapes",
        below=("", "aeroscapes"), terms=_AEROSCAPES_TERMS,
    ),
    Layout(
        "aeroscapes", "images", "labels", "aeroscapes", marker="classes.csv",
        terms=_AEROSCAPES_TERMS,
    ),
)  # fmt: skip

LAYOUT_NAMES = tuple(layout.name for layout in LAYOUTS)


def open_set(
    root: str | Path, layout_name: str = "auto", taxonomy_name: str = "", name: str = ""
) -> FolderSet:
    """Lists the labelled pictures of a folder; decodes none of them.

    Args:
        root: The folder.
        layout_name: One of `LAYOUT_NAMES`, or "auto".
        taxonomy_name: Built-in name or file, instead of the layout's own.
        name: Name for provenance, instead of the folder's.

    Raises:
        DataError: No such folder, no known layout, no pictures, or pictures without labels.
        TaxonomyError: The taxonomy is not readable.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f"data folder {folder} does not exist or is no folder")
    layout, base = _find_layout(folder, layout_name)
    taxonomy = Taxonomy.load(taxonomy_name or layout.taxonomy or base / TAXONOMY_FILE)
    samples = _pairs(base / layout.images, base / layout.labels, layout)
    terms_file = base / TERMS_FILE
    terms = terms_file.read_text("utf-8").strip() if terms_file.is_file() else layout.terms
    split_file = base / SPLIT_FILE
    return FolderSet(
        name=name or (layout.name if layout.taxonomy else folder.resolve().name),
        taxonomy=taxonomy,
        samples=samples,
        label_format=layout.label_format,
        terms=terms,
        own_split=read_split_file(split_file, "split") if split_file.is_file() else None,
    )


def _find_layout(folder: Path, layout_name: str) -> tuple[Layout, Path]:
    for layout in LAYOUTS:
        if layout_name in ("auto", layout.name):
            base = layout.find(folder)
            if base is not None:
                return layout, base
    if layout_name == "auto":
        known = "; ".join(
            f"{item.name}: {item.images}/ + {item.labels}/"
            + (f" + {item.marker}" if item.marker else "")
            for item in LAYOUTS
        )
        raise DataError(f"{folder} has no layout that is known here ({known})")
    if layout_name not in LAYOUT_NAMES:
        raise DataError(f"layout {layout_name!r} is unknown; known are {', '.join(LAYOUT_NAMES)}")
    wanted = next(item for item in LAYOUTS if item.name == layout_name)
    raise DataError(
        f"{folder} is not of layout {layout_name!r}: expected {wanted.images}/ and "
        f"{wanted.labels}/" + (f" and {wanted.marker}" if wanted.marker else "")
    )


def _files_by_name(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes:
            if path.stem in found:
                raise DataError(f"{folder} has both {found[path.stem].name} and {path.name}")
            found[path.stem] = path
    return found


def _pairs(images: Path, labels: Path, layout: Layout) -> tuple[Sample, ...]:
    image_of = _files_by_name(images, IMAGE_SUFFIXES)
    label_of = _files_by_name(labels, (".png",))
    if not image_of:
        raise DataError(f"{images} has no pictures (*.jpg, *.jpeg, *.png)")
    for here, there, have, lack in (
        (image_of, label_of, "pictures", f"label map in {labels}"),
        (label_of, image_of, "label maps", f"picture in {images}"),
    ):
        alone = sorted(set(here) - set(there))
        if alone:
            raise DataError(
                f"{len(alone)} of {len(here)} {have} have no {lack}, the first is "
                f"{here[alone[0]].name}"
            )
    return tuple(
        Sample(name, layout.group_of(name), image_of[name], label_of[name])
        for name in sorted(image_of)
    )


def read_split_file(path: Path, column: str) -> dict[str, str]:
    """Part of each sample from a CSV file with a column `id` (or `name`) and one of parts.

    Raises:
        DataError: Unreadable, no such column, or a part that is not train, val or test.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"split file {path}: {error}") from error
    columns = list(rows[0]) if rows else []
    key = next((c for c in ("id", "name") if c in columns), None)
    if key is None or column not in columns:
        raise DataError(
            f"split file {path} has the columns {', '.join(map(str, columns)) or '(none)'}; "
            f"expected 'id' and {column!r} (choose with --split-column)"
        )
    split = {row[key]: row[column] for row in rows}
    wrong = sorted({part for part in split.values() if part not in ("train", "val", "test", "")})
    if wrong:
        raise DataError(
            f"split file {path}, column {column!r}: part {wrong[0]!r} is unknown; expected train, "
            "val, test or nothing"
        )
    return split
