"""Looks at the ground gathered from a flight, with the error that each may have: what a calibration is made of.

A look is a pair of pictures, a third of a picture apart. Its corners give a homography and the covariance of it; poses
have the errors that were measured in flight (`ATTITUDE_RAD`, `PLACE_M`, `HEIGHT_SHARE`). Both make the covariance of
where nine anchors of the picture went.

Frames of reference: camera optical (x right, y down, z forward), local NED. Pure: time is an argument.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.motion.corners import Agreement, Corners, anchor_rays
from landing.motion.pairs import ANCHORS, CameraTrack, Setup, Window
from landing.types import ByteArray, Pose

FAR_PX, LONGEST_S, SHORTEST_S = 80.0, 1.2, 0.3
"""A look is complete when the corners moved so far, px of a picture 320 wide, or after so long, but not earlier."""

CHAINS, APART_S = 3, 0.25
"""Looks under way at a time, and the least time between their starts."""

WHOLE_S = 1e6
"""Longer than any flight."""

GAP_S = 0.7
"""Pictures further apart are not followed; ends of looks further from any pose do not count."""

NEVER_NS = 1 << 62
"""No clock says so much."""

ATTITUDE_RAD, STAMP_S = math.radians(0.6), 0.004
"""Error of each attitude about each axis, and of each stamp."""

PLACE_M, WANDER_MPS, HEIGHT_SHARE = 0.06, 0.05, 0.01
"""Error of a way between two positions, of its growth, and of a height, as a share of it."""

AROUND_PX = 121
"""Surroundings whose brightness a pixel is held against, px of a picture 320 wide."""

CORNER_SHARE, SMOOTH_RAD = 0.001, 0.0007
"""Least error of a followed corner, and what ground and lens are no plane and pinhole by, at distance 1."""


class Looks(Window):
    """Looks of a whole flight.

    Args:
        anchors: Rays of the anchors, configured camera, shape (9, 3), z 1.
    """

    def clear(self) -> None:
        """Forgets all."""
        super().clear()
        self._covariances: list[FloatArray] = []

    def add_look(self, from_ns: int, to_ns: int, agreed: Agreement) -> None:
        """Takes a look; one whose anchors leave the front of the camera is left out."""
        places = agreed.places(self.anchors)
        covariance = None if places is None else _covariance(agreed, self.anchors)
        if places is not None and covariance is not None:
            self.add(from_ns, to_ns, places)
            self._covariances.append(covariance)

    def copied(self) -> Looks:
        """A copy that later looks do not change."""
        copy = Looks(self.anchors)
        copy._from_ns, copy._to_ns = list(self._from_ns), list(self._to_ns)
        copy._places, copy._covariances = list(self._places), list(self._covariances)
        return copy

    def within(self, poses_ns: npt.NDArray[np.int64]) -> Looks:
        """Those that began and ended within `GAP_S` of a pose.

        Args:
            poses_ns: Times of poses, in order.
        """
        found = Looks(self.anchors)
        for from_ns, to_ns, places, covariance in zip(
            self._from_ns, self._to_ns, self._places, self._covariances, strict=True
        ):
            if _is_near(from_ns, poses_ns) and _is_near(to_ns, poses_ns):
                found.add(from_ns, to_ns, places)
                found._covariances.append(covariance)
        return found

    @property
    def times_ns(self) -> npt.NDArray[np.int64]:
        """Start and end of each look, shape (looks, 2)."""
        return np.column_stack([np.array(self._from_ns, np.int64), np.array(self._to_ns, np.int64)])

    def off(self, track: CameraTrack, setup: Setup) -> FloatArray:
        """Places of the anchors against those that a set-up predicts, shape (looks, 9, 2), at distance 1."""
        pairs = self.seen_along(track)
        off: FloatArray = pairs.places - pairs.predicted(setup)
        return off

    def whitening(self, track: CameraTrack, setup: Setup) -> FloatArray:
        """Matrices that make `off` of good poses and a right set-up independent, of size 1; (looks, 18, 18)."""
        from_ns, to_ns = self.times_ns.T
        seconds = (to_ns - from_ns) * 1e-9
        turn = setup.believed_from_true()
        centre, height_m, turned = track.at(from_ns, setup.late_s)
        after, _, turned_after = track.at(to_ns, setup.late_s)
        height_m = np.maximum(height_m * math.exp(setup.height), 0.3)
        rays = np.column_stack([self.anchors[:, :2] / math.exp(setup.focal), self.anchors[:, 2]]) @ turn.T
        directions = rays @ turned.transpose(0, 2, 1)
        reach = height_m[:, None, None] / np.maximum(directions[..., 2:], 0.05)
        way = after - centre
        to_camera = turned_after @ turn
        seen = (directions * reach - way[:, None]) @ to_camera
        x, y, depth = seen[..., 0], seen[..., 1], np.maximum(seen[..., 2], 0.05 * height_m[:, None])
        x, y, nothing = x / depth, y / depth, np.zeros_like(x)
        along = np.stack(
            [np.stack([1 / depth, nothing, -x / depth], -1), np.stack([nothing, 1 / depth, -y / depth], -1)], -2
        )
        about = np.stack([np.stack([-x * y, 1 + x * x, -y], -1), np.stack([-1 - y * y, x * y, x], -1)], -2)
        count = len(self)
        along, about = along.reshape(count, 18, 3), about.reshape(count, 18, 3)
        cosine = (np.einsum("nij,nij->n", turned, turned_after) - 1) / 2
        rate = np.arccos(np.clip(cosine, -1.0, 1.0)) / seconds
        turn_rad = math.sqrt(2) * np.hypot(ATTITUDE_RAD, STAMP_S * rate)
        speed = np.linalg.norm(way, axis=1) / seconds
        place_m = np.sqrt(PLACE_M**2 + (WANDER_MPS * seconds) ** 2 + 2 * (STAMP_S * speed) ** 2)
        grown = HEIGHT_SHARE * along @ (way[:, None] @ to_camera).transpose(0, 2, 1)
        covariance = math.exp(2 * setup.focal) * (
            _outer(about * turn_rad[:, None, None]) + _outer(along * place_m[:, None, None]) + _outer(grown)
        )
        covariance = covariance + np.stack(self._covariances) + SMOOTH_RAD**2 * np.eye(18)
        whitening: FloatArray = np.linalg.inv(np.linalg.cholesky(covariance))
        return whitening


def _is_near(at_ns: int, poses_ns: npt.NDArray[np.int64]) -> bool:
    index = int(np.searchsorted(poses_ns, at_ns))
    return any(abs(int(other) - at_ns) <= GAP_S * 1e9 for other in poses_ns[max(0, index - 1) : index + 1])


def _outer(columns: FloatArray) -> FloatArray:
    product: FloatArray = columns @ columns.transpose(0, 2, 1)
    return product


def _rows(places: FloatArray, moved: FloatArray) -> FloatArray:
    """Change of moved places (n, 2) by the eight numbers of a homography, shape (2 n, 8), its ninth 1."""
    ones = np.ones(len(places))
    head = np.column_stack([places[:, :2], ones])
    nothing = np.zeros_like(head)
    upper = np.column_stack([head, nothing, -places[:, :2] * moved[:, :1]])
    lower = np.column_stack([nothing, head, -places[:, :2] * moved[:, 1:]])
    return np.stack([upper, lower], axis=1).reshape(-1, 8)


def _covariance(agreed: Agreement, anchors: FloatArray) -> FloatArray | None:
    """Covariance of the anchors' places (18, 18) from how well the corners agree; None when they do not tell."""
    ahead = np.column_stack([agreed.start, np.ones(len(agreed.start))]) @ agreed.matrix.T
    moved = ahead[:, :2] / ahead[:, 2:]
    design = _rows(agreed.start, moved) / np.repeat(ahead[:, 2], 2)[:, None]
    left = (agreed.now - moved).ravel()
    freedom = len(left) - 8
    variance = max(float(left @ left) / freedom, CORNER_SHARE**2)
    there = anchors @ agreed.matrix.T
    rows = _rows(anchors, there[:, :2] / there[:, 2:]) / np.repeat(there[:, 2], 2)[:, None]
    try:
        # Neighbouring corners err alike: twice the variance.
        covariance: FloatArray = 2.0 * variance * rows @ np.linalg.solve(design.T @ design, rows.T)
    except np.linalg.LinAlgError:
        return None
    return (covariance + covariance.T) / 2


