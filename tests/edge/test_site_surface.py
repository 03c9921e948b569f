"""The surface of a site on its way: records, events, texts to the pilot, the live page, pictures and the monitor."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge.blackbox import views
from edge.blackbox.records import StepRecord, step_from, to_json
from edge.blackbox.replay import _words
from edge.control import Control
from edge.exact import exact
from edge.log import EventLog, plain
from edge.resolved import resolve_decision
from edge.web.status import _site
from firmware_bridge.monitor_state import _site_words
from landing.decision import Decision
from landing.settings import DecisionSection, DirectorSettings
from landing.site import LandingSite
from landing.taxonomy import Surface, Taxonomy
from landing.types import Pose
from landing.vehicle import Autopilot, VehicleStatus
from tests.edge import fake_model
from tests.edge.test_slow_machine import Wire

S = 1_000_000_000
ROAD = Surface("road", 4, "traffic may come")
SITE = LandingSite((1.0, 2.0, 0.0), 3.0, 40.0, 0, 0, surface=ROAD)
BARE = replace(SITE, surface=None)


@pytest.mark.parametrize("site", [SITE, BARE])
def test_a_record_reads_back_to_the_same_site(site: LandingSite) -> None:
    record = StepRecord(1, 2, 3, None, None, None, Decision(site, 4, 3), 0.0, {})
    assert exact(step_from(to_json(record))) == exact(record)


def test_every_place_that_tells_a_site_tells_its_surface() -> None:
    told, bare = _site(SITE, 10), _site(BARE, 10)
    assert told is not None and told["surface"]["text"] == "road: traffic may come"
    assert bare is not None and bare["surface"] is None
    assert _words(SITE).endswith("40.0 m2, on road: traffic may come") and _words(BARE).endswith("40.0 m2")
    assert _site_words(plain(SITE)) == "1.0 N 2.0 E, 3.0 m clear, on road: traffic may come"
    assert _site_words(plain(BARE)) == "1.0 N 2.0 E, 3.0 m clear"
    assert _site_words({"surface": "hostile"}) == "nan N nan E, nan m clear"
    amber, green = (views.site_marks(site, 0).entities[0].cylinders[0].color for site in (SITE, BARE))
    assert (amber.r, green.r) == (1.0, 0.0)


def test_what_flies_says_in_which_order_ground_is_chosen() -> None:
    spec = fake_model.spec_of(Taxonomy.load("synthetic"))
    assert "surfaces: grass before gravel or dirt before paved;" in resolve_decision(DecisionSection(), spec).describe()
    alike = Taxonomy.parse({**spec.taxonomy.model_dump(), "preference": {}, "caution": {}}, "alike")
    other = resolve_decision(DecisionSection(), spec.model_copy(update={"taxonomy": alike}))
    assert (
        "surfaces: all alike;" in other.describe()
        and "surfaces: all alike;" in resolve_decision(DecisionSection(), None).describe()
    )


def told(tmp_path: Path, surfaces: list[Surface | None]) -> tuple[list[str], list[str]]:
    """Texts and events of a landing whose site lies on each surface for 2 s."""
    wire, path = Wire(), tmp_path / "events.jsonl"
    with EventLog(path) as events:
        control = Control(DirectorSettings(), wire, events)
        landing = VehicleStatus(True, Autopilot.ARDUPILOT, True, True, True, "LAND")
        for tick in range(40 * len(surfaces)):
            now_ns = tick * S // 20
            pose = Pose(now_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -20.0), 20.0)
            site = replace(SITE, last_seen_ns=now_ns, first_seen_ns=-2 * S, surface=surfaces[tick // 40])
            control.tick(now_ns, Decision(site, now_ns, now_ns), pose, landing)
    return wire.texts, [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_the_pilot_is_told_in_the_text_that_announces_the_site(tmp_path: Path) -> None:
    texts, events = told(tmp_path, [ROAD])
    assert texts == ["Landing descend: site 3.0 m clear, 40 m2, on road: traffic may come"]
    assert events.count("site-caution") == 1


def test_a_site_that_turns_out_to_be_a_road_is_told_once(tmp_path: Path) -> None:
    texts, events = told(tmp_path, [Surface("grass", 1), ROAD, ROAD])
    assert texts == ["Landing descend: site 3.0 m clear, 40 m2, on grass", "Site on road: traffic may come"]
    assert len(texts[1]) <= 50 and events.count("site-caution") == 1


def test_nothing_is_told_of_ground_that_is_all_alike(tmp_path: Path) -> None:
    texts, events = told(tmp_path, [None])
    assert texts == ["Landing descend: site 3.0 m clear, 40 m2"] and "site-caution" not in events
