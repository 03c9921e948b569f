"""Judgement of a touchdown on a photograph: what its labels can tell, and what the picture shows."""

from __future__ import annotations

from sim.flight.plan import PERSON_AWAY_M
from sim.world import World
from sim.world.model import DiscTruth
from sim.world.photograph import UNKNOWN_GROUND

UNJUDGED = "landed-unjudged"
"""Verdict of a touchdown of which labels do not tell whether it was safe."""


def unjudged_because(world: World, truth: DiscTruth, place_ne_m: tuple[float, float], radius_m: float) -> str | None:
    """Return why labels do not tell whether a touchdown was safe; None where they do.

    Args:
        world: Any; only a photograph's labels can leave something open.
        truth: Of the touchdown.
        place_ne_m: Of the touchdown.
        radius_m: Of the vehicle.
    """
    if world.photograph is None:
        return None
    if not world.holds(*place_ne_m, radius_m):
        return "not judged: it came down beyond the edge of the photograph"
    if not world.photograph.labelled:
        return "not judged: no labels"
    landable = {c.name for c in world.taxonomy.classes if world.taxonomy.landable_lut[c.id]}
    only_unknown = set(truth.classes) - landable == {UNKNOWN_GROUND}
    if only_unknown and truth.person_m >= PERSON_AWAY_M:
        return "not judged: ground without labels under the vehicle"
    return None


def coarser_words(height_m: float) -> str:
    """In words, that a photograph shows nothing new below a height."""
    return f"below {height_m:.1f} m this picture is coarser than the camera: the network sees it as from there"
