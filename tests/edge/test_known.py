"""Known sites in the daemon: kept while it flies, told in log and page, and found again in the recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import touchdown
from edge.known import listed_sites
from edge.runtimes import RuntimeOptions
from edge.survey.command import SurveyOptions, run
from landing.choice import known_sites
from landing.choice.known_sites import NO_FIX
from landing.choice.site_list import read_features
from landing.globe import GlobalFix, GlobalPlace
from landing.settings import DecisionSection
from tests.command import call
from tests.edge.test_blackbox import flown
from tests.edge.test_daemon import Rig, wait_for
from tests.edge.test_web import get, watch
from tests.edge.web_rig import served
from tests.landing.test_known_sites import lawn, look_at, seen, view_of

PLACE = GlobalPlace(47.37, 8.55, 425.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_sites, "LOOK_PERIOD_NS", 50_000_000)


def place(rig: Rig) -> None:
    rig.link.fix = GlobalFix(0, PLACE, (0.0, 0.0, -15.0))


def confirmed(rig: Rig) -> int:
    if rig.daemon._loop._status is None:  # before the first tick
        return 0
    book = rig.daemon._loop.status().book
    assert book is not None
    return sum(site.confirmed for site in book.sites)


def test_without_a_place_on_the_globe_it_says_so_and_with_one_it_lists(tmp_path: Path, model_path: Path) -> None:
    import asyncio

    with served(tmp_path, model_path) as (rig, server):
        wait_for(lambda: rig.logged("sites-unplaced"))
        assert rig.logged("sites-unplaced")[0]["reason"] == NO_FIX
        code, body, headers = get(server.port, "/sites.geojson")
        assert code == 200 and read_features(body.decode(), "page") == ()
        assert headers["Content-Type"].startswith("application/geo+json")
        place(rig)
        wait_for(lambda: confirmed(rig) > 0)
        wait_for(lambda: rig.logged("known-sites"))
        told = rig.logged("known-sites")[0]["sites"][0]
        assert told["confirmed"] and abs(told["latitude_deg"] - PLACE.latitude_deg) < 1e-3
        listed = read_features(get(server.port, "/sites.geojson")[1].decode(), "page")
        assert listed[0].clearance_m > 3.0 and PLACE.distance_m(listed[0].place) < 20.0
        assert listed[0].place.altitude_m == pytest.approx(410.0) and listed[0].seen[:2] == "20"
        _, statuses = asyncio.run(watch(server.port, 0.6))
        known = statuses[-1]["known_sites"]
        assert known["confirmed"] >= 1 and known["unplaced"] == "" and known["best"][0]["seen_s"] < 5.0


def test_a_recording_that_is_cut_says_so(tmp_path: Path, model_path: Path) -> None:
    with flown(tmp_path, model_path) as (rig, _):
        wait_for(lambda: rig.daemon.counters.decisions > 25)
    (folder,) = (tmp_path / "rec" / "flights").iterdir()
    last = sorted(folder.iterdir())[-1]
    last.write_bytes(last.read_bytes()[: last.stat().st_size * 2 // 3])
    options = SurveyOptions(None, RuntimeOptions(threads=1), DecisionSection(), out=tmp_path / "out")
    report = run(options, [folder], lambda line: None)
    assert any("is cut short or damaged" in note for note in report.notes)
    recording = touchdown.read_recording(folder)
    assert not recording.cut and list(recording.decisions()) and f"{last} is cut short" in recording.cut[0]


def test_a_site_that_became_narrow_is_not_listed_until_it_is_wide_again() -> None:
    book = seen(view_of(lawn()))
    listed = [len(listed_sites(book, str, ""))]
    for at_s, radius_m in ((10, book.least_m - 1.0), (11, 8.0)):
        look_at(book, view_of(lawn(radius_m)), at_s)
        listed.append(len(listed_sites(book, str, "")))
    assert listed == [1, 0, 1] and book.sites[0].confirmed


def test_a_recording_gives_the_sites_that_the_flight_knew(tmp_path: Path, model_path: Path) -> None:
    with flown(tmp_path, model_path) as (rig, _):
        place(rig)
        wait_for(lambda: confirmed(rig) > 0)
        book = rig.daemon._loop.status().book
    assert book is not None
    folder = next(tmp_path.rglob("*.mcap")).parent
    options = SurveyOptions(None, RuntimeOptions(), DecisionSection(), out=tmp_path / "out")
    report = run(options, [folder], lambda line: None)
    known = [site.place for site in book.sites if site.confirmed]
    assert report.sites and min(report.sites[0].place.distance_m(p) for p in known) < 0.01
    assert report.sites[0].source == "seen in flight" and report.sites[0].seen.endswith("+00:00")
    done = call("edge", "survey", str(folder), "--out", str(tmp_path / "out"), "--json")
    assert json.loads(done.stdout)["sites"] == len(report.sites)
    both = call("edge", "survey", str(folder), str(tmp_path / "out"), "--out", str(tmp_path / "out"))
    assert both.returncode == 2 and "survey it without the other paths" in both.stderr
