"""How soon the target leaves a site that somebody walks or drives into, by the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from landing.taxonomy import Role, Taxonomy
from sim.world import World

MOVED_M = 0.5
"""A target this far from where it was is another site."""

NEAR_M = 10.0
"""Only actors whose middle is nearer than this are measured to their outline: well beyond any
clearance and the size of a car."""

FASTEST_MPS = {"person": 6.0, "car": 25.0}
"""Who is far away is looked at again when it could be near."""

ROLE_OF_KIND = {"person": Role.PERSON, "car": Role.VEHICLE}


@dataclass
class _Entry:
    """Somebody who came into the site and whose site is still being sent."""

    kind: str
    entered_s: float
    height_m: float


class ReactionWatch:
    """Looks at every control step whether somebody comes into the site that is being sent.

    The site of a hazard is entered when the hazard's outline comes nearer to the site's middle than
    the vehicle's radius and the hazard's clearance. The reaction is over when no target is sent, or
    one somewhere else. Whoever was inside already when the site was chosen does not count.

    Args:
        taxonomy: For the clearances.
        vehicle_radius_m: Of the vehicle.

    Attributes:
        reactions: ``kind``, ``entered_s``, ``height_m`` then, ``reaction_s`` (None: never).
    """

    def __init__(self, taxonomy: Taxonomy, vehicle_radius_m: float) -> None:
        self._keep_m = {
            kind: vehicle_radius_m + taxonomy.clearance_of(role)
            for kind, role in ROLE_OF_KIND.items()
        }
        self._site: tuple[float, float] | None = None
        self._inside: set[int] = set()
        self._look_at_s: dict[int, float] = {}
        self._open: dict[int, _Entry] = {}
        self.reactions: list[dict[str, Any]] = []

    def look(
        self, t_s: float, site_ne_m: tuple[float, float] | None, height_m: float, world: World
    ) -> None:
        """One step: the site that is being sent now, by its true place."""
        same = (
            site_ne_m is not None
            and self._site is not None
            and math.dist(site_ne_m, self._site) < MOVED_M
        )
        if not same:
            self._close(t_s)
            self._site = site_ne_m
            self._inside = set()
            self._look_at_s = {}
        if self._site is None:
            return
        for number, actor in enumerate(world.actors):
            if t_s < self._look_at_s.get(number, 0.0):
                continue
            state = actor.at(t_s)
            middle_m = math.hypot(state.north_m - self._site[0], state.east_m - self._site[1])
            if middle_m > NEAR_M:
                self._look_at_s[number] = t_s + (middle_m - NEAR_M) / FASTEST_MPS[actor.kind]
                self._inside.discard(number)
                continue
            if state.distance_m(*self._site) > self._keep_m[state.kind]:
                self._inside.discard(number)
                continue
            if same and number not in self._inside:
                self._open.setdefault(number, _Entry(state.kind, t_s, height_m))
            self._inside.add(number)

    def end(self) -> None:
        """The landing is over: whoever is still inside was never reacted to."""
        self._close(None)

    def _close(self, t_s: float | None) -> None:
        for entry in self._open.values():
            reaction_s = None if t_s is None else round(t_s - entry.entered_s, 3)
            self.reactions.append({
                "kind": entry.kind, "entered_s": round(entry.entered_s, 3),
                "height_m": round(entry.height_m, 2), "reaction_s": reaction_s,
            })  # fmt: skip
        self._open = {}
