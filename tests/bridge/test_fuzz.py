"""Whatever is on the wire: no crash, no growth, no target, no state that strangers moved.

A small part of `python -m benchmarks.fuzz_link`, which sends ten million bytes on each connection.
"""

from __future__ import annotations

import pytest

from firmware_bridge.dialect import mavlink
from firmware_bridge.frames import FrameReader
from tests.bridge.fuzz import AUTOPILOT, LISTENED_TO, Hostile, storm, strange_values
from tests.bridge.peers import PEERS


@pytest.mark.parametrize("kind", sorted(PEERS))
def test_storm_of_bytes(kind, tmp_path):
    outcome = storm(kind, 250_000, tmp_path, seed=11)
    assert outcome.failures == []
    assert outcome.frames_good > 500  # the storm does reach what is behind the checksum


@pytest.mark.parametrize("kind", ["udpin", "serial"])
@pytest.mark.parametrize("sender", [None, AUTOPILOT], ids=["strangers", "autopilot"])
def test_strange_values_between_an_autopilots_own(kind, sender, tmp_path):
    outcome = strange_values(kind, 2500, tmp_path, sender, seed=5)
    assert outcome.failures == []


def test_the_storm_is_what_it_says():
    """Every message that we listen to occurs, hostile values too, and other seeds differ."""
    hostile = Hostile(3)
    frames = FrameReader().feed(b"".join(hostile.message() for _ in range(6000)))
    names = {f.message.get_type() for f in frames}
    assert names >= LISTENED_TO & {k.msgname for k in mavlink.mavlink_map.values()}
    attitudes = [f.message for f in frames if f.message.get_type() == "ATTITUDE"]
    values = [v for m in attitudes for v in (m.roll, m.pitch, m.yaw)]
    assert any(v != v for v in values)
    assert any(v == float("inf") for v in values)
    assert Hostile(3).bytes(5000) == Hostile(3).bytes(5000) != Hostile(4).bytes(5000)
