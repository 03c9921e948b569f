"""Memory of the tracker over frames: a site that is doubted, a better place, and places that were lost. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from landing.choice.picker import LostPlace
from landing.decision_groups import Blacklist
from landing.estimator import FrameShift

LOOKS = 3
"""Bad frames after which a site may be given up. The map remembers one sure frame in the next, so two may be one."""

SAME_PLACE_M, MOST_LOST = 1.0, 12
"""Lost sites nearer than this to each other are one; so many of them, the newest, are kept."""


class Doubt:
    """Says for how long, and in how many frames, something has been wrong with the site."""

    def __init__(self) -> None:
        self._since_ns: int | None = None
        self._looks = 0

    def __bool__(self) -> bool:
        """Return True when something was wrong in the last frame that showed the site."""
        return self._since_ns is not None

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        return {"bad_since_ns": self._since_ns, "bad_looks": self._looks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another one's `state_dict`; one without a count, of an earlier version, has enough of them."""
        self._since_ns = state["bad_since_ns"]
        self._looks = int(state.get("bad_looks", LOOKS))

    def clear(self) -> None:
        """Takes a frame that is good, or begins anew."""
        self._since_ns, self._looks = None, 0

    def note(self, at_ns: int) -> None:
        """Takes a bad frame of this capture time."""
        if self._since_ns is None:
            self._since_ns = at_ns
        self._looks += 1

    def lasts(self, at_ns: int, for_s: float) -> bool:
        """Return True when it has been bad for so long, s, and in enough frames."""
        return self._since_ns is not None and self._looks >= LOOKS and at_ns - self._since_ns >= for_s * 1e9


class BetterPlace:
    """Confirms a better place than the site. What one place earned is not another one's."""

    def __init__(self) -> None:
        self._place_ne_m: tuple[float, float] | None = None
        self._since_ns: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        place = self._place_ne_m
        return {"better_since_ns": self._since_ns, "better_ne_m": None if place is None else list(place)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another one's `state_dict`; one without the place, of an earlier version, is begun anew."""
        place = state.get("better_ne_m")
        self._place_ne_m = None if place is None else (float(place[0]), float(place[1]))
        self._since_ns = None if place is None else state["better_since_ns"]

    def clear(self) -> None:
        """Forgets it: no place is better now."""
        self._place_ne_m = self._since_ns = None

    def moved(self, shift: FrameShift) -> None:
        """Follows a reset of the estimator: the place keeps its ground."""
        if self._place_ne_m is not None:
            north_m, east_m, _ = shift.point((*self._place_ne_m, 0.0))
            self._place_ne_m = (north_m, east_m)

    def note(self, place_ne_m: tuple[float, float], near_m: float, at_ns: int) -> int:
        """Return the capture time since which this place has been better, ns.

        Args:
            place_ne_m: North and east of the best place in this frame.
            near_m: Distance up to which two places are one, seen better.
            at_ns: Capture time of this frame.
        """
        known = self._place_ne_m
        if known is None or self._since_ns is None or math.dist(known, place_ne_m) > near_m:
            self._place_ne_m, self._since_ns = place_ne_m, at_ns
            return at_ns
        return self._since_ns


class LostPlaces:
    """Remembers where sites were lost because of their ground."""

    def __init__(self, settings: Blacklist) -> None:
        self._settings = settings
        self._lost: list[tuple[LostPlace, int]] = []

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values."""
        return {"lost": [[*place, at_ns] for place, at_ns in self._lost]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from another one's `state_dict`."""
        self._lost = [(LostPlace(float(n), float(e), float(r)), int(at_ns)) for n, e, r, at_ns in state["lost"]]

    def clear(self) -> None:
        """Forgets all of them."""
        self._lost.clear()

    def moved(self, shift: FrameShift) -> None:
        """Follows a reset of the estimator: the places keep their ground."""
        self._lost = [(LostPlace(*shift.point((*place[:2], 0.0))[:2], place[2]), at_ns) for place, at_ns in self._lost]

    def places(self, at_ns: int) -> list[LostPlace]:
        """Return those of the last `memory_s`; older ones are dropped."""
        oldest_ns = at_ns - round(self._settings.memory_s * 1e9)
        self._lost = [lost for lost in self._lost if lost[1] > oldest_ns]
        return [place for place, _ in self._lost]

    def note(self, place_ne_m: tuple[float, float], height_m: float, at_ns: int) -> None:
        """Adds a place, m, that was lost from a height, m."""
        reach_m = max(self._settings.radius_m, self._settings.radius_per_height * height_m)
        here = LostPlace(*place_ne_m, reach_m)
        others = [lost for lost in self._lost if math.dist(lost[0][:2], here[:2]) > SAME_PLACE_M]
        self._lost = [*others, (here, at_ns)][-MOST_LOST:]

    def near(self, place_ne_m: tuple[float, float]) -> bool:
        """Return True when a site was lost at this place, m."""
        near_m = self._settings.radius_m / 2
        return any(math.dist(place_ne_m, lost[:2]) <= near_m for lost, _ in self._lost)
