"""Somebody walks below the vehicle in its last metres: what may the end of a landing look like?

    python -m benchmarks.last_metres [--scenes 100] [--jobs 2] [--json FILE]

In every scene of the train seeds somebody sets out for the site from 10 to 20 m away, when the vehicle is lower than
0.08 to 0.5 of its start height (in a campaign to 0.8); landings begin at 15 to 40 m to be short. The same scenes are
flown with each of `ENDS`: with and without the look around (`authority.look_s`), and with PLND_OPTIONS 0, which halves
ArduPilot's descent speed from 2 m down and slows to a crawl where the vehicle is off the site, or 4, which keeps it.
The figures are good for comparing only: in a campaign somebody comes in a third of the scenes.
"""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import click
import numpy as np

from benchmarks.runner import Figures, benchmark
from sim.campaign.ranges import stream
from sim.campaign.scene import IntruderPlan, Scene
from sim.campaign.scene_ground import make_scene_ground
from sim.campaign.score import Record, score
from sim.campaign.summary import of_policy
from sim.campaign.task import Plan, fly, settle
from sim.flight.plan import PERSON_AWAY_M
from sim.world import expand_world_spec

ENDS: dict[str, dict[str, dict[str, Any]]] = {
    "slow": {"autopilot": {"PLND_OPTIONS": 0.0}, "authority": {"look_s": 0.0}},
    "full-speed": {"autopilot": {"PLND_OPTIONS": 4.0}, "authority": {"look_s": 0.0}},
    "look-then-slow": {"autopilot": {"PLND_OPTIONS": 0.0}},
    "look-then-full-speed": {"autopilot": {"PLND_OPTIONS": 4.0}},
}
SEED = 11
SETS_OUT, START_M, AWAY_M, SPEED_MPS = (0.08, 0.5), (15.0, 40.0), (10.0, 20.0), (0.7, 2.0)
STAYS_S = (0.0, 5.0, 600.0)


def somebody_comes(scene: Scene) -> Scene:
    """The same scene, begun low and with somebody who sets out near the end."""
    rng = stream(scene.key, "last metres")
    height_m = float(rng.uniform(*START_M))
    intruder = IntruderPlan(
        "person",
        below_m=height_m * float(rng.uniform(*SETS_OUT)),
        from_deg=float(rng.uniform(0.0, 360.0)),
        speed_mps=float(rng.uniform(*SPEED_MPS)),
        away_m=float(rng.uniform(*AWAY_M)),
        stay_s=float(rng.choice(STAYS_S)),
    )
    conditions = replace(scene.conditions, height_m=height_m)
    return replace(scene, intruder=intruder, conditions=conditions)


def fly_all(number: int) -> dict[str, Record]:
    """One scene with each end."""
    settle()
    worlds = tuple(expand_world_spec("scenes"))
    plans = {n: Plan(number + 1, SEED, "train", worlds, ("touchdown",), **w) for n, w in ENDS.items()}
    plan = next(iter(plans.values()))
    scene, decision = somebody_comes(plan.scene(number)), plan.setup().decision
    place, records = make_scene_ground(scene, decision), {}
    for name, plan in plans.items():
        flown, world = fly(plan, scene, place, "touchdown", plan.setup())
        records[name] = score(scene, "touchdown", place, world, flown, decision)
    return records


def figures(records: list[Record]) -> dict[str, Any]:
    """What counts here."""
    found = of_policy(records)
    landed = [r for r in records if r["touchdown"] is not None]
    return {
        "touchdowns": len(landed),
        "person_within_2m": found["shares"]["person_within_2m"],
        "unsafe": found["shares"]["unsafe"],
        "false_no_site": found["shares"]["false_no_site"],
        "miss_m": found["miss_m"],
        "seconds_median": round(float(np.median([r["seconds"] for r in landed])), 1),
        "scenes_with_a_person_within_2m": [r["scene"] for r in landed if r["touchdown"]["person_m"] < PERSON_AWAY_M],
    }


@benchmark
@click.option("--scenes", default=100, show_default=True)
@click.option("--jobs", default=2, show_default=True)
def main(scenes: int, jobs: int) -> Figures:
    flown: dict[str, list[Record]] = {name: [] for name in ENDS}
    with get_context("spawn").Pool(jobs) as pool:
        for number, records in enumerate(pool.imap(fly_all, range(scenes))):
            for name, record in records.items():
                flown[name].append(record)
            if number % 20 == 19:
                click.echo(f"{number + 1}/{scenes}")
    return {"scenes": scenes, "seed": SEED, "ends": {name: figures(records) for name, records in flown.items()}}
