"""Facts in a photo's EXIF and XMP: lens, size as taken, turn, attitude of the camera, height. Nothing is decided here.

Names and conventions: EXIF 2.32 (CIPA DC-008), DJI's `drone-dji` XMP, Autel's `drone`, Parrot's `drone-parrot`,
Skydio's `drone-skydio`, and Pix4D's `Camera` XMP, which senseFly and Parrot write too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from edge.cameras.recordings import HEIF_SUFFIXES, heif_opener
from landing.camera import CameraModel
from landing.errors import CameraError
from landing.picture_files import DAMAGED, PICTURE_BYTES
from landing.reading import open_file

XMP_BYTES = 4 << 20
"""Most of an XMP packet that is searched."""

XMP_SEARCH_BYTES = 1 << 18
"""XMP stands near the start of a JPEG."""

SENSOR_WIDTH_MM = {
    **dict.fromkeys(("FC300S", "FC300X", "FC300C", "FC330", "FC200", "FC220", "FC230", "FC350"), 6.17),
    **dict.fromkeys(("FC7203", "FC7303"), 6.3),
    **dict.fromkeys(("FC6310", "FC6310R", "FC6310S", "L1D-20c", "FC3411"), 13.2),
    "FC3170": 6.4,
    "FC3582": 9.7,
}
"""Width of the sensor, mm, by camera model as EXIF names it."""

ONE_INCH_MM = (13.2, 8.8)
"""The sensors of 3:2; the others are of 4:3. A picture of another shape is cut out of the middle of one."""

NO_PLAIN_PICTURE = (
    (rb"ImageSource\W{1,12}(?:Infrared|Thermal|IR)", "is of a thermal camera"),
    (rb"BandName\W{1,80}(?:LWIR|NIR|Red ?Edge|Thermal)", "is of a thermal or multispectral band"),
    (rb"ProjectionType\W{1,12}(?:equirectangular|cylindrical|spherical)", "is a panorama"),
)
"""Forms of XMP (DJI, Parrot and MicaSense, Google's GPano) of pictures that no single lens took in colour."""

THERMAL_MAKES, THERMAL_MODELS = ("flir",), ("xt2", "xt s", "xtr", "zenmuse xt", "h20t-t", "flir")
FISHEYE_MAKES = ("gopro", "insta360", "arashi vision")

WIDER_THAN_SENSORS = 1.6
"""No still camera's sensor is wider: width by height."""

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
MM_PER_RESOLUTION_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
TURN_DEG = {1: 0, 2: 0, 3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}
"""Clockwise turn that a viewer makes, by EXIF Orientation."""

MIRRORED = (2, 4, 5, 7)
"""Values of EXIF Orientation of pictures that are stored mirrored."""

HEIGHT_ABOVE_GROUND = ("AboveGroundAltitude", "HeightAboveGround")
HEIGHT_ABOVE_TAKE_OFF = ("RelativeAltitude",)
NEAR_NADIR_DEG = 15.0
"""A camera that looked straight down was tilted by no more, with the vehicle that carried it."""

HEADING = ("GimbalYawDegree", "CameraYawDegree", "CameraYaw", "FlightYawDegree")
BELOW_SEA, ABOVE_ELLIPSOID = 1, (2, 3)
DJI = b"drone-dji:"
"""Its GPS altitudes are above the ellipsoid, or above where the standard pressure is (Payload SDK, `GpsAltType`)."""

INTERRUPTED = "V"
"""GPSStatus of a camera that had no fix: what it writes is the place of the last one."""

TRUE_NORTH = "T"
"""EXIF counts a direction from true north, or from the magnetic one, which is of no use without a date."""

PITCH = ("GimbalPitchDegree", "CameraPitchDegree", "CameraPitch")
ROLL = ("GimbalRollDegree", "CameraRollDegree", "CameraRoll")

_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)(?:\s*/\s*(\d+(?:\.\d+)?))?\s*(?:m|deg|°)?$")


@dataclass(frozen=True)
class Fact:
    """A number and where it was found.

    Attributes:
        value: In the unit of its name.
        source: Tag, for people.
        certain: False for what programs leave behind when they write a copy of another size.
    """

    value: float
    source: str
    certain: bool = True


