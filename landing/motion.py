"""Check that the picture moves as the vehicle does: one look after another, against pose, lens, mount and height.

Corners are followed from frame to frame (pyramidal Lucas-Kanade). What they did over some tenths of a second to a
second is one `MotionPair`: a homography of the picture, by RANSAC, so people and cars do not count. It is compared with
the homography that the plane of the ground should have made, by four numbers: shift across (2), turn, and growth.
Errors of a flown pose and a good lens are allowed for (`_spread`).

If the pairs of the last seconds do not fit, each kind of mistake (`landing.mistakes`) is tried: the one that explains
them is named with its size. Where flight did not move enough to tell, the answer is "not tested", never "good".

Frames of reference: camera optical (x right, y down, z forward), local NED. Pure: time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.mistakes import KINDS, Mistake, best_mistake, told_apart
from landing.picture_pairs import ANCHORS, CameraTrack, Window
from landing.relief import CornerPair
from landing.types import ByteArray, Pose

LOOK_PX = 320
"""Width of the picture that corners are followed in."""

CORNERS, LEAST_CORNERS = 80, 18
APART_PX = 14
"""Corners sought, needed, and their least distance, px of `LOOK_PX`."""

LEAST_SHARE = 0.55
"""Share of the corners that one homography must explain."""

LEAST_SPREAD_PX = 30.0
"""Standard deviation of their places, along the narrower axis, px."""

FAR_PX, LONGEST_S, SHORTEST_S = 36.0, 1.5, 0.15
"""A pair is complete when the corners moved so far, or after so long, but not earlier."""

GAP_S = 0.6
"""Frames further apart are not followed."""

WINDOW_S, LEAST_PAIRS, LEAST_SPAN_S = 10.0, 4, 1.0
"""Pairs of so long are judged together; so many, over so long, are needed."""

SEARCH_EVERY_S = 0.5


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
    """

    def __init__(self, camera: CameraModel) -> None:
        self._camera = camera
        height_px = max(1, round(LOOK_PX * camera.height_px / camera.width_px))
        self._look = camera.resized(LOOK_PX, height_px)
        self._anchors = np.column_stack([ANCHORS * _half_field(self._look), np.ones(len(ANCHORS))])
        self._track = CameraTrack(WINDOW_S + 4.0)
        self._window = Window(self._anchors)
        self._grey: ByteArray | None = None
        self._start: FloatArray = np.zeros((0, 2))
        self._now: npt.NDArray[np.float32] = np.zeros((0, 1, 2), np.float32)
        self._start_ns = self._at_ns = self._searched_ns = 0
        self._frame: object = None
        self._report = MotionReport()
        self.pair: CornerPair | None = None
        """Corners of the newest picture, where it completed a pair."""

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
        if pose.frame != self._frame:
            self._track.clear()
            self._window.clear()
            self._grey, self._frame = None, pose.frame
        height_m = pose.height_agl_m
        self._track.add(at_ns, self._camera.centre_ned_m(pose), self._camera.ned_from_camera(pose), height_m)
        grey = _small(image, (self._look.width_px, self._look.height_px))
        before, self._grey = self._grey, grey
        gap_s = (at_ns - self._at_ns) * 1e-9
        self._at_ns = at_ns
        if before is None or not 0.0 < gap_s <= GAP_S or not self._follow(before, grey):
            self._begin(grey, at_ns)
            return self._report
        age_s = (at_ns - self._start_ns) * 1e-9
        moved_px = float(np.median(np.hypot(*(self._now[:, 0] - self._start).T)))
        if age_s < SHORTEST_S or (moved_px < FAR_PX and age_s < LONGEST_S):
            return self._report
        start, now = (
            self._look.rays_camera(at)[:, :2] for at in (self._start, np.asarray(self._now[:, 0], np.float64))
        )
        self.pair = CornerPair(self._start_ns, at_ns, start, now)
        measured = self._homography(start, now)
        if measured is not None:
            self._window.add(self._start_ns, at_ns, measured)
            self._judge(at_ns)
        self._begin(grey, at_ns)
        return self._report

    def _begin(self, grey: ByteArray, at_ns: int) -> None:
        """Looks for corners from which the next pair starts."""
        found = cv2.goodFeaturesToTrack(grey, CORNERS, 0.02, APART_PX, blockSize=5)
        self._now = np.zeros((0, 1, 2), np.float32) if found is None else np.asarray(found, np.float32)
        self._start, self._start_ns = np.asarray(self._now[:, 0], np.float64), at_ns

    def _follow(self, before: ByteArray, grey: ByteArray) -> bool:
        """Follows the corners into the next picture and back; False when too few are left."""
        if len(self._now) < LEAST_CORNERS:
            return False
        window, levels = (15, 15), 3
        there, ok, _ = cv2.calcOpticalFlowPyrLK(before, grey, self._now, self._now.copy(), None, None, window, levels)
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey, before, there, self._now.copy(), None, None, window, levels)
        returned_px = np.hypot(*(back - self._now)[:, 0].T)
        good = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (returned_px < 0.7)
        self._start, self._now = self._start[good], np.asarray(there[good], np.float32)
        return len(self._now) >= LEAST_CORNERS

    def _homography(self, start: FloatArray, now: FloatArray) -> FloatArray | None:
        """Places of the anchors in the later picture, shape (anchors, 2), z 1; None when the corners do not agree."""
        matrix, mask = cv2.findHomography(start, now, cv2.RANSAC, 1.5 / self._look.fx, maxIters=300)
        if matrix is None or mask is None:
            return None
        inside = mask[:, 0] > 0
        enough = inside.sum() >= LEAST_CORNERS * LEAST_SHARE and inside.mean() >= LEAST_SHARE
        if not enough or float(np.min(np.std(self._start[inside], axis=0))) < LEAST_SPREAD_PX:
            return None
        moved = self._anchors @ matrix.T
        if (moved[:, 2] < 0.2).any():
            return None
        places: FloatArray = moved[:, :2] / moved[:, 2:]
        return places

    def _judge(self, at_ns: int) -> None:
        """Compares the pairs of the last seconds with what was to be expected."""
        self._window.drop_before(at_ns - round(WINDOW_S * 1e9))
        count = len(self._window)
        if count < LEAST_PAIRS or self._window.span_s < LEAST_SPAN_S:
            return
        fit = self._window.against(self._track)
        if fit is None:
            return
        residual_px = fit.residual * self._look.fx
        mistake = self._report.mistake
        if fit.fits:
            mistake = None
        elif (at_ns - self._searched_ns) * 1e-9 >= SEARCH_EVERY_S:
            self._searched_ns = at_ns
            mistake = best_mistake(self._window, self._track, fit)
        tested = frozenset() if mistake is not None else told_apart(self._window, self._track)
        self._report = MotionReport(mistake, tested, count, residual_px)


def _half_field(camera: CameraModel) -> FloatArray:
    """Half the width and height of the picture at distance 1, shape (2,)."""
    return np.array([camera.width_px / 2 / camera.fx, camera.height_px / 2 / camera.fy])


def _small(image: ByteArray, size_px: tuple[int, int]) -> ByteArray:
    if image.shape[1::-1] != size_px:
        image = np.asarray(cv2.resize(image, size_px, interpolation=cv2.INTER_AREA), np.uint8)
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
