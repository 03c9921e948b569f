"""Opens the data of a choice and splits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from landing.errors import DataError
from trainer.data.findings import ERRORS
from trainer.data.layouts import open_pair, open_set
from trainer.data.merge import ROLES, MergedSet, unique_names
from trainer.data.pairs import require_folder
from trainer.data.roles import TaughtByRole
from trainer.data.samples import LabeledSet, Sample
from trainer.data.shards import is_sharded
from trainer.data.splitfile import SplitTable, read_split_file
from trainer.data.splits import Split, by_patterns, by_table, carve
from trainer.data.survey import Asked
from trainer.recipe import DataChoice


def open_and_split(choice: DataChoice) -> tuple[LabeledSet, Split]:
    """Return the set of labelled pictures and its parts.

    Pictures of `choice.also` train by role and are in no other part.

    A split file wins over a folder's own split, and patterns over both. The rest is split in whole groups (scenes,
    sequences or worlds), so that val shows ground that training did not.

    Raises:
        DataError: The data or the split is not usable, or the choice contradicts itself.
        TaxonomyError: The taxonomy is not readable.
    """
    patterns = bool(choice.train or choice.val or choice.test)
    if choice.split_files and patterns:
        raise DataError("give either --split or --train / --val / --test, not both")
    data = open_data(choice)
    if patterns or data.own_split is None:
        split = by_patterns(data.samples, choice.train, choice.val, choice.test, choice.val_fraction)
    else:
        split = _by_own_split(data, data.own_split, choice.val_fraction)
    if choice.also:
        taught = TaughtByRole(data, [open_set(folder, "auto", "", asked_of(choice)) for folder in choice.also])
        data, split = taught, replace(split, train=(*split.train, *taught.also))
    if choice.limit:
        split = replace(
            split,
            train=_thin(split.train, choice.limit),
            val=_thin(split.val, choice.limit),
            test=_thin(split.test, choice.limit),
        )
    return data, split


def open_data(choice: DataChoice) -> LabeledSet:
    """Return the set of labelled pictures, merged if there are several, with the split of the split files.

    Raises:
        DataError: The data or a split file is not usable, or the choice contradicts itself.
        TaxonomyError: The taxonomy is not readable.
    """
    sources = open_sources(choice)
    by_role = choice.taxonomy == ROLES and any(s.taxonomy.name != ROLES for s in sources)
    if len(sources) == 1 and not by_role and not choice.split_files:
        return sources[0]
    names = unique_names(sources)
    common, table_of = _split_tables(choice, names)
    merged = MergedSet(sources, [table_of.get(name) for name in names], by_role)
    if common is not None:
        merged = MergedSet([merged], [common])
    return merged


def open_sources(choice: DataChoice) -> list[LabeledSet]:
    """Return the data sets of a choice, each by itself.

    Raises:
        DataError: One is not usable, or none is given.
        TaxonomyError: The taxonomy is not readable.
    """
    if bool(choice.images) != bool(choice.labels) or (choice.images and not choice.taxonomy):
        raise DataError("--images DIR, --labels DIR and --taxonomy FILE go together")
    if not choice.images and not choice.folders:
        raise DataError("no data: give --data DIR, or --images DIR --labels DIR --taxonomy FILE")
    # With a pair, the taxonomy is the pair's; folders have their own.
    own = choice.taxonomy if choice.taxonomy != ROLES and not choice.images else ""
    asked = asked_of(choice)
    sources = [open_set(folder, choice.layout, own, asked) for folder in choice.folders]
    if choice.images:
        sources.append(open_pair(choice.images, choice.labels, choice.taxonomy, asked))
    return sources


def require_folders(choice: DataChoice) -> None:
    """Refuses a choice of folders that are not there, before anything slow is done.

    Raises:
        DataError: One is no folder.
    """
    for folder in (*choice.folders, *choice.also, choice.images, choice.labels):
        if folder and not is_sharded(folder):
            require_folder(Path(folder))


def asked_of(choice: DataChoice) -> Asked:
    """Return the user's word on how label maps and pictures are to be read."""
    return Asked(
        None if choice.labels_as == "auto" else choice.labels_as,
        None if choice.exif_turn == "auto" else choice.exif_turn,
        choice.unknown_labels,
    )


def require_classes(data: LabeledSet, choice: DataChoice) -> str:
    """Refuse to train on a set that lacks classes of the user's own taxonomy, unless the choice allows it.

    Returns:
        The line that names them; empty where every class is shown.

    Raises:
        DataError: A class is in no picture.
    """
    if not data.absent:
        return ""
    line = f"absent class: {len(data.absent)} of {len(data.taxonomy)}, no picture shows {', '.join(data.absent)}"
    if choice.absent_classes == "refuse" and not data.taxonomy.is_builtin:
        raise DataError(f"data {data.name}: {line}; {ERRORS['absent class']}")
    return line


def _split_tables(choice: DataChoice, names: Sequence[str]) -> tuple[SplitTable | None, dict[str, SplitTable]]:
    """The table for all sources together, if there is one, and those of single sources."""
    common: SplitTable | None = None
    table_of: dict[str, SplitTable] = {}
    for given in choice.split_files:
        source, equals, path = given.partition("=")
        if equals and source in names:
            table_of[source] = read_split_file(Path(path), choice.split_column)
        elif equals and not Path(given).exists():
            raise DataError(f"--split {given}: no source is called {source!r}; there are {', '.join(names)}")
        elif common is not None:
            raise DataError(
                f"--split {given}: which source is it for? Give --split SOURCE=CSV; there are {', '.join(names)}"
            )
        else:
            common = read_split_file(Path(given), choice.split_column)
    if common is not None and table_of:
        raise DataError("give either one --split for all sources or one --split SOURCE=CSV each")
    return common, table_of


def _by_own_split(data: LabeledSet, part_of: dict[str, str], val_fraction: float) -> Split:
    """Splits by the table; sources that it lacks are split in whole groups."""
    listed = {name.partition("/")[0] for name in part_of} if isinstance(data, MergedSet) else set()
    several = isinstance(data, MergedSet) and len(data.source_names) > 1
    alone = [s for s in data.samples if several and s.name.partition("/")[0] not in listed]
    by_source: dict[str, list[Sample]] = {}
    for sample in alone:
        by_source.setdefault(sample.name.partition("/")[0], []).append(sample)
    part_of = dict(part_of)
    for samples in by_source.values():
        kept, carved = carve(samples, val_fraction)
        part_of |= {s.name: "" for s in samples}
        part_of |= {s.name: "train" for s in kept} | {s.name: "val" for s in carved}
    return by_table(data.samples, part_of, val_fraction)


def _thin(samples: tuple[Sample, ...], count: int) -> tuple[Sample, ...]:
    """At most `count` of the samples, spread evenly."""
    if len(samples) <= count:
        return samples
    return tuple(samples[i * len(samples) // count] for i in range(count))
