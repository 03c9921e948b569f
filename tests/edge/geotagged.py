"""Photographs as a mapping drone stores them: JPEG with GPS place, height, lens and attitude in EXIF and XMP."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from landing.globe import GlobalPlace


def save_geotagged(
    path: Path,
    image_bgr: np.ndarray,
    below: GlobalPlace,
    height_m: float,
    heading_deg: float | None,
    hfov_deg: float,
    taken: str = "2026:11:28 12:00:00",
    maker: str = "drone-dji",
    height_of: str = "RelativeAltitude",
    altitude_ref: int = 0,
    base: Mapping[int, Any] | None = None,
    detail_more: Mapping[int, Any] | None = None,
    gps_more: Mapping[int, Any] | None = None,
) -> Path:
    """Write a picture straight down.

    Args:
        path: JPEG.
        image_bgr: uint8 (H, W, 3).
        below: Ground below the camera.
        height_m: Of the camera above it.
        heading_deg: Of the upper edge, clockwise from north; None leaves it out.
        hfov_deg: Horizontal field of view.
        taken: Of EXIF.
        maker: Namespace in XMP.
        height_of: Name of the height in XMP.
        base, detail_more, gps_more: Further tags of EXIF.
        altitude_ref: What the GPS altitude counts from, of EXIF.
    """
    columns = image_bgr.shape[1]
    focal_px = columns / 2 / math.tan(math.radians(hfov_deg) / 2)
    exif = Image.Exif()
    detail, gps = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    detail[0x9003] = taken
    exif.update(base or {})
    detail.update(detail_more or {})
    for tag, value, sides in ((1, below.latitude_deg, "NS"), (3, below.longitude_deg, "EW")):
        gps[tag] = sides[int(value < 0)]
        minutes, degrees = math.modf(abs(value))
        seconds, whole = math.modf(minutes * 60)
        gps[tag + 1] = (degrees, whole, IFDRational(round(seconds * 60 * 1_000_000), 1_000_000))
    gps[5], gps[6] = bytes([altitude_ref]), IFDRational(round(((below.altitude_m or 0.0) + height_m) * 1000), 1000)
    gps.update(gps_more or {})
    turned = "" if heading_deg is None else f' {maker}:GimbalYawDegree="{heading_deg:+.2f}"'
    xmp = (
        f'<x:xmpmeta><rdf:Description {maker}:{height_of}="{height_m:+.3f}" '
        f'{maker}:GimbalPitchDegree="-90.00"{turned} {maker}:CalibratedFocalLength="{focal_px:.4f}" '
        f'{maker}:CalibratedOpticalCenterX="{columns / 2:.1f}"/></x:xmpmeta>'
    )
    Image.fromarray(np.ascontiguousarray(image_bgr[..., ::-1])).save(path, exif=exif, xmp=xmp.encode(), quality=95)
    return path
