"""The decisions of others, as they are published or as one would write them first.

Each looks at one segmentation at a time, picks a pixel and casts it to the ground. So that the director treats them
fairly, a place near the last one counts as the same site seen again.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.choice.picker import clean_regions, clearance_grid, hazard_clearance_grid, pick
from landing.decision import Decision
from landing.estimator import FIRST_FRAME, EstimatorFrame
from landing.ground.map import GroundMap
from landing.ground.plane import GroundPlane
from landing.ground.view import GridOfFloat, GroundView
from landing.pad.tag import PadSighting
from landing.relief.report import ReliefReport
from landing.settings import DecisionSettings
from landing.site import LandingSite, NoSite, NoSiteReason
from landing.taxonomy import Taxonomy
from landing.types import ByteArray, Pose, Segmentation

SAME_SITE_SHARE = 0.1
"""Places closer than this share of the height, or a metre, are one site."""

BLUR_PX = 5
"""Side of the noise filter on the mask."""

LOWEST_M = 1.2
"""Below this height the picture shows too little; the last place stays, as with Touchdown's decision."""


@dataclass(frozen=True)
class ChosenPlace:
    """A place to land, found in one picture.

    Attributes:
        ne_m: North and east, local NED.
        clearance_m: Free radius as far as the method knows one.
        area_m2: Of its region.
    """

    ne_m: tuple[float, float]
    clearance_m: float
    area_m2: float


class Baseline(ABC):
    """One picture at a time; remembers only where it wanted to land last."""

    def __init__(self, settings: DecisionSettings, taxonomy: Taxonomy, camera: CameraModel) -> None:
        self.settings = settings
        self.taxonomy = taxonomy
        self.camera = camera
        self.last_view: GroundView | None = None
        self.last_clearance_m: GridOfFloat | None = None
        self._frame: EstimatorFrame = FIRST_FRAME
        self.reset()

    def reset(self) -> None:
        """Forget the last place."""
        self._plane = GroundPlane()
        self._site: LandingSite | None = None

    def observe(
        self,
        segmentation: Segmentation,
        pose: Pose | None,
        now_ns: int,
        sighting: PadSighting | None = None,
        relief: ReliefReport | None = None,
    ) -> Decision:
        """Decide with one frame; it knows no pads and no relief."""
        self.last_view = self.last_clearance_m = None
        if pose is not None and pose.frame != self._frame:
            self._frame = pose.frame
            self.reset()
        return replace(self._decide(segmentation, pose, now_ns), frame=self._frame)

    def _decide(self, segmentation: Segmentation, pose: Pose | None, now_ns: int) -> Decision:
        captured_ns = segmentation.captured_at_ns
        if pose is None or pose.ned_from_frd is None or pose.position_ned_m is None:
            reason = NoSite(NoSiteReason.NO_POSE, "pose at capture time is not known")
            return Decision(reason, now_ns, captured_ns)
        down_m = self._plane.down_m
        if pose.height_agl_m is not None:
            measured_m = pose.position_ned_m[2] + pose.height_agl_m
            down_m, _ = self._plane.update(measured_m, pose.height_agl_m, captured_ns)
        if down_m is None:
            reason = NoSite(NoSiteReason.NO_HEIGHT, "height above ground is not known")
            return Decision(reason, now_ns, captured_ns)
        height_m = down_m - pose.position_ned_m[2]
        if height_m < LOWEST_M and self._site is not None:
            return Decision(self._site, now_ns, captured_ns)
        place = self.place(segmentation, pose, down_m)
        if isinstance(place, NoSite):
            self._site = None
            return Decision(place, now_ns, captured_ns)
        self._site = self._seen_again(place, down_m, height_m, captured_ns)
        return Decision(self._site, now_ns, captured_ns)

    def refuse(self, problem: NoSite, pose: Pose | None, captured_ns: int, now_ns: int) -> Decision:
        """None of them looks whether a picture is good; asked to go without one, they have none."""
        self.last_view = self.last_clearance_m = None
        return Decision(problem, now_ns, captured_ns)

    @abstractmethod
    def place(self, segmentation: Segmentation, pose: Pose, down_m: float) -> ChosenPlace | NoSite:
        """Return the place to land by this picture alone."""

    def _seen_again(self, place: ChosenPlace, down_m: float, height_m: float, at_ns: int) -> LandingSite:
        first_ns, last = at_ns, self._site
        if last is not None:
            moved_m = math.dist(last.position_ned_m[:2], place.ne_m)
            if moved_m <= max(1.0, SAME_SITE_SHARE * height_m):
                first_ns = last.first_seen_ns
        position = (*place.ne_m, down_m)
        return LandingSite(position, place.clearance_m, place.area_m2, first_ns, at_ns)


class StraightDown(Baseline):
    """Lands where it was when it first looked."""

    def reset(self) -> None:
        """Forget that place."""
        super().reset()
        self._start: tuple[float, float] | None = None

    def place(self, segmentation: Segmentation, pose: Pose, down_m: float) -> ChosenPlace | NoSite:
        """The point below at the first frame."""
        assert pose.position_ned_m is not None
        if self._start is None:
            self._start = (pose.position_ned_m[0], pose.position_ned_m[1])
        return ChosenPlace(self._start, 0.0, 0.0)


