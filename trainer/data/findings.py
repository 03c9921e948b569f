"""Kinds of what can be wrong with a data set, each with its remedy."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landing.errors import DataError
from landing.labels.maps import IGNORE, MaskFacts, colour_of, index_of
from landing.labels.reading import ClassOf, LabelReading, near_class
from landing.taxonomy import Taxonomy
from landing.terminal import printable
from trainer.data.pairs import PairedFiles

ERRORS = {
    "label map of another kind": "export PNG with one value or colour a class; `trainer data import` reads other "
    "tools' forms",
    "picture of another kind": "save it as JPEG, PNG or TIFF",
    "no pictures": "put pictures (.jpg .jpeg .png .tif .tiff) beside their label maps (.png .tif .tiff)",
    "name that is no text": "rename it; file names are UTF-8",
    "name used twice": "rename or remove one; suffixes do not count, nor whether accents are written together or apart "
    "(Unicode NFC, NFD)",
    "names differ in case": "rename one, so that upper and lower case agree",
    "picture without label map": "give it a label map of the same name, or take it out",
    "label map without picture": "give it its picture, or take it out",
    "wrong suffix": "rename it to what it is",
    "unreadable picture": "copy or export it again, or take picture and label map out",
    "unreadable label map": "export it again, or take picture and label map out",
    "compressed label map": "export PNG from the labelling tool; JPEG changes values, also in a PNG made of one, and "
    "so do smooth edges and resizing",
    "class list of other classes": "mend the list or the taxonomy, so that a class has one id and colour",
    "uncertain reading": "say how with --labels-as",
    "uncertain EXIF turn": "say --exif-turn apply if label maps were drawn on pictures as shown, --exif-turn ignore "
    "if on pictures as stored",
    "label map of another size": "export it as large as its picture, or resize it by the nearest pixel",
    "near-miss colours": "write the taxonomy's colours, or change the taxonomy's to these",
    "unknown labels": "give the --taxonomy that has them, mend the labels, or --unknown-labels ignore",
    "nothing labelled": "label it, or take it out",
    "absent class": "take it out of the taxonomy, add pictures that show it, or --absent-classes allow",
    "role not confirmed": "take the ? away in taxonomy.toml if the role is right, else name the right role",
    "same picture in two parts": "put all copies into one part",
    "not in the split": "add it to the split file",
    "only in the split": "take it out of the split file, or bring the picture back",
}
"""Kinds of what makes a data set not valid, the ones that explain others first, and what to do."""

NOTES = {
    "same picture twice": "harmless within one part",
    "class not shown": "it cannot be learnt from these pictures",
    "class hardly there": "it will hardly be learnt: add pictures that show it",
    "class names differ": "make sure that they mean the same",
}
"""Kinds of findings that need not be wrong: they do not make the check fail."""

_SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",), "TIFF": (".tif", ".tiff")}
_MOST_STRAYS = 16
"""Values without a class in one label map that a person would write; more come from compression or interpolation."""


@dataclass(frozen=True)
class DataFinding:
    """One finding: its kind (`ERRORS` or `NOTES`), the file, class or picture, and a detail."""

    kind: str
    file: str
    detail: str = ""


def refuse_first(findings: Sequence[DataFinding], where: str | Path) -> None:
    """Raises for the first kind of error; `trainer data check` lists all.

    Pictures with nothing labelled are no hindrance: they teach nothing wrong.

    Raises:
        DataError: Kind, count, example and remedy.
    """
    counts = Counter(finding.kind for finding in findings)
    kind = next((kind for kind in ERRORS if counts[kind] and kind != "nothing labelled"), None)
    if kind is None:
        return
    first = next(finding for finding in findings if finding.kind == kind)
    detail = f": {first.detail}" if first.detail else ""
    raise DataError(
        printable(
            f"data {where}: {kind}: {counts[kind]}, the first is {first.file}{detail}; {ERRORS[kind]} "
            "(trainer data check lists all)"
        )
    )


def of_pairs(pairs: PairedFiles, base: Path) -> list[DataFinding]:
    """Findings of names alone."""
    kinds = (
        ("label map of another kind", pairs.other_labels),
        ("picture of another kind", pairs.other_images),
        ("picture without label map", pairs.lonely_images),
        ("label map without picture", pairs.lonely_labels),
        ("name used twice", pairs.doubles),
    )
    findings = [DataFinding(kind, below(path, base)) for kind, paths in kinds for path in paths]
    findings += [
        DataFinding("names differ in case", below(label, base), f"its picture is {image.name}")
        for image, label in pairs.other_case
    ]
    named = (path for sample in pairs.samples for path in (sample.image, sample.label))
    findings += [DataFinding("name that is no text", below(p, base)) for p in named if not _is_text(p.name)]
    return findings if pairs.images else [DataFinding("no pictures", str(base)), *findings]


def _is_text(name: str) -> bool:
    """False for a name with bytes that are no UTF-8, which Python keeps as lone surrogates, or with control codes."""
    return name.isprintable() or all(unicodedata.category(c) not in ("Cs", "Cc") for c in name)


def wrong_suffix(path: Path, found: str, base: Path) -> list[DataFinding]:
    """Finding for a file whose content, JPEG, PNG, TIFF or another, is not what its name says."""
    if path.suffix.lower() in _SUFFIXES.get(found, ()):
        return []
    return [DataFinding("wrong suffix", below(path, base), f"its content is {found}")]


def of_mask(
    mask: MaskFacts, class_of: ClassOf, reading: LabelReading, taxonomy: Taxonomy, base: Path
) -> list[DataFinding]:
    """Findings in the stored values of one label map under a reading."""
    name = below(mask.path, base)
    if mask.problem[0]:
        return [DataFinding(mask.problem[0], name, mask.problem[1])]
    classes = [class_of(atom) for atom in mask.atoms.tolist()]
    strays = [(a, n) for a, n, c in zip(mask.atoms.tolist(), mask.pixels.tolist(), classes, strict=True) if c is None]
    if not strays:
        return [] if any(c != IGNORE for c in classes) else [DataFinding("nothing labelled", name)]
    strays.sort(key=lambda item: -item[1])
    total = mask.size_wh[0] * mask.size_wh[1]
    worst = ", ".join(f"{value_text(atom)} ({pixels})" for atom, pixels in strays[:4])
    detail = f"{sum(pixels for _, pixels in strays)} of {total} px: {worst}"
    if mask.crowded or len(strays) > max(_MOST_STRAYS, 2 * len(taxonomy)):
        many = f"more than {len(strays)}" if mask.crowded else str(len(strays))
        return [DataFinding("compressed label map", name, f"{many} values without a class, {detail}")]
    near = [near_class(colour_of(atom), taxonomy) for atom, _ in strays]
    if reading.reading in ("palette", "rgb") and all(near):
        return [DataFinding("near-miss colours", name, f"{detail}; near {', '.join(sorted(set(near))[:4])}")]
    return [DataFinding("unknown labels", name, detail)]


def value_text(atom: int) -> str:
    """Return a stored value in words: its index, or its colour."""
    index, (red, green, blue) = index_of(atom), colour_of(atom)
    return f"rgb({red},{green},{blue})" if index is None else str(index)


def below(path: Path, base: Path) -> str:
    """Return a path as seen from the data set's folder."""
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
