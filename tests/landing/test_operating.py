from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from landing.decider import Decider
from landing.errors import ModelError
from landing.ground.map import GroundMap
from landing.model.operating import describe, thresholds_in_force
from landing.model.spec import InputSpec, ModelSpec, OperatingPoint
from landing.settings import HAZARD_THRESHOLDS, LANDABLE_THRESHOLDS, DecisionSection, DecisionSettings, Strictness
from landing.site import LandingSite
from landing.taxonomy import HAZARD_ROLES, Role
from landing.types import Segmentation
from tests.landing.worlds import CAMERA, TAXONOMY, pose_at

S = 1_000_000_000


def point(**changes) -> OperatingPoint:
    values = {"landable": 0.7, "obstacle": 0.3, "water": 0.2, "person": 0.1, "vehicle": 0.15}
    return OperatingPoint(**{**values, **changes})


def test_a_model_without_one_changes_nothing():
    used, thresholds = thresholds_in_force(DecisionSection(), None)
    assert used == DecisionSettings()
    assert {t.source for t in thresholds} == {"default"}


def test_a_careful_model_is_followed_and_it_is_said():
    used, thresholds = thresholds_in_force(DecisionSection(margin_m=0.1), point())
    assert (used.frame_landable_probability, used.person_probability) == (0.7, 0.1)
    assert (used.obstacle_probability, used.water_probability) == (0.3, 0.2)
    assert used.margin_m == 0.1
    assert used.landable_probability == DecisionSettings().landable_probability
    assert {t.source for t in thresholds} == {"model"}
    assert "person 0.1 (model)" in describe(thresholds)


def test_a_reckless_model_is_not_followed():
    reckless = point(landable=0.1, obstacle=0.9, water=0.9, person=0.9, vehicle=0.9)
    used, thresholds = thresholds_in_force(DecisionSection(), reckless)
    assert used == DecisionSettings()
    assert "person 0.2 (default; the model asks for 0.9)" in describe(thresholds)
    assert "landable 0.5 (default; the model asks for 0.1)" in describe(thresholds)


def test_the_configuration_wins_either_way():
    config = DecisionSection.model_validate(
        {"person_probability": 0.4, "water_probability": 0.05, "frame_landable_probability": 0.5}
    )
    used, thresholds = thresholds_in_force(config, point())
    assert used.person_probability == 0.4 and used.water_probability == 0.05
    assert used.frame_landable_probability == 0.5
    assert used.vehicle_probability == 0.15
    by_role = {t.role: t for t in thresholds}
    assert by_role[Role.PERSON].source == "config" and by_role[Role.PERSON].asked == 0.1
    assert by_role[Role.VEHICLE].source == "model"


def test_a_default_written_into_the_configuration_still_wins():
    config = DecisionSection.model_validate({"person_probability": 0.2})
    assert thresholds_in_force(config, point(person=0.05))[0].person_probability == 0.2


@pytest.mark.parametrize("bad", [0.0, 0.02, 0.98, 1.0, float("nan")])
def test_thresholds_where_evidence_is_cut_off_are_refused(bad):
    with pytest.raises(ValidationError):
        point(person=bad)


@given(st.tuples(*(st.floats(0.021, 0.979) for _ in range(5))), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_no_model_makes_more_ground_free(values, seed):
    """Whatever a model file asks for, what is free with it was free without it."""
    asked = point(**dict(zip(("landable", *(r.value for r in HAZARD_ROLES)), values, strict=True)))
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (5, 24, 32)).astype(np.uint8)
    planes[1:] //= 3
    free = []
    for chosen in (DecisionSettings(), thresholds_in_force(DecisionSection(), asked)[0]):
        ground = GroundMap(chosen, TAXONOMY)
        for k in range(4):
            frame = Segmentation(np.zeros((24, 32), np.uint8), planes[0], planes[1:], k * S)
            ground.update(frame, CAMERA, pose_at(at_ns=k * S), 0.0)
        view = ground.view(3 * S)
        assert view is not None
        free.append(view.free)
    assert not (free[1] & ~free[0]).any()


@pytest.mark.parametrize(("byte", "landable"), [(160, False), (200, True)])
def test_a_frame_threshold_holds_however_long_one_hovers(byte, landable):
    """At 0.63 a frame is above one half, so without a model's threshold it adds up to a site."""
    shape = (60, 80)
    frame = Segmentation(np.zeros(shape, np.uint8), np.full(shape, byte, np.uint8), np.zeros((4, *shape), np.uint8))
    used, _ = thresholds_in_force(DecisionSection(), point(landable=0.7))
    for chosen, expected in ((DecisionSettings(), True), (used, landable)):
        decider = Decider(chosen, TAXONOMY, CAMERA)
        for k in range(80):
            at_ns = k * S // 10
            stamped = Segmentation(frame.class_id, frame.landable, frame.hazards, at_ns)
            decision = decider.observe(stamped, pose_at(at_ns=at_ns), at_ns)
        assert isinstance(decision.selection, LandingSite) is expected


def test_one_picture_must_show_both_probabilities_by_itself():
    strict = DecisionSettings(frame_landable_probability=0.9).single_look()
    assert strict.landable_probability == 0.9 and strict.frame_landable_probability == 0.5
    lax = DecisionSettings(frame_landable_probability=0.6).single_look()
    assert lax.landable_probability == 0.8


def spec() -> ModelSpec:
    source = InputSpec(width_px=64, height_px=64, mean_rgb=(0, 0, 0), std_rgb=(1, 1, 1))
    return ModelSpec(name="m", architecture="a", input=source, taxonomy=TAXONOMY)


def test_the_spec_carries_it_and_older_specs_are_read():
    carried = spec().model_copy(update={"operating": point(unmet=("water recall 0.8",))})
    assert ModelSpec.from_json(carried.to_json(), "x") == carried
    older = json.loads(spec().to_json())
    del older["operating"]
    assert ModelSpec.from_json(json.dumps(older), "x").operating is None
    older["operating"] = {"landable": 2.0}
    with pytest.raises(ModelError, match="operating"):
        ModelSpec.from_json(json.dumps(older), "x")


def test_each_step_of_strictness_makes_every_threshold_stricter_and_a_model_may_go_further():
    steps = [thresholds_in_force(DecisionSection(strictness=s), None)[0] for s in Strictness]
    assert steps[1] == DecisionSettings()
    for laxer, stricter in pairwise(steps):
        assert all(getattr(stricter, name) < getattr(laxer, name) for name in HAZARD_THRESHOLDS)
        assert all(getattr(stricter, name) >= getattr(laxer, name) for name in LANDABLE_THRESHOLDS)
        assert stricter.landable_probability > laxer.landable_probability
    for strictness in Strictness:
        level, _ = thresholds_in_force(DecisionSection(strictness=strictness), None)
        for person, landable in ((0.021, 0.95), (0.9, 0.51)):
            asked = point(person=person, landable=landable)
            used, _ = thresholds_in_force(DecisionSection(strictness=strictness), asked)
            assert used.person_probability == min(person, level.person_probability)
            assert used.frame_landable_probability == max(landable, level.frame_landable_probability)
        written = DecisionSection(strictness=strictness, person_probability=0.4)
        assert thresholds_in_force(written, None)[0].person_probability == 0.4
    assert "strictness strict)" in describe(thresholds_in_force(DecisionSection(strictness="strict"), None)[1])
