"""Sites on single pictures and the operating point, against what flies and brute force."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.decider import Decider
from landing.decision_groups import Evidence
from landing.model.operating import SETTING_OF
from landing.settings import DecisionSettings
from landing.site import LandingSite
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import Segmentation
from trainer.data.ground import GroundWidth
from trainer.data.samples import IGNORE, Sample
from trainer.evaluation.curves import by_person, by_width, hazards_found, held_classes
from trainer.evaluation.instances import LEAST_M2, Instance, found_by_size, found_share, instances_of
from trainer.evaluation.pixel_counts import LEAST_LANDABLE, PixelCounts, threshold_of
from trainer.evaluation.rates import rate
from trainer.evaluation.sites import SiteCount, SiteEvaluator, SiteOutcome, decide
from trainer.evaluation.thresholds import Targets, choose, false_safe_shares, hazard_threshold, landable_candidates
from trainer.evaluation.view import AssumedView, assumed_view, view_of

SYNTHETIC = Taxonomy.load("synthetic")
GRASS, ROOF, PERSON = (next(c.id for c in SYNTHETIC.classes if c.name == name) for name in ("grass", "roof", "person"))
VIEW = AssumedView(12.0, 75.0, "made up")
SHAPE = (48, 64)
HAZARDS = {Role.OBSTACLE: 0.35, Role.WATER: 0.3, Role.PERSON: 0.2, Role.VEHICLE: 0.25}


def blobs(seed: int, shape=SHAPE) -> Segmentation:
    """Smooth random maps: landable ground with some hazards in it."""
    import cv2

    rng = np.random.default_rng(seed)
    planes = []
    for k in range(5):
        small = rng.random((6, 8)).astype(np.float32) ** (0.5 if k == 0 else 5)
        planes.append(cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC))
    total = np.clip(np.stack(planes), 0, 1)
    total[1:] *= 0.5
    as_bytes = np.rint(total * 255).astype(np.uint8)
    return Segmentation(np.zeros(shape, np.uint8), as_bytes[0], as_bytes[1:])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_sites_are_those_of_the_decider(seed):
    segmentation = blobs(seed)
    camera = VIEW.camera(SHAPE[1], SHAPE[0])
    tried = [threshold_of(b) for b in (128, 150, 190, 230)]
    base = DecisionSettings().single_look()
    found = decide(segmentation, SYNTHETIC, camera, VIEW.pose, base, HAZARDS, tried)
    for threshold, candidate in zip(tried, found, strict=True):
        chosen = base.model_copy(
            update={SETTING_OF[r]: t for r, t in HAZARDS.items()} | {"landable_probability": threshold}
        )
        decision = Decider(chosen, SYNTHETIC, camera).observe(segmentation, VIEW.pose, 0)
        if candidate is None:
            assert not isinstance(decision.selection, LandingSite)
        else:
            assert isinstance(decision.selection, LandingSite)
            assert decision.selection.position_ned_m[:2] == (candidate.north_m, candidate.east_m)
            assert decision.selection.clearance_m == pytest.approx(candidate.clearance_m)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_discs_hold_what_brute_force_on_the_ground_finds(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(SYNTHETIC), (96, 128)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = IGNORE
    book = SiteEvaluator(SYNTHETIC, VIEW)
    book.add("a", blobs(seed), labels)
    (outcome,) = book.outcomes(HAZARDS, [0.5])[0]
    if outcome.disc is None:
        return
    camera = VIEW.camera(128, 96)
    u, v = np.meshgrid(np.arange(128), np.arange(96))
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(float)
    ground = camera.ground_from_pixel(pixels, VIEW.pose, 0.0)[:, :2]
    centre = camera.ground_from_pixel(np.array([[outcome.disc.u_px, outcome.disc.v_px]]), VIEW.pose, 0.0)[0, :2]
    away_m = np.hypot(*(ground - centre).T).reshape(labels.shape)
    inside = labels[away_m <= DecisionSettings().required_radius_m + 1e-9]
    roles = [SYNTHETIC.classes[i].role for i in inside if i != IGNORE]
    assert outcome.disc.disc_px == inside.size
    assert outcome.disc.hazard_px == sum(r in HAZARD_ROLES for r in roles)
    assert outcome.disc.not_landable_px == sum(r is not Role.LANDABLE for r in roles)


def perfect(labels) -> Segmentation:
    from landing.ground.merge import segmentation_from_labels

    return segmentation_from_labels(labels, SYNTHETIC)


def test_missed_and_rightly_abstained_and_hazards_not_seen():
    grass = np.full((96, 128), GRASS, np.uint8)
    crowd = grass.copy()
    crowd[::12, ::12] = PERSON
    crowd[1::12, ::12] = PERSON
    roof = np.full_like(grass, ROOF)
    book = SiteEvaluator(
        SYNTHETIC, AssumedView(12.0, 75.0, ""), DecisionSettings(evidence=Evidence(smallest_person_m=0.0))
    )
    book.add("seen", perfect(grass), grass)
    book.add("missed", perfect(roof), grass)
    book.add("rightly", perfect(crowd), crowd)
    book.add("blind", perfect(grass), crowd)
    (count,) = book.counts(HAZARDS, [0.5])
    assert (count.pictures, count.with_truth_site, count.sites) == (4, 2, 2)
    assert (count.missed, count.rightly_abstained) == (1, 1)
    assert (count.with_hazard, count.with_not_landable, count.where_truth_has_none) == (1, 1, 1)
    mapping = count.to_mapping()
    assert mapping["abstain"]["share"] == 0.5
    held = held_classes(SYNTHETIC, book.outcomes(HAZARDS, [0.5])[0])
    assert [(row["class"], row["role"], row["discs"], row["alone"]) for row in held] == [("person", "person", 1, 1)]
    assert hazards_found(book, HAZARDS)["person"]["ground"] == pytest.approx(0.5)
    widths = by_width(book, HAZARDS, 0.5)
    assert [row["width_m"] for row in widths] == sorted({round(book.view.across_m, 2), *book.view.tried_m()})
    assert any(row["width_m"] == round(book.view.across_m, 2) and row["sites"] == 2 for row in widths)
    blind = by_person(book, HAZARDS, 0.5)
    assert {row["people"]["instances"] for row in blind} == {0}  # two pixels of 14 cm are less than a person


def test_wilson_intervals():
    """Figures of the 1927 paper's formula, worked out apart (R's prop.test without correction)."""
    assert rate(0, 0) is None
    none = rate(0, 40)
    assert none["low"] == 0.0 and none["high"] == pytest.approx(0.0876, abs=1e-4)
    half = rate(5, 10)
    assert (half["low"], half["high"]) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert rate(7, 7)["high"] == 1.0


@given(st.integers(1, 200), st.data())
def test_intervals_hold_their_share(whole, data):
    part = data.draw(st.integers(0, whole))
    found = rate(part, whole)
    assert 0 <= found["low"] <= found["share"] <= found["high"] <= 1


def tally_of(seed: int, roles=HAZARD_ROLES) -> PixelCounts:
    rng = np.random.default_rng(seed)
    tally = PixelCounts(SYNTHETIC)
    ids = [i for role in (*roles, Role.LANDABLE) for i in SYNTHETIC.ids_of(role)]
    labels = rng.choice(ids, (40, 50)).astype(np.uint8)
    planes = (rng.beta(0.4, 1.2, (5, 40, 50)) * 255).astype(np.uint8)
    tally.add("a", "g", labels, labels, planes)
    return tally


def drawn_instances(seed: int, roles=HAZARD_ROLES) -> list[Instance]:
    rng = np.random.default_rng(seed)
    areas, seen = rng.gamma(1.0, 0.5, (len(roles), 40)), 255 * rng.beta(1.2, 2.0, (len(roles), 40))
    return [
        Instance("a", role, float(area), int(byte))
        for k, role in enumerate(roles)
        for area, byte in zip(areas[k], seen[k], strict=True)
    ]


def finds_enough(mine, threshold, least, wanted, lost):
    """Brute force: the ground under what is found, and the big ones lost of those that the least threshold finds."""
    found, at_least = ([i for i in mine if i.byte / 255 >= t] for t in (threshold, least))
    ground, least_ground, all_ground = (sum(i.area_m2 for i in part) for part in (found, at_least, mine))
    kept, big = (sum(i.area_m2 >= LEAST_M2 for i in part) for part in (found, at_least))
    return ground / all_ground >= min(wanted, least_ground / all_ground) - 1e-9 and big - kept <= lost * big + 1e-9


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.99), st.floats(0, 0.3))
@settings(max_examples=60, deadline=None)
def test_hazard_thresholds_are_the_largest_that_find_enough(seed, wanted, lost):
    instances = drawn_instances(seed)
    targets = Targets(person=wanted, vehicle=wanted, obstacle=wanted, water=wanted, lost_people=lost)
    for role in HAZARD_ROLES:
        default = getattr(DecisionSettings(), f"{role.value}_probability")
        allowed = [threshold_of(b) for b in range(256) if 0.05 <= threshold_of(b) <= default]
        mine = [i for i in instances if i.role is role]
        good = [t for t in allowed if finds_enough(mine, t, allowed[0], wanted, lost if role is Role.PERSON else 1.0)]
        assert hazard_threshold(instances, role, targets) == max(good)


def test_a_threshold_is_not_lowered_for_people_whom_none_finds():
    """One of three is never found: the least threshold would only block more ground."""
    people = [Instance("a", Role.PERSON, 0.5, byte) for byte in (0, 60, 200)]
    assert hazard_threshold(people, Role.PERSON, Targets()) == threshold_of(51)
    faint = [*people, Instance("a", Role.PERSON, 0.5, 30)]
    assert hazard_threshold(faint, Role.PERSON, Targets()) == threshold_of(30)


def grass_with(patches, shape=(96, 128)):
    """Labels of grass with squares of a class: (row, column, side, class)."""
    labels = np.full(shape, GRASS, np.uint8)
    for row, column, side, class_id in patches:
        labels[row : row + side, column : column + side] = class_id
    return labels


def test_instances_are_found_where_half_of_them_is_covered():
    labels = grass_with([(20, 20, 8, PERSON), (60, 90, 8, PERSON), (50, 30, 40, ROOF)])
    maps = perfect(labels)
    maps.hazards[HAZARD_ROLES.index(Role.PERSON)][60:68, 90:98] = 100
    maps.hazards[HAZARD_ROLES.index(Role.OBSTACLE)][:, 34:] = 0  # a tenth of the roof is left
    view = AssumedView(6.0, 75.0, "made up")
    found = instances_of("a", maps, labels, SYNTHETIC, view, DecisionSettings())
    by_role = {role: sorted(i.byte for i in found if i.role is role) for role in HAZARD_ROLES}
    assert by_role[Role.PERSON] == [100, 255] and by_role[Role.OBSTACLE] == [0] and not by_role[Role.WATER]
    side_m = view.across_m / 128
    assert [i.area_m2 for i in found if i.role is Role.PERSON] == pytest.approx([64 * side_m**2] * 2)
    sizes = found_by_size([i for i in found if i.role is Role.PERSON], 200)
    assert [(r["instances"], r["found"]) for r in sizes] == [(0, 0), (2, 1), (0, 0), (0, 0), (2, 1)]
    assert sizes[-1]["share"]["share"] == 0.5
    assert found_share([], 1) is None


def test_the_distance_of_people_is_from_the_rim_and_changes_with_the_assumed_width():
    labels = grass_with([(4, 4, 5, PERSON)])
    blind = perfect(np.full_like(labels, GRASS))
    book = SiteEvaluator(SYNTHETIC, VIEW)
    book.add("a", blind, labels)
    for width_m in (None, 30.0):
        (outcome,) = book.outcomes(HAZARDS, [0.5], width_m)[0]
        disc = outcome.disc
        m_per_px = (width_m or VIEW.across_m) / 128
        rows, columns = np.nonzero(labels == PERSON)
        nearest_px = np.hypot(rows - disc.v_px, columns - disc.u_px).min()
        assert disc.person_m == pytest.approx(nearest_px * m_per_px - 1.0)
        (count,) = book.counts(HAZARDS, [0.5], width_m)
        assert count.least_person_m == disc.person_m and count.near_person == (disc.person_m < 2.0)


class DrawnSites(SiteEvaluator):
    """Sites from a plan: (hazards, threshold, width) to (with_hazard, near_person, missed)."""

    def __init__(self, plan, instances=(), view=VIEW):
        super().__init__(SYNTHETIC, view)
        self.plan, self.drawn = plan, list(instances)

    def instances(self, width_m=None):
        return self.drawn

    def counts(self, hazards, landable, width_m=None):
        counts = []
        for t in landable:
            bad, near, missed = self.plan(hazards, t, width_m)
            counts.append(SiteCount(t, 20, 20, 20 - missed, bad, bad, 0, missed, 0, near, None))
        return counts


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.3))
@settings(max_examples=30, deadline=None)
def test_the_landable_threshold_is_the_lowest_that_is_safe(seed, most):
    tally = tally_of(seed)
    rng = np.random.default_rng(seed)
    plan = {t: (0, int(rng.integers(0, 3)), int(rng.integers(0, 2))) for t in landable_candidates()}
    targets = Targets(false_safe=most)
    book = DrawnSites(lambda hazards, t, width_m: plan.get(t, (0, 1, 0)))
    point = choose(tally, book, "val", targets)
    hazards = {role: point.of_role(role) for role in HAZARD_ROLES}
    share = false_safe_shares(tally, hazards)
    lowest = next(b for b in range(LEAST_LANDABLE, 257) if b == 249 or share[b] <= most)
    tried = [threshold_of(lowest)]
    tried += [t for t in landable_candidates() if t > tried[0]]
    ranked = sorted(tried, key=lambda t: (*plan.get(t, (0, 1, 0))[::-1], t))
    assert point.landable == ranked[0] >= 0.5
    if share[249] > most:
        assert any("false-safe" in text for text in point.unmet)


def test_sites_are_to_be_safe_at_every_width_that_may_be():
    view = replace(VIEW, span_m=(0.7 * VIEW.across_m, VIEW.across_m))
    narrow = min(view.possible_m())

    def plan(hazards, t, width_m):
        return (int(width_m == narrow and t < 0.895), 0, int(t > 0.7))

    point = choose(tally_of(1), DrawnSites(plan, view=view), "val", Targets(false_safe=1.0))
    assert point.landable > 0.895 and point.measured["hazards_at_all_widths"] == 0
    point = choose(tally_of(1), DrawnSites(plan), "val", Targets(false_safe=1.0))  # of a known width
    assert point.landable == 0.5


def test_hazards_in_discs_lower_thresholds_where_that_helps():
    seen = [Instance("a", role, 1.0, 250) for role in HAZARD_ROLES]

    def needs_a_low_vehicle_threshold(hazards, t, width_m):
        return (int(hazards[Role.VEHICLE] > 0.15), 0, int(hazards[Role.VEHICLE] > 0.2))

    point = choose(tally_of(1), DrawnSites(needs_a_low_vehicle_threshold, seen), "val")
    assert 0.1 < point.vehicle <= 0.15 and point.person == pytest.approx(0.2, abs=0.003)
    hopeless = choose(tally_of(1), DrawnSites(lambda hazards, t, width_m: (1, 0, 0), seen), "val")
    assert hopeless.vehicle == pytest.approx(0.25, abs=0.003)
    assert any("20 sites" in text and "hold a hazard" in text for text in hopeless.unmet)


def test_a_role_that_val_does_not_have_keeps_its_default_and_it_is_said():
    book = DrawnSites(lambda hazards, t, width_m: (0, 0, 0), drawn_instances(0, (Role.OBSTACLE,)))
    point = choose(tally_of(0, roles=(Role.OBSTACLE,)), book, "val")
    assert point.person == DecisionSettings().person_probability
    assert "person: none in the labels, the default is kept" in point.unmet
    assert "person_found" not in point.measured


def test_what_cannot_be_met_is_said():
    tally = PixelCounts(SYNTHETIC)
    labels = np.full((8, 8), PERSON, np.uint8)
    planes = np.zeros((5, 8, 8), np.uint8)
    planes[0] = 255
    tally.add("a", "g", labels, labels, planes)
    unseen = [Instance("a", Role.PERSON, 1.0, 0)]
    point = choose(tally, DrawnSites(lambda hazards, t, width_m: (0, 0, 20), unseen), "val")
    text = " ".join(point.unmet)
    assert "person: 0.000 of their ground found, 0.98 wanted" in text
    assert "false-safe 1.000" in text and "no site at all" in text
    assert point.landable > 0.97


def test_views_are_assumed_or_given_and_say_which():
    drone = Taxonomy.load("semantic-drone")
    assert "assumed" in assumed_view(drone).describe()
    given_view = assumed_view(drone, 20.0, None)
    assert given_view.height_m == 20.0 and given_view.hfov_deg == assumed_view(drone).hfov_deg
    assert "height as given" in given_view.describe()
    assert "nothing is known" in assumed_view(SYNTHETIC).describe()
    assert assumed_view(drone).across_m == pytest.approx(25.0)
    assert {12.0, 18.0, 24.0, 30.0} <= set(assumed_view(drone).tried_m())
    assert assumed_view(drone).possible_m()[0] == pytest.approx(25.0) and min(assumed_view(drone).possible_m()) == 15.0
    assert given_view.possible_m() == (given_view.across_m,)


class StatedSet:
    """Pictures that state their width, "near" and "far"."""

    def __init__(self, widths):
        self.widths = widths

    def ground_width(self, sample):
        return self.widths[sample.name]


def test_a_picture_that_states_its_width_is_seen_so():
    known = {"near": GroundWidth(5.0, 5.0, "stated"), "far": GroundWidth(50.0, 50.0, "stated")}
    samples = [Sample(name, name, Path(), Path()) for name in known]
    view = view_of(StatedSet(known), samples, SYNTHETIC)
    assert {name: round(view.of(name, 20.0).across_m, 6) for name in known} == {"near": 5.0, "far": 50.0}
    assert view.possible_m() == (view.across_m,)
    assert view_of(StatedSet(known), samples, SYNTHETIC, 10.0).of("near").height_m == 10.0
    some = {"near": known["near"], "far": GroundWidth(10.0, 40.0, "assumed")}
    view = view_of(StatedSet(some), samples, SYNTHETIC)
    assert view.of("near").across_m == pytest.approx(5.0)
    given_m = view_of(StatedSet(some), samples, SYNTHETIC, ground_width_m=(10.0, 40.0))
    assert given_m.across_m == pytest.approx(20.0) and given_m.span_m == (10.0, 40.0)


def test_a_field_of_view_alone_says_nothing_of_the_ground():
    """It took the place of what the set states, and of the range of widths that thresholds must be safe over."""
    known = {"near": GroundWidth(5.0, 5.0, "stated"), "far": GroundWidth(50.0, 50.0, "stated")}
    samples = [Sample(name, name, Path(), Path()) for name in known]
    view = view_of(StatedSet(known), samples, SYNTHETIC, hfov_deg=80.0)
    assert {name: round(view.of(name).across_m, 6) for name in known} == {"near": 5.0, "far": 50.0}
    drone = Taxonomy.load("semantic-drone")
    assumed, asked = assumed_view(drone), assumed_view(drone, None, 80.0)
    assert asked.hfov_deg == 80.0 and asked.across_m == pytest.approx(assumed.across_m)
    assert asked.possible_m() == pytest.approx(assumed.possible_m()) and "assumed" in asked.describe()
    assert "height and field of view as given" in assumed_view(drone, 20.0, 80.0).describe()


def test_counts_of_nothing():
    count = SiteCount.of(0.5, [SiteOutcome("a", None, False)])
    assert count.to_mapping()["false_safe"] is None and count.rightly_abstained == 1
