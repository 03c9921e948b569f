"""One landing under `guard` in separate processes, in real time: the ordinary `edge serve`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from landing.taxonomy import Taxonomy
from sim.flight.fly import fly_one
from sim.flight.plan import Fault, FlightPlan, PlannedFault
from sim.world import procedural, save_world
from tests.edge.fake_model import build

pytestmark = [pytest.mark.flight, pytest.mark.timeout(400)]
SLOW_MACHINE = {"max_decision_age_s": 2.0, "max_pose_age_s": 1.0}
"""Real time on a machine that other tests keep busy: the ages themselves are tested elsewhere."""

TAXONOMY = Taxonomy.load("synthetic")


def test_a_person_who_walks_in_is_not_landed_on(tmp_path: Path) -> None:
    model = tmp_path / "nearest-colour.onnx"
    onnx.save(build(TAXONOMY, width_px=256, height_px=192), str(model))
    meadow = procedural(5)
    grass = next(c.id for c in TAXONOMY.classes if c.name == "grass")
    labels = np.full_like(meadow.labels, grass)
    save_world(replace(meadow, labels=labels, actors=()), tmp_path / "world")
    plan = FlightPlan(
        model=model,
        out=tmp_path / "out",
        world=str(tmp_path / "world"),
        seed=5,
        authority="guard",
        painted=True,
        height_m=14.0,
        faults=(PlannedFault(Fault.INTRUDER, below_m=9.0),),
        settings={"director": SLOW_MACHINE, "camera": {"max_frame_age_ms": 1000.0}},
    )
    result = fly_one(plan)
    assert result.verdict == "landed-safe", result.reason
    assert result.person_m is not None and result.person_m > 2.0
    events = [json.loads(line) for line in (plan.out / "events.jsonl").read_text().splitlines()]
    commands = [e for e in events if e["event"] == "command"]
    assert commands[0]["command"] == "Hold" and "person at the site" in commands[0]["reason"]
    assert commands[-1]["command"] == "Land"
    answers = [e["kind"] for e in events if e["event"] == "command-answer"]
    assert answers == ["accepted"] * len(commands) == ["accepted"] * result.daemon["commands"]
