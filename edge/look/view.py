"""The view of a photograph: where its camera was, where it looked, and how large things are in it.

One place decides this for `edge look`. Every value keeps the name of its source. A view that looks too flat, whose
direction is not known or whose scale is not known is refused; nothing is assumed without being asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from edge.lens import camera_for_size
from edge.look.photo import Fact, PhotoFacts
from landing.camera import CameraModel, Mount
from landing.errors import CameraError, ConfigError, InvalidValueError
from landing.problems import Problem
from landing.types import ByteArray, Pose

LEVEL = (1.0, 0.0, 0.0, 0.0)

LEAST_DOWN_DEG = 45.0
"""A camera that looked less far down shows ground that is too far away and too flat to judge."""

MOST_ROLL_DEG = 45.0
COLOURLESS = 2
"""Difference of the channels, grey levels, that no sensor and lens for colour stay within."""

UPSIDE_DOWN_DEG = 80.0
"""A camera upside down is as good as any other from here on: it looks straight down."""

SAME_SHAPE = 0.02
"""Pictures whose aspect ratios differ by less are of one shape."""

ASSUMED = "--assume-nadir"
UNKNOWN = Fact(-90.0, "nowhere")
"""Pitch of a view that is refused because nothing says it."""

AGREE = 0.05
"""Sources of the focal length that differ by more disagree."""

OVERRULED, OVERRULED_DEG = 0.15, 5.0
"""An option that differs by more from the file, as a part of it or in degrees, is said."""

DISPUTED = 0.12
"""EXIF that contradicts itself by more, as after a program wrote a copy's size into it, says no scale."""


@dataclass(frozen=True)
class Given:
    """Facts that the user gives for all pictures; they stand before those of a file.

    Attributes:
        height_agl_m: Height above ground, m.
        hfov_deg: Horizontal field of view of the pictures as they are, degrees.
        calibration: Calibrated camera; its mount is not used.
        pitch_deg: Pitch of the camera, -90 straight down, degrees.
        assume_nadir: A view whose pitch is not known looks straight down.
    """

    height_agl_m: float | None = None
    hfov_deg: float | None = None
    calibration: CameraModel | None = None
    pitch_deg: float | None = None
    assume_nadir: bool = False


@dataclass(frozen=True)
class View:
    """A view that can be decided on, or the reason why not.

    Attributes:
        camera: Lens and mount for the picture as it is.
        height_agl_m: Height above ground, m.
        source: Where height, lens and pitch are known from, one line.
        notes: Disagreements and assumptions, a line each.
        refused: Why this view is not decided on; None where it is.
    """

    camera: CameraModel
    height_agl_m: float
    source: str
    notes: tuple[str, ...] = ()
    refused: str | None = None

    def pose_at(self, at_ns: int) -> Pose:
        """Pose of a level vehicle above the origin."""
        return Pose(at_ns, LEVEL, (0.0, 0.0, -self.height_agl_m), self.height_agl_m)


class UnknownViewError(CameraError):
    """A picture says too little to place its camera, and nobody else does."""

    problem = Problem.VIEW


def calibrated(path: str) -> CameraModel:
    """Read the camera of a calibration file.

    Raises:
        CameraError: The file is missing or is no calibration. It is no `ConfigError`: nothing flies with it.
    """
    try:
        return CameraModel.from_calibration(path)
    except ConfigError as error:
        raise CameraError(str(error)) from error


def view_of(size_px: tuple[int, int], facts: PhotoFacts, given: Given, sky: float = 0.0) -> View:
    """Decide what a picture shows.

    Args:
        size_px: Width and height of the picture, px.
        facts: From its file.
        given: By the user.
        sky: Part of the picture that looks like sky, 0 to 1; it contradicts an assumed pitch.

    Raises:
        UnknownViewError: Height or field of view is neither in the file nor given, or the file's height is none above
            ground.
    """
    height = _height(facts, given)
    pitch = _pitch(facts, given)
    notes = _overruled(size_px, facts, given)
    lens, lens_notes, cropped = _lens(size_px, facts, given)
    notes += lens_notes
    refused = None if facts.unusable is None else f"the picture {facts.unusable}, the model knows colour pictures"
    refused = refused or cropped
    roll_deg, misdirected = _direction(facts, given, pitch)
    refused = refused or misdirected
    pitch = pitch or UNKNOWN
    if pitch.source == ASSUMED and sky > 0:
        refused = refused or (
            f"{100 * sky:.0f} % of the picture look like sky, so it was not taken straight down; "
            "give --pitch-deg, -90 if it was"
        )
    elif pitch.source == ASSUMED:
        notes.append("pitch is not known: taken as straight down, since --assume-nadir says so")
    if facts.turn_deg:
        notes.append(f"stored as taken; viewers turn it by {facts.turn_deg} degrees (EXIF Orientation)")
    mount = Mount(roll_deg=roll_deg, pitch_deg=pitch.value)
    camera = replace(lens.camera, mount=mount)
    source = (
        f"height {height.value:g} m from {height.source}, horizontal field of view {camera.hfov_deg:.1f} degrees from "
        f"{lens.source}, "
    )
    source += "pitch not known" if pitch is UNKNOWN else f"pitch {pitch.value:g} degrees from {pitch.source}"
    return View(camera, height.value, source, tuple(notes), refused)


