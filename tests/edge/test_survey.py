"""`edge survey`: photographs are placed, joined and contradicted; recordings and orthophotos too; lists for others."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks import site_survey
from edge.look.photo import read_facts
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from edge.survey.command import SurveyOptions, SurveyReport, run
from edge.survey.output import write_all
from edge.survey.photographs import UnplacedError, open_photo
from landing.choice.known_sites import PLACE_ERROR_M
from landing.choice.site_list import ListedSite, features, read_features
from landing.errors import DataError
from landing.globe import GlobalPlace
from landing.settings import DecisionSection
from tests.command import call
from tests.edge import fake_model
from tests.edge.geotagged import save_geotagged

ORIGIN = GlobalPlace(47.37, 8.55, 410.0)
GSD_M, HALF_M = 0.1, 60.0
HEIGHT_M, HFOV_DEG, WIDTH, HEIGHT = 30.0, 70.0, 320, 240
BIG, SMALL = (10.0, -5.0), (-25.0, 15.0)
"""North and east of two lawns in a wood."""


def area(*cars: tuple[float, float]) -> np.ndarray:
    """A wood with two lawns, north up, and cars at some places."""
    side = round(2 * HALF_M / GSD_M)
    colours = {n: fake_model.photograph(1, 1, ground=n)[0, 0].tolist() for n in ("grass", "car")}
    image = fake_model.photograph(side, side, ground="tree")
    for place, radius_m in ((BIG, 9.0), (SMALL, 7.0)):
        cv2.circle(image, pixel(place), round(radius_m / GSD_M), colours["grass"], -1)
    for place in cars:
        cv2.circle(image, pixel(place), round(1.5 / GSD_M), colours["car"], -1)
    return image


def pixel(place: tuple[float, float]) -> tuple[int, int]:
    return round((place[1] + HALF_M) / GSD_M), round((HALF_M - place[0]) / GSD_M)


def take(path: Path, ground: np.ndarray, at: tuple[float, float], heading_deg: float = 0.0, **more: Any) -> Path:
    """A photograph of the area from above a place."""
    step_m = 2 * HEIGHT_M * math.tan(math.radians(HFOV_DEG) / 2) / WIDTH
    cos, sin = math.cos(math.radians(heading_deg)) * step_m, math.sin(math.radians(heading_deg)) * step_m
    # Right of the picture is (-sin, cos) in north and east, down is (-cos, -sin).
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]]) / GSD_M
    x, y = (HALF_M + at[1]) / GSD_M, (HALF_M - at[0]) / GSD_M
    turn[:, 2] = (x, y) - turn[:, :2] @ ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    picture = cv2.warpAffine(ground, turn, (WIDTH, HEIGHT), flags=flags)
    tagged = {"heading_deg": more.pop("tag_deg", heading_deg), "below": ORIGIN.moved(*at), **more}
    return save_geotagged(path, picture, height_m=HEIGHT_M, hfov_deg=HFOV_DEG, **tagged)


def grid(folder: Path, ground: np.ndarray, ends: Iterable[float] = (-30.0, -18.0, -6.0, 6.0, 18.0, 30.0)) -> Path:
    """Photographs of the whole area, each second line flown back."""
    folder.mkdir()
    for line, east_m in enumerate(ends):
        for north_m in ends:
            take(folder / f"{line}{north_m:+.0f}.jpg", ground, (north_m, east_m), 180.0 * (line % 2) + 20.0)
    return folder


def survey(model: Path, out: Path, *paths: Path, **options: Any) -> SurveyReport:
    chosen = SurveyOptions(model, RuntimeOptions(threads=1), DecisionSection(), out=out, **options)
    return run(chosen, list(paths), lambda line: None)


def away_m(report: SurveyReport, place: tuple[float, float]) -> float:
    return min(ORIGIN.moved(*place).distance_m(site.place) for site in report.sites)


def test_sites_of_overlapping_photographs_are_one_and_lie_where_they_are(model_path: Path, tmp_path: Path) -> None:
    report = survey(model_path, tmp_path / "out", grid(tmp_path / "photos", area()))
    assert report.looked == 36 and not report.skipped and len(report.sites) == 2
    assert away_m(report, BIG) < 0.6 and away_m(report, SMALL) < 0.6
    wide, narrow = report.sites
    assert 6.0 < wide.clearance_m < 9.0 and 4.0 < narrow.clearance_m < 7.0  # trees keep their own clearance
    assert wide.looks >= 3 and wide.seen == "2026-11-28T12:00:00" and ".jpg" in wide.source
    assert wide.place.altitude_m is None  # a height above take-off is none above this ground
    written = (tmp_path / "out" / "sites.geojson").read_text()
    assert [s.clearance_m for s in read_features(written, "x")] == [round(s.clearance_m, 2) for s in report.sites]


def test_a_place_that_one_photograph_calls_bad_is_no_site(model_path: Path, tmp_path: Path) -> None:
    folder = grid(tmp_path / "photos", area())
    take(folder / "later.jpg", area(SMALL), (-20.0, 10.0), 77.0)
    report = survey(model_path, tmp_path / "out", folder)
    assert len(report.sites) == 1 and report.contradicted > 0 and away_m(report, BIG) < 0.6


def test_one_photograph_is_not_enough_unless_that_is_said(model_path: Path, tmp_path: Path) -> None:
    photo = take(tmp_path / "one.jpg", area(), BIG)
    report = survey(model_path, tmp_path / "out", photo)
    assert not report.sites and report.seen_once == 1
    report = survey(model_path, tmp_path / "out", photo, rise_m=0.0)
    assert json.loads((tmp_path / "out" / "sites.plan").read_text())["rallyPoints"]["points"] == []
    report = survey(model_path, tmp_path / "out", photo, looks=1)
    assert len(report.sites) == 1 and away_m(report, BIG) < 0.6
    assert "heights of 1 photographs count from the take-off" in report.notes[0]
    assert not survey(model_path, tmp_path / "out", photo, looks=1, given=Given(HEIGHT_M)).notes
    # A lawn without room for the error of a satellite receiver.
    assert not survey(model_path, tmp_path / "out", photo, looks=1, place_error_m=9.0).sites


def test_photographs_that_cannot_be_placed_say_why(model_path: Path, tmp_path: Path) -> None:
    folder = grid(tmp_path / "photos", area(), (-10.0, 10.0))
    take(folder / "no-heading.jpg", area(), BIG, tag_deg=None)
    take(folder / "no-place.jpg", area(), BIG, below=GlobalPlace(0.0, 0.0))
    cv2.imwrite(str(folder / "plain.png"), fake_model.photograph(64, 48))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "raw.dng").write_bytes(b"II*\0")
    report = survey(model_path, tmp_path / "out", folder)
    assert report.looked == 4 and len(report.skipped) == 5
    said = "\n".join(report.lines())
    for words in ("GimbalYawDegree", "EXIF has no GPS place", "--height-agl-m", "broken.jpg", "raw.dng: undeveloped"):
        assert words in said
    alone = tmp_path / "alone"
    alone.mkdir()
    cv2.imwrite(str(alone / "plain.png"), fake_model.photograph(64, 48))
    with pytest.raises(DataError, match="none of 1 pictures"):
        survey(model_path, tmp_path / "out", alone)


def test_facts_of_place_heading_and_time(tmp_path: Path) -> None:
    south_west = GlobalPlace(-35.3632621, -149.1652374, 584.0)
    facts = read_facts(take(tmp_path / "a.jpg", area(), (0.0, 0.0), -100.25, below=south_west))
    assert facts.latitude_deg == pytest.approx(-35.3632621, abs=1e-8)
    assert facts.longitude_deg == pytest.approx(-149.1652374, abs=1e-8)
    assert facts.heading_deg is not None and facts.heading_deg.value == -100.25
    assert facts.taken == "2026-11-28T12:00:00"
    plain = tmp_path / "b.png"
    cv2.imwrite(str(plain), fake_model.photograph(64, 48))
    none = read_facts(plain)
    assert (none.latitude_deg, none.longitude_deg, none.heading_deg, none.taken) == (None, None, None, "")


@pytest.mark.parametrize("tags", [{1: ""}, {3: "?"}, {1: "W"}, {9: "V"}, {0x12: "TOKYO"}])
def test_a_place_of_unknown_side_datum_or_fix_is_none(tags: dict[int, str], tmp_path: Path) -> None:
    with pytest.raises(UnplacedError, match="no GPS place"):
        open_photo(take(tmp_path / "a.jpg", area(), BIG, gps_more=tags), Given())
    usual = {1: "s", 3: "W\0", 9: "A", 0x12: "WGS-84"}
    facts = read_facts(take(tmp_path / "b.jpg", area(), (0.0, 0.0), below=GlobalPlace(35.0, 8.0), gps_more=usual))
    assert (facts.latitude_deg, facts.longitude_deg) == pytest.approx((-35.0, -8.0))


@pytest.mark.parametrize("tags", [{"base": {0x0112: 2}}, {"detail_more": {0xA002: HEIGHT, 0xA003: WIDTH}}])
def test_a_picture_that_somebody_turned_is_not_placed(tags: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UnplacedError, match="turned or mirrored"):
        open_photo(take(tmp_path / "a.jpg", area(), BIG, **tags), Given())
    stored = {"base": {0x0112: 6}, "detail_more": {0xA002: WIDTH, 0xA003: HEIGHT}}  # on its side, as taken
    assert open_photo(take(tmp_path / "b.jpg", area(), BIG, **stored), Given()).heading_rad == 0.0


def test_pictures_of_a_burst_are_one_look(model_path: Path, tmp_path: Path) -> None:
    ground = area()
    burst = [take(tmp_path / f"{n}.jpg", ground, (BIG[0] + 0.1 * n, BIG[1]), 3.0 * n) for n in range(4)]
    report = survey(model_path, tmp_path / "out", *burst)
    assert report.looked == 4 and not report.sites and report.seen_once
    apart = [take(tmp_path / f"{n}.jpg", ground, (BIG[0] + 2.0 * n, BIG[1]), 3.0 * n) for n in range(4)]
    assert survey(model_path, tmp_path / "out", *apart).sites


def test_the_altitude_of_ground_is_told_where_it_was_measured(tmp_path: Path) -> None:
    def altitude_m(given: Given | None = None, **tags: Any) -> float | None:
        tags = {"maker": "drone", "height_of": "AboveGroundAltitude", **tags}
        return open_photo(take(tmp_path / "a.jpg", area(), BIG, **tags), given or Given()).below.altitude_m

    assert altitude_m() == pytest.approx(410.0, abs=0.1)
    assert altitude_m(altitude_ref=1) == pytest.approx(-470.0, abs=0.1)  # below the sea
    assert altitude_m(altitude_ref=2) is None  # above the ellipsoid
    assert altitude_m(height_of="RelativeAltitude") is None  # above take-off
    assert altitude_m(Given(20.0), height_of="RelativeAltitude") == pytest.approx(420.0, abs=0.1)
    assert altitude_m(maker="drone-dji") is None and altitude_m(Given(20.0), maker="drone-dji") is None


def test_the_lists_are_what_other_programs_read(model_path: Path, tmp_path: Path) -> None:
    report = survey(model_path, tmp_path / "out", grid(tmp_path / "photos", area()), most_rally=1, rise_m=25.0)
    plan = json.loads(Path(report.paths["plan"]).read_text())
    assert plan["fileType"] == "Plan" and plan["version"] == 1 and plan["rallyPoints"]["version"] == 2
    ((latitude_deg, longitude_deg, above_m),) = plan["rallyPoints"]["points"]
    assert ORIGIN.moved(*BIG).distance_m(GlobalPlace(latitude_deg, longitude_deg)) < 0.6 and above_m == 40.0
    root = ElementTree.parse(report.paths["kml"]).getroot()
    space = {"k": "http://www.opengis.net/kml/2.2"}
    marks = root.findall(".//k:Placemark", space)
    assert len(marks) == 2 and "m clear, seen" in str(marks[0].findtext("k:description", "", space))
    rim = str(marks[0].findtext(".//k:LinearRing/k:coordinates", "", space)).split()
    assert rim[0] == rim[-1] and len(rim) == 37
    corner = GlobalPlace(*map(float, rim[0].split(",")[::-1]))
    assert report.sites[0].place.distance_m(corner) == pytest.approx(report.sites[0].clearance_m, abs=0.05)


def orthophoto(path: Path, ground: np.ndarray) -> Path:
    """The area as a map, in UTM."""
    rasterio = pytest.importorskip("rasterio")
    from rasterio.transform import Affine
    from rasterio.warp import transform

    east, north = (v[0] for v in transform("EPSG:4326", "EPSG:32632", [ORIGIN.longitude_deg], [ORIGIN.latitude_deg]))
    at = Affine(GSD_M, 0, east - HALF_M, 0, -GSD_M, north + HALF_M)
    rows, columns = ground.shape[:2]
    profile = {"photometric": "RGB", "dtype": "uint8"}
    with rasterio.open(path, "w", "GTiff", columns, rows, 3, "EPSG:32632", at, **profile) as out:
        out.write(np.moveaxis(ground[..., ::-1], 2, 0))
    return path


def test_an_orthophoto_gives_the_same_sites(model_path: Path, tmp_path: Path) -> None:
    path = orthophoto(tmp_path / "ortho.tif", area())
    report = survey(model_path, tmp_path / "out", path, given=Given(height_agl_m=20.0))
    assert away_m(report, BIG) < 4.0 and away_m(report, SMALL) < 4.0 and report.looked == 1
    assert all(site.clearance_m >= 3.0 for site in report.sites)


def test_a_photograph_denies_the_site_of_an_orthophoto(model_path: Path, tmp_path: Path) -> None:
    path = orthophoto(tmp_path / "ortho.tif", area())
    given = Given(HEIGHT_M)
    alone = survey(model_path, tmp_path / "out", path, given=given)
    cars = [(BIG[0] + n, BIG[1] + e) for n in (-6.0, -3.0, 0.0, 3.0, 6.0) for e in (-6.0, -3.0, 0.0, 3.0, 6.0)]
    photo = take(tmp_path / "later.jpg", area(*cars), BIG)
    both = survey(model_path, tmp_path / "out", path, photo, given=given)
    assert away_m(alone, BIG) < 4.0 < away_m(both, BIG) and both.contradicted > alone.contradicted


def test_the_command_as_a_newcomer_types_it(model_path: Path, tmp_path: Path) -> None:
    folder, out = grid(tmp_path / "photos", area(), (-10.0, 10.0)), tmp_path / "out"
    done = call("edge", "survey", str(folder), "--model", str(model_path), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "1 sites" in done.stdout and "sites.kml are written; no plan is, for rally points count" in done.stdout
    assert not (out / "sites.plan").exists()
    done = call("edge", "survey", str(folder), "--model", str(model_path), "--out", str(out), "--rise-m", "10")
    assert "sites.plan are written; the plan has 1 rally points" in done.stdout
    told = json.loads(call("edge", "survey", str(folder), "-m", str(model_path), "--out", str(out), "--json").stdout)
    assert told["sites"] == 1 and told["looked"] == 4
    for args, words in (
        ([str(folder)], "photographs need --model"),
        ([str(tmp_path / "gone"), "-m", str(model_path)], "gone"),
        ([str(tmp_path / "out" / "sites.kml"), "-m", str(model_path)], "expected a photograph"),
    ):
        refused = call("edge", "survey", *args, "--out", str(out))
        assert refused.returncode == 2 and words in refused.stderr


def test_copies_of_a_photograph_do_not_agree_with_each_other(model_path: Path, tmp_path: Path) -> None:
    photo = take(tmp_path / "a.jpg", area(), (0.0, 0.0))
    copy = tmp_path / "b.jpg"
    copy.write_bytes(photo.read_bytes())
    report = survey(model_path, tmp_path / "out", photo, copy, photo)
    assert not report.sites and report.looked == 1 and report.seen_once
    assert report.skipped == [f"{name}: the same picture as {photo}" for name in ("b.jpg", "a.jpg")]


@pytest.mark.parametrize("name", ["\"]]><b>&'", "a\x00\x07\x1b[31m", "\udcff", "\uffff", "ü\U0001f681"])
def test_any_name_of_a_file_can_be_listed(name: str, tmp_path: Path) -> None:
    paths = write_all(tmp_path, [ListedSite(ORIGIN, 3.0, 1, source=name)], (), None)
    assert len(read_features(Path(paths["geojson"]).read_text("utf-8"), "list")) == 1
    placemark = ElementTree.parse(paths["kml"]).getroot().find(".//{*}description")
    assert placemark is not None and (placemark.text or "").startswith("3.0 m clear")


@pytest.mark.parametrize(
    "change", [{"confidence": math.nan}, {"confidence": 7}, {"clearance_m": math.inf}, {"looks": -1}]
)
def test_a_list_with_numbers_that_are_none_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    document = features([ListedSite(ORIGIN, 3.0, 1)])
    document["features"][0]["properties"].update(change)
    with pytest.raises(DataError, match="feature 1 is no landing site"):
        read_features(json.dumps(document), "list")


@pytest.mark.parametrize(
    "words",
    [
        ("edge", "survey", ".", "--place-error-m", "nan"),
        ("edge", "look", ".", "--height-agl-m", "nan"),
        ("bridge", "rally", "--above-ground-m", "nan"),
        ("export", "thresholds", "--height-m", "nan"),
        ("sim", "dataset", "--heights-m", "nan", "inf"),
    ],
)
def test_a_number_that_is_none_is_refused_on_the_command_line(words: tuple[str, ...]) -> None:
    done = call(*words)
    assert done.returncode == 2 and "is not a finite number" in done.stderr, done.stderr


def test_the_errors_of_a_measured_survey_are_not_cut_off_where_the_survey_allows_for_them() -> None:
    away_m = [
        math.hypot(*np.subtract(site_survey.ORIGIN.offset_to(below), pose.position_ned_m[:2]))
        for seed in range(60)
        for pose, below, *_ in site_survey.exposures(np.random.default_rng(seed))
    ]
    # The share of a normal error of each side that is beyond the allowance.
    beyond = math.exp(-0.5 * (PLACE_ERROR_M / site_survey.PLACE_SD_M) ** 2)
    assert np.mean(np.array(away_m) > PLACE_ERROR_M) == pytest.approx(beyond, rel=0.4)