@dataclass(frozen=True)
class PhotoFacts:
    """Facts of a photo; None where the file says nothing usable.

    Attributes:
        size_px: Width and height of the file as it is.
        taken_px: Width and height as the camera took it, by EXIF; None where it does not say.
        focals_px: Focal lengths by all that the file says, for pictures of `taken_px` (else `size_px`), the most
            trusted first.
        zoom: Digital zoom factor, at least 1.
        turn_deg: Clockwise turn that a viewer makes, 0, 90, 180 or 270 degrees.
        above_ground_m: Height above ground.
        above_take_off_m: Height above the take-off point.
        above_sea_m: GPS altitude, never a height above ground; None where it counts from something else than the sea.
        pitch_deg: Pitch of the camera, -90 straight down.
        oblique: A pitch that makers count from different zeros, and that none of them calls straight down.
        roll_deg: Roll of the camera.
        unusable: Kind of picture that is never decided on, in words.
        fisheye: True where the lens bends straight lines so far that a focal length says little.
        heading_deg: Direction of the camera over the ground, or of the upper edge of a picture straight down,
            clockwise from true north.
        latitude_deg, longitude_deg: Of the camera, WGS-84.
        mirrored: True where the file says that it is stored mirrored.
        lens: The whole lens, where it is told: that of the picture's camera in a bag.
        taken: Time of the exposure by the camera's clock, ISO 8601; empty where it is not told.
    """

    size_px: tuple[int, int] = (0, 0)
    taken_px: tuple[int, int] | None = None
    focals_px: tuple[Fact, ...] = ()
    zoom: float = 1.0
    turn_deg: int = 0
    above_ground_m: Fact | None = None
    above_take_off_m: Fact | None = None
    above_sea_m: Fact | None = None
    pitch_deg: Fact | None = None
    oblique: Fact | None = None
    roll_deg: Fact | None = None
    unusable: str | None = None
    fisheye: bool = False
    heading_deg: Fact | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    taken: str = ""
    mirrored: bool = False
    lens: CameraModel | None = None


def read_facts(path: Path) -> PhotoFacts:
    """Read the facts of a picture file; none for one without EXIF and XMP."""
    if path.suffix.lower() in HEIF_SUFFIXES:
        heif_opener()
    try:
        stream = open_file(path, "picture", CameraError, PICTURE_BYTES)
    except CameraError:
        return PhotoFacts()
    try:
        with stream, Image.open(stream) as image:
            exif = image.getexif()
            base: dict[int, Any] = dict(exif)
            detail: dict[int, Any] = dict(exif.get_ifd(ExifTags.IFD.Exif))
            gps: dict[int, Any] = dict(exif.get_ifd(ExifTags.IFD.GPSInfo))
            size_px = image.size
            xmp = _xmp_of(image, base)
            if not xmp:
                stream.seek(0)
                xmp = stream.read(XMP_SEARCH_BYTES)
    except (*DAMAGED, Image.DecompressionBombError):
        return PhotoFacts()
    taken_px = _taken_px(detail)
    pix4d = xmp_number(xmp, "Pitch", "Camera")
    orientation = int(number_of(base.get(ExifTags.Base.Orientation)) or 1)
    zoom = max(1.0, number_of(detail.get(ExifTags.Base.DigitalZoomRatio)) or 1.0)
    return PhotoFacts(
        size_px,
        taken_px,
        tuple(_focals_px(base, detail, xmp, taken_px or size_px, zoom)),
        zoom,
        TURN_DEG.get(orientation, 0),
        _of_xmp(xmp, HEIGHT_ABOVE_GROUND, "above ground"),
        _of_xmp(xmp, HEIGHT_ABOVE_TAKE_OFF, "above take-off"),
        _above_sea(gps, xmp),
        _angle(_of_xmp(xmp, PITCH)) or _pitch_of_pix4d(pix4d),
        pix4d if pix4d is not None and abs(pix4d.value) > NEAR_NADIR_DEG and pix4d.value > -45.0 else None,
        _angle(_of_xmp(xmp, ROLL)),
        _unusable(base, xmp),
        _text(base, ExifTags.Base.Make).lower().startswith(FISHEYE_MAKES)
        or re.search(rb"ModelType\W{1,12}fisheye", xmp) is not None,
        _heading(gps, xmp),
        *_place(gps),
        _taken(detail),
        orientation in MIRRORED,
    )


def _heading(gps: Mapping[int, Any], xmp: bytes) -> Fact | None:
    """Direction of the camera; XMP counts from true north."""
    fact = _of_xmp(xmp, HEADING) or xmp_number(xmp, "Yaw", "Camera")
    if fact is None and _text(gps, ExifTags.GPS.GPSImgDirectionRef) == TRUE_NORTH:
        fact = _of_exif(gps, ExifTags.GPS.GPSImgDirection, "EXIF GPSImgDirection")
    return fact if fact is not None and abs(fact.value) <= 360.0 else None