def _flat(grey: ByteArray) -> ByteArray:
    """Each pixel against the brightness around it.

    A lens darkens the rim of its picture, so corners that move outward are followed too far: the field of view came out
    0.2 to 0.4 % smaller in two flights without errors of poses (`benchmarks/motion_calibration.py`).
    """
    around = np.maximum(cv2.blur(grey, (AROUND_PX, AROUND_PX), borderType=cv2.BORDER_REPLICATE), 1)
    return np.asarray(cv2.divide(grey, around, scale=128.0), np.uint8)


class _Chain:
    """One look under way after the other."""

    def __init__(self, camera: CameraModel) -> None:
        self.corners = Corners(camera)
        self.start_ns: int | None = None

    def begin(self, grey: ByteArray, at_ns: int) -> None:
        """Starts a look."""
        self.corners.begin(grey)
        self.start_ns = at_ns

    def follow(self, before: ByteArray, grey: ByteArray, at_ns: int, looks: Looks) -> None:
        """Goes on with the look; one that is complete is handed over, one that is lost is forgotten."""
        if self.start_ns is None:
            return
        if not self.corners.follow(before, grey):
            self.start_ns = None
            return
        age_s = (at_ns - self.start_ns) * 1e-9
        if age_s < SHORTEST_S or (self.corners.moved_px < FAR_PX and age_s < LONGEST_S):
            return
        agreed = self.corners.agreement()
        if agreed is not None:
            looks.add_look(self.start_ns, at_ns, agreed)
        self.start_ns = None


