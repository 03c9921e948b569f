"""Assumed views: ground across pictures whose data set does not state it, and the height that shows so much.

A picture's width in metres decides how much room it has, so one number would hide much. Where it is assumed, figures
are given over a range of widths (`AssumedView.tried_m`), and thresholds are chosen to be safe over the widths that the
set may have (`AssumedView.span_m`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from landing.camera import CameraModel
from landing.taxonomy import Taxonomy
from landing.types import Pose
from trainer.data.ground import GroundWidth
from trainer.data.known_layouts import GROUND_OF
from trainer.data.samples import LabeledSet, Sample

_LEVEL = (1.0, 0.0, 0.0, 0.0)

WIDTH_FACTORS = (0.48, 0.6, 0.72, 0.84, 0.96, 1.08, 1.2)
"""Widths that are tried, as parts of the assumed one: 12 to 30 m for 25 m."""

_HFOV_DEG = {"semantic-drone": 62.0, "aeroscapes": 70.0}
"""Fields of view by taxonomy: for the Semantic Drone Dataset that of 20 mm on an APS-C sensor."""
_ANY_HFOV_DEG = 65.0
_ANY_GROUND = GroundWidth(11.5, 23.0, "assumed: nothing is known of the camera", usual_m=19.0)


@dataclass(frozen=True)
class AssumedView:
    """Height above ground and horizontal field of view of pictures, and the source of both for the report.

    Attributes:
        height_m: Of a level camera above flat ground, m.
        hfov_deg: Its horizontal field of view, degrees.
        source: Who says so, in words.
        span_m: Least and greatest width of the ground in pictures that may be; None where the width is known.
        of_each: Ground across pictures that differ, m by name; exact.
    """

    height_m: float
    hfov_deg: float
    source: str
    span_m: tuple[float, float] | None = None
    of_each: Mapping[str, float] = field(default_factory=dict)

    def camera(self, width_px: int, height_px: int) -> CameraModel:
        """Return the camera for pictures of a size."""
        return CameraModel.from_hfov(width_px, height_px, self.hfov_deg)

    @property
    def pose(self) -> Pose:
        """Level pose above the origin."""
        return Pose(0, _LEVEL, (0.0, 0.0, -self.height_m), self.height_m)

    @property
    def across_m(self) -> float:
        """Ground across a picture, m."""
        return 2 * self.height_m * math.tan(math.radians(self.hfov_deg) / 2)

    def at_width(self, width_m: float) -> AssumedView:
        """Return the view from the height at which pictures show so much ground across, m."""
        return replace(self, height_m=self.height_m * width_m / self.across_m)

    def of(self, name: str, width_m: float | None = None) -> AssumedView:
        """Return the view of one picture: as it states, else at a width, m, or as assumed."""
        stated = self.of_each.get(name)
        wanted = width_m if stated is None else stated
        return self if wanted is None else self.at_width(wanted)

    def tried_m(self) -> tuple[float, ...]:
        """The widths that figures are given over, m, rising."""
        return tuple(round(factor * self.across_m, 2) for factor in WIDTH_FACTORS)

    def possible_m(self) -> tuple[float, ...]:
        """The widths of `tried_m` that pictures may have, and the assumed one first, m."""
        least_m, greatest_m = self.span_m or (math.inf, -math.inf)
        return (self.across_m, *(w for w in self.tried_m() if least_m <= w <= greatest_m))

    def describe(self) -> str:
        """Return the view as text for the report."""
        text = (
            f"{self.height_m:.3g} m above flat ground, level camera, horizontal field of view "
            f"{self.hfov_deg:g} degrees, so a picture is {self.across_m:.1f} m wide ({self.source})"
        )
        return f"{text}; {len(self.of_each)} pictures are as wide as their data set states" if self.of_each else text


def assumed_view(taxonomy: Taxonomy, height_m: float | None = None, hfov_deg: float | None = None) -> AssumedView:
    """Return the view of a data set by its taxonomy, with the user's values where given."""
    ground = GROUND_OF.get(taxonomy.name, _ANY_GROUND)
    field_deg = hfov_deg or _HFOV_DEG.get(taxonomy.name, _ANY_HFOV_DEG)
    known = _showing(ground, field_deg)
    if height_m is None:  # a field of view alone says nothing of the ground across a picture
        return known
    return AssumedView(height_m, field_deg, f"height{' and field of view' if hfov_deg else ''} as given")


def _showing(ground: GroundWidth, hfov_deg: float) -> AssumedView:
    view = AssumedView(1.0, hfov_deg, ground.source).at_width(ground.middle_m)
    known = ground.least_m == ground.greatest_m
    return view if known else replace(view, span_m=(ground.least_m, ground.greatest_m))


def view_of(
    data: LabeledSet,
    samples: Sequence[Sample],
    taxonomy: Taxonomy,
    height_m: float | None = None,
    hfov_deg: float | None = None,
    ground_width_m: tuple[float, ...] | None = None,
) -> AssumedView:
    """Return the view of a set's pictures: the user's, else what the set states of each, else what is assumed.

    A height says how much ground pictures show. A field of view alone does not.

    Args:
        data: The set.
        samples: Its pictures that are looked at.
        taxonomy: Of the labels.
        height_m: The user's height, m.
        hfov_deg: The user's field of view, degrees.
        ground_width_m: The user's least and greatest ground across pictures, or one number for both, m.
    """
    common = assumed_view(taxonomy, height_m, hfov_deg)
    if height_m is not None:
        return common
    if ground_width_m is not None:
        return _showing(GroundWidth.given(ground_width_m, "--ground-width-m"), common.hfov_deg)
    found = {sample.name: width for sample in samples if (width := data.ground_width(sample)) is not None}
    stated = {name: w.least_m for name, w in found.items() if w.least_m == w.greatest_m}
    others = {w for name, w in found.items() if name not in stated}
    if len(others) == 1 and len(found) == len(samples):
        common = _showing(others.pop(), common.hfov_deg)
    if len(stated) == len(samples) and stated:
        return replace(common, span_m=None, of_each=stated)
    return replace(common, of_each=stated)
