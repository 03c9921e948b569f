"""One list of sites from many photographs: enough of them must show a place clear, and none otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from landing.confidence import Confidence
from landing.globe import GlobalPlace
from landing.ground_evidence import ClearPlace, GroundEvidence
from landing.site_list import ListedSite
from landing.taxonomy import Role, Surface


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
        looks: Photographs that must show a site clear.
        radii_m: Of `GroundEvidence.fault` for `required_m`.
    """

    required_m: float
    least_m: float
    looks: int
    radii_m: Mapping[Role | None, float]


def merge(looks: Sequence[PhotoLook], rules: MergeRules) -> MergedSites:
    """Join the sites of photographs.

    Args:
        looks: Of one survey.
        rules: What a site needs.
    """
    merged = MergedSites()
    if not looks:
        return merged
    origin = looks[0].below
    middles = np.array([origin.offset_to(look.below) for look in looks])
    reach_m = np.array([_reach_m(look.evidence) for look in looks])
    found = [
        (candidate, middle[0] + candidate.clear.north_m, middle[1] + candidate.clear.east_m, look)
        for look, middle in zip(looks, middles, strict=True)
        for candidate in look.candidates
    ]
    kept: list[tuple[float, float, float]] = []
    sites: list[ListedSite] = []
    for candidate, north_m, east_m, own in sorted(found, key=lambda f: -f[0].clear.clearance_m):
        if any((north_m - n) ** 2 + (east_m - e) ** 2 < radius_m**2 for n, e, radius_m in kept):
            continue
        away_m = np.hypot(middles[:, 0] - north_m, middles[:, 1] - east_m)
        near = [int(i) for i in np.flatnonzero(away_m <= reach_m + candidate.clear.clearance_m)]
        places = [(looks[i], north_m - middles[i, 0], east_m - middles[i, 1]) for i in near]
        clearance_m: float | None = candidate.clear.clearance_m
        for look, n, e in places:
            if clearance_m is not None:
                clearance_m = look.evidence.agreed_m(n, e, clearance_m, rules.least_m, rules.radii_m)
        if clearance_m is None:
            merged.contradicted += 1
            continue
        showing = [look for look, n, e in places if (look.evidence.clearance_at(n, e) or 0.0) >= rules.required_m]
        if len(showing) < rules.looks:
            merged.seen_once += 1
            continue
        kept.append((north_m, east_m, clearance_m))
        sites.append(_listed(candidate, own, showing, clearance_m))
    merged.sites = tuple(sorted(sites, key=lambda s: -s.clearance_m))
    return merged


def _reach_m(evidence: GroundEvidence) -> float:
    """Distance from below the camera beyond which a look knows nothing, m."""
    rows, columns = evidence.bad.shape
    south, west = evidence.south_west_m
    north, east = south + rows * evidence.cell_m, west + columns * evidence.cell_m
    return float(np.hypot(max(abs(south), abs(north)), max(abs(west), abs(east))))


def _listed(candidate: PhotoCandidate, own: PhotoLook, showing: Sequence[PhotoLook], clearance_m: float) -> ListedSite:
    surface, confidence = candidate.surface, candidate.confidence
    place = own.below.moved(candidate.clear.north_m, candidate.clear.east_m)
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
