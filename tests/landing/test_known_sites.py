"""Known sites: found, confirmed, kept over resets, given up when seen to be bad."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from landing.camera import CameraModel
from landing.choice.ground_evidence import BAD_GROUND, GroundEvidence, fault_radii_m
from landing.choice.known_sites import (
    CONFIRMED_LOOKS,
    LASTING_FAULTS,
    MOST_A_LOOK,
    MOST_SITES,
    NO_FIX,
    OCCUPIED_NS,
    OLD_FIX,
    OTHER_FRAME,
    SiteBook,
    SiteLook,
)
from landing.choice.picker import clearance_grid, hazard_clearance_grid
from landing.choice.site_list import ListedSite, features, read_features, spread
from landing.errors import DataError, InvalidValueError
from landing.estimator import FIRST_FRAME, FrameShift
from landing.globe import GlobalFix, GlobalPlace, metres_per_degree
from landing.ground.view import GroundView
from landing.model.confidence import ConfidenceStep, SiteConfidence
from landing.settings import DecisionSettings
from landing.taxonomy import HAZARD_ROLES, Role, Taxonomy
from landing.types import Pose, Segmentation

S = 1_000_000_000
CELL_M = 0.25
SIDE = 160  # 40 m
TAXONOMY = Taxonomy.load("semantic-drone")
SETTINGS = DecisionSettings()
CAMERA = CameraModel.from_hfov(64, 48, 70.0)
BERLIN = GlobalPlace(52.5, 13.4, 60.0)
HEIGHT_M = 25.0
LEVEL = (1.0, 0.0, 0.0, 0.0)


def view_of(free, person=None, south_west=(-20.0, -20.0), known=None) -> GroundView:
    """A map of `free` ground (bool), all of it seen unless `known` says less."""
    known = np.ones(free.shape, bool) if known is None else known
    hazards = {role: np.zeros(free.shape, bool) for role in HAZARD_ROLES}
    if person is not None:
        hazards[Role.PERSON][person] = True
    free = free & known & ~hazards[Role.PERSON]
    return GroundView(
        CELL_M,
        south_west,
        0.0,
        free,
        hazards,
        np.where(known, 0.0, np.inf).astype(np.float32),
        np.where(free, 3.0, -3.0).astype(np.float32),
        known,
        np.zeros(free.shape, bool),
        np.full(free.shape, 200, np.uint8),
        np.full(free.shape, 200, np.uint8),
    )


def lawn(radius_m=8.0, middle=(0.0, 0.0)):
    """Free ground: a disc around a place, the map's middle by default."""
    at = (np.arange(SIDE) + 0.5) * CELL_M - 20.0
    return np.hypot.outer(at - middle[0], at - middle[1]) <= radius_m


def look_at(book, view, at_s, fix="there", pose=None):
    pose = pose or Pose(at_s * S, LEVEL, (0.0, 0.0, -HEIGHT_M), HEIGHT_M)
    fix = GlobalFix(at_s * S, BERLIN, pose.position_ned_m, pose.frame) if fix == "there" else fix
    clearance = clearance_grid(view, hazard_clearance_grid(view, TAXONOMY, SETTINGS))
    maps = np.full((48, 64), 250, np.uint8)
    segmentation = Segmentation(maps * 0, maps, np.zeros((4, 48, 64), np.uint8), at_s * S)
    book.look(SiteLook(segmentation, pose, view, clearance), fix)


def book_of(**options) -> SiteBook:
    return SiteBook(SETTINGS, TAXONOMY, CAMERA, **options)


def seen(view, looks=CONFIRMED_LOOKS) -> SiteBook:
    book = book_of()
    for at_s in range(looks):
        look_at(book, view, at_s)
    return book


def test_a_site_is_found_placed_on_the_globe_and_confirmed():
    book = book_of()
    view = view_of(lawn(8.0, (5.0, -3.0)))
    for at_s in range(CONFIRMED_LOOKS):
        assert not any(site.confirmed for site in book.sites)
        look_at(book, view, at_s)
    (site,) = book.sites
    assert site.confirmed and book.changes == 1 and book.unplaced == ""
    assert BERLIN.offset_to(site.place) == (pytest.approx(5.0, abs=0.3), pytest.approx(-3.0, abs=0.3))
    assert site.place.altitude_m == pytest.approx(60.0 - HEIGHT_M)  # of the ground
    assert 7.0 < site.clearance_m <= 8.0 and site.height_m == HEIGHT_M
    assert (site.first_seen_ns, site.last_seen_ns) == (0, (CONFIRMED_LOOKS - 1) * S)
    assert site.surface is not None and site.surface.preference == 1
    told = site.to_mapping(10 * S)
    assert told["seen_s"] == 8.0 and told["confirmed"] and json.dumps(told)