def _direction(facts: PhotoFacts, given: Given, pitch: Fact | None) -> tuple[float, str | None]:
    """Roll that is taken, degrees, and why the camera did not look at ground that can be judged; None where it did."""
    roll = Fact(0.0, "") if facts.roll_deg is None else facts.roll_deg
    refused = None
    if given.pitch_deg is None and facts.pitch_deg is None and facts.oblique is not None:
        refused = (
            f"{facts.oblique.source} is {facts.oblique.value:g} degrees, which no maker calls straight down, and some "
            "count from the horizon and others from below; give --pitch-deg"
        )
    elif pitch is None:
        refused = (
            "the file does not say where the camera looked; give --assume-nadir if it looked straight down, "
            "or --pitch-deg"
        )
    if MOST_ROLL_DEG < abs(roll.value) < 180.0 - MOST_ROLL_DEG:
        refused = refused or f"the camera was rolled by {roll.value:g} degrees ({roll.source})"
    if pitch is not None:
        down_deg = math.degrees(math.asin(math.sin(math.radians(-pitch.value))))
        if down_deg < LEAST_DOWN_DEG:
            refused = refused or (
                f"pitch {pitch.value:g} degrees ({pitch.source}): the camera looked {down_deg:.0f} degrees below the "
                f"horizon, at least {LEAST_DOWN_DEG:g} are needed; if the file is wrong give --pitch-deg"
            )
        if abs(roll.value) >= 180.0 - MOST_ROLL_DEG and given.pitch_deg is None and down_deg < UPSIDE_DOWN_DEG:
            refused = refused or (
                f"the camera was upside down ({roll.source} {roll.value:g}) at pitch {pitch.value:g} degrees: the "
                "upper edge of the picture may be the near one; give --pitch-deg, beyond -90 if it is"
            )
    return (roll.value if abs(roll.value) <= MOST_ROLL_DEG else 0.0), refused


def _overruled(size_px: tuple[int, int], facts: PhotoFacts, given: Given) -> list[str]:
    """Say where an option is used against the file, a line each."""
    notes = []
    height, wanted_m = facts.above_ground_m or facts.above_take_off_m, given.height_agl_m
    if wanted_m and height and height.value > 0 and abs(wanted_m / height.value - 1.0) > OVERRULED:
        notes.append(f"--height-agl-m {wanted_m:g} is used; {height.source} says {height.value:g} m")
    pitch, wanted_deg = facts.pitch_deg, given.pitch_deg
    turn_deg = 0.0 if wanted_deg is None or pitch is None else (wanted_deg - pitch.value + 180.0) % 360.0 - 180.0
    if pitch is not None and abs(turn_deg) > OVERRULED_DEG:
        notes.append(f"--pitch-deg {wanted_deg:g} is used; {pitch.source} says {pitch.value:g} degrees")
    if given.hfov_deg is not None and facts.focals_px:
        own, taken = facts.focals_px[0], facts.taken_px or size_px
        if _shape(taken) > 1 > _shape(size_px) or _shape(taken) < 1 < _shape(size_px):
            taken = (taken[1], taken[0])
        own_deg = _hfov_deg(taken, own)
        if abs(given.hfov_deg / own_deg - 1.0) > OVERRULED:
            notes.append(f"--hfov-deg {given.hfov_deg:g} is used; {own.source} means {own_deg:.1f} degrees")
    elif given.hfov_deg is not None and _shape(size_px) < 1:
        long_px = size_px[1] / 2 / math.tan(math.radians(given.hfov_deg / 2))
        notes.append(
            f"the picture is upright and --hfov-deg {given.hfov_deg:g} counts across its short side; if the lens sees "
            f"{given.hfov_deg:g} degrees along the long one, give {_hfov_deg(size_px, Fact(long_px, '')):.1f}"
        )
    return notes


NO_COLOUR = "the picture has no colour (thermal, or black and white), the model knows colours"


