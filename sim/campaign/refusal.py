"""Causes of a missing site: how wide the ground would be if one of them were not there.

From the map of the last decision. A cause is what, taken away alone, makes the widest clean disc wide enough.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from landing.choice.picker import clearance_grid, hazard_clearance_grid
from landing.ground.view import GroundView
from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy

DOUBT = "doubt"
"""Ground of no hazard that is not landable enough."""

SEVERAL, NO_ROOM = "several", "no room in view"


def refusal(
    view: GroundView, taxonomy: Taxonomy, settings: DecisionSettings, standing_share: float = 1.0
) -> dict[str, Any]:
    """Return the cause of a missing site and the widest clean disc, m, as it is and without each cause.

    Args:
        view: The map.
        taxonomy: Whose clearances hold.
        settings: Sizes and limits.
        standing_share: See `landing.choice.picker.hazard_clearance_grid`.

    Returns:
        ``cause``: a hazard role, `DOUBT`, `SEVERAL` or `NO_ROOM`; None where the ground is wide enough.
        ``widest_m``: by cause, and ``now`` and ``all``.
    """
    needed_m = settings.required_radius_m + settings.new_site_margin_m

    def widest_m(without: tuple[str, ...]) -> float:
        bad = {role: cells for role, cells in view.hazards.items() if role.value not in without}
        free = view.free.copy()
        opened = view.known.copy()
        for cells in bad.values():
            opened &= ~cells
        hazard = np.zeros_like(view.known)
        for role, cells in view.hazards.items():
            hazard |= cells
            if role.value in without:
                free |= opened & cells
        if DOUBT in without:
            free |= opened & ~hazard
        gone = {role: (cells if role in bad else np.zeros_like(cells)) for role, cells in view.hazards.items()}
        left = replace(view, free=free, hazards=gone)
        hazards = hazard_clearance_grid(left, taxonomy, settings, standing_share=standing_share)
        return float(clearance_grid(left, hazards).max(initial=0.0))

    causes = (*(role.value for role in view.hazards), DOUBT)
    widest = {"now": widest_m(()), **{name: widest_m((name,)) for name in causes}, "all": widest_m(causes)}
    best = max(causes, key=lambda name: widest[name])
    cause: str | None = best
    if widest["now"] >= needed_m:
        cause = None
    elif widest["all"] < needed_m:
        cause = NO_ROOM
    elif widest[best] < needed_m:
        cause = SEVERAL
    return {"cause": cause, "widest_m": widest}
