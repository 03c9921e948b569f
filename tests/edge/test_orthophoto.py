"""Orthophotos: scale, place and sites of rasters of every kind, and those that are refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from edge.look.georeference import is_orthophoto
from edge.look.looker import Looker
from edge.look.options import LookOptions
from edge.look.ortho_scale import scale_for
from edge.look.raster import open_orthophoto
from edge.look.view import Given
from edge.runtimes import RuntimeOptions
from landing.errors import DataError
from landing.model.spec import GroundRange, ModelSpec
from landing.settings import DecisionSection
from landing.taxonomy import Taxonomy
from tests.edge import fake_model

rasterio = pytest.importorskip("rasterio")
from rasterio.transform import Affine  # noqa: E402
from rasterio.warp import transform as warp  # noqa: E402

LON, LAT = 8.55, 47.37
GSD_M = 0.05
FOOT_M = 0.3048


def middle(crs: Any) -> tuple[float, float]:
    xs, ys = warp("EPSG:4326", crs, [LON], [LAT])
    return xs[0], ys[0]


def write(path: Path, image_bgr: np.ndarray, transform: Affine | None = None, crs: Any = None, **more: Any) -> Path:
    """A GeoTIFF of uint8 (H, W, 3) BGR."""
    alpha, mask = more.pop("alpha", None), more.pop("mask", None)
    rows, columns = image_bgr.shape[:2]
    bands = [*np.moveaxis(image_bgr[..., ::-1], 2, 0)] + ([] if alpha is None else [alpha])
    profile = {"photometric": "RGB", "dtype": "uint8", **more}
    if alpha is not None:
        profile["ALPHA"] = "YES"
    with rasterio.open(
        path, "w", "GTiff", columns, rows, len(bands), crs, transform or Affine.identity(), **profile
    ) as out:
        out.write(np.stack(bands).astype(profile["dtype"]))
        if mask is not None:
            out.write_mask(mask)
    return path


def about_middle(crs: Any, size: tuple[int, int], x_px: float, y_px: float) -> Affine:
    x, y = middle(crs)
    return Affine(x_px, 0, x - size[0] / 2 * x_px, 0, y_px, y - size[1] / 2 * y_px)


def lawn_in_a_wood(size: tuple[int, int] = (600, 400), lawn: tuple[int, int, int, int] = (380, 80, 160, 160)) -> Any:
    """A wood with one lawn, left, top, width and height in px."""
    left, top, width, height = lawn
    picture = fake_model.paint(*size, ground="tree")
    picture[top : top + height, left : left + width] = fake_model.paint(width, height)
    return picture


def look(model: Path, *paths: Path, **options: Any) -> tuple[Any, list[str], list[dict[str, Any]]]:
    said: list[str] = []
    records: list[dict[str, Any]] = []
    given = Given(options.pop("height_agl_m", 5.0), None)
    chosen = LookOptions(model, RuntimeOptions(threads=1), DecisionSection(), given=given, **options)
    return Looker(chosen, said.append, records.append).run(list(paths)), said, records


DEGREE_M = 111_320.0


@pytest.mark.parametrize(
    ("crs", "x_px", "y_px"),
    [
        pytest.param("EPSG:32632", GSD_M, -GSD_M, id="metres"),
        pytest.param("EPSG:32632", GSD_M, GSD_M, id="south-up"),
        pytest.param("EPSG:2056", GSD_M, -GSD_M, id="swiss"),
        pytest.param("EPSG:2263", GSD_M / FOOT_M, -GSD_M / FOOT_M, id="feet-far-away"),
        pytest.param("EPSG:3857", GSD_M / np.cos(np.radians(LAT)), -GSD_M / np.cos(np.radians(LAT)), id="web-mercator"),
        pytest.param("EPSG:4326", GSD_M / DEGREE_M / np.cos(np.radians(LAT)), -GSD_M / DEGREE_M, id="degrees"),
    ],
)
def test_scale_and_place_are_right_in_every_coordinate_system(
    tmp_path: Path, crs: str, x_px: float, y_px: float
) -> None:
    size = (300, 200)
    place = about_middle(crs, size, x_px, y_px)
    if crs == "EPSG:2263":  # New York, in US feet
        place = Affine(x_px, 0, 990_000.0, 0, y_px, 200_000.0)
    path = write(tmp_path / "o.tif", np.full((200, 300, 3), 90, np.uint8), place, crs)
    assert is_orthophoto(path)
    with open_orthophoto(path) as photo:
        assert photo.place.gsd_m == pytest.approx(GSD_M, rel=5e-3)
        assert photo.east_m - photo.west_m == pytest.approx(300 * GSD_M, rel=3e-2)
        assert photo.north_m - photo.south_m == pytest.approx(200 * GSD_M, rel=3e-2)
        lon_lat = photo.wgs84_from_plane(0.0, 0.0)
        if crs != "EPSG:2263":
            assert lon_lat == pytest.approx((LON, LAT), abs=2e-7)
        column, row = photo.pixel_from_plane(*photo.plane_from_pixel(np.array([30.0]), np.array([70.0])))
        assert (column, row) == pytest.approx((30.0, 70.0), abs=0.1)


def test_a_turned_raster_has_its_scale(tmp_path: Path) -> None:
    place = Affine.translation(*middle("EPSG:32632")) * Affine.rotation(30) * Affine.scale(GSD_M, -GSD_M)
    path = write(tmp_path / "o.tif", np.full((200, 300, 3), 90, np.uint8), place, "EPSG:32632")
    with open_orthophoto(path) as photo:
        assert photo.place.gsd_m == pytest.approx(GSD_M, rel=5e-3)
        assert photo.east_m - photo.west_m > 300 * GSD_M * 0.86


@pytest.mark.parametrize("kind", ["plain", "turned", "south-up", "fine", "big"])
def test_the_site_is_on_the_lawn_on_the_map(tmp_path: Path, model_path: Path, kind: str) -> None:
    factor = 2 if kind == "fine" else 1
    image = cv2.resize(lawn_in_a_wood(), None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    size = (image.shape[1], image.shape[0])
    px = GSD_M / factor
    place = about_middle("EPSG:32632", size, px, px if kind == "south-up" else -px)
    if kind == "turned":
        place = place * Affine.rotation(25)
    more = {"BIGTIFF": "YES", "tiled": True, "compress": "deflate", "blockxsize": 128, "blockysize": 128}
    path = write(tmp_path / "o.tif", image, place, "EPSG:32632", **(more if kind == "big" else {}))
    summary, said, records = look(model_path, path, out=tmp_path / "out", height_agl_m=4.6, report=True)
    whole = records[-1]
    assert len(whole["sites"]) >= 1 and not summary.skipped
    for site in whole["sites"]:
        assert 380 < site["column_px"] / factor < 540 and 80 < site["row_px"] / factor < 240
    collection = json.loads((tmp_path / "out" / whole["geojson"]).read_text())
    feature = collection["features"][0]
    lon, lat = feature["geometry"]["coordinates"]
    xs, ys = warp("EPSG:4326", "EPSG:32632", [lon], [lat])
    column, row = ~place * (xs[0], ys[0])
    site = whole["sites"][0]
    assert (column, row) == pytest.approx((site["column_px"], site["row_px"]), abs=0.2)
    assert {"clearance_m", "area_m2", "score", "window", "source"} <= feature["properties"].keys()
    overview = cv2.imread(str(tmp_path / "out" / whole["picture"]))
    assert overview is not None and max(overview.shape) <= 1601
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert whole["picture"] in page and "o.tif" in page
    assert any("EPSG:32632" in line and "m per px" in line for line in said)


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask", "black", "white"])
def test_no_data_is_never_landable(tmp_path: Path, model_path: Path, kind: str) -> None:
    image = fake_model.paint(500, 300)  # all lawn
    valid = np.full((300, 500), 255, np.uint8)
    valid[:, 250:] = 0
    more: dict[str, Any] = {}
    if kind in ("nodata", "black", "white"):
        image[valid == 0] = 255 if kind == "white" else 0
        more = {"nodata": 0} if kind == "nodata" else {}
    else:
        more = {kind: valid}
    place = about_middle("EPSG:32632", (500, 300), GSD_M, -GSD_M)
    path = write(tmp_path / "o.tif", image, place, "EPSG:32632", **more)
    _, _, records = look(model_path, path)
    sites = records[-1]["sites"]
    assert sites
    for site in sites:
        assert site["column_px"] + site["clearance_m"] / GSD_M < 250 + 0.15 / GSD_M, site


def test_sites_of_overlapping_windows_are_one(tmp_path: Path, model_path: Path) -> None:
    place = about_middle("EPSG:32632", (600, 400), GSD_M, -GSD_M)
    path = write(tmp_path / "o.tif", lawn_in_a_wood(), place, "EPSG:32632")
    _, _, records = look(model_path, path)
    sites = records[-1]["sites"]
    for i, one in enumerate(sites):
        for other in sites[:i]:
            way = np.hypot(one["column_px"] - other["column_px"], one["row_px"] - other["row_px"]) * GSD_M
            assert way >= max(one["clearance_m"], other["clearance_m"]) - 1e-6


def refused(path: Path, words: str, **options: Any) -> None:
    with pytest.raises(DataError, match=words), open_orthophoto(path, **options):
        pass


def test_rasters_that_are_no_colour_orthophoto_are_refused(tmp_path: Path) -> None:
    place, crs = about_middle("EPSG:32632", (40, 30), GSD_M, -GSD_M), "EPSG:32632"
    for name, count, kind, words in (
        ("dsm", 1, "float32", "surface model"),
        ("grey", 1, "uint8", "expected colour"),
        ("deep", 3, "uint16", "3 bands of uint16"),
        ("multi", 5, "uint8", "does not say which are red"),
    ):
        path = tmp_path / f"{name}.tif"
        with rasterio.open(path, "w", "GTiff", 40, 30, count, crs, place, kind) as out:
            out.write(np.ones((count, 30, 40), kind))
        refused(path, words)
    path = write(tmp_path / "nir.tif", np.full((30, 40, 3), 9, np.uint8), place, crs)
    with rasterio.open(path, "r+") as out:
        out.set_band_description(1, "NIR")
    refused(path, "'nir'")


@pytest.mark.parametrize("far_m", [1e9, 1e12, 1e300])
def test_a_raster_beyond_its_projection_is_refused(far_m: float, tmp_path: Path) -> None:
    image = np.full((30, 40, 3), 90, np.uint8)
    for crs in ("EPSG:32632", "EPSG:3857"):
        refused(write(tmp_path / "wide.tif", image, Affine(far_m, 0, 5e5, 0, -far_m, 5.2e6), crs), "orthophoto")
        refused(write(tmp_path / "far.tif", image, Affine(0.05, 0, far_m, 0, -0.05, far_m), crs), "orthophoto")


def test_scales_that_are_not_said_are_asked_for(tmp_path: Path, model_path: Path) -> None:
    image = fake_model.paint(300, 200)
    plain = tmp_path / "plain.tif"
    Image.fromarray(image[..., ::-1].copy()).save(plain)
    assert not is_orthophoto(plain)
    refused(plain, "give --gsd-m")
    _, said, records = look(model_path, plain, gsd_m=GSD_M, out=tmp_path / "out")
    assert records[-1]["sites"] and "geojson" not in records[-1] and "longitude_deg" not in records[-1]["sites"][0]
    assert any("no coordinates" in line for line in said)
    (tmp_path / "plain.tfw").write_text(f"{GSD_M}\n0\n0\n-{GSD_M}\n500000\n5200000\n")
    assert is_orthophoto(plain)
    refused(plain, "give --crs")
    refused(plain, "no coordinate system", crs="EPSG:nonsense")
    refused(plain, "is no place", crs="EPSG:4326")
    with open_orthophoto(plain, crs="EPSG:32632") as photo:
        assert photo.place.gsd_m == pytest.approx(GSD_M, rel=5e-3)
        assert "--crs" in photo.place.source
    refused(plain, "leave --gsd-m out", crs="EPSG:32632", gsd_m=0.2)
    with pytest.raises(DataError, match="too coarse"):
        look(model_path, plain, crs="EPSG:32632", height_agl_m=1.0)


def test_an_orthophoto_without_colour_is_refused(tmp_path: Path, model_path: Path) -> None:
    grey = np.repeat(lawn_in_a_wood().mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    at = about_middle("EPSG:32632", (600, 400), GSD_M, -GSD_M)
    path = write(tmp_path / "ortho.tif", grey, at, "EPSG:32632")
    with pytest.raises(DataError, match="has no colour"):
        look(model_path, path, out=tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.geojson"))


def test_a_photo_is_no_orthophoto(tmp_path: Path, model_path: Path) -> None:
    path = tmp_path / "photo.tif"
    tags = Image.Exif()
    tags[0x0110] = "X"
    tags.get_ifd(0x8825)[2] = (47.0, 22.0, 0.0)
    Image.fromarray(fake_model.paint(128, 96)[..., ::-1].copy()).save(path, exif=tags)
    assert not is_orthophoto(path)
    with pytest.raises(DataError, match="--gsd-m"):
        look(model_path, path, height_agl_m=None)


def test_a_model_without_a_scale_asks_and_one_with_it_chooses(tmp_path: Path) -> None:
    spec = fake_model.spec_of(Taxonomy.load("synthetic"))
    with pytest.raises(DataError, match="give --height-agl-m"):
        scale_for(spec, 0.02, tmp_path, None, None)
    known: ModelSpec = spec.model_copy(update={"ground_range": GroundRange(finest_mm=20.0, coarsest_mm=80.0)})
    assert scale_for(known, 0.01, tmp_path, None, None).gsd_m == pytest.approx(0.04)
    assert scale_for(known, 0.06, tmp_path, None, None).gsd_m == pytest.approx(0.06)
    with pytest.raises(DataError, match="too coarse"):
        scale_for(known, 0.1, tmp_path, None, None)


def test_without_its_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = about_middle("EPSG:32632", (40, 30), GSD_M, -GSD_M)
    path = write(tmp_path / "o.tif", np.full((30, 40, 3), 90, np.uint8), place, "EPSG:32632")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    refused(path, r'pip install "touchdown-landing\[ortho\]"')


def test_huge_sparse_and_damaged_rasters_end_in_a_line(tmp_path: Path, model_path: Path) -> None:
    x, y = middle("EPSG:32632")
    huge = tmp_path / "huge.tif"
    profile: dict[str, Any] = {"photometric": "RGB", "tiled": True, "SPARSE_OK": "TRUE", "nodata": 0, "BIGTIFF": "YES"}
    with rasterio.open(
        huge, "w", "GTiff", 100_000, 100_000, 3, "EPSG:32632", Affine(0.5, 0, x, 0, -0.5, y), "uint8", **profile
    ):
        pass
    with open_orthophoto(huge) as photo, photo.at(1.0, (50_000, 50_000)) as reader:
        image, nothing = reader.read(100, 100, 64, 64)
        assert image.shape == (64, 64, 3) and nothing.all()
    damaged = tmp_path / "damaged.tif"
    place = about_middle("EPSG:32632", (600, 400), GSD_M, -GSD_M)
    whole = write(tmp_path / "w.tif", lawn_in_a_wood(), place, "EPSG:32632", compress="deflate", tiled=True)
    for cut in (20, 300, whole.stat().st_size // 2):
        damaged.write_bytes(whole.read_bytes()[:cut])
        with pytest.raises(DataError, match="none of 1 pictures"):
            look(model_path, damaged)


def test_a_very_large_picture_is_shown_smaller(tmp_path: Path, model_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "wide.png"), fake_model.paint(6400, 64))
    options = LookOptions(
        model_path, RuntimeOptions(threads=1), DecisionSection(), given=Given(20.0, 70.0, pitch_deg=-90.0), out=tmp_path
    )
    records: list[dict[str, Any]] = []
    Looker(options, lambda _line: None, records.append).run([tmp_path / "wide.png"])
    assert cv2.imread(str(tmp_path / records[0]["picture"])).shape[:2] == (60, 6000)
