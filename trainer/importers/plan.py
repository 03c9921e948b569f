"""Decisions of an import before a pixel is drawn: ids of classes, files and names of pictures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from landing.errors import DataError
from landing.taxonomy import GUESS, OPEN, ClassInfo, Taxonomy
from trainer.data.samples import IGNORE
from trainer.importers.canvas import VOID
from trainer.importers.export import ExportFolder, first_of, tidy
from trainer.importers.foreign import BACKGROUNDS, VOIDS, ForeignPicture, ForeignSet, plain_word
from trainer.importers.roles import guessed_role

_MOST_CLASSES = 250


@dataclass(frozen=True)
class ImportChoice:
    """The user's choice.

    Attributes:
        taxonomy: Built-in name or file whose classes are taken by name; empty to make one of guesses.
        unlabelled: Class of what nobody labelled; empty to leave it out of training.
        exif_turn: "apply" or "ignore" the EXIF turn of pictures to fit their labels; None to decide by sizes and form.
        skip: "missing": leave out pictures that are not there; "shapeless": objects without an area.
    """

    taxonomy: str = ""
    unlabelled: str = ""
    exif_turn: Literal["apply", "ignore"] | None = None
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedPicture:
    """A picture of the export, its file (None for an embedded one), and its name in the new set."""

    foreign: ForeignPicture
    path: Path | None
    name: str


@dataclass(frozen=True)
class ImportPlan:
    """Classes with their ids, ids of all labels of the tool, id of what was not labelled, and pictures."""

    taxonomy: Taxonomy
    id_of: dict[str, int]
    unlabelled_id: int
    pictures: tuple[PlannedPicture, ...]
    missing: int
    empty: int


def make_plan(foreign: ForeignSet, export: ExportFolder, name: str, choice: ImportChoice) -> ImportPlan:
    """Decide on classes and pictures; `name` becomes the taxonomy's.

    Raises:
        DataError: Something has no place in a data set; the message names it and the setting that decides.
        TaxonomyError: The given taxonomy is not readable.
    """
    if foreign.shapeless and "shapeless" not in choice.skip:
        listed = ", ".join(f"{kind}: {count}" for kind, count in foreign.shapeless.most_common(5))
        raise DataError(
            f"{sum(foreign.shapeless.values())} objects have no area ({listed}), so they would be lost: draw them as "
            "outlines or masks in the tool, or give --skip shapeless"
        )
    labelled = [picture for picture in foreign.pictures if picture.regions]
    if not labelled:
        raise DataError(f"{export.folder} has {len(foreign.pictures)} pictures and nothing labelled in them")
    used = {label for picture in labelled for region in picture.regions for label in region.labels}
    taxonomy, id_of = _classes(foreign, used, name, choice)
    unlabelled_id = id_of[choice.unlabelled] if choice.unlabelled else IGNORE
    found, missing = _files(labelled, export, choice)
    pictures = _named(found)
    return ImportPlan(taxonomy, id_of, unlabelled_id, pictures, missing, len(foreign.pictures) - len(labelled))


def _classes(foreign: ForeignSet, used: set[str], name: str, choice: ImportChoice) -> tuple[Taxonomy, dict[str, int]]:
    labels = [*foreign.colour_of, *sorted(used - set(foreign.colour_of))]
    odd = next((label for label in labels if not label.isprintable()), None)
    if odd is not None:
        raise DataError(f"the class {odd!r} has control characters: rename it in the tool")
    if choice.taxonomy:
        taxonomy = Taxonomy.load(choice.taxonomy)
        id_of = {c.name: c.id for c in taxonomy.classes}
        if choice.unlabelled and choice.unlabelled not in id_of:
            raise DataError(f"--unlabelled {choice.unlabelled}: taxonomy {taxonomy.name!r} has {first_of(id_of, 20)}")
        unknown = [label for label in labels if label in used and _value(label, id_of) is None]
        if unknown:
            raise DataError(
                f"{len(unknown)} classes of the export are not in taxonomy {taxonomy.name!r}: {first_of(unknown, 5)}; "
                "it must have a class of the same name for each"
            )
    else:
        names = [n for n in labels if plain_word(n) not in BACKGROUNDS | VOIDS or n == choice.unlabelled]
        if choice.unlabelled and choice.unlabelled not in names:
            names.append(choice.unlabelled)
        taxonomy = _guessed(names, foreign, name)
        id_of = {c.name: c.id for c in taxonomy.classes}
    values = {label: _value(label, id_of) for label in [*labels, *id_of]}
    return taxonomy, {label: value for label, value in values.items() if value is not None}


def _value(label: str, id_of: dict[str, int]) -> int | None:
    if label in id_of:
        return id_of[label]
    word = plain_word(label)
    return IGNORE if word in BACKGROUNDS else VOID if word in VOIDS else None


def renumbered(taxonomy: Taxonomy, kept: Sequence[ClassInfo]) -> Taxonomy:
    """Return a taxonomy of guesses with some of its classes, numbered from 0.

    Raises:
        DataError: Fewer than two.
    """
    _require_several([c.name for c in kept])
    classes = [
        {"id": k, "name": c.name, "color_rgb": c.color_rgb, "role": c.role.value + GUESS} for k, c in enumerate(kept)
    ]
    return Taxonomy.parse({"name": taxonomy.name, "classes": classes}, "classes of the export", OPEN)


def _require_several(names: Sequence[str]) -> None:
    if not 2 <= len(names) <= _MOST_CLASSES:
        raise DataError(
            f"the export has {len(names)} classes in use ({first_of(names)}), expected 2 to {_MOST_CLASSES}"
            + ("; --unlabelled NAME makes a class of what is not labelled" if len(names) < 2 else "")
        )


def _guessed(names: Sequence[str], foreign: ForeignSet, name: str) -> Taxonomy:
    _require_several(names)
    taken: set[tuple[int, int, int]] = {(0, 0, 0)}
    classes = []
    spare = iter(_colours())
    for number, label in enumerate(names):
        colour = foreign.colour_of.get(label)
        if colour is None or colour in taken:
            colour = next(c for c in spare if c not in taken and c not in foreign.colour_of.values())
        taken.add(colour)
        role = f"{guessed_role(label).value}{GUESS}"
        classes.append({"id": number, "name": label, "color_rgb": colour, "role": role})
    return Taxonomy.parse({"name": name, "classes": classes}, "classes of the export", OPEN)


def _colours() -> list[tuple[int, int, int]]:
    """Colours of PASCAL VOC: bits of the number, three by three, from the top of each channel."""
    return [
        (
            sum((number >> 3 * k & 1) << 7 - k for k in range(8)),
            sum((number >> 3 * k + 1 & 1) << 7 - k for k in range(8)),
            sum((number >> 3 * k + 2 & 1) << 7 - k for k in range(8)),
        )
        for number in range(1, 1024)
    ]


def _files(
    pictures: Sequence[ForeignPicture], export: ExportFolder, choice: ImportChoice
) -> tuple[list[tuple[ForeignPicture, Path | None]], int]:
    found: list[tuple[ForeignPicture, Path | None]] = []
    missing: list[str] = []
    said_of: dict[Path, str] = {}
    for picture in pictures:
        path = None
        if picture.embedded is None:
            path = picture.path or export.picture(picture.said)
            if path is None:
                missing.append(picture.said)
                continue
            other = said_of.setdefault(path, picture.said)
            if other is not picture.said:
                raise DataError(
                    f"the annotations have two pictures, {other!r} and {picture.said!r}, and {path} is the only file "
                    "for both: take one out, or add the other file"
                )
        found.append((picture, path))
    if missing and ("missing" not in choice.skip or not found):
        raise DataError(
            f"{len(missing)} of {len(pictures)} labelled pictures are not there, as {first_of(missing)}: name their "
            "folder with --images" + (", or leave them out with --skip missing" if found else "")
        )
    return found, len(missing)


def _named(found: Sequence[tuple[ForeignPicture, Path | None]]) -> tuple[PlannedPicture, ...]:
    """Name each picture by its file, and by its folders too where two files have one name."""
    places = [_place(picture.said if path is None else str(path)) for picture, path in found]
    stems = Counter(place[-1].casefold() for place in places)
    common = 0
    while len({place[:common] for place in places}) == 1 and common < min(map(len, places)):
        common += 1
    names = [
        place[-1] if stems[place[-1].casefold()] == 1 else "-".join(place[max(0, common - 1) :]) for place in places
    ]
    twice = [name for name, count in Counter(map(str.casefold, names)).items() if count > 1]
    if twice:
        raise DataError(f"two pictures would be named {twice[0]!r}: rename one of their folders")
    return tuple(PlannedPicture(picture, path, name) for (picture, path), name in zip(found, names, strict=True))


def _place(path: str) -> tuple[str, ...]:
    """Folders and stem of a file, each fit for a file name."""
    pure = PurePosixPath(tidy(path).replace("\\", "/"))
    parts = [re.sub(r'[\x00-\x1f\x7f:"*?<>|/]', "_", part) for part in (*pure.parent.parts, pure.stem)]
    return tuple(re.sub(r"^\.", "_", part) for part in parts if part not in ("", "_"))
