"""Judgement of a flight by the ground truth, the same for single flights and campaigns.

A vehicle passes through people and walls here, so whom and what it met on its way is for the judge to find.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from sim.flight.photo_judge import UNJUDGED, known_bad, unjudged_because
from sim.flight.plan import PERSON_AWAY_M, TrackPoint
from sim.world import World
from sim.world.actors import CAR_HEIGHT_M, PERSON_HEIGHT_M
from sim.world.heights import TALL_STEP_M, highest_m
from sim.world.model import DiscTruth

SAFE, UNSAFE = "landed-safe", "landed-unsafe"

STRUCK = "struck"
"""Verdict of a flight that met somebody or something and did not end on the ground."""

TALL_M = {"person": PERSON_HEIGHT_M, "car": CAR_HEIGHT_M}


def judge_touchdown(
    world: World, truth: DiscTruth, place_ne_m: tuple[float, float], radius_m: float, t_s: float
) -> tuple[str, str]:
    """Return the verdict of a touchdown, and in words why it is not safe; no words where it is.

    Args:
        world: With everybody who came.
        truth: Of the touchdown; `person_m` with those who came nearer before and after it, see `nearest_person_m`.
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


def nearest_person_m(world: World, track: Sequence[TrackPoint]) -> float:
    """Return the least distance to a person along the ground at the end of a landing, m.

    From where the vehicle is lower than a person is tall, for good, until its motors stop, which is the track's end.
    """
    nearest_m = math.inf
    for moment in reversed(track):
        if moment.height_m > PERSON_HEIGHT_M:
            break
        nearest_m = min(nearest_m, world.hazard_distances_m(moment.north_m, moment.east_m, moment.t_s)[0])
    return nearest_m


def met(world: World, track: Sequence[TrackPoint], radius_m: float) -> str:
    """Return in words whom or what a vehicle in the air met first; no words for nobody and nothing.

    That is a person or car within its radius while it is lower than they are tall, or ground within its radius that
    stands higher than it flies, by more than a vehicle may stand on. Trees and walls of a world without heights have
    none: there it flies through them.

    Args:
        world: With everybody who came.
        track: In the order of time.
        radius_m: Of the vehicle.
    """
    flying = [m for m in track if m.height_m > 0.0 or world.heights_m is not None]
    for before, moment in pairwise([*flying[:1], *flying]):
        place = moment.north_m, moment.east_m
        if 0.0 < moment.height_m < max(TALL_M.values()):
            for kind, tall_m in TALL_M.items():
                if moment.height_m < tall_m and world.nearest_actor_m(*place, moment.t_s, kind) < radius_m:
                    return f"met a {kind} at {moment.height_m:.1f} m"
        if world.heights_m is None:
            continue
        # A vehicle inside of a wall is put on top of it: it was where it had been before.
        above_m = min(m.height_m + world.height_at(m.north_m, m.east_m) for m in (before, moment))
        if highest_m(world, *place, radius_m) > above_m + TALL_STEP_M:
            return f"met what stands, {above_m:.1f} m up"
    return ""
