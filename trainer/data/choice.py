"""Opens the data of a choice and splits it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from landing.errors import DataError
from trainer.data.layouts import open_set, read_split_file
from trainer.data.samples import LabeledSet, Sample
from trainer.data.splits import Split, by_patterns, by_table
from trainer.recipe import DataChoice


def open_and_split(choice: DataChoice) -> tuple[LabeledSet, Split]:
    """The set of labelled pictures and its parts.

    A split file wins over the folder's own `split.csv`, and patterns over both.

    Raises:
        DataError: The data or the split is not usable, or the choice contradicts itself.
        TaxonomyError: The taxonomy is not readable.
    """
    data = open_set(choice.folders[0], choice.layout, choice.taxonomy)
    patterns = bool(choice.train or choice.val or choice.test)
    if choice.split_file and patterns:
        raise DataError("give either --split or --train / --val / --test, not both")
    if choice.split_file:
        table = read_split_file(Path(choice.split_file), choice.split_column)
        split = by_table(data.samples, table)
    elif data.own_split is not None and not patterns:
        split = by_table(data.samples, data.own_split)
    else:
        split = by_patterns(
            data.samples, choice.train, choice.val, choice.test, choice.val_fraction
        )
    if choice.limit:
        split = replace(
            split, train=_thin(split.train, choice.limit), val=_thin(split.val, choice.limit),
            test=_thin(split.test, choice.limit),
        )  # fmt: skip
    return data, split


def _thin(samples: tuple[Sample, ...], count: int) -> tuple[Sample, ...]:
    """At most `count` of the samples, spread evenly."""
    if len(samples) <= count:
        return samples
    return tuple(samples[i * len(samples) // count] for i in range(count))
