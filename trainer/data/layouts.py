"""Data sets in folders: found by their folders, recognised by their classes, and opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from landing.errors import DataError
from landing.labels.files import LABEL_SUFFIXES
from landing.labels.maps import colour_of, read_mask_facts
from landing.labels.reading import voc_colour
from landing.progress import Progress
from landing.reading import read_text
from landing.taxonomy import Taxonomy
from trainer.data.class_lists import ClassList, find_class_list
from trainer.data.findings import refuse_first
from trainer.data.ground import GROUND_FILE, GroundWidths, read_ground_file
from trainer.data.known_layouts import LAYOUTS, Layout
from trainer.data.pairs import FolderPair, PairedFiles, files_in, find_pairs, require_folder
from trainer.data.samples import FolderSet, LabeledSet, Sample
from trainer.data.shards import SHARDS_FILE, ShardedSet, is_sharded
from trainer.data.splitfile import SplitTable, read_split_file
from trainer.data.survey import Asked, survey

SPLIT_FILE = "split.csv"
TAXONOMY_FILE = "taxonomy.toml"
TERMS_FILE = "TERMS.txt"
LAYOUT_NAMES = (*(layout.name for layout in LAYOUTS), "shards")
_LOOKED_AT = 8
"""Label maps that are opened to recognise a published set by its colours."""
_ANYBODYS = {voc_colour(index) for index in range(21)}
"""Colours that labelling tools give to the first classes of any set: they tell nothing."""


@dataclass(frozen=True)
class FoundLayout:
    """A data set that was found, before its files are opened.

    Attributes:
        name: Of the published set, or of its folder.
        evidence: Why its classes are taken for these, one line; empty where the user named them.
        class_list: List of classes that lies in it.
    """

    layout: Layout
    name: str
    base: Path
    places: list[FolderPair]
    taxonomy: Taxonomy
    evidence: str = ""
    class_list: ClassList | None = None

    def pairs(self) -> PairedFiles:
        """Return its pictures and label maps; decodes nothing."""
        return find_pairs(self.places, self.layout.group_of)


def open_set(
    root: str | Path,
    layout_name: str = "auto",
    taxonomy_name: str = "",
    asked: Asked = Asked(),  # noqa: B008  # a frozen value
) -> LabeledSet:
    """Lists the labelled pictures of a folder, and reads every label map once to decide how they are to be read.

    `layout_name` is one of `LAYOUT_NAMES`, or "auto"; `taxonomy_name`, a built-in name or a file, replaces the layout's
    own.

    Raises:
        DataError: No such folder, no known layout, or something is wrong with its files, or not certain.
        TaxonomyError: The taxonomy is not readable.
    """
    if layout_name in ("auto", "shards") and is_sharded(str(root)):
        return ShardedSet(str(root))
    return _opened(find_layout(Path(root), layout_name, taxonomy_name), asked)


def open_pair(
    images: str | Path,
    labels: str | Path,
    taxonomy_name: str,
    asked: Asked = Asked(),  # noqa: B008  # a frozen value
) -> LabeledSet:
    """Return the labelled pictures of two folders of any name, or of one, whose files pair up; see `open_set`.

    Raises:
        DataError: See `open_set`.
        TaxonomyError: The taxonomy is not readable.
    """
    return _opened(find_folder_pair(Path(images), Path(labels), taxonomy_name), asked, with_split=False)


def _opened(found: FoundLayout, asked: Asked, with_split: bool = True) -> LabeledSet:
    pairs = found.pairs()
    with Progress(f"reading label maps of {found.name}", len(pairs.samples)) as progress:
        facts = survey(pairs, found.taxonomy, found.base, asked, found.class_list, progress.step)
    refuse_first(facts.findings, found.base)
    own = found.base / SPLIT_FILE
    table = read_split_file(own) if with_split and os.path.lexists(own) else SplitTable(pairs.part_of, {})
    ground_file = found.base / GROUND_FILE
    widths = read_ground_file(ground_file) if os.path.lexists(ground_file) else {}
    terms_file, terms = found.base / TERMS_FILE, found.layout.terms
    if with_split and os.path.lexists(terms_file):
        terms = read_text(terms_file, "terms of use", DataError).strip()
    samples = table.regrouped(pairs.samples)
    return FolderSet(
        name=found.name,
        taxonomy=found.taxonomy,
        samples=samples,
        label_format=facts.reading.reading,
        terms=terms,
        own_split=dict(table.part_of) if any(table.part_of.values()) else None,
        unknown=asked.unknown,
        exif_turn=facts.turn.turn,
        remarks=tuple(line for line in (found.evidence, *facts.lines, _ungrouped(samples, table)) if line),
        absent=facts.absent,
        ground=GroundWidths(found.layout.ground, widths),
    )


def _ungrouped(samples: Sequence[Sample], table: SplitTable) -> str:
    """Return the remark on a set whose names tell no groups and that has no split; else empty."""
    if any(table.part_of.values()) or len(samples) < 2 or len({s.group for s in samples}) < len(samples):
        return ""
    return (
        f"every picture is a group of its own, as {samples[0].name}: if they are frames of a flight, val shows what "
        "trained; name groups with `trainer data split --groups`"
    )


def find_folder_pair(images: Path, labels: Path, taxonomy_name: str) -> FoundLayout:
    """Return two folders as a layout.

    Raises:
        DataError: No such folder.
        TaxonomyError: The taxonomy is not readable.
    """
    for folder in (images, labels):
        require_folder(folder)
    place = FolderPair(images, labels)
    base = images.resolve().parent
    layout = Layout("pair", "--images + --labels", lambda _: [place], "")
    listed = find_class_list(dict.fromkeys((labels, images, labels.resolve().parent)))
    return FoundLayout(layout, base.name, base, [place], Taxonomy.load(taxonomy_name), class_list=listed)


def find_layout(folder: Path, layout_name: str = "auto", taxonomy_name: str = "", guesses: bool = False) -> FoundLayout:
    """Return the layout of a folder: its folders say where pictures lie, its classes say whose they are.

    A published set is recognised by a list of its classes, or by the colours of its label maps; else the user names it.
    `guesses` takes its own taxonomy with roles that nobody has confirmed.

    Raises:
        DataError: No such folder, no known layout, or classes that nothing tells.
        TaxonomyError: The taxonomy is not readable.
    """
    require_folder(folder)
    if layout_name not in ("auto", *LAYOUT_NAMES):
        raise DataError(f"layout {layout_name!r} is unknown; known are {', '.join(LAYOUT_NAMES)}")
    unrecognised: list[tuple[Layout, ClassList | None]] = []
    for layout in LAYOUTS:
        place = layout.find(folder) if layout_name in ("auto", layout.name) else None
        if place is None:
            continue
        base, places = place
        listed = find_class_list(_where_lists_lie(folder, base, places))
        found = FoundLayout(layout, layout.name, base, places, Taxonomy.load("roles"), class_list=listed)
        own = base / TAXONOMY_FILE
        if taxonomy_name:
            return _of_own_classes(found, Taxonomy.load(taxonomy_name))
        if os.path.lexists(own):
            return _of_own_classes(found, Taxonomy.load_open(own) if guesses else Taxonomy.load(own))
        if layout.taxonomy:
            published = replace(found, taxonomy=Taxonomy.load(layout.taxonomy))
            evidence = _recognised(published, layout_name == layout.name)
            if evidence:
                return replace(published, evidence=evidence)
        unrecognised.append((layout, listed))
    raise DataError(_unknown_layout(folder, layout_name, unrecognised))


def _of_own_classes(found: FoundLayout, taxonomy: Taxonomy) -> FoundLayout:
    """A set whose classes the user gives; it is the published one only if they are its classes."""
    layout = found.layout
    if layout.taxonomy and taxonomy.classes == Taxonomy.load(layout.taxonomy).classes:
        return replace(found, taxonomy=taxonomy)
    name = found.base.resolve().name
    return replace(found, layout=replace(layout, terms=""), name=name, taxonomy=taxonomy)


def _where_lists_lie(folder: Path, base: Path, places: list[FolderPair]) -> list[Path]:
    above = [base, *(p for p in base.parents if p.is_relative_to(folder))]
    beside = [f for place in places[:3] for f in (place.labels, place.labels.parent, place.images)]
    return list(dict.fromkeys((*above, *(f for f in beside if f.is_relative_to(folder)))))


def _recognised(found: FoundLayout, named: bool) -> str:
    """Return the evidence that a set in a published set's folders is that set; empty for none."""
    about, listed = f"taken for {found.taxonomy.name}", found.class_list
    if listed is not None:
        same = listed.is_of(found.taxonomy)
        return f"{about}: {listed.path.name} lists its {len(found.taxonomy)} classes" if same else ""
    if named:
        return f"{about}: named by --layout"
    masks = [p for place in found.places for p in files_in(place.labels) if p.suffix.lower() in LABEL_SUFFIXES]
    facts = [read_mask_facts(path) for path in masks[:: max(1, len(masks) // _LOOKED_AT)]]
    pixels: Counter[tuple[int, int, int]] = Counter()
    for mask in (m for m in facts if m.kind in ("colour", "palette")):
        for atom, count in zip(mask.atoms.tolist(), mask.pixels.tolist(), strict=True):
            pixels[colour_of(atom)] += count
    known = {c.color_rgb for c in found.taxonomy.classes}
    telling = {c for c in set(pixels) & known if c not in _ANYBODYS and len(set(c)) > 1}
    if len(telling) < 2 or sum(n for c, n in pixels.items() if c in known) < 0.9 * sum(pixels.values()):
        return ""
    return f"{about}: {len(set(pixels) & known)} colours of {len(facts)} label maps are its classes'"


def _unknown_layout(folder: Path, layout_name: str, unrecognised: list[tuple[Layout, ClassList | None]]) -> str:
    listed = next((found for _, found in unrecognised if found is not None), None)
    remedy = (
        f"give its classes and their roles with --taxonomy FILE, or as {TAXONOMY_FILE} in it (trainer data import "
        "makes one of other tools' exports)"
    )
    names = [layout.name for layout, _ in unrecognised if layout.taxonomy]
    if listed is not None:
        no = f", which are not those of {' or '.join(names)}" if names else ""
        return f"{folder}: {listed.path.name} lists classes of its own ({listed.names()}){no}: {remedy}"
    if unrecognised:
        shapes = " or ".join(dict.fromkeys(layout.shape for layout, _ in unrecognised))
        published = f"; or, if it is that published set, --layout {' or '.join(names)}" if names else ""
        return f"{folder} has {shapes}, and nothing in it says its classes: {remedy}{published}"
    known = {layout.name: layout.shape for layout in LAYOUTS} | {"shards": SHARDS_FILE}
    if layout_name != "auto":
        return f"{folder} is not of layout {layout_name!r}: expected {known[layout_name]}"
    text = "; ".join(f"{name}: {shape}" for name, shape in known.items())
    return f"{folder} has no layout that is known here ({text}); --images DIR and --labels DIR take any two folders"
