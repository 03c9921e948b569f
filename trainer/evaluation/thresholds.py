"""Choice of a model's operating point for landings, on val only.

Hazards first, each by itself. Recall of pixels is no measure: the rim of a person who is found is lost, and each false
patch of ten pixels blocks the ground around it. So people, vehicles, obstacles and patches of water count one by one,
weighted by the ground under them (`trainer.evaluation.instances`). Taken is the largest threshold, up to the default of
flight (`landing.model.operating` caps it there), at which val still finds the wanted share. Of people above `LEAST_M2`,
at most `lost_people` of those that the least threshold finds may be lost by it. Where even the least does not find
enough, it is the largest that finds what the least finds, and `unmet` says so. A role without an instance in val keeps
the default.

Then landable ground: of the thresholds from 0.5 on at which at most the wanted share of pixels that are not landable is
called free, the one whose sites hold a hazard least often over all widths that the pictures may have
(`AssumedView.possible_m`), then the one that misses fewest sites at the assumed width, then the one with the fewest
people nearer than `NEAR_PERSON_M` to a disc, then fewest missed at all widths, then the lowest. Nobody is kept off
by asking more of the ground: that is for the threshold of people, and who is near all the same is counted in `unmet`.
While more sites than allowed hold a hazard, the thresholds of hazards are lowered, step by step, where that leaves
fewer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landing.model.operating import SETTING_OF
from landing.model.spec import OperatingPoint
from landing.settings import FRAME_LANDABLE_LIMITS, DecisionSettings
from landing.taxonomy import HAZARD_ROLES, Role
from trainer.evaluation.instances import LEAST_M2, Instance, found_by_size, found_share
from trainer.evaluation.pixel_counts import LEAST_LANDABLE, PixelCounts, byte_of, threshold_of
from trainer.evaluation.sites import NEAR_PERSON_M, SiteCount, SiteEvaluator

LEAST_HAZARD = 0.05
LANDABLE_STEP = 6
"""Bytes between the landable thresholds that sites are judged at."""

_GREATEST_BYTE = byte_of(FRAME_LANDABLE_LIMITS[1])
_LEAST_BYTE = math.ceil(LEAST_HAZARD * 255 + 0.5)
_LOWER = 0.8
"""Factor by which a hazard threshold is lowered at a time where sites hold a hazard."""


@dataclass(frozen=True)
class Targets:
    """Wanted results of the operating point on val.

    Attributes:
        person, vehicle, obstacle, water: Share of the ground under the role's instances, of those found.
        lost_people: Greatest share of people above `LEAST_M2`, of those that `LEAST_HAZARD` finds, that may be lost.
        false_safe: Greatest share of pixels that are not landable to be called free.
        site_false_safe: Greatest share of sites that hold a hazard.
    """

    person: float = 0.98
    vehicle: float = 0.98
    obstacle: float = 0.98
    water: float = 0.98
    lost_people: float = 0.03
    false_safe: float = 0.04
    site_false_safe: float = 0.0

    def of(self, role: Role) -> float:
        """Wanted share of a hazard role."""
        return float(getattr(self, role.value))


def landable_candidates() -> list[float]:
    """The thresholds of landable ground that sites are judged at, rising."""
    return [threshold_of(b) for b in range(LEAST_LANDABLE, _GREATEST_BYTE + 1, LANDABLE_STEP)]


def default_of(role: Role) -> float:
    """The default threshold of a hazard role in flight."""
    return float(getattr(DecisionSettings(), SETTING_OF[role]))


def hazard_threshold(instances: Sequence[Instance], role: Role, targets: Targets) -> float:
    """Return the largest threshold of a role that finds enough; the default without an instance of the role."""
    mine = [i for i in instances if i.role is role]
    if not mine:
        return default_of(role)
    at_least = found_share(mine, _LEAST_BYTE) or 0.0
    wanted = min(targets.of(role), at_least)
    people = [i.byte for i in mine if role is Role.PERSON and i.area_m2 >= LEAST_M2 and i.byte >= _LEAST_BYTE]
    may_lose = math.floor(targets.lost_people * len(people) + 1e-9)

    def enough(byte: int) -> bool:
        share = found_share(mine, byte) or 0.0
        return share >= wanted - 1e-12 and sum(b < byte for b in people) <= may_lose

    bytes_ = range(_LEAST_BYTE, math.floor(default_of(role) * 255 + 0.5) + 1)
    return threshold_of(max(byte for byte in bytes_ if enough(byte)))


@dataclass(frozen=True)
class _Trial:
    """Sites at some thresholds of hazards and the best threshold of landable ground for them.

    Attributes:
        by_width: At each width that the pictures may have, the assumed one first.
        share: Of sites that may hold a hazard.
    """

    hazards: Mapping[Role, float]
    by_width: tuple[SiteCount, ...]
    share: float

    @property
    def too_many(self) -> int:
        """Sites that hold a hazard beyond those allowed, over all widths."""
        return sum(max(0, c.with_hazard - math.floor(self.share * c.sites + 1e-9)) for c in self.by_width)

    @property
    def near_people(self) -> int:
        """Sites with somebody nearer than `NEAR_PERSON_M`, over all widths."""
        return sum(c.near_person for c in self.by_width)

    @property
    def key(self) -> tuple[float, ...]:
        """The less, the better."""
        missed = [c.missed for c in self.by_width]
        return self.too_many, missed[0], self.near_people, sum(missed), self.by_width[0].threshold


def choose(tally: PixelCounts, book: SiteEvaluator, chosen_on: str, targets: Targets | None = None) -> OperatingPoint:
    """Return the operating point for val, measured at the temperature that will fly."""
    targets = targets or Targets()
    instances = book.instances()
    trial = _best(tally, book, {role: hazard_threshold(instances, role, targets) for role in HAZARD_ROLES}, targets)
    while trial.too_many:
        helping = [h for role in HAZARD_ROLES if (h := _lowered(book, trial, role)) is not None]
        if not helping:
            break
        tried = [_best(tally, book, hazards, targets) for hazards in helping]
        trial = min(tried, key=lambda t: (t.too_many, t.key))
    measured, unmet = _reached(tally, instances, trial, targets)
    return OperatingPoint(
        landable=trial.by_width[0].threshold,
        **{role.value: value for role, value in trial.hazards.items()},
        chosen_on=chosen_on,
        targets=dict(vars(targets)),
        measured=measured,
        unmet=tuple(unmet),
    )


def _lowered(book: SiteEvaluator, trial: _Trial, role: Role) -> dict[Role, float] | None:
    """The thresholds with one lowered just so far that fewer sites hold a hazard; None where that cannot be."""
    byte = byte_of(trial.hazards[role])
    while byte > _LEAST_BYTE:
        byte = max(_LEAST_BYTE, math.floor(byte * _LOWER))
        hazards = {**trial.hazards, role: threshold_of(byte)}
        by_width = _by_width(book, hazards, [trial.by_width[0].threshold])
        if _Trial(hazards, by_width[0], trial.share).too_many < trial.too_many:
            return hazards
    return None


def _by_width(
    book: SiteEvaluator, hazards: Mapping[Role, float], landable: Sequence[float]
) -> list[tuple[SiteCount, ...]]:
    """Sites for each threshold of landable ground, at each width that the pictures may have."""
    counts = (book.counts(hazards, landable, width_m) for width_m in book.view.possible_m())
    return list(zip(*counts, strict=True))


def _best(tally: PixelCounts, book: SiteEvaluator, hazards: Mapping[Role, float], targets: Targets) -> _Trial:
    """The best threshold of landable ground for some of hazards."""
    share = false_safe_shares(tally, hazards)
    allowed = np.flatnonzero(share[: _GREATEST_BYTE + 1] <= targets.false_safe)
    lowest = max(LEAST_LANDABLE, int(allowed[0])) if len(allowed) else _GREATEST_BYTE
    candidates = [threshold_of(lowest)]
    candidates += [c for c in landable_candidates() if c > candidates[0]]
    trials = (_Trial(hazards, by_width, targets.site_false_safe) for by_width in _by_width(book, hazards, candidates))
    return min(trials, key=lambda t: t.key)


def _reached(
    tally: PixelCounts, instances: Sequence[Instance], trial: _Trial, targets: Targets
) -> tuple[dict[str, float], list[str]]:
    """Results of the chosen point on val, by name, and the targets that it misses, in words."""
    measured: dict[str, float] = {}
    unmet: list[str] = []
    for role in HAZARD_ROLES:
        mine = [i for i in instances if i.role is role]
        share = found_share(mine, byte_of(trial.hazards[role]))
        if share is None:
            unmet.append(f"{role.value}: none in the labels, the default is kept")
            continue
        measured[f"{role.value}_found"] = round(share, 4)
        if share < targets.of(role):
            unmet.append(f"{role.value}: {share:.3f} of their ground found, {targets.of(role):g} wanted")
        if role is Role.PERSON:
            big = found_by_size(mine, byte_of(trial.hazards[role]))[-1]
            measured |= {"people": big["instances"], "people_found": big["found"]}
    usual, widths = trial.by_width[0], trial.by_width
    reached = float(false_safe_shares(tally, trial.hazards)[byte_of(usual.threshold)])
    measured |= {
        "false_safe": round(reached, 5),
        "sites": usual.sites,
        "sites_with_hazard": usual.with_hazard,
        "abstained_wrongly": usual.missed,
        "sites_at_all_widths": sum(c.sites for c in widths),
        "hazards_at_all_widths": sum(c.with_hazard for c in widths),
        "near_people_at_all_widths": trial.near_people,
    }
    if usual.least_person_m is not None:
        measured["least_person_m"] = round(usual.least_person_m, 2)
    if reached > targets.false_safe:
        unmet.append(f"false-safe {reached:.3f} of at most {targets.false_safe:g} wanted")
    of_all = f"of {measured['sites_at_all_widths']} sites, over {len(widths)} widths of the ground"
    if trial.too_many:
        unmet.append(f"{measured['hazards_at_all_widths']} {of_all}, hold a hazard")
    if trial.near_people:
        unmet.append(f"{trial.near_people} {of_all}, have a person within {NEAR_PERSON_M:g} m")
    if not usual.sites:
        unmet.append("no site at all")
    return measured, unmet


def false_safe_shares(
    tally: PixelCounts, hazards: Mapping[Role, float], roles: Sequence[Role] | None = None
) -> npt.NDArray[np.float64]:
    """Share of pixels that are not landable called free, shape (257,), by threshold byte of landable ground.

    `roles` are the true roles counted; all but landable by default.
    """
    chosen = (*HAZARD_ROLES, Role.IGNORE) if roles is None else roles
    free = tally.called_free(hazards)
    total = sum(tally.pixels_of(role) for role in chosen)
    shares: npt.NDArray[np.float64] = sum((free[r] for r in chosen), np.zeros(257)) / max(1, total)
    return shares
