"""Height of the ground, from noisy heights over ground that carries objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from landing.site import NoSite, NoSiteReason

PLANE_SMOOTHING_S = 0.5
"""Time constant of the ground plane's height: a rangefinder is noisy, flat ground does not move."""

PLANE_JUMP_S = 2.0
"""A jump of the measured height that lasts longer is new ground, a shorter one a roof or a tree."""

OTHER_HEIGHT = NoSite(NoSiteReason.NO_HEIGHT, "height above ground comes again and is another one: not believed yet")
"""While a plane is doubted."""


class GroundPlane:
    """Down coordinate of the ground, from noisy heights over ground that carries objects."""

    def __init__(self) -> None:
        self._down_m: float | None = None
        self._at_ns = 0
        self._jump_since_ns: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        return {"down_m": self._down_m, "at_ns": self._at_ns, "jump_since_ns": self._jump_since_ns}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another plane's `state_dict`."""
        self._down_m, self._at_ns = state["down_m"], state["at_ns"]
        self._jump_since_ns = state["jump_since_ns"]

    @property
    def down_m(self) -> float | None:
        """The plane's down coordinate, m; None before the first measurement."""
        return self._down_m

    @property
    def doubted(self) -> bool:
        """True while measurements disagree with a plane that was old when they came: either may be wrong."""
        return self._jump_since_ns is not None and self._jump_since_ns - self._at_ns > PLANE_JUMP_S * 1e9

    def moved(self, down_m: float) -> None:
        """Follows a reset of the estimator's height by so much, m."""
        if self._down_m is not None:
            self._down_m += down_m

    def update(self, measured_down_m: float, height_m: float, at_ns: int) -> tuple[float, bool]:
        """Takes a measurement.

        Returns:
            The plane's down coordinate, m, and whether it is another plane than before, so that what was projected onto
            the old one must be forgotten.
        """
        if self._down_m is None:
            self._down_m, self._at_ns = measured_down_m, at_ns
            return measured_down_m, False
        limit_m = 0.5 + 0.1 * max(height_m, 0.0)
        if abs(measured_down_m - self._down_m) > limit_m:
            if self._jump_since_ns is None:
                self._jump_since_ns = at_ns
            if at_ns - self._jump_since_ns < PLANE_JUMP_S * 1e9:
                return self._down_m, False
            self._down_m, self._at_ns, self._jump_since_ns = measured_down_m, at_ns, None
            return measured_down_m, True
        self._jump_since_ns = None
        passed_s = max(0.0, (at_ns - self._at_ns) * 1e-9)
        blend = 1.0 - math.exp(-passed_s / PLANE_SMOOTHING_S)
        self._down_m += blend * (measured_down_m - self._down_m)
        self._at_ns = at_ns
        return self._down_m, False
