"""Scale at which an orthophoto is shown to a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from landing.errors import DataError
from landing.model.spec import ModelSpec

VIRTUAL_HFOV_DEG = 70.0
"""Field of view of the camera that a window stands for; with the scale it gives a height."""

MOST_REFINED = 1.05
"""A raster coarser than the model's coarsest scale by more is not decided on: enlarging it shows nothing new."""


@dataclass(frozen=True)
class OrthoScale:
    """Scale at which an orthophoto is decided on.

    Attributes:
        gsd_m: Metres per pixel of the network's input.
        height_m: Of the camera that a window stands for.
        hfov_deg: Its horizontal field of view, degrees.
        source: Where the scale comes from.
    """

    gsd_m: float
    height_m: float
    hfov_deg: float
    source: str


def scale_for(
    spec: ModelSpec, own_gsd_m: float, path: Path, height_m: float | None, hfov_deg: float | None
) -> OrthoScale:
    """Choose the scale for a model: the user's, else the middle of what the model was trained for.

    Raises:
        DataError: Nothing says a scale, or the raster is too coarse for it.
    """
    hfov = hfov_deg or VIRTUAL_HFOV_DEG
    across = 2.0 * math.tan(math.radians(hfov) / 2.0) / spec.input.width_px
    known = spec.ground_range
    finest, coarsest = (0.0, math.inf) if known is None else (1e-3 * known.finest_mm, 1e-3 * known.coarsest_mm)
    if height_m is not None:
        wanted, source = height_m * across, f"--height-agl-m {height_m:g}, {hfov:g} degrees wide"
    elif known is not None:
        wanted, source = min(max(math.sqrt(finest * coarsest), own_gsd_m), coarsest), "what the model was trained for"
    else:
        raise DataError(
            f"orthophoto {path}: the model does not say for which scale it was trained; give --height-agl-m, the "
            f"height from which a camera of {hfov:g} degrees would show what it knows"
        )
    if own_gsd_m > wanted * MOST_REFINED:
        raise DataError(
            f"orthophoto {path} shows {1000 * own_gsd_m:.0f} mm per px, the scale asked for is {1000 * wanted:.0f} mm "
            f"per px ({source}): it is too coarse; take one from lower down"
            + ("" if height_m is None else ", or a greater --height-agl-m")
        )
    return OrthoScale(wanted, wanted / across, hfov, source)