class LookCollector:
    """Gathers looks and poses of one local frame. One owner.

    Args:
        camera: Lens and mount as they are configured.

    Attributes:
        looks: The complete ones.
        pictures: Count of them.
        gaps: Pictures that came too late to be followed into.
    """

    def __init__(self, camera: CameraModel) -> None:
        self._camera = camera
        self._chains = tuple(_Chain(camera) for _ in range(CHAINS))
        self._poses: list[Pose] = []
        self._grey: ByteArray | None = None
        self._begun_ns = self._at_ns = 0
        self.pictures = 0
        self.gaps = 0
        self.looks = Looks(anchor_rays(self._corners.look, ANCHORS))

    def snapshot(self) -> LookCollector:
        """A copy of looks and poses, for an estimate while more come; pictures are not to be added to it."""
        copied = LookCollector(self._camera)
        copied.looks = self.looks.copied()
        copied._poses = list(self._poses)
        copied.pictures, copied.gaps = self.pictures, self.gaps
        return copied

    def with_poses(self) -> LookCollector:
        """A copy with those looks alone whose poses are known."""
        copied = self.snapshot()
        copied.looks = self.looks.within(np.sort(np.array([pose.at_ns for pose in self._poses], np.int64)))
        return copied

    @property
    def _corners(self) -> Corners:
        return self._chains[0].corners

    @property
    def focal_px(self) -> float:
        """Focal length of a picture 320 wide, px."""
        return self._corners.look.fx

    def add_pose(self, pose: Pose) -> None:
        """Takes a pose, in any order; one without attitude, position, height or a possible time is left out."""
        if abs(pose.at_ns) < NEVER_NS and pose.height_agl_m is not None and self._camera.missing_in(pose) is None:
            self._poses.append(pose)

    def track(self) -> CameraTrack:
        """The way of the camera by all poses."""
        track = CameraTrack(WHOLE_S)
        for pose in sorted(self._poses, key=lambda pose: pose.at_ns):
            track.take(pose.at_ns, self._camera, pose)
        return track

    def add_picture(self, image: ByteArray, at_ns: int) -> None:
        """Takes a picture, grey or BGR, uint8 (h, w) or (h, w, 3); pictures come in the order of time."""
        if abs(at_ns) >= NEVER_NS:
            return
        grey = _flat(self._corners.small(image))
        before, self._grey = self._grey, grey
        gap_s, self._at_ns = (at_ns - self._at_ns) * 1e-9, at_ns
        follows = before is not None and 0.0 < gap_s <= GAP_S
        self.gaps += self.pictures > 0 and not follows
        self.pictures += 1
        for chain in self._chains:
            if before is None or not follows:
                chain.start_ns = None
            else:
                chain.follow(before, grey, at_ns, self.looks)
        idle = next((chain for chain in self._chains if chain.start_ns is None), None)
        if idle is not None and (at_ns - self._begun_ns) * 1e-9 >= APART_S:
            self._begun_ns = at_ns
            idle.begin(grey, at_ns)
