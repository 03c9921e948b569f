"""Score of a landing by the ground truth: one record, a line of a campaign's results."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, replace
from typing import Any

from landing.settings import DecisionSettings
from sim.campaign.photo_score import photograph_facts, story
from sim.campaign.scene import Scene
from sim.campaign.scene_ground import SceneGround, site_verdict
from sim.campaign.trace import Flown
from sim.flight.plan import PERSON_AWAY_M, TrackPoint
from sim.flight.touchdown_judge import STRUCK, UNSAFE, judge_touchdown, met, nearest_person_m
from sim.world import World
from sim.world.classes import RELIEF_ONLY
from sim.world.model import DiscTruth
from sim.world.oracle import OracleVerdict
from sim.world.spec import adversarial_scenario

LAST_M = 5.0
"""The least distances are taken over this last height."""

Record = dict[str, Any]


def score(
    scene: Scene, policy: str, place: SceneGround, world: World, flown: Flown, decision: DecisionSettings
) -> Record:
    """Judges a landing.

    Args:
        scene: Of the landing.
        policy: Name of the decision.
        place: Its ground.
        world: As it was at the end: with the intruder, if one came.
        flown: The landing.
        decision: For the vehicle's radius.

    Returns:
        Plain values. ``verdict``: that of `Flown.outcome`, a landing's ``landed-safe``, ``landed-unsafe`` or
        ``landed-unjudged`` (labels of a photograph do not tell), or ``struck``: somebody or something was met, and the
        vehicle did not land. ``met``: whom or what, in words. ``site``: the verdict on the ground, see
        `_site_at_the_end`. ``story``: how a landing over a photograph went. ``only_relief`` of a touchdown: unsafe on
        ground that only relief tells.
    """
    record: Record = {
        "scene": scene.number,
        "split": scene.split,
        "seed": scene.seed,
        "policy": policy,
        "world": world.name,
        "spec": scene.world,
        "world_seed": scene.world_seed,
        "start_ne_m": place.start_ne_m,
        "conditions": asdict(scene.conditions),
        "intruder": None if scene.intruder is None else asdict(scene.intruder),
        "intruded": len(world.actors) > len(place.world.actors),
        "verdict": flown.outcome,
        "reason": flown.reason,
        "seconds": flown.seconds,
        "path_m": _path_m(flown.track),
        "switches": _switches(flown.track),
        "manual_takeovers": flown.manual_takeovers,
        "frames": flown.frames,
        "decisions": flown.decisions,
        "targets": flown.targets,
        "reactions": flown.reactions,
        "truth_only": flown.truth_only,
        "end_height_m": flown.track[-1].height_m,
        "touchdown": None,
        "last": None,
        "met": "",
        "scenario": None,
        "refusal": flown.refusal,
        "emergency": flown.emergency,
        "mistake": flown.mistake,
        "photograph": photograph_facts(world, scene, flown.scale),
        "story": [] if world.photograph is None else story(flown),
    }
    if flown.outcome == "landed":
        _judge(record, world, flown, decision)
    _evaluate_scenario(scene, world, flown, record)
    _look_for_met(record, world, flown, decision)
    record["site"] = _site_at_the_end(record, scene, place, world, decision).value
    return dict(rounded(record))


def _look_for_met(record: Record, world: World, flown: Flown, decision: DecisionSettings) -> None:
    """Add whom or what the vehicle met on its way; then nothing else counts."""
    words = record["met"] = met(world, in_time(flown.track), decision.vehicle_radius_m)
    if not words:
        return
    record["verdict"], record["reason"] = UNSAFE if flown.outcome == "landed" else STRUCK, words
    if record["scenario"] is not None:
        record["scenario"] = {"passed": False, "why": words}


def in_time(track: list[TrackPoint]) -> list[TrackPoint]:
    """Return a track in the order of time: it ends with the touchdown, and what came until the motors stopped."""
    return sorted(track, key=lambda moment: moment.t_s)


def _site_at_the_end(
    record: Record, scene: Scene, place: SceneGround, world: World, decision: DecisionSettings
) -> OracleVerdict:
    """Return the verdict on the ground. Whoever stands in the only site takes it away: to land is luck.

    Not so for a flight that ended badly: nobody takes away a site by being landed on.
    """
    bad = record["verdict"] in (UNSAFE, STRUCK)
    if bad or not record["intruded"] or place.site is not OracleVerdict.SITE:
        return place.site
    after = site_verdict(world, place.start_ne_m, scene, decision)
    return OracleVerdict.SITE if after is OracleVerdict.SITE else OracleVerdict.MARGINAL


def _judge(record: Record, world: World, flown: Flown, decision: DecisionSettings) -> None:
    """Add the touchdown and its verdict."""
    down = flown.track[-1]
    radius_m = decision.vehicle_radius_m
    truth = world.landable_disc(down.north_m, down.east_m, radius_m, down.t_s)
    truth = replace(truth, person_m=min(truth.person_m, nearest_person_m(world, in_time(flown.track))))
    record["touchdown"] = touchdown = _touchdown(world, down, flown.track, truth)
    record["last"] = _last(world, flown.track)
    record["verdict"], record["reason"] = judge_touchdown(world, truth, touchdown["ne_m"], radius_m, down.t_s)


def _evaluate_scenario(scene: Scene, world: World, flown: Flown, record: Record) -> None:
    """Add the verdict of an adversarial scenario; one that was landed on and failed is unsafe.

    A flight that only ran out of time or battery has not refused.
    """
    scenario = adversarial_scenario(scene.world)
    if scenario is None:
        return
    end = flown.track[-1]
    where = (end.north_m, end.east_m) if flown.outcome == "landed" else None
    passed, why = scenario.evaluate(where, end.t_s, world)
    if flown.outcome not in ("landed", "no-site"):
        passed, why = False, flown.outcome
    record["scenario"] = {"passed": passed, "why": why}
    if where is not None and not passed:
        record["verdict"], record["reason"] = UNSAFE, why


def _touchdown(world: World, down: TrackPoint, track: list[TrackPoint], truth: DiscTruth) -> dict[str, Any]:
    site = next((m.target_ne_m for m in reversed(track) if m.target_ne_m is not None), None)
    unsafe_on = _unsafe_on(world, truth)
    miss_m = None if site is None else math.dist(site, (down.north_m, down.east_m))
    return {
        "t_s": down.t_s,
        "ne_m": (down.north_m, down.east_m),
        "all_landable": truth.all_landable,
        "fraction_landable": truth.fraction_landable,
        "classes": truth.classes,
        "clearance_m": truth.clearance_m,
        "hazard_m": truth.hazard_m,
        "person_m": truth.person_m,
        "miss_m": miss_m,
        "unsafe_on": unsafe_on,
        "only_relief": bool(unsafe_on) and RELIEF_ONLY.issuperset(unsafe_on),
    }


def _unsafe_on(world: World, truth: DiscTruth) -> list[str]:
    """Return what makes a touchdown unsafe: ``person``, and the classes that are not landable."""
    landable = {c.name for c in world.taxonomy.classes if world.taxonomy.landable_lut[c.id]}
    near = {"person"} if truth.person_m < PERSON_AWAY_M else set()
    return sorted(near | (set(truth.classes) - landable))


def _last(world: World, track: list[TrackPoint]) -> dict[str, float]:
    """Least distances along the ground while lower than `LAST_M`, to the touchdown."""
    final = []
    for moment in reversed(track):
        if moment.height_m > LAST_M:
            break
        final.append(moment)
    person_m = hazard_m = math.inf
    for moment in final[::2]:
        to_person, to_hazard = world.hazard_distances_m(moment.north_m, moment.east_m, moment.t_s)
        person_m, hazard_m = min(person_m, to_person), min(hazard_m, to_hazard)
    return {"person_m": person_m, "hazard_m": hazard_m}


def _path_m(track: list[TrackPoint]) -> float:
    return sum(
        math.dist((a.north_m, a.east_m, a.height_m), (b.north_m, b.east_m, b.height_m))
        for a, b in itertools.pairwise(track)
    )


def _switches(track: list[TrackPoint]) -> int:
    """Count moves of the target to another place, losses in between included."""
    sites = [m.target_ne_m for m in track if m.target_ne_m is not None]
    moved, last = 0, sites[0] if sites else None
    for site in sites:
        assert last is not None
        if math.dist(site, last) > 1.0:
            moved += 1
            last = site
    return moved


def rounded(value: Any) -> Any:
    """Plain values for JSON: floats to tenths of a millimetre, tuples as lists."""
    if isinstance(value, dict):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    number = float(value)
    return round(number, 4) if math.isfinite(number) else None
