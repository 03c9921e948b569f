"""Views of photographs: scale and direction from EXIF and XMP, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edge.cameras.recordings import pictures_in, read_picture
from edge.look.photo import Fact, PhotoFacts, number_of, read_facts
from edge.look.sky import sky_fraction, sky_where_assumed
from edge.look.view import Given, UnknownViewError, in_colour, view_of
from edge.survey.photographs import UnplacedError, open_photo
from landing.errors import CameraError

NADIR = {"RelativeAltitude": "+30.00", "GimbalPitchDegree": "-90.00"}
SENSOR_MM, FOCAL_MM = 6.4, 4.5  # FC3170
F_OVER_LONG = FOCAL_MM / SENSOR_MM
F35 = round(F_OVER_LONG * 4000 / math.hypot(4000, 3000) * math.hypot(36, 24), 2)


def xmp(tags: dict[str, str], namespace: str = "drone-dji", quote: str = '"', element: bool = False) -> bytes:
    if element:
        inside = "".join(f"<{namespace}:{k}>{v}</{namespace}:{k}>" for k, v in tags.items())
        body = f"<rdf:Description>{inside}</rdf:Description>"
    else:
        body = "<rdf:Description " + " ".join(f"{namespace}:{k}={quote}{v}{quote}" for k, v in tags.items()) + "/>"
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>{body}</rdf:RDF></x:xmpmeta>'.encode()


def photo(
    folder: Path,
    packet: bytes = b"",
    size: tuple[int, int] = (400, 300),
    base: dict[int, Any] | None = None,
    **exif: Any,
) -> Path:
    pixels = np.random.default_rng(1).integers(60, 200, (size[1], size[0], 3), dtype=np.uint8)
    tags = Image.Exif()
    for tag, value in (base or {}).items():
        tags[tag] = value
    names = {
        "focal": 0x920A,
        "f35": 0xA405,
        "zoom": 0xA404,
        "width": 0xA002,
        "height": 0xA003,
        "plane": 0xA20E,
        "unit": 0xA210,
    }
    detail = tags.get_ifd(0x8769)
    for name, value in exif.items():
        detail[names[name]] = value
    path = folder / "p.jpg"
    Image.fromarray(pixels).save(path, "JPEG", exif=tags, **({"xmp": packet} if packet else {}))
    return path


def seen(path: Path, size: tuple[int, int] = (400, 300), **given: Any):
    return view_of(size, read_facts(path), Given(**given))


LENS = {"focal": FOCAL_MM, "f35": F35}


@pytest.mark.parametrize(
    ("size", "exif", "model", "f_over_long"),
    [
        pytest.param((400, 300), {"focal": FOCAL_MM}, "FC3170", F_OVER_LONG, id="sensor-of-the-model"),
        pytest.param((400, 300), {"f35": F35}, "X", F_OVER_LONG, id="35mm"),
        pytest.param((400, 225), {"f35": F35}, "X", F_OVER_LONG, id="35mm-16-9-of-a-4-3-sensor"),
        pytest.param((400, 300), {**LENS, "width": 4000, "height": 3000}, "FC3170", F_OVER_LONG, id="made-smaller"),
        pytest.param((300, 400), {**LENS, "width": 4000, "height": 3000}, "FC3170", F_OVER_LONG, id="portrait-copy"),
        pytest.param((300, 400), LENS, "FC3170", F_OVER_LONG, id="portrait"),
        pytest.param((400, 300), {**LENS, "zoom": 2.0}, "FC3170", 2 * F_OVER_LONG, id="digital-zoom"),
        pytest.param((400, 300), {"f35": F35, "zoom": 4.0}, "X", 4 * F_OVER_LONG, id="35mm-digital-zoom"),
        pytest.param(
            (400, 300),
            {"focal": FOCAL_MM, "plane": 4000 / SENSOR_MM, "unit": 4, "width": 4000, "height": 3000},
            "X",
            F_OVER_LONG,
            id="focal-plane-resolution",
        ),
    ],
)
def test_the_scale_is_right_where_the_file_says_enough(
    tmp_path: Path, size: tuple[int, int], exif: dict[str, Any], model: str, f_over_long: float
) -> None:
    view = seen(photo(tmp_path, xmp(NADIR), size, {0x0110: model}, **exif), size)
    assert view.refused is None
    assert view.camera.fx == pytest.approx(f_over_long * max(size), rel=0.02)
    assert view.camera.mount.pitch_deg == -90.0 and view.height_agl_m == 30.0
    assert "RelativeAltitude" in view.source and "GimbalPitchDegree" in view.source


def test_a_calibrated_focal_length_is_in_pixels_of_the_whole_picture(tmp_path: Path) -> None:
    tags = {**NADIR, "CalibratedFocalLength": "3300.0", "CalibratedOpticalCenterX": "2736.0"}
    view = seen(photo(tmp_path, xmp(tags), width=5472, height=4104, **LENS), assume_nadir=False)
    assert view.camera.fx == pytest.approx(3300.0 * 400 / 5472, rel=1e-3)
    assert any("35 mm equivalent" in note and "the second is used" in note for note in view.notes)


def test_a_crop_is_refused_and_its_bound_is_told(tmp_path: Path) -> None:
    view = seen(photo(tmp_path, xmp(NADIR), (300, 300), width=4000, height=3000, **LENS), (300, 300))
    assert view.refused is not None and "cropped" in view.refused and "--hfov-deg" in view.refused
    assert view.camera.fx == pytest.approx(F_OVER_LONG * 400, rel=0.02)
    told = seen(photo(tmp_path, xmp(NADIR), (300, 300), width=4000, height=3000, **LENS), (300, 300), hfov_deg=50.0)
    assert told.refused is None and told.camera.hfov_deg == pytest.approx(50.0)


@given(pitch_deg=st.floats(-180.0, 90.0))
@settings(max_examples=60, deadline=None)
def test_every_view_less_than_45_degrees_down_is_refused(pitch_deg: float) -> None:
    facts = PhotoFacts(
        (400, 300), focals_px=(Fact(300.0, "lens"),), above_ground_m=Fact(30.0, "x"), pitch_deg=Fact(pitch_deg, "y")
    )
    view = view_of((400, 300), facts, Given())
    down_deg = 90.0 - abs(-90.0 - pitch_deg)
    if abs(down_deg - 45.0) > 1e-6:
        assert (view.refused is not None) == (down_deg < 45.0)
    if view.refused is not None:
        assert "degrees below the horizon, at least 45 are needed" in view.refused
    assert view.camera.mount.pitch_deg == pitch_deg


def test_a_view_of_unknown_pitch_is_refused_unless_it_is_assumed(tmp_path: Path) -> None:
    path = photo(tmp_path, xmp({"RelativeAltitude": "+30.00"}), **LENS)
    assert "--assume-nadir" in (seen(path).refused or "")
    assumed = seen(path, assume_nadir=True)
    assert assumed.refused is None and any("--assume-nadir" in note for note in assumed.notes)
    told = seen(path, pitch_deg=-60.0)
    assert told.refused is None and told.camera.mount.pitch_deg == -60.0 and "--pitch-deg" in told.source


def test_what_the_file_says_of_its_pitch_is_not_assumed_away(tmp_path: Path) -> None:
    path = photo(tmp_path, xmp({**NADIR, "GimbalPitchDegree": "+0.00"}), **LENS)
    assert "0 degrees below the horizon" in (seen(path, assume_nadir=True).refused or "")


@pytest.mark.parametrize("roll", ["70", "-100"])
def test_a_camera_on_its_side_is_refused(tmp_path: Path, roll: str) -> None:
    assert "rolled" in (seen(photo(tmp_path, xmp({**NADIR, "GimbalRollDegree": roll}), **LENS)).refused or "")


@pytest.mark.parametrize(
    "packet",
    [
        xmp({"RelativeAltitude": "30.0", "GimbalPitchDegree": "-90.0"}, "drone"),
        xmp({"RelativeAltitude": "+30.00", "GimbalPitchDegree": "-90"}, quote="'"),
        xmp({"RelativeAltitude": "30.0", "GimbalPitchDegree": "-90"}, "drone-skydio", element=True),
        xmp({"AboveGroundAltitude": "30.0", "Pitch": "-90.0"}, "Camera"),
        xmp({"RelativeAltitude": "30000/1000", "CameraPitchDegree": "-9.0e+01"}, "drone-parrot"),
    ],
)
def test_every_makers_form_is_read(tmp_path: Path, packet: bytes) -> None:
    view = seen(photo(tmp_path, packet, **LENS))
    assert view.refused is None and view.height_agl_m == 30.0 and view.camera.mount.pitch_deg == -90.0


def test_a_pitch_of_two_meanings_is_no_pitch(tmp_path: Path) -> None:
    facts = read_facts(photo(tmp_path, xmp({"AboveGroundAltitude": "30.0", "Pitch": "0.0"}, "Camera"), **LENS))
    assert facts.pitch_deg is None


@pytest.mark.parametrize("height", ["-12.30", "0.0"])
def test_a_height_that_is_none_above_ground_is_refused(tmp_path: Path, height: str) -> None:
    with pytest.raises(UnknownViewError, match=r"take-off.*--height-agl-m"):
        seen(photo(tmp_path, xmp({**NADIR, "RelativeAltitude": height}), **LENS))


def test_the_sea_is_no_ground(tmp_path: Path) -> None:
    facts = PhotoFacts((4, 3), focals_px=(Fact(3.0, "x"),), above_sea_m=Fact(412.0, "GPS altitude"))
    with pytest.raises(UnknownViewError, match="412 m is above the sea"):
        view_of((4, 3), facts, Given())
    with pytest.raises(UnknownViewError, match=r"field of view is not in the file.*--hfov-deg"):
        view_of((4, 3), PhotoFacts((4, 3)), Given(height_agl_m=3.0))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+3.000000e+01", 30.0),
        ("30000/1000", 30.0),
        ("+30,50", 30.5),
        ("30.00 m", 30.0),
        ("+0030.00", 30.0),
        ("-90°", -90.0),
        ("1/0", None),
        ("", None),
        ("n/a", None),
        ("3.0.0", None),
        (float("inf"), None),
    ],
)
def test_forms_of_numbers(text: object, value: float | None) -> None:
    assert number_of(text) == value


def test_bytes_after_a_whole_jpeg_do_no_harm_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    path = photo(tmp_path, xmp(NADIR), **LENS)
    whole = path.read_bytes()
    for tail in (b"", bytes(8192), b"\0\0\0\x18ftypmp42" + bytes(range(250)) * 40):
        path.write_bytes(whole + tail)
        assert read_picture(path).shape == (300, 400, 3)
    for cut in (whole[: len(whole) // 2], whole[:-2], whole[: len(whole) // 2] + bytes(9000)):
        path.write_bytes(cut)
        with pytest.raises(CameraError, match="truncated"):
            read_picture(path)


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    for name in ("f10.jpg", "f2.jpg", "f1.jpg", "f1b.jpg", "g.jpg"):
        (tmp_path / name).touch()
    assert [p.name for p in pictures_in(tmp_path)] == ["f1.jpg", "f1b.jpg", "f2.jpg", "f10.jpg", "g.jpg"]


def landscape(sky_part: float, kind: str, seed: int) -> np.ndarray:
    """Drawn sky over rough ground, the horizon tilted a little, uint8 (480, 640, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns, edge = 480, 640, round(480 * sky_part)
    top, bottom = {"blue": ((210, 140, 80), (235, 205, 175)), "haze": ((215, 210, 205), (225, 222, 220))}[kind]
    down = np.linspace(0, 1, edge)[:, None, None]
    picture = np.empty((rows, columns, 3), np.float32)
    picture[:edge] = np.array(top) * (1 - down) + np.array(bottom) * down
    texture = cv2.GaussianBlur(rng.normal(0, 1, (rows, columns)).astype(np.float32), (0, 0), 2) * 60
    picture[edge:] = np.array((60, 100, 80)) + texture[edge:, :, None]
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), float(rng.uniform(-8, 8)), 1.3)
    return np.clip(cv2.warpAffine(picture, turn, (columns, rows), borderMode=cv2.BORDER_REPLICATE), 0, 255).astype(
        np.uint8
    )


