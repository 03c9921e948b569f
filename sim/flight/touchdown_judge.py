"""Judgement of a touchdown by the ground truth, the same for single flights and campaigns."""

from __future__ import annotations

from sim.flight.photo_judge import UNJUDGED, known_bad, unjudged_because
from sim.flight.plan import PERSON_AWAY_M
from sim.world import World
from sim.world.model import DiscTruth

SAFE, UNSAFE = "landed-safe", "landed-unsafe"


def judge_touchdown(
    world: World, truth: DiscTruth, place_ne_m: tuple[float, float], radius_m: float, t_s: float
) -> tuple[str, str]:
    """Return the verdict of a touchdown, and in words why it is not safe; no words where it is.

    Args:
        world: With everybody who came.
        truth: Of the touchdown.
        place_ne_m: Of the touchdown.
        radius_m: Of the vehicle.
        t_s: Of the touchdown.
    """
    unjudged = unjudged_because(world, truth, place_ne_m, radius_m, t_s)
    if unjudged is not None:
        return UNJUDGED, unjudged
    if truth.person_m < PERSON_AWAY_M:
        return UNSAFE, f"a person {truth.person_m:.1f} m from the touchdown"
    if not truth.all_landable or known_bad(world, place_ne_m, radius_m, t_s):
        return UNSAFE, f"only {truth.fraction_landable:.0%} landable: {', '.join(truth.classes)}"
    return SAFE, ""
