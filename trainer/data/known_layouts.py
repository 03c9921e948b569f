"""Layouts of labelled data in folders: where pictures and label maps lie, and whose published set may lie so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.data.ground import GroundWidth
from trainer.data.pairs import FolderPair, has_masks_beside, is_folder

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
    15.0,
    29.0,
    "assumed: flown 5 to 30 m up, no lens named; whole cars in 25 of its pictures, taken as 4.4 m long, say 26 m, "
    "16 to 36 m in eight of ten",
    usual_m=25.0,
)
AEROSCAPES_GROUND = GroundWidth(
    7.0, 70.0, "assumed: flown 5 to 50 m up with a field of view of 70 degrees", usual_m=28.0
)
GROUND_OF = {"semantic-drone": SEMANTIC_DRONE_GROUND, "aeroscapes": AEROSCAPES_GROUND}
"""Ground across the pictures of a published set, by its taxonomy."""

_ROBOFLOW = re.compile(r"_(jpe?g|png|tiff?|bmp|webp)\.rf\.[0-9A-Za-z]+$", re.IGNORECASE)
_NUMBER = re.compile(r"[-. ]*\(?\d+\)?$")

LABEL_NOTES = {
    "aeroscapes": {
        "vegetation": "AeroScapes labels lawn, crops, hedges and trees alike as vegetation: a disc on short grass "
        "counts as one that holds an obstacle"
    }
}
"""Labels that say less than they seem to: by taxonomy and class."""


def sequence_of(name: str) -> str:
    """Return the sequence that a name belongs to: `040001_017` to `040001`, `frame0001` to `frame`, `0001` to `frames`.

    Numbers at the end count the frames of one flight, whatever is before them. What Roboflow adds to names is left out.
    A name without number and `_` is a sequence of its own.
    """
    plain = _ROBOFLOW.sub("", name)
    before, line, _ = plain.rpartition("_")
    return before if line else _NUMBER.sub("", plain) or "frames"


def _block_of_ten(name: str) -> str:
    """Neighbouring numbers show the same house; without a scene list, tens are kept together."""
    return f"{int(name) // 10:03d}x" if name.isdigit() else sequence_of(name)


def _two_folders(images: str, labels: str) -> Callable[[Path], list[FolderPair]]:
    def places(base: Path) -> list[FolderPair]:
        place = FolderPair(base / images, base / labels)
        return [place] if is_folder(place.images) and is_folder(place.labels) else []

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
            if is_folder(images) and (is_folder(labels) or part != "test"):
                places.append(FolderPair(images, labels, part, f"{sequence.name}_"))
    return places if any(is_folder(place.labels) for place in places) else []


def _vdd_places(base: Path) -> list[FolderPair]:
    return [
        FolderPair(base / part / "src", base / part / "gt", part, f"{part}-")
        for part in ("train", "val", "test")
        if is_folder(base / part / "src") and is_folder(base / part / "gt")
    ]


def _beside_places(base: Path) -> list[FolderPair]:
    """`train/NAME.jpg` beside `train/NAME_mask.png`, as Roboflow exports them, or both in the folder itself."""
    if has_masks_beside(base):
        return [FolderPair(base, base)]
    parts = (("train", "train"), ("valid", "val"), ("val", "val"), ("test", "test"))
    folders = [(base / folder, part) for folder, part in parts if has_masks_beside(base / folder)]
    return [FolderPair(folder, folder, part, f"{part}-") for folder, part in folders]


@dataclass(frozen=True)
class Layout:
    """A known layout.

    Attributes:
        name: Name for the user.
        shape: Folders, for messages.
        places: Folders of pictures and labels under a base folder; empty for another layout.
        taxonomy: Built-in taxonomy, or empty for the folder's own file.
        below: Folders under the root that the data set may lie in.
        group_of: Group of a sample from its name.
        terms: Licence of the data.
        ground: Ground across its pictures, where the data set does not say it for each.
    """

    name: str
    shape: str
    places: Callable[[Path], list[FolderPair]]
    taxonomy: str
    below: tuple[str, ...] = ("",)
    group_of: Callable[[str], str] = sequence_of
    terms: str = ""
    ground: GroundWidth | None = None

    def find(self, root: Path) -> tuple[Path, list[FolderPair]] | None:
        """Return the folder with this layout at or under a root, and its places, or None."""
        for part in self.below:
            base = root / part
            places = self.places(base)
            if places:
                return base, places
        return None


def _semantic_drone(name: str, images: str, labels: str, *below: str) -> Layout:
    return Layout(
        name,
        f"{images}/ + {labels}/",
        _two_folders(images, labels),
        "semantic-drone",
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
    Layout("folder", "images/ + labels/", _two_folders("images", "labels"), ""),
    Layout("beside", "NAME.jpg + NAME_mask.png in one folder, or in train/ valid/ test/", _beside_places, ""),
    _semantic_drone(
        "semantic-drone",
        "original_images",
        "label_images_semantic",
        "semantic_drone_dataset",
        "dataset/semantic_drone_dataset",
    ),
    _semantic_drone("semantic-drone-low-res", "low_res_images", "gt/semantic/low_res_label_images", "training_set"),
    _semantic_drone("semantic-drone-rgb", "images", "gt/semantic/label_images", "training_set"),
    _aeroscapes("aeroscapes-original", "JPEGImages", "SegmentationClass", below=("", "aeroscapes")),
    _aeroscapes("aeroscapes", "images", "labels"),
    Layout(
        "uavid",
        "train/seqN/Images/ + train/seqN/Labels/",
        _uavid_places,
        "uavid",
        below=("", "uavid", "uavid_v1.5_official_release_image"),
        terms=_UAVID_TERMS,
    ),
    Layout("vdd", "train/src/ + train/gt/", _vdd_places, "vdd", below=("", "VDD"), group_of=str, terms=_VDD_TERMS),
)
