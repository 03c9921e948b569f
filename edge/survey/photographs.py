"""A photograph of a survey: placed on the globe by its own file, and its ground judged as `edge look` judges it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from edge.cameras.recordings import read_picture
from edge.look.photo import PhotoFacts, read_facts
from edge.look.sky import sky_where_assumed
from edge.look.view import MOST_ROLL_DEG, Given, View, in_colour, view_of
from edge.pipeline import Pipeline
from edge.resolved import ResolvedDecision
from edge.runtimes import Runtime
from edge.survey.merging import PhotoCandidate, PhotoLook
from landing.choice.ground_evidence import GroundEvidence
from landing.errors import CameraError, InvalidValueError
from landing.geometry import quaternion_from_euler
from landing.globe import NEAREST_POLE_DEG, GlobalPlace
from landing.ground.site_score import confidence_in
from landing.ground.surface import surface_at
from landing.picture.monitor import StillMonitor
from landing.settings import DecisionSettings
from landing.site import NoSite, NoSiteReason
from landing.terminal import quiet_decoders
from landing.types import ByteArray, Frame, Pose

MOST_A_PHOTOGRAPH = 12
POLE_ROOM_DEG = 0.01  # A kilometre: no place that a photograph shows lies beyond `NEAREST_POLE_DEG`
UNJUDGED = (
    NoSiteReason.TOO_HIGH,
    NoSiteReason.HEIGHT_OUT_OF_RANGE,
    NoSiteReason.TILT_TOO_LARGE,
    NoSiteReason.BAD_PICTURE,
)
"""Refusals after which a photograph says nothing of its ground."""


class UnplacedError(CameraError):
    """A photograph that cannot be placed, or says nothing of its ground."""


@dataclass(frozen=True)
class PlacedPhoto:
    """A photograph, its view and where on the globe it was taken.

    Attributes:
        name: Of its file.
        image: uint8 (H, W, 3).
        view: Lens, mount and height.
        below: The place below the camera, at the height of the ground.
        heading_rad: Direction of its upper edge, clockwise from north.
        taken: Time, ISO 8601; empty where not known.
        measured: True where its height is one above the ground below it, and none above the take-off.
    """

    name: str
    image: ByteArray
    view: View
    below: GlobalPlace
    heading_rad: float
    taken: str
    measured: bool

    def pose(self, at_ns: int) -> Pose:
        """Pose of a level vehicle above the origin, turned as the photograph is."""
        height_m = self.view.height_agl_m
        return Pose(at_ns, quaternion_from_euler(0.0, 0.0, self.heading_rad), (0.0, 0.0, -height_m), height_m)


def open_photo(path: Path, given: Given) -> PlacedPhoto:
    """Read a photograph and place it.

    Raises:
        CameraError: It cannot be read, its view is refused, or its file does not say where it was taken.
    """
    with quiet_decoders():
        image = read_picture(path)
    facts = read_facts(path)
    sky = sky_where_assumed(image, facts, given)
    view = in_colour(view_of((image.shape[1], image.shape[0]), facts, given, sky), image)
    if view.refused is not None:
        raise UnplacedError(view.refused)
    if facts.mirrored or _is_turned((image.shape[1], image.shape[0]), facts.taken_px):
        raise UnplacedError(
            "somebody has turned or mirrored it, so its upper edge is not where its file says it points"
        )
    measured = given.height_agl_m is not None or facts.above_ground_m is not None
    below = _below(facts, view, measured)
    return PlacedPhoto(path.name, image, view, below, _heading_rad(facts), facts.taken, measured)


def _is_turned(size_px: tuple[int, int], taken_px: tuple[int, int] | None) -> bool:
    """Tell a picture that lies on its side, against how the camera took it."""
    return taken_px is not None and (size_px[0] - size_px[1]) * (taken_px[0] - taken_px[1]) < 0


def _below(facts: PhotoFacts, view: View, measured: bool) -> GlobalPlace:
    """The place below the camera; its altitude is known where the height is one above ground."""
    if facts.latitude_deg is None or facts.longitude_deg is None:
        raise UnplacedError("its EXIF has no GPS place (degrees of WGS-84 with N or S and E or W, from a fix)")
    # Less a height above take-off it would be the take-off's altitude, wherever the photograph was taken.
    sea = facts.above_sea_m if measured else None
    ground_m = None if sea is None else sea.value - view.height_agl_m
    if abs(facts.latitude_deg) > NEAREST_POLE_DEG - POLE_ROOM_DEG:
        raise UnplacedError(f"it was taken at {facts.latitude_deg:.4f} degrees of latitude, too near to a pole")
    try:
        return GlobalPlace(facts.latitude_deg, facts.longitude_deg, ground_m)
    except InvalidValueError as error:
        raise UnplacedError(str(error)) from error


def _heading_rad(facts: PhotoFacts) -> float:
    if facts.heading_deg is None:
        raise UnplacedError(
            "the file does not say where its upper edge points (XMP GimbalYawDegree, or EXIF GPSImgDirection from "
            "true north)"
        )
    roll_deg = 0.0 if facts.roll_deg is None else facts.roll_deg.value
    # Straight down, a camera upside down is one turned about: the view takes it as not rolled.
    turned_deg = roll_deg if abs(roll_deg) > MOST_ROLL_DEG else 0.0
    return math.radians(facts.heading_deg.value + turned_deg)


def judge(
    photo: PlacedPhoto, runtime: Runtime, flies: ResolvedDecision, settings: DecisionSettings, least_m: float
) -> PhotoLook:
    """Judge the ground of a photograph.

    Args:
        photo: Placed.
        runtime: The network.
        flies: The decision.
        settings: Of a single look.
        least_m: Least clearance of a site, m.

    Raises:
        UnplacedError: It was taken from where the network cannot judge the ground.
    """
    camera = photo.view.camera
    decider = flies.decider(camera, time.perf_counter_ns, settings)
    clocks = (time.monotonic_ns, time.perf_counter_ns)
    pipeline = Pipeline(runtime, decider, camera, *clocks, StillMonitor(camera))
    step = pipeline.step(Frame(photo.image, 0, time.monotonic_ns()), photo.pose)
    chosen = step.decision.selection
    if isinstance(chosen, NoSite) and chosen.reason in UNJUDGED:
        raise UnplacedError(chosen.detail)
    view, clearance_m, pose = step.view, step.clearance_m, step.pose
    if view is None or clearance_m is None or pose is None:
        raise UnplacedError("it does not show the ground")
    evidence = GroundEvidence.of(view, clearance_m)
    radius_m, candidates = settings.required_radius_m, []
    for clear in evidence.widest(least_m, MOST_A_PHOTOGRAPH):
        confidence = None
        if flies.confidence is not None:
            position = (clear.north_m, clear.east_m, view.ground_down_m)
            smoothing_px = settings.evidence.smoothing_px
            confidence = confidence_in(
                flies.confidence, step.segmentation, camera, pose, position, radius_m, smoothing_px
            )
        surface = surface_at(view, flies.classes.surfaces, clear.cell, radius_m)
        candidates.append(PhotoCandidate(clear, surface, confidence))
    return PhotoLook(photo.name, photo.below, photo.taken, evidence, tuple(candidates))
