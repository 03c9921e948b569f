"""Judgement of a touchdown on a photograph: what its labels can tell, and what the picture shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from landing.taxonomy import Role
from sim.flight.plan import PERSON_AWAY_M
from sim.world import World
from sim.world.model import DiscTruth
from sim.world.photograph import UNKNOWN_GROUND

UNJUDGED = "landed-unjudged"
"""Verdict of a touchdown of which labels do not tell whether it was safe."""


def known_bad(world: World, place_ne_m: tuple[float, float], radius_m: float, t_s: float) -> bool:
    """Tell whether what a photograph knows makes a touchdown unsafe, whatever lies beyond its edge or has no label.

    That is a person nearer than `PERSON_AWAY_M`, another actor in the disc, and a class that is not landable in the
    part of the disc inside the photograph. False for a world that is no photograph.
    """
    if world.photograph is None:
        return False
    if world.nearest_actor_m(*place_ne_m, t_s, "person") < PERSON_AWAY_M:
        return True
    if world.nearest_actor_m(*place_ne_m, t_s) < radius_m:
        return True
    people = world.taxonomy.ids_of(Role.PERSON)
    # Distances of `DiscTruth` are within one cell.
    if np.isin(_labels_inside(world, place_ne_m, PERSON_AWAY_M - world.gsd_m, t_s), people).any():
        return True
    bad = [c.id for c in world.taxonomy.classes if not world.taxonomy.landable_lut[c.id]]
    return bool(np.isin(_labels_inside(world, place_ne_m, radius_m, t_s), bad).any())


def _labels_inside(world: World, place_ne_m: tuple[float, float], radius_m: float, t_s: float) -> npt.NDArray[np.uint8]:
    """Labels uint8 (n,) of the cells of a disc that lie inside the photograph."""
    window, norths, easts = world.labels_around(*place_ne_m, radius_m, t_s)
    south, north, west, east = world.known_extent_m
    within = (norths - place_ne_m[0]) ** 2 + (easts - place_ne_m[1]) ** 2 <= radius_m**2
    inside = (norths >= south) & (norths <= north) & (easts >= west) & (easts <= east)
    return window[within & inside]


def unjudged_because(
    world: World, truth: DiscTruth, place_ne_m: tuple[float, float], radius_m: float, t_s: float
) -> str | None:
    """Return why labels do not tell whether a touchdown was safe; None where they do, or know that it was not.

    Args:
        world: Any; only a photograph's labels can leave something open.
        truth: Of the touchdown.
        place_ne_m: Of the touchdown.
        radius_m: Of the vehicle.
        t_s: Of the touchdown.
    """
    if world.photograph is None or known_bad(world, place_ne_m, radius_m, t_s):
        return None
    if not world.holds(*place_ne_m, radius_m):
        return "not judged: it came down beyond the edge of the photograph"
    if not world.photograph.labelled:
        return "not judged: no labels"
    landable = {c.name for c in world.taxonomy.classes if world.taxonomy.landable_lut[c.id]}
    if set(truth.classes) - landable == {UNKNOWN_GROUND}:
        return "not judged: ground without labels under the vehicle"
    return None


def coarser_words(height_m: float) -> str:
    """In words, that a photograph shows nothing new below a height."""
    return f"below {height_m:.1f} m this picture is coarser than the camera: the network sees it as from there"
