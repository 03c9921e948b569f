"""Does the picture change as the vehicle moves? Frozen pictures and loops of old ones do not.

Each picture is compared with those of the last seconds from whose poses the ground must have moved in the picture. One
that still lies on an old picture, pixel on pixel, and fits it nowhere else, was not taken now. Noise and brightness do
not matter: fine structure is compared, each pixel against its surroundings. Nor do a few places that blink or stay (an
overlay, landing gear, the shadow of the vehicle): the blocks that fit best are left out. Ground without structure, and
ground that repeats itself, proves nothing and raises nothing.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from landing.camera import CameraModel
from landing.geometry import FloatArray
from landing.picture.likeness import BLOCKS, Floats, block_sums, fitted, structure
from landing.picture.shifts import certain_px, rays_of
from landing.types import ByteArray, Pose, motion_between

CAPACITY = 128
SPACING_S = 0.08
"""Pictures are kept no closer than this: more than 10 s of them."""

COARSE_PX = (40, 30)
"""Size of what is searched among all kept pictures."""

LEAST_SHIFT_PX, CLEAR_SHIFT_PX, FAR_SHIFT_PX = 2.5, 5.0, 10.0
"""Shifts of the ground in a thumbnail of 160 px that count, that are clear, and that count between any two looks."""

STOOD_S = 0.4
"""A picture that stands for less may be a live one of a hover; attitudes of two looks err apart."""

WANDER_M, DRIFT_MPS, WANDER_RAD = 0.05, 0.06, 0.014
"""An estimated position may be off by so much, and wander so fast; an attitude against another, 2 x 0.4 degrees."""

OLDEST_S = 12.0
"""Pictures from before are not compared."""

LEAST_HEIGHT_M = 0.7
"""Lower down, or on the ground, the wander looks like motion."""

LEAST_LIKENESS = 0.3
"""Correlation from which two pictures may be one; pictures of different places have 0.2 at most."""

LOOP_LIKENESS = 0.5
"""The same, where one of a hundred is looked for."""

LEAST_FALL = 0.4
"""Part of the likeness that is lost when one of two like pictures is shifted, or they show nothing that would tell a
shift."""

TRIMMED, LEAST_TRIMMED = 0.3, 6
"""Part of the blocks, those that fit best, that is left out, and at least so many."""

LEAST_BLOCKS = 16
"""So many of the 48 must have moved."""

BEHIND = 10.0
"""Shift of ground that was behind the camera, focal lengths."""

FROZEN_SHARE = 0.9
"""Share of likeness at or above which all pictures since count as the same."""

FROZEN_FRAMES, LOOP_FRAMES = 4, 3
"""Numbers of repeats in a short time that are no chance; a clear one counts as two frozen ones."""

WITHIN_S, WITHIN_FRAMES = 1.0, 6
"""The short time: the longer one of both."""

BETWEEN = 4
"""Of the pictures between a frozen one and the new one about so many are compared too."""

STILL_PX = 0.2
"""A frozen picture lies on the old one to so much of a thumbnail's 160 px."""

AGAIN_PX = 0.4
"""The same after it was proved: noise alone does not end it."""

LOOP_PACE = (0.4, 1.6)
"""The old pictures of a loop follow each other so fast against the new ones, which come in their steps."""

OVER_S, OVER_FRAMES = 0.3, 3
"""New pictures must come for so long, and so many, before they are believed."""

ALIKE, LOOP_OVER_S = 0.5, 1.0
"""Likeness of small pictures from which one may belong to the loop that was seen, unless for so much longer than the
loop lasts none came from where it cannot."""


_rows, _columns = np.indices(BLOCKS[::-1])
_upper, _left = _rows < BLOCKS[1] // 2, _columns < BLOCKS[0] // 2
_PARTS = (np.ones_like(_upper), _upper, ~_upper, _left, ~_left)
"""The whole picture and its halves: a decoder may go on with one half only."""


@dataclass(frozen=True)
class _View:
    """A picture and where it was taken from.

    Attributes:
        fine: Its structure, float32 (h, w).
        coarse: The same of a small one, in one row, of length 1.
        at_ns: Time of its capture.
        pose: At its capture.
        centre_ned_m, camera_from_ned: Of the camera.
    """

    fine: Floats
    coarse: Floats
    at_ns: int
    pose: Pose
    centre_ned_m: FloatArray
    camera_from_ned: FloatArray


