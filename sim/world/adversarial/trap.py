"""A trap: a hand-made world, where to start, and what a landing there must and must not do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import cv2
import numpy as np

from landing.geometry import FloatArray
from sim.world.model import World

PERSON_CLEAR_M = 2.0
"""Nobody may be nearer than this to the middle of a vehicle that touches down."""


class Expect(str, Enum):
    """What a landing system should do."""

    LAND = "land"
    ABSTAIN = "abstain"
    EITHER = "either"


@dataclass(frozen=True)
class Zone:
    """Ground that no part of the vehicle may touch.

    Attributes:
        name: What it is.
        outline_ne_m: Corners, north and east.
    """

    name: str
    outline_ne_m: tuple[tuple[float, float], ...]

    def distance_m(self, north_m: float, east_m: float) -> float:
        """From a point to the outline; negative inside."""
        outline = np.asarray(self.outline_ne_m, dtype=np.float32).reshape(-1, 1, 2)
        return -float(cv2.pointPolygonTest(outline, (float(north_m), float(east_m)), True))


def zone(name: str, outline_ne_m: FloatArray) -> Zone:
    """A zone from an array of corners, shape (n, 2)."""
    return Zone(name, tuple((float(n), float(e)) for n, e in outline_ne_m))


Made = tuple[World, tuple[Zone, ...]]
"""A world and where a landing in it fails."""


@lru_cache(maxsize=2)
def _made(make: Callable[[], Made]) -> Made:
    return make()


@dataclass(frozen=True)
class Trap:
    """One hand-made world with its verdict.

    Attributes:
        name: As in ``worst:NAME``.
        story: What is wrong with it, in a sentence.
        make: Builds world and zones.
        expect: What a landing system should do.
        start_ne_m: Where the search begins.
        start_height_m: Above ground.
        reach_m: Ground farther away than this from the start need not be found.
        vehicle_radius_m: Of the vehicle that lands.
    """

    name: str
    story: str
    make: Callable[[], Made]
    expect: Expect
    start_ne_m: tuple[float, float] = (0.0, 0.0)
    start_height_m: float = 30.0
    reach_m: float = 40.0
    vehicle_radius_m: float = 0.5

    def build(self) -> World:
        """The world; its picture is painted when first asked for."""
        return _made(self.make)[0]

    @property
    def forbidden(self) -> tuple[Zone, ...]:
        """Where a landing is a failure, whatever the labels say."""
        return _made(self.make)[1]

    def judge(
        self, touchdown_ne_m: tuple[float, float] | None, t_s: float, world: World | None = None
    ) -> tuple[bool, str]:
        """Whether a landing passed, and why in words.

        Args:
            touchdown_ne_m: Where it came down; None when it did not.
            t_s: World time of that.
            world: From `build`, perhaps with further actors; built anew when None.
        """
        if touchdown_ne_m is None:
            if self.expect is Expect.LAND:
                return False, "no site although there is a site"
            return True, "no site"
        if self.expect is Expect.ABSTAIN:
            return False, "landed although there is no site"
        built, zones = _made(self.make)
        truth = (world or built).landable_disc(*touchdown_ne_m, self.vehicle_radius_m, t_s)
        for bad in zones:
            if bad.distance_m(*touchdown_ne_m) < self.vehicle_radius_m:
                return False, f"landed on {bad.name}"
        if truth.person_m < PERSON_CLEAR_M:
            return False, f"landed {truth.person_m:.1f} m from a person"
        if not truth.all_landable:
            return False, f"landed on {', '.join(truth.classes)}"
        return True, f"landed on {', '.join(truth.classes)}, {truth.clearance_m:.1f} m clear"
