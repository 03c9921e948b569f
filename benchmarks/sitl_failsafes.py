"""Landings that a failsafe orders on the real autopilots' simulators, with nobody at the sticks and somebody who comes.

    python -m benchmarks.sitl_failsafes ardupilot --jobs 2 --add-to FILE
    python -m benchmarks.sitl_failsafes px4 --jobs 2 --add-to FILE

In turn a lost ground station and a low battery. `authority.failsafe` is "guard", and a person walks to the site below a
height of the seed's. What holds the vehicle up is measured by its modes against what `landing.command.failsafe` allows
by the battery's own word. ArduCopter flies home or lands where it is; PX4 flies home, its battery is critical from the
first moment, and so nothing may be held up. The camera and what starves a flight are those of
`benchmarks.sitl_landings`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchmarks.runner import ROOT, Figures, benchmark
from benchmarks.sitl_landings import STARVED, WALK_MPS, fly_for_result, load, plan_over_colours, store, summary, windy
from landing.command.failsafe import LONGEST_S, may_hold_s
from landing.vehicle import FLIGHT_MODES, Battery
from sim.flight.plan import Fault, FlightPlan, FlightResult, PlannedFault
from sim.vehicle.failsafes import PX4_ACTIONS, Failsafe

FIRST_SEED = 35_000
KINDS = (Failsafe.GCS_LOSS, Failsafe.BATTERY_LOW)
HOLDS = frozenset(modes.hold for modes in FLIGHT_MODES.values())

COMMAND_S = 3.0
"""A change of mode is asked for, done and told within so long."""

CAPACITY_MAH = (1500.0, 5000.0)
CRITICAL_SHARE = (0.2, 0.5)
LEFT_S = (200.0, 900.0)


def plan_of(autopilot: str, seed: int, out: Path) -> FlightPlan:
    """Return the plan of a seed, from which everything follows."""
    rng = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    height_m, wind_mps, from_deg = rng.uniform(12.0, 25.0), rng.uniform(0.0, 6.0), rng.uniform(0.0, 360.0)
    capacity_mah, share, left_s = rng.uniform(*CAPACITY_MAH), rng.uniform(*CRITICAL_SHARE), rng.uniform(*LEFT_S)
    person = PlannedFault(
        Fault.INTRUDER,
        round(rng.uniform(2.5, 8.0), 1),
        walk_m=round(rng.uniform(3.0, 6.0) * WALK_MPS, 1),
        from_deg=round(rng.uniform(0.0, 360.0)),
        for_s=None if rng.random() < 0.5 else 15.0,
    )
    px4 = autopilot == "px4"
    battery = {"BATT_MONITOR": 4, "BATT_CAPACITY": round(capacity_mah), "BATT_CRT_MAH": round(share * capacity_mah)}
    return replace(
        plan_over_colours(out, autopilot, "failsafes", seed, height_m, wind_mps if windy(autopilot) else 0.0, from_deg),
        authority="guard",
        faults=(person,),
        ordered_by=kind,
        lands_anyway=True,
        battery_left_s=round(left_s) if px4 and kind is Failsafe.GCS_LOSS else None,
        parameters=PX4_ACTIONS if px4 else {**battery, "BATT_FS_CRT_ACT": 1},
        settings={"authority": {"failsafe": "guard"}},
    )


def held(modes: Sequence[tuple[float, str]]) -> list[tuple[float, float]]:
    """Return beginnings and ends of the holds after the failsafe had sent the vehicle down or home, boot time s."""
    began = next((i for i, (_, name) in enumerate(modes) if name not in HOLDS), len(modes))
    later = list(modes[began:])
    ends = [at_s for at_s, _ in later[1:]]
    return [(at_s, end_s) for (at_s, name), end_s in zip(later, ends, strict=False) if name in HOLDS]


def bound_kept(result: FlightResult) -> dict[str, Any]:
    """Return what was held up, s, and for how much of it the battery allowed nothing."""
    spans = held(result.modes)
    held_s, overrun_s = sum(end_s - at_s for at_s, end_s in spans), 0.0
    for before, report in zip(result.batteries, result.batteries[1:], strict=False):
        at_s, height_m, *told = report
        if any(begins_s <= at_s <= end_s for begins_s, end_s in spans):
            allowed_s = may_hold_s(Battery(*told), height_m)
            overrun_s += at_s - before[0] if allowed_s <= 0.0 else 0.0
    return {
        "held_s": round(held_s, 1),
        "overrun_s": round(overrun_s, 1),
        "held_too_long": held_s > LONGEST_S + COMMAND_S or overrun_s > COMMAND_S,
        "left_at_end": result.batteries[-1][2:] if result.batteries else None,
    }


def fly(plan: FlightPlan) -> dict[str, Any]:
    """Fly once; a failure of a process is a row too."""
    row, result = fly_for_result(plan)
    assert plan.ordered_by is not None
    return {**row, "kind": plan.ordered_by.value, "modes": result.modes, **bound_kept(result)}


@benchmark
@click.argument("autopilot", type=click.Choice(("ardupilot", "px4")))
@click.option("--count", default=10, show_default=True, help="Flights.")
@click.option("--jobs", default=1, show_default=True, help="Flights at a time.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "out" / "sitl-failsafes")
@click.option("--add-to", type=click.Path(path_type=Path), required=True, help="Result file; what is there stays.")
def main(autopilot: str, count: int, jobs: int, out: Path, add_to: Path) -> Figures:
    known = load(add_to)["series"].get(autopilot, {}).get("flights", [])
    done = {row["seed"] for row in known if row["verdict"] not in ("failed", STARVED)}
    out.mkdir(parents=True, exist_ok=True)

    def one(seed: int) -> None:
        row = fly(plan_of(autopilot, seed, out))
        store(add_to, autopilot, row)
        click.echo(json.dumps({k: v for k, v in row.items() if k not in ("happened", "commit", "modes")}))

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, (seed for seed in range(FIRST_SEED, FIRST_SEED + count) if seed not in done)))
    rows = [row for row in load(add_to)["series"][autopilot]["flights"] if row["verdict"] != STARVED]
    too_long = [row["seed"] for row in rows if row["held_too_long"]]
    return {autopilot: {**summary(rows), "held_too_long": too_long}, "within_limits": not too_long}


if __name__ == "__main__":
    main()
