"""Relief in flight: landings on discs that look like lawn and are steep, hold something, or are flat.

    python -m benchmarks.relief_flights --scenes 30 --keep FILE --json FILE

Each place of the seeds to compare on gets banks and standing things (`sim.world.heights.banked`); in it one uneven and
one flat disc of `DISC_M` are drawn that look landable. The network is right, and calls the ground within `PATCH_M` of
the disc landable and nothing else: looks tell nothing of heights. A multicopter with the errors of a campaign's scene
is ordered to land there under `guard`, from `HEIGHT_M`, without relief and with each way to measure it. Judged is the
disc around the touchdown: steeper than 10 degrees, or with something taller than 0.4 m, is uneven. A flat disc is lost
when the vehicle did not land.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.runner import Figures, benchmark
from landing.ground.merge import segmentation_from_labels
from landing.taxonomy import Role
from landing.types import Segmentation
from sim.camera.sensor import CameraSensor
from sim.campaign.landing import Landing
from sim.campaign.perception_errors import load_error_model
from sim.campaign.policies import policy_named
from sim.campaign.ranges import stream
from sim.campaign.scene import Scene
from sim.campaign.sensors import SEEN_PX, LabelSensor, camera_effects, true_camera
from sim.campaign.task import Plan, settle
from sim.campaign.wilson import share
from sim.flight.sensor import MAP_PX, above_ground
from sim.world import World
from sim.world.heights import STEEP_DEG, TALL_STEP_M, disc_relief, flown
from sim.world.label_view import label_view
from sim.world.scenes import SEEDS, scene

STEP, NO_STEP = "parallax with the step", "parallax"
WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "without relief": ({"enabled": False}, "none"),
    "depth camera": ({"enabled": True, "aside_m": 0.0}, "camera"),
    STEP: ({"enabled": True, "aside_m": 1.5}, "none"),
    NO_STEP: ({"enabled": True, "aside_m": 0.0}, "none"),
}
"""Settings of relief and depth sensor; a flight with no step in it is the same where none is allowed."""

UNEVEN, FLAT = "uneven", "flat"
SEED, FPS, HEIGHT_M, HFOV_DEG = 1, 4.0, 7.0, (65.0, 95.0)
DISC_M, PATCH_M, ROOM_M = 1.0, 4.0, 10.0
"""Radius of a disc, of what looks landable around it, and of the place that must be within the world, m."""

FLAT_DEG, FLAT_STEP_M = 5.0, 0.15
GUARD = {"max_tries": 1, "max_total_s": 40.0}
"""Flights are short: guard gives up soon."""

TRIES = 4000


class PatchSensor(LabelSensor):
    """A network that is right by looks, and calls nothing landable but a patch.

    Args:
        seen: The world as the network labels it.
        rest: See `LabelSensor`.
    """

    def __init__(self, seen: World, *rest: Any) -> None:
        super().__init__(*rest)
        self._seen = seen

    def result(self) -> Segmentation:
        """Return the labels."""
        sample = self.newest()
        labels = label_view(self._seen, self._camera, above_ground(sample.pose), sample.t_s, MAP_PX)
        return replace(segmentation_from_labels(labels, self.taxonomy), captured_at_ns=sample.captured_at_ns)


def discs(world: World, number: int) -> dict[str, tuple[float, float]]:
    """An uneven and a flat disc that look landable, where the place has them."""
    rng = np.random.default_rng([number, 31])
    looks = replace(world, labels=world.looks if world.looks is not None else world.labels)
    found: dict[str, tuple[float, float]] = {}
    for _ in range(TRIES):
        north_m, east_m = (float(v) for v in rng.uniform(-30, 30, 2))
        if not looks.holds(north_m, east_m, ROOM_M):
            continue
        if not looks.landable_disc(north_m, east_m, DISC_M).all_landable:
            continue
        slope_deg, tall_m = disc_relief(world, north_m, east_m, DISC_M)
        if slope_deg > STEEP_DEG or tall_m > TALL_STEP_M:
            found.setdefault(UNEVEN, (north_m, east_m))
        elif slope_deg < FLAT_DEG and tall_m < FLAT_STEP_M:
            found.setdefault(FLAT, (north_m, east_m))
        if len(found) == 2:
            break
    return found


def patched(world: World, place: tuple[float, float]) -> World:
    """The world as looks tell it, with all beyond a patch not landable."""
    u, v, _ = world.pixel_from_ground @ [*place, 1.0]
    rows, columns = np.ogrid[: world.labels.shape[0], : world.labels.shape[1]]
    away_m = np.hypot(rows - v, columns - u) * world.gsd_m
    looks = world.labels if world.looks is None else world.looks
    other = next(c.id for c in world.taxonomy.classes if c.role is Role.OBSTACLE)
    far = (away_m > PATCH_M) & world.taxonomy.landable_lut[looks]
    return replace(world, labels=np.where(far, other, looks).astype(np.uint8), looks=None)


def drawn(number: int, way: str) -> tuple[Plan, Scene]:
    """The settings of a way, and the conditions of a place."""
    relief, depth = WAYS[way]
    plan = Plan(1, SEED, "val", ("scenes?heights=banks",), ("touchdown",), fps=FPS, depth=depth, authority=GUARD)
    plan = replace(plan, decision={"relief": relief}, nearer_m=HEIGHT_M)
    each = plan.scene(number)
    hfov_deg = float(np.clip(each.conditions.hfov_deg, *HFOV_DEG))
    return plan, replace(each, conditions=replace(each.conditions, height_m=HEIGHT_M, hfov_deg=hfov_deg))


def fly(number: int, world: World, place: tuple[float, float], way: str) -> dict[str, Any]:
    """Return how a landing ended."""
    plan, each = drawn(number, way)
    camera = true_camera(each.conditions, stream(each.key, "mount"))
    effects = camera_effects(each.conditions, int(stream(each.key, "noise").integers(1 << 30)))
    shutter = CameraSensor(camera.resized(*SEEN_PX), effects, ray_px=2) if plan.sees_relief else None
    model, rng = load_error_model(), stream(each.key, "eyes")
    sensor = PatchSensor(patched(world, place), world, camera, model, each.conditions, rng, shutter)
    landing = Landing(each, world, place, sensor, policy_named("touchdown"), plan.setup())
    result = landing.fly()
    words = [event.get("reason", "") for event in result.events if event["event"] in ("authority", "no-site")]
    facts: dict[str, Any] = {"outcome": result.outcome, "reason": result.reason, "seconds": round(result.seconds)}
    facts["stepped"] = any(word.startswith("steps ") for word in words)
    if result.outcome == "landed":
        down = result.track[-1]
        slope_deg, tall_m = disc_relief(world, down.north_m, down.east_m, DISC_M)
        facts.update(slope_deg=round(slope_deg, 1), tall_m=round(tall_m, 2))
    return facts


def is_uneven(flight: dict[str, Any]) -> bool:
    """True when the disc around a touchdown is uneven."""
    return flight["outcome"] == "landed" and (flight["slope_deg"] > STEEP_DEG or flight["tall_m"] > TALL_STEP_M)


def summary(uneven: list[dict[str, Any]], flat: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of a way."""
    return {
        "uneven discs": len(uneven),
        "landed on uneven ground": asdict(share(sum(map(is_uneven, uneven)), len(uneven))),
        "flat discs": len(flat),
        "flat lost": asdict(share(sum(f["outcome"] != "landed" for f in flat), len(flat))),
        "landed uneven from a flat disc": sum(map(is_uneven, flat)),
        "steps flown": sum(f["stepped"] for f in uneven + flat),
    }


