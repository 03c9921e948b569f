"""Orthophotos: rasters with a place on the ground, read by windows at the scale that a network wants.

Everything is read through one warped view: north up, square pixels of a chosen size in metres, whatever the file's
coordinate system, unit, rotation or pixel shape. The plane of that view is an azimuthal equidistant projection about
the raster's middle, where a metre is a metre on the ground (a metre of Web Mercator is not).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landing.distribution import install_command
from landing.errors import DataError, first_line
from landing.pictures import TIFF_SUFFIXES, tiff_tags
from landing.reading import ANY_BYTES, read_text, require_file
from landing.types import ByteArray

GEO_TAGS = frozenset({33550, 33922, 34264, 34735})
"""Tags of a GeoTIFF (OGC 19-008): pixel scale, tie points, transformation, keys."""

WORLD_SUFFIXES = (".tfw", ".tifw", ".tiffw", ".wld")
CACHE_MB = 64
MOST_BLOCK_BYTES = 256 << 20
"""Largest piece in which a file is compressed; it is decoded as a whole."""

MOST_METRES = 200_000.0
"""Widest raster: beyond it the plane bends."""

SAME_SCALE = 0.02
DIMMEST, BRIGHTEST, FLAT_PX = 3, 252, 7
"""Black or white without texture over so many pixels is the collar of a mosaic that does not mark it."""

OTHER_BANDS = ("nir", "infrared", "infra-red", "red edge", "rededge", "red_edge", "thermal", "lwir")


@dataclass(frozen=True)
class Georeference:
    """Place and scale of a raster's pixels.

    Attributes:
        crs: Coordinate system (rasterio's), None where only the scale is known.
        transform: From pixels to that system, or to metres where `crs` is None (affine's).
        plane: Metric coordinate system about the middle, None where `crs` is.
        gsd_m: Ground sample distance, the coarser of both axes, m.
        source: Where it is known from, for people.
    """

    crs: Any
    transform: Any
    plane: Any
    gsd_m: float
    source: str


@dataclass(frozen=True)
class RasterBands:
    """Bands to read: red, green and blue, from 1, and the mask's band, None where there is none."""

    rgb: tuple[int, int, int]
    alpha: int | None
    note: str | None = None


def is_orthophoto(path: Path) -> bool:
    """Tell a TIFF that says where on the ground it lies (GeoTIFF, or a world file beside it) from a photograph."""
    if path.suffix.lower() not in TIFF_SUFFIXES:
        return False
    tags = tiff_tags(path)
    return bool(tags) and (bool(GEO_TAGS & tags.keys()) or world_file(path) is not None)


def world_file(path: Path) -> Path | None:
    """Find the world file of a raster; its suffix in either case."""
    names = (path.with_suffix(s) for suffix in WORLD_SUFFIXES for s in (suffix, suffix.upper()))
    return next((name for name in names if name.is_file()), None)


class Orthophoto:
    """An open orthophoto, read as windows of a grid on the ground.

    Make it with `open_orthophoto`.

    Attributes:
        path: The file.
        size_px: Width and height as stored.
        place: Its georeference.
        bands: The bands that are read.
    """

    def __init__(self, source: Any, path: Path, place: Georeference, bands: RasterBands) -> None:
        self.path = path
        self.size_px = (int(source.width), int(source.height))
        self.place = place
        self.bands = bands
        self._source = source
        columns = np.concatenate([np.linspace(0, 1, 33)] * 2 + [np.zeros(33), np.ones(33)]) * source.width
        rows = np.concatenate([np.zeros(33), np.ones(33)] + [np.linspace(0, 1, 33)] * 2) * source.height
        x, y = self.plane_from_pixel(columns, rows)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise DataError(f"orthophoto {path}: its edge has no place on the ground: check its coordinate system")
        self.west_m, self.south_m, self.east_m, self.north_m = (float(v) for v in (x.min(), y.min(), x.max(), y.max()))
        if max(self.east_m - self.west_m, self.north_m - self.south_m) > MOST_METRES:
            raise DataError(
                f"orthophoto {path} is {(self.east_m - self.west_m) / 1000:.0f} km wide, at most "
                f"{MOST_METRES / 1000:g} km expected: cut it, or check its coordinate system"
            )

    def plane_from_pixel(self, columns: Any, rows: Any) -> tuple[Any, Any]:
        """Metres east and north on the plane of pixels; the outer corner of the first is (0, 0)."""
        x, y = _applied(self.place.transform, columns, rows)
        return (x, y) if self.place.crs is None else _warped(self.place.crs, self.place.plane, x, y)

    def pixel_from_plane(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Column and row of a place on the plane."""
        x, y = east_m, north_m
        if self.place.crs is not None:
            xs, ys = _warped(self.place.plane, self.place.crs, np.array([x]), np.array([y]))
            x, y = float(xs[0]), float(ys[0])
        column, row = _applied(~self.place.transform, x, y)
        return float(column), float(row)

    def wgs84_from_plane(self, east_m: float, north_m: float) -> tuple[float, float] | None:
        """Longitude and latitude of a place on the plane, degrees (WGS84); None where only the scale is known."""
        if self.place.crs is None:
            return None
        lon, lat = _warped(self.place.plane, "EPSG:4326", np.array([east_m]), np.array([north_m]))
        return float(lon[0]), float(lat[0])

    @contextmanager
    def at(self, gsd_m: float, size_px: tuple[int, int]) -> Iterator[WindowReader]:
        """Open a view of at least the whole raster, north up.

        Args:
            gsd_m: Metres per pixel of the view.
            size_px: Its width and height; what lies outside the raster is no ground. It has the raster's middle.

        Raises:
            DataError: The file cannot be read so.
        """
        from rasterio.enums import Resampling
        from rasterio.transform import Affine
        from rasterio.vrt import WarpedVRT

        west_m = (self.west_m + self.east_m - size_px[0] * gsd_m) / 2
        north_m = (self.south_m + self.north_m + size_px[1] * gsd_m) / 2
        with ExitStack() as stack:
            source, transform = self._source, self.place.transform
            metres = "EPSG:32631"  # any metric system: where only the scale is known, both ends are the same
            with _in_words(self.path):
                level = self._overview(gsd_m)
                if level is not None:
                    source = stack.enter_context(_opened(self.path, overview_level=level))
                    scale = (self.size_px[0] / source.width, self.size_px[1] / source.height)
                    transform = transform * Affine.scale(*scale)
                view = stack.enter_context(
                    WarpedVRT(
                        source,
                        src_crs=self.place.crs or metres,
                        src_transform=transform,
                        crs=self.place.plane or metres,
                        transform=Affine(gsd_m, 0.0, west_m, 0.0, -gsd_m, north_m),
                        width=size_px[0],
                        height=size_px[1],
                        resampling=Resampling.average if gsd_m > self.place.gsd_m else Resampling.bilinear,
                        warp_mem_limit=CACHE_MB,
                        **({"add_alpha": True} if self.bands.alpha is None else {"src_alpha": self.bands.alpha}),
                    )
                )
            alpha = view.count if self.bands.alpha is None else self.bands.alpha
            yield WindowReader(view, self.path, (*self.bands.rgb, alpha), (west_m, north_m), gsd_m)

    def _overview(self, gsd_m: float) -> int | None:
        """Number of an overview that is still twice as fine as `gsd_m`; None for the pixels themselves."""
        factors = self._source.overviews(1)
        fine = [i for i, factor in enumerate(factors) if factor * self.place.gsd_m * 2 <= gsd_m]
        return max(fine, key=lambda i: factors[i]) if fine else None


@dataclass(frozen=True)
class WindowReader:
    """A raster on a grid of its plane.

    Attributes:
        corner_m: East and north of its north-west corner on the plane, m.
        gsd_m: Metres per pixel.
    """

    view: Any
    path: Path
    bands: tuple[int, int, int, int]
    corner_m: tuple[float, float]
    gsd_m: float

    def read(self, column: int, row: int, width: int, height: int) -> tuple[ByteArray, ByteArray]:
        """Read a part: uint8 (H, W, 3) BGR, and uint8 (H, W), not 0 where there is no ground.

        Raises:
            DataError: The file is damaged there.
        """
        import cv2
        from rasterio.windows import Window

        with _in_words(self.path):
            red, green, blue, alpha = self.view.read(list(self.bands), window=Window(column, row, width, height))
        image = np.dstack([blue, green, red])
        nothing = (alpha < 250).astype(np.uint8)
        collar = ((image.max(axis=2) <= DIMMEST) | (image.min(axis=2) >= BRIGHTEST)).astype(np.uint8)
        if collar.any():
            kernel = np.ones((FLAT_PX, FLAT_PX), np.uint8)
            nothing |= cv2.morphologyEx(collar, cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_REPLICATE)
        return image, nothing


@contextmanager
def open_orthophoto(path: Path, gsd_m: float | None = None, crs: str | None = None) -> Iterator[Orthophoto]:
    """Open an orthophoto and find out what its pixels are.

    Args:
        path: A TIFF file.
        gsd_m: Metres per pixel, where the file does not say; sites have no coordinates then.
        crs: Coordinate system of a raster that has a transform alone, as ``EPSG:32632``.

    Raises:
        DataError: rasterio is not installed, or the file is no colour orthophoto of known scale.
    """
    require_file(path, "orthophoto", DataError, ANY_BYTES)
    with ExitStack() as stack:
        rasterio = _rasterio(path)
        # One driver, so that no text of the file can make GDAL open another one; no listing of the folder.
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=CACHE_MB, GDAL_DISABLE_READDIR_ON_OPEN="TRUE"))
        with _in_words(path):
            source = stack.enter_context(_opened(path))
            bands = _bands(source, path)
            _require_small_blocks(source, path)
            place = _georeference(source, path, gsd_m, crs)
            photo = Orthophoto(source, path, place, bands)
        yield photo


def _rasterio(path: Path) -> Any:
    try:
        import rasterio
        import rasterio.errors
    except ImportError as error:
        raise DataError(f"orthophoto {path}: {install_command('ortho')} to read it (rasterio is missing)") from error
    return rasterio


def _opened(path: Path, **options: Any) -> Any:
    import logging
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what GDAL says becomes the error's text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path, driver="GTiff", **options)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Errors of rasterio as one line that names the file."""
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, OSError, ValueError, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        cause = error.__cause__ if error.__cause__ is not None else error
        raise DataError(f"orthophoto {path} cannot be read: {first_line(cause)}") from error


def _applied(transform: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Points through a transform of affine's; its operator for them has another sign in each version."""
    return transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f


def _warped(source: Any, target: Any, x: Any, y: Any) -> tuple[Any, Any]:
    import rasterio.warp

    east, north = rasterio.warp.transform(source, target, np.ravel(x).tolist(), np.ravel(y).tolist())
    return np.asarray(east, np.float64), np.asarray(north, np.float64)


def _bands(source: Any, path: Path) -> RasterBands:
    """Find the colour bands.

    Raises:
        DataError: It is no colour picture of 8 bits.
    """
    from rasterio.enums import ColorInterp

    count, kind = int(source.count), str(source.dtypes[0])
    colours = list(source.colorinterp)
    if kind.startswith("float"):
        raise DataError(
            f"orthophoto {path} has {count} band{'s'[: count != 1]} of {kind}: a surface model or an index map, no "
            "colour picture"
        )
    if ColorInterp.palette in colours:
        raise DataError(f"orthophoto {path} has a palette: expand it with `gdal_translate -expand rgb`")
    if kind != "uint8" or count < 3:
        raise DataError(
            f"orthophoto {path} has {count} band{'s'[: count != 1]} of {kind}: expected colour, three bands of 8 bits"
        )
    alpha = colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else None
    wanted = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    note = None
    if all(c in colours for c in wanted):
        rgb = tuple(colours.index(c) + 1 for c in wanted)
    elif count - (alpha is not None) == 3 and not any(c.name in ("cyan", "magenta", "hue") for c in colours):
        rgb = (1, 2, 3)
        note = "bands 1, 2 and 3 are taken as red, green and blue: the file does not say their colours"
    else:
        raise DataError(
            f"orthophoto {path} has {count} bands and does not say which are red, green and blue: write three of them "
            "with `gdal_translate -b R -b G -b B -colorinterp red,green,blue`"
        )
    for band in rgb:
        words = str(source.descriptions[band - 1] or "").lower()
        if any(other in words for other in OTHER_BANDS):
            raise DataError(f"orthophoto {path}: band {band} is {words!r}: expected the colours red, green and blue")
    return RasterBands((rgb[0], rgb[1], rgb[2]), alpha, note)


def _require_small_blocks(source: Any, path: Path) -> None:
    rows, columns = source.block_shapes[0]
    bands = source.count if str(source.interleaving or "").lower().endswith("pixel") else 1
    if source.compression is not None and rows * columns * bands > MOST_BLOCK_BYTES:
        raise DataError(
            f"orthophoto {path} is compressed in pieces of {columns}x{rows} px: write it in tiles with "
            "`gdal_translate -co TILED=YES -co COMPRESS=DEFLATE`"
        )


def _georeference(source: Any, path: Path, gsd_m: float | None, crs: str | None) -> Georeference:
    """Find the scale and place of the pixels.

    Raises:
        DataError: Neither the file nor the user says them, or both do and differ.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError
    from rasterio.transform import Affine

    known, origin, projection = source.crs, "the file", path.with_suffix(".prj")
    try:
        if crs is not None:
            known, origin = CRS.from_user_input(crs), "--crs"
        elif known is None and projection.is_file():
            words = read_text(projection, "projection", DataError)
            known, origin = CRS.from_wkt(words, morph_from_esri_dialect=True), projection.name
    except (CRSError, ValueError) as error:
        raise DataError(
            f"{crs or projection}: no coordinate system: {first_line(error)}; as --crs EPSG:32632"
        ) from error
    placed = source.transform != Affine.identity()
    if not placed and source.gcps[0]:
        raise DataError(f"orthophoto {path} has ground control points alone: rectify it first (`gdalwarp`)")
    if placed and known is not None and not (known.is_projected or known.is_geographic):
        known = None
    if placed and known is not None:
        place = _on_the_ground(source, path, known, f"{_name(known)} ({origin})")
        if gsd_m is not None and abs(gsd_m / place.gsd_m - 1.0) > SAME_SCALE:
            raise DataError(
                f"orthophoto {path}: --gsd-m {gsd_m:g}, but {place.source} means {place.gsd_m:.4g} m per px: leave "
                "--gsd-m out"
            )
        return place
    if gsd_m is not None:
        return Georeference(None, Affine(gsd_m, 0.0, 0.0, 0.0, -gsd_m, 0.0), None, gsd_m, "--gsd-m")
    if placed:
        raise DataError(
            f"orthophoto {path} says where its pixels lie, not in which coordinate system: give --crs, as EPSG:32632, "
            "or --gsd-m"
        )
    raise DataError(
        f"orthophoto {path} does not say where it lies and how large its pixels are: give --gsd-m, metres per pixel"
    )


def _on_the_ground(source: Any, path: Path, crs: Any, words: str) -> Georeference:
    from rasterio.crs import CRS

    a = source.transform
    column, row = source.width / 2, source.height / 2
    middle_x, middle_y = _applied(a, column, row)
    lon, lat = _warped(crs, "EPSG:4326", np.array([middle_x]), np.array([middle_y]))
    if not (math.isfinite(lon[0]) and math.isfinite(lat[0]) and abs(lat[0]) <= 90.0 and abs(lon[0]) <= 360.0):
        raise DataError(f"orthophoto {path}: its middle ({middle_x:g}, {middle_y:g}) is no place of {_name(crs)}")
    plane = CRS.from_proj4(f"+proj=aeqd +lat_0={lat[0]:.12f} +lon_0={lon[0]:.12f} +datum=WGS84 +units=m +no_defs")
    step = max(1.0, min(column, row, 100.0))
    corners = [_applied(a, column + dx, row + dy) for dx, dy in ((-step, 0), (step, 0), (0, -step), (0, step))]
    east, north = _warped(crs, plane, np.array([c[0] for c in corners]), np.array([c[1] for c in corners]))
    sides = [math.hypot(east[i + 1] - east[i], north[i + 1] - north[i]) / (2 * step) for i in (0, 2)]
    if not all(math.isfinite(s) and s > 0 for s in sides):
        raise DataError(f"orthophoto {path}: the size of its pixels is not known from {words}")
    return Georeference(crs, a, plane, max(sides), words)


def _name(crs: Any) -> str:
    epsg = crs.to_epsg()
    return f"EPSG:{epsg}" if epsg is not None else str(crs.to_wkt()).partition('"')[2].partition('"')[0]
