"""People and cars of a place that has been laid out."""

from __future__ import annotations

import numpy as np

from landing.geometry import FloatArray
from sim.world.actors import Actor
from sim.world.grid import Spot, points_of
from sim.world.layout import PlaceLayout, offset


def landable_run(site: PlaceLayout, path: FloatArray) -> FloatArray:
    """The longest part of a path that keeps to landable ground, shape (n, 2)."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    even = np.arange(0, along[-1], 0.5)
    dense = np.column_stack([np.interp(even, along, path[:, k]) for k in (0, 1)])
    ground = ("grass", "paved", "gravel", "dirt")
    free = [site.label(float(n), float(e)) in ground for n, e in dense]
    best, start = (0, 0), None
    for i, ok in enumerate([*free, False]):
        if ok and start is None:
            start = i
        elif not ok and start is not None:
            if i - start > best[1] - best[0]:
                best = (start, i)
            start = None
    return dense[best[0] + 1 : max(best[0] + 1, best[1] - 1)]


def walker(site: PlaceLayout, path: FloatArray) -> Actor | None:
    """Somebody who goes to and fro along a path, as far as it is landable ground."""
    run = landable_run(site, path)
    if len(run) < 6:
        return None
    run = run[:: 1 if len(run) < 20 else 2]
    return Actor(
        "person",
        tuple((float(n), float(e)) for n, e in run),
        site.between(0.7, 1.7),
        site.between(0, 120),
        0.0,
        int(site.rng.integers(1 << 30)),
    )


def stander(site: PlaceLayout, north_m: float, east_m: float) -> Actor | None:
    """Somebody who stands, if there is ground to stand on."""
    if site.label(north_m, east_m) not in ("grass", "paved", "gravel", "dirt"):
        return None
    style = int(site.rng.integers(1 << 30))
    return Actor("person", ((north_m, east_m),), 0, 0, site.between(0, 6.3), style)


def people(site: PlaceLayout) -> tuple[Actor, ...]:
    """Everybody in a layout of `sim.world.procedural_layouts`."""
    actors: list[Actor | None] = []
    crowd = float(site.rng.choice([0.4, 1.0, 1.0, 2.0]))
    for _ in range(round(crowd * site.between(1, 6))):
        if site.walks:
            walk = site.walks[int(site.rng.integers(len(site.walks)))]
            actors.append(walker(site, offset(walk, site.between(-0.9, 0.9))))
    for _ in range(round(crowd * site.between(1, 5))):
        start = Spot(*site.somewhere(0.8), site.between(0, 6.3))
        ends = [start, start.moved(site.between(4, 18), site.between(-3, 3))]
        actors.append(walker(site, points_of(*ends)))
    for _ in range(round(crowd * site.between(1, 5))):
        n, e = site.somewhere(0.85)
        for _ in range(int(site.rng.integers(1, 4))):
            actors.append(stander(site, n + site.between(-1, 1), e + site.between(-1, 1)))
    if site.drives and site.chance(0.5):
        run = landable_run(site, site.drives[0])
        if len(run) > 16:
            path = tuple((float(n), float(e)) for n, e in run[::2])
            actors.append(
                Actor("car", path, site.between(1.5, 4), site.between(0, 60), 0.0, int(site.rng.integers(1 << 30)))
            )
    return tuple(a for a in actors if a is not None)
