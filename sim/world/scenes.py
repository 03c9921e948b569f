"""Scenes: places of many kinds, in any season and light, with traffic and people, from a seed.

The same seed, family, size and scale give the same labels and actors, bit for bit, on one version of numpy and OpenCV.
The labels are there at once; the picture is painted when first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from landing.errors import DataError
from sim.world.actors import AnyActor
from sim.world.classes import scene_taxonomy
from sim.world.daylight import TimeOfDay, daylight
from sim.world.families import green, land, shores, tight, town, work
from sim.world.grid import Spot
from sim.world.model import World
from sim.world.painting import Painting
from sim.world.raster import deferred
from sim.world.scene_layout import SceneLayout
from sim.world.sketch import Sketch
from sim.world.surfaces import Season

FAMILIES: Mapping[str, Callable[[SceneLayout], None]] = {
    **town.FAMILIES,
    **work.FAMILIES,
    **green.FAMILIES,
    **shores.FAMILIES,
    **land.FAMILIES,
    **tight.FAMILIES,
}

SEEDS: Mapping[str, range] = {
    "demo": range(0, 20),
    "dataset": range(1_000, 1_200),
    "train": range(10_000, 20_000),
    "val": range(20_000, 30_000),
    "test": range(90_000, 100_000),
}
"""Purpose of the seeds: a decision is tuned on `train` alone, and `test` is reported once."""

JUDGED_SEEDS = range(10_000, 10_100)
"""Of `train`: worlds on which networks are judged and their mistakes measured; none trains one."""

MAX_SIDE_PX = 6_000

_TIDY = ("sports", "plaza", "carpark", "pools", "courtyard", "festival")
_BATHING = ("beach", "pools", "festival")
"""Nobody goes there in the snow, unless a specification says so."""

_SCATTER, _SCATTER_ODDS = (0, 60, 180, 420, 900), (0.25, 0.25, 0.2, 0.18, 0.12)
"""Small obstacles on a scene of 160 m, from tidy to overgrown."""

T = TypeVar("T", bound=str)

_SEASON_ODDS: Mapping[Season, float] = {"summer": 0.5, "autumn": 0.18, "dry": 0.14, "snow": 0.18}
_LIGHT_ODDS: Mapping[TimeOfDay, float] = {"noon": 0.4, "low": 0.24, "overcast": 0.2, "dusk": 0.16}


def split_of(seed: int) -> str | None:
    """Name of the range in `SEEDS` that a seed is in; None for a seed of no purpose."""
    return next((name for name, seeds in SEEDS.items() if seed in seeds), None)


def scene(
    seed: int,
    family: str | None = None,
    size_m: float = 160.0,
    gsd_m: float = 0.1,
    season: str | None = None,
    light: str | None = None,
) -> World:
    """A place of one of the `FAMILIES`.

    Args:
        seed: Same seed, same world. It also picks what is None below.
        family: One of `FAMILIES`.
        size_m: Side of the square.
        gsd_m: Metres per pixel.
        season: One of `sim.world.surfaces.SEASONS`.
        light: A `sim.world.daylight.TimeOfDay`.

    Raises:
        DataError: An unknown name, or a size or scale that cannot be made.
    """
    if not (gsd_m > 0 and 20.0 <= size_m <= 1000.0 and 64 <= size_m / gsd_m <= MAX_SIDE_PX):
        raise DataError(
            f"scene of size_m={size_m:g} at gsd_m={gsd_m:g}: expected 20 to 1000 m and "
            f"64 to {MAX_SIDE_PX} pixels a side"
        )
    if seed < 0:
        raise DataError(f"scene seed {seed}: expected 0 or more")
    rng = np.random.default_rng([seed, 101])
    odds = {member: 2.0 if member in tight.FAMILIES else 1.0 for member in FAMILIES}
    name = _chosen(rng, "family", odds, family)
    chosen = _chosen(rng, "season", _SEASON_ODDS, season)
    if season is None and name in _BATHING and chosen == "snow":
        chosen = "summer"
    time_of_day = _chosen(rng, "light", _LIGHT_ODDS, light)
    sketch = Sketch(seed, size_m, gsd_m, chosen)
    north_m, east_m, turn_rad = rng.uniform([-8, -8, 0], [8, 8, 2 * math.pi])
    root = Spot(float(north_m), float(east_m), float(turn_rad))
    place = SceneLayout(sketch, np.random.default_rng([seed, 102]), root)
    FAMILIES[name](place)
    count = int(rng.choice(_SCATTER, p=_SCATTER_ODDS) * (size_m / 160.0) ** 2)
    place.scatter(min(count, 40) if name in _TIDY else count)
    title = f"{name} {seed} ({chosen}, {time_of_day})"
    return world_of(title, sketch, tuple(place.actors), time_of_day)


def world_of(title: str, sketch: Sketch, actors: tuple[AnyActor, ...], time_of_day: TimeOfDay) -> World:
    """The world of a finished sketch, its picture not yet painted."""
    light = daylight(np.random.default_rng([sketch.seed, 107]), time_of_day)
    return World(
        name=title,
        ortho_bgr=deferred(Painting(sketch, light)),
        labels=sketch.labels,
        gsd_m=sketch.gsd_m,
        taxonomy=scene_taxonomy(),
        origin_px=sketch.origin_px,
        actors=actors,
        sun=light.sun,
        detail_seed=sketch.seed,
    )


def _known(what: str, name: str | None, names: tuple[str, ...]) -> None:
    if name is not None and name not in names:
        raise DataError(f"{what} {name!r} is unknown: expected one of {', '.join(names)}")


def _chosen(rng: np.random.Generator, what: str, odds: Mapping[T, float], given: str | None) -> T:
    names = list(odds)
    shares = np.array(list(odds.values())) / sum(odds.values())
    picked = names[int(rng.choice(len(names), p=shares))]  # drawn even when given
    _known(what, given, tuple(str(name) for name in names))
    return next((name for name in names if name == given), picked)
