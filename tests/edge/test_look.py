from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.look.findings import Summary
from edge.look.labels import LabelMaps
from edge.look.looker import Looker
from edge.look.options import LookOptions, parse_decision
from edge.look.photo import read_facts
from edge.look.view import Given, view_of
from edge.runtimes import RuntimeOptions
from landing.errors import ConfigError, DataError
from landing.picture_files import upright
from landing.settings import DecisionSection
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from tests.edge import fake_model

WIDTH, HEIGHT = 640, 480
XMP = (
    b'<x:xmpmeta><rdf:Description drone-dji:RelativeAltitude="+31.50" '
    b'drone-dji:GimbalPitchDegree="-90.00"/></x:xmpmeta>'
)


def look(model: Path, *paths: Path, **options: Any) -> tuple[Summary, list[str], list[Any]]:
    said: list[str] = []
    records: list[Any] = []
    settings = options.pop("settings", DecisionSection())
    of_view = {name: options.pop(name) for name in ("height_agl_m", "hfov_deg", "assume_nadir") if name in options}
    given = Given(**{"assume_nadir": True, **of_view})
    chosen = LookOptions(model, RuntimeOptions(), settings, given=given, **options)
    summary = Looker(chosen, said.append, records.append).run(list(paths))
    return summary, said, records


def paint(path: Path, *patches: Any, ground: str = "grass", size: Any = (WIDTH, HEIGHT)) -> Path:
    assert cv2.imwrite(str(path), fake_model.photograph(*size, *patches, ground=ground))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    paint(pictures / "a.png", ("car", (100, 100, 60, 40)), ("tree", (400, 0, 240, 480)))
    paint(pictures / "b.png", ground="water")
    paint(pictures / "d.png", size=(320, 320))
    (pictures / "c.png").write_bytes((pictures / "a.png").read_bytes()[:200])
    (pictures / "notes.txt").write_text("no picture")
    return pictures


