"""Place and scale of a raster's pixels on the ground, from its tags, a world file, a projection file or the user."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landing.errors import DataError, first_line
from landing.picture_files import TIFF_SUFFIXES, tiff_tags
from landing.reading import read_text

GEO_TAGS = frozenset({33550, 33922, 34264, 34735})
"""Tags of a GeoTIFF (OGC 19-008): pixel scale, tie points, transformation, keys."""

WORLD_SUFFIXES = (".tfw", ".tifw", ".tiffw", ".wld")
SAME_SCALE = 0.02

FARTHEST = 1e11
"""No place of the Earth has larger coordinates, in whatever unit."""


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


def georeference_of(source: Any, path: Path, gsd_m: float | None, crs: str | None) -> Georeference:
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
    middle_x, middle_y = applied(a, column, row)
    lon, lat = warped(crs, "EPSG:4326", np.array([middle_x]), np.array([middle_y]))
    if not (math.isfinite(lon[0]) and math.isfinite(lat[0]) and abs(lat[0]) <= 90.0 and abs(lon[0]) <= 360.0):
        raise DataError(f"orthophoto {path}: its middle ({middle_x:g}, {middle_y:g}) is no place of {_name(crs)}")
    plane = CRS.from_proj4(f"+proj=aeqd +lat_0={lat[0]:.12f} +lon_0={lon[0]:.12f} +datum=WGS84 +units=m +no_defs")
    step = max(1.0, min(column, row, 100.0))
    corners = [applied(a, column + dx, row + dy) for dx, dy in ((-step, 0), (step, 0), (0, -step), (0, step))]
    east, north = warped(crs, plane, np.array([c[0] for c in corners]), np.array([c[1] for c in corners]))
    sides = [math.hypot(east[i + 1] - east[i], north[i + 1] - north[i]) / (2 * step) for i in (0, 2)]
    if not all(math.isfinite(s) and s > 0 for s in sides):
        raise DataError(f"orthophoto {path}: the size of its pixels is not known from {words}")
    return Georeference(crs, a, plane, max(sides), words)


def _name(crs: Any) -> str:
    epsg = crs.to_epsg()
    return f"EPSG:{epsg}" if epsg is not None else str(crs.to_wkt()).partition('"')[2].partition('"')[0]


def applied(transform: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Points through a transform of affine's; its operator for them has another sign in each version."""
    return transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f


def warped(source: Any, target: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Points of one coordinate system in another; not finite where they have no place in it."""
    import rasterio.warp
    from rasterio._err import CPLE_BaseError  # what GDAL says of points beyond a projection; no public class holds it

    nowhere = np.full(np.size(x), np.nan), np.full(np.size(y), np.nan)
    if not (np.abs(x) < FARTHEST).all() or not (np.abs(y) < FARTHEST).all():
        return nowhere  # PROJ wraps longitudes turn by turn, for hours where they are far
    try:
        east, north = rasterio.warp.transform(source, target, np.ravel(x).tolist(), np.ravel(y).tolist())
    except CPLE_BaseError:
        return nowhere
    return np.asarray(east, np.float64), np.asarray(north, np.float64)