class MaskBaseline(Baseline):
    """Works on the binary safe mask of the picture."""

    def place(self, segmentation: Segmentation, pose: Pose, down_m: float) -> ChosenPlace | NoSite:
        """Cast the chosen pixel to the ground."""
        safe = safe_mask(segmentation)
        if not safe.any():
            return NoSite(NoSiteReason.NOTHING_LANDABLE, "no safe pixel")
        rows, columns = safe.shape
        camera = self.camera.resized(columns, rows)
        assert pose.position_ned_m is not None
        m_per_px = (down_m - pose.position_ned_m[2]) / camera.fx
        found = self.pixel(safe, m_per_px)
        if found is None:
            return NoSite(NoSiteReason.TOO_SMALL, "no safe area large enough")
        (u, v), area_px, radius_px = found
        point = camera.ground_from_pixel(np.array([[u, v]], float), pose, down_m)[0]
        if not np.isfinite(point).all():
            return NoSite(NoSiteReason.GROUND_NOT_IN_VIEW, "the place is above the horizon")
        ne_m = (float(point[0]), float(point[1]))
        return ChosenPlace(ne_m, radius_px * m_per_px, area_px * m_per_px**2)

    @abstractmethod
    def pixel(self, safe: ByteArray, m_per_px: float) -> tuple[tuple[float, float], float, float] | None:
        """Column and row of the place, area and free radius in pixels; None without any."""


def safe_mask(segmentation: Segmentation) -> ByteArray:
    """1 where the blurred probabilities say landable and no hazard, uint8 (h, w)."""
    side = min(BLUR_PX, *segmentation.shape)
    landable = cv2.blur(segmentation.landable, (side, side))
    worst = cv2.blur(segmentation.hazards.max(axis=0), (side, side))
    return np.asarray((landable >= 128) & (worst < 128), np.uint8)


class LargestCentroid(MaskBaseline):
    """Largest connected safe area; its centroid, wherever that lies."""

    def pixel(self, safe: ByteArray, m_per_px: float) -> tuple[tuple[float, float], float, float] | None:
        """The centroid of the largest area that could hold the vehicle."""
        count, _, stats, centroids = cv2.connectedComponentsWithStats(safe, connectivity=8)
        if count < 2:
            return None
        best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        area = float(stats[best, cv2.CC_STAT_AREA])
        if area * m_per_px**2 < math.pi * self.settings.vehicle_radius_m**2:
            return None
        u, v = (float(c) for c in centroids[best])
        return (u, v), area, math.sqrt(area / math.pi)


class Dovesei(MaskBaseline):
    """DOVESEI's rule: score of the segments, then the peak of the distance transform.

    Bong et al., "Dynamic Open-Vocabulary Enhanced Safe-landing with Intelligence", 2023: segments are ranked by area /
    (perimeter x (distance of their middle from the picture's + 1)).
    """

    def pixel(self, safe: ByteArray, m_per_px: float) -> tuple[tuple[float, float], float, float] | None:
        """The roomiest pixel of the segment with the best score."""
        count, labels, stats, centroids = cv2.connectedComponentsWithStats(safe, connectivity=8)
        middle = np.array([(safe.shape[1] - 1) / 2, (safe.shape[0] - 1) / 2])
        best, best_score = 0, -1.0
        for k in range(1, count):
            area = float(stats[k, cv2.CC_STAT_AREA])
            if area * m_per_px**2 < math.pi * self.settings.vehicle_radius_m**2:
                continue
            away = float(np.linalg.norm(centroids[k] - middle))
            score = area / (_perimeter_px(labels == k) * (away + 1.0))
            if score > best_score:
                best, best_score = k, score
        if best == 0:
            return None
        segment = np.pad((labels == best).astype(np.uint8), 1)
        room = cv2.distanceTransform(segment, cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
        v, u = divmod(int(np.argmax(room)), room.shape[1])
        radius_px = float(room[v, u])
        if radius_px * m_per_px < self.settings.vehicle_radius_m:
            return None
        return (float(u), float(v)), float(stats[best, cv2.CC_STAT_AREA]), radius_px


def _perimeter_px(segment: npt.NDArray[np.bool_]) -> float:
    mask = segment.astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return max(1.0, sum(float(cv2.arcLength(outline, True)) for outline in outlines))


class SingleFrame(Baseline):
    """Our projection, clearances and picker, on a map that holds one frame."""

    def __init__(self, settings: DecisionSettings, taxonomy: Taxonomy, camera: CameraModel) -> None:
        super().__init__(settings.single_look(), taxonomy, camera)
        self._map = GroundMap(self.settings, taxonomy)

    def place(self, segmentation: Segmentation, pose: Pose, down_m: float) -> ChosenPlace | NoSite:
        """Return the choice of our picker by this frame alone."""
        assert pose.position_ned_m is not None
        self._map.reset()
        self._map.update(segmentation, self.camera, pose, down_m)
        self.last_view = view = self._map.view(segmentation.captured_at_ns)
        if view is None:
            return NoSite(NoSiteReason.GROUND_NOT_IN_VIEW, "the camera does not see the ground")
        vehicle = (pose.position_ned_m[0], pose.position_ned_m[1])
        hazard_clearance_m = hazard_clearance_grid(view, self.taxonomy, self.settings)
        self.last_clearance_m = clearance_m = clearance_grid(view, hazard_clearance_m)
        regions = clean_regions(view, clearance_m, self.settings, vehicle)
        best = pick(view, clearance_m, regions, self.settings, vehicle)
        if isinstance(best, NoSite):
            return best
        return ChosenPlace((best.north_m, best.east_m), best.clearance_m, best.area_m2)
