"""Pairs of looks at the ground, and what a set-up of camera and sensors predicts for them.

A `Setup` is what may be wrong at once: mirrored, turned, tilted, another focal length, another height, late, drifting.
The pairs of a `Window` say where nine anchors of the picture went; a `CameraTrack` says where the camera was. Both are
compared by four numbers for each pair: shift across (2), turn, and growth, each by the error that a flown pose and a
good lens may have.

Frames of reference: camera optical (x right, y down, z forward), local NED.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.types import Pose

_SIDE = np.array([-0.6, 0.0, 0.6])
ANCHORS: FloatArray = np.stack(np.meshgrid(_SIDE, _SIDE), -1).reshape(-1, 2)
"""Places in the picture, halves of its width and height."""

ATTITUDE_RAD, YAW_RAD = 0.008, 0.008
"""Error of a turn between two poses (0.6 degrees each, as measured), across and about the line of sight."""

PLACE_M, WANDER_MPS, PLACE_SHARE = 0.06, 0.06, 0.05
"""Error of a way between two positions, of its growth, and its share: height and lens are known to a few per cent."""

STAMP_S, MOUNT_RAD, LOOK_RAD = 0.025, 0.05, 0.002
"""Jitter of stamps, error of a good mount, error of a look."""

LOWEST_M = 0.1
"""Least height of a camera: on the ground a rangefinder may say less."""

MOST_PER_PAIR = 60.0
"""Of the squared, weighted distance of a pair: beyond it a pair counts little more."""

FITS = 4.0
"""Mean cost of pairs that a mistake explains: of 100 windows of good flights 95 have less."""


class CameraTrack:
    """Way of the camera over the last seconds: centre (m, NED), rotation ned_from_camera, its height above ground, m.

    Args:
        keep_s: So long.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_ns = round(keep_s * 1e9)
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self._at_ns: list[int] = []
        self._rows: list[FloatArray] = []
        self._stacked: tuple[npt.NDArray[np.int64], FloatArray] | None = None

    def take(self, at_ns: int, camera: CameraModel, pose: Pose) -> None:
        """Takes the newest pose, with a height and all that `CameraModel.missing_in` asks for."""
        assert pose.height_agl_m is not None and pose.position_ned_m is not None
        centre = camera.centre_ned_m(pose)
        below_m = float(centre[2]) - pose.position_ned_m[2]  # the height told is the body's
        self.add(at_ns, centre, camera.ned_from_camera(pose), max(pose.height_agl_m - below_m, LOWEST_M))

    def add(self, at_ns: int, centre_ned_m: FloatArray, ned_from_camera: FloatArray, height_m: float) -> None:
        """Takes the newest pose; older ones than the newest are left out."""
        if self._at_ns and at_ns <= self._at_ns[-1]:
            return
        self._at_ns.append(at_ns)
        self._rows.append(np.concatenate([centre_ned_m, [height_m], ned_from_camera.ravel()]))
        self._stacked = None
        while self._at_ns[0] < at_ns - self._keep_ns:
            del self._at_ns[0], self._rows[0]

    def at(self, at_ns: npt.NDArray[np.int64], late_s: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Centres (n, 3), heights (n,) and rotations (n, 3, 3) so long before some times, interpolated."""
        if self._stacked is None:
            self._stacked = np.array(self._at_ns, np.int64), np.stack(self._rows)
        times, rows = self._stacked
        seconds = (times - times[0]) * 1e-9
        asked = np.clip((at_ns - times[0]) * 1e-9 - late_s, 0.0, seconds[-1])
        after = np.clip(np.searchsorted(seconds, asked), 1, max(1, len(seconds) - 1))
        if len(seconds) == 1:
            found = np.repeat(rows, len(asked), axis=0)
        else:
            share = ((asked - seconds[after - 1]) / (seconds[after] - seconds[after - 1]))[:, None]
            found = rows[after - 1] * (1 - share) + rows[after] * share
        x, y = found[:, 4:].reshape(-1, 3, 3)[:, :, 0], found[:, 4:].reshape(-1, 3, 3)[:, :, 1]
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        y = y - (x * y).sum(axis=1, keepdims=True) * x
        y /= np.linalg.norm(y, axis=1, keepdims=True)
        turned: FloatArray = np.stack([x, y, np.cross(x, y)], axis=-1)
        return found[:, :3], found[:, 3], turned


@dataclass(frozen=True)
class Setup:
    """A set-up as it may really be, against the configured one.

    Attributes:
        mirrored: The picture's left is its right.
        still: The picture does not move at all.
        turn_rad: Of the camera about its line of sight.
        tilt_rad: Of the camera about its x and y axes.
        focal: Logarithm of the true focal length over the configured one.
        height: Logarithm of the true height over the one told.
        late_s: The picture is so much older than its stamp.
        drift_mps: The position told moves so fast by itself, north and east, m/s.
        rise: Of the ground to the north and east, m a m: no mistake, yet it moves the picture as one does.
    """

    mirrored: bool = False
    still: bool = False
    turn_rad: float = 0.0
    tilt_rad: tuple[float, float] = (0.0, 0.0)
    focal: float = 0.0
    height: float = 0.0
    late_s: float = 0.0
    drift_mps: tuple[float, float] = (0.0, 0.0)
    rise: tuple[float, float] = (0.0, 0.0)

    def believed_from_true(self) -> FloatArray:
        """Rotation from the true camera's axes to the configured camera's, (3, 3)."""
        (a, b), c, s = self.tilt_rad, math.cos(self.turn_rad), math.sin(self.turn_rad)
        angle = math.hypot(a, b)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        if angle < 1e-9:
            return turn
        cross = np.array([[0.0, 0.0, b], [0.0, 0.0, -a], [-b, a, 0.0]]) / angle
        tilt: FloatArray = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
        both: FloatArray = tilt @ turn
        return both


CONFIGURED = Setup()


@dataclass(frozen=True)
class Fit:
    """Match of a set-up with a window.

    Attributes:
        setup: That one.
        cost: Sum over the pairs.
        pairs: Their number.
        residual: Median distance between anchors and where they should be, at distance 1.
    """

    setup: Setup
    cost: float
    pairs: int
    residual: float = 0.0


class Window:
    """The pairs of the last seconds.

    Args:
        anchors: Rays of the anchors, configured camera, shape (9, 3), z 1.
    """

    def __init__(self, anchors: FloatArray) -> None:
        self.anchors = anchors
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self._from_ns: list[int] = []
        self._to_ns: list[int] = []
        self._places: list[FloatArray] = []

    def __len__(self) -> int:
        """Count pairs."""
        return len(self._to_ns)

    @property
    def span_s(self) -> float:
        """From the first start to the last end, s."""
        return (self._to_ns[-1] - self._from_ns[0]) * 1e-9 if self._to_ns else 0.0

    def add(self, from_ns: int, to_ns: int, places: FloatArray) -> None:
        """Takes a pair: where the anchors went, shape (9, 2)."""
        self._from_ns.append(from_ns)
        self._to_ns.append(to_ns)
        self._places.append(places)

    def drop_before(self, at_ns: int) -> None:
        """Forgets pairs that began earlier."""
        while self._from_ns and self._from_ns[0] < at_ns:
            del self._from_ns[0], self._to_ns[0], self._places[0]

    def drop_since(self, at_ns: int, most: float = math.inf) -> None:
        """Forgets pairs that ended since a time and whose anchors all moved by at most so much, at distance 1."""
        kept = [
            k
            for k, (to_ns, places) in enumerate(zip(self._to_ns, self._places, strict=True))
            if to_ns < at_ns or np.hypot(*(places - self.anchors[:, :2]).T).max() > most
        ]
        self._from_ns, self._to_ns = [self._from_ns[k] for k in kept], [self._to_ns[k] for k in kept]
        self._places = [self._places[k] for k in kept]

    def seen_along(self, track: CameraTrack) -> Pairs:
        """Returns the pairs with the camera's way, for set-ups to be tried on; at least one pair."""
        return Pairs(self.anchors, np.array(self._from_ns), np.array(self._to_ns), np.stack(self._places), track)


class Pairs:
    """The pairs of a window with the way of the camera. What no set-up changes is computed once.

    Args:
        anchors: Rays of the anchors, shape (9, 3).
        from_ns, to_ns: Times of the pairs, shape (pairs,).
        places: Where the anchors went, shape (pairs, 9, 2).
        track: The camera's way.
    """

    def __init__(
        self,
        anchors: FloatArray,
        from_ns: npt.NDArray[np.int64],
        to_ns: npt.NDArray[np.int64],
        places: FloatArray,
        track: CameraTrack,
    ) -> None:
        self.places = places
        self._anchors, self._track = anchors, track
        self._from_ns, self._to_ns = from_ns, to_ns
        self._seconds = (to_ns - from_ns) * 1e-9
        self._moves: dict[float, tuple[FloatArray, FloatArray, FloatArray, FloatArray]] = {}

    def __len__(self) -> int:
        """Count pairs."""
        return len(self._to_ns)

    def predicted(self, setup: Setup) -> FloatArray:
        """Places of the anchors after each pair, shape (pairs, 9, 2)."""
        if setup.still:
            return np.broadcast_to(self._anchors[None, :, :2], self.places.shape)
        flip = np.array([-1.0 if setup.mirrored else 1.0, 1.0])
        focal = math.exp(setup.focal)
        believed_from_true = setup.believed_from_true()
        rays = np.column_stack([self._anchors[:, :2] * flip / focal, self._anchors[:, 2]]) @ believed_from_true.T
        way, height_m, turned, turned_after = self._moved(setup.late_s)
        if setup.drift_mps != (0.0, 0.0):
            way = way - np.array([*setup.drift_mps, 0.0]) * self._seconds[:, None]
        directions = rays @ turned.transpose(0, 2, 1)
        down = directions[..., 2:] + directions[..., :2] @ np.array(setup.rise)[:, None]
        reach = (height_m * math.exp(setup.height))[:, None, None] / np.maximum(down, 0.05)
        seen = (directions * reach - way[:, None]) @ turned_after @ believed_from_true
        places: FloatArray = seen[..., :2] / np.maximum(seen[..., 2:], 0.05) * focal * flip
        return places

    def against(self, setup: Setup = CONFIGURED) -> Fit:
        """Compares the pairs with what a set-up predicts."""
        off = self.places - self.predicted(setup)
        residual = float(np.median(np.hypot(off[..., 0], off[..., 1])))
        return Fit(setup, float(_robust(self._weighted(off)).sum()), len(self), residual)

    def costs(self, setup: Setup) -> FloatArray:
        """Cost of each pair, shape (pairs,)."""
        return _robust(self.whitened(setup))

    def apart(self, setup: Setup) -> float:
        """Cost that a mistake would have caused by now."""
        return float(_robust(self._weighted(self.predicted(setup) - self._configured)).sum())

    def whitened(self, setup: Setup) -> FloatArray:
        """Shift, turn and growth that a set-up does not explain, by what is allowed; shape (pairs, 4)."""
        return self._weighted(self.places - self.predicted(setup))

    def _moved(self, late_s: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Way, height before, and rotations before and after of each pair, so long before its stamps."""
        if late_s not in self._moves:
            centre, height_m, turned = self._track.at(self._from_ns, late_s)
            after, _, turned_after = self._track.at(self._to_ns, late_s)
            self._moves[late_s] = after - centre, height_m, turned, turned_after
        return self._moves[late_s]

    @cached_property
    def _configured(self) -> FloatArray:
        return self.predicted(CONFIGURED)

    @cached_property
    def _weights(self) -> FloatArray:
        """Weights of the anchors' offsets in shift (2), turn and growth, shape (pairs, 9, 2, 4)."""
        x, y = self._anchors[:, :2].T / float((self._anchors[:, :2] ** 2).sum())
        one, none = np.full(len(x), 1.0 / len(x)), np.zeros(len(x))
        four = np.stack([np.column_stack([one, none, -y, x]), np.column_stack([none, one, x, y])], axis=1)
        weights: FloatArray = four / self._spread()[:, None, None, :]
        return weights

    def _weighted(self, off: FloatArray) -> FloatArray:
        four: FloatArray = np.einsum("nai,naik->nk", off, self._weights)
        return four

    def _spread(self) -> FloatArray:
        """Standard deviations of the four numbers for a good set-up, shape (pairs, 4)."""
        way, height_m, turned, turned_after = self._moved(0.0)
        height_m = np.maximum(height_m, 0.3)
        way = np.abs(way) / height_m[:, None]
        across, down = np.hypot(way[:, 0], way[:, 1]), way[:, 2]
        cosine = (np.einsum("nij,nij->n", turned, turned_after) - 1) / 2
        angle = np.arccos(np.clip(cosine, -1.0, 1.0))
        place = (PLACE_M + WANDER_MPS * self._seconds) / height_m
        jitter = STAMP_S * (angle + across + down) / self._seconds
        lens, mount = PLACE_SHARE * across, MOUNT_RAD * (angle + down)
        shift = np.sqrt(ATTITUDE_RAD**2 + LOOK_RAD**2 + place**2 + lens**2 + mount**2 + jitter**2)
        sideways = MOUNT_RAD * (angle + across)
        about = np.sqrt(YAW_RAD**2 + sideways**2 + jitter**2)
        growth = np.sqrt(YAW_RAD**2 + (0.5 * place) ** 2 + (PLACE_SHARE * down) ** 2 + sideways**2 + jitter**2)
        return np.column_stack([shift, shift, about, growth])


def _robust(weighted: FloatArray) -> FloatArray:
    """Cost of each pair, shape (pairs,): its squared length, bounded."""
    squared = (weighted**2).sum(axis=1)
    cost: FloatArray = squared / (1.0 + squared / MOST_PER_PAIR)
    return cost
