"""A whole landing as its neighbours see it: every frame on the wire, judged by a stranger."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.blackbox.recording import Recording
from edge.blackbox.records import Topic
from sim.flight.fly import fly_one
from sim.flight.plan import FlightPlan
from tests.bridge.citizenship import complaints
from tests.flight.test_flight import colour_model, painted_world

__all__ = ["colour_model"]
pytestmark = [pytest.mark.flight, pytest.mark.timeout(400)]

RECORDER = {"ring_s": 600.0, "before_s": 600.0, "after_s": 60.0}
"""Keeps the whole flight, from the daemon's start to its end."""


def test_a_landings_capture_has_no_malformed_or_misaddressed_packet(tmp_path: Path, colour_model: Path) -> None:
    world = painted_world(5, tmp_path / "painted")
    plan = FlightPlan(
        model=colour_model, out=tmp_path / "out", world=str(world), seed=5, settings={"recorder": RECORDER}
    )
    result = fly_one(plan)
    assert result.verdict == "landed-safe", result.reason
    (kept,) = (tmp_path / "out" / "recordings" / "flights").iterdir()
    recorded = Recording(kept)
    sent = [(e.at_ns, e.data) for e in recorded.entries(Topic.SENT.value)]
    assert complaints(sent) == []
    targets = [raw for _, raw in sent if int.from_bytes(raw[7:10], "little") == 149]
    assert len(targets) == result.daemon["targets_sent"] > 50
    heard = [e.data for e in recorded.entries(Topic.RECEIVED.value)]
    assert len(heard) > 1000
    assert all(raw[0] in (0xFD, 0xFE) for raw in heard)
