"""Checks of a picture before it is decided on: unusable, frozen and looped ones and wrong motion are refused.

`landing.picture.usable` judges one picture by itself. This owns what takes more than one: repeats, motion, and the
relief that motion shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from landing.camera import CameraModel
from landing.decision_groups import ReliefSettings
from landing.motion.check import MotionReport, PictureMotion
from landing.motion.mistakes import LOOPED, Mistake
from landing.picture.repeats import Repeats
from landing.picture.usable import STILL, WIDE_FROM_M, PictureSettings, grey_of, murky, soft, thumbnail, unlit
from landing.pose_steps import impossible_step
from landing.relief.depth import DepthLook, DepthTaken, dated_ground
from landing.relief.parallax import Relief
from landing.relief.report import ReliefReport
from landing.site import NoSite, NoSiteReason
from landing.types import ByteArray, Frame, Pose, motion_between

SAMPLE_STEP = 8
"""A frozen picture is the same in every eighth pixel of every eighth row too."""


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
        self._clear = False
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
        small = thumbnail(frame.image_bgr)
        frozen = self._frozen(frame, pose)
        self._repeated = self._repeats.problem(grey_of(small), frame.captured_at_ns, pose)
        wrong = unlit(small, self._settings) or self._murkiness(small, pose) or soft(small, self._settings)
        return wrong or frozen or self._repeated

    def _murkiness(self, small: ByteArray, pose: Pose | None) -> str | None:
        """Return fog, haze or a missing colour, in words; None without, or where it is not asked.

        It is asked until one picture has shown clear air and colour, and of every picture from higher up, where the
        ground in view is wide. So a camera that was refused up there is not believed again because it sank.

        Args:
            small: Thumbnail of the newest picture.
            pose: At its capture.
        """
        height_m = None if pose is None else pose.height_agl_m
        if self._clear and height_m is not None and height_m < WIDE_FROM_M:
            return None
        problem = murky(small, self._settings)
        self._clear = problem is None
        return problem

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
