"""Checks of a picture before it is decided on: black, white, blank, covered, blurred and frozen ones are refused.

A network gives an answer to any picture. These checks know nothing of classes: they ask whether the camera shows
something, in focus, and new. All are made on a thumbnail, in about 1 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from landing.camera import CameraModel
from landing.decision_groups import ReliefSettings
from landing.motion.check import MotionReport, PictureMotion
from landing.motion.mistakes import LOOPED, Mistake
from landing.picture.repeats import Repeats
from landing.pose_steps import impossible_step
from landing.relief.depth import DepthLook, DepthTaken, dated_ground
from landing.relief.parallax import Relief
from landing.relief.report import ReliefReport
from landing.site import NoSite, NoSiteReason
from landing.types import ByteArray, Frame, Pose, motion_between

THUMBNAIL_PX = 160
LEAST_ROWS = 360
"""Of a larger picture rows are left out down to no fewer than these: reading all of it is slow."""

PARTS = (16, 12)
"""Columns and rows of a thumbnail's parts that are asked for detail."""

UNSEEN_PART = 1 / 3
"""Part of a picture without detail from which the lens is covered or fogged."""

DIM = 64.0
"""Mean grey of a picture below which less detail is asked for, in proportion."""

EDGE = 30.0
"""Greys that a thumbnail's 5x5 px span, from which an edge stands in them."""

SOFT_EDGE = 0.46
"""Part of an edge's greys between two neighbouring pixels of a thumbnail, below which a picture is soft (of its
sharpest twentieth). Of 288 pictures from above all have 0.54 and more, blurred by 6 px of 640 none has 0.41."""

LEAST_EDGES = 20
"""Pixels at edges below which a thumbnail has none to be judged by."""

SAMPLE_STEP = 8
"""A frozen picture is the same in every eighth pixel of every eighth row too."""


