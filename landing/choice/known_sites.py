"""Sites seen on the way: places on the globe with room for a landing, and what became of them. Pure: time is given.

The present map forgets, and an estimator's reset may empty it. Places on the globe stay where they are. Twice a second
the map's widest clear places are noted, and every known place within the map is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from landing.camera import CameraModel
from landing.choice.ground_evidence import ClearPlace, GroundEvidence, fault_radii_m
from landing.errors import InvalidValueError
from landing.globe import GlobalFix, GlobalPlace
from landing.ground.site_score import confidence_in
from landing.ground.surface import surface_at
from landing.ground.view import MOVING_ROLES, GridOfFloat, GroundView
from landing.model.confidence import Confidence, SiteConfidence
from landing.settings import DecisionSettings
from landing.taxonomy import Surface, Taxonomy
from landing.types import Pose, Segmentation

LOOK_PERIOD_NS = 500_000_000
FIX_FRESH_NS = 3_000_000_000
"""A place on the globe that is older does not place the ground."""

PLACE_ERROR_M = 2.0
"""Radius beyond vehicle and margin that a known site has: a satellite receiver comes back to a place within it, m."""

MOST_SITES, MOST_A_LOOK = 48, 8
CONFIRMED_LOOKS = 3
"""Looks, `LOOK_PERIOD_NS` apart, after which a site counts."""

LASTING_FAULTS = 3
"""Looks in a row that show bad ground, after which it is bad for the run. One alone may be of ground that came into
view just now, and is not sure yet."""

OCCUPIED_NS = 60_000_000_000
"""A place where somebody was is no site for so long after."""

MOVERS = frozenset(role.value for role in MOVING_ROLES)
NO_FIX = "the autopilot tells no place on the globe (GLOBAL_POSITION_INT)"
OLD_FIX = f"the autopilot's place on the globe is older than {FIX_FRESH_NS / 1e9:g} s"
OTHER_FRAME = "the estimator was reset since the last place on the globe"


@dataclass(frozen=True)
class KnownSite:
    """A place that was seen to be clear.

    Attributes:
        number: Of the run, from 1.
        place: Middle of its disc, at the height of the ground.
        clearance_m: Widest radius that was seen to be clear, less where a later look showed less, m.
        height_m: From how far above the ground it was found, m.
        surface: What it lies on; None where all landable ground is alike.
        confidence: By the frame that found it; None where there is none.
        first_seen_ns, last_seen_ns: Capture times of the first and newest look that showed it clear.
        looks: How many did, two a second at most, since anything spoke against it.
        bad: What spoke against it: a hazard role, or ground that is not landable; empty while nothing does.
        bad_ns: Capture time of the newest look that did.
        faults: Looks in a row that showed its ground to be bad.
    """

    number: int
    place: GlobalPlace
    clearance_m: float
    height_m: float
    surface: Surface | None
    confidence: Confidence | None
    first_seen_ns: int
    last_seen_ns: int
    looks: int = 1
    bad: str = ""
    bad_ns: int = 0
    faults: int = 0

    @property
    def confirmed(self) -> bool:
        """True once enough looks showed it clear, and nothing speaks against it."""
        return self.looks >= CONFIRMED_LOOKS and not self.bad

    def to_mapping(self, now_ns: int) -> dict[str, Any]:
        """For JSON; ages count from a monotonic time."""
        return {
            "number": self.number,
            "latitude_deg": round(self.place.latitude_deg, 7),
            "longitude_deg": round(self.place.longitude_deg, 7),
            "altitude_m": None if self.place.altitude_m is None else round(self.place.altitude_m, 1),
            "clearance_m": round(self.clearance_m, 2),
            "height_m": round(self.height_m, 1),
            "surface": None if self.surface is None else self.surface.to_mapping(),
            "confidence": None if self.confidence is None else self.confidence.to_mapping(),
            "looks": self.looks,
            "confirmed": self.confirmed,
            "bad": self.bad,
            "seen_s": round(max(0, now_ns - self.last_seen_ns) * 1e-9, 1),
        }


@dataclass(frozen=True)
class SiteLook:
    """One frame and the map after it.

    Attributes:
        segmentation: The network's output, stamped with the capture time.
        pose: At capture time.
        view: The map, in the pose's local frame.
        clearance_m: Around each cell of the view, m.
    """

    segmentation: Segmentation
    pose: Pose
    view: GroundView
    clearance_m: GridOfFloat


class SiteBook:
    """Keeps the known sites of a run. One writer; `sites` is replaced whole, so readers need no lock.

    Args:
        settings: Of the decision.
        taxonomy: Of the segmentations.
        camera: Of the frames.
        curve: Of the model's confidence; None where it has none.

    Attributes:
        sites: In the order of their numbers.
        unplaced: Why the newest look could not be placed on the globe; empty while it can.
        changes: Counts looks that changed which sites are confirmed.
        least_m: Clearance with room to come back to by satellite, m: a new site has it, and one that is listed.
    """

    def __init__(
        self, settings: DecisionSettings, taxonomy: Taxonomy, camera: CameraModel, curve: SiteConfidence | None = None
    ) -> None:
        self.sites: tuple[KnownSite, ...] = ()
        self.unplaced = NO_FIX
        self.changes = 0
        self.least_m = settings.required_radius_m + PLACE_ERROR_M
        self._settings = settings
        self._surfaces: Mapping[int, Surface] = taxonomy.surfaces
        self._camera = camera
        self._curve = curve
        self._radii_m = fault_radii_m(taxonomy, settings.required_radius_m)
        self._looked_ns: int | None = None
        self._number = 0

    def due(self, at_ns: int) -> bool:
        """Tell whether a look at a capture time is wanted."""
        return self._looked_ns is None or at_ns - self._looked_ns >= LOOK_PERIOD_NS

    def look(self, look: SiteLook, fix: GlobalFix | None) -> None:
        """Take one look.

        Args:
            look: The frame and its map.
            fix: The vehicle's newest place on the globe.
        """
        at_ns = look.segmentation.captured_at_ns
        if not self.due(at_ns):
            return
        self._looked_ns = at_ns
        placed = fix if fix is None else fix.in_frame(look.pose.frame)
        if fix is None or placed is None or abs(at_ns - fix.at_ns) > FIX_FRESH_NS:
            self.unplaced = NO_FIX if fix is None else OTHER_FRAME if placed is None else OLD_FIX
            return
        self.unplaced = ""
        evidence = GroundEvidence.of(look.view, look.clearance_m)
        sites = [self._again(site, evidence, placed, at_ns) for site in self.sites]
        for clear in evidence.widest(self.least_m, MOST_A_LOOK):
            self._note(sites, clear, look, placed)
        before = {site.number for site in self.sites if site.confirmed}
        self.sites = _bounded(sites)
        self.changes += before != {site.number for site in self.sites if site.confirmed}

    def _again(self, site: KnownSite, evidence: GroundEvidence, fix: GlobalFix, at_ns: int) -> KnownSite:
        """Look at a known site again, where the map shows it."""
        place = fix.local_of(site.place)
        fault = evidence.fault(*place, self._radii_m)
        if fault is not None:
            faults = site.faults if fault in MOVERS else site.faults + 1
            # Ground that was seen to be bad is not forgiven because somebody stands on it.
            lasting = site.bad if site.faults >= LASTING_FAULTS else fault
            return replace(site, bad=lasting, bad_ns=at_ns, looks=0, faults=faults)
        clearance_m = evidence.clearance_at(*place)
        required_m = self._settings.required_radius_m
        if clearance_m is None or clearance_m < required_m:
            return site
        if site.faults >= LASTING_FAULTS or (site.bad in MOVERS and at_ns - site.bad_ns < OCCUPIED_NS):
            return site
        agreed_m = evidence.agreed_m(*place, site.clearance_m, required_m, self._radii_m) or required_m
        room_m = max(agreed_m, clearance_m)
        return replace(site, bad="", faults=0, looks=site.looks + 1, last_seen_ns=at_ns, clearance_m=room_m)

    def _note(self, sites: list[KnownSite], clear: ClearPlace, look: SiteLook, fix: GlobalFix) -> None:
        """Note a clear place; it takes the place of narrower ones nearby that do not count yet."""
        position = (clear.north_m, clear.east_m, look.view.ground_down_m)
        try:
            place = fix.global_of(position)
        except InvalidValueError:
            return
        replaced = []
        for site in sites:
            away_m = site.place.distance_m(place)
            if away_m < site.clearance_m and (site.confirmed or site.bad or clear.clearance_m <= site.clearance_m):
                return
            if away_m < clear.clearance_m and not site.confirmed:
                if site.bad:
                    return
                replaced.append(site)
        sites[:] = [site for site in sites if site not in replaced]
        found = self._described(place, position, clear, look)
        # Looks at a disc that holds the vehicle's at the new place were looks at that too.
        inside_m = self._settings.required_radius_m
        held = [site for site in replaced if site.place.distance_m(place) + inside_m <= site.clearance_m]
        if held:
            first_ns, looks = min(site.first_seen_ns for site in held), max(site.looks for site in held)
            found = replace(found, first_seen_ns=first_ns, looks=max(1, looks))
        sites.append(found)

    def _described(
        self, place: GlobalPlace, position: tuple[float, float, float], clear: ClearPlace, look: SiteLook
    ) -> KnownSite:
        radius_m, at_ns = self._settings.required_radius_m, look.segmentation.captured_at_ns
        confidence = None
        if self._curve is not None:
            smoothing_px = self._settings.evidence.smoothing_px
            confidence = confidence_in(
                self._curve, look.segmentation, self._camera, look.pose, position, radius_m, smoothing_px
            )
        self._number += 1
        return KnownSite(
            self._number,
            place,
            clear.clearance_m,
            position[2] - (look.pose.position_ned_m or position)[2],
            surface_at(look.view, self._surfaces, clear.cell, radius_m),
            confidence,
            at_ns,
            at_ns,
        )


def _bounded(sites: list[KnownSite]) -> tuple[KnownSite, ...]:
    """Keep at most `MOST_SITES`: confirmed ones before others, wide before narrow, then the newest."""
    if len(sites) > MOST_SITES:
        sites = sorted(sites, key=lambda s: (s.confirmed, not s.bad, s.clearance_m, s.last_seen_ns))[-MOST_SITES:]
    return tuple(sorted(sites, key=lambda s: s.number))
