"""Figures over what one number hides: the assumed width of pictures, the threshold of people, sizes and classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from trainer.evaluation.instances import found_by_size, found_share
from trainer.evaluation.pixel_counts import byte_of, threshold_of
from trainer.evaluation.sites import SiteEvaluator, SiteOutcome

Rows = list[dict[str, Any]]

PERSON_THRESHOLDS = tuple(threshold_of(byte) for byte in (13, 18, 26, 31, 36, 41, 46, 51, 64, 77, 90, 128))
"""Thresholds of people that sites are counted at: 0.05 to 0.5. What flies is never above the default."""


def by_width(book: SiteEvaluator, hazards: Mapping[Role, float], landable: float) -> Rows:
    """Return sites and people found by assumed width of the ground in pictures; nothing where each states its own."""
    if not book.assumed:
        return []
    rows = []
    for width_m in sorted({round(book.view.across_m, 2), *book.view.tried_m()}):
        (count,) = book.counts(hazards, [landable], width_m)
        rows.append({"width_m": width_m, **count.to_mapping(), "people": _people(book, hazards[Role.PERSON], width_m)})
    return rows


def by_person(book: SiteEvaluator, hazards: Mapping[Role, float], landable: float) -> Rows:
    """Return sites and people found by the threshold of people; nothing where nobody is in the labels."""
    if not any(i.role is Role.PERSON for i in book.instances()):
        return []
    rows = []
    for threshold in sorted({*PERSON_THRESHOLDS, hazards[Role.PERSON]}):
        (count,) = book.counts({**hazards, Role.PERSON: threshold}, [landable])
        rows.append({**count.to_mapping(), "threshold": threshold, "people": _people(book, threshold)})
    return rows


def _people(book: SiteEvaluator, threshold: float, width_m: float | None = None) -> dict[str, Any]:
    """People above `LEAST_M2`, and those found at a threshold."""
    people = [i for i in book.instances(width_m) if i.role is Role.PERSON]
    return found_by_size(people, byte_of(threshold))[-1]


def hazards_found(book: SiteEvaluator, hazards: Mapping[Role, float]) -> dict[str, Any]:
    """Return, by role, the instances found at thresholds by class of size, and the share of the ground under them."""
    found = {}
    for role in HAZARD_ROLES:
        mine = [i for i in book.instances() if i.role is role]
        byte = byte_of(hazards[role])
        found[role.value] = {"sizes": found_by_size(mine, byte), "ground": found_share(mine, byte)}
    return found


def held_classes(taxonomy: Taxonomy, outcomes: Sequence[SiteOutcome]) -> Rows:
    """Return the classes that are not landable in chosen discs: discs with each, and those with nothing else unsafe."""
    discs = [o.disc for o in outcomes if o.disc is not None and o.disc.held]
    rows = []
    for c in taxonomy.classes:
        with_it = [d for d in discs if c.name in d.held]
        if with_it:
            share = math.fsum(d.held[c.name] / d.disc_px for d in with_it) / len(with_it)
            alone = sum(len(d.held) == 1 for d in with_it)
            row = {"class": c.name, "role": c.role.value, "discs": len(with_it), "alone": alone, "share": share}
            rows.append(row)
    return sorted(rows, key=lambda row: -row["discs"])