class PictureSettings(BaseModel):
    """Limits of a usable picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_brightness: float = Field(
        default=10.0, ge=0, le=255, description="mean grey below it is a black picture, 0 to 255"
    )
    most_brightness: float = Field(
        default=246.0, ge=0, le=255, description="mean grey above it is a white picture, 0 to 255"
    )
    least_contrast: float = Field(default=1.0, ge=0, le=64, description="standard deviation of grey below it is blank")
    least_sharpness: float = Field(
        # Of 183 pictures of four cameras the softest has 0.021; blurred by 8 px of 640 nearly all are below 0.003
        # (benchmarks/picture_checks.py).
        default=0.01,
        ge=0,
        le=1,
        description="share of the contrast in a thumbnail's finest detail; below it, without a sharp edge, is blurred",
    )
    least_detail: float = Field(
        # Nothing has flown with it over smooth ground yet, as snow and concrete from near; `STILL` asks for it.
        default=0.0,
        ge=0,
        le=16,
        description="detail below it in a third of a thumbnail, grey levels, is a covered or fogged lens; 0: not asked",
    )
    frozen_after_s: float = Field(
        # Two pictures in a row may be the same: rate conversion of a video stream does that.
        default=0.2,
        ge=0,
        le=5,
        description="the very same picture for so long, s",
    )
    frozen_after_m: float = Field(
        default=0.1, gt=0, le=10, description="... or the same but for its noise, while the vehicle moved by so much, m"
    )
    frozen_after_deg: float = Field(default=1.0, gt=0, le=90, description="... or turned by so much, degrees")
    check_motion: bool = Field(
        default=True, description="refuse pictures that do not move as pose, lens, mount and height say"
    )


STILL = PictureSettings(check_motion=False, least_detail=0.7)
"""Limits of one picture by itself. Of 472 pictures from above the smoothest third has a detail of 1.3 and more, of
their quarters all but 1 of 500 more than 0.7; in fog that leaves 6 % of the contrast it has 0.2 to 0.8."""


class PictureMonitor:
    """Looks at one frame after another. One owner.

    Args:
        settings: Limits.
        camera: Lens and mount.
        relief: Limits of ground that is no longer flat; None, or not enabled, where relief is not measured.
    """

    def __init__(self, settings: PictureSettings, camera: CameraModel, relief: ReliefSettings | None = None) -> None:
        self._settings = settings
        self._repeats = Repeats(camera, settings.frozen_after_m, settings.frozen_after_deg)
        self._relief = Relief(relief) if relief is not None and relief.enabled else None
        watched = settings.check_motion or self._relief is not None
        self._motion = PictureMotion(camera, settings.check_motion) if watched else None
        self.motion: MotionReport | None = None
        """Result of the newest frame's motion; None where it is not checked."""
        self._repeated: str | None = None
        self._repeats_since_ns: int | None = None
        self._looped = False
        self._report: ReliefReport | None = None
        self._flown: Pose | None = None
        self._relief_since_ns = 0
        self._sample: ByteArray | None = None
        self._pose: Pose | None = None
        self._since_ns = 0

    @property
    def relief(self) -> ReliefReport | None:
        """Relief that parallax and depth have shown up to the newest frame; None where it is not measured."""
        if self._relief is not None and self._report is None:
            self._report = self._relief.report()
        return self._report

    def refusal(self, frame: Frame, pose: Pose | None) -> NoSite | None:
        """Return the reason for which a frame is not decided on; None when it is.

        Args:
            frame: The newest.
            pose: At its capture.
        """
        self._follow(pose)
        problem = self.problem(frame, pose)
        if problem is not None and problem != self._repeated:
            return NoSite(NoSiteReason.BAD_PICTURE, problem)
        mistake = self._mistake(frame, pose, problem)
        if mistake is None and not self._settings.check_motion:
            self.motion = None  # it was watched for the relief alone
        if problem is None or mistake is not None:
            self._measure_relief(frame.captured_at_ns, forget=mistake is not None)
        if mistake is not None:
            return NoSite(NoSiteReason.PICTURE_MOTION, mistake.text)
        return None if problem is None else NoSite(NoSiteReason.BAD_PICTURE, problem)

    def _mistake(self, frame: Frame, pose: Pose | None, repeat: str | None) -> Mistake | None:
        """Mistake of set-up by the newest frame and those before.

        A wrong set-up makes live pictures look like repeats: a position that drifts over a hover, say. So motion is
        watched through repeats too, and what it names wins, but for a picture that stands still. If it names nothing,
        looks that stood still or came from a loop are forgotten after the repeats, so that good pictures are soon good.

        Args:
            frame: The newest.
            pose: At its capture.
            repeat: What it repeats, in words.
        """
        at_ns, loop_s = frame.captured_at_ns, self._repeats.loop_s
        if self._motion is not None:
            self.motion = self._motion.observe(frame.image_bgr, at_ns, pose)
            moves = self.motion.mistake is not None and self.motion.mistake.kind != "frozen"
            if repeat is not None:
                self._repeats_since_ns = self._repeats_since_ns or at_ns
                self._looped |= loop_s is not None
            elif self._repeats_since_ns is not None:
                if not moves:
                    self.motion = self._motion.forget_since(self._repeats_since_ns, still_only=not self._looped)
                self._repeats_since_ns, self._looped = None, False
            if repeat is None or moves:
                return self.motion.mistake
        if repeat is None or loop_s is None:
            return None
        looped = Mistake(LOOPED, loop_s, repeat)
        self.motion = MotionReport(looped)
        return looped

    def _follow(self, pose: Pose | None) -> None:
        """Forgets the relief of another frame, and that of before a step that no vehicle flies; it grows old."""
        if pose is None:
            return
        before = self._flown
        if before is None or before.frame != pose.frame or impossible_step(before, pose) is not None:
            self._forget_relief(pose.at_ns)
        elif self._relief is not None and self._relief.grow_old(pose.at_ns):
            self._report = None
        if pose.ned_from_frd is not None and pose.position_ned_m is not None:
            self._flown = pose

    def _forget_relief(self, at_ns: int) -> None:
        """Begins anew at a time: earlier looks are not taken any more."""
        if self._relief is not None:
            self._relief.clear()
            self._report, self._relief_since_ns = None, at_ns

    def _measure_relief(self, at_ns: int, forget: bool) -> None:
        """Takes the newest pair of looks; what wrong poses have shown is forgotten.

        Args:
            at_ns: Time of the newest picture.
            forget: The poses are wrong.
        """
        if forget:
            self._forget_relief(at_ns + 1)
            return
        relief, moved = self._relief, self._motion
        if relief is None or moved is None or moved.pair is None:
            return
        if relief.add(moved.pair, moved.track):
            self._report = None

    def take_depth(
        self, looks: Sequence[DepthLook], pose_at: Callable[[int], Pose | None], now_ns: int
    ) -> tuple[DepthTaken, ...]:
        """Takes looks of depth sensors into the relief, after the newest frame; says what became of each.

        Args:
            looks: Since the last frame.
            pose_at: The pose at a monotonic time.
            now_ns: Monotonic time.
        """
        if self._relief is None:
            return ()
        reports = []
        frame = None if self._flown is None else self._flown.frame
        for look in looks:
            ground = dated_ground(look, pose_at, now_ns, frame, self._relief_since_ns)
            if isinstance(ground, str):
                reports.append(DepthTaken(look, 0, ground))
            else:
                reports.append(DepthTaken(look, len(ground.down_m)))
                self._relief.add_depth(ground, look.at_ns)
                self._report = None
        return tuple(reports)

    def problem(self, frame: Frame, pose: Pose | None) -> str | None:
        """Return what is wrong with a picture itself, in words; None when nothing is.

        Args:
            frame: The newest.
            pose: At its capture; without one it cannot be told whether the picture is frozen.
        """
        grey = thumbnail(frame.image_bgr)
        frozen = self._frozen(frame, pose)
        self._repeated = self._repeats.problem(grey, frame.captured_at_ns, pose)
        return fault(grey, self._settings) or frozen or self._repeated

    def _frozen(self, frame: Frame, pose: Pose | None) -> str | None:
        """Return True while the same picture keeps coming and the vehicle moves."""
        sample = frame.image_bgr[::SAMPLE_STEP, ::SAMPLE_STEP]
        before = self._sample
        if before is None or before.shape != sample.shape or not np.array_equal(before, sample):
            self._sample, self._pose = sample.copy(), pose
            self._since_ns = frame.captured_at_ns
            return None
        if self._pose is None or pose is None:
            self._pose = self._pose or pose
            return None
        settings = self._settings
        same_s = (frame.captured_at_ns - self._since_ns) * 1e-9
        if same_s < settings.frozen_after_s:
            return None
        moved_m, turned_deg = motion_between(self._pose, pose)
        if moved_m < settings.frozen_after_m and turned_deg < settings.frozen_after_deg:
            return None
        return f"the picture is frozen (since {moved_m:.1f} m and {turned_deg:.0f} degrees)"