@pytest.mark.parametrize("kind", ["blue", "haze"])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.7])
def test_sky_is_seen_and_contradicts_an_assumed_pitch(kind: str, part: float) -> None:
    for seed in range(4):
        picture = landscape(part, kind, seed)
        found = sky_fraction(picture)
        assert found == pytest.approx((part - 0.5) * 1.3 + 0.5, abs=0.12)
        assert sky_fraction(np.rot90(picture)) == pytest.approx(found, abs=0.08)
    facts = PhotoFacts((640, 480), focals_px=(Fact(500.0, "lens"),))
    view = view_of((640, 480), facts, Given(height_agl_m=20.0, assume_nadir=True), sky=found)
    assert "look like sky" in (view.refused or "")
    assert view_of((640, 480), facts, Given(20.0, pitch_deg=-90.0), sky=found).refused is None


def test_ground_is_no_sky() -> None:
    rng = np.random.default_rng(3)
    assert sky_fraction(rng.integers(0, 255, (480, 640, 3), dtype=np.uint8)) == 0.0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_sky_is_seen_across_any_side(turns: int) -> None:
    assert sky_fraction(np.rot90(landscape(0.5, "blue", 0), turns)) == pytest.approx(0.5, abs=0.12)


def test_a_roof_that_fills_the_picture_has_no_horizon() -> None:
    assert sky_fraction(np.full((480, 640, 3), 200, np.uint8)) == 0.0


