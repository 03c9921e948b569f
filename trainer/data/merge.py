"""Several data sets as one: with the same classes unchanged, with different ones merged by role.

Aerial sets differ in how finely they name things; a landing needs to know only the role (so SafeLand, arXiv
2603.17430).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from landing.taxonomy import Role, Taxonomy
from landing.types import ByteArray
from trainer.data.ground import GroundWidth
from trainer.data.samples import IGNORE, LabeledSet, Sample
from trainer.data.splitfile import SplitTable

ROLES = "roles"
"""Name of the built-in taxonomy whose classes are the landing roles."""


def role_ids(taxonomy: Taxonomy) -> ByteArray:
    """Return the class id in the taxonomy `roles` of each label value, shape (256,); `IGNORE` for the rest."""
    id_of = {c.role: c.id for c in Taxonomy.load(ROLES).classes}
    ids = np.full(256, IGNORE, dtype=np.uint8)
    for c in taxonomy.classes:
        if c.role is not Role.IGNORE:
            ids[c.id] = id_of[c.role]
    return ids


class JoinedSet:
    """Samples of other sets under new names, each with its source."""

    def __init__(self) -> None:
        self._origin: dict[str, tuple[LabeledSet, Sample]] = {}

    def size_wh(self, sample: Sample) -> tuple[int, int]:
        """See `LabeledSet.size_wh`."""
        source, original = self._origin[sample.name]
        return source.size_wh(original)

    def ground_width(self, sample: Sample) -> GroundWidth | None:
        """See `LabeledSet.ground_width`."""
        source, original = self._origin[sample.name]
        return source.ground_width(original)


class MergedSet(JoinedSet):
    """Data sets as one, or one with other roles, groups or split; see `LabeledSet`.

    With several sources a sample is called `source/name`, and so is its group. A split table replaces a source's own
    split.
    `by_role` merges by role even if the classes are the same.
    """

    def __init__(
        self, sources: Sequence[LabeledSet], tables: Sequence[SplitTable | None], by_role: bool = False
    ) -> None:
        first = sources[0].taxonomy
        self.merged_by_role = by_role or any(_meaning(s.taxonomy) != _meaning(first) for s in sources)
        self.taxonomy = Taxonomy.load(ROLES) if self.merged_by_role else first
        self.source_names = unique_names(sources)
        self.name = "+".join(self.source_names)
        self.terms = joined_terms(sources, self.source_names)
        super().__init__()
        samples: list[Sample] = []
        split: dict[str, str] = {}
        for source, name, table in zip(sources, self.source_names, tables, strict=True):
            prefix = f"{name}/" if len(sources) > 1 else ""
            parts = source.own_split if table is None else table.part_of
            regrouped = source.samples if table is None else table.regrouped(source.samples)
            for original, sample in zip(source.samples, regrouped, strict=True):
                called = replace(sample, name=prefix + sample.name, group=prefix + sample.group)
                self._origin[called.name] = (source, original)
                samples.append(called)
            split |= {prefix + key: part for key, part in (parts or {}).items()}
        self.remarks = tuple(
            f"{name}: {line}" if len(sources) > 1 else line
            for source, name in zip(sources, self.source_names, strict=True)
            for line in source.remarks
        )
        self.absent = self._absent(sources)
        self.samples = tuple(sorted(samples, key=lambda sample: sample.name))
        self.own_split = split or None

    def _absent(self, sources: Sequence[LabeledSet]) -> tuple[str, ...]:
        """Classes of some source that no picture of any shows, by role if they are merged so."""
        names = [
            (c.role.value if self.merged_by_role else c.name, c.name in source.absent)
            for source in sources
            for c in source.taxonomy.classes
            if c.role is not Role.IGNORE
        ]
        lacking = {name for name, _ in names} - {name for name, absent in names if not absent}
        return tuple(c.name for c in self.taxonomy.classes if c.name in lacking)

    def read(self, sample: Sample) -> tuple[ByteArray, ByteArray]:
        """See `LabeledSet.read`."""
        source, original = self._origin[sample.name]
        image, labels = source.read(original)
        return image, role_ids(source.taxonomy)[labels] if self.merged_by_role else labels

    def digest(self, sample: Sample) -> str:
        """See `LabeledSet.digest`."""
        source, original = self._origin[sample.name]
        roles = role_ids(source.taxonomy).tobytes().hex() if self.merged_by_role else ""
        return f"{source.digest(original)}{roles}"


def unique_names(sources: Sequence[LabeledSet]) -> tuple[str, ...]:
    """Return the names of the sources, with a number where two would be the same."""
    names: list[str] = []
    for source in sources:
        base = source.name.replace("/", "-")
        count = sum(name == base or name.startswith(f"{base}-") for name in names)
        names.append(base if base not in names else f"{base}-{count + 1}")
    return tuple(names)


def _meaning(taxonomy: Taxonomy) -> list[tuple[str, Role]]:
    return [(c.name, c.role) for c in taxonomy.classes]


def joined_terms(sources: Sequence[LabeledSet], names: Sequence[str]) -> str:
    """Return the licences of the sources, each with its name where there are several."""
    if len(sources) == 1:
        return sources[0].terms
    return "; ".join(
        f"{name}: {source.terms or 'terms not stated'}" for source, name in zip(sources, names, strict=True)
    )
