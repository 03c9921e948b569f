"""Confidence in a site: the share of such sites that were safe on held-out pictures, with its count.

A site has a score: the least probability of landable ground within the disc of vehicle and margin, in one frame. A
model file says how often sites of such a score were safe (`SiteConfidence`). A model without that gives none.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from landing.camera import CameraModel
from landing.shown_cells import mask_camera
from landing.types import Pose, Segmentation

MOST_STEPS = 64
MOST_COARSER = 1.25
"""Factor by which a disc may be smaller in the picture than those that were judged: coarser pixels hide more. At twice
the height a curve said 95.2 % of 3,500 discs, and 88.1 % were safe (`synthetic-unet`, 12 worlds from 30 m)."""

_ANGLES = np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)
_RIM = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES), np.zeros(64)])
"""Points on a circle of radius 1 on the ground, shape (64, 3)."""
_RIM_BITS = 4
"""Of the fraction of a pixel in which OpenCV takes the rim."""


@dataclass(frozen=True)
class Confidence:
    """Share of sites with a score like this one's that were safe on held-out pictures.

    Attributes:
        share: 0 to 1, by the rule of succession: (safe + 1) / (sites + 2). It is 1 for no count.
        sites: Sites behind the share.
        score: Of this site, 0 to 1, see `site_score`.
    """

    share: float
    sites: int
    score: float

    @property
    def percent(self) -> int:
        """The share in whole per cent, rounded down."""
        return math.floor(100.0 * self.share)

    @property
    def text(self) -> str:
        """In words."""
        return f"safe in {self.percent} % of {self.sites} such sites"

    def to_mapping(self) -> dict[str, object]:
        """For JSON."""
        return {"share": round(self.share, 4), "sites": self.sites, "score": round(self.score, 4), "text": self.text}


class ConfidenceStep(BaseModel):
    """Held-out sites with a score from `score_from` up to the next step's.

    Attributes:
        score_from: Least score of the step.
        sites: Sites of such scores.
        safe: Those of them that were safe.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    score_from: float = Field(ge=0.0, le=1.0)
    sites: int = Field(ge=1, le=100_000_000)
    safe: int = Field(ge=0)

    @property
    def share(self) -> float:
        """Chance that the next such site is safe, by Laplace's rule of succession: few sites give no certainty."""
        return (self.safe + 1) / (self.sites + 2)

    @model_validator(mode="after")
    def _no_more_than_all(self) -> ConfidenceStep:
        if self.safe > self.sites:
            raise ValueError(f"{self.safe} of {self.sites} sites safe")
        return self


