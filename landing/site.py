"""The answer: a landing site, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from landing.estimator import FrameShift
from landing.model.confidence import Confidence
from landing.problems import Problem
from landing.taxonomy import Role, Surface


class NoSiteReason(str, Enum):
    """Reason for which there is no site. Every refusal names one of these; never a bare None."""

    NO_FRAME = "no-frame"
    STALE_FRAME = "stale-frame"
    BAD_PICTURE = "bad-picture"
    PICTURE_MOTION = "picture-motion"
    NO_POSE = "no-pose"
    STALE_POSE = "stale-pose"
    NO_HEIGHT = "no-height"
    HEIGHT_OUT_OF_RANGE = "height-out-of-range"
    TOO_HIGH = "too-high"
    TILT_TOO_LARGE = "tilt-too-large"
    GROUND_NOT_IN_VIEW = "ground-not-in-view"
    NOT_CONFIDENT = "not-confident"
    NOTHING_LANDABLE = "nothing-landable"
    TOO_SMALL = "too-small"
    NOT_FLAT = "not-flat"
    RELIEF_NOT_KNOWN = "relief-not-known"
    SITE_LOST = "site-lost"
    NOT_CONFIRMED = "not-confirmed"

    @property
    def problem(self) -> Problem:
        """The code under which the troubleshooting pages say what to do."""
        return _PROBLEMS[self]


_PROBLEMS = {
    NoSiteReason.NO_FRAME: Problem.NO_FRAME,
    NoSiteReason.STALE_FRAME: Problem.NO_FRAME,
    NoSiteReason.BAD_PICTURE: Problem.BAD_PICTURE,
    NoSiteReason.PICTURE_MOTION: Problem.PICTURE_MOTION,
    NoSiteReason.NO_POSE: Problem.NO_POSE,
    NoSiteReason.STALE_POSE: Problem.NO_POSE,
    NoSiteReason.NO_HEIGHT: Problem.NO_HEIGHT,
    NoSiteReason.HEIGHT_OUT_OF_RANGE: Problem.HEIGHT,
    NoSiteReason.TOO_HIGH: Problem.TOO_HIGH,
    NoSiteReason.TILT_TOO_LARGE: Problem.TILT,
    NoSiteReason.GROUND_NOT_IN_VIEW: Problem.NOT_IN_VIEW,
    NoSiteReason.NOT_CONFIDENT: Problem.NOT_CONFIDENT,
    NoSiteReason.NOTHING_LANDABLE: Problem.NOTHING_LANDABLE,
    NoSiteReason.TOO_SMALL: Problem.TOO_SMALL,
    NoSiteReason.NOT_FLAT: Problem.NOT_FLAT,
    NoSiteReason.RELIEF_NOT_KNOWN: Problem.RELIEF_NOT_KNOWN,
    NoSiteReason.SITE_LOST: Problem.SITE_LOST,
    NoSiteReason.NOT_CONFIRMED: Problem.SITE_LOST,
}


GROUND_REASONS = (
    NoSiteReason.NOT_CONFIDENT,
    NoSiteReason.NOTHING_LANDABLE,
    NoSiteReason.TOO_SMALL,
    NoSiteReason.NOT_FLAT,
    NoSiteReason.RELIEF_NOT_KNOWN,
    NoSiteReason.SITE_LOST,
)
"""Refusals that the ground is the reason of, and not the picture, the pose or the height."""


@dataclass(frozen=True)
class Pad:
    """A marked pad that a site lies on.

    Attributes:
        tag: Its number.
        velocity_ne_mps: North and east, m/s; 0 while it is not told from standing.
    """

    tag: int
    velocity_ne_mps: tuple[float, float] = (0.0, 0.0)

    @property
    def speed_mps(self) -> float:
        """Over ground, m/s."""
        return math.hypot(*self.velocity_ne_mps)

    @property
    def moves(self) -> bool:
        """True while it is known to move."""
        return self.velocity_ne_mps != (0.0, 0.0)


@dataclass(frozen=True)
class LandingSite:
    """Chosen ground.

    Attributes:
        position_ned_m: Centre of the disc, local NED; down is the ground plane.
        clearance_m: Radius around the centre free of everything non-landable or unknown, with the clearance of each
            hazard already taken off.
        area_m2: Where the vehicle's middle keeps every clearance, around the site; 0 in a gap that just fits.
        first_seen_ns, last_seen_ns: Capture times of the first and newest frame supporting it.
        confidence: By the newest frame; None where that does not show the whole site, or the model says none.
        surface: What it lies on; None where the taxonomy calls all landable ground alike.
        pad: The marked pad that it is; its position is then that at `last_seen_ns`. None for ground.
    """

    position_ned_m: tuple[float, float, float]
    clearance_m: float
    area_m2: float
    first_seen_ns: int
    last_seen_ns: int
    confidence: Confidence | None = None
    surface: Surface | None = None
    pad: Pad | None = None

    def place_ned_m(self, at_ns: int) -> tuple[float, float, float]:
        """Return its place at a monotonic time: ground stays, a pad moves on as it did."""
        if self.pad is None:
            return self.position_ned_m
        passed_s = (at_ns - self.last_seen_ns) * 1e-9
        north_m, east_m, down_m = self.position_ned_m
        north_mps, east_mps = self.pad.velocity_ne_mps
        return north_m + north_mps * passed_s, east_m + east_mps * passed_s, down_m

    @property
    def text(self) -> str:
        """One line in words, with numbers and units."""
        sure = "" if self.confidence is None else f", {self.confidence.text}"
        return f"site, {self.clearance_m:.1f} m clear around it{self.on_words}{sure}"

    @property
    def on_words(self) -> str:
        """Its surface as the end of a text, such as ``, on road: traffic may come``; empty where it has none."""
        if self.pad is not None:
            return f", on pad {self.pad.tag}"
        return "" if self.surface is None else f", on {self.surface.text}"


@dataclass(frozen=True)
class NoSite:
    """No site, because of `reason`; `detail` says it in words with numbers.

    Attributes:
        descend_to_m: Height above ground from which frames are used, where the vehicle is above it; None otherwise.
    """

    reason: NoSiteReason
    detail: str
    descend_to_m: float | None = None

    @property
    def text(self) -> str:
        """One line in words."""
        return f"no site: {self.reason.value}: {self.detail}"


Selection = LandingSite | NoSite


@dataclass(frozen=True)
class Intruder:
    """A person or a vehicle that came too close to the site in use.

    Attributes:
        role: Which.
        clearance_m: Radius it leaves at the site, its own clearance taken off; negative inside that.
    """

    role: Role
    clearance_m: float

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.role.value} at the site"


def radius_in_words(radius_m: float) -> str:
    """A radius, m, to 0.1 m, rounded down: one that is too small never reads like the one that is needed."""
    return f"{math.floor(10.0 * radius_m + 1e-3) / 10.0:.1f}"


def shifted(site: LandingSite, shift: FrameShift) -> LandingSite:
    """The same ground after a shift of the local frame."""
    pad = None if site.pad is None else replace(site.pad, velocity_ne_mps=shift.course(site.pad.velocity_ne_mps))
    return replace(site, position_ned_m=shift.point(site.position_ned_m), pad=pad)
