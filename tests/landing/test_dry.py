"""Ground that was seen dry from higher up, and from near looks like water."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from landing.decider import Decider
from landing.estimator import EstimatorFrame, FrameShift
from landing.ground import dry
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite
from landing.types import Segmentation
from tests.landing.worlds import CAMERA, GRASS, TAXONOMY, WATER, pose_at, seen

S = 1_000_000_000
HIGH_M, NEAR_M = 14.0, 4.0
STEP_NS = 200_000_000


def grass(north_m, east_m):
    return np.full(north_m.shape, GRASS)


def pond(north_m, east_m):
    return np.where(np.hypot(north_m, east_m) < 40.0, WATER, GRASS)


def shore(north_m, east_m):
    return np.where(north_m < 0.0, WATER, GRASS)


def doubtful(segmentation: Segmentation, water: float) -> Segmentation:
    """A network that finds so much water, 0 to 1, in all that is landable."""
    hazards = segmentation.hazards.copy()
    hazards[dry.WATER] = np.maximum(hazards[dry.WATER], round(255 * water))
    return replace(segmentation, landable=(segmentation.landable * (1.0 - water)).astype(np.uint8), hazards=hazards)


class Flight:
    """A decider above ground of `labels_at`, which calls it wet in part from near, or from everywhere."""

    def __init__(self, labels_at=grass) -> None:
        self.decider = Decider(DecisionSettings(), TAXONOMY, CAMERA)
        self.labels_at, self.at_ns, self.frame = labels_at, 0, EstimatorFrame()

    def hover(self, height_m, seconds, water=0.0, north_m=0.0):
        decision = None
        for _ in range(round(seconds * S / STEP_NS)):
            self.at_ns += STEP_NS
            pose = replace(pose_at(north=north_m, height=height_m, at_ns=self.at_ns), frame=self.frame)
            segmentation = doubtful(seen(self.labels_at, pose, at_ns=self.at_ns), water)
            decision = self.decider.observe(segmentation, pose, self.at_ns)
        return decision.selection


def test_ground_that_was_dry_from_above_stays_good_where_it_looks_wet_from_near():
    flight = Flight()
    assert isinstance(flight.hover(HIGH_M, 4.0), LandingSite)
    flight.hover(7.0, 2.0)
    site = flight.hover(NEAR_M, 8.0, water=0.6)
    assert isinstance(site, LandingSite) and site.clearance_m > 1.5


@pytest.mark.parametrize("high_m", [NEAR_M, dry.FROM_M - 1.0, dry.UP_TO_M + 1.0])
def test_without_a_look_from_the_measured_heights_wet_is_wet(high_m):
    flight = Flight()
    flight.hover(high_m, 4.0)
    assert isinstance(flight.hover(NEAR_M, 12.0, water=0.6), NoSite)


@pytest.mark.parametrize("water", [0.1, 0.5, 1.0])
def test_what_was_not_surely_dry_from_above_is_judged_as_it_looks_from_near(water):
    flight = Flight()
    flight.hover(HIGH_M, 4.0, water=water)
    assert isinstance(flight.hover(NEAR_M, 10.0, water=0.6), NoSite)


def test_a_pond_that_looks_like_lawn_from_far_and_doubtful_from_above_is_a_pond_from_near():
    """As drawn algae do."""
    flight = Flight()
    flight.hover(40.0, 6.0)
    flight.hover(HIGH_M, 4.0, water=0.06)
    assert isinstance(flight.hover(NEAR_M, 12.0, water=0.6), NoSite)


def test_the_last_looks_from_above_count():
    flight = Flight()
    flight.hover(HIGH_M, 4.0)
    flight.hover(HIGH_M, 1.0, water=0.5)  # a flood comes
    assert isinstance(flight.hover(NEAR_M, 10.0, water=0.6), NoSite)


def test_one_look_from_above_that_calls_it_wet_changes_nothing():
    flight = Flight()
    flight.hover(HIGH_M, 4.0)
    flight.hover(HIGH_M, STEP_NS / S, water=0.5)
    assert isinstance(flight.hover(NEAR_M, 8.0, water=0.6), LandingSite)


def test_single_cells_that_waver_leave_no_holes():
    """As the demo network's answers do from 36 to 12 m above a lawn at dusk, on ArduCopter's simulator."""
    flight = Flight()
    rng = np.random.default_rng(3)
    for _ in range(20):
        flight.at_ns += STEP_NS
        pose = pose_at(height=HIGH_M, at_ns=flight.at_ns)
        segmentation = seen(grass, pose, at_ns=flight.at_ns)
        hazards = segmentation.hazards.copy()
        hazards[dry.WATER][rng.random(segmentation.shape) < 0.05] = 40
        flight.decider.observe(replace(segmentation, hazards=hazards), pose, flight.at_ns)
    site = flight.hover(NEAR_M, 8.0, water=0.6)
    assert isinstance(site, LandingSite) and site.clearance_m > 1.5


def test_one_look_is_not_enough():
    flight = Flight()
    flight.hover(HIGH_M, STEP_NS / S)
    assert isinstance(flight.hover(NEAR_M, 10.0, water=0.6), NoSite)


@pytest.mark.parametrize(("seconds", "dry_yet"), [(30.0, True), (260.0, False)])
def test_what_was_seen_long_ago_does_not_count(seconds, dry_yet):
    flight = Flight()
    flight.hover(HIGH_M, 4.0)
    flight.hover(NEAR_M, seconds)
    assert isinstance(flight.hover(NEAR_M, 12.0, water=0.6), LandingSite if dry_yet else NoSite)


def test_nothing_but_water_is_no_evidence_of_anything_else():
    flight = Flight()
    flight.hover(HIGH_M, 4.0)
    assert isinstance(flight.hover(NEAR_M, 14.0, water=1.0), NoSite)


def test_a_pond_is_a_pond_from_everywhere_and_a_shore_counts_as_wet_for_the_error_of_the_place():
    flight = Flight(pond)
    flight.hover(HIGH_M, 4.0)
    assert isinstance(flight.hover(NEAR_M, 4.0), NoSite)
    flight = Flight(shore)
    flight.hover(HIGH_M, 4.0, north_m=2.0)
    flight.labels_at = pond  # all that is in the picture, as if the place were wrong
    flight.hover(NEAR_M, 10.0, north_m=0.0)
    view = flight.decider.last_view
    for north_m in (0.3, dry.PLACE_ERROR_M - 0.3):
        assert view.hazards[TAXONOMY.classes[WATER].role][view.cell_of(north_m, 0.0)]


def test_other_hazards_on_dry_ground_count():
    flight = Flight()
    flight.hover(HIGH_M, 4.0)
    roof = next(c.id for c in TAXONOMY.classes if c.name == "roof")
    flight.labels_at = lambda north_m, east_m: np.full(north_m.shape, roof)
    assert isinstance(flight.hover(NEAR_M, 10.0), NoSite)


@pytest.mark.parametrize("known", [True, False])
def test_it_follows_a_known_step_of_the_local_frame_and_ends_with_an_unknown_one(known):
    flight = Flight()
    flight.hover(HIGH_M, 4.0)
    step = FrameShift(0.0, (16.0, 0.0, 0.0))
    flight.frame = EstimatorFrame(0, step) if known else EstimatorFrame(1)
    selection = flight.hover(NEAR_M, 10.0, water=0.6, north_m=16.0)
    assert isinstance(selection, LandingSite if known else NoSite)


def test_a_state_goes_on_to_the_last_digit_and_an_older_one_begins_dry_of_nothing():
    flight = Flight()
    flight.hover(HIGH_M, 4.0)
    state = copy.deepcopy(flight.decider.state_dict())
    other = Flight()
    other.decider.load_state_dict(state)
    other.at_ns = flight.at_ns
    assert flight.hover(NEAR_M, 3.0, water=0.6) == other.hover(NEAR_M, 3.0, water=0.6)
    older = Flight()
    later = {"map.dry", "map.aged_ns"}
    older.decider.load_state_dict({name: part for name, part in state.items() if name not in later})
    older.at_ns = flight.at_ns
    assert isinstance(older.hover(NEAR_M, 10.0, water=0.6), NoSite)
