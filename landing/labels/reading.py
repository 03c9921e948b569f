"""The decision how the label maps of a set are to be read, from all that they store and the classes they may mean.

A reading is taken only where the stored values leave no other one; else the line that says why not names the setting
that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from landing.labels.maps import IGNORE, MaskFacts, Reading, class_colours, colour_of, index_of
from landing.taxonomy import Taxonomy

NEAR = 12
"""Colours that differ by no more in any channel are the same one, changed by a tool."""
_SHOWN = 4
_NAMES: dict[str, str] = {
    "index": "class ids",
    "palette": "palette colours",
    "rgb": "RGB colours",
    "binary": "0 and 255",
}
_EITHER = "--labels-as index if the indices are the classes, --labels-as palette if the colours are"

ClassOf = Callable[[int], int | None]
"""Class id of a stored value, `IGNORE` for "not labelled", None for no class."""


@dataclass(frozen=True)
class LabelReading:
    """A decision.

    Attributes:
        reading: For decoding.
        evidence: What it rests on, one line.
        doubt: Why it is not certain, and the settings that decide; empty for a certain one.
    """

    reading: Reading
    evidence: str
    doubt: str = ""

    def __str__(self) -> str:
        return f"labels read as {_NAMES[self.reading]} ({self.reading}): {self.evidence}"


@dataclass
class _Stored:
    """A stored value over the whole set."""

    pixels: int = 0
    files: int = 0
    example: Path = field(default_factory=Path)


@dataclass
class _Seen:
    """All stored values of a set.

    `beside_0` are 255s in label maps that hold 0 and 255 alone; `beside_classes` counts maps that hold 255 and more.
    """

    kinds: dict[str, int] = field(default_factory=dict)
    values: dict[tuple[str, int], _Stored] = field(default_factory=dict)
    beside_0: _Stored = field(default_factory=_Stored)
    beside_classes: int = 0

    @classmethod
    def of(cls, masks: Iterable[MaskFacts]) -> _Seen:
        seen = cls()
        for mask in masks:
            if mask.kind is None:
                continue
            seen.kinds[mask.kind] = seen.kinds.get(mask.kind, 0) + 1
            for atom, pixels in zip(mask.atoms.tolist(), mask.pixels.tolist(), strict=True):
                stored = seen.values.setdefault((mask.kind, atom), _Stored(example=mask.path))
                stored.pixels += pixels
                stored.files += 1
            seen.note_255(mask)
        return seen

    def note_255(self, mask: MaskFacts) -> None:
        """Count a label map that holds 255."""
        pixels = {index_of(atom): n for atom, n in zip(mask.atoms.tolist(), mask.pixels.tolist(), strict=True)}
        if pixels.keys() == {0, 255}:
            self.beside_0.pixels += pixels[255]
            self.beside_0.files += 1
            self.beside_0.example = mask.path
        elif 255 in pixels and len(pixels) > 1:
            self.beside_classes += 1

    @property
    def atoms(self) -> list[int]:
        """Different stored values, ascending."""
        return sorted({atom for _, atom in self.values})

    @property
    def palette_atoms(self) -> list[int]:
        """Different stored values of the label maps with a palette."""
        return sorted(atom for kind, atom in self.values if kind == "palette")

    def describe(self) -> str:
        """Numbers of label maps of each kind."""
        names = {"bit": "1-bit", "grey": "grey", "palette": "palette", "colour": "colour"}
        return " and ".join(f"{count} {names[kind]}" for kind, count in sorted(self.kinds.items())) + " label maps"


def decide(masks: Sequence[MaskFacts], taxonomy: Taxonomy, asked: Reading | None = None) -> LabelReading:
    """Decide how a set's label maps are to be read; `asked` is the user's word, which decides."""
    seen = _Seen.of(masks)
    if asked is not None:
        doubt = ""
        if asked == "binary" and len(taxonomy) != 2:
            doubt = f"binary label maps have two classes, taxonomy {taxonomy.name!r} has {len(taxonomy)}: give another"
        return LabelReading(asked, f"as asked for; {seen.describe()}", doubt)
    by = _readings(taxonomy, seen)
    whole = {name: class_of for name, class_of in by.items() if not _unknown(seen, class_of)}
    if not whole:  # what has no class is found and named
        name = min(by, key=lambda n: sum(s.pixels for s in _unknown(seen, by[n]).values()))
        return LabelReading(name, f"{seen.describe()}; values without a class", _conflict(seen, taxonomy, name))
    meanings = {name: tuple(class_of(atom) for _, atom in seen.values) for name, class_of in whole.items()}
    if len(set(meanings.values())) > 1:
        return _among(seen, taxonomy, whole)
    name = next(iter(whole))
    return LabelReading(name, _evidence(seen, taxonomy, name, list(whole)), _conflict(seen, taxonomy, name))


def class_reader(reading: Reading, taxonomy: Taxonomy) -> ClassOf:
    """Return the meaning of a stored value under a reading."""
    colours = class_colours(taxonomy)

    def by_index(atom: int) -> int | None:
        index = index_of(atom)
        if index is None:
            return None
        if index in (IGNORE, taxonomy.ignore_index):
            return IGNORE
        return index if index < len(taxonomy) else None

    def by_colour(atom: int) -> int | None:
        return colours.get(colour_of(atom))

    def binary(atom: int) -> int | None:
        index = index_of(atom)
        return None if index is None else {0: 0, 255: 1}.get(index)

    return {"index": by_index, "palette": by_colour, "rgb": by_colour, "binary": binary}[reading]


def _readings(taxonomy: Taxonomy, seen: _Seen) -> dict[Reading, ClassOf]:
    """Readings that the kinds of the label maps allow, the most usual first."""
    colours: Reading = "palette" if set(seen.kinds) == {"palette"} else "rgb"
    names: list[Reading] = [colours] if "bit" in seen.kinds else ["index", colours]
    if len(taxonomy) == 2 and "palette" not in seen.kinds:
        names.append("binary")
    return {name: class_reader(name, taxonomy) for name in names}


def _unknown(seen: _Seen, class_of: ClassOf) -> dict[int, _Stored]:
    return {atom: stored for (_, atom), stored in seen.values.items() if class_of(atom) is None}


def _among(seen: _Seen, taxonomy: Taxonomy, whole: dict[Reading, ClassOf]) -> LabelReading:
    """Decide among readings that all leave nothing unknown, and differ."""
    atoms = seen.palette_atoms
    colours = {colour_of(atom) for atom in atoms if len(set(colour_of(atom))) > 1}
    if set(whole) == {"index", "palette"} and len(colours) >= 2 and not _generic(atoms):
        by_index, by_colour = whole["index"], whole["palette"]
        moved = next(atom for atom in atoms if by_index(atom) != by_colour(atom))
        named = taxonomy.classes[by_colour(moved) or 0].name
        return LabelReading(
            "palette",
            f"{_colours_are_classes(seen, taxonomy)}, in another order than its ids "
            f"(index {index_of(moved)} has the colour of {named})",
        )
    meant = "; ".join(f"--labels-as {name}: {_meaning(seen, taxonomy, c)}" for name, c in whole.items())
    return LabelReading(
        next(iter(whole)), seen.describe(), f"{seen.describe()} can be read in {len(whole)} ways: {meant}"
    )


def _meaning(seen: _Seen, taxonomy: Taxonomy, class_of: ClassOf) -> str:
    words = [f"{_value(atom)} = {_class_name(taxonomy, class_of(atom))}" for atom in seen.atoms[:_SHOWN]]
    lost = [c.name for c in taxonomy.classes if c.id not in {class_of(a) for a in seen.atoms}]
    return ", ".join(words) + (f" (and no {', '.join(lost[:_SHOWN])} anywhere)" if lost else "")


def _class_name(taxonomy: Taxonomy, class_id: int | None) -> str:
    if class_id is None:
        return "no class"
    return "not labelled" if class_id == IGNORE else taxonomy.classes[class_id].name


def _value(atom: int) -> str:
    index, colour = index_of(atom), colour_of(atom)
    text = f"rgb({colour[0]},{colour[1]},{colour[2]})"
    return text if index is None else str(index) if colour == (index,) * 3 else f"{index} {text}"


def _evidence(seen: _Seen, taxonomy: Taxonomy, name: Reading, agreeing: list[Reading]) -> str:
    if name == "binary":
        return f"{seen.describe()}, stored values are bits"
    if name != "index":
        return _colours_are_classes(seen, taxonomy)
    values = sorted({index for a in seen.atoms if (index := index_of(a)) is not None})
    shown = ", ".join(map(str, values[:12])) + (f" ... {values[-1]}" if len(values) > 12 else "")
    also = "; the colours say the same" if len(agreeing) > 1 else ""
    return f"{seen.describe()}, the values in use ({shown}) are ids of {taxonomy.name} or 'not labelled'{also}"


def _colours_are_classes(seen: _Seen, taxonomy: Taxonomy) -> str:
    count = len({colour_of(atom) for atom in seen.atoms})
    return f"{seen.describe()}, all {count} colours in use are colours of {taxonomy.name}"


def _conflict(seen: _Seen, taxonomy: Taxonomy, name: Reading) -> str:
    """Evidence against reading class ids, with the settings that decide; empty for none."""
    if name != "index":
        return ""
    return _only_0_and_255(seen, taxonomy) or _white_class(seen, taxonomy) or _other_palette(seen, taxonomy)


def _only_0_and_255(seen: _Seen, taxonomy: Taxonomy) -> str:
    """Doubt where 255 stands beside 0 and nowhere beside a class: so two-class masks are saved."""
    found = seen.beside_0
    if not found.files or seen.beside_classes:
        return ""
    return (
        f"{found.files} label maps hold 0 and 255 alone: as ids, 255 is 'not labelled', and its {found.pixels} px are "
        f"lost, as in {found.example.name}: --labels-as index if so; --labels-as binary if 255 is a class, with a "
        f"--taxonomy of two (this one has {len(taxonomy)})"
    )


def _white_class(seen: _Seen, taxonomy: Taxonomy) -> str:
    found = {index_of(atom) for atom in seen.atoms}
    white = next((c for c in taxonomy.classes if c.color_rgb == (255, 255, 255)), None)
    if white is None or 255 not in found or white.id in found:
        return ""
    return (
        f"{seen.describe()} hold 255, which is the colour of {white.name}, and nowhere its id {white.id}: --labels-as "
        f"index if 255 is 'not labelled'; else write {white.name} as {white.id}"
    )


def _other_palette(seen: _Seen, taxonomy: Taxonomy) -> str:
    atoms = seen.palette_atoms
    if _generic(atoms):
        return ""
    colour_by_index: dict[int, int] = {}
    for atom in atoms:
        index = index_of(atom)
        assert index is not None  # of a palette
        other = colour_by_index.setdefault(index, atom)
        if other != atom:
            one, two = (seen.values["palette", a].example.name for a in (other, atom))
            return f"palettes differ: index {index} is {_value(other)} in {one}, {_value(atom)} in {two}: {_EITHER}"
        meant = _nearest(colour_of(atom), taxonomy)
        if index in (taxonomy.ignore_index, IGNORE) or index >= len(taxonomy) or meant is None:
            continue
        own = taxonomy.classes[index]
        if meant != index and colour_of(atom) != own.color_rgb:
            where = seen.values["palette", atom].example.name
            return f"in {where} index {index} ({own.name}) has the colour of {taxonomy.classes[meant].name}: {_EITHER}"
    return ""


def _nearest(colour: tuple[int, int, int], taxonomy: Taxonomy) -> int | None:
    """Return the class whose colour is nearest, if it is near."""
    nearest = min(taxonomy.classes, key=lambda c: _apart(colour, c.color_rgb))
    return nearest.id if _apart(colour, nearest.color_rgb) <= NEAR else None


def near_class(colour: tuple[int, int, int], taxonomy: Taxonomy) -> str:
    """Return the name of the class whose colour is nearly this one; empty for none."""
    found = _nearest(colour, taxonomy)
    return "" if found is None else taxonomy.classes[found].name


def _apart(one: tuple[int, int, int], two: tuple[int, int, int]) -> int:
    return max(abs(a - b) for a, b in zip(one, two, strict=True))


def _generic(atoms: Sequence[int]) -> bool:
    """True for palettes that tools make of the indices alone: grey, or the colour map of PASCAL VOC."""
    pairs = [(index_of(atom) or 0, colour_of(atom)) for atom in atoms]
    return all(c == (i, i, i) for i, c in pairs) or all(c in (voc_colour(i), (224, 224, 192)) for i, c in pairs)


def voc_colour(index: int) -> tuple[int, int, int]:
    """Return the colour of an index in PASCAL VOC's devkit: its bits, three by three, from the highest down."""
    red, green, blue = (
        sum((index >> (3 * place + channel) & 1) << (7 - place) for place in range(3)) for channel in range(3)
    )
    return red, green, blue
