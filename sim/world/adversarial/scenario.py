"""An adversarial scenario: a hand-made world, its start, and the outcome that a landing must and must not have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import cv2
import numpy as np

from sim.world.model import World

PERSON_CLEAR_M = 2.0
"""Least distance from a person to the middle of a vehicle that touches down."""


class ExpectedOutcome(str, Enum):
    """Outcome that a landing system must reach."""

    LAND = "land"
    NO_SITE = "no_site"
    EITHER = "either"


@dataclass(frozen=True)
class ForbiddenZone:
    """Ground that no part of the vehicle may touch.

    Attributes:
        name: For messages, with its article.
        outline_ne_m: Corners, north and east.
    """

    name: str
    outline_ne_m: tuple[tuple[float, float], ...]

    def distance_m(self, north_m: float, east_m: float) -> float:
        """From a point to the outline; negative inside."""
        outline = np.asarray(self.outline_ne_m, dtype=np.float32).reshape(-1, 1, 2)
        return -float(cv2.pointPolygonTest(outline, (float(north_m), float(east_m)), True))


Built = tuple[World, tuple[ForbiddenZone, ...]]


@lru_cache(maxsize=2)
def _built(make: Callable[[], Built]) -> Built:
    return make()


@dataclass(frozen=True)
class AdversarialScenario:
    """One hand-made world with its expected outcome.

    Attributes:
        name: As in ``adversarial:NAME``.
        story: Its difficulty, in a sentence.
        make: Builds the world and its forbidden zones.
        reach_m: Ground farther than this from the start need not be found.
    """

    name: str
    story: str
    make: Callable[[], Built]
    expect: ExpectedOutcome
    start_ne_m: tuple[float, float] = (0.0, 0.0)
    start_height_m: float = 30.0
    reach_m: float = 40.0
    vehicle_radius_m: float = 0.5

    def build(self) -> World:
        """The world; its picture is painted when first asked for."""
        return _built(self.make)[0]

    @property
    def forbidden(self) -> tuple[ForbiddenZone, ...]:
        """Zones in which a landing fails, whatever the labels say."""
        return _built(self.make)[1]

    def evaluate(
        self, touchdown_ne_m: tuple[float, float] | None, t_s: float, world: World | None = None
    ) -> tuple[bool, str]:
        """Pass or fail of a landing (None: no touchdown), and the reason in words.

        The world is that of `build` when None; give one with further actors.
        """
        if touchdown_ne_m is None:
            if self.expect is ExpectedOutcome.LAND:
                return False, "no site, although there is one"
            return True, "no site"
        if self.expect is ExpectedOutcome.NO_SITE:
            return False, "landed although there is no site"
        truth = (world or self.build()).landable_disc(*touchdown_ne_m, self.vehicle_radius_m, t_s)
        for zone in self.forbidden:
            if zone.distance_m(*touchdown_ne_m) < self.vehicle_radius_m:
                return False, f"landed on {zone.name}"
        if truth.person_m < PERSON_CLEAR_M:
            return False, f"landed {truth.person_m:.1f} m from a person"
        if not truth.all_landable:
            return False, f"landed on {', '.join(truth.classes)}"
        return True, f"landed on {', '.join(truth.classes)}, {truth.clearance_m:.1f} m clear"
