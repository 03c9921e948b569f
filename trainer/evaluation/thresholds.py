"""Choice of a model's operating point, on val only.

Hazards first, each by itself: the largest threshold at which val still finds the wanted share of that role's pixels,
between 0.05 and the default of flight (`landing.operating` caps it there). The targets have a margin over what is
demanded of test, because val is another set of pictures. If 0.05 does not find enough, it is 0.05, and `unmet` says so.
A role without a pixel in val keeps the default.

Then landable ground: of the thresholds from 0.5 on at which at most the wanted share of pixels that are not landable is
called free, the one whose sites hold a hazard least often, then the one that misses fewest sites, then the lowest.
If no threshold reaches the share, it is the highest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from landing.operating import SETTING_OF
from landing.settings import FRAME_LANDABLE_LIMITS, DecisionSettings
from landing.spec import OperatingPoint
from landing.taxonomy import HAZARD_ROLES, Role
from trainer.evaluation.pixel_counts import LEAST_LANDABLE, PixelCounts, byte_of, threshold_of
from trainer.evaluation.sites import SiteCount

LEAST_HAZARD = 0.05
LANDABLE_STEP = 6
"""Bytes between the landable thresholds that sites are judged at."""

_GREATEST_BYTE = byte_of(FRAME_LANDABLE_LIMITS[1])

SitesAt = Callable[[Mapping[Role, float], Sequence[float]], list[SiteCount]]
"""Sites on the pictures at thresholds of hazards and each of some thresholds of landable ground."""


@dataclass(frozen=True)
class Targets:
    """Wanted results of the operating point on val.

    Attributes:
        person, vehicle, obstacle, water: Share of the role's pixels to be found.
        false_safe: Greatest share of pixels that are not landable to be called free.
        site_false_safe: Greatest share of sites that hold a hazard.
    """

    person: float = 0.95
    vehicle: float = 0.95
    obstacle: float = 0.90
    water: float = 0.90
    false_safe: float = 0.04
    site_false_safe: float = 0.0

    def of(self, role: Role) -> float:
        """Wanted recall of a hazard role."""
        return float(getattr(self, role.value))


def landable_candidates() -> list[float]:
    """The thresholds of landable ground that sites are judged at, rising."""
    return [threshold_of(b) for b in range(LEAST_LANDABLE, _GREATEST_BYTE + 1, LANDABLE_STEP)]


def hazard_threshold(tally: PixelCounts, role: Role, target: float) -> tuple[float, float | None]:
    """Return the largest threshold of a role that reaches the target, and its recall.

    Without a pixel of the role: the default, and None.
    """
    default = float(getattr(DecisionSettings(), SETTING_OF[role]))
    histogram = tally.role_bytes[HAZARD_ROLES.index(role)]
    if not histogram.any():
        return default, None
    found = np.cumsum(histogram[::-1])[::-1] / histogram.sum()  # by least byte that counts
    least, most = math.ceil(LEAST_HAZARD * 255 + 0.5), math.floor(default * 255 + 0.5)
    enough = [b for b in range(least, most + 1) if found[b] >= target]
    byte = max(enough, default=least)
    return threshold_of(byte), float(found[byte])


def choose(tally: PixelCounts, sites_at: SitesAt, chosen_on: str, targets: Targets | None = None) -> OperatingPoint:
    """Return the operating point for counts of val at the temperature that will fly."""
    targets = targets or Targets()
    hazards: dict[Role, float] = {}
    measured: dict[str, float] = {}
    unmet: list[str] = []
    for role in HAZARD_ROLES:
        hazards[role], recall = hazard_threshold(tally, role, targets.of(role))
        if recall is None:
            unmet.append(f"{role.value}: no such pixel, the default is kept")
            continue
        measured[f"{role.value}_recall"] = round(recall, 4)
        if recall < targets.of(role):
            unmet.append(f"{role.value} recall {recall:.3f} of {targets.of(role):g} wanted")
    share = false_safe_shares(tally, hazards)
    allowed = np.flatnonzero(share[: _GREATEST_BYTE + 1] <= targets.false_safe)
    lowest = max(LEAST_LANDABLE, int(allowed[0])) if len(allowed) else _GREATEST_BYTE
    candidates = [threshold_of(lowest)]
    candidates += [c for c in landable_candidates() if c > candidates[0]]
    counts = sites_at(hazards, candidates)
    best = min(counts, key=lambda c: (c.with_hazard, c.missed, c.threshold))
    reached = float(share[byte_of(best.threshold)])
    measured["false_safe"] = round(reached, 5)
    measured["sites"] = best.sites
    measured["sites_with_hazard"] = best.with_hazard
    measured["abstained_wrongly"] = best.missed
    if reached > targets.false_safe:
        unmet.append(f"false-safe {reached:.3f} of at most {targets.false_safe:g} wanted")
    if best.sites and best.with_hazard / best.sites > targets.site_false_safe:
        unmet.append(f"{best.with_hazard} of {best.sites} sites hold a hazard")
    if not best.sites:
        unmet.append("no site at all")
    return OperatingPoint(
        landable=best.threshold,
        **{role.value: value for role, value in hazards.items()},
        chosen_on=chosen_on,
        targets=dict(vars(targets)),
        measured=measured,
        unmet=tuple(unmet),
    )


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