def has_colour(image_bgr: ByteArray) -> bool:
    """Tell whether a picture, uint8 (H, W, 3), has colours; those of thermal cameras have none."""
    step = max(1, max(image_bgr.shape[:2]) // 256)
    few = image_bgr[::step, ::step].astype(np.int16)
    return bool(np.quantile(np.ptp(few, axis=2), 0.99) > COLOURLESS)


def in_colour(view: View, image_bgr: ByteArray) -> View:
    """Return the view, refused where its picture, uint8 (H, W, 3), has no colour."""
    return view if view.refused is not None or has_colour(image_bgr) else replace(view, refused=NO_COLOUR)


@dataclass(frozen=True)
class _Lens:
    camera: CameraModel
    source: str


def _height(facts: PhotoFacts, given: Given) -> Fact:
    if given.height_agl_m is not None:
        return Fact(given.height_agl_m, "--height-agl-m")
    for fact in (facts.above_ground_m, facts.above_take_off_m):
        if fact is None:
            continue
        if fact.value > 0:
            return fact
        raise UnknownViewError(
            f"{fact.source} is {fact.value:g} m: no height above ground (a vehicle may fly lower than its take-off "
            "point); give it with --height-agl-m"
        )
    sea = facts.above_sea_m
    words = f" Its GPS altitude {sea.value:.0f} m is above the sea, not above the ground." if sea is not None else ""
    raise UnknownViewError(f"the height above ground is not in the file; give it with --height-agl-m.{words}")


def _pitch(facts: PhotoFacts, given: Given) -> Fact | None:
    if given.pitch_deg is not None:
        return Fact(given.pitch_deg, "--pitch-deg")
    if facts.pitch_deg is not None:
        return facts.pitch_deg
    return Fact(-90.0, ASSUMED) if given.assume_nadir else None


def _lens(size_px: tuple[int, int], facts: PhotoFacts, given: Given) -> tuple[_Lens, list[str], str | None]:
    """Lens for the picture as it is, notes, and why its scale is not known.

    A picture that was made smaller keeps its shape, and one that was turned swaps its sides. Of a crop only a bound is
    known: it shows at most as much ground as the whole picture made small until it just covers the crop.
    """
    width_px, height_px = size_px
    if given.hfov_deg is not None:
        return _Lens(CameraModel.from_hfov(width_px, height_px, given.hfov_deg), "--hfov-deg"), [], None
    if given.calibration is not None:
        if facts.zoom > 1.0 + SAME_SHAPE:
            raise UnknownViewError(
                f"the picture was zoomed {facts.zoom:g} times, --calibration is of the whole picture; give --hfov-deg"
            )
        return _Lens(camera_for_size(given.calibration, width_px, height_px), "--calibration"), [], None
    if facts.lens is not None:
        return _Lens(camera_for_size(facts.lens, width_px, height_px), facts.focals_px[0].source), [], None
    if facts.fisheye:
        raise UnknownViewError("the lens is a fisheye, its file says no scale; give --calibration")
    if not facts.focals_px:
        raise UnknownViewError("the field of view is not in the file; give it with --hfov-deg or --calibration")
    taken = facts.taken_px or size_px
    if (_shape(taken) > 1 and _shape(size_px) < 1) or (_shape(taken) < 1 and _shape(size_px) > 1):
        taken = (taken[1], taken[0])
    scale = max(width_px / taken[0], height_px / taken[1])
    cropped = None
    if abs(_shape(taken) / _shape(size_px) - 1.0) > SAME_SHAPE:
        cropped = (
            f"the picture is {width_px}x{height_px} px, its EXIF says {taken[0]}x{taken[1]}: another shape, so it was "
            "cropped and its scale is not known; give --hfov-deg, or take the picture as it came from the camera"
        )
    chosen = facts.focals_px[0]
    notes = [
        f"{other.source} means {_hfov_deg(taken, other):.1f} degrees, {chosen.source} {_hfov_deg(taken, chosen):.1f}: "
        "the second is used"
        for other in facts.focals_px[1:]
        if abs(other.value / chosen.value - 1.0) > AGREE
    ]
    disputed = next((f for f in facts.focals_px[1:] if abs(f.value / chosen.value - 1.0) > DISPUTED), None)
    if disputed is not None and not chosen.certain:
        cropped = cropped or f"{notes[0].removesuffix(': the second is used')}: give --hfov-deg"
    focal_px = chosen.value * scale
    try:
        camera = CameraModel(
            width_px, height_px, focal_px, focal_px, (width_px - 1) / 2, (height_px - 1) / 2, mount=Mount()
        )
    except InvalidValueError as error:
        raise UnknownViewError(f"{chosen.source}: {error}; give --hfov-deg") from error
    return _Lens(camera, chosen.source), notes, cropped


def _shape(size_px: tuple[int, int]) -> float:
    return size_px[0] / size_px[1]


def _hfov_deg(taken_px: tuple[int, int], focal: Fact) -> float:
    return math.degrees(2 * math.atan(taken_px[0] / 2 / focal.value))
