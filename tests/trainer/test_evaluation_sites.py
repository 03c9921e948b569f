"""Sites on single pictures and the operating point, against what flies and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landing.decider import Decider
from landing.decision_groups import Evidence
from landing.operating import SETTING_OF
from landing.settings import DecisionSettings
from landing.site import LandingSite
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import Segmentation
from trainer.data.samples import IGNORE
from trainer.evaluation.pixel_counts import LEAST_LANDABLE, PixelCounts, threshold_of
from trainer.evaluation.sites import SiteCount, SiteEvaluator, SiteOutcome, decide, rate
from trainer.evaluation.thresholds import Targets, choose, false_safe_shares, hazard_threshold, landable_candidates
from trainer.evaluation.view import AssumedView, assumed_view

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
    from landing.merge import segmentation_from_labels

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


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.99))
@settings(max_examples=40, deadline=None)
def test_hazard_thresholds_are_the_largest_that_find_enough(seed, target):
    tally = tally_of(seed)
    for role in HAZARD_ROLES:
        threshold, recall = hazard_threshold(tally, role, target)
        default = getattr(DecisionSettings(), f"{role.value}_probability")
        allowed = [threshold_of(b) for b in range(256) if 0.05 <= threshold_of(b) <= default]
        enough = [t for t in allowed if tally.recall(role, t) >= target]
        assert threshold == (max(enough) if enough else allowed[0])
        assert recall == pytest.approx(tally.recall(role, threshold))


def site_counts(plan):
    """Fakes sites: `plan(threshold)` gives (with_hazard, missed)."""

    def at(hazards, thresholds):
        counts = []
        for t in thresholds:
            bad, missed = plan(t)
            counts.append(SiteCount(t, 20, 20, 20 - missed, bad, bad, 0, missed, 0))
        return counts

    return at


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.3))
@settings(max_examples=30, deadline=None)
def test_the_landable_threshold_is_the_lowest_that_is_safe(seed, most):
    tally = tally_of(seed)
    rng = np.random.default_rng(seed)
    plan = {t: (int(rng.integers(0, 2)), int(rng.integers(0, 3))) for t in landable_candidates()}
    targets = Targets(false_safe=most)
    point = choose(tally, site_counts(lambda t: plan.get(t, (1, 0))), "val", targets)
    hazards = {role: point.of_role(role) for role in HAZARD_ROLES}
    share = false_safe_shares(tally, hazards)
    lowest = next(b for b in range(LEAST_LANDABLE, 257) if b == 249 or share[b] <= most)
    tried = [threshold_of(lowest)]
    tried += [t for t in landable_candidates() if t > tried[0]]
    ranked = sorted(tried, key=lambda t: (*plan.get(t, (1, 0)), t))
    assert point.landable == ranked[0] >= 0.5
    if share[249] > most:
        assert any("false-safe" in text for text in point.unmet)


def test_a_role_that_val_does_not_have_keeps_its_default_and_it_is_said():
    tally = tally_of(0, roles=(Role.OBSTACLE,))
    point = choose(tally, site_counts(lambda t: (0, 0)), "val")
    assert point.person == DecisionSettings().person_probability
    assert "person: no such pixel, the default is kept" in point.unmet
    assert "person_recall" not in point.measured


def test_what_cannot_be_met_is_said():
    tally = PixelCounts(SYNTHETIC)
    labels = np.full((8, 8), PERSON, np.uint8)
    planes = np.zeros((5, 8, 8), np.uint8)
    planes[0] = 255
    tally.add("a", "g", labels, labels, planes)
    point = choose(tally, site_counts(lambda t: (2, 20)), "val")
    text = " ".join(point.unmet)
    assert "person recall 0.000 of 0.95" in text
    assert "false-safe 1.000" in text and "no site at all" in text
    assert point.person < 0.06 and point.landable > 0.97


def test_views_are_assumed_or_given_and_say_which():
    drone = Taxonomy.load("semantic-drone")
    assert "assumed" in assumed_view(drone).describe()
    given_view = assumed_view(drone, 20.0, None)
    assert given_view.height_m == 20.0 and given_view.hfov_deg == assumed_view(drone).hfov_deg
    assert "height as given" in given_view.describe()
    assert "nothing is known" in assumed_view(SYNTHETIC).describe()


def test_counts_of_nothing():
    count = SiteCount.of(0.5, [SiteOutcome("a", None, False)])
    assert count.to_mapping()["false_safe"] is None and count.rightly_abstained == 1
