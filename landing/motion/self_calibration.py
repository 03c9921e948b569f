"""Latency, mount, focal length and rangefinder scale from how the picture moved in a flight.

The set-up that explains all looks (`landing.motion.looks`) is sought at once: robust nonlinear least squares
(Levenberg-Marquardt, Cauchy's loss), from many starts. Each number has a standard error, the larger of two: what the
looks' own covariance says, and what blocks of the flight say by how they disagree (sandwich estimator), so errors of
poses that stay alike for seconds count. A number is told only if its error is small enough; otherwise the motion that
would tell it is named.

Angles are turns of the mount about the vehicle's axes: roll about forward, pitch about right, yaw about down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from landing.camera import FRD_FROM_FORWARD_CAMERA, CameraModel
from landing.geometry import FloatArray
from landing.motion.calibration_result import (
    MOST_FIELD_SHARE,
    QUANTITIES,
    CalibrationError,
    Excitement,
    SetupCalibration,
    SetupEstimate,
)
from landing.motion.looks import LookCollector, Looks
from landing.motion.mistakes import RULED_OUT, starts_of, words
from landing.motion.pairs import CONFIGURED, CameraTrack, Setup

LEAST_LOOKS = 24
"""Fewer looks tell nothing."""

PRIOR = np.array([0.3, 0.7, 0.35, 0.35, 0.5, 0.5])
"""Standard deviations before the flight: late s, turn, tilt (2) rad, logarithms of focal length and height."""

STEP = np.array([0.003, 0.002, 0.002, 0.002, 0.003, 0.003])
BOUND = np.array([1.2, math.pi, 1.0, 1.0, 1.2, 1.6])

LOSS = 24.0
"""Squared, weighted distance of a look from which it counts little more."""

MEDIAN_8 = 7.34
"""Median of the squared distance of a good look: chi-squared with the eight numbers of a homography."""

STRAIGHT_RAD = math.radians(0.1)
"""A mount nearer to straight down is written as straight down."""

ROUNDS, TRIED, BLOCKS = 40, 4, 16
"""Steps of a search, starts that are followed, and parts of a flight that are held against each other."""

ALIKE = 1.8
"""Stated errors over those of the two estimates, which lack that errors of poses bend the estimate itself. Without it
z-scores of repeated poses on two flights had root mean squares from 1 to 2.2."""

WORST_FIT = 6.0
"""Median distance of looks that some set-up explains, against that of good ones."""


@dataclass(frozen=True)
class _Solution:
    values: FloatArray
    cost: float
    mirrored: bool = False


def calibrate(camera: CameraModel, collected: LookCollector) -> SetupCalibration:
    """Estimates a set-up from the looks of a flight.

    Raises:
        CalibrationError: Too few looks, or looks that no set-up explains.
    """
    if len(collected.looks) < LEAST_LOOKS:
        raise CalibrationError(
            f"{len(collected.looks)} looks at moving ground in {collected.pictures} pictures, at least {LEAST_LOOKS} "
            f"are needed: {_too_few(collected)}"
        )
    seen, collected = len(collected.looks), collected.with_poses()
    if len(collected.looks) < LEAST_LOOKS:
        raise CalibrationError(
            f"{len(collected.looks)} of {seen} looks at moving ground have poses with position, attitude and height "
            f"above ground, at least {LEAST_LOOKS} are needed: fly with position and a rangefinder"
        )
    try:
        return _calibrated(camera, collected)
    except np.linalg.LinAlgError as error:
        raise CalibrationError(
            "the poses jump as no vehicle flies: look at the position and height of the flight"
        ) from (error)


def _calibrated(camera: CameraModel, collected: LookCollector) -> SetupCalibration:
    looks, track = collected.looks, collected.track()
    whitening = looks.whitening(track, CONFIGURED)
    solution = _best(looks, track, whitening)
    solution = _search(looks, track, None, solution.values)
    whitening = looks.whitening(track, _setup(solution.values))
    distance = _squared(looks, track, whitening, _setup(solution.values))
    fit = float(np.median(distance)) / MEDIAN_8
    if fit > WORST_FIT:
        raise CalibrationError(
            f"the picture moves as no set-up explains (looks are off by {math.sqrt(fit):.1f} times the errors of good "
            "poses): is the ground level and textured, the position good, the picture free of parts of the vehicle?"
        )
    return _told(camera, collected, track, solution.values, _covariances(looks, track, whitening, solution.values), fit)


def _too_few(collected: LookCollector) -> str:
    if not collected.pictures:
        return "there is no picture with a pose"
    if collected.gaps > collected.pictures // 2:
        return "pictures come less often than every 0.7 s, so nothing can be followed from one to the next"
    return "fly longer over textured ground, in the air with height and position"


def _setup(values: FloatArray, mirrored: bool = False) -> Setup:
    late, turn, tilt_x, tilt_y, focal, height = (float(value) for value in values)
    return Setup(mirrored, False, turn, (tilt_x, tilt_y), focal, height, late)


def _values(setup: Setup) -> FloatArray:
    return np.array([setup.late_s, setup.turn_rad, *setup.tilt_rad, setup.focal, setup.height])


def _whitened(looks: Looks, track: CameraTrack, whitening: FloatArray | None, setup: Setup) -> FloatArray:
    """Residuals, independent and of size 1; without a whitening by that of the set-up itself.

    The errors of poses lie in what predicts, not in what is predicted. Weighted by their effect under each set-up that
    is tried they do not bend the estimate (total least squares); under one set-up for all they do.
    """
    if whitening is None:
        whitening = looks.whitening(track, setup)
    off = looks.off(track, setup).reshape(len(looks), 18, 1)
    flat: FloatArray = (whitening @ off)[..., 0]
    return flat


def _squared(looks: Looks, track: CameraTrack, whitening: FloatArray | None, setup: Setup) -> FloatArray:
    squared: FloatArray = (_whitened(looks, track, whitening, setup) ** 2).sum(axis=1)
    return squared


def _cost(looks: Looks, track: CameraTrack, whitening: FloatArray | None, setup: Setup) -> float:
    loss = LOSS * np.log1p(_squared(looks, track, whitening, setup) / LOSS)
    return float(loss.sum() + ((_values(setup) / PRIOR) ** 2).sum())


def _best(looks: Looks, track: CameraTrack, whitening: FloatArray) -> _Solution:
    """The best of the searches from the most promising starts.

    Raises:
        CalibrationError: A mirrored or frozen picture explains the flight better.
    """
    kinds = ("turned", "tilted", "field of view", "height", "late")
    starts = [CONFIGURED, *(start for kind in kinds for start in starts_of(kind))]
    ranked = sorted(starts, key=lambda start: _cost(looks, track, whitening, start))
    tried = [_search(looks, track, whitening, _values(start)) for start in ranked[:TRIED]]
    best = min(tried, key=lambda solution: solution.cost)
    flipped = sorted(starts_of("mirrored"), key=lambda start: _cost(looks, track, whitening, start))[0]
    mirrored = _search(looks, track, whitening, _values(flipped), mirrored=True)
    still = Setup(still=True)
    if _cost(looks, track, whitening, still) + RULED_OUT < min(best.cost, mirrored.cost):
        raise CalibrationError(f"{words('frozen', still)}, though the vehicle does")
    if mirrored.cost + RULED_OUT < best.cost:
        raise CalibrationError(f"{words('mirrored', flipped)}: put that right first")
    return best


def _search(
    looks: Looks, track: CameraTrack, whitening: FloatArray | None, values: FloatArray, mirrored: bool = False
) -> _Solution:
    """Levenberg-Marquardt from some values."""
    best = _Solution(values, _cost(looks, track, whitening, _setup(values, mirrored)), mirrored)
    damping = 1e-3
    for _ in range(ROUNDS):
        left, jacobian = _linear(looks, track, whitening, best.values, mirrored)
        weight = 1.0 / (1.0 + (left**2).sum(axis=1) / LOSS)
        normal = np.einsum("nij,nik,n->jk", jacobian, jacobian, weight) + np.diag(PRIOR**-2)
        slope = np.einsum("nij,ni,n->j", jacobian, left, weight) + best.values / PRIOR**2
        change = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -slope)
        moved = np.clip(best.values + change, -BOUND, BOUND)
        cost = _cost(looks, track, whitening, _setup(moved, mirrored))
        if cost >= best.cost:
            damping *= 10.0
            if damping > 1e6:
                break
            continue
        done = best.cost - cost < 1e-3
        best, damping = _Solution(moved, cost, mirrored), damping / 5.0
        if done:
            break
    return best


def _linear(
    looks: Looks, track: CameraTrack, whitening: FloatArray | None, values: FloatArray, mirrored: bool
) -> tuple[FloatArray, FloatArray]:
    """Whitened residuals (looks, 18) and their change by each value (looks, 18, 6)."""
    here = _whitened(looks, track, whitening, _setup(values, mirrored))
    columns = []
    for step in np.diag(STEP):
        ahead = _whitened(looks, track, whitening, _setup(values + step, mirrored))
        behind = _whitened(looks, track, whitening, _setup(values - step, mirrored))
        columns.append((ahead - behind) / (2 * step.sum()))
    return here, np.stack(columns, axis=-1)


def _covariances(
    looks: Looks, track: CameraTrack, whitening: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Covariance of the values by the looks' own errors, and by how blocks of the flight disagree; (6, 6) each."""
    left, jacobian = _linear(looks, track, whitening, values, mirrored=False)
    squared = (left**2).sum(axis=1)
    weight = 1.0 / (1.0 + squared / LOSS)
    inverse = np.linalg.inv(np.einsum("nij,nik,n->jk", jacobian, jacobian, weight) + np.diag(PRIOR**-2))
    slopes = np.einsum("nij,ni,n->nj", jacobian, left, weight)
    blocks = np.array_split(slopes, min(BLOCKS, max(4, len(looks) // 5)))
    sums = np.stack([block.sum(axis=0) for block in blocks])
    between = sums.T @ sums * len(blocks) / (len(blocks) - 1)
    scale = max(0.5, float(np.median(squared)) / MEDIAN_8)
    return inverse * scale, inverse @ between @ inverse


def _turn_about_body(camera: CameraModel, values: FloatArray) -> FloatArray:
    """Turn of the mount about the vehicle's (or gimbal's) axes, rad, shape (3,)."""
    carried = camera.mount.frd_from_camera
    turn: FloatArray = np.asarray(cv2.Rodrigues(carried @ _setup(values).believed_from_true() @ carried.T)[0]).ravel()
    return turn


def _numbers(camera: CameraModel, values: FloatArray) -> FloatArray:
    """The six numbers in the order and units of `QUANTITIES`."""
    focal = replace(camera, fx=camera.fx * math.exp(values[4]))
    angles = np.degrees(_turn_about_body(camera, values))
    return np.array([1000 * values[0], *angles, focal.hfov_deg, math.exp(values[5])])


def _told(
    camera: CameraModel,
    collected: LookCollector,
    track: CameraTrack,
    values: FloatArray,
    covariances: tuple[FloatArray, FloatArray],
    fit: float,
) -> SetupCalibration:
    """Puts the result together: only numbers with evidence change the camera."""
    by_value = np.stack(
        [
            (_numbers(camera, values + step) - _numbers(camera, values - step)) / (2 * step.sum())
            for step in np.diag(STEP)
        ],
        axis=1,
    )
    variances = np.stack([np.diag(by_value @ covariance @ by_value.T) for covariance in covariances])
    errors = ALIKE * np.sqrt(variances.max(axis=0))
    numbers = _numbers(camera, values)
    limits = [quantity.most_error or MOST_FIELD_SHARE * numbers[4] for quantity in QUANTITIES]
    told = errors <= np.array(limits)
    estimates = tuple(
        SetupEstimate(quantity, float(number), float(error), bool(is_told))
        for quantity, number, error, is_told in zip(QUANTITIES, numbers, errors, told, strict=True)
    )
    changed = turned(camera, np.where(told[1:4], np.radians(numbers[1:4]), 0.0))
    if told[4]:
        ratio = math.exp(values[4])
        changed = replace(changed, fx=changed.fx * ratio, fy=changed.fy * ratio)
    known = _known(camera, changed, values, told)
    scale = collected.focal_px
    before, after = (collected.looks.off(track, setup).mean(axis=1) * scale for setup in (CONFIGURED, known))
    times_s = (collected.looks.times_ns[:, 1] - collected.looks.times_ns[0, 0]) * 1e-9
    latency_s = float(values[0]) if told[0] else 0.0
    return SetupCalibration(changed, latency_s, estimates, _excitement(collected, track), times_s, before, after, fit)


def _known(camera: CameraModel, changed: CameraModel, values: FloatArray, told: FloatArray) -> Setup:
    """The set-up of what was told alone."""
    turn = camera.mount.frd_from_camera.T @ changed.mount.frd_from_camera
    about = math.atan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])
    back = np.array([[math.cos(about), math.sin(about), 0], [-math.sin(about), math.cos(about), 0], [0, 0, 1]])
    tilt = cv2.Rodrigues(turn @ back)[0].ravel()
    late, focal, height = (float(values[k]) if told[k] else 0.0 for k in (0, 4, 5))
    return Setup(turn_rad=about, tilt_rad=(float(tilt[0]), float(tilt[1])), focal=focal, height=height, late_s=late)


def turned(camera: CameraModel, about_body_rad: FloatArray) -> CameraModel:
    """The camera with its mount turned about the vehicle's axes, in angles close to the configured ones."""
    mount = camera.mount
    forward = cv2.Rodrigues(about_body_rad)[0] @ mount.frd_from_camera @ FRD_FROM_FORWARD_CAMERA.T
    down = -float(np.clip(forward[2, 0], -1.0, 1.0))
    pitch = math.asin(down)
    if abs(pitch) > math.pi / 2 - STRAIGHT_RAD:  # roll and yaw turn about the same line: the roll stays
        pitch, roll = math.copysign(math.pi / 2, pitch), math.radians(mount.roll_deg)
        yaw = math.atan2(-forward[0, 1], forward[1, 1]) + math.copysign(roll, pitch)
    else:
        roll, yaw = math.atan2(forward[2, 1], forward[2, 2]), math.atan2(forward[1, 0], forward[0, 0])
    angles = ((roll, pitch, yaw), (roll + math.pi, -math.pi - pitch if pitch < 0 else math.pi - pitch, yaw + math.pi))
    options = [[round(math.degrees(math.remainder(a, math.tau)), 2) for a in option] for option in angles]
    wanted = (mount.roll_deg, mount.pitch_deg, mount.yaw_deg)

    def far(option: Sequence[float]) -> float:
        return max(abs(math.remainder(a - b, 360.0)) for a, b in zip(option, wanted, strict=True))

    nearest = min((option for option in options if option[1] <= 90.0), key=far)
    roll_deg, pitch_deg, yaw_deg = nearest
    return replace(camera, mount=replace(mount, roll_deg=roll_deg, pitch_deg=pitch_deg, yaw_deg=yaw_deg))


def _excitement(collected: LookCollector, track: CameraTrack) -> Excitement:
    from_ns, to_ns = collected.looks.times_ns.T
    centre, height_m, turn = track.at(from_ns, 0.0)
    after, _, turn_after = track.at(to_ns, 0.0)
    height_m = np.maximum(height_m, 0.3)
    cosine = (np.einsum("nij,nij->n", turn, turn_after) - 1) / 2
    way = np.abs(after - centre) / height_m[:, None]
    tops = np.unwrap(np.arctan2(-turn[:, 1, 1], -turn[:, 0, 1]))
    return Excitement(
        float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()),
        float(np.hypot(way[:, 0], way[:, 1]).mean()),
        float(way[:, 2].mean()),
        float(np.percentile(height_m, 95) / np.percentile(height_m, 5)),
        float(np.degrees(np.ptp(tops))),
    )
