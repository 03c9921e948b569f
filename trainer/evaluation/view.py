"""Assumed views: height and field of view of pictures whose data set does not state them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from landing.camera import CameraModel
from landing.taxonomy import Taxonomy
from landing.types import Pose
from trainer.data.known_layouts import SEMANTIC_DRONE_GROUND

_LEVEL = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class AssumedView:
    """Height above ground and horizontal field of view of pictures, and the source of both for the report."""

    height_m: float
    hfov_deg: float
    source: str

    def camera(self, width_px: int, height_px: int) -> CameraModel:
        """Return the camera for pictures of a size."""
        return CameraModel.from_hfov(width_px, height_px, self.hfov_deg)

    @property
    def pose(self) -> Pose:
        """Level pose above the origin."""
        return Pose(0, _LEVEL, (0.0, 0.0, -self.height_m), self.height_m)

    def describe(self) -> str:
        """Return the view as text for the report."""
        across_m = 2 * self.height_m * math.tan(math.radians(self.hfov_deg) / 2)
        return (
            f"{self.height_m:g} m above flat ground, level camera, horizontal field of view "
            f"{self.hfov_deg:g} degrees, so a picture is {across_m:.1f} m wide ({self.source})"
        )


_SEMANTIC_DRONE = AssumedView(
    15.0,
    62.0,
    "assumed: the Semantic Drone Dataset was flown 5 to 30 m up with 24 megapixels and names no "
    "lens; 20 mm on an APS-C sensor fits the size of people and cars in its training pictures, "
    f"which puts the widths of pictures at some {SEMANTIC_DRONE_GROUND.least_m:g} to "
    f"{SEMANTIC_DRONE_GROUND.greatest_m:g} m",
)
_ASSUMED = {
    "semantic-drone": _SEMANTIC_DRONE,
    "aeroscapes": AssumedView(20.0, 70.0, "assumed: AeroScapes was flown 5 to 50 m up and names no lens"),
}


def assumed_view(taxonomy: Taxonomy, height_m: float | None = None, hfov_deg: float | None = None) -> AssumedView:
    """Return the view of a data set by its taxonomy, with the user's values where given."""
    known = _ASSUMED.get(taxonomy.name, AssumedView(15.0, 65.0, "assumed: nothing is known of the camera"))
    if height_m is None and hfov_deg is None:
        return known
    given = [name for name, v in (("height", height_m), ("field of view", hfov_deg)) if v]
    return AssumedView(height_m or known.height_m, hfov_deg or known.hfov_deg, " and ".join(given) + " as given")
