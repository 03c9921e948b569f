"""Layouts of labelled data in folders, recognised by their folders or named by the user."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from landing.errors import DataError
from landing.pictures import read_picture_bytes
from landing.reading import read_text
from landing.taxonomy import Taxonomy
from trainer.data.ground import GROUND_FILE, GroundWidth, GroundWidths, read_ground_file
from trainer.data.pairs import FolderPair, PairedFiles, find_pairs, refuse_problems
from trainer.data.samples import FolderSet, LabeledSet, LabelFormat, Sample, UnknownPolicy, decode_labels, stored_labels
from trainer.data.shards import SHARDS_FILE, ShardedSet, is_sharded
from trainer.data.splitfile import SplitTable, read_split_file

SPLIT_FILE = "split.csv"
TAXONOMY_FILE = "taxonomy.toml"
TERMS_FILE = "TERMS.txt"
_LOOKED_AT = 4
"""Label maps that are opened to see whether they hold indices or colours."""

_TU_GRAZ_TERMS = (
    "Semantic Drone Dataset, TU Graz: non-commercial research only; pictures not redistributable; "
    "models trained on it may be distributed but not used commercially"
)
_AEROSCAPES_TERMS = "AeroScapes (Nigam, Huang, Ramanan, WACV 2018): CC BY-SA 4.0"
_UAVID_TERMS = "UAVid (Lyu, Vosselman, Xia, Yilmaz, Yang, ISPRS Journal 2020): CC BY-NC-SA 4.0, non-commercial"
_VDD_TERMS = (
    "VDD, Varied Drone Dataset (Cai et al. 2023): non-commercial only; pictures not "
    "redistributable; models trained on it may be distributed but not used commercially"
)
SEMANTIC_DRONE_GROUND = GroundWidth(
    15.0, 29.0, "assumed: 20 mm on an APS-C sensor, 5 to 30 m up, fits the size of people and cars in it"
)
AEROSCAPES_GROUND = GroundWidth(7.0, 70.0, "assumed: flown 5 to 50 m up with a field of view of 70 degrees")


def _sequence(name: str) -> str:
    """`040001_017` belongs to sequence `040001`; a name without `_` is its own group."""
    return name.rsplit("_", 1)[0]


def _block_of_ten(name: str) -> str:
    """Neighbouring numbers show the same house; without a scene list, tens are kept together."""
    return f"{int(name) // 10:03d}x" if name.isdigit() else name


def _two_folders(images: str, labels: str) -> Callable[[Path], list[FolderPair]]:
    def places(base: Path) -> list[FolderPair]:
        place = FolderPair(base / images, base / labels)
        return [place] if place.images.is_dir() and place.labels.is_dir() else []

    return places


def _uavid_places(base: Path) -> list[FolderPair]:
    """`train/seq1/Images`, `train/seq1/Labels`; the labels of the test part are not public."""
    places = []
    for part, folders in (
        ("train", ("train", "uavid_train")),
        ("val", ("val", "valid", "uavid_val")),
        ("test", ("test", "uavid_test")),
    ):
        for sequence in (s for folder in folders for s in sorted((base / folder).glob("seq*"))):
            images, labels = sequence / "Images", sequence / "Labels"
            if images.is_dir() and (labels.is_dir() or part != "test"):
                places.append(FolderPair(images, labels, part, f"{sequence.name}_"))
    return places if any(place.labels.is_dir() for place in places) else []


def _vdd_places(base: Path) -> list[FolderPair]:
    return [
        FolderPair(base / part / "src", base / part / "gt", part, f"{part}-")
        for part in ("train", "val", "test")
        if (base / part / "src").is_dir() and (base / part / "gt").is_dir()
    ]


@dataclass(frozen=True)
class Layout:
    """A known layout.

    Attributes:
        name: Name for the user.
        shape: Folders, for messages.
        places: Folders of pictures and labels under a base folder; empty for another layout.
        taxonomy: Built-in taxonomy, or empty for the folder's own file.
        label_format: See `FolderSet`; "look" to decide by the files.
        below: Folders under the root that the data set may lie in.
        marker: File that must be there too; empty for none.
        group_of: Group of a sample from its name.
        terms: Licence of the data.
        ground: Ground across its pictures, where the data set does not say it for each.
    """

    name: str
    shape: str
    places: Callable[[Path], list[FolderPair]]
    taxonomy: str
    label_format: LabelFormat | Literal["look"] = "index"
    below: tuple[str, ...] = ("",)
    marker: str = ""
    group_of: Callable[[str], str] = _sequence
    terms: str = ""
    ground: GroundWidth | None = None

    def find(self, root: Path) -> tuple[Path, list[FolderPair]] | None:
        """Return the folder with this layout at or under a root, and its places, or None."""
        for part in self.below:
            base = root / part
            places = self.places(base)
            if places and (not self.marker or (base / self.marker).is_file()):
                return base, places
        return None


def _semantic_drone(name: str, images: str, labels: str, label_format: LabelFormat, *below: str) -> Layout:
    return Layout(
        name,
        f"{images}/ + {labels}/",
        _two_folders(images, labels),
        "semantic-drone",
        label_format,
        ("", *below),
        group_of=_block_of_ten,
        terms=_TU_GRAZ_TERMS,
        ground=SEMANTIC_DRONE_GROUND,
    )


def _aeroscapes(name: str, images: str, labels: str, **more: Any) -> Layout:
    places = _two_folders(images, labels)
    about: dict[str, Any] = {"terms": _AEROSCAPES_TERMS, "ground": AEROSCAPES_GROUND}
    return Layout(name, f"{images}/ + {labels}/", places, "aeroscapes", **about, **more)


LAYOUTS = (
    Layout("folder", "images/ + labels/", _two_folders("images", "labels"), "", "look", marker=TAXONOMY_FILE),
    _semantic_drone(
        "semantic-drone",
        "original_images",
        "label_images_semantic",
        "index",
        "semantic_drone_dataset",
        "dataset/semantic_drone_dataset",
    ),
    _semantic_drone(
        "semantic-drone-low-res", "low_res_images", "gt/semantic/low_res_label_images", "palette", "training_set"
    ),
    _semantic_drone("semantic-drone-rgb", "images", "gt/semantic/label_images", "palette", "training_set"),
    _aeroscapes("aeroscapes-original", "JPEGImages", "SegmentationClass", below=("", "aeroscapes")),
    _aeroscapes("aeroscapes", "images", "labels", marker="classes.csv"),
    Layout(
        "uavid",
        "train/seqN/Images/ + train/seqN/Labels/",
        _uavid_places,
        "uavid",
        "look",
        below=("", "uavid", "uavid_v1.5_official_release_image"),
        terms=_UAVID_TERMS,
    ),
    Layout(
        "vdd", "train/src/ + train/gt/", _vdd_places, "vdd", "look", below=("", "VDD"), group_of=str, terms=_VDD_TERMS
    ),
)

LAYOUT_NAMES = (*(layout.name for layout in LAYOUTS), "shards")


@dataclass(frozen=True)
class FoundLayout:
    """A data set that was found, before its files are opened."""

    layout: Layout
    base: Path
    places: list[FolderPair]
    taxonomy: Taxonomy

    def pairs(self) -> PairedFiles:
        """Return its pictures and label maps; decodes nothing."""
        return find_pairs(self.places, self.layout.group_of)

    def label_format(self, samples: tuple[Sample, ...]) -> LabelFormat:
        """Return "index" or "palette", decided by the files if the layout does not say."""
        stated = self.layout.label_format
        return format_of(samples, self.taxonomy) if stated == "look" else stated


def open_set(
    root: str | Path, layout_name: str = "auto", taxonomy_name: str = "", unknown: UnknownPolicy = "refuse"
) -> LabeledSet:
    """Lists the labelled pictures of a folder; decodes at most a few label maps.

    `layout_name` is one of `LAYOUT_NAMES`, or "auto"; `taxonomy_name`, a built-in name or a file, replaces the layout's
    own.

    Raises:
        DataError: No such folder, no known layout, no pictures, or pictures without labels.
        TaxonomyError: The taxonomy is not readable.
    """
    if layout_name in ("auto", "shards") and is_sharded(str(root)):
        return ShardedSet(str(root))
    folder = Path(root)
    found = find_layout(folder, layout_name, taxonomy_name)
    pairs = found.pairs()
    refuse_problems(pairs, found.places)
    own = found.base / SPLIT_FILE
    table = read_split_file(own) if os.path.lexists(own) else SplitTable(pairs.part_of, {})
    ground_file = found.base / GROUND_FILE
    widths = read_ground_file(ground_file) if os.path.lexists(ground_file) else {}
    terms_file, terms = found.base / TERMS_FILE, found.layout.terms
    if os.path.lexists(terms_file):
        terms = read_text(terms_file, "terms of use", DataError).strip()
    return FolderSet(
        name=found.layout.name if found.layout.taxonomy else folder.resolve().name,
        taxonomy=found.taxonomy,
        samples=table.regrouped(pairs.samples),
        label_format=found.label_format(pairs.samples),
        terms=terms,
        own_split=dict(table.part_of) if any(table.part_of.values()) else None,
        unknown=unknown,
        ground=GroundWidths(found.layout.ground, widths),
    )


def open_pair(
    images: str | Path, labels: str | Path, taxonomy_name: str, unknown: UnknownPolicy = "refuse"
) -> LabeledSet:
    """Return the labelled pictures of two folders of any name whose files pair up.

    Raises:
        DataError: No such folder, no pictures, or pictures without labels.
        TaxonomyError: The taxonomy is not readable.
    """
    found = find_folder_pair(Path(images), Path(labels), taxonomy_name)
    pairs = found.pairs()
    refuse_problems(pairs, found.places)
    label_format = found.label_format(pairs.samples)
    return FolderSet(found.base.name, found.taxonomy, pairs.samples, label_format, unknown=unknown)


def find_folder_pair(images: Path, labels: Path, taxonomy_name: str) -> FoundLayout:
    """Return two folders as a layout.

    Raises:
        DataError: No such folder.
        TaxonomyError: The taxonomy is not readable.
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise DataError(f"data folder {folder} does not exist or is no folder")
    place = FolderPair(images, labels)
    layout = Layout("pair", "--images + --labels", lambda _: [place], "", "look")
    return FoundLayout(layout, images.resolve().parent, [place], Taxonomy.load(taxonomy_name))


