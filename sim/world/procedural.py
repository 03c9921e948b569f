"""Made-up places: parks, suburbs, farms, yards, shores and squares, each from a seed.

The same seed, size and scale give the same world, bit for bit, on one version of numpy and OpenCV. The demo model was
trained on these: they stay as they are, and `sim.world.scenes` grows.
"""

from __future__ import annotations

import math

import numpy as np

from landing.errors import DataError
from landing.taxonomy import Taxonomy
from sim.world.canvas import Canvas
from sim.world.grid import Spot
from sim.world.layout import PlaceLayout
from sim.world.model import World
from sim.world.people import people
from sim.world.procedural_layouts import LAYOUTS

MAX_CELLS = 64_000_000
"""Rasters beyond this would not fit a small computer's memory."""


def procedural(seed: int, size_m: float = 80.0, gsd_m: float = 0.05, layout: str | None = None) -> World:
    """A made-up place: a square of `size_m`, its layout one of `LAYOUTS`, by the seed when None.

    Raises:
        DataError: Unknown layout, or a size or scale that cannot be made.
    """
    if layout is not None and layout not in LAYOUTS:
        raise DataError(f"layout {layout!r} is unknown: expected one of {', '.join(LAYOUTS)}")
    cells = (size_m / gsd_m) ** 2 if gsd_m > 0 else math.inf
    if not (20.0 <= size_m <= 1000.0 and 64**2 <= cells <= MAX_CELLS):
        raise DataError(
            f"world of size_m={size_m:g} at gsd_m={gsd_m:g}: expected 20 to 1000 m and "
            f"64 to {math.isqrt(MAX_CELLS)} pixels a side"
        )
    if seed < 0:
        raise DataError(f"world seed {seed}: expected 0 or more")
    rng = np.random.default_rng([seed, 7])
    taxonomy = Taxonomy.load("synthetic")
    name = layout or list(LAYOUTS)[int(rng.integers(len(LAYOUTS)))]
    canvas = Canvas(rng, size_m, gsd_m, taxonomy)
    north_m, east_m, turn_rad = rng.uniform([-6, -6, 0], [6, 6, 2 * math.pi])
    root = Spot(float(north_m), float(east_m), float(turn_rad))
    site = PlaceLayout(canvas, rng, root)
    LAYOUTS[name](site)
    actors = people(site)
    return World(
        name=f"{name} {seed}",
        ortho_bgr=canvas.finished(),
        labels=canvas.labels,
        gsd_m=gsd_m,
        taxonomy=taxonomy,
        origin_px=canvas.origin_px,
        actors=actors,
        sun=canvas.sun,
        detail_seed=seed,
    )
