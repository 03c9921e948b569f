"""The confidence in a site on its way: resolved settings, records, events, the live page's numbers and metrics."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edge.blackbox.records import StepRecord, step_from, to_json
from edge.exact import exact
from edge.log import plain
from edge.resolved import resolve_decision
from edge.web.metrics import _of_decision
from edge.web.status import _site
from landing.decision import Decision
from landing.model.confidence import SiteConfidence
from landing.model.spec import ModelSpec
from landing.settings import DecisionSection
from landing.site import LandingSite
from landing.taxonomy import Taxonomy
from tests.edge import fake_model

CURVE = SiteConfidence.model_validate(
    {
        "steps": [{"score_from": 0.0, "sites": 90, "safe": 3}, {"score_from": 0.8, "sites": 212, "safe": 207}],
        "disc_m": 1.0,
        "disc_px": 9.0,
        "pictures": 40,
        "scenes": 12,
    }
)
SPEC = fake_model.spec_of(Taxonomy.load("synthetic")).model_copy(update={"site_confidence": CURVE})
SITE = LandingSite((1.0, 2.0, 0.0), 3.0, 4.0, 5, 6, CURVE.at(0.93))
BARE = replace(SITE, confidence=None)


def test_the_curve_flies_where_it_holds_and_else_the_reason_is_said() -> None:
    flies = resolve_decision(DecisionSection(), SPEC)
    assert flies.confidence == CURVE and flies.describe().endswith("confidence in sites: model")
    wide = resolve_decision(DecisionSection(vehicle_radius_m=1.5), SPEC)
    assert wide.confidence is None
    assert wide.describe().endswith("none, measured for discs of 1 m and 2 m are needed")
    without = resolve_decision(DecisionSection(), SPEC.model_copy(update={"site_confidence": None}))
    assert without.confidence is None and "the model says nothing of it" in without.describe()
    assert flies.as_dict()["confidence"] == json.loads(CURVE.model_dump_json())


def test_a_model_file_keeps_it() -> None:
    assert ModelSpec.from_json(SPEC.to_json(), "x").site_confidence == CURVE
    older = json.loads(SPEC.to_json())
    del older["site_confidence"]
    assert ModelSpec.from_json(json.dumps(older), "x").site_confidence is None


@pytest.mark.parametrize("site", [SITE, BARE])
def test_a_record_reads_back_to_the_same_site(site: LandingSite) -> None:
    record = StepRecord(1, 2, 3, None, None, None, Decision(site, 4, 3), 0.0, {})
    assert exact(step_from(to_json(record))) == exact(record)


def test_it_is_printed_with_its_count_or_not_at_all() -> None:
    told = _site(SITE, 10)
    assert told is not None and told["confidence"]["text"] == "safe in 97 % of 212 such sites"
    assert plain(SITE)["confidence"] == {"share": pytest.approx(208 / 214, abs=1e-6), "sites": 212, "score": 0.93}
    nothing = _site(BARE, 10)
    assert nothing is not None and nothing["confidence"] is None and plain(BARE)["confidence"] is None


def test_metrics_have_the_share_and_its_count_or_neither() -> None:
    class Status:
        decision = Decision(SITE, 4, 3)

    def names(status: Status) -> dict[str, float]:
        return {s.name: s.value for metric in _of_decision(status, 10) for s in metric.samples}  # type: ignore[arg-type]

    status = Status()
    assert names(status)["touchdown_site_safe_share"] == pytest.approx(208 / 214)
    assert names(status)["touchdown_site_safe_share_sites"] == 212
    status.decision = Decision(BARE, 4, 3)
    assert not [name for name in names(status) if "safe_share" in name]