def find_layout(folder: Path, layout_name: str = "auto", taxonomy_name: str = "") -> FoundLayout:
    """Return the layout of a folder.

    Raises:
        DataError: No such folder, or no known layout.
        TaxonomyError: The taxonomy is not readable.
    """
    if not folder.is_dir():
        raise DataError(f"data folder {folder} does not exist or is no folder")
    if layout_name not in ("auto", *LAYOUT_NAMES):
        raise DataError(f"layout {layout_name!r} is unknown; known are {', '.join(LAYOUT_NAMES)}")
    for layout in LAYOUTS:
        place = layout.find(folder) if layout_name in ("auto", layout.name) else None
        if place is not None:
            taxonomy = Taxonomy.load(taxonomy_name or layout.taxonomy or place[0] / TAXONOMY_FILE)
            return FoundLayout(layout, place[0], place[1], taxonomy)
    shapes = {layout.name: layout.shape + (f" + {layout.marker}" if layout.marker else "") for layout in LAYOUTS}
    shapes["shards"] = SHARDS_FILE
    if layout_name == "auto":
        known = "; ".join(f"{name}: {shape}" for name, shape in shapes.items())
        raise DataError(f"{folder} has no layout that is known here ({known})")
    raise DataError(f"{folder} is not of layout {layout_name!r}: expected {shapes[layout_name]}")


def format_of(samples: tuple[Sample, ...], taxonomy: Taxonomy) -> LabelFormat:
    """Return "index" or "palette": the one that leaves fewer pixels of some label maps unknown."""
    unknown = {"index": 0.0, "palette": 0.0}
    formats: tuple[LabelFormat, ...] = ("index", "palette")
    for sample in samples[:: max(1, len(samples) // _LOOKED_AT)]:
        for label_format in formats:
            try:
                data = read_picture_bytes(sample.label, "label map", DataError)
                stored = stored_labels(data, sample.label, label_format)
                ids = decode_labels(data, sample.label, taxonomy, label_format, "ignore")
            except (DataError, OSError):
                unknown[label_format] += 1.0  # reading it as a sample says what is wrong
                continue
            listed = (stored == taxonomy.ignore_index) | (stored == 255)
            ignored = listed if stored.ndim == 2 else listed.all(axis=2)
            unknown[label_format] += float(((ids == 255) & ~ignored).mean())
    return "palette" if unknown["palette"] < unknown["index"] else "index"