def test_few_real_pictures_from_above_are_taken_for_sky(real_data: Path) -> None:
    paths = [p for d in ("brighton", "caliterra", "aeroscapes/images") for p in sorted((real_data / d).glob("*.[jJ]*"))]
    found = [p for p in paths if sky_fraction(cv2.imread(str(p), cv2.IMREAD_REDUCED_COLOR_4)) > 0]
    assert len(found) <= 0.01 * len(paths), found


def test_a_height_beyond_numbers_is_none(tmp_path: Path) -> None:
    assert number_of("1e400") is None and number_of(10**400) is None
    with pytest.raises(UnknownViewError, match="--height-agl-m"):
        seen(photo(tmp_path, xmp({**NADIR, "RelativeAltitude": "1e400"}), **LENS))


def test_a_camera_upside_down_is_decided_on_straight_down_alone(tmp_path: Path) -> None:
    assert seen(photo(tmp_path, xmp({**NADIR, "GimbalRollDegree": "180"}), **LENS)).refused is None
    path = photo(tmp_path, xmp({**NADIR, "GimbalPitchDegree": "-60", "GimbalRollDegree": "+180.00"}), **LENS)
    assert "upside down" in (seen(path).refused or "")
    assert seen(path, pitch_deg=-120.0).refused is None