def test_a_folder(folder: Path, model_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary, said, records = look(model_path, folder, height_agl_m=20.0, hfov_deg=70.0, out=out)
    assert (summary.looked, summary.sites, dict(summary.reasons)) == (3, 2, {"nothing-landable": 1})
    assert len(summary.skipped) == 1 and any("c.png: skipped" in line for line in said)
    site = records[0]["site"]
    assert site["clearance_m"] > 1 and site["right_m"] < 0  # the tree is on the right
    assert 0 <= site["u_px"] < 400 and 0 <= site["v_px"] < HEIGHT
    stored = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [r["name"] for r in stored] == [r["name"] for r in records]
    picture = cv2.imread(str(out / "a.look.jpg"))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    water = cv2.imread(str(out / "b.look.jpg"))
    assert water[300, 100, 2] > water[300, 100, 1]  # hazards are red


def test_every_n_th(folder: Path, model_path: Path) -> None:
    summary, _, records = look(model_path, folder, height_agl_m=20.0, hfov_deg=70.0, every=3)
    assert [r["name"] for r in records] == ["a.png", "d.png"]
    assert summary.timings.percentiles()["total"].count == 2


def test_pictures_of_a_folder_do_not_know_each_other(tmp_path: Path, model_path: Path) -> None:
    for name in "abc":
        paint(tmp_path / f"{name}.png", ground="grass" if name != "b" else "tree")
    _, _, records = look(model_path, tmp_path, height_agl_m=20.0, hfov_deg=70.0)
    assert ["site" in r for r in records] == [True, False, True]
    assert records[0]["site"] == records[2]["site"]


def write_video(path: Path, grounds: list[str]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (WIDTH, HEIGHT))
    for ground in grounds:
        writer.write(fake_model.photograph(WIDTH, HEIGHT, ground=ground))
    writer.release()
    return path


def test_a_video_accumulates(tmp_path: Path, model_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", ["grass"] * 10 + ["tree"] * 10)
    out = tmp_path / "out"
    summary, said, records = look(model_path, video, height_agl_m=20.0, hfov_deg=70.0, out=out)
    assert summary.looked == 20 and records[9]["name"] == "v.avi#9"
    assert "site" in records[9] and "site" in records[10]  # one bad frame does not end a site
    assert "no_site" in records[-1]
    assert any("without positions" in line for line in said)
    capture = cv2.VideoCapture(str(out / "v.look.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 20


def test_independent_frames_of_a_video(tmp_path: Path, model_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", ["grass", "tree", "grass"])
    _, _, records = look(model_path, video, height_agl_m=20.0, hfov_deg=70.0, independent=True)
    assert ["site" in r for r in records] == [True, False, True]


def test_height_and_lens_from_the_file(tmp_path: Path, model_path: Path) -> None:
    photo = tmp_path / "p.jpg"
    image = Image.fromarray(fake_model.photograph(WIDTH, HEIGHT)[:, :, ::-1].copy())
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x920A] = 4.5  # FocalLength
    exif.get_ifd(0x8769)[0xA405] = 24  # FocalLengthIn35mmFilm
    image.save(photo, exif=exif, xmp=XMP, quality=95)
    _, said, records = look(model_path, photo, assume_nadir=False)
    assert (records[0]["height_agl_m"], records[0]["pitch_deg"]) == (31.5, -90.0)
    # The diagonal of full frame over that of a 4:3 picture: 0.8 x 43.27 mm wide.
    assert records[0]["hfov_deg"] == pytest.approx(71.6, abs=0.2)
    assert said[0].startswith("(flight ")
    assert "above take-off" in said[2] and "35 mm equivalent" in said[2]


@pytest.mark.parametrize("pitch", ["1e9", "270.0", "-1e300"])
def test_a_pitch_that_no_gimbal_has_is_not_known(pitch: str, tmp_path: Path, model_path: Path) -> None:
    photo = tmp_path / "p.jpg"
    image = Image.fromarray(fake_model.photograph(WIDTH, HEIGHT)[:, :, ::-1].copy())
    image.save(photo, xmp=XMP.replace(b"-90.00", pitch.encode()), quality=95)
    _, _, records = look(model_path, photo, assume_nadir=False, hfov_deg=70.0)
    assert records[0]["no_site"]["reason"] == "view"


def test_the_height_above_the_sea_is_never_used(real_data: Path, model_path: Path) -> None:
    photo = sorted((real_data / "brighton").glob("*.JPG"))[0]
    facts = read_facts(photo)
    assert facts.above_ground_m is None and facts.above_take_off_m is None
    assert view_of(facts.size_px, facts, Given(height_agl_m=40.0)).camera.hfov_deg == pytest.approx(81.0, abs=0.5)
    with pytest.raises(DataError, match=r"--height-agl-m\. Its GPS altitude 198 m is above the sea"):
        look(model_path, photo)


def test_the_sensor_width_of_the_camera_is_used(real_data: Path) -> None:
    photo = sorted((real_data / "caliterra").glob("*.jpg"))[0]
    facts = read_facts(photo)
    view = view_of(facts.size_px, facts, Given(height_agl_m=40.0))
    assert view.camera.hfov_deg == pytest.approx(69.1, abs=0.5)
    assert "sensor width 6.2 mm" in view.source


def test_real_photos_are_taken(real_data: Path, model_path: Path, tmp_path: Path) -> None:
    summary, _, _ = look(model_path, real_data / "brighton", height_agl_m=40.0, every=6, out=tmp_path)
    assert summary.looked == 3 and not summary.skipped


def test_what_is_unknown_names_its_option(folder: Path, model_path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--height-agl-m"):
        look(model_path, folder, hfov_deg=70.0)
    with pytest.raises(DataError, match="--hfov-deg or --calibration"):
        look(model_path, folder, height_agl_m=20.0)
    with pytest.raises(DataError, match="does not exist"):
        look(model_path, tmp_path / "none")
    with pytest.raises(DataError, match="expected a photo"):
        look(model_path, folder / "notes.txt", height_agl_m=20.0, hfov_deg=70.0)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 no")
    with pytest.raises(DataError, match="none of 1 pictures can be decided on"):
        look(model_path, tmp_path / "bad.jpg", height_agl_m=20.0, hfov_deg=70.0)


def test_sites_are_judged_by_labels(folder: Path, model_path: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    taxonomy = Taxonomy.load("synthetic")
    ids = {c.name: c.id for c in taxonomy.classes}
    cv2.imwrite(str(labels / "a.png"), np.full((HEIGHT, WIDTH), ids["grass"], np.uint8))
    cv2.imwrite(str(labels / "d.png"), np.full((320, 320), ids["person"], np.uint8))
    summary, said, records = look(
        model_path, folder, height_agl_m=20.0, hfov_deg=70.0, labels=LabelMaps(labels, taxonomy)
    )
    assert (summary.judged, summary.sites_with_hazard) == (2, 1)
    assert records[0]["hazard_px"] == 0
    assert records[2]["hazard_px"] > records[2]["hazard_px_under_vehicle"] > 0
    assert any("0 hazard px" in line for line in said)


def test_decision_settings_from_the_command_line() -> None:
    assert parse_decision(("vehicle_radius_m=0.4", "margin_m = 0.2")).required_radius_m == (pytest.approx(0.6))
    for bad, words in (
        ("vehicle_radius=1", "did you mean 'vehicle_radius_m'"),
        ("vehicle_radius_m", "expected KEY=VALUE"),
        ("vehicle_radius_m=-1", "greater than 0"),
        ("vehicle_radius_m=big", "valid number"),
    ):
        with pytest.raises(ConfigError, match=words):
            parse_decision((bad,))


def test_a_view_of_unknown_direction_is_refused_in_words_records_and_picture(
    folder: Path, model_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    summary, said, records = look(
        model_path, folder / "a.png", height_agl_m=20.0, hfov_deg=70.0, out=out, assume_nadir=False
    )
    assert (summary.looked, summary.sites, summary.refused_views) == (1, 0, 1)
    assert records[0]["no_site"]["reason"] == "view" and "--assume-nadir" in records[0]["no_site"]["detail"]
    assert any("a.png: no site: view" in line for line in said)
    refused = cv2.imread(str(out / records[0]["picture"]))
    assumed, _, _ = look(model_path, folder / "a.png", height_agl_m=20.0, hfov_deg=70.0, out=tmp_path / "assumed")
    assert assumed.sites == 1
    assert np.any(refused != cv2.imread(str(tmp_path / "assumed" / "a.look.jpg")))


def test_annotated_pictures_of_one_name_stay_apart(model_path: Path, tmp_path: Path) -> None:
    paths = []
    for place in ("100MEDIA/a.png", "101MEDIA/a.png", "100MEDIA/a.bmp", "x/100MEDIA/a.png"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        paths.append(paint(path))
    _, _, records = look(model_path, *paths, height_agl_m=20.0, hfov_deg=70.0, out=tmp_path / "out")
    names = [record["picture"] for record in records]
    assert len(set(names)) == 4 and all((tmp_path / "out" / name).exists() for name in names)


@pytest.mark.parametrize("kind", ["palette", "upper", "strange", "unlabelled", "16bit", "shape"])
def test_label_maps_of_every_kind(kind: str, folder: Path, model_path: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    taxonomy = Taxonomy.load("synthetic")
    person = next(c.id for c in taxonomy.classes if c.name == "person")
    ids = np.full((HEIGHT, WIDTH), {"strange": 77, "unlabelled": 255}.get(kind, person), np.uint8)
    image = Image.fromarray(ids)
    if kind == "palette":
        image = Image.fromarray(ids, "P")
        image.putpalette([v for c in taxonomy.classes for v in c.color_rgb])
    if kind == "16bit":
        image = Image.fromarray(ids.astype(np.uint16))
    if kind == "shape":
        image = image.resize((HEIGHT, HEIGHT))
    image.save(labels / ("a.PNG" if kind == "upper" else "a.png"))
    options = {"height_agl_m": 20.0, "hfov_deg": 70.0, "labels": LabelMaps(labels, taxonomy)}
    if kind in ("16bit", "shape"):
        with pytest.raises(DataError, match="another shape" if kind == "shape" else "one 8-bit channel"):
            look(model_path, folder / "a.png", **options)
        return
    summary, said, records = look(model_path, folder / "a.png", **options)
    if kind in ("strange", "unlabelled"):
        assert summary.judged == 0 and records[0]["judged"] is False and any("site not judged" in line for line in said)
    else:
        assert summary.sites_with_hazard == 1 and records[0]["hazard_px"] > 0


@pytest.mark.parametrize("orientation", [3, 6])
def test_label_maps_beside_pictures_with_an_exif_orientation(
    orientation: int, model_path: Path, tmp_path: Path
) -> None:
    taxonomy = Taxonomy.load("synthetic")
    ids = {c.name: c.id for c in taxonomy.classes}
    image = fake_model.photograph(WIDTH, HEIGHT)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(image[..., ::-1]).save(path, quality=95, exif=exif)
    stored = np.full((HEIGHT, WIDTH), ids["grass"], np.uint8)
    stored[: HEIGHT // 2] = ids["person"]
    given = {"height_agl_m": 20.0, "hfov_deg": 70.0}
    found = {}
    for name, drawn in (("stored", stored), ("shown", upright(stored, orientation))):
        (tmp_path / name).mkdir()
        Image.fromarray(drawn).save(tmp_path / name / "a.png")
        for turn in (None, "apply", "ignore"):
            maps = LabelMaps(tmp_path / name, taxonomy, exif_turn=turn)
            if orientation == 6 and (name, turn) in (("stored", "apply"), ("shown", "ignore")):
                with pytest.raises(DataError, match="another shape"):
                    look(model_path, path, labels=maps, **given)
                continue
            _, said, records = look(model_path, path, labels=maps, **given)
            found[name, turn] = records[0].get("hazard_px")
            if turn is None and (name == "shown" or orientation == 3):
                assert records[0]["judged"] is False and any("--exif-turn apply" in line for line in said)
    assert found["stored", "ignore"] == found["shown", "apply"] is not None
    assert found["stored", None] == (found["stored", "ignore"] if orientation == 6 else None)


def test_label_maps_that_can_be_read_in_two_ways_are_refused(tmp_path: Path) -> None:
    taxonomy = Taxonomy.load("synthetic")
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"hold 0 and 255 alone: .* --labels-as index if so"):
        LabelMaps(tmp_path, taxonomy)
    assert LabelMaps(tmp_path, taxonomy, "index").reading.reading == "index"
    with pytest.raises(DataError, match="binary label maps have two classes"):
        LabelMaps(tmp_path, taxonomy, "binary")
    with pytest.raises(DataError, match="expected a folder of label maps"):
        LabelMaps(tmp_path / "a.png", taxonomy)


def test_the_report_shows_every_picture_and_video_with_its_answer(model_path: Path, tmp_path: Path) -> None:
    paint(tmp_path / "<b>.png")
    paint(tmp_path / "w.png", ground="water").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 #1.png"))
    paint(tmp_path / "w.png", ground="water")
    (tmp_path / "c.jpg").write_bytes(b"\xff\xd8 no")
    write_video(tmp_path / "v.avi", ["grass"] * 3)
    out = tmp_path / "out"
    look(model_path, tmp_path, height_agl_m=20.0, hfov_deg=70.0, out=out, report=True)
    page = (out / "report.html").read_text("utf-8")
    assert "6 pictures, " in page and "no site: nothing-landable" in page and "c.jpg" in page
    assert "<b>&lt;b&gt;.png</b>" in page and "<b>.png" not in page
    assert "of 3 frames with a site" in page and 'src="v.look.mp4"' in page
    for name in re.findall(r'src="([^"]+)"', page):
        assert (out / os.fsdecode(unquote_to_bytes(html.unescape(name)))).exists()


def test_a_report_never_stands_beside_the_answers_of_another_look(model_path: Path, tmp_path: Path) -> None:
    picture, page = paint(tmp_path / "a.png"), tmp_path / "out" / "report.html"
    for report in (True, False):
        look(model_path, picture, height_agl_m=20.0, hfov_deg=70.0, out=page.parent, report=report)
        assert page.exists() == report
    page.write_text("<!doctype html><title>of somebody else</title>")
    look(model_path, picture, height_agl_m=20.0, hfov_deg=70.0, out=page.parent)
    assert page.exists()


def test_a_file_that_is_left_out_is_named_once(folder: Path, model_path: Path) -> None:
    with pytest.raises(DataError, match=r"the first: a.png: the height above ground"):
        look(model_path, folder)
    _, said, _ = look(model_path, folder, height_agl_m=20.0, hfov_deg=70.0)
    assert all(line.count("a.png: ") == 1 for line in said if "a.png" in line)


def test_a_card_as_macos_leaves_it_and_a_damaged_video_end_no_run(folder: Path, model_path: Path) -> None:
    for name in ("._a.png", "._v.mp4", "v.mp4"):
        (folder / name).write_bytes(b"\0\5\x16\7 no picture")
    summary, _, _ = look(model_path, folder, height_agl_m=20.0, hfov_deg=70.0)
    assert summary.looked == 3
    assert len(summary.skipped) == 2 and not any("._" in line for line in summary.skipped)
    assert "c.png" in summary.skipped[0] and "v.mp4 cannot be opened" in summary.skipped[1]


def test_words_on_a_picture_never_lie_on_the_site(model_path: Path, tmp_path: Path) -> None:
    # Two lawns, each in one half of a dark wood: the site's ground keeps its colours in both.
    for name, lawn in (("above.png", (200, 0, 200, 110)), ("below.png", (200, 370, 200, 110))):
        paint(tmp_path / name, ("grass", lawn), ground="tree")
    _, _, records = look(model_path, tmp_path, height_agl_m=20.0, hfov_deg=70.0, out=tmp_path / "out")
    for record in records:
        u_px, v_px = (round(record["site"][name]) for name in ("u_px", "v_px"))
        drawn = cv2.imread(str(tmp_path / "out" / record["picture"]))
        before = cv2.imread(str(tmp_path / record["name"]))
        beside = (v_px, u_px + 25)  # between the discs' outlines
        assert int(drawn[beside].sum()) > 0.6 * int(before[beside].sum()), record["name"]


def test_a_refusal_names_what_took_the_room_and_where(model_path: Path, tmp_path: Path) -> None:
    # A lawn of 1.7 m between trees, right of and ahead of the middle.
    trees = [("tree", (0, 0, 640, 150)), ("tree", (0, 150, 400, 330)), ("tree", (440, 150, 200, 330))]
    paint(tmp_path / "a.png", *trees, ("tree", (400, 190, 40, 290)))
    summary, said, records = look(
        model_path, tmp_path / "a.png", height_agl_m=20.0, hfov_deg=70.0, out=tmp_path / "out"
    )
    assert dict(summary.reasons) == {"too-small": 1}
    gap = records[0]["no_site"]["gap"]
    assert gap["right_m"] > 2.0 and gap["ahead_m"] > 1.0 and gap["obstructions"][0]["kind"] == "obstacle"
    assert gap["obstructions"][0]["distance_m"] < 1.5
    assert any("largest gap" in line and "obstacle" in line and "kept clear" in line for line in said)


def test_label_maps_are_paired_with_pictures_as_for_training(tmp_path: Path) -> None:
    ids = np.full((30, 40), 3, np.uint8)
    for name in ("a_mask.png", "b.png", "._b.png"):
        cv2.imwrite(str(tmp_path / name), ids)
    (tmp_path / "._b.png").write_bytes(b"left by macOS")
    maps = LabelMaps(tmp_path, Taxonomy.load("synthetic"), "index")
    assert maps.path_of(Path("a.jpg")) == tmp_path / "a_mask.png" and maps.path_of(Path("b.jpg")) == tmp_path / "b.png"
    assert maps.path_of(Path("c.jpg")) is None
    cv2.imwrite(str(tmp_path / "b.tif"), ids)
    with pytest.raises(DataError, match=r"b\.png and b\.tif have one name"):
        LabelMaps(tmp_path, Taxonomy.load("synthetic"), "index")


def test_a_label_folder_without_label_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no label map"):
        LabelMaps(tmp_path, Taxonomy.load("synthetic"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda image: (image * (0.02, 0.1, 0.02)).astype(np.uint8), "is black"),
        (lambda image: np.full_like(image, (240, 255, 240)), "is white"),
        (lambda image: np.full_like(image, (90, 140, 80)), "is blank"),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 24), "is covered or fogged"),
    ],
    ids=["black", "white", "blank", "fogged"],
)
def test_what_the_daemon_refuses_has_no_site_here_either(
    spoil: Callable[[ByteArray], ByteArray], said: str, model_path: Path, tmp_path: Path
) -> None:
    good = fake_model.photograph(WIDTH, HEIGHT, ("tree", (0, 0, 200, 480)))
    assert cv2.imwrite(str(tmp_path / "a.png"), good) and cv2.imwrite(str(tmp_path / "b.png"), spoil(good))
    summary, _, records = look(model_path, tmp_path, height_agl_m=20.0, hfov_deg=70.0, assume_nadir=True)
    assert summary.sites == 1 and summary.reasons == {"bad-picture": 1}
    assert said in records[-1]["no_site"]["detail"]
