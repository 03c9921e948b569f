"""A set of drawn views with known truth: the scale at the picture's middle is within 2 %, or the view is refused.

Each picture shows a drawn checkerboard of `SQUARE_M` through a known lens, pitch and height; its truth is measured on
the drawing's own homography, which knows nothing of the project's camera.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from edge.look.photo import read_facts
from edge.look.view import Given, UnknownViewError, View, view_of
from landing.geometry import FloatArray

SQUARE_M = 0.5
F35_MM = math.hypot(36, 24)
HEIGHT_M = 27.0


class Drawing:
    """A picture of size `size` of ground, and the homography from metres (ahead, right) to its pixels."""

    def __init__(self, size: tuple[int, int], focal_px: float, pitch_deg: float) -> None:
        down = math.radians(-pitch_deg)
        forward = np.array([math.cos(down), 0.0, math.sin(down)])  # ahead, right, down
        below = np.array([-math.sin(down), 0.0, math.cos(down)])
        turn = np.stack([np.array([0.0, 1.0, 0.0]), below, forward])
        lens = np.array([[focal_px, 0, (size[0] - 1) / 2], [0, focal_px, (size[1] - 1) / 2], [0, 0, 1]])
        self.size = size
        self.pixel_from_ground: FloatArray = lens @ np.column_stack(
            [turn[:, 0], turn[:, 1], turn @ np.array([0.0, 0.0, HEIGHT_M])]
        )

    def metres_per_px(self) -> float:
        """Ground across the picture's middle column by column, m per px."""
        middle = np.array([[(self.size[0] - 1) / 2 + d, (self.size[1] - 1) / 2, 1.0] for d in (-5, 5)])
        ground = np.linalg.inv(self.pixel_from_ground) @ middle.T
        ahead, right = ground[:2] / ground[2]
        return float(math.hypot(ahead[1] - ahead[0], right[1] - right[0])) / 10

    def picture(self) -> np.ndarray:
        tile = np.kron([[60, 190], [190, 60]], np.ones((8, 8))).astype(np.uint8)
        board = np.dstack([np.tile(tile, (60, 60))] * 3)
        metres = SQUARE_M / 8
        to_ground = np.array([[0, -metres, 480 * metres], [metres, 0, -480 * metres], [0, 0, 1.0]])
        return cv2.warpPerspective(board, self.pixel_from_ground @ to_ground, self.size, borderValue=(90, 120, 90))


def said_metres_per_px(view: View, size: tuple[int, int]) -> float:
    pixels = np.array([[(size[0] - 1) / 2 + d, (size[1] - 1) / 2] for d in (-5.0, 5.0)])
    points = view.camera.ground_from_pixel(pixels, view.pose_at(0), 0.0)
    return float(np.linalg.norm(points[1] - points[0])) / 10


def packet(form: str, height: str, pitch: str, more: str = "") -> bytes:
    bodies = {
        "dji": f'<rdf:Description drone-dji:RelativeAltitude="{height}" drone-dji:GimbalPitchDegree="{pitch}"{more}/>',
        "dji-elements": f"<drone-dji:RelativeAltitude>{height}</drone-dji:RelativeAltitude>"
        f"<drone-dji:GimbalPitchDegree>{pitch}</drone-dji:GimbalPitchDegree>",
        "autel": f"<rdf:Description drone:RelativeAltitude='{height}' drone:GimbalPitchDegree='{pitch}'/>",
        "parrot": f'<rdf:Description drone-parrot:CameraPitchDegree="{pitch}" '
        f'drone-dji:RelativeAltitude="1.0" Camera:AboveGroundAltitude="{height}"/>',
        "skydio": f"<drone-skydio:RelativeAltitude>{height}</drone-skydio:RelativeAltitude>\n"
        f"<drone-skydio:GimbalPitchDegree>{pitch}</drone-skydio:GimbalPitchDegree>",
        "pix4d": f"<Camera:AboveGroundAltitude> {height} </Camera:AboveGroundAltitude>"
        f"<drone-dji:GimbalPitchDegree>{pitch}</drone-dji:GimbalPitchDegree>",
    }
    return f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>{bodies[form]}</rdf:RDF></x:xmpmeta>".encode()


def save(path: Path, picture: np.ndarray, xmp: bytes, tags: dict[int, Any], base: dict[int, Any], endian: str) -> None:
    exif = Image.Exif()
    exif.endian = endian
    for tag, value in base.items():
        exif[tag] = value
    detail = exif.get_ifd(0x8769)
    for tag, value in tags.items():
        detail[tag] = value
    image = Image.fromarray(picture)
    if path.suffix == ".png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        image.save(path, exif=exif, pnginfo=info)
    elif path.suffix == ".tif":
        exif[700], exif[0x8769] = xmp, dict(tags)
        image.save(path, exif=exif)
    else:
        image.save(path, exif=exif, xmp=xmp)


F_OVER_LONG = 4.5 / 6.4
PITCH_FORMS = ("{:+.2f}", "{:.6e}", "{:.0f}/1")
HEIGHT_FORMS = ("+{:.2f}", "{:.7e}", "27000/1000", "27,00", "{:.3f} m")
FOCAL, F35, ZOOM, WIDE, HIGH, PLANE, UNIT = 0x920A, 0xA405, 0xA404, 0xA002, 0xA003, 0xA20E, 0xA210
TAKEN = {WIDE: 4000, HIGH: 3000}

