"""Confidence in sites, measured: the share of sites that were safe, by score, on labelled pictures.

The decision's own sites are nearly all safe and have nearly one score. So every picture gives as many discs as fit
beside each other, the best score first, down to those that the decision refuses. A disc is safe where the labels show
nothing in it but landable ground. The curve is isotonic (pool adjacent violators) in steps of `LEAST_SITES` sites and
more. Its calibration error is measured scene by scene, each judged by a curve of the other scenes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from landing.ground.merge import smoothed
from landing.ground.site_score import site_score
from landing.model.confidence import MOST_STEPS, ConfidenceStep, SiteConfidence
from landing.settings import DecisionSettings
from landing.taxonomy import Taxonomy
from landing.types import ByteArray, Segmentation
from trainer.data.samples import IGNORE
from trainer.evaluation.rates import rate
from trainer.evaluation.view import AssumedView

LEAST_SITES = 30
"""Sites behind each step of a curve: with fewer, its share says little."""

LEAST_SCENES = 5
"""With fewer, a calibration error by leaving scenes out says nothing."""

MOST_FOLDS = 50
"""Parts that scenes are left out in; with no more scenes, each by itself."""

LEAST_LABELLED = 0.5
"""Share of a disc that must have a class for it to be judged."""

BINS = 10
SAFE_MEANS = "the labels show nothing but landable ground in the disc of vehicle and margin"

_BOOTSTRAP = 500


@dataclass(frozen=True)
class JudgedSite:
    """A disc on a labelled picture.

    Attributes:
        score: See `landing.ground.site_score.site_score`.
        safe: By the labels.
        scene: That the picture shows.
        radius_px: Of the disc in the network's maps.
    """

    score: float
    safe: bool
    scene: str
    radius_px: float


def judged_sites(
    segmentation: Segmentation,
    labels: ByteArray,
    taxonomy: Taxonomy,
    view: AssumedView,
    settings: DecisionSettings,
    scene: str,
) -> list[JudgedSite]:
    """Return the discs of one picture that fit beside each other, the best score first.

    Args:
        segmentation: The network's maps.
        labels: True classes, uint8 (H, W), of the whole picture.
        taxonomy: Of both.
        view: Of the picture.
        settings: Radius of the discs, noise filter.
        scene: That the picture shows.
    """
    radius_m, smoothing_px = settings.required_radius_m, settings.evidence.smoothing_px
    camera, label_camera = (
        view.camera(shape[1], shape[0]) for shape in (segmentation.shape, (labels.shape[0], labels.shape[1]))
    )
    radius_px = radius_m * camera.fx / view.height_m
    least = _least_in_discs(smoothed(segmentation, smoothing_px).landable, radius_px)
    unsafe = ~taxonomy.landable_lut[labels] & (labels != IGNORE)
    found = []
    for row, column in _beside_each_other(least, radius_px):
        pixel = np.array([[column, row]], float)
        centre = camera.ground_from_pixel(pixel, view.pose, 0.0)[0]
        score = site_score(segmentation, camera, view.pose, tuple(centre), radius_m, smoothing_px)
        u, v = label_camera.pixel_from_ned(centre[None], view.pose)[0]
        inside = _disc_in(labels.shape, u, v, radius_m * label_camera.fx / view.height_m)
        if score is None or np.mean(labels[inside] != IGNORE) < LEAST_LABELLED:
            continue
        found.append(JudgedSite(score, not unsafe[inside].any(), scene, radius_px))
    return found


def _least_in_discs(plane: ByteArray, radius_px: float) -> npt.NDArray[np.int16]:
    """The least of a plane in the disc around each pixel; -1 where the disc is not whole."""
    reach = math.ceil(radius_px)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (y**2 + x**2 <= radius_px**2).astype(np.uint8)
    least = np.full(plane.shape, -1, np.int16)
    inner = (slice(reach + 1, -reach - 1), slice(reach + 1, -reach - 1))
    least[inner] = cv2.erode(plane, kernel)[inner]
    return least


def _beside_each_other(least: npt.NDArray[np.int16], radius_px: float) -> Iterable[tuple[int, int]]:
    """Yields centres of discs that do not overlap, the best first; of equal ones the one amid the best."""
    # Ties go to the middle of good ground: the score is in whole numbers, the surroundings add less than one.
    around = cv2.blur(np.maximum(least, 0).astype(np.float32), (9, 9))
    order = np.where(least >= 0, least + around * np.float32(1 / 512), np.float32(-1.0))
    rows, columns = np.ogrid[: least.shape[0], : least.shape[1]]
    while True:
        row, column = divmod(int(order.argmax()), order.shape[1])
        if order[row, column] < 0:
            return
        yield row, column
        order[(rows - row) ** 2 + (columns - column) ** 2 < (2 * radius_px) ** 2] = -1.0


def _disc_in(shape: tuple[int, ...], u: float, v: float, radius_px: float) -> tuple[Any, Any]:
    """Index of the pixels whose centres lie in a circle."""
    rows = np.arange(max(0, math.floor(v - radius_px)), min(shape[0], math.ceil(v + radius_px) + 1))
    columns = np.arange(max(0, math.floor(u - radius_px)), min(shape[1], math.ceil(u + radius_px) + 1))
    r, c = np.nonzero((columns[None] - u) ** 2 + (rows[:, None] - v) ** 2 <= radius_px**2)
    return rows[r], columns[c]


def fit_steps(scores: npt.NDArray[np.float64], safe: npt.NDArray[np.bool_]) -> tuple[ConfidenceStep, ...]:
    """Return the isotonic curve of judged sites, at least one; equal scores are in one step."""
    order = np.argsort(scores, kind="stable")
    scores, safe = scores[order], safe[order]
    least, count = max(LEAST_SITES, math.ceil(len(scores) / MOST_STEPS)), len(scores)
    steps: list[ConfidenceStep] = []
    start = 0
    while start < count:
        end = min(count, start + least)
        end = int(np.searchsorted(scores, scores[end - 1], side="right"))
        if count - end < least:
            end = count
        # Scores are floats of whole bytes: to four places they stay apart, and the file stays short.
        begin = 0.0 if start == 0 else round(float(scores[start - 1] + scores[start]) / 2, 4)
        step = ConfidenceStep(score_from=begin, sites=end - start, safe=int(safe[start:end].sum()))
        while steps and step.share <= steps[-1].share:
            below = steps.pop()
            step = ConfidenceStep(
                score_from=below.score_from, sites=below.sites + step.sites, safe=below.safe + step.safe
            )
        steps.append(step)
        start = end
    return tuple(steps)


@dataclass(frozen=True)
class ConfidenceCheck:
    """Calibration of printed shares on sites that did not make them.

    Attributes:
        by: Whose shares these are, in words.
        sites: Number of sites.
        ece: Expected calibration error, 0 to 1, over `BINS` equal bins of the printed share.
        ece_interval: Its 95 % interval by bootstrap over scenes; it lies high, since drawing scenes adds error. None of
            one scene, which says nothing of others.
        bins: Per bin: sites, mean share printed, and the share that was safe with its 95 % Wilson interval.
    """

    by: str
    sites: int
    ece: float
    ece_interval: tuple[float, float] | None
    bins: tuple[dict[str, float], ...]


def fit_confidence(
    sites: Sequence[JudgedSite], pictures: int, measured_on: str, disc_m: float
) -> SiteConfidence | None:
    """Fits the curve of judged sites and measures its error by leaving scenes out; None without any site.

    Args:
        sites: Of all pictures.
        pictures: Their number.
        measured_on: The pictures, in words.
        disc_m: Radius of the discs, m.
    """
    if not sites:
        return None
    check = check_left_out(sites)
    return SiteConfidence(
        steps=fit_steps(np.array([s.score for s in sites]), np.array([s.safe for s in sites])),
        disc_m=disc_m,
        disc_px=round(float(np.median([s.radius_px for s in sites])), 2),
        safe_means=SAFE_MEANS,
        measured_on=measured_on[:400],
        pictures=pictures,
        scenes=len({s.scene for s in sites}),
        ece=None if check is None else round(check.ece, 5),
        ece_interval=None if check is None else check.ece_interval,
    )


def check_left_out(sites: Sequence[JudgedSite]) -> ConfidenceCheck | None:
    """Check curves by the scenes that they were not made from; None with fewer than `LEAST_SCENES`."""
    names = sorted({s.scene for s in sites})
    if len(names) < LEAST_SCENES:
        return None
    place = {name: k % MOST_FOLDS for k, name in enumerate(names)}
    fold = np.array([place[s.scene] for s in sites])
    scores, safe = np.array([s.score for s in sites]), np.array([s.safe for s in sites])
    printed = np.empty(len(sites))
    for number in range(min(len(names), MOST_FOLDS)):
        here = fold == number
        steps = fit_steps(scores[~here], safe[~here])
        starts = np.array([step.score_from for step in steps])
        shares = np.array([step.share for step in steps])
        printed[here] = shares[np.maximum(0, np.searchsorted(starts, scores[here], side="right") - 1)]
    return _checked("curves of the other scenes", printed, sites)


def check_curve(curve: SiteConfidence, sites: Sequence[JudgedSite]) -> ConfidenceCheck | None:
    """Check a curve by sites that did not make it; None without any."""
    if not sites:
        return None
    return _checked("the checkpoint's own curve", np.array([curve.at(s.score).share for s in sites]), sites)


def _checked(by: str, printed: npt.NDArray[np.float64], sites: Sequence[JudgedSite]) -> ConfidenceCheck:
    safe = np.array([s.safe for s in sites])
    names = sorted({s.scene for s in sites})
    number = {name: k for k, name in enumerate(names)}
    scene = np.array([number[s.scene] for s in sites])
    place = np.clip((printed * BINS).astype(np.int64), 0, BINS - 1)
    signed = np.zeros((len(names), BINS))
    np.add.at(signed, (scene, place), printed - safe)
    bins = []
    for k in range(BINS):
        here = place == k
        shown = rate(int(safe[here].sum()), int(here.sum()))
        if shown is not None:
            bins.append({"sites": int(here.sum()), "printed": round(float(printed[here].mean()), 4), **shown})
    error = float(np.abs(signed.sum(0)).sum() / len(sites))
    interval = _interval(signed, np.bincount(scene), error) if len(names) > 1 else None
    return ConfidenceCheck(by, len(sites), error, interval, tuple(bins))


def _interval(signed: npt.NDArray[np.float64], counts: npt.NDArray[np.intp], error: float) -> tuple[float, float]:
    """Interval of a calibration error, from the errors (scenes, bins) and the sites of each scene."""
    scenes = len(counts)
    weights = np.random.default_rng(0).multinomial(scenes, [1 / scenes] * scenes, size=_BOOTSTRAP)
    errors = np.abs(weights @ signed).sum(1) / np.maximum(1, weights @ counts)
    low, high = (round(float(v), 5) for v in np.percentile(errors, (2.5, 97.5)))
    return min(low, round(error, 5)), high