@pytest.mark.parametrize(("pitch", "ok"), [("20", False), ("90", False), ("-30", False), ("-4", True), ("0", True)])
def test_an_oblique_pitch_of_unsaid_zero_is_not_assumed_away(tmp_path: Path, pitch: str, ok: bool) -> None:
    path = photo(tmp_path, xmp({"AboveGroundAltitude": "30", "Pitch": pitch}, "Camera"), **LENS)
    refused = seen(path, assume_nadir=True).refused
    assert refused is None if ok else "--pitch-deg" in (refused or "")


@pytest.mark.parametrize(("tint", "ok"), [(0, False), (2, False), (12, True)])
def test_a_picture_without_colour_is_refused(tmp_path: Path, tint: int, ok: bool) -> None:
    view = seen(photo(tmp_path, xmp(NADIR), **LENS))
    grey = np.random.default_rng(0).integers(0, 240, (90, 120, 1), dtype=np.uint8).repeat(3, axis=2)
    grey[:45, :, 1] += np.uint8(tint)
    assert (in_colour(view, grey).refused is None) == ok


def test_an_option_against_the_file_is_said(tmp_path: Path) -> None:
    path = photo(tmp_path, xmp(NADIR), **LENS)
    own = seen(path)
    assert not seen(path, height_agl_m=31.0, pitch_deg=-88.0, hfov_deg=own.camera.hfov_deg).notes
    notes = seen(path, height_agl_m=12.0, pitch_deg=-60.0, hfov_deg=20.0).notes
    assert [note.split(" is used; ")[0] for note in notes] == ["--height-agl-m 12", "--pitch-deg -60", "--hfov-deg 20"]
    assert "RelativeAltitude (above take-off) says 30 m" in notes[0] and "says -90 degrees" in notes[1]