@benchmark
@click.option("--scenes", default=30, show_default=True, help="Places to land at.")
@click.option("--first", default=0, show_default=True, help="Number of the first place.")
@click.option("--ways", default=",".join(WAYS), show_default=True, help="Ways to be flown.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="File of flights, a line each; those in it are not reflown."
)
def main(scenes: int, first: int, ways: str, keep: Path | None) -> Figures:
    """Flies all places in all ways."""
    settle()
    kept: dict[str, dict[str, Any]] = {}
    if keep is not None and keep.exists():
        kept = {line["flight"]: line for line in map(json.loads, keep.read_text("utf-8").splitlines())}
    flights: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number in range(first, first + scenes):
        seed = SEEDS["val"][number]
        world = flown(scene(seed), seed, "banks")
        for kind, place in discs(world, number).items():
            for way in ways.split(","):
                name = f"{way}, {kind}, {number}"
                if name not in kept:
                    with_step = kept.get(f"{STEP}, {kind}, {number}")
                    same = way == NO_STEP and with_step is not None and not with_step["stepped"]
                    facts = with_step if same and with_step is not None else fly(number, world, place, way)
                    kept[name] = {**facts, "flight": name}
                    if keep is not None:
                        with keep.open("a", encoding="utf-8") as stream_:
                            stream_.write(json.dumps(kept[name]) + "\n")
                flights.setdefault((way, kind), []).append(kept[name])
    counts = {way: summary(flights.get((way, UNEVEN), []), flights.get((way, FLAT), [])) for way in ways.split(",")}
    return {"scenes": scenes, "first": first, "seed": SEED, "split": "val", "frames/s": FPS, **counts}
