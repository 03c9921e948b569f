"""A whole landing as its neighbours see it: every frame on the wire, judged by a stranger."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.pcap import read_pcap
from sim.flight.plan import FlightPlan
from sim.flight.runs import fly_one
from tests.bridge.citizenship import complaints
from tests.bridge.test_pcap import check_packets
from tests.flight.test_flight import colour_model, painted_world

__all__ = ["colour_model"]
pytestmark = [pytest.mark.flight, pytest.mark.timeout(400)]


def test_a_landings_capture_has_no_malformed_or_misaddressed_packet(tmp_path: Path, colour_model: Path) -> None:
    world = painted_world(5, tmp_path / "painted")
    plan = FlightPlan(
        model=colour_model, out=tmp_path / "out", world=str(world), seed=5, settings={"link": {"pcap": "landing.pcap"}}
    )
    result = fly_one(plan)
    assert result.verdict == "landed-safe", result.reason
    capture = tmp_path / "out" / "landing.pcap"
    check_packets(capture)
    frames = list(read_pcap(capture))
    sent = [(f.at_ns, f.raw) for f in frames if f.direction == "tx"]
    assert complaints(sent) == []
    targets = [raw for _, raw in sent if int.from_bytes(raw[7:10], "little") == 149]
    assert len(targets) == result.daemon["targets_sent"] > 50
    heard = [f for f in frames if f.direction == "rx"]
    assert len(heard) > 1000
    assert all(f.raw[0] in (0xFD, 0xFE) for f in heard)
