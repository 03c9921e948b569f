"""Check that the picture moves as the vehicle does: one look after another, against pose, lens, mount and height.

Corners are followed from frame to frame (pyramidal Lucas-Kanade). What they did over some tenths of a second to a
second is one `MotionPair`: a homography of the picture, by RANSAC, so people and cars do not count. It is compared with
the homography that the plane of the ground should have made, by four numbers: shift across (2), turn, and growth.
Errors of a flown pose and a good lens are allowed for (`landing.motion.pairs.Pairs`).

If the pairs of the last seconds do not fit, each kind of mistake (`landing.motion.mistakes`) is tried: the one that
explains them is named with its size. Where flight did not move enough to tell, the answer is "not tested", never
"good".

Frames of reference: camera optical (x right, y down, z forward), local NED. Pure: time is an argument.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from landing.camera import CameraModel
from landing.motion.corners import CornerPair, Corners, anchor_rays
from landing.motion.mistakes import KINDS, Mistake, best_mistake, is_doubtful, told_apart
from landing.motion.pairs import ANCHORS, CameraTrack, Window
from landing.pose_steps import impossible_step
from landing.types import ByteArray, Pose

FAR_PX, LONGEST_S, SHORTEST_S = 36.0, 1.5, 0.15
"""A pair is complete when the corners moved so far, after so long, or before too few are left, but not earlier."""

GAP_S = 0.6
"""Frames further apart are not followed."""

WINDOW_S, LEAST_PAIRS, LEAST_SPAN_S = 10.0, 4, 1.0
"""Pairs of so long are judged together; so many, over so long, are needed."""

SEARCH_EVERY_S = 0.5

STILL_PX = 1.5
"""Motion of the corners of a frozen picture with noise on it, at most, px of a picture 320 wide."""


@dataclass(frozen=True)
class MotionReport:
    """Result after a frame.

    Attributes:
        mistake: Why the picture does not move as it should; None if it does, or if nothing is known.
        tested: Kinds of mistakes that the motion of the last seconds would have shown, and did not.
        pairs: Looks that were compared.
        residual_px: Median distance between where ground moved and where it should have, px of a picture 320 wide; None
            without pairs.
    """

    mistake: Mistake | None = None
    tested: frozenset[str] = field(default_factory=frozenset)
    pairs: int = 0
    residual_px: float | None = None

    @property
    def text(self) -> str:
        """The state in words."""
        if self.mistake is not None:
            return self.mistake.text
        missing = [kind for kind in KINDS if kind not in self.tested]
        if not missing:
            return "moves as it should"
        return "not tested" if not self.tested else "not tested: " + ", ".join(missing)


class PictureMotion:
    """Follows the ground through the pictures. One owner.

    Args:
        camera: Lens and mount as they are configured.
        judges: Tells mistakes; else it only follows corners.
    """

    def __init__(self, camera: CameraModel, judges: bool = True) -> None:
        self._camera = camera
        self._judges = judges
        self._corners = Corners(camera)
        self._track = CameraTrack(WINDOW_S + 4.0)
        self._window = Window(anchor_rays(self._corners.look, ANCHORS))
        self._grey: ByteArray | None = None
        self._start_ns = self._at_ns = self._searched_ns = 0
        self._pose: Pose | None = None
        self._report = MotionReport()
        self.pair: CornerPair | None = None
        """Corners of the pair that the newest picture completed."""

    @property
    def track(self) -> CameraTrack:
        """Way of the camera over the last seconds."""
        return self._track

    def observe(self, image: ByteArray, at_ns: int, pose: Pose | None) -> MotionReport:
        """Takes a picture and says what the motion of the last seconds shows.

        Args:
            image: Grey or BGR, uint8 (h, w) or (h, w, 3), of the camera's shape or any smaller one.
            at_ns: Time of its capture.
            pose: At its capture; without attitude, position and height the picture is left out.
        """
        self.pair = None
        if pose is None or pose.height_agl_m is None or self._camera.missing_in(pose) is not None:
            self._grey = None
            return self._report
        flown, self._pose = self._pose, pose
        if flown is None or flown.frame != pose.frame:
            self._track.clear()
            self._window.clear()
            self._grey = None
        elif impossible_step(flown, pose) is not None:
            self._grey = None  # no way between the looks is known
        self._track.take(at_ns, self._camera, pose)
        grey = self._corners.small(image)
        before, self._grey = self._grey, grey
        seen_ns, self._at_ns = self._at_ns, at_ns
        if before is None:
            self._begin(grey, at_ns)
            return self._report
        followed = 0.0 < (at_ns - seen_ns) * 1e-9 <= GAP_S and self._corners.follow(before, grey)
        to_ns = at_ns if followed else seen_ns  # corners that are lost now were good until then
        age_s = (to_ns - self._start_ns) * 1e-9
        if followed and (age_s < SHORTEST_S or (self._corners.moved_px < FAR_PX and age_s < LONGEST_S)):
            return self._report
        if age_s >= SHORTEST_S:
            self._complete(to_ns)
        self._begin(grey, at_ns)
        return self._report

    def _complete(self, to_ns: int) -> None:
        """Takes the pair that ends at a time."""
        self.pair = CornerPair(self._start_ns, to_ns, *self._corners.rays())
        agreed = self._corners.agreement() if self._judges else None
        measured = None if agreed is None else agreed.places(self._window.anchors)
        if measured is not None:
            self._window.add(self._start_ns, to_ns, measured)
            self._judge(to_ns)

    def forget_since(self, at_ns: int, still_only: bool) -> MotionReport:
        """Forgets looks that ended since a time, and what was said; returns the report then: nothing is known.

        Args:
            at_ns: That time.
            still_only: Keep those in which the ground moved.
        """
        self._window.drop_since(at_ns, STILL_PX / self._corners.look.fx if still_only else math.inf)
        self._report = MotionReport()
        if not still_only:
            self._grey = None  # the look under way began in a loop
        return self._report

    def _begin(self, grey: ByteArray, at_ns: int) -> None:
        """Starts the next pair."""
        self._corners.begin(grey)
        self._start_ns = at_ns

    def _judge(self, at_ns: int) -> None:
        """Compares the pairs of the last seconds with what was to be expected."""
        self._window.drop_before(at_ns - round(WINDOW_S * 1e9))
        count = len(self._window)
        if count < LEAST_PAIRS or self._window.span_s < LEAST_SPAN_S:
            return
        pairs = self._window.seen_along(self._track)
        fit = pairs.against()
        residual_px = fit.residual * self._corners.look.fx
        mistake = self._report.mistake
        if not is_doubtful(fit):
            mistake = None
        elif (at_ns - self._searched_ns) * 1e-9 >= SEARCH_EVERY_S:
            self._searched_ns = at_ns
            mistake = best_mistake(pairs, fit)
        tested = frozenset() if mistake is not None else told_apart(pairs)
        self._report = MotionReport(mistake, tested, count, residual_px)
