"""One list of sites from many photographs: enough of them must show a place clear, and none otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from landing.choice.ground_evidence import ClearPlace, GroundEvidence
from landing.choice.site_list import ListedSite
from landing.globe import GlobalPlace
from landing.model.confidence import Confidence
from landing.taxonomy import Role, Surface

VIEWS_APART_M = 1.0
"""Photographs from places nearer to each other are one look."""

LEAST_DEGREE_M = 110_000.0
"""A degree of latitude is longer than this everywhere."""


@dataclass(frozen=True)
class PhotoCandidate:
    """A clear place of one photograph.

    Attributes:
        clear: In coordinates from below the camera, m.
        surface: What it lies on; None where all landable ground is alike.
        confidence: By the photograph; None where there is none.
    """

    clear: ClearPlace
    surface: Surface | None
    confidence: Confidence | None


@dataclass(frozen=True)
class PhotoLook:
    """One photograph's judgement of its ground.

    Attributes:
        name: Of the file.
        below: The place below the camera, at the height of the ground.
        taken: Time, ISO 8601; empty where not known.
        evidence: In coordinates from `below`, m.
        candidates: Its clear places.
    """

    name: str
    below: GlobalPlace
    taken: str
    evidence: GroundEvidence
    candidates: tuple[PhotoCandidate, ...]


@dataclass
class MergedSites:
    """Sites of a survey, and why other places are none.

    Attributes:
        sites: The widest first.
        contradicted: Places that a photograph calls bad.
        seen_once: Places that too few photographs show.
    """

    sites: tuple[ListedSite, ...] = ()
    contradicted: int = 0
    seen_once: int = 0


@dataclass(frozen=True)
class MergeRules:
    """Rules of a merge.

    Attributes:
        required_m: Radius of the vehicle with its margin, m.
        least_m: Least clearance of a site: beyond the vehicle it holds the error of places, m.
        looks: Photographs from places apart that must show a site clear.
        radii_m: Of `GroundEvidence.fault` for `required_m`.
    """

    required_m: float
    least_m: float
    looks: int
    radii_m: Mapping[Role | None, float]


class SurveyLooks:
    """The photographs of a survey together.

    Args:
        looks: Of each.
        rules: What a site needs.
    """

    def __init__(self, looks: Sequence[PhotoLook], rules: MergeRules) -> None:
        self.rules = rules
        self._looks = looks
        self._reach_m = np.array([_reach_m(look.evidence) for look in looks])
        self._latitudes_deg = np.array([look.below.latitude_deg for look in looks])

    def merge(self) -> MergedSites:
        """Join their sites."""
        merged = MergedSites()
        found = [(candidate, look) for look in self._looks for candidate in look.candidates]
        kept: list[tuple[GlobalPlace, float]] = []
        sites: list[ListedSite] = []
        for candidate, own in sorted(found, key=lambda f: -f[0].clear.clearance_m):
            place = _place_of(candidate, own)
            if any(place.distance_m(other) < radius_m for other, radius_m in kept):
                continue
            clearance_m = self.agreed_m(place, candidate.clear.clearance_m)
            if clearance_m is None:
                merged.contradicted += 1
                continue
            around, required_m = self._around(place, clearance_m), self.rules.required_m
            showing = [look for look, n, e in around if (look.evidence.clearance_at(n, e) or 0.0) >= required_m]
            showing = _from_apart(showing)
            if len(showing) < self.rules.looks:
                merged.seen_once += 1
                continue
            kept.append((place, clearance_m))
            sites.append(_listed(candidate, place, showing, clearance_m))
        merged.sites = tuple(sorted(sites, key=lambda s: -s.clearance_m))
        return merged

    def agreed_m(self, place: GlobalPlace, widest_m: float) -> float | None:
        """Return the widest disc at a place that no photograph speaks against, m; None where that is too narrow.

        Args:
            place: Its middle.
            widest_m: Where none does at all, m.
        """
        clearance_m: float | None = widest_m
        for look, n, e in self._around(place, widest_m):
            if clearance_m is not None:
                clearance_m = look.evidence.agreed_m(n, e, clearance_m, self.rules.least_m, self.rules.radii_m)
        return clearance_m

    def _around(self, place: GlobalPlace, clearance_m: float) -> list[tuple[PhotoLook, float, float]]:
        """Looks that may know a disc, with north and east of its middle from each, m."""
        # Each look's own distance: one plane for a whole survey would stretch east, far from its origin.
        within_m = self._reach_m + clearance_m
        near = np.flatnonzero(np.abs(self._latitudes_deg - place.latitude_deg) * LEAST_DEGREE_M <= within_m)
        offsets = [(int(i), *self._looks[int(i)].below.offset_to(place)) for i in near]
        return [(self._looks[i], n, e) for i, n, e in offsets if math.hypot(n, e) <= within_m[i]]


def _reach_m(evidence: GroundEvidence) -> float:
    """Distance from below the camera beyond which a look knows nothing, m."""
    rows, columns = evidence.bad.shape
    south, west = evidence.south_west_m
    north, east = south + rows * evidence.cell_m, west + columns * evidence.cell_m
    return float(np.hypot(max(abs(south), abs(north)), max(abs(west), abs(east))))


def _from_apart(showing: Sequence[PhotoLook]) -> list[PhotoLook]:
    """Return the looks from places apart: pictures of a burst, and copies of one, err alike."""
    apart: list[PhotoLook] = []
    for look in showing:
        if all(look.below.distance_m(other.below) >= VIEWS_APART_M for other in apart):
            apart.append(look)
    return apart


def _place_of(candidate: PhotoCandidate, own: PhotoLook) -> GlobalPlace:
    return own.below.moved(candidate.clear.north_m, candidate.clear.east_m)


def _listed(
    candidate: PhotoCandidate, place: GlobalPlace, showing: Sequence[PhotoLook], clearance_m: float
) -> ListedSite:
    surface, confidence = candidate.surface, candidate.confidence
    times = [look.taken for look in showing if look.taken]
    return ListedSite(
        place,
        clearance_m,
        len(showing),
        "" if surface is None else surface.name,
        "" if surface is None else surface.caution,
        None if confidence is None else confidence.share,
        max(times, default=""),
        ", ".join(look.name for look in showing[:8]),
    )