class StillMonitor(PictureMonitor):
    """Looks at each picture by itself: of photographs and videos the poses are too coarse to tell a frozen one.

    Args:
        camera: Lens and mount.
    """

    def __init__(self, camera: CameraModel) -> None:
        super().__init__(STILL, camera)

    def refusal(self, frame: Frame, pose: Pose | None) -> NoSite | None:
        """Return the reason for which a picture is not decided on; None when it is."""
        return super().refusal(frame, None)


def fault(grey: ByteArray, settings: PictureSettings) -> str | None:
    """Return what is wrong with one picture, by its thumbnail, uint8 (h, w), in words; None when nothing is."""
    mean, deviation = (float(v[0, 0]) for v in cv2.meanStdDev(grey))
    if mean < settings.least_brightness:
        return f"the picture is black (mean {mean:.0f} of 255)"
    if mean > settings.most_brightness:
        return f"the picture is white (mean {mean:.0f} of 255)"
    if deviation < settings.least_contrast:
        return f"the picture is blank (contrast {deviation:.1f} of 255)"
    unseen = featureless(grey, settings.least_detail * min(1.0, mean / DIM))
    if unseen >= UNSEEN_PART:
        return f"the lens is covered or fogged (no detail in {100 * unseen:.0f} % of the picture)"
    share = sharpness(grey)
    if share < settings.least_sharpness and edge_sharpness(grey) < SOFT_EDGE:
        return f"the picture is blurred (sharpness {share:.4f})"
    return None


def sharpness(grey: ByteArray) -> float:
    """Share of a picture's variance that is in its finest detail, 0 to 1.

    Relative to the contrast, so that a flat lawn in focus is not taken for a blurred town: what a 3x3 mean takes away,
    as a part of the whole.
    """
    fine = cv2.subtract(grey.astype(np.float32), cv2.blur(grey, (3, 3)).astype(np.float32))
    whole = float(np.var(grey))
    return float(np.var(fine)) / whole if whole > 0 else 0.0


def edge_sharpness(grey: ByteArray) -> float:
    """Part of an edge's greys that lies between two neighbouring pixels, at a thumbnail's sharpest edges, 0 to 1.

    Shades do not count, however great: snow in focus is smooth, and its paths have sharp edges. 0 without an edge.
    """
    picture, around = grey.astype(np.float32), np.ones((5, 5), np.uint8)
    span = cv2.dilate(picture, around) - cv2.erode(picture, around)
    edges = span > EDGE
    if np.count_nonzero(edges) < LEAST_EDGES:
        return 0.0
    steps = np.zeros_like(picture)
    for axis in (0, 1):
        step = np.abs(np.diff(picture, axis=axis))
        for side in (slice(None, -1), slice(1, None)):
            beside = steps[side] if axis == 0 else steps[:, side]
            np.maximum(beside, step, out=beside)
    return float(np.percentile(steps[edges] / span[edges], 95))


def featureless(grey: ByteArray, least_detail: float) -> float:
    """Part of a thumbnail, uint8 (h, w), with less detail than so many grey levels, 0 to 1.

    Detail is what is wider than 3 px and narrower than 9: ground has it nearly everywhere. Noise is finer, and the
    shading of a finger, a cap or fog is coarser.
    """
    soft = cv2.blur(grey.astype(np.float32), (3, 3))
    detail = soft - cv2.blur(soft, (9, 9))
    energy = cv2.resize(detail * detail, PARTS, interpolation=cv2.INTER_AREA)
    return float((energy < least_detail**2).mean())


def thumbnail(image_bgr: ByteArray) -> ByteArray:
    """Grey, at most 160x120, each pixel the mean of those it covers; the shape is not kept."""
    image_bgr = image_bgr[:: max(1, image_bgr.shape[0] // LEAST_ROWS)]
    height, width = image_bgr.shape[:2]
    if width > THUMBNAIL_PX:
        size = (THUMBNAIL_PX, max(1, min(height, THUMBNAIL_PX * 3 // 4)))
        image_bgr = np.asarray(cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY), np.uint8)