@pytest.mark.parametrize(("size_px", "said"), [((640, 360), False), ((360, 360), False), ((360, 640), True)])
def test_the_lens_of_an_upright_picture_is_asked_for(size_px: tuple[int, int], said: bool) -> None:
    view = view_of(size_px, PhotoFacts(), Given(20.0, 70.0, assume_nadir=True))
    notes = [note for note in view.notes if "counts across its short side" in note]
    across_deg = 2 * math.degrees(math.atan(math.tan(math.radians(35.0)) * 360 / 640))
    assert bool(notes) == said and all(note.endswith(f"give {across_deg:.1f}") for note in notes)


def cloudy(tilt_deg: float, seed: int) -> np.ndarray:
    """Clouds over ground whose texture is finer towards a tilted horizon, uint8 (480, 640, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:480, 0:640].astype(np.float32)
    angle = math.radians(tilt_deg)
    below = ((rows - 240.0) * math.cos(angle) + (columns - 320.0) * math.sin(angle)) / 240.0
    clouds = sum(
        cv2.resize(rng.normal(0, 24 * 0.55**k, (6 * 2**k, 8 * 2**k)).astype(np.float32), (640, 480), None, 0, 0, 2)
        for k in range(5)
    )
    field = cv2.GaussianBlur(rng.normal(0, 220, (600, 600)).astype(np.float32), (0, 0), 2)
    near = 1.0 / np.maximum(below, 0.02)
    across = (columns - 320.0) * math.cos(angle) - (rows - 240.0) * math.sin(angle)
    ground = cv2.remap(field, (across * near) % 600, (400.0 * near) % 600, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP)
    sky = np.array((205, 190, 180)) + clouds[..., None]
    earth = np.array((70, 105, 85)) + ground[..., None]
    picture = np.where(below[..., None] < 0, sky, earth) + rng.normal(0, 2, (480, 640, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("tilt_deg", [0.0, 25.0, 45.0, 90.0, 135.0, 200.0])
def test_clouds_over_a_tilted_horizon_are_sky(tilt_deg: float) -> None:
    for seed in range(3):
        assert sky_fraction(cloudy(tilt_deg, seed)) == pytest.approx(0.5, abs=0.12)


def test_sky_contradicts_an_assumed_pitch_of_a_survey(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), cloudy(25.0, 0))
    with pytest.raises(UnplacedError, match="look like sky"):
        open_photo(tmp_path / "a.png", Given(height_agl_m=20.0, hfov_deg=70.0, assume_nadir=True))


def test_a_covered_lens_is_not_called_sky() -> None:
    picture = cv2.GaussianBlur(cloudy(25.0, 0), (0, 0), 30)
    given = Given(height_agl_m=20.0, hfov_deg=70.0, assume_nadir=True)
    assert sky_where_assumed(cloudy(25.0, 0), PhotoFacts(), given) > 0.4
    assert sky_where_assumed(np.asarray(picture, np.uint8), PhotoFacts(), given) == 0.0


def test_fields_of_two_colours_are_no_sky() -> None:
    picture = np.random.default_rng(4).normal(0, 30, (480, 640, 1)) + np.full((480, 640, 3), (70, 110, 90.0))
    picture[:, :250] += 60.0
    assert sky_fraction(np.clip(picture, 0, 255).astype(np.uint8)) == 0.0
