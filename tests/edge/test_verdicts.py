"""An operator's verdicts on photographs: what a row paints, and what a site on it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.real_figures import by_place, over_places
from benchmarks.real_flights import flights_of, judged_flight
from benchmarks.real_ground import answer_of, look_at, main, read_set
from benchmarks.real_page import write_page
from benchmarks.verdicts import SAFE, UNSAFE, UNSURE, VerdictMap, read_verdicts
from landing.errors import DataError
from landing.taxonomy import Role, Taxonomy

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "synthetic-unet.onnx"
HEAD = "picture,says,what,where\n"
ROWS = "a.png,room,,\na.png,unsafe,trees,\na.png,safe,lawn,0.1 0.1 0.5 0.9\na.png,unsafe,somebody,0.2 0.2\n"
SIZE = (400, 300)
WIDTH_M = 40.0


def verdicts(folder: Path, rows: str) -> Path:
    path = folder / "verdicts.csv"
    path.write_text(HEAD + rows, "utf-8")
    return path


def test_ground_is_what_the_last_row_paints(tmp_path: Path) -> None:
    found = read_verdicts(verdicts(tmp_path, ROWS))["a.png"]
    ground = VerdictMap(found, SIZE)
    assert found.room is True
    lawn = ground.judge(0.4, 0.6, 0.02, WIDTH_M)
    assert (lawn.ground, lawn.what) == (SAFE, "lawn")
    assert lawn.person_m == pytest.approx(np.hypot(0.2 * WIDTH_M, 0.4 * 0.75 * WIDTH_M), abs=0.1)
    assert ground.judge(0.7, 0.6, 0.02, WIDTH_M).what == "trees"
    near = ground.judge(0.22, 0.2, 0.01, WIDTH_M)
    assert near.ground == UNSAFE
    assert near.what == "person 0.8 m away"


def test_ground_that_nobody_painted_is_unsure(tmp_path: Path) -> None:
    found = read_verdicts(verdicts(tmp_path, "a.png,maybe,,\na.png,safe,lawn,0 0 0.5 1\n"))["a.png"]
    ground = VerdictMap(found, SIZE)
    assert found.room is None
    assert ground.judge(0.8, 0.5, 0.02, WIDTH_M).ground == UNSURE
    assert ground.judge(1.5, 0.5, 0.02, WIDTH_M).what == "outside the picture"


def test_a_disc_that_reaches_beyond_the_picture_is_never_safe(tmp_path: Path) -> None:
    rows = "a.png,room,,\na.png,safe,lawn,0 0 1 1\na.png,unsafe,pond,0.9 0 1 1\n"
    ground = VerdictMap(read_verdicts(verdicts(tmp_path, rows))["a.png"], SIZE)
    assert ground.judge(0.03, 0.5, 0.02, WIDTH_M).ground == SAFE
    for u, v in ((0.01, 0.5), (0.5, 0.01), (0.5, 0.99), (0.0, 0.0)):
        assert ground.judge(u, v, 0.02, WIDTH_M).what == "partly outside the picture"
    assert ground.judge(0.99, 0.5, 0.02, WIDTH_M).ground == UNSAFE


def test_people_of_a_label_map_stand_on_top_of_every_row(tmp_path: Path) -> None:
    taxonomy = Taxonomy.load("roles")
    labels = np.full((150, 200), taxonomy.ids_of(Role.OBSTACLE)[0], np.uint8)
    labels[70:76, 100:106] = taxonomy.ids_of(Role.PERSON)[0]
    found = read_verdicts(verdicts(tmp_path, "a.png,room,,\na.png,safe,lawn,0 0 1 0.8\n"))["a.png"]
    ground = VerdictMap(found, SIZE, (labels, taxonomy))
    assert ground.judge(0.2, 0.2, 0.02, WIDTH_M).ground == SAFE
    assert ground.judge(0.2, 0.9, 0.02, WIDTH_M).what == "obstacle"
    assert ground.judge(0.53, 0.49, 0.01, WIDTH_M).what.startswith("person")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a.png,perhaps,,\n", "line 2: says 'perhaps', expected one of room"),
        ("a.png,room,,\na.png,safe,lawn,0.1 0.2 0.3\n", "line 3: '0.1 0.2 0.3': expected pairs"),
        ("a.png,room,,\na.png,safe,lawn,1 2\n", "expected pairs of x and y from 0 to 1"),
        ("a.png,room,,\na.png,safe,lawn,left\n", "'left' holds more than numbers"),
        ("a.png,safe,lawn,\n", "a.png has no row that says room"),
        ("a.png,room\n", "line 2: 2 cells"),
    ],
)
def test_a_row_that_says_nothing_usable_is_named(tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_verdicts(verdicts(tmp_path, rows))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "sets" / "field"
    (folder / "images").mkdir(parents=True)
    lawn = np.full((240, 320, 3), (60, 150, 90), np.uint8)
    lawn += np.random.default_rng(1).integers(0, 40, lawn.shape, np.uint8)
    for name in ("a.png", "b.png"):
        assert cv2.imwrite(str(folder / "images" / name), lawn)
    (folder / "set.toml").write_text("place = 'a field'\nheight_m = 12\nhfov_deg = 70\nassume_nadir = true\n", "utf-8")
    verdicts(folder, "a.png,room,,\na.png,safe,lawn,\nb.png,no room,,\nb.png,unsafe,crop,\n")
    return folder


def test_a_place_counts_once(place: Path, tmp_path: Path) -> None:
    real = read_set(place, None)
    answers = [answer_of(real, look, 0.4) for look in look_at(real, MODEL, tmp_path / "out")]
    assert {a.outcome for a in answers} <= {"safe site", "wrong refusal", "unsafe site", "right refusal"}
    first, second = answers
    assert (first.outcome == "safe site") == (second.outcome == "unsafe site")
    whole = over_places(by_place(answers))
    assert whole["places"] == 1
    assert whole["mean_of_places"] == 0.5


def test_the_command_writes_figures_tables_and_a_page(place: Path, tmp_path: Path) -> None:
    table, out = tmp_path / "table.md", tmp_path / "out"
    argv = ["--sets", str(place.parent), "--model", str(MODEL), "--out", str(out), "--json", str(tmp_path / "f.json")]
    done = CliRunner().invoke(main, [*argv, "--markdown", str(table)])
    assert done.exit_code == 0, done.output
    assert "| field |" in table.read_text("utf-8")
    page = (out / "index.html").read_text("utf-8")
    assert page.count("<figure ") == 2
    assert len(list((out / "field" / "small").iterdir())) == 2
    verdicts(place, "a.png,maybe,,\na.png,unsafe,crop,\nb.png,no room,,\n")
    again = CliRunner().invoke(main, [*argv, "--again"])
    assert again.exit_code == 0, again.output
    assert (out / "index.html").read_text("utf-8") != page


@pytest.mark.parametrize(
    ("facts", "words"),
    [("heigth_m = 3\n", "heigth_m is not one of"), ("height_m = 'low'\n", "height_m = 'low' is not a number")],
)
def test_a_set_with_facts_that_cannot_be_used_is_refused(place: Path, facts: str, words: str) -> None:
    (place / "set.toml").write_text(facts, "utf-8")
    with pytest.raises(DataError, match=words):
        read_set(place, None)


def test_a_set_without_pictures_and_a_verdict_without_its_picture_are_refused(place: Path) -> None:
    (place / "images" / "b.png").unlink()
    with pytest.raises(DataError, match=r"no picture b\.png in"):
        read_set(place, None)
    (place / "images").rename(place / "pictures")
    with pytest.raises(DataError, match="images holds no pictures"):
        read_set(place, None)


def record(touchdown: tuple[float, float] | None, reason: str = "") -> dict[str, Any]:
    """Return what a campaign records of a landing over a.png, 40 m wide."""
    down = None if touchdown is None else {"ne_m": touchdown}
    size = {"size_m": [WIDTH_M, 0.75 * WIDTH_M]}
    end = {"end_height_m": 0.0, "seconds": 60.0, "story": [[1.0, 20.0, "site"]]}
    start = {"height_m": 20.0, "hfov_deg": 70.0}
    return {"world": "photo a.png", "touchdown": down, "reason": reason, "photograph": size, "conditions": start, **end}


def test_a_landing_is_judged_by_the_ground_below_it(tmp_path: Path) -> None:
    found = read_verdicts(verdicts(tmp_path, ROWS))["a.png"]
    ground = VerdictMap(found, SIZE)
    north_m, east_m = -5.0, -10.0  # a quarter of the way from the left, a third below the middle
    records = [record((north_m, east_m)), record((5.0, 12.0)), record(None, "no site for 60 s")]
    flights = [judged_flight("field", r, found, ground) for r in records]
    assert [f.outcome for f in flights] == ["landed safe", "landed unsafe", "given up with room"]
    assert [f.why for f in flights] == ["lawn", "trees", "no site for 60 s"]
    figures = flights_of(flights)
    assert figures["all"]["landed_with_room"]["of"] == 3, "who lands unsafe did not land safe"
    assert figures["places"]["field"]["unsafe_of_landed"]["count"] == 1
    small = {**record(None), "conditions": {"height_m": 2.0, "hfov_deg": 70.0}}
    assert judged_flight("field", small, found, ground).outcome == "not landed at the margin"
    assert judged_flight("field", record(None), found, ground, 2.0).outcome == "not landed at the margin", "from 2 m on"
    told = write_page(tmp_path, [], {}, flights).read_text("utf-8")
    assert told.index("landed unsafe") < told.index("landed safe<")


def test_a_picture_that_is_too_high_is_looked_at_from_lower(place: Path, tmp_path: Path) -> None:
    (place / "set.toml").write_text("height_m = 400\nhfov_deg = 70\nassume_nadir = true\n", "utf-8")
    looks = look_at(read_set(place, None), MODEL, tmp_path / "out")
    seen = {k.record["height_agl_m"] for k in looks}
    assert [k.height_m for k in looks] == [400.0, 400.0]
    assert max(seen) < 400.0
    left, top, right, bottom = looks[0].window
    assert (left + right, top + bottom) == pytest.approx((1.0, 1.0))
    assert right - left == pytest.approx(seen.pop() / 400.0, abs=0.01)


def test_a_coarse_camera_has_as_many_pixels_from_lower(place: Path, tmp_path: Path) -> None:
    (place / "set.toml").write_text("height_m = 118\nhfov_deg = 70\nassume_nadir = true\n", "utf-8")
    for picture in (place / "images").iterdir():
        assert cv2.imwrite(str(picture), cv2.resize(cv2.imread(str(picture)), (160, 120)))
    looks = look_at(read_set(place, None), MODEL, tmp_path / "out")
    assert max(k.record["height_agl_m"] for k in looks) < 118.0
    assert not any("descend_to_m" in k.record.get("no_site", {}) for k in looks)
