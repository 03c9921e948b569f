"""Whole landings on the real autopilots' simulators, counted and measured against the truth.

    python -m benchmarks.sitl_landings ardupilot landings --jobs 3
    python -m benchmarks.sitl_landings ardupilot hazard --jobs 3
    python -m benchmarks.sitl_landings ardupilot late --count 8
    python -m benchmarks.sitl_landings px4 landings --count 10
    python -m benchmarks.sitl_landings ardupilot network

Each flight is `edge serve` with a camera that follows the simulator's true pose. The camera is painted (every pixel has
the colour of its true class) and the network knows the colours, so that perception is perfect and what is measured is
map, decision, link, authority and autopilot. In the series `network` nothing is painted: the shipped demo network looks
at pictures of test scenes, with their slopes, water, people and traffic, and `guard` accompanies the landing. Its file
holds both autopilots, each as a series. The result is written after every flight; run again, only what is missing is
flown. A series that was flown by another version of what flies is told apart by the commit beside each flight.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import onnx

from benchmarks.runner import RESULTS, ROOT, Figures, benchmark, describe, save
from landing.errors import TouchdownError
from landing.taxonomy import Taxonomy
from sim.flight.daemon import DaemonEvents
from sim.flight.fly import fly_one
from sim.flight.plan import CAMERA_EFFECTS, Fault, FlightPlan, FlightResult, PlannedFault
from sim.vehicle import WIND_FULL_HEIGHT_M
from sim.vehicle.sitl import find_simulator
from sim.vehicle.sitl.px4 import has_wind
from sim.world import procedural, save_world
from tests.edge.fake_model import build

WIDTH_PX, HEIGHT_PX = 192, 144
ATTITUDE_NOISE_DEG, LATENCY_S = 0.5, 0.05
MOST_WIND_MPS = 8.0
GUST_SHARE = 0.2
"""Standard deviation of the gusts against the mean wind."""

WALK_MPS, DESCENT_MPS = 1.4, 0.5
ARRIVAL_M = (2.0, 8.5)
"""Heights at which an intruder reaches the middle of the site if the descent goes on."""

LATE_FROM_M, LATE_ARRIVAL_M = (3.0, 4.0), (0.5, 1.1)
"""A late intruder sets out from outside the picture, and arrives while the vehicle is lower than the frames that judge
the ground are taken from."""

STARVED_SHARE = 0.7
"""A daemon that decided on fewer of its camera's frames did not get its share of the machine: such a flight says
nothing of a landing that ended well, nor does one in which it called itself too slow. They are counted
apart and flown again. One that ended badly counts as it ended."""

BAD = ("landed-unsafe", "struck")

NETWORK_FPS = 6.0
"""Frames a second of the camera that the network looks at, on two threads: more than that, with the simulator beside
it, is no work for two cores."""

BUSY = {"director": {"max_decision_age_s": 0.6}}
"""PX4's simulator and its messages take a fifth of a core more: a target may rest on an older decision there."""

SEEDS = {"landings": 30_000, "hazard": 31_000, "late": 32_000, "network": 97_000}
COUNTS = {"landings": 20, "hazard": 20, "late": 8, "network": 13}
STARVED = "starved"
_writing = threading.Lock()


def model_of(folder: Path) -> Path:
    """The network that knows the colours of the classes."""
    path = folder / "nearest-colour.onnx"
    if not path.exists():
        taxonomy = Taxonomy.load("synthetic")
        onnx.save(build(taxonomy, width_px=WIDTH_PX, height_px=HEIGHT_PX), str(path))
    return path


def world_of(folder: Path, seed: int) -> Path:
    """A procedural world in which nobody moves until somebody is sent."""
    path = folder / "worlds" / str(seed)
    if not (path / "world.json").exists():
        save_world(replace(procedural(seed), actors=()), path)
    return path


def plan_over_colours(
    out: Path, autopilot: str, series: str, seed: int, height_m: float, wind_mps: float, from_deg: float
) -> FlightPlan:
    """Plan of a landing over a seed's world with the network that knows colours; wind comes from a direction."""
    return FlightPlan(
        model=model_of(out),
        out=out / autopilot / series / str(seed),
        autopilot=autopilot,
        world=str(world_of(out, seed)),
        seed=seed,
        height_m=round(height_m, 1),
        wind=(round(wind_mps, 1), round(from_deg)),
        gust_mps=round(GUST_SHARE * wind_mps, 2) if autopilot != "px4" else 0.0,  # PX4's wind is steady
        attitude_noise_deg=ATTITUDE_NOISE_DEG,
        camera_latency_s=LATENCY_S,
        painted=True,
        effects={},
        width_px=WIDTH_PX,
        height_px=HEIGHT_PX,
        timeout_s=260.0,
    )