@dataclass(frozen=True)
class _Kept:
    """A picture that is remembered: its structure x 32 as int8 (h, w), that of a small one as in `_View`, the pose."""

    packed: npt.NDArray[np.int8]
    coarse: Floats
    at_ns: int
    pose: Pose

    @property
    def fine(self) -> Floats:
        """Its structure."""
        return self.packed.astype(np.float32)


@dataclass(frozen=True)
class _Repeat:
    """A picture that comes again, from elsewhere.

    Attributes:
        kept: As it was before.
        likeness: Correlation of the two.
        looped: Others came in between.
        clear: The ground must have moved by far.
    """

    kept: _Kept
    likeness: float
    looped: bool
    clear: bool


class Repeats:
    """Remembers the pictures of the last seconds and looks for new ones among them. One owner.

    Args:
        camera: Lens and mount.
        least_moved_m, least_turned_deg: The vehicle must have done one of both.
    """

    def __init__(self, camera: CameraModel, least_moved_m: float, least_turned_deg: float) -> None:
        self._camera = camera
        self._least = least_moved_m, least_turned_deg
        self._few, self._blocks = rays_of(camera, (4, 3)), rays_of(camera, BLOCKS)
        self._coarse = np.zeros((CAPACITY, COARSE_PX[0] * COARSE_PX[1]), np.float32)
        self._camera_from_ned = np.zeros((CAPACITY, 3, 3))
        self._centre_ned_m = np.zeros((CAPACITY, 3))
        self._at_ns = np.zeros(CAPACITY, np.int64)
        self._kept: list[_Kept] = []
        self._next = 0
        self._judged_ns: deque[int] = deque(maxlen=WITHIN_FRAMES)
        self._recent: list[tuple[int, _Repeat]] = []
        self._proof: _Repeat | None = None
        self._repeated_ns = self._alike_ns = self._period_ns = 0
        self._new = 0

    @property
    def loop_s(self) -> float | None:
        """Age of the pictures that come again, where others come in between (a loop), s; None without a proof."""
        return self._period_ns * 1e-9 if self._proof is not None and self._proof.looped else None

    def problem(self, grey: ByteArray, at_ns: int, pose: Pose | None) -> str | None:
        """Tells what a picture repeats, in words; None for a new one, or when it is not known.

        Args:
            grey: Thumbnail of the newest picture, uint8 (h, w).
            at_ns: Time of its capture.
            pose: At its capture; without attitude, position and height nothing is known.
        """
        if pose is None or pose.height_agl_m is None or self._camera.missing_in(pose) is not None:
            return None if self._proof is None else _words(self._proof, at_ns, None)
        small = np.asarray(cv2.resize(grey, COARSE_PX, interpolation=cv2.INTER_AREA), np.uint8)
        coarse = structure(small).ravel()
        coarse /= math.sqrt(float(np.vdot(coarse, coarse))) or 1.0
        view = _View(
            structure(grey), coarse, at_ns, pose, self._camera.centre_ned_m(pose), self._camera.ned_from_camera(pose).T
        )
        if self._kept:
            one = self._kept[0]
            if one.packed.shape != grey.shape or one.pose.frame != pose.frame:
                self._kept = []  # not to be compared
        count = len(self._kept)
        alike = np.einsum("ij,j->i", self._coarse[:count], view.coarse)
        repeat = self._find(view, alike)
        self._judge(view, repeat, float(alike.max(initial=0.0)))
        if self._proof is not None:
            return _words(replace(repeat or self._proof, looped=self._proof.looped), at_ns, pose)
        self._keep(view)
        return None

    def _find(self, view: _View, alike: Floats) -> _Repeat | None:
        """The kept picture that one repeats."""
        height_m = view.pose.height_agl_m
        count = len(self._kept)
        if count == 0 or height_m is None or height_m < LEAST_HEIGHT_M:
            return None
        age_s = (view.at_ns - self._at_ns[:count]) * 1e-9
        wander_m = WANDER_M + DRIFT_MPS * np.clip(age_s, 0.0, OLDEST_S)
        ground_m = view.pose.ground_down_m
        assert ground_m is not None
        above_m = np.maximum(ground_m - self._centre_ned_m[:count, 2], LEAST_HEIGHT_M)
        off_px = self._off_px(view, slice(0, count), self._few)
        rays_px = self._few[:, :2] * self._focal_px(view.fine)
        wander = wander_m / above_m + WANDER_RAD
        shift_px = certain_px(off_px, rays_px, wander, self._focal_px(view.fine)[0])
        size = _size(view.fine)
        moved = (age_s > 0) & (shift_px >= np.where(age_s >= STOOD_S, LEAST_SHIFT_PX, FAR_SHIFT_PX) * size)
        if self._proof is None:  # none is added while there is one
            moved &= age_s <= OLDEST_S
        if not moved.any():
            return None
        best = int(np.argmax(np.where(moved, alike, -1.0)))
        if alike[best] < LEAST_LIKENESS:
            return None
        since = self._at_ns[:count] > self._at_ns[best]
        looped = bool((alike[since] < FROZEN_SHARE * alike[best]).any())
        repeat = self._compared(view, best, looped)
        return repeat and replace(repeat, clear=bool(shift_px[best] >= CLEAR_SHIFT_PX * size))

    def _compared(self, view: _View, index: int, looped: bool) -> _Repeat | None:
        """A kept picture, if the new one is the same as far as the ground has moved."""
        kept = self._kept[index]
        moved_m, turned_deg = motion_between(kept.pose, view.pose)
        if moved_m < self._least[0] and turned_deg < self._least[1]:
            return None
        old = kept.fine
        product = block_sums(view.fine * old)
        least_px = LEAST_SHIFT_PX * _size(view.fine)
        off_px = self._off_px(view, slice(index, index + 1), self._blocks)[0]
        shifts = np.hypot(off_px[:, 0], off_px[:, 1]).reshape(product.shape)
        moved = shifts >= 0.8 * least_px
        if float(product[moved].sum()) <= 0:
            return None
        energies = block_sums(view.fine * view.fine), block_sums(old * old)
        for part in _PARTS:
            where = moved & part
            if np.count_nonzero(where) < LEAST_BLOCKS:
                continue
            ranked = np.sort(product[where])
            where &= product < ranked[-max(LEAST_TRIMMED, round(TRIMMED * len(ranked)))]
            scale = math.sqrt(float(energies[0][where].sum()) * float(energies[1][where].sum()))
            likeness = float(product[where].sum()) / scale if scale > 0 else 0.0
            if likeness < (LOOP_LIKENESS if looped else LEAST_LIKENESS):
                continue
            apart_px = float(np.clip(0.7 * np.quantile(shifts[where], 0.25), 2.0, 12.0))
            off_px, apart = fitted(view.fine, old, where, apart_px)
            if apart > (1.0 - LEAST_FALL) * likeness * scale:
                continue
            if looped or (off_px <= STILL_PX * _size(view.fine) and self._stood(view, kept.at_ns, where)):
                return _Repeat(kept, likeness, looped, clear=False)
        return None

    def _stood(self, view: _View, since_ns: int, blocks: npt.NDArray[np.bool_]) -> bool:
        """True when the pictures between an old one and the new one lie on the new one too, in some blocks.

        A hover comes back to where it was, and its position wanders. Then the picture moved a little in between.
        """
        between = sorted((k for k in self._kept if k.at_ns > since_ns), key=lambda k: k.at_ns)
        step = max(1, len(between) // BETWEEN)
        most_px = STILL_PX * _size(view.fine)
        return all(fitted(view.fine, k.fine, blocks, math.inf)[0] <= most_px for k in between[::step])

    def _judge(self, view: _View, repeat: _Repeat | None, alike: float) -> None:
        """Repeats become a proof, new pictures its end; neither by one picture.

        Args:
            view: The newest picture.
            repeat: What it repeats.
            alike: Its greatest likeness with a kept picture, from wherever that was taken.
        """
        self._judged_ns.append(view.at_ns)
        if repeat is not None:
            since_ns = min(self._judged_ns[0], view.at_ns - round(WITHIN_S * 1e9))
            self._recent = [r for r in self._recent if r[0] >= since_ns] + [(view.at_ns, repeat)]
            frozen = sum(2 if r.clear else 1 for _, r in self._recent if not r.looped)
            if frozen >= FROZEN_FRAMES or _is_loop(self._recent):
                if self._proof is None:
                    self._period_ns = view.at_ns - repeat.kept.at_ns
                # A slow part of a loop looks frozen.
                looped = repeat.looped or (self._proof is not None and self._proof.looped)
                self._proof = replace(repeat, looped=looped)
            self._repeated_ns = self._alike_ns = view.at_ns
            self._new = 0
        elif self._proof is not None:
            self._new += 1
            if not self._proof.looped and self._is_still_there(view):
                self._repeated_ns = self._alike_ns = view.at_ns
                self._new = 0
            elif self._proof.looped and alike >= ALIKE:
                self._alike_ns = view.at_ns
            over = (
                view.at_ns - self._alike_ns >= OVER_S * 1e9
                or view.at_ns - self._repeated_ns >= self._period_ns + LOOP_OVER_S * 1e9
            )
            if over and self._new >= OVER_FRAMES:
                self._proof, self._recent = None, []

    def _is_still_there(self, view: _View) -> bool:
        """True for a picture that lies on the one that proved it frozen: a live one of a hover lies beside it."""
        assert self._proof is not None
        old = self._proof.kept.fine
        if old.shape != view.fine.shape:
            return False
        scale = math.sqrt(float(np.vdot(old, old)) * float(np.vdot(view.fine, view.fine)))
        if float(np.vdot(old, view.fine)) < 0.5 * self._proof.likeness * scale:
            return False
        return fitted(view.fine, old, np.ones(BLOCKS[::-1], bool), math.inf)[0] <= AGAIN_PX * _size(view.fine)

    def _keep(self, view: _View) -> None:
        """Remembers a picture in place of the oldest."""
        count = len(self._kept)
        if count == 0:
            self._next = 0
        elif view.at_ns - self._kept[self._next - 1].at_ns < SPACING_S * 1e9:
            return
        packed = np.clip(np.rint(view.fine * 32), -127, 127).astype(np.int8)
        kept = _Kept(packed, view.coarse, view.at_ns, view.pose)
        at = self._next
        if at == count:
            self._kept.append(kept)
        else:
            self._kept[at] = kept
        self._coarse[at] = view.coarse
        self._at_ns[at] = view.at_ns
        self._centre_ned_m[at] = view.centre_ned_m
        self._camera_from_ned[at] = view.camera_from_ned
        self._next = (at + 1) % CAPACITY

    def _off_px(self, view: _View, kept: slice, rays: FloatArray) -> FloatArray:
        """Return the distance of the ground at some rays from its place in kept pictures, px, (kept, rays, 2)."""
        pose, centre = view.pose, view.centre_ned_m
        assert pose.position_ned_m is not None and pose.height_agl_m is not None
        directions = rays @ view.camera_from_ned
        above_m = max(float(pose.position_ned_m[2] + pose.height_agl_m - centre[2]), 0.0)
        # A ray that looks up, or far out, ends far away: there only turning shows.
        points = directions * (above_m / np.maximum(directions[:, 2:], 0.02))
        way_m = self._centre_ned_m[kept] - centre
        seen = (points[None] - way_m[:, None]) @ self._camera_from_ned[kept].transpose(0, 2, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = seen[..., :2] / seen[..., 2:] - rays[:, :2]
        off[seen[..., 2] <= 0] = BEHIND
        off_px: FloatArray = off * self._focal_px(view.fine)
        return off_px

    def _focal_px(self, fine: Floats) -> tuple[float, float]:
        """Focal lengths in a thumbnail's pixels."""
        height, width = fine.shape
        camera = self._camera
        return camera.fx * width / camera.width_px, camera.fy * height / camera.height_px


def _is_loop(recent: list[tuple[int, _Repeat]]) -> bool:
    """True when repeats in a row show a loop: their old pictures came as fast one after the other, and moved.

    In a hover any old picture may fit: by chance some follow each other in step, but then they all show the same.
    """
    run = [recent[0][1]]
    for (before_ns, before), (now_ns, now) in pairwise(recent):
        pace = (now.kept.at_ns - before.kept.at_ns) / (now_ns - before_ns)
        run = [*run, now] if LOOP_PACE[0] <= pace <= LOOP_PACE[1] else [now]
        moved = min(float(np.vdot(run[0].kept.coarse, r.kept.coarse)) for r in run) < FROZEN_SHARE
        if len(run) >= LOOP_FRAMES and moved:
            return True
    return False


def _words(repeat: _Repeat, at_ns: int, pose: Pose | None) -> str:
    what = "a loop of old ones" if repeat.looped else "frozen"
    if pose is None:
        return f"the picture is {what}"
    moved_m, turned_deg = motion_between(repeat.kept.pose, pose)
    ago = f"{(at_ns - repeat.kept.at_ns) * 1e-9:.1f} s, " if repeat.looped else ""
    return f"the picture is {what} (since {ago}{moved_m:.1f} m and {turned_deg:.0f} degrees)"


def _size(fine: Floats) -> float:
    """Width against the usual thumbnail."""
    return float(fine.shape[1]) / 160
