"""Confidence in a site: the share of such sites that were safe on held-out pictures, with its count.

A site has a score: the least probability of landable ground within the disc of vehicle and margin, in one frame. A
model file says how often sites of such a score were safe (`SiteConfidence`). A model without that gives none.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_STEPS = 64


@dataclass(frozen=True)
class Confidence:
    """Share of sites with a score like this one's that were safe on held-out pictures.

    Attributes:
        share: 0 to 1, by the rule of succession: (safe + 1) / (sites + 2). It is 1 for no count.
        sites: Sites behind the share.
        score: Of this site, 0 to 1, see `landing.ground.site_score`.
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
        disc_px: Their radius in pixels of the network's maps; the curve holds down to a part of it
            (`landing.ground.site_score`).
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
        least = f"{100 * low.share:.0f} to " if len(self.steps) > 1 else ""
        return (
            f"{least}{100 * high.share:.1f} % safe by score, {self.sites} discs of {self.disc_m:g} m "
            f"in {self.pictures} pictures of {self.scenes} scenes{error} ({self.measured_on or 'not said on what'})"
        )
