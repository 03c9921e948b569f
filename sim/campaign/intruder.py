"""Sends somebody into the very site that was chosen, once the vehicle is on its way down."""

from __future__ import annotations

import math

from sim.campaign.scene import IntruderPlan
from sim.world import World
from sim.world.actors import Timetable


class SceneIntruder:
    """Waits for its moment; the same rule for every policy.

    Args:
        plan: Of the intruder.
        style: Picks the look.

    Attributes:
        came: It has started.
    """

    def __init__(self, plan: IntruderPlan, style: int) -> None:
        self._plan = plan
        self._style = style
        self.came = False

    def step(self, t_s: float, site_ne_m: tuple[float, float] | None, height_m: float, world: World) -> World:
        """Return the world from now on: with the intruder once the vehicle is low enough over a site."""
        if self.came or site_ne_m is None or height_m > self._plan.below_m:
            return world
        self.came = True
        plan = self._plan
        arrives_s = t_s + plan.away_m / plan.speed_mps
        from_rad = math.radians(plan.from_deg)
        dn, de = math.cos(from_rad), math.sin(from_rad)
        (n, e), far_m = site_ne_m, 2.0 * plan.away_m
        walk = Timetable(
            plan.kind,
            (t_s, arrives_s, arrives_s + plan.stay_s, arrives_s + plan.stay_s + far_m / plan.speed_mps),
            ((n + dn * plan.away_m, e + de * plan.away_m), (n, e), (n, e), (n - dn * far_m, e - de * far_m)),
            style=self._style,
        )
        return world.with_actors(walk)
