"""Landings put together by hand, judged by the truth of a drawn world."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.proving_ground import failures
from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy
from sim.campaign.intruder import SceneIntruder
from sim.campaign.reaction import ReactionWatch
from sim.campaign.scene import IntruderPlan, Scene, draw_scene
from sim.campaign.scene_ground import SceneGround, overgrown, site_verdict
from sim.campaign.score import score
from sim.campaign.summary import of_policy, words
from sim.campaign.trace import Flown
from sim.flight.plan import TrackPoint
from sim.world import Actor, World, parse_world_spec
from sim.world.oracle import OracleVerdict

TAXONOMY = Taxonomy.load("synthetic")
GRASS, ROOF = 1, 7
SETTINGS = DecisionSettings()


def world(*actors: Actor) -> World:
    """80 m of grass, a roof from 10 m east on."""
    labels = np.full((400, 400), GRASS, np.uint8)
    labels[:, 250:] = ROOF
    picture = np.zeros((400, 400, 3), np.uint8)
    return World("drawn", picture, labels, 0.2, TAXONOMY, (199.5, 199.5), actors)


def person(north_m: float, east_m: float) -> Actor:
    return Actor("person", ((north_m, east_m),))


def scene() -> Scene:
    return draw_scene(0, "train", 1, ("drawn",))


def landed(ground: World, at: tuple[float, float], site: tuple[float, float] | None = None) -> dict:  # type: ignore[type-arg]
    track = [TrackPoint(0.1 * k, at[0], at[1], 10.0 - 0.1 * k, "descend", site or at) for k in range(101)]
    flown = Flown("landed", "", 10.0, track)
    place = SceneGround(ground, (0.0, 0.0), OracleVerdict.SITE)
    return score(scene(), "touchdown", place, ground, flown, SETTINGS)


def test_clear_ground_is_safe() -> None:
    record = landed(world(), (0.0, 0.0))
    assert record["verdict"] == "landed-safe"
    assert record["touchdown"]["classes"] == ["grass"]
    assert record["touchdown"]["hazard_m"] == pytest.approx(10.0, abs=0.3)
    assert record["path_m"] == pytest.approx(10.0)


def test_one_cell_of_roof_within_the_radius_is_unsafe() -> None:
    record = landed(world(), (0.0, 9.7))
    assert record["verdict"] == "landed-unsafe"
    assert "roof" in record["reason"]
    assert 0.0 < record["touchdown"]["fraction_landable"] < 1.0


def test_the_radius_must_be_clear_and_no_more() -> None:
    assert landed(world(), (0.0, 9.2))["verdict"] == "landed-safe"


def test_a_bank_is_told_by_relief_alone_and_a_crop_or_a_person_on_it_by_looks() -> None:
    taxonomy = Taxonomy.load("scenes")
    labels = np.full((400, 400), GRASS, np.uint8)
    labels[:, 250:] = 14  # slope from 10 m east on, a crop from 20 m
    labels[:, 300:] = 13
    ground = World("bank", np.zeros((400, 400, 3), np.uint8), labels, 0.2, taxonomy, (199.5, 199.5))
    bank = landed(ground, (0.0, 9.7))
    assert bank["verdict"] == "landed-unsafe"
    assert (bank["touchdown"]["unsafe_on"], bank["touchdown"]["only_relief"]) == (["slope"], True)
    crop = landed(ground, (0.0, 20.0))["touchdown"]
    assert (crop["unsafe_on"], crop["only_relief"]) == (["crop", "slope"], False)
    somebody = landed(ground.with_actors(person(1.5, 12.0)), (0.0, 12.0))["touchdown"]
    assert (somebody["unsafe_on"], somebody["only_relief"]) == (["person", "slope"], False)
    assert landed(ground, (0.0, 0.0))["touchdown"]["only_relief"] is False


@pytest.mark.parametrize(("east_m", "verdict"), [(1.9, "landed-unsafe"), (2.6, "landed-safe")])
def test_a_person_within_two_metres_is_never_a_success(east_m: float, verdict: str) -> None:
    record = landed(world(person(0.0, -east_m)), (0.0, 0.0))
    assert record["verdict"] == verdict
    assert ("person" in record["reason"]) is (verdict == "landed-unsafe")


def test_least_distance_over_the_last_metres_is_of_those_metres_only() -> None:
    walker = Actor("person", ((0.0, -60.0), (0.0, 60.0)), 10.0, 1.0)  # right below at 5 s
    record = landed(world(walker), (0.0, 0.0))
    assert record["last"]["person_m"] < 1.0
    assert record["touchdown"]["person_m"] > 30.0
    earlier = Actor("person", ((0.0, -60.0), (0.0, 60.0)), 10.0, 3.5)  # at 2.5 s: 7.5 m high
    assert landed(world(earlier), (0.0, 0.0))["last"]["person_m"] > 10.0


def test_switches_and_miss_are_counted() -> None:
    sites = [None, (0.0, 0.0), (0.1, 0.0), None, (5.0, 0.0), (5.0, 0.4), (0.0, 0.0)]
    track = [TrackPoint(float(k), 0.0, 0.3, 1.0, "track", s) for k, s in enumerate(sites)]
    place = SceneGround(world(), (0.0, 0.0), OracleVerdict.SITE)
    flown = Flown("landed", "", 6.0, track)
    record = score(scene(), "touchdown", place, place.world, flown, SETTINGS)
    assert record["switches"] == 2
    assert record["touchdown"]["miss_m"] == pytest.approx(0.3)


def test_an_intruder_in_the_only_site_makes_it_marginal() -> None:
    labels = np.full((400, 400), ROOF, np.uint8)
    labels[170:230, 170:230] = GRASS  # 12 m across: one person in the middle leaves nothing
    picture = np.zeros((400, 400, 3), np.uint8)
    small = World("drawn", picture, labels, 0.2, TAXONOMY, (199.5, 199.5))
    assert site_verdict(small, (0.0, 0.0), scene(), SETTINGS) is OracleVerdict.SITE
    place = SceneGround(small, (0.0, 0.0), OracleVerdict.SITE)
    gone = Flown("no-site", "person", 1.0, [TrackPoint(0.0, 0.0, 0.0, 9.0, "hold", None)])
    alone = score(scene(), "touchdown", place, small, gone, SETTINGS)
    assert alone["site"] == "site"
    visited = score(scene(), "touchdown", place, small.with_actors(person(0, 0)), gone, SETTINGS)
    assert visited["site"] == "marginal"


def test_somebody_who_is_landed_on_takes_no_site_away() -> None:
    labels = np.full((400, 400), ROOF, np.uint8)
    labels[170:230, 170:230] = GRASS
    small = World("drawn", np.zeros((400, 400, 3), np.uint8), labels, 0.2, TAXONOMY, (199.5, 199.5))
    place, visited = SceneGround(small, (0.0, 0.0), OracleVerdict.SITE), small.with_actors(person(0, 0))
    down = [TrackPoint(0.1 * k, 0.0, 0.0, 5.0 - 0.1 * k, "descend", (0.0, 0.0)) for k in range(51)]
    landed_on = score(scene(), "touchdown", place, visited, Flown("landed", "", 5.0, down), SETTINGS)
    grazed = score(
        scene(), "touchdown", place, visited, Flown("no-site", "", 5.0, [*down[:45], *down[44::-1]]), SETTINGS
    )
    assert (landed_on["verdict"], landed_on["site"]) == ("landed-unsafe", "site")
    assert (grazed["verdict"], grazed["site"], grazed["met"]) == ("struck", "site", "met a person at 1.7 m")
    success = of_policy([landed_on, grazed])["shares"]["success"]
    assert (success["count"], success["of"]) == (0, 2)


def test_an_overgrown_world_has_no_site() -> None:
    rng = np.random.default_rng(1)
    assert site_verdict(overgrown(world(), rng), (0.0, 0.0), scene(), SETTINGS) is OracleVerdict.NONE


def test_reaction_is_from_the_entry_by_the_truth_to_the_target_gone() -> None:
    walker = Actor("person", ((20.0, 0.0), (-40.0, 0.0)), 2.0)
    ground = world(walker)
    watch = ReactionWatch(TAXONOMY, 0.5)
    # 4.5 m off its outline, half of 0.35 m: entered at (20 - 4.675) / 2 = 7.66 s.
    for k in range(200):
        t_s = 0.05 * k
        watch.step(t_s, (0.0, 0.0) if t_s < 7.95 else None, 6.0, ground)
    watch.end()
    (reaction,) = watch.reactions
    assert reaction["entered_s"] == pytest.approx(7.7, abs=0.051)
    assert reaction["reaction_s"] == pytest.approx(0.3, abs=0.101)
    assert reaction["seen_reaction_s"] == reaction["reaction_s"]


def test_reaction_to_who_can_be_seen_begins_when_they_are_in_the_picture() -> None:
    walker = Actor("person", ((20.0, 0.0), (-40.0, 0.0)), 2.0)
    nearer_than_3_m = ReactionWatch(TAXONOMY, 0.5, lambda a: 5.0 if abs(a.north_m) < 3.0 else 0.0)
    too_small = ReactionWatch(TAXONOMY, 0.5, lambda _actor: 1.0)
    for k in range(200):
        t_s = 0.05 * k
        for watch in (nearer_than_3_m, too_small):
            watch.step(t_s, (0.0, 0.0) if t_s < 8.75 else None, 6.0, world(walker))
    (seen,), (unseen,) = nearer_than_3_m.reactions, too_small.reactions
    assert seen["seen_s"] == pytest.approx(8.5, abs=0.051)
    assert seen["seen_reaction_s"] == pytest.approx(0.25, abs=0.101)
    assert seen["seen_reaction_s"] < seen["reaction_s"]
    assert unseen["seen_s"] is None and unseen["seen_reaction_s"] is None
    assert unseen["reaction_s"] == seen["reaction_s"]


def test_leaving_before_the_entry_is_no_reaction_and_never_leaving_is_none() -> None:
    walker = Actor("person", ((20.0, 0.0), (-40.0, 0.0)), 2.0)
    early, never = ReactionWatch(TAXONOMY, 0.5), ReactionWatch(TAXONOMY, 0.5)
    for k in range(240):
        t_s = 0.05 * k
        early.step(t_s, (0.0, 0.0) if t_s < 7.0 else (0.0, -20.0), 6.0, world(walker))
        never.step(t_s, (0.0, 0.0), 6.0, world(walker))
    early.end()
    never.end()
    assert early.reactions == []
    assert [r["reaction_s"] for r in never.reactions] == [None]


def test_somebody_inside_when_the_site_is_chosen_does_not_count() -> None:
    watch = ReactionWatch(TAXONOMY, 0.5)
    for k in range(20):
        watch.step(0.05 * k, (0.0, 0.0), 6.0, world(person(1.0, 0.0)))
    watch.end()
    assert watch.reactions == []


def test_an_intruder_walks_to_the_site_once_the_vehicle_is_low_enough() -> None:
    intruder = SceneIntruder(IntruderPlan("person", 8.0, 90.0, 2.0, 10.0, 3.0), style=1)
    ground = world()
    assert intruder.step(1.0, (0.0, 0.0), 9.0, ground) is ground
    assert intruder.step(2.0, None, 5.0, ground) is ground
    visited = intruder.step(3.0, (2.0, 1.0), 7.9, ground)
    (walk,) = visited.actors
    at_site = walk.at(3.0 + 10.0 / 2.0 + 1.0)
    assert (at_site.north_m, at_site.east_m) == pytest.approx((2.0, 1.0), abs=1e-6)
    assert walk.at(3.0).east_m == pytest.approx(11.0)
    assert walk.at(13.0).east_m < -2.0  # it went on after its stay
    assert intruder.step(4.0, (9.0, 9.0), 2.0, visited) is visited


def test_a_campaigns_figures_on_counted_records() -> None:
    def record(site: str, verdict: str, person_m: float = 9.0, on: tuple[str, ...] = ()) -> dict:  # type: ignore[type-arg]
        down = {"person_m": person_m, "hazard_m": 5.0, "miss_m": 0.1}
        down |= {"unsafe_on": list(on), "only_relief": on == ("slope",)}
        is_down = verdict.startswith("landed")
        return {
            "site": site,
            "verdict": verdict,
            "touchdown": down if is_down else None,
            "met": "met a person at 1.2 m" if verdict == "struck" else "",
            "last": {"person_m": 9.0, "hazard_m": 4.0},
            "reactions": [
                {"reaction_s": 0.9, "seen_s": 3.0, "seen_reaction_s": 0.2},
                {"reaction_s": 0.4, "seen_s": None, "seen_reaction_s": None},
            ],
            "seconds": 60.0,
            "path_m": 70.0,
            "switches": 0,
            "truth_only": ["slope"],
            "manual_takeovers": 0,
        }

    records = [
        *[record("site", "landed-safe")] * 6,
        record("site", "landed-unsafe", 1.0, ("person",)),
        record("site", "timeout"),
        record("site", "struck"),
        *[record("site", "no-site")] * 2,
        record("marginal", "no-site"),
        record("none", "no-site"),
        record("none", "landed-safe"),
        record("none", "landed-unsafe", on=("slope",)),
    ]
    found = of_policy(records)
    counts = {name: (s["count"], s["of"]) for name, s in found["shares"].items()}
    assert counts["success"] == (6, 9)
    assert counts["landed_safe"] == (6, 11)
    assert counts["false_no_site"] == (2, 11)
    assert counts["landed_without_site"] == (2, 3)
    assert counts["landed_without_site_overall"] == (2, 15)
    assert counts["person_within_2m"] == (1, 9)
    assert counts["reaction_within_300ms"] == (15, 15)
    assert counts["struck"] == (1, 15)
    assert [counts[f"unsafe{part}"] for part in ("", "_by_looks", "_by_relief")] == [(3, 15), (2, 15), (1, 15)]
    assert found["unsafe_on"] == {"person": 1, "slope": 1}
    assert found["shares"]["unsafe_by_relief"]["high"] == pytest.approx(0.2982, abs=1e-4)
    assert (found["with_site"], found["marginal"], found["without_site"]) == (11, 1, 3)
    said = words("touchdown", found)
    assert "as looks can tell 2/15" in said and "as only relief can 1/15" in said and "something 1/15" in said
    assert "does not know slope" in said


@pytest.mark.parametrize("outcome", ["timeout", "battery-empty"])
def test_a_scenario_without_a_site_is_not_passed_by_running_out_of_time(outcome: str) -> None:
    spec = "adversarial:no-ground"
    of = draw_scene(0, "train", 1, (spec,))
    place = SceneGround(parse_world_spec(spec, 0), (0.0, 0.0), OracleVerdict.NONE)
    track = [TrackPoint(0.0, 0.0, 0.0, 30.0)]
    refused = score(of, "touchdown", place, place.world, Flown("no-site", "", 1.0, track), SETTINGS)
    assert refused["scenario"]["passed"]
    late = score(of, "touchdown", place, place.world, Flown(outcome, "", 1.0, track), SETTINGS)
    assert late["scenario"] == {"passed": False, "why": outcome}


def test_a_failure_of_the_proving_ground_is_listed_once() -> None:
    ends = [("site", "landed-safe"), ("site", "struck"), ("none", "landed-unsafe"), ("none", "landed-safe")]
    records = [
        {"scene": k, "site": site, "verdict": end, "touchdown": {} if end.startswith("landed") else None}
        for k, (site, end) in enumerate(ends)
    ]
    assert [r["scene"] for r in failures(records)] == [1, 2, 3]