def _above_sea(gps: Mapping[int, Any], xmp: bytes) -> Fact | None:
    """Altitude above the sea; EXIF 3.0 names those above the ellipsoid."""
    fact, side = _of_exif(gps, ExifTags.GPS.GPSAltitude, "GPS altitude"), gps.get(ExifTags.GPS.GPSAltitudeRef)
    side = side[0] if isinstance(side, bytes) and side else side
    if fact is None or side in ABOVE_ELLIPSOID or DJI in xmp:
        return None
    return replace(fact, value=-fact.value) if side == BELOW_SEA else fact


def _place(gps: Mapping[int, Any]) -> tuple[float | None, float | None]:
    """Latitude and longitude, degrees; 0, 0 is written where there is no fix."""
    datum = re.sub(r"\W", "", _text(gps, ExifTags.GPS.GPSMapDatum)).upper()
    if datum not in ("", "WGS84") or _text(gps, ExifTags.GPS.GPSStatus).upper() == INTERRUPTED:
        return None, None
    places = []
    for value_tag, side_tag, sides in (
        (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, ("N", "S")),
        (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, ("E", "W")),
    ):
        value = gps.get(value_tag)
        parts = [number_of(part) for part in value] if isinstance(value, tuple) and len(value) == 3 else [None]
        known = [part for part in parts if part is not None and part >= 0.0]
        side = _text(gps, side_tag).upper()
        if len(known) != 3 or side not in sides:
            return None, None
        degrees = known[0] + known[1] / 60.0 + known[2] / 3600.0
        places.append(-degrees if side == sides[1] else degrees)
    latitude_deg, longitude_deg = places
    usable = abs(latitude_deg) <= 90.0 and abs(longitude_deg) <= 180.0 and (latitude_deg or longitude_deg)
    return (latitude_deg, longitude_deg) if usable else (None, None)