class SiteConfidence(BaseModel):
    """Curve from a site's score to the share of such sites that were safe, measured on pictures that did not train.

    Attributes:
        steps: Scores rising from 0, shares rising.
        disc_m: Radius of the discs that were judged, m; the curve holds for vehicles that need no more.
        disc_px: Their radius in pixels of the network's maps; the curve holds down to a part of it, `MOST_COARSER`.
        safe_means: Meaning of "safe", in words.
        measured_on: The pictures, in words.
        pictures, scenes: Their number, and that of the scenes they show.
        ece: Expected calibration error where each scene is judged by a curve of the others, 0 to 1; None where there
            are too few scenes to tell.
        ece_interval: Its 95 % interval by bootstrap over scenes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    steps: tuple[ConfidenceStep, ...] = Field(min_length=1, max_length=MOST_STEPS)
    disc_m: float = Field(gt=0.0, le=100.0)
    disc_px: float = Field(ge=0.0, le=10_000.0)
    safe_means: str = Field(default="", max_length=400)
    measured_on: str = Field(default="", max_length=400)
    pictures: int = Field(ge=1, le=100_000_000)
    scenes: int = Field(ge=1, le=100_000_000)
    ece: float | None = Field(default=None, ge=0.0, le=1.0)
    ece_interval: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _rises(self) -> SiteConfidence:
        if self.steps[0].score_from != 0.0:
            raise ValueError(f"the first step begins at score {self.steps[0].score_from:g}, expected 0")
        for low, high in zip(self.steps, self.steps[1:], strict=False):
            if high.score_from <= low.score_from:
                raise ValueError(f"step at score {high.score_from:g} follows {low.score_from:g}: scores must rise")
            if high.share <= low.share:
                raise ValueError(
                    f"step at score {high.score_from:g}: share {high.share:.3f} after {low.share:.3f}: shares must rise"
                )
        if self.ece_interval is not None and not 0.0 <= self.ece_interval[0] <= self.ece_interval[1] <= 1.0:
            raise ValueError(f"ece_interval {self.ece_interval}: expected two rising numbers from 0 to 1")
        if self.scenes > self.pictures:
            raise ValueError(f"{self.scenes} scenes in {self.pictures} pictures")
        return self

    @property
    def sites(self) -> int:
        """Sites behind the whole curve."""
        return sum(step.sites for step in self.steps)

    def at(self, score: float) -> Confidence:
        """Confidence in a site of a score from 0 to 1; what is no number counts as 0."""
        known = score if score >= 0.0 else 0.0
        step = self.steps[bisect_right(self.steps, known, key=lambda s: s.score_from) - 1]
        return Confidence(step.share, step.sites, known)

    def for_radius(self, required_m: float) -> SiteConfidence | None:
        """The curve where it holds for a vehicle that needs a disc of this radius, m; None for a wider one."""
        return self if required_m <= self.disc_m * (1.0 + 1e-6) else None

    def describe(self) -> str:
        """One line for people."""
        low, high = self.steps[0], self.steps[-1]
        error = ""
        if self.ece is not None:
            error = f"; calibration error {100 * self.ece:.1f} %"
            if self.ece_interval is not None:
                error += f" ({100 * self.ece_interval[0]:.1f} to {100 * self.ece_interval[1]:.1f} %)"
        return (
            f"{100 * low.share:.0f} to {100 * high.share:.1f} % safe by score, {self.sites} discs of {self.disc_m:g} m "
            f"in {self.pictures} pictures of {self.scenes} scenes{error} ({self.measured_on or 'not said on what'})"
        )


def site_score(
    segmentation: Segmentation,
    camera: CameraModel,
    pose: Pose,
    centre_ned_m: tuple[float, float, float],
    radius_m: float,
    smoothing_px: int,
    least_px: float = 0.0,
) -> float | None:
    """Return the least probability of landable ground in a disc on the ground, 0 to 1, by one frame alone.

    Args:
        segmentation: Of the frame.
        camera: Of any resolution with the frame's view.
        pose: At capture time, with attitude and position.
        centre_ned_m: Centre of the disc, local NED, m.
        radius_m: Of the disc, m.
        smoothing_px: Side of the noise filter that the decision uses.
        least_px: Least radius of the disc in the segmentation, pixels.

    Returns:
        None where the frame does not show the whole disc, or shows it smaller.
    """
    rows, columns = segmentation.shape
    rim = mask_camera(camera, rows, columns).camera.pixel_from_ned(np.asarray(centre_ned_m) + radius_m * _RIM, pose)
    inside = np.isfinite(rim).all() and rim.min() >= -0.5
    if not inside or rim[:, 0].max() > columns - 0.5 or rim[:, 1].max() > rows - 0.5:
        return None
    if np.ptp(rim, axis=0).min() < 2.0 * least_px:
        return None
    reach = max(1, smoothing_px)
    left, top = (max(0, math.floor(v) - reach) for v in rim.min(axis=0))
    right, bottom = (math.ceil(v) + reach + 1 for v in rim.max(axis=0))
    part = segmentation.landable[top:bottom, left:right]
    side = min(reach, rows, columns)
    if side > 1:
        part = cv2.blur(part, (side, side), borderType=cv2.BORDER_REPLICATE)
    disc = np.zeros(part.shape, np.uint8)
    corners = np.rint((rim - (left, top)) * (1 << _RIM_BITS)).astype(np.int32)
    cv2.fillConvexPoly(disc, corners, 1, shift=_RIM_BITS)
    return float(part[disc > 0].min()) / 255.0


def confidence_in(
    curve: SiteConfidence,
    segmentation: Segmentation,
    camera: CameraModel,
    pose: Pose,
    centre_ned_m: tuple[float, float, float],
    radius_m: float,
    smoothing_px: int,
) -> Confidence | None:
    """Return the confidence in a disc on the ground by one frame alone; see `site_score`."""
    least_px = curve.disc_px * radius_m / curve.disc_m / MOST_COARSER
    score = site_score(segmentation, camera, pose, centre_ned_m, radius_m, smoothing_px, least_px)
    return None if score is None else curve.at(score)
