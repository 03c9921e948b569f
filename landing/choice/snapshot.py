"""The ground map after one frame, with all that the tracker of the site asks of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from landing.choice.picker import (
    Candidate,
    LostPlace,
    clean_regions,
    clearance_grid,
    hazard_clearance_grid,
    least,
    pick,
    score_grid,
)
from landing.choice.tracker import STANDING_ROLES, MapSnapshot
from landing.ground.view import GridOfFloat, GroundView
from landing.relief.ground import ReliefGround
from landing.settings import DecisionSettings
from landing.site import NoSite
from landing.taxonomy import Role, Taxonomy


def snapshot(
    view: GroundView,
    relief: ReliefGround | None,
    taxonomy: Taxonomy,
    settings: DecisionSettings,
    moving_clearance_m: Mapping[Role, GridOfFloat],
    vehicle_ne_m: tuple[float, float],
    height_m: float,
    at_ns: int,
    lost: Sequence[LostPlace],
    unjudged: NoSite | None = None,
) -> MapSnapshot:
    """Return the map with its clearances, scores and best place.

    Args:
        view: The map, without the ground that `relief` refuses.
        relief: On the map; None where it is not measured.
        taxonomy: Of the classes.
        settings: Of the decision.
        moving_clearance_m: `hazard_clearance_grid` of each moving role alone.
        vehicle_ne_m: North and east of the vehicle, m.
        height_m: Of the vehicle above the ground.
        at_ns: Capture time of the frame.
        lost: Places where sites were lost because of their ground.
        unjudged: Why that frame does not judge the ground; None where it does.
    """
    share = settings.standing_clearance.share(height_m)
    standing_m = hazard_clearance_grid(view, taxonomy, settings, STANDING_ROLES, share)
    anybody_m = least(moving_clearance_m.values())
    hazard_clearance_m = least((standing_m, anybody_m))
    clearance_m = clearance_grid(view, hazard_clearance_m)
    regions = clean_regions(view, clearance_m, settings, vehicle_ne_m)
    score_m = score_grid(view, clearance_m, settings, vehicle_ne_m, height_m, lost)
    best = pick(view, clearance_m, regions, settings, vehicle_ne_m, height_m, score_m)
    if unjudged is not None:
        best = unjudged
    elif isinstance(best, NoSite) and relief is not None:
        best = _by_relief(relief, hazard_clearance_m, settings, vehicle_ne_m, height_m) or best
    return MapSnapshot(
        view,
        clearance_m,
        hazard_clearance_m,
        anybody_m,
        score_m,
        regions,
        best,
        height_m,
        at_ns,
        unjudged is None,
        relief,
    )


def _by_relief(
    relief: ReliefGround,
    hazard_clearance_m: GridOfFloat,
    settings: DecisionSettings,
    vehicle_ne_m: tuple[float, float],
    height_m: float,
) -> NoSite | None:
    """Return the refusal of the place that would be the best without relief; None where there is none either."""
    if not relief.costs:
        return None
    view = relief.before
    clearance_m = clearance_grid(view, hazard_clearance_m)
    regions = clean_regions(view, clearance_m, settings, vehicle_ne_m)
    best = pick(view, clearance_m, regions, settings, vehicle_ne_m, height_m)
    if not isinstance(best, Candidate):
        return None
    cell = view.cell_of(best.north_m, best.east_m)
    assert cell is not None
    return relief.no_site(cell, settings.required_radius_m + settings.new_site_margin_m)