LENSES: dict[str, tuple[float, tuple[int, int], dict[int, Any], str, str]] = {
    "sensor": (F_OVER_LONG, (400, 300), {FOCAL: 4.5, **TAKEN}, "FC3170", ""),
    "sensor-16-9": (F_OVER_LONG, (400, 225), {FOCAL: 4.5}, "FC3170", ""),
    "portrait": (F_OVER_LONG, (300, 400), {FOCAL: 4.5, **TAKEN}, "FC3170", ""),
    "one-inch-3-2": (8.8 / 13.2, (408, 272), {FOCAL: 8.8}, "FC6310", ""),
    "one-inch-4-3": (8.8 / (8.8 * 4 / 3), (400, 300), {FOCAL: 8.8}, "FC6310", ""),
    "zoom": (2 * F_OVER_LONG, (400, 300), {FOCAL: 4.5, ZOOM: 2.0}, "FC3170", ""),
    "35mm": (0.9, (400, 300), {F35: 0.9 * F35_MM * 0.8}, "Phone", ""),
    "plane-cm": (0.8, (400, 300), {FOCAL: 8.0, PLANE: 4000.0, UNIT: 3, **TAKEN}, "X", ""),
    "plane-inch": (0.8, (400, 300), {FOCAL: 8.0, PLANE: 4000 / 10 * 25.4, UNIT: 2, **TAKEN}, "X", ""),
    "calibrated": (
        0.75,
        (400, 300),
        {F35: 28, **TAKEN},
        "X",
        ' drone-dji:CalibratedFocalLength="3000.0" drone-dji:CalibratedOpticalCenterX="2000.0"',
    ),
}


FORMS = ("dji", "dji-elements", "autel", "parrot", "skydio", "pix4d")


@pytest.mark.parametrize(("lens", "form"), [(n, f) for n in LENSES for f in FORMS if f == "dji" or n != "calibrated"])
def test_the_scale_of_every_view_is_right_or_it_is_refused(tmp_path: Path, lens: str, form: str) -> None:
    focal, size, tags, model, more = LENSES[lens]
    index = list(LENSES).index(lens)
    for number, pitch_deg in enumerate((-90.0, -75.0, -60.0, -46.0, -40.0, -20.0, 0.0)):
        drawing = Drawing(size, focal * max(size), pitch_deg)
        height = HEIGHT_FORMS[(number + index) % len(HEIGHT_FORMS)].format(HEIGHT_M)
        pitch = PITCH_FORMS[(number + index) % len(PITCH_FORMS)].format(pitch_deg)
        path = tmp_path / f"{number}{('.jpg', '.png', '.webp', '.tif')[(number + index) % 4]}"
        save(path, drawing.picture(), packet(form, height, pitch, more), tags, {0x0110: model}, "<>"[number % 2])
        view = view_of(size, read_facts(path), Given())
        if pitch_deg > -45.0:
            assert view.refused is not None and "below the horizon" in view.refused, (path, pitch)
            continue
        assert view.refused is None, (path, view.refused)
        error = said_metres_per_px(view, size) / drawing.metres_per_px() - 1.0
        assert abs(error) <= 0.02, (path.name, lens, pitch, error)


def written(folder: Path, tags: dict[int, Any], xmp: str = "", **base: str) -> Path:
    path = folder / "p.jpg"
    more = packet("dji", "27.0", "-90.0", xmp)
    names = {"make": 0x010F, "model": 0x0110}
    save(path, np.full((300, 400, 3), 90, np.uint8), more, tags, {names[k]: v for k, v in base.items()}, "<")
    return path


@pytest.mark.parametrize(
    ("xmp", "base", "words"),
    [
        (' drone-dji:ImageSource="InfraredCamera"', {}, "thermal camera"),
        (' Camera:BandName="LWIR"', {}, "band"),
        (' GPano:ProjectionType="equirectangular"', {}, "panorama"),
        ("", {"make": "FLIR", "model": "Duo Pro R"}, "thermal camera"),
        ("", {"make": "DJI", "model": "XT2"}, "thermal camera"),
    ],
)
def test_pictures_that_no_plain_lens_took_are_refused(
    tmp_path: Path, xmp: str, base: dict[str, str], words: str
) -> None:
    facts = read_facts(written(tmp_path, {F35: 24}, xmp, **base))
    view = view_of((400, 300), facts, Given(HEIGHT_M, 70.0, pitch_deg=-90.0))
    assert words in (view.refused or "")


@pytest.mark.parametrize(("xmp", "make"), [("", "GoPro"), (' Camera:ModelType="fisheye"', "X")])
def test_a_fisheye_asks_for_its_calibration(tmp_path: Path, xmp: str, make: str) -> None:
    facts = read_facts(written(tmp_path, {F35: 15}, xmp, make=make))
    with pytest.raises(UnknownViewError, match=r"fisheye.*--calibration"):
        view_of((400, 300), facts, Given())


def test_an_exif_that_contradicts_itself_says_no_scale(tmp_path: Path) -> None:
    # A program made a copy of 400 px from 4000 and wrote its size, not the density of its pixels.
    stale = {FOCAL: 8.0, F35: 28, PLANE: 4000.0, UNIT: 3, WIDE: 1600, HIGH: 1200}
    view = view_of((400, 300), read_facts(written(tmp_path, stale, model="X")), Given())
    assert view.refused is not None and "35 mm" in view.refused and "--hfov-deg" in view.refused


def test_a_calibration_says_nothing_of_a_zoomed_picture(tmp_path: Path) -> None:
    from landing.camera import CameraModel

    facts = read_facts(written(tmp_path, {F35: 24, ZOOM: 3.0}, model="X"))
    with pytest.raises(UnknownViewError, match="zoomed 3 times"):
        view_of((400, 300), facts, Given(calibration=CameraModel.from_hfov(400, 300, 70.0)))
