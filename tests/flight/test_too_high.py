"""Whole landings that begin above the range of the network, on the simulated clock."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from landing.model.spec import GroundRange
from landing.taxonomy import Taxonomy
from sim.flight.fly import fly_one
from tests.edge import fake_model
from tests.flight.test_simulated_clock import lawn, plan

__all__ = ["lawn"]

KNOWN = GroundRange(finest_mm=80.0, coarsest_mm=250.0, source="test")
"""With 160 pixels and a field of view of 80 degrees: 7.6 to 23.8 m."""

HIGHEST_M = 23.8


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "known.onnx"
    taxonomy = Taxonomy.load("synthetic")
    spec = fake_model.spec_of(taxonomy, 160, 120).model_copy(update={"ground_range": KNOWN})
    onnx.save(fake_model.build(taxonomy, spec, width_px=160, height_px=120), str(path))
    return path


def test_a_landing_from_above_the_range_goes_down_to_a_site(tmp_path: Path, model: Path, lawn: str) -> None:
    # The director would give up a landing that is without a site for 3 s; the way down takes longer, and is none.
    short = {"director": {"hold_timeout_s": 3.0}}
    result = fly_one(plan(model, tmp_path, lawn, height_m=34.0, authority="guard", settings=short))
    assert result.verdict == "landed-safe", result.reason
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    told = next(e for e in lines if e["event"] == "no-site" and e["reason"] == "too-high")
    assert told["descend_to_m"] == pytest.approx(HIGHEST_M, abs=0.3) and told["detail"].startswith("descend to 23 m")
    assert [e["to_state"] for e in lines if e["event"] == "transition"][:3] == ["hold", "descend", "commit"]
    found = next(number for number, e in enumerate(lines) if e["event"] == "site-chosen")
    assert found > lines.index(told)
    assert not {"climb", "approach", "search"} & {e["to_state"] for e in lines if e["event"] == "authority"}
    assert result.manual_takeovers == 0