def windy(autopilot: str) -> bool:
    """Return True where the simulator has wind; PX4's own has it from 1.18 on."""
    return autopilot != "px4" or has_wind(find_simulator("px4"))


def plan_of(autopilot: str, series: str, seed: int, out: Path) -> FlightPlan:
    """A flight of a series; everything follows from the seed."""
    rng = random.Random(seed)
    wind_mps = rng.uniform(0.0, MOST_WIND_MPS) if windy(autopilot) else 0.0
    from_deg, height_m = rng.uniform(0.0, 360.0), rng.uniform(20.0, 40.0)
    plan = plan_over_colours(out, autopilot, series, seed, height_m, wind_mps, from_deg)
    if series == "landings":
        return plan
    if series == "network":
        return replace(
            plan,
            model=ROOT / "models" / "synthetic-unet.onnx",
            world="scenes",
            authority="guard",
            painted=False,
            effects=CAMERA_EFFECTS,
            width_px=640,
            height_px=480,
            fps=NETWORK_FPS,
            threads=2,
            timeout_s=None,
            settings={"model": {"runtime": "openvino"}, **(BUSY if autopilot == "px4" else {})},
        )
    arrives_m, walk_m = rng.uniform(*ARRIVAL_M), rng.uniform(6.0, 12.0)
    sets_out_m = min(10.0, arrives_m + walk_m / WALK_MPS * DESCENT_MPS)
    if series == "late":
        sets_out_m, arrives_m = rng.uniform(*LATE_FROM_M), rng.uniform(*LATE_ARRIVAL_M)
        walk_m = (sets_out_m - arrives_m) / DESCENT_MPS * WALK_MPS
    intruder = PlannedFault(
        Fault.INTRUDER,
        round(sets_out_m, 2),
        walk_m=round(walk_m, 1),
        from_deg=round(rng.uniform(0.0, 360.0)),
        for_s=None if rng.random() < 0.5 else 20.0,
    )
    height_m = min(20.0, plan.height_m - 5.0)
    return replace(plan, authority="guard", faults=(intruder,), height_m=height_m)


def decisions_hz(folder: Path) -> float | None:
    """How often the daemon decided, from its first to its last; None when it never did."""
    tail = DaemonEvents(folder / "events.jsonl")
    tail.read()
    ready, stop = tail.last("ready"), tail.last("stop")
    if ready is None or stop is None:
        return None
    seconds = (stop["mono_ns"] - ready["mono_ns"]) * 1e-9
    return round(stop["decisions"] / max(seconds, 1e-3), 2)


def row_of(plan: FlightPlan, result: FlightResult, wall_s: float) -> dict[str, Any]:
    """What is kept of a flight."""
    states = [t["to_state"] for t in result.transitions]
    sent = result.daemon.get("timings_ms", {}).get("frame_to_send", {})
    return {
        "seed": plan.seed,
        "verdict": result.verdict,
        "reason": result.reason,
        "version": result.version,
        "commit": describe()["commit"],
        "height_m": plan.height_m,
        "wind": plan.wind,
        "gust_mps": plan.gust_mps,
        "miss_m": result.miss_m,
        "miss_estimated_m": result.miss_estimated_m,
        "person_m": result.person_m,
        "clearance_m": result.truth and result.truth.clearance_m,
        "ground": None if result.truth is None else list(result.truth.classes),
        "seconds": result.seconds,
        "manual_takeovers": result.manual_takeovers,
        "sites": len(result.sites),
        "holds": states.count("hold"),
        "happened": result.happened,
        "decisions_hz": decisions_hz(plan.out),
        "frame_to_send_p95_ms": sent.get("p95_ms"),
        "wall_s": round(wall_s, 1),
    }


def fly_for_result(plan: FlightPlan) -> tuple[dict[str, Any], FlightResult]:
    """Fly once, and return its row with the result; a failure of a process is a row too."""
    begun_s = time.monotonic()
    try:
        result = fly_one(plan)
    except TouchdownError as error:
        result = FlightResult(plan.world, plan.seed, "failed", reason=str(error))
    row = row_of(plan, result, time.monotonic() - begun_s)
    slow = result.too_slow or any(change["reason"].startswith("too slow") for change in result.transitions)
    starved = slow or (row["decisions_hz"] or 0.0) < STARVED_SHARE * plan.fps
    if starved and row["verdict"] not in ("failed", *BAD):
        row["verdict"] = STARVED
    return row, result


