"""Height, lens and pitch of a photo from its EXIF and XMP."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from landing.errors import CameraError
from landing.pictures import DAMAGED, PICTURE_BYTES
from landing.reading import open_file

XMP_SEARCH_BYTES = 1 << 18
"""XMP stands near the start of a JPEG."""

SENSOR_WIDTH_MM = {
    # Width of the sensor in 4:3 use, mm, by camera model as EXIF names it.
    "FC300S": 6.17,
    "FC300X": 6.17,
    "FC300C": 6.17,
    "FC330": 6.17,
    "FC200": 6.17,
    "FC220": 6.17,
    "FC230": 6.17,
    "FC7203": 6.3,
    "FC7303": 6.3,
    "FC6310": 13.2,
    "FC6310R": 13.2,
    "FC6310S": 13.2,
    "L1D-20c": 13.2,
    "FC3411": 13.2,
    "FC3170": 6.4,
    "FC3582": 9.7,
    "FC350": 6.17,
}

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)

MM_PER_RESOLUTION_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


@dataclass(frozen=True)
class PhotoFacts:
    """Facts of a photo; None where the file says nothing usable.

    Attributes:
        height_m: Height above the take-off point.
        height_from: Where the height was found.
        hfov_deg: Horizontal field of view.
        hfov_from: How the field of view was found.
        pitch_deg: Pitch of the camera, -90 straight down.
        msl_m: Height above the sea, which is never used as height above ground.
    """

    height_m: float | None = None
    height_from: str = ""
    hfov_deg: float | None = None
    hfov_from: str = ""
    pitch_deg: float | None = None
    msl_m: float | None = None


def read_facts(path: Path) -> PhotoFacts:
    """The facts in a picture file; nothing at all for one without EXIF or XMP."""
    try:
        stream = open_file(path, "picture", CameraError, PICTURE_BYTES)
    except CameraError:
        return PhotoFacts()
    try:
        with stream, warnings.catch_warnings(), Image.open(stream) as image:
            warnings.simplefilter("ignore")  # of damaged EXIF; what cannot be read is not used
            exif = image.getexif()
            base: dict[int, Any] = dict(exif)
            detail: dict[int, Any] = dict(exif.get_ifd(ExifTags.IFD.Exif))
            gps: dict[int, Any] = dict(exif.get_ifd(ExifTags.IFD.GPSInfo))
            size = image.size
            stream.seek(0)
            head = stream.read(XMP_SEARCH_BYTES)
    except (*DAMAGED, Image.DecompressionBombError):
        return PhotoFacts()
    height_m = xmp_number(head, "RelativeAltitude")
    hfov_deg, hfov_from = _field_of_view(base, detail, size)
    return PhotoFacts(
        height_m=height_m,
        height_from="XMP RelativeAltitude (above take-off)" if height_m is not None else "",
        hfov_deg=hfov_deg,
        hfov_from=hfov_from,
        pitch_deg=xmp_number(head, "GimbalPitchDegree"),
        msl_m=_number(gps.get(ExifTags.GPS.GPSAltitude)),
    )


def xmp_number(data: bytes, name: str) -> float | None:
    """A number of an XMP packet, written as an attribute or as an element."""
    key = re.escape(name.encode())
    found = re.search(rb"[\w-]+:" + key + rb"(?:\s*=\s*[\"']|>)\s*([+-]?\d+(?:\.\d+)?)", data)
    return float(found.group(1)) if found else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _hfov_deg(width_mm: float, focal_mm: float) -> float:
    return math.degrees(2 * math.atan(width_mm / 2 / focal_mm))


def _field_of_view(base: dict[int, Any], detail: dict[int, Any], size: tuple[int, int]) -> tuple[float | None, str]:
    """By sensor width if the file or a table gives it, else from the 35 mm equivalent."""
    focal_mm = _number(detail.get(ExifTags.Base.FocalLength))
    if focal_mm is not None and focal_mm > 0:
        per_unit = _number(detail.get(ExifTags.Base.FocalPlaneXResolution))
        unit = _number(detail.get(ExifTags.Base.FocalPlaneResolutionUnit)) or 2
        taken_px = _number(detail.get(ExifTags.Base.ExifImageWidth)) or size[0]
        if per_unit is not None and per_unit > 0:
            # The resolution is that of the picture as it was taken, before it was made smaller.
            width_mm = taken_px / per_unit * MM_PER_RESOLUTION_UNIT.get(int(unit), 25.4)
            if 1.0 < width_mm < 60.0:
                return (
                    _hfov_deg(width_mm, focal_mm),
                    f"EXIF focal length {focal_mm:g} mm and sensor width {width_mm:.1f} mm",
                )
        model = str(base.get(ExifTags.Base.Model, "")).strip("\0 ")
        if model in SENSOR_WIDTH_MM:
            width_mm = SENSOR_WIDTH_MM[model]
            return (
                _hfov_deg(width_mm, focal_mm),
                f"EXIF focal length {focal_mm:g} mm and the {width_mm:g} mm wide sensor of {model}",
            )
    equivalent_mm = _number(detail.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if equivalent_mm is not None and equivalent_mm > 0:
        # The equivalent is defined by the picture's diagonal (CIPA DCG-001).
        width_mm = FULL_FRAME_DIAGONAL_MM * size[0] / math.hypot(*size)
        return (_hfov_deg(width_mm, equivalent_mm), f"EXIF 35 mm equivalent focal length {equivalent_mm:g} mm")
    return None, ""
