"""A world from a picture of real ground, with labels where there are some."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from landing.errors import DataError
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from sim.world.actors import Sun
from sim.world.model import World
from sim.world.photo_scale import scale_of
from sim.world.photograph import Photograph

MAX_SIDE_PX = 12_000
SIZE_M = 60.0
"""Width and height of the plane where nothing else is asked for: less where that is more than `MAX_SIDE_PX`."""


def read_picture(path: Path, what: str) -> ByteArray:
    """An 8-bit colour picture, uint8 (H, W, 3).

    Raises:
        DataError: Missing, or not a picture.
    """
    return _read(path, what, cv2.IMREAD_COLOR)


def read_labels(path: Path, taxonomy: Taxonomy) -> ByteArray:
    """A label map, uint8 (H, W): ids of a taxonomy, or its ignore index.

    The file holds the ids themselves, in 8 or 16 bits, or the colours of the taxonomy's classes (a palette PNG reads as
    its colours too). White, black and transparent pixels that are the colour of no class are not labelled.

    Raises:
        DataError: Missing, neither of the two, or with values or colours the taxonomy lacks.
    """
    labels = _read(path, "labels", cv2.IMREAD_UNCHANGED)
    if labels.ndim == 2 and labels.dtype == np.uint16 and labels.max(initial=0) <= 255:
        labels = labels.astype(np.uint8)
    if labels.ndim == 3 and labels.dtype == np.uint8 and labels.shape[2] in (3, 4):
        return _ids_of_colours(path, labels, taxonomy)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(
            f"labels {path}: expected an 8-bit single-channel index PNG or the colours of a "
            f"taxonomy, got {labels.dtype} of shape {labels.shape}"
        )
    values = np.unique(labels)
    strange = [int(v) for v in values if v >= len(taxonomy) and v != taxonomy.ignore_index]
    if strange:
        raise DataError(
            f"labels {path}: value {strange[0]} is not in taxonomy {taxonomy.name!r} "
            f"(0 to {len(taxonomy) - 1}, or {taxonomy.ignore_index}): name the right taxonomy"
        )
    return labels


def _ids_of_colours(path: Path, colours: ByteArray, taxonomy: Taxonomy) -> ByteArray:
    packed = colours[..., :3].astype(np.uint32) @ np.array([1, 1 << 8, 1 << 16], dtype=np.uint32)
    ids = np.full(packed.shape, taxonomy.ignore_index, dtype=np.uint8)
    known = np.isin(packed, (0x000000, 0xFFFFFF))
    for entry in taxonomy.classes:
        red, green, blue = entry.color_rgb
        same = packed == (blue | green << 8 | red << 16)
        ids[same] = entry.id
        known |= same
    if colours.shape[2] == 4:
        clear = colours[..., 3] == 0
        ids[clear] = taxonomy.ignore_index
        known |= clear
    if not known.all():
        strange = packed[~known]
        first = int(strange[0])
        rgb = (first >> 16, first >> 8 & 255, first & 255)
        raise DataError(
            f"labels {path}: colour {rgb} is of no class of taxonomy {taxonomy.name!r} "
            f"({len(strange)} of {packed.size} px are not): expected its colours, or an 8-bit "
            "single-channel index PNG"
        )
    return ids


def _outside(path: Path) -> npt.NDArray[np.bool_] | None:
    """Transparent pixels of an orthophoto, which hold no ground; None without an alpha."""
    if path.suffix.lower() not in (".png", ".tif", ".tiff", ".webp"):
        return None
    whole = _read(path, "picture", cv2.IMREAD_UNCHANGED)
    return whole[..., 3] == 0 if whole.ndim == 3 and whole.shape[2] == 4 else None


def _read(path: Path, what: str, flags: int) -> ByteArray:
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{what} {path}: {reason.lower()}; name a PNG or JPEG file") from error
    image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags) if raw else None
    if image is None:
        raise DataError(f"{what} {path}: not a picture that OpenCV can read ({len(raw)} bytes)")
    return np.asarray(image)


def photo(
    picture: str | Path,
    gsd_m: float | None = None,
    labels: str | Path | None = None,
    taxonomy: str = "aeroscapes",
    size_m: float | None = None,
    height_agl_m: float | None = None,
    hfov_deg: float | None = None,
) -> World:
    """A world whose plane is a picture, see `World.photograph`.

    Beyond the picture's edges it is mirrored over and over, so that a network has surroundings to look at; what it is
    there is not known, and nothing is labelled.

    Args:
        picture: Straight-down picture or orthophoto; its middle is NED (0, 0), its top is north. Transparent parts are
            unknown ground.
        gsd_m: Metres per pixel; None takes the scale from the file, see `sim.world.photo_scale`.
        labels: Label map of the same size, see `read_labels`. Without it nothing is known.
        taxonomy: Name or file, of the labels.
        size_m: The plane is at least this wide and high; None: `SIZE_M`.
        height_agl_m: Of the camera above ground, m, where the scale is the file's.
        hfov_deg: Horizontal field of view of the camera, degrees, where the scale is the file's.

    Raises:
        DataError: A file that cannot be used, sizes that differ, or a scale that is not known or out of range.
        TaxonomyError: No such taxonomy.
    """
    classes = Taxonomy.load(taxonomy)
    path = Path(picture)
    image = read_picture(path, "picture")
    rows, columns = image.shape[:2]
    scale = scale_of(path, (columns, rows), gsd_m, height_agl_m, hfov_deg)
    gsd_m = scale.gsd_m
    size_m = min(SIZE_M, MAX_SIDE_PX * gsd_m) if size_m is None else size_m
    _check_scale(path, (rows, columns), gsd_m, size_m)
    raster = _classes_of(path, (rows, columns), labels, classes)
    side = round(size_m / gsd_m)
    pad_v, pad_u = max(0, -(-(side - rows) // 2)), max(0, -(-(side - columns) // 2))
    borders = (pad_v, pad_v, pad_u, pad_u)
    unknown = cv2.copyMakeBorder(raster, *borders, cv2.BORDER_CONSTANT, value=(classes.ignore_index,))
    return World(
        name=f"photo {path.name}",
        ortho_bgr=np.asarray(cv2.copyMakeBorder(image, *borders, cv2.BORDER_REFLECT), np.uint8),
        labels=np.asarray(unknown, np.uint8),
        gsd_m=gsd_m,
        taxonomy=classes,
        origin_px=(pad_u + (columns - 1) / 2, pad_v + (rows - 1) / 2),
        sun=Sun(strength=0.3),
        photograph=Photograph(columns, rows, labels is not None, scale.source),
    )


def _classes_of(path: Path, shape: tuple[int, int], labels: str | Path | None, taxonomy: Taxonomy) -> ByteArray:
    """Class of each pixel; the ignore index without labels and in transparent parts."""
    raster: ByteArray = np.full(shape, taxonomy.ignore_index, dtype=np.uint8)
    if labels is not None:
        raster = read_labels(Path(labels), taxonomy)
        if raster.shape != shape:
            raise DataError(
                f"labels {labels}: {raster.shape[1]}x{raster.shape[0]} px, but the picture "
                f"{path.name} is {shape[1]}x{shape[0]} px: they must be of one size"
            )
    outside = _outside(path)
    if outside is not None and outside.shape == shape:
        raster = np.where(outside, np.uint8(taxonomy.ignore_index), raster)
    return raster


def _check_scale(path: Path, shape: tuple[int, int], gsd_m: float, size_m: float) -> None:
    rows, columns = shape
    if not (0.0005 <= gsd_m <= 1.0 and 1.0 <= size_m <= 1000.0):
        raise DataError(
            f"picture {path}: gsd_m={gsd_m:g} and size_m={size_m:g}, expected 0.0005 to 1 m per pixel and 1 to 1000 m"
        )
    if max(rows, columns) > MAX_SIDE_PX:
        raise DataError(
            f"picture {path}: {columns}x{rows} px, expected up to {MAX_SIDE_PX} a side: cut a part "
            "out, or reduce it and its labels (labels by the nearest pixel) and give a larger gsd_m"
        )
    side = round(size_m / gsd_m)
    if side > MAX_SIDE_PX:
        raise DataError(
            f"picture {path}: {size_m:g} m at gsd_m={gsd_m:g} is {side} px a side, "
            f"expected up to {MAX_SIDE_PX}: ask for a smaller size_m"
        )
