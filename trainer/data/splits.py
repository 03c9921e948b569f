"""Splits: pictures that train, that choose the checkpoint (val), and that are only reported (test).

Neighbouring frames of one flight show the same ground, so a split by single pictures would leak. Without a val part, it
is cut from the training part in whole groups, or, with few groups, as one block at the end of each, after a gap of
unused frames.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from landing.errors import DataError
from trainer.data.samples import Sample
from trainer.data.splitfile import PARTS

GAP_FRAMES = 2
"""Frames between a training block and the val block behind it that are used for neither."""

_WHOLE_GROUPS_FROM = 8
"""With this many groups or more, val takes whole groups."""


@dataclass(frozen=True)
class Split:
    """The three parts, in order of name; only `test` may be empty. `unused` samples are in no part."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    test: tuple[Sample, ...]
    unused: int

    def describe(self) -> str:
        """Return sizes of the parts, for people and provenance."""
        parts = ", ".join(
            f"{name} {len(part)} ({len({s.group for s in part})} groups)"
            for name, part in (("train", self.train), ("val", self.val), ("test", self.test))
        )
        return parts + (f", unused {self.unused}" if self.unused else "")

    def digest(self) -> str:
        """Return the SHA-256 of the names in train and val, without their source's, for a folder may be renamed."""
        parts = [sorted(s.name.rpartition("/")[2] for s in part) for part in (self.train, self.val)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def by_table(samples: Sequence[Sample], part_of: Mapping[str, str], val_fraction: float = 0.0) -> Split:
    """Splits by the part of each name, "" for none; cuts val off the training part if the list has no val.

    Raises:
        DataError: A sample is not in the list, or a needed part is empty.
    """
    missing = [s.name for s in samples if s.name not in part_of]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(samples)} pictures are not in the split file, the first is {missing[0]}"
        )
    parts: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        parts[part_of[sample.name]].append(sample)
    if not parts["val"] and val_fraction > 0:
        parts["train"], parts["val"] = carve(parts["train"], val_fraction)
    return _checked(samples, parts["train"], parts["val"], parts["test"])


def by_patterns(
    samples: Sequence[Sample],
    train: Sequence[str] = (),
    val: Sequence[str] = (),
    test: Sequence[str] = (),
    val_fraction: float = 0.15,
) -> Split:
    """Splits by name prefixes or globs (`040001`, `*_01?`).

    Without train patterns, all that is in no other part trains. Without val patterns, `val_fraction` of the training
    part is cut off, in whole groups or blocks.

    Raises:
        DataError: A pattern matches nothing, a sample is in two parts, or a part is empty.
    """
    chosen = {
        name: _matching(samples, patterns, name) for name, patterns in (("train", train), ("val", val), ("test", test))
    }
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        both = sorted(chosen[one] & chosen[other])
        if both:
            raise DataError(f"{len(both)} pictures are in both --{one} and --{other}, the first is {both[0]}")
    if not train:
        chosen["train"] = {s.name for s in samples} - chosen["val"] - chosen["test"]
    training = [s for s in samples if s.name in chosen["train"]]
    testing = [s for s in samples if s.name in chosen["test"]]
    if val:
        return _checked(samples, training, [s for s in samples if s.name in chosen["val"]], testing)
    kept, carved = carve(training, val_fraction)
    return _checked(samples, kept, carved, testing)


def _matching(samples: Sequence[Sample], patterns: Sequence[str], part: str) -> set[str]:
    names: set[str] = set()
    for pattern in patterns:
        glob = pattern if any(c in pattern for c in "*?[") else pattern + "*"
        hits = {s.name for s in samples if fnmatchcase(s.name, glob)}
        if not hits:
            raise DataError(
                f"--{part} {pattern!r} matches none of {len(samples)} pictures (the first is {samples[0].name})"
            )
        names |= hits
    return names


def carve(samples: Sequence[Sample], fraction: float) -> tuple[list[Sample], list[Sample]]:
    """Cuts a val part out of samples, always the same one for the same names; returns the rest, and the val part."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    kept: list[Sample] = []
    carved: list[Sample] = []
    if len(groups) >= _WHOLE_GROUPS_FROM:
        ranked = sorted(groups, key=lambda g: hashlib.sha256(g.encode()).hexdigest())
        for group in ranked:
            target = carved if len(carved) < fraction * len(samples) else kept
            target.extend(groups[group])
        return sorted(kept, key=lambda s: s.name), sorted(carved, key=lambda s: s.name)
    for group in sorted(groups):
        members = sorted(groups[group], key=lambda s: _natural(s.name))
        count = max(1, round(fraction * len(members))) if fraction > 0 else 0
        gap = GAP_FRAMES if len(members) >= 4 * (count + GAP_FRAMES) // 2 else 0
        if count == 0 or len(members) - count - gap < 1:
            kept.extend(members)
            continue
        kept.extend(members[: len(members) - count - gap])
        carved.extend(members[len(members) - count :])
    return kept, carved


def _natural(name: str) -> list[tuple[str, int]]:
    """Return a key that sorts numbers in names by value, so that frame 10 follows frame 9."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)([0-9]*)", name)]


def assign(
    samples: Sequence[Sample],
    shares: tuple[float, float, float] = (0.75, 0.1, 0.15),
    seed: int = 0,
    by_group: bool = True,
) -> dict[str, str]:
    """Return a new split: part of each sample by name, always the same for the same names and seed.

    `shares` are of train, val and test. With `by_group` groups stay whole; without, neighbours in a scene are in both
    parts,
    and figures on them flatter.

    Raises:
        DataError: The shares make no sense, or there are too few groups for the parts.
    """
    if min(shares) < 0 or shares[0] <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise DataError(
            f"shares {', '.join(f'{s:g}' for s in shares)}: expected three, for train, val and test, that add up to 1"
        )
    groups: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        groups[sample.group if by_group else sample.name].append(sample.name)
    wanted = {part: share * len(samples) for part, share in zip(PARTS, shares, strict=True) if share}
    if len(groups) < len(wanted):
        raise DataError(
            f"{len(groups)} groups are too few for {len(wanted)} parts; name groups in a split "
            "file, give all to one part (--shares 1,0,0), or ask for a split by single pictures with --random"
        )

    def order(group: str) -> tuple[int, str]:
        mixed = hashlib.sha256(f"{seed} {group}".encode()).hexdigest()
        return -len(groups[group]), mixed

    # Largest first, each to the part that lacks most of its share: a well-known heuristic for filling bins. The last
    # ones are kept for parts that are still empty.
    part_of: dict[str, str] = {}
    lacking = dict(wanted)
    ranked = sorted(groups, key=order)
    for placed, group in enumerate(ranked):
        empty = [part for part in wanted if lacking[part] == wanted[part]]
        must = empty if len(empty) >= len(ranked) - placed else list(wanted)
        part = max(must, key=lambda p: (lacking[p] / wanted[p], wanted[p]))
        lacking[part] -= len(groups[group])
        part_of |= dict.fromkeys(groups[group], part)
    return part_of


def _checked(
    samples: Sequence[Sample], train: Sequence[Sample], val: Sequence[Sample], test: Sequence[Sample]
) -> Split:
    for name, part in (("train", train), ("val", val)):
        if not part:
            raise DataError(
                f"the {name} part is empty ({len(samples)} pictures, {len(train)} train, "
                f"{len(val)} val, {len(test)} test); give another --split or --{name}"
            )
    return Split(tuple(train), tuple(val), tuple(test), len(samples) - len(train) - len(val) - len(test))
