"""Reaction times, by the truth: from somebody's entry into the site until the target leaves it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from landing.taxonomy import Role, Taxonomy
from sim.world import ActorState, World

MOVED_M = 0.5
"""A target this far from where it was is another site."""

NEAR_M = 10.0
"""Only actors whose middle is nearer than this are measured to their outline: well beyond any clearance and the size of
a car."""

FASTEST_MPS = {"person": 6.0, "car": 25.0}
"""Fastest speed by kind, m/s: an actor far away is looked at again when it could be near."""

ROLE_OF_KIND = {"person": Role.PERSON, "car": Role.VEHICLE}

SEEN_PX = 3.0
"""Somebody who is that wide in what the network puts out can be seen: measured, such people are found in two frames of
three (see `landing.decision_groups.Evidence.plain_person_px`)."""

WidthPx = Callable[[ActorState], float]
"""Width of somebody in the network's output, px; 0 out of the picture."""


@dataclass
class _Entry:
    """Somebody who came into the site and whose site is still being sent."""

    kind: str
    entered_s: float
    height_m: float
    seen_s: float | None


class ReactionWatch:
    """Looks at every control step whether somebody comes into the site that is being sent.

    The site of a hazard is entered when the hazard's outline comes nearer to the site's middle than the vehicle's
    radius and the hazard's clearance. The reaction is over when no target is sent, or one somewhere else. Whoever was
    inside already when the site was chosen does not count, and whoever was answered before they were inside does not
    come up.

    From 2 m above it the camera does not see a site's 4.5 m, and from 60 m nobody. So each reaction is also told from
    when the intruder was inside, in the picture and wide enough to be seen.

    Args:
        taxonomy: For the clearances.
        vehicle_radius_m: Of the vehicle.
        width_px: Width of somebody in the network's output; everybody plainly by default.

    Attributes:
        reactions: ``kind``, ``entered_s``, ``height_m`` then, ``reaction_s`` (None: never); ``seen_s`` (None: not
            before the end), ``seen_reaction_s``: the same from there.
    """

    def __init__(self, taxonomy: Taxonomy, vehicle_radius_m: float, width_px: WidthPx = lambda _actor: SEEN_PX) -> None:
        self._keep_m = {kind: vehicle_radius_m + taxonomy.clearance_of(role) for kind, role in ROLE_OF_KIND.items()}
        self._width_px = width_px
        self._site: tuple[float, float] | None = None
        self._inside: set[int] = set()
        self._look_at_s: dict[int, float] = {}
        self._open: dict[int, _Entry] = {}
        self.reactions: list[dict[str, Any]] = []

    def step(self, t_s: float, site_ne_m: tuple[float, float] | None, height_m: float, world: World) -> None:
        """One step: the site that is being sent now, by its true place."""
        same = site_ne_m is not None and self._site is not None and math.dist(site_ne_m, self._site) < MOVED_M
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
                self._open.setdefault(number, _Entry(state.kind, t_s, height_m, None))
            entry = self._open.get(number)
            if entry is not None and entry.seen_s is None and self._width_px(state) >= SEEN_PX:
                entry.seen_s = t_s
            self._inside.add(number)

    def end(self) -> None:
        """The landing is over: whoever is still inside was never reacted to."""
        self._close(None)

    def _close(self, t_s: float | None) -> None:
        for entry in self._open.values():
            self.reactions.append(
                {
                    "kind": entry.kind,
                    "entered_s": round(entry.entered_s, 3),
                    "height_m": round(entry.height_m, 2),
                    "reaction_s": _passed(entry.entered_s, t_s),
                    "seen_s": None if entry.seen_s is None else round(entry.seen_s, 3),
                    "seen_reaction_s": _passed(entry.seen_s, t_s),
                }
            )
        self._open = {}


def _passed(from_s: float | None, to_s: float | None) -> float | None:
    return None if from_s is None or to_s is None else round(to_s - from_s, 3)
