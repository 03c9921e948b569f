"""Approaches that are told ahead, and told wrongly, by the rate of decisions.

Somebody walks or drives over the site of a hovering or sinking vehicle, stands beside it, mills about or walks around
it. What a network sees of them is drawn by its measured mistakes (`sim.campaign.perception_errors`). An approach counts
as told ahead when it is told before they are within the clearance, and as told wrongly when nobody of the scene comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean
from typing import Any

import click
import numpy as np

from benchmarks.runner import benchmark
from landing.camera import CameraModel
from landing.choice.approach import Approaches
from landing.choice.picker import hazard_clearance_grid
from landing.choice.tracker import INTRUSION_M
from landing.geometry import quaternion_from_euler
from landing.ground.map import GroundMap
from landing.ground.view import MOVING_ROLES
from landing.settings import DecisionSettings
from landing.types import Pose
from sim.campaign.perception_errors import PerceptionErrorSampler, load_error_model
from sim.world import World
from sim.world.actors import Timetable
from sim.world.classes import scene_taxonomy
from sim.world.label_view import label_view

SETTINGS, TAXONOMY, MODEL = DecisionSettings(), scene_taxonomy(), load_error_model()
CAMERA = CameraModel.from_hfov(640, 480, 80.0)
SMALL = CAMERA.resized(*MODEL.size_px)
GROUNDS = ("grass", "gravel", "grass", "paved")
HEIGHTS_M = (6.0, 12.0)
SINKS_MPS, STARTS_M = 0.6, 2.4
"""Every second vehicle sinks, from so much higher."""

STANDS_S, LASTS_S = 1.0, 8.0
ATTITUDE_RAD, WANDER_M = math.radians(0.4), 0.03
"""Errors of the pose: of each attitude, and a step of the position at 10 Hz."""

Places = tuple[Timetable, ...]


def _polar(away_m: float, turn_rad: float) -> tuple[float, float]:
    return away_m * math.cos(turn_rad), away_m * math.sin(turn_rad)


def _over_the_site(kind: str, away_m: float, speed_mps: float) -> Callable[[np.random.Generator], Places]:
    def draw(rng: np.random.Generator) -> Places:
        start, there_s = _polar(away_m, rng.uniform(0.0, 2.0 * math.pi)), STANDS_S + away_m / speed_mps
        end = (-start[0], -start[1])
        times = (0.0, STANDS_S, there_s, 2.0 * there_s - STANDS_S)
        return (Timetable(kind, times, (start, start, (0.0, 0.0), end), style=1),)

    return draw


def _still(kind: str, count: int, near_m: float, far_m: float) -> Callable[[np.random.Generator], Places]:
    def draw(rng: np.random.Generator) -> Places:
        return tuple(
            Timetable(
                kind,
                (0.0,),
                (_polar(rng.uniform(near_m, far_m), rng.uniform(0.0, 6.3)),),
                heading_rad=rng.uniform(0.0, 6.3),
                style=k,
            )
            for k in range(count)
        )

    return draw


def _around(rng: np.random.Generator) -> Places:
    """Five people who keep their distance and walk around the site."""
    found = []
    for k in range(5):
        away_m, first_rad, speed_mps = rng.uniform(5.8, 9.0), rng.uniform(0.0, 6.3), rng.uniform(0.8, 1.6)
        turns = np.linspace(0.0, (-1) ** k * 2.0 * math.pi, 49)
        times = tuple(np.abs(turns) * away_m / speed_mps)
        found.append(Timetable("person", times, tuple(_polar(away_m, first_rad + turn) for turn in turns), style=k))
    return tuple(found)


def _milling(rng: np.random.Generator) -> Places:
    """Eight people who walk to and fro within a metre of their places."""
    found = []
    for k in range(8):
        middle = np.array(_polar(rng.uniform(7.0, 10.0), rng.uniform(0.0, 6.3)))
        times, places = [0.0], [middle]
        while times[-1] < LASTS_S:
            places.append(middle + rng.uniform(-1.0, 1.0, 2))
            times.append(times[-1] + max(0.3, math.dist(*places[-2:]) / 1.2))
        path = tuple((float(n), float(e)) for n, e in places)
        found.append(Timetable("person", tuple(times), path, style=k))
    return tuple(found)


@dataclass(frozen=True)
class Motion:
    """People or cars of a scene.

    Attributes:
        draw: Their ways.
        lasts_s: Time that is flown.
        comes: Somebody comes.
    """

    draw: Callable[[np.random.Generator], Places]
    lasts_s: float = LASTS_S
    comes: bool = False


def _coming(kind: str, away_m: float, speed_mps: float) -> Motion:
    return Motion(_over_the_site(kind, away_m, speed_mps), STANDS_S + away_m / speed_mps, comes=True)


MOTIONS = {
    "walks 0.9 m/s": _coming("person", 11.0, 0.9),
    "walks 1.4 m/s": _coming("person", 11.0, 1.4),
    "walks 2 m/s": _coming("person", 11.0, 2.0),
    "drives 4 m/s": _coming("car", 22.0, 4.0),
    "drives 10 m/s": _coming("car", 22.0, 10.0),
    "drives 15 m/s": _coming("car", 22.0, 15.0),
    "stands": Motion(_still("person", 1, 5.6, 8.0)),
    "parked": Motion(_still("car", 1, 8.0, 11.0)),
    "crowd": Motion(_still("person", 10, 5.6, 10.0)),
    "around": Motion(_around),
    "mills about": Motion(_milling),
}


def looks(name: str, height_m: float, hz: float, seed: int) -> Iterator[tuple[int, dict[Any, float]]]:
    """Yield capture time and clearance at the site by role, m, of each frame of a scene."""
    rng = np.random.default_rng([seed, list(MOTIONS).index(name), round(10.0 * height_m)])
    motion = MOTIONS[name]
    labels = np.full((800, 800), next(c.id for c in TAXONOMY.classes if c.name == GROUNDS[seed % 4]), np.uint8)
    picture = np.zeros((800, 800, 3), np.uint8)
    world = World(name, picture, labels, 0.1, TAXONOMY, (399.5, 399.5), motion.draw(rng))
    sampler = PerceptionErrorSampler(MODEL, TAXONOMY, float(rng.uniform(-0.3, 0.5)), rng)
    ground, wander_m = GroundMap(SETTINGS, TAXONOMY), np.zeros(2)
    for k in range(int(motion.lasts_s * hz)):
        t_s, at_ns = k / hz, round((1.0 + k / hz) * 1e9)
        up_m = height_m + (STARTS_M - SINKS_MPS * t_s if seed % 2 else 0.0)
        turn_rad = (0.026 * math.sin(1.1 * t_s + seed), 0.026 * math.sin(0.8 * t_s), 0.7 * seed)
        error_rad = ATTITUDE_RAD * rng.standard_normal(3)
        wander_m += WANDER_M * rng.standard_normal(2) / math.sqrt(hz / 10.0)
        north_m, east_m = 0.4 * math.sin(0.3 * t_s), 0.4 * math.cos(0.25 * t_s)
        true = Pose(at_ns, quaternion_from_euler(*turn_rad), (north_m, east_m, -up_m), up_m)
        believed_rad = (float(a + b) for a, b in zip(turn_rad, error_rad, strict=True))
        at = (north_m + float(wander_m[0]), east_m + float(wander_m[1]), -up_m)
        seen = label_view(world, CAMERA, true, t_s, MODEL.size_px)
        ground_from_pixel = np.linalg.inv(SMALL.pixel_from_ground_plane(true, 0.0))
        drawn = sampler.segment(seen, ground_from_pixel, up_m, up_m / SMALL.fx, at_ns)
        ground.update(drawn, CAMERA, Pose(at_ns, quaternion_from_euler(*believed_rad), at, up_m), 0.0)
        view = ground.view(at_ns)
        assert view is not None
        cell = view.cell_of(0.0, 0.0)
        assert cell is not None
        yield (
            at_ns,
            {role: float(hazard_clearance_grid(view, TAXONOMY, SETTINGS, (role,))[cell]) for role in MOVING_ROLES},
        )


def told(frames: Iterator[tuple[int, dict[Any, float]]]) -> list[tuple[float, bool, bool]]:
    """Return time in s, whether somebody is within the clearance, and whether an approach is told, by frame."""
    approaches, needed_m = Approaches(SETTINGS), SETTINGS.required_radius_m - INTRUSION_M
    found = []
    for at_ns, clearances_m in frames:
        soon_m = [approaches.clearance_soon_m(role, room_m, at_ns) for role, room_m in clearances_m.items()]
        there = min(clearances_m.values()) < needed_m
        found.append((at_ns * 1e-9, there, not there and min(soon_m) < needed_m))
    return found


def _figures(name: str, hz: float, scenes: int) -> dict[str, float]:
    runs = [told(looks(name, height_m, hz, seed)) for seed in range(scenes) for height_m in HEIGHTS_M]
    if not MOTIONS[name].comes:
        starts = sum(soon and not before for run in runs for (*_, before), (*_, soon) in pairwise(run))
        return {"told_a_minute": round(60.0 * starts / (sum(map(len, runs)) / hz), 2)}
    leads_s = []
    for run in runs:
        there_s = next((t_s for t_s, there, _ in run if there), math.inf)
        first_s = next((t_s for t_s, _, soon in run if soon), math.inf)
        leads_s.append(there_s - first_s if first_s < there_s < math.inf else 0.0)
    return {"told_ahead": sum(lead_s > 0.0 for lead_s in leads_s), "of": len(runs), "lead_s": round(mean(leads_s), 2)}


@benchmark
@click.option("--scenes", default=10, help="Of each motion, from each height.")
@click.option("--rates", default="2,3,4,5,8,10", help="Decisions a second.")
def main(scenes: int, rates: str) -> dict[str, Any]:
    """Run every motion at every rate."""
    return {
        "scenes": scenes,
        "rates": {rate: {name: _figures(name, float(rate), scenes) for name in MOTIONS} for rate in rates.split(",")},
    }


if __name__ == "__main__":
    main()
