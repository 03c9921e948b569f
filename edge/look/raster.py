"""Orthophotos: rasters with a place on the ground, read by windows at the scale that a network wants.

Everything is read through one warped view: north up, square pixels of a chosen size in metres, whatever the file's
coordinate system, unit, rotation or pixel shape. The plane of that view is an azimuthal equidistant projection about
the raster's middle, where a metre is a metre on the ground (a metre of Web Mercator is not).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.look.georeference import Georeference, applied, georeference_of, warped
from landing.distribution import install_command
from landing.errors import DataError, first_line
from landing.reading import ANY_BYTES, require_file
from landing.types import ByteArray

CACHE_MB = 64
MOST_BLOCK_BYTES = 256 << 20
"""Largest piece in which a file is compressed; it is decoded as a whole."""

MOST_METRES = 200_000.0
"""Widest raster: beyond it the plane bends."""

DIMMEST, BRIGHTEST, FLAT_PX = 3, 252, 7
"""Black or white without texture over so many pixels is the collar of a mosaic that does not mark it."""

OTHER_BANDS = ("nir", "infrared", "infra-red", "red edge", "rededge", "red_edge", "thermal", "lwir")


@dataclass(frozen=True)
class RasterBands:
    """Bands to read: red, green and blue, from 1, and the mask's band, None where there is none."""

    rgb: tuple[int, int, int]
    alpha: int | None
    note: str | None = None


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
        x, y = applied(self.place.transform, columns, rows)
        return (x, y) if self.place.crs is None else warped(self.place.crs, self.place.plane, x, y)

    def pixel_from_plane(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Column and row of a place on the plane."""
        x, y = east_m, north_m
        if self.place.crs is not None:
            xs, ys = warped(self.place.plane, self.place.crs, np.array([x]), np.array([y]))
            x, y = float(xs[0]), float(ys[0])
        column, row = applied(~self.place.transform, x, y)
        return float(column), float(row)

    def wgs84_from_plane(self, east_m: float, north_m: float) -> tuple[float, float] | None:
        """Longitude and latitude of a place on the plane, degrees (WGS84); None where only the scale is known."""
        if self.place.crs is None:
            return None
        lon, lat = warped(self.place.plane, "EPSG:4326", np.array([east_m]), np.array([north_m]))
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
            place = georeference_of(source, path, gsd_m, crs)
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