def _taken(detail: Mapping[int, Any]) -> str:
    found = re.fullmatch(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", _text(detail, ExifTags.Base.DateTimeOriginal))
    return "" if found is None else f"{found[1]}-{found[2]}-{found[3]}T{found[4]}"


def _xmp_of(image: Image.Image, base: Mapping[int, Any]) -> bytes:
    """The XMP packet, at its place in JPEG and WebP, PNG, or TIFF (tag 700); empty where there is none."""
    for packet in (image.info.get("xmp"), image.info.get("XML:com.adobe.xmp"), base.get(700)):
        if packet:
            data = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet
            return data[:XMP_BYTES] if isinstance(data, bytes) else b""
    return b""


def _text(tags: Mapping[int, Any], tag: int) -> str:
    return str(tags.get(tag, "")).strip("\0 ")


def _unusable(base: Mapping[int, Any], xmp: bytes) -> str | None:
    found = next((words for form, words in NO_PLAIN_PICTURE if re.search(form, xmp, re.IGNORECASE)), None)
    if found is not None:
        return found
    make, model = (_text(base, tag).lower() for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    if make.startswith(THERMAL_MAKES) or model.startswith(THERMAL_MODELS):
        return f"is of a thermal camera ({_text(base, ExifTags.Base.Model)})"
    return None


def number_of(value: Any) -> float | None:
    """Read a number as EXIF and XMP write it: +030.0, 3.0e+01, 30000/1000, 30,50, 30.0 m; None for anything else."""
    if isinstance(value, str):
        found = _NUMBER.match(value.strip().strip("\0"))
        if found is None:
            return None
        number, divisor = float(found[1].replace(",", ".")), float(found[2] or 1.0)
        number = number / divisor if divisor else math.nan
        return number if math.isfinite(number) else None
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def xmp_number(xmp: bytes, name: str, namespace: str = r"[\w-]{1,24}") -> Fact | None:
    """Read a number of an XMP packet, an attribute or an element; `namespace` is a regular expression."""
    key = re.escape(name.encode())
    value = rb"(?:\s*=\s*\"([^\"]{1,64})\"|\s*=\s*'([^']{1,64})'|>([^<]{1,64})<)"
    for found in re.finditer(rb"(" + namespace.encode() + rb"):" + key + value, xmp):
        number = number_of(next(g for g in found.groups()[1:] if g is not None).decode("ascii", "replace"))
        if number is not None:
            return Fact(number, f"XMP {found[1].decode()}:{name}")
    return None


def _of_xmp(xmp: bytes, names: tuple[str, ...], meaning: str = "") -> Fact | None:
    fact = next((f for f in (xmp_number(xmp, name) for name in names) if f is not None), None)
    return fact if fact is None or not meaning else Fact(fact.value, f"{fact.source} ({meaning})")


def _pitch_of_pix4d(fact: Fact | None) -> Fact | None:
    """`Camera:Pitch`, where it can have one meaning: at 0 some makers look straight down and others at the horizon."""
    return fact if fact is not None and -180.0 <= fact.value <= -45.0 else None


def _angle(fact: Fact | None) -> Fact | None:
    """A turn that a gimbal can tell, degrees; None for a number that is no such angle."""
    return fact if fact is not None and abs(fact.value) <= 180.0 else None


def _of_exif(tags: Mapping[int, Any], tag: int, source: str) -> Fact | None:
    value = number_of(tags.get(tag))
    return None if value is None else Fact(value, source)


def _taken_px(detail: Mapping[int, Any]) -> tuple[int, int] | None:
    width = number_of(detail.get(ExifTags.Base.ExifImageWidth))
    height = number_of(detail.get(ExifTags.Base.ExifImageHeight))
    if width is None or height is None or width < 1 or height < 1:
        return None
    return round(width), round(height)


def _focals_px(
    base: Mapping[int, Any], detail: Mapping[int, Any], xmp: bytes, taken_px: tuple[int, int], zoom: float
) -> list[Fact]:
    """Focal lengths for pictures as they were taken, px, the certain first.

    A sensor's long side is the picture's. The 35 mm equivalent is defined by the diagonal (CIPA DCG-001), and makers
    write the whole sensor's into pictures that are cut from it: one wider than 3:2 is taken as the full width of 4:3.
    """
    long_px = max(taken_px)
    zoomed = f", digital zoom {zoom:g}" if zoom > 1.0 else ""
    found = []
    calibrated = xmp_number(xmp, "CalibratedFocalLength")
    if calibrated is not None and calibrated.value > 1.0:
        centre = xmp_number(xmp, "CalibratedOpticalCenterX")
        scale = long_px / (2.0 * centre.value) if centre is not None and centre.value > 1.0 else 1.0
        found.append(Fact(calibrated.value * scale * zoom, f"{calibrated.source} {calibrated.value:g} px{zoomed}"))
    focal_mm = number_of(detail.get(ExifTags.Base.FocalLength))
    if focal_mm is not None and focal_mm > 0:
        per_unit = number_of(detail.get(ExifTags.Base.FocalPlaneXResolution))
        unit = number_of(detail.get(ExifTags.Base.FocalPlaneResolutionUnit)) or 2
        if per_unit is not None and per_unit > 0:
            width_mm = long_px / per_unit * MM_PER_RESOLUTION_UNIT.get(int(unit), 25.4)
            if 1.0 < width_mm < 60.0:
                source = f"EXIF focal length {focal_mm:g} mm and sensor width {width_mm:.1f} mm"
                found.append(Fact(focal_mm / width_mm * long_px * zoom, source + zoomed, certain=False))
        model = _text(base, ExifTags.Base.Model)
        if model in SENSOR_WIDTH_MM:
            width_mm = _width_used_mm(SENSOR_WIDTH_MM[model], max(taken_px) / min(taken_px))
            source = f"EXIF focal length {focal_mm:g} mm and the sensor of {model}, {width_mm:.3g} mm wide"
            found.append(Fact(focal_mm / width_mm * long_px * zoom, source + zoomed))
    equivalent_mm = number_of(detail.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if equivalent_mm is not None and equivalent_mm > 0:
        wide = long_px / min(taken_px) > WIDER_THAN_SENSORS
        diagonal_px = 1.25 * long_px if wide else math.hypot(*taken_px)
        source = f"EXIF 35 mm equivalent focal length {equivalent_mm:g} mm{' of a 4:3 sensor' if wide else ''}{zoomed}"
        found.append(Fact(equivalent_mm / FULL_FRAME_DIAGONAL_MM * diagonal_px * zoom, source, certain=False))
    return sorted(found, key=_doubt)


def _doubt(fact: Fact) -> bool:
    return not fact.certain


def _width_used_mm(width_mm: float, shape: float) -> float:
    """Width of the part of a sensor that a picture of some shape (long side by short side) is of, mm."""
    height_mm = ONE_INCH_MM[1] if width_mm == ONE_INCH_MM[0] else 0.75 * width_mm
    return min(width_mm, height_mm * shape)
