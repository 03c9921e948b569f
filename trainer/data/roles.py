"""Pictures of other classes that teach a network by role alone.

A set that names things differently still says where people, water and landable ground are. Its label maps hold a role
label: an id behind those of the network's classes. The loss asks of such a pixel only that the classes of the role
together are probable (`trainer.loss`), so the network keeps the classes of its own set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from landing.errors import DataError
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import ByteArray
from trainer.data.merge import JoinedSet, joined_terms, unique_names
from trainer.data.samples import IGNORE, LabeledSet, Sample

ROLE_ORDER = (Role.LANDABLE, *HAZARD_ROLES)
"""Roles in the order of their labels behind the classes."""


def role_label(taxonomy: Taxonomy, role: Role) -> int:
    """Return the label of a role in maps of a taxonomy: behind its classes."""
    return len(taxonomy) + ROLE_ORDER.index(role)


def labels_of(taxonomy: Taxonomy, role: Role) -> tuple[int, ...]:
    """Return the labels that mean a role: its classes, and the role's own."""
    return *taxonomy.ids_of(role), role_label(taxonomy, role)


def to_role_labels(source: Taxonomy, network: Taxonomy) -> ByteArray:
    """Return the role label in `network` of each label value of `source`, shape (256,); `IGNORE` for the rest.

    A role that the network has no class of is not taught.
    """
    table = np.full(256, IGNORE, dtype=np.uint8)
    for entry in source.classes:
        if entry.role is not Role.IGNORE and network.ids_of(entry.role):
            table[entry.id] = role_label(network, entry.role)
    return table


def as_classes(taxonomy: Taxonomy) -> ByteArray:
    """Return a class for each label, shape (256,), to draw maps with: the first of its role for a role label."""
    table = np.arange(256, dtype=np.uint8)
    for role in ROLE_ORDER:
        if taxonomy.ids_of(role):
            table[role_label(taxonomy, role)] = taxonomy.ids_of(role)[0]
    return table


class TaughtByRole(JoinedSet):
    """A set, and the training pictures of others with role labels; see `LabeledSet`.

    Only `samples` of the first set can choose or report anything. Of the others, `also` are the pictures that train:
    their own split's part, or all. Their names and groups are `source/name`.

    Raises:
        DataError: There are too many classes for role labels behind them, or a set has no picture that trains.
    """

    def __init__(self, main: LabeledSet, others: Sequence[LabeledSet]) -> None:
        self.taxonomy = main.taxonomy
        if len(main.taxonomy) + len(ROLE_ORDER) > IGNORE:
            raise DataError(
                f"taxonomy {main.taxonomy.name!r} has {len(main.taxonomy)} classes; --also needs at most "
                f"{IGNORE - len(ROLE_ORDER)}"
            )
        names = unique_names([main, *others])[1:]
        self.name = f"{main.name}, by role {'+'.join(names)}"
        self.terms = joined_terms([main, *others], (main.name, *names))
        self.own_split = main.own_split
        self.absent = main.absent
        self.remarks = (
            *main.remarks,
            *(f"{name}: {line}" for source, name in zip(others, names, strict=True) for line in source.remarks),
        )
        super().__init__()
        self._origin |= {s.name: (main, s) for s in main.samples}
        self._main = main
        also: list[Sample] = []
        for source, name in zip(others, names, strict=True):
            parts = source.own_split
            train = [s for s in source.samples if parts is None or parts.get(s.name) == "train"]
            if not train:
                raise DataError(f"--also {source.name}: its split has no training pictures")
            for sample in train:
                called = replace(sample, name=f"{name}/{sample.name}", group=f"{name}/{sample.group}")
                self._origin[called.name] = (source, sample)
                also.append(called)
        self.also = tuple(also)
        self.samples = (*main.samples, *self.also)

    def read(self, sample: Sample) -> tuple[ByteArray, ByteArray]:
        """See `LabeledSet.read`; role labels for the others' pictures."""
        source, original = self._origin[sample.name]
        image, labels = source.read(original)
        return image, labels if source is self._main else to_role_labels(source.taxonomy, self.taxonomy)[labels]

    def digest(self, sample: Sample) -> str:
        """See `LabeledSet.digest`."""
        source, original = self._origin[sample.name]
        roles = "" if source is self._main else to_role_labels(source.taxonomy, self.taxonomy).tobytes().hex()
        return f"{source.digest(original)}{roles}"