def test_looks_come_twice_a_second():
    book, view = book_of(), view_of(lawn())
    for _ in range(10):
        look_at(book, view, 5)
    assert book.sites[0].looks == 1 and not book.due(5 * S + S // 4) and book.due(5 * S + S // 2)


def test_a_place_without_room_to_come_back_to_is_none():
    assert not seen(view_of(lawn(SETTINGS.required_radius_m + 1.0))).sites


def test_it_survives_a_reset_of_the_estimator():
    book = seen(view_of(lawn(8.0, (5.0, 0.0))))
    before = book.sites[0]
    # Another epoch: nothing of the old coordinates is known, and the map lies elsewhere in the new ones.
    frame = FIRST_FRAME.moved(None)
    pose = Pose(9 * S, LEVEL, (700.0, -300.0, -HEIGHT_M), HEIGHT_M, frame=frame)
    view = view_of(lawn(8.0, (5.0, 0.0)), south_west=(680.0, -320.0))
    look_at(book, view, 9, pose=pose)
    (site,) = book.sites
    assert site.number == before.number and site.looks == before.looks + 1 and site.place == before.place
    # A known step: the fix from before it still places the map.
    moved = FrameShift(0.0, (10.0, 0.0, 0.0))
    pose = replace(pose, position_ned_m=(710.0, -300.0, -HEIGHT_M), frame=frame.moved(moved))
    fix = GlobalFix(10 * S, BERLIN, (700.0, -300.0, -HEIGHT_M), frame)
    look_at(book, view_of(lawn(8.0, (5.0, 0.0)), south_west=(690.0, -320.0)), 11, fix=fix, pose=pose)
    assert len(book.sites) == 1 and book.sites[0].looks == before.looks + 2


@pytest.mark.parametrize(
    ("fix", "why"),
    [
        (None, NO_FIX),
        (GlobalFix(-10 * S, BERLIN, (0.0, 0.0, -HEIGHT_M)), OLD_FIX),
        (GlobalFix(0, BERLIN, (0.0, 0.0, 0.0), FIRST_FRAME.moved(None)), OTHER_FRAME),
    ],
)
def test_without_a_place_on_the_globe_nothing_is_kept_and_it_says_so(fix, why):
    book = book_of()
    assert book.unplaced == NO_FIX
    look_at(book, view_of(lawn()), 0, fix=fix)
    assert not book.sites and book.unplaced == why
    look_at(book, view_of(lawn()), 1)
    assert book.sites and book.unplaced == ""


def test_a_place_where_somebody_came_is_no_site_until_they_are_long_gone():
    book = seen(view_of(lawn()))
    look_at(book, view_of(lawn(), person=(slice(80, 82), slice(80, 82))), 5)
    (site,) = book.sites
    assert site.bad == "person" and not site.confirmed and book.changes == 2
    look_at(book, view_of(lawn()), 6)  # they have stepped aside
    assert book.sites[0].bad == "person"
    later_s = 5 + OCCUPIED_NS // S
    for at_s in range(later_s, later_s + CONFIRMED_LOOKS):
        assert not book.sites[0].confirmed
        look_at(book, view_of(lawn()), at_s)
    assert [s.number for s in book.sites] == [site.number] and book.sites[0].confirmed


def test_ground_that_turned_out_bad_stays_bad():
    book = seen(view_of(lawn()))
    worse = lawn()
    worse[81:84, 81:84] = False
    look_at(book, view_of(worse), 5)
    assert book.sites[0].bad == BAD_GROUND and not book.sites[0].confirmed
    look_at(book, view_of(lawn()), 6)  # it had come into view just now
    assert book.sites[0].bad == "" and book.sites[0].looks == 1
    for at_s in range(7, 7 + LASTING_FAULTS):
        look_at(book, view_of(worse), at_s)
    look_at(book, view_of(lawn(), person=(slice(80, 82), slice(80, 82))), 20)
    for at_s in range(200, 210):
        look_at(book, view_of(lawn()), at_s)
    assert not any(site.confirmed for site in book.sites) and book.sites[0].bad == BAD_GROUND
    assert len(book.sites) == 1  # nor does the same lawn come back under another number


def test_ground_that_is_not_shown_says_nothing():
    book = seen(view_of(lawn()))
    known = np.zeros((SIDE, SIDE), bool)
    known[:10, :10] = True
    look_at(book, view_of(lawn(), known=known), 5)
    assert book.sites[0].confirmed and book.sites[0].last_seen_ns == (CONFIRMED_LOOKS - 1) * S


def test_the_disc_shrinks_where_a_later_look_shows_less_and_grows_where_more():
    book = seen(view_of(lawn(6.0)))
    narrow = book.sites[0].clearance_m
    look_at(book, view_of(lawn(9.0)), 5)
    wide = book.sites[0].clearance_m
    assert narrow < 6.1 < 8.0 < wide
    look_at(book, view_of(lawn(4.0)), 6)
    assert 3.0 < book.sites[0].clearance_m < 4.0 and book.sites[0].confirmed


def test_a_wider_place_replaces_one_that_does_not_count_yet():
    book = book_of()
    half = np.zeros((SIDE, SIDE), bool)
    half[:80] = True  # the lawn comes into view from the south
    look_at(book, view_of(lawn(12.0), known=half), 0)
    first = book.sites[0]
    for at_s in range(1, 5):
        look_at(book, view_of(lawn(12.0)), at_s)
    wide = max(book.sites, key=lambda s: s.clearance_m)
    assert first.clearance_m < 7.0 < 11.0 < wide.clearance_m and wide.confirmed
    assert first.number not in [site.number for site in book.sites]


def test_the_list_is_bounded_and_keeps_the_best():
    book = seen(view_of(lawn(9.0)))
    best = book.sites[0].number
    small = np.zeros((SIDE, SIDE), bool)
    for row in range(3):
        for column in range(3):
            small |= lawn(4.0, (row * 12.0 - 12.0, column * 12.0 - 12.0))
    for at_s in range(10, 30):
        fix = GlobalFix(at_s * S, BERLIN.moved(100.0 * at_s, 0.0), (0.0, 0.0, -HEIGHT_M))
        look_at(book, view_of(small), at_s, fix=fix)
        assert len(book.sites) <= MOST_SITES
    assert len(book.sites) == MOST_SITES > MOST_A_LOOK and best in [site.number for site in book.sites]


def test_a_site_carries_the_models_confidence():
    curve = SiteConfidence(
        steps=(ConfidenceStep(score_from=0.0, sites=98, safe=97),), disc_m=2.0, disc_px=1.0, pictures=9, scenes=3
    )
    book = book_of(curve=curve)
    look_at(book, view_of(lawn()), 0)
    assert book.sites[0].confidence is not None and book.sites[0].confidence.share == 0.98


def test_evidence_names_what_is_wrong():
    view = view_of(lawn(8.0), person=(slice(100, 101), slice(80, 81)))
    clearance = clearance_grid(view, hazard_clearance_grid(view, TAXONOMY, SETTINGS))
    evidence, radii = GroundEvidence.of(view, clearance), fault_radii_m(TAXONOMY, 1.0)
    keep_m = TAXONOMY.clearance_of(Role.PERSON)
    assert evidence.fault(5.0, 0.0, radii) == "person"
    assert evidence.fault(5.125 - keep_m - 1.5, 0.125, radii) is None
    assert evidence.fault(0.0, 7.5, radii) == BAD_GROUND
    assert evidence.fault(500.0, 0.0, radii) is None and evidence.clearance_at(500.0, 0.0) is None
    empty = GroundEvidence.of(view_of(lawn(), known=np.zeros((SIDE, SIDE), bool)), clearance * 0)
    assert not list(empty.widest(1.0, 8)) and empty.fault(0.0, 0.0, radii) is None


def test_metres_and_degrees():
    # Lengths of a degree by the ellipsoid of WGS-84, from its published tables.
    assert metres_per_degree(0.0) == (pytest.approx(110_574.3, abs=0.5), pytest.approx(111_319.5, abs=0.5))
    assert metres_per_degree(45.0) == (pytest.approx(111_131.8, abs=0.5), pytest.approx(78_846.8, abs=0.5))
    away = BERLIN.moved(300.0, -400.0, 5.0)
    assert BERLIN.distance_m(away) == pytest.approx(500.0, abs=1e-3) and away.altitude_m == 65.0
    dateline = GlobalPlace(0.0, 179.9999)
    assert dateline.moved(0.0, 100.0).longitude_deg < 0
    assert dateline.offset_to(dateline.moved(0.0, 100.0))[1] == pytest.approx(100.0, abs=1e-3)
    for wrong in ((91.0, 0.0), (89.9, 0.0), (0.0, 181.0), (float("nan"), 0.0)):
        with pytest.raises(InvalidValueError):
            GlobalPlace(*wrong)
    with pytest.raises(InvalidValueError):
        GlobalPlace(0.0, 0.0, float("inf"))


def test_a_list_reads_back_and_other_documents_do_not():
    site = ListedSite(BERLIN, 5.25, 4, "grass", "", 0.97, "2026-11-28T20:00:00+00:00", "a.jpg")
    road = ListedSite(BERLIN.moved(50.0, 0.0), 9.0, 3, "road", "traffic may come")
    text = json.dumps(features((site, road)))
    assert read_features(text, "x") == (site, replace(road, place=read_features(text, "x")[1].place))
    bad = json.loads(text)
    bad["features"][0]["geometry"]["coordinates"] = ["13", None]
    for words in ("", "[]", "{}", "[" * 100_000, '{"type": "FeatureCollection", "features": 3}', json.dumps(bad)):
        with pytest.raises(DataError, match="x"):
            read_features(words, "x")


def test_the_best_sites_apart():
    sites = [ListedSite(BERLIN.moved(15.0 * n, 0.0), 3.0 + n, 3) for n in range(5)]
    caution = ListedSite(BERLIN.moved(0.0, 200.0), 30.0, 3, "road", "traffic may come")
    chosen = spread([*sites, caution], 10)
    assert [s.clearance_m for s in chosen] == [7.0, 5.0, 3.0, 30.0]
    assert spread([*sites, caution], 2) == chosen[:2]
