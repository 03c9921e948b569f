"""Corners of the ground, followed from picture to picture, and the homography on which they agree.

Frames of reference: camera optical (x right, y down, z forward). Pure: time is for the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.types import ByteArray

LOOK_PX = 320
"""Width of the picture that corners are followed in."""

CELLS = (4, 3)
"""Columns and rows of the picture's parts. Corners are sought in each, or a tree takes all those of a smooth field."""

CORNERS, LEAST_CORNERS = 7, 18
APART_PX, LEAST_STRENGTH = 14, 0.05
"""Corners sought in a part, needed in all; their least distance, px of `LOOK_PX`, and strength, of a part's best."""

LEAST_SHARE = 0.55
"""Share of the corners that one homography must explain."""

LEAST_SPREAD_PX = 30.0
"""Standard deviation of their places, along the narrower axis, px."""


@dataclass(frozen=True)
class CornerPair:
    """Corners in two looks.

    Attributes:
        from_ns, to_ns: Times of capture.
        start, now: Their rays at distance 1, camera frame, shape (n, 2).
    """

    from_ns: int
    to_ns: int
    start: FloatArray
    now: FloatArray


@dataclass(frozen=True)
class Agreement:
    """Motion of most corners.

    Attributes:
        matrix: Homography of the picture at distance 1, (3, 3).
        start, now: Places of the corners that agree, shape (n, 2), at distance 1.
    """

    matrix: FloatArray
    start: FloatArray
    now: FloatArray

    def places(self, anchors: FloatArray) -> FloatArray | None:
        """Places of anchors (n, 3), z 1, in the later picture, shape (n, 2); None when one leaves the front."""
        moved = anchors @ self.matrix.T
        if (moved[:, 2] < 0.2).any():
            return None
        places: FloatArray = moved[:, :2] / moved[:, 2:]
        return places


class Corners:
    """Follows corners from where they were found. One owner.

    Args:
        camera: Lens; pictures may have another size of the same shape.
    """

    def __init__(self, camera: CameraModel) -> None:
        self.look = camera.resized(LOOK_PX, max(1, round(LOOK_PX * camera.height_px / camera.width_px)))
        self._start: FloatArray = np.zeros((0, 2))
        self._now: npt.NDArray[np.float32] = np.zeros((0, 1, 2), np.float32)

    def small(self, image: ByteArray) -> ByteArray:
        """The picture as corners are followed in it: grey, `LOOK_PX` wide."""
        size_px = (self.look.width_px, self.look.height_px)
        if image.shape[1::-1] != size_px:
            image = np.asarray(cv2.resize(image, size_px, interpolation=cv2.INTER_AREA), np.uint8)
        return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)

    def begin(self, grey: ByteArray) -> None:
        """Looks for corners to start from."""
        soft = cv2.blur(grey, (3, 3))  # noise has corners too
        height, width = soft.shape
        columns = [width * k // CELLS[0] for k in range(CELLS[0] + 1)]
        rows = [height * k // CELLS[1] for k in range(CELLS[1] + 1)]
        places = [np.zeros((0, 1, 2), np.float32)]
        for (top, bottom), (left, right) in product(pairwise(rows), pairwise(columns)):
            part = soft[top:bottom, left:right]
            found = cv2.goodFeaturesToTrack(part, CORNERS, LEAST_STRENGTH, APART_PX, blockSize=5)
            if found is not None:
                places.append(np.asarray(found + np.array([left, top]), np.float32))
        self._now = np.concatenate(places)
        self._start = np.asarray(self._now[:, 0], np.float64)

    def follow(self, before: ByteArray, grey: ByteArray) -> bool:
        """Follows the corners into the next picture and back; False, and nothing changes, when too few are left."""
        if len(self._now) < LEAST_CORNERS:
            return False
        window, levels = (15, 15), 3
        there, ok, _ = cv2.calcOpticalFlowPyrLK(before, grey, self._now, self._now.copy(), None, None, window, levels)
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(grey, before, there, self._now.copy(), None, None, window, levels)
        returned_px = np.hypot(*(back - self._now)[:, 0].T)
        good = (ok[:, 0] > 0) & (ok_back[:, 0] > 0) & (returned_px < 0.7)
        if np.count_nonzero(good) < LEAST_CORNERS:
            return False
        self._start, self._now = self._start[good], np.asarray(there[good], np.float32)
        return True

    @property
    def moved_px(self) -> float:
        """Median way since the start, px; 0 without corners."""
        ways_px = np.sort(np.hypot(*(self._now[:, 0] - self._start).T))
        half = len(ways_px) // 2
        return 0.5 * float(ways_px[half] + ways_px[~half]) if len(ways_px) else 0.0  # np.median asks for far more time

    def rays(self) -> tuple[FloatArray, FloatArray]:
        """Places of the corners at the start and now, shape (n, 2) each, at distance 1."""
        start, now = (self.look.rays_camera(at)[:, :2] for at in (self._start, self._now[:, 0].astype(np.float64)))
        return start, now

    def agreement(self) -> Agreement | None:
        """The homography of most corners; None when too few agree, or they lie too close together."""
        start, now = self.rays()
        matrix, mask = cv2.findHomography(start, now, cv2.RANSAC, 1.5 / self.look.fx, maxIters=300)
        if matrix is None or mask is None:
            return None
        inside = mask[:, 0] > 0
        enough = inside.sum() >= LEAST_CORNERS * LEAST_SHARE and inside.mean() >= LEAST_SHARE
        if not enough or float(np.min(np.std(self._start[inside], axis=0))) < LEAST_SPREAD_PX:
            return None
        return Agreement(np.asarray(matrix, np.float64), start[inside], now[inside])


def anchor_rays(look: CameraModel, anchors: FloatArray) -> FloatArray:
    """Rays of anchors, halves of the picture's width and height (n, 2); shape (n, 3), z 1."""
    half = np.array([look.width_px / 2 / look.fx, look.height_px / 2 / look.fy])
    return np.column_stack([anchors * half, np.ones(len(anchors))])