def fly(plan: FlightPlan) -> dict[str, Any]:
    """Fly once, and return its row."""
    return fly_for_result(plan)[0]


def summary(flown: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of a series; starved flights aside, and how flights ended that were flown again."""
    rows = [row for row in flown if row["verdict"] != STARVED]

    def figures(key: str) -> dict[str, float] | None:
        values = [row[key] for row in rows if row[key] is not None]
        if not values:
            return None
        return {
            "n": len(values),
            "mean": round(statistics.mean(values), 3),
            "median": round(statistics.median(values), 3),
            "max": max(values),
            "min": min(values),
        }

    verdicts = [row["verdict"] for row in rows]
    near = [row["seed"] for row in rows if row["person_m"] is not None and row["person_m"] < 2.0]
    return {
        "flights": len(rows),
        "starved": len(flown) - len(rows),
        "flown_again": sorted(end for row in flown for end in row.get("before", [])),
        "verdicts": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "miss_m": figures("miss_m"),
        "miss_estimated_m": figures("miss_estimated_m"),
        "person_m": figures("person_m"),
        "touchdown_within_2_m_of_a_person": near,
        "seconds": figures("seconds"),
        "manual_takeovers": sum(row["manual_takeovers"] for row in rows),
    }


def load(path: Path) -> dict[str, Any]:
    """What was written before."""
    if not path.exists():
        return {"series": {}}
    return dict(json.loads(path.read_text("utf-8")))


def store(path: Path, series: str, row: dict[str, Any]) -> None:
    """Adds a flight, and writes the whole file anew; of an earlier one of its seed the end is kept."""
    with _writing:
        document = load(path)
        rows = document["series"].get(series, {}).get("flights", [])
        earlier = [r for r in rows if r["seed"] == row["seed"]]
        row = {**row, "before": [end for r in earlier for end in (*r.get("before", []), r["verdict"])]}
        rows = sorted([r for r in rows if r["seed"] != row["seed"]] + [row], key=lambda r: r["seed"])
        document["conditions"] = {
            "attitude_noise_deg": ATTITUDE_NOISE_DEG,
            "camera_latency_s": LATENCY_S,
            "gust_sd_share_of_wind": GUST_SHARE,
            "full_wind_from_m": WIND_FULL_HEIGHT_M,
            "camera": f"painted, {WIDTH_PX}x{HEIGHT_PX} at 10 Hz, 80 deg; of `network` 640x480 at {NETWORK_FPS:g} Hz",
        }
        document["series"][series] = {"machine": describe(), "summary": summary(rows), "flights": rows}
        save(document, path)


@benchmark
@click.argument("autopilot", type=click.Choice(("stand-in", "ardupilot", "px4")))
@click.argument("series", type=click.Choice(tuple(SEEDS)))
@click.option("--count", type=int, help="Flights of the series.")
@click.option("--jobs", default=1, show_default=True, help="Flights at a time.")
@click.option("--limit-s", default=1e9, help="Begin none after so long.")
@click.option("--again", is_flag=True, help="Fly also what was flown.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "out" / "sitl-landings")
@click.option("--add-to", type=click.Path(path_type=Path), help="results/sitl-AUTOPILOT.json, or sitl-network.json.")
def main(
    autopilot: str,
    series: str,
    count: int | None,
    jobs: int,
    limit_s: float,
    again: bool,
    out: Path,
    add_to: Path | None,
) -> Figures:
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    kind, name = (series, autopilot) if series != "network" else (autopilot, series)
    path = add_to or RESULTS / f"sitl-{name}.json"
    first = SEEDS[series]
    known = load(path)["series"].get(kind, {}).get("flights", [])
    done = set() if again else {r["seed"] for r in known if r["verdict"] not in ("failed", STARVED)}
    seeds = [seed for seed in range(first, first + (count or COUNTS[series])) if seed not in done]
    out.mkdir(parents=True, exist_ok=True)
    begun_s = time.monotonic()

    def one(seed: int) -> None:
        if time.monotonic() - begun_s > limit_s:
            return
        row = fly(plan_of(autopilot, series, seed, out))
        store(path, kind, row)
        click.echo(json.dumps({k: v for k, v in row.items() if k not in ("happened", "commit")}))

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, seeds))
    return {"series": {kind: load(path)["series"].get(kind, {})}}
