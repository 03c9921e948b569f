"""Scale of the ground in a network's input, held against the range that the network was trained for.

The measure is the ground that a pixel of the network's input shows in the picture's middle, mm. Height, lens, picture
size and input size all enter it, so a range in it holds for every camera. A picture smaller than the input is enlarged
to fill it, which shows nothing new: its own pixels are held against the range's coarse end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from landing.camera import CameraModel
from landing.model.spec import GroundRange
from landing.site import NoSite, NoSiteReason
from landing.types import Pose

IN_USE = 1.1
"""A camera that was within the range stays in use up to so many times its coarsest pixel: at the limit a site must not
come and go with the vehicle's attitude."""

UNKNOWN_RANGE = (
    "does not say from how near and how far it was trained to see the ground, so no height is refused; say it with "
    "`touchdown export range`"
)

LEAST_DOWN = 0.1
"""Sine of the flattest angle that a distance is computed for; a flatter axis counts as this one."""


@dataclass(frozen=True)
class GroundScale:
    """Ground size of one network's pixels through one camera.

    Attributes:
        known: Range of the network.
        focal_px: Focal length in pixels of the network's input.
        enlarged: Pixels of the input by pixels of the picture, along a side, at least 1.
    """

    known: GroundRange
    focal_px: float
    enlarged: float = 1.0

    @classmethod
    def of(cls, known: GroundRange, input_wh: tuple[int, int], camera: CameraModel) -> GroundScale:
        """Return the scale of a camera whose pictures are fitted into an input (`landing.model.spec.Letterbox`)."""
        fit = min(input_wh[0] / camera.width_px, input_wh[1] / camera.height_px)
        return cls(known, math.sqrt(camera.fx * camera.fy) * fit, max(1.0, fit))

    def pixel_mm(self, distance_m: float) -> float:
        """Return the ground that a pixel of picture or input shows from a distance, mm: of whichever is coarser."""
        return 1000.0 * distance_m / self.focal_px * self.enlarged

    def heights_m(self, down: float = 1.0) -> tuple[float, float]:
        """Return the least and the greatest height above ground of the range, m; `down` as of `axis_down`."""
        one_mm_m = self.focal_px / 1000.0 * down
        return self.known.finest_mm * one_mm_m, self.known.coarsest_mm * one_mm_m / self.enlarged

    def too_fine(self, height_m: float, down: float = 1.0) -> str | None:
        """Return a note where the input's pixels show less ground than in training; None where they do not."""
        shown_mm = self.pixel_mm(height_m / down) / self.enlarged
        if shown_mm >= self.known.finest_mm:
            return None
        return (
            f"a pixel shows {shown_mm:.2g} mm of ground, nearer than the {self.known.describe()} the model was "
            "trained for"
        )


def axis_down(camera: CameraModel, pose: Pose | None = None) -> float:
    """Return the sine of the angle at which a camera looks down: 1 straight down, at least `LEAST_DOWN`.

    Args:
        camera: With its mount.
        pose: With what `CameraModel.missing_in` asks for; None for a level vehicle and a gimbal that looks straight
            down.
    """
    if pose is not None:
        down = float(camera.ned_from_camera(pose)[2, 2])
    else:
        down = 1.0 if camera.mount.gimbal else float(camera.mount.frd_from_camera[2, 2])
    return max(down, LEAST_DOWN)


def metres_down(height_m: float) -> str:
    """Return a height to descend to, rounded down: whole metres, tenths below ten."""
    return f"{math.floor(height_m):d}" if height_m >= 10.0 else f"{math.floor(height_m * 10.0) / 10.0:g}"


class HeightLimit:
    """The greatest height from which a network's answer counts, frame by frame. One owner.

    Args:
        scale: Of network and camera; None where the network's range is not known: then nothing is refused.
        camera: The same camera.

    Attributes:
        within: The last frame was within the range; such a camera stays in use up to `IN_USE` times its end.
    """

    def __init__(self, scale: GroundScale | None, camera: CameraModel) -> None:
        self._scale = scale
        self._camera = camera
        self.within = False

    def refusal(self, pose: Pose, height_m: float) -> NoSite | None:
        """Return the reason against a frame from a height above ground, m; None where it may be used."""
        if self._scale is None:
            return None
        known, down = self._scale.known, axis_down(self._camera, pose)
        shown_mm = self._scale.pixel_mm(height_m / down)
        self.within = shown_mm <= known.coarsest_mm * (IN_USE if self.within else 1.0)
        if self.within:
            return None
        to_m = self._scale.heights_m(down)[1]
        return NoSite(
            NoSiteReason.TOO_HIGH,
            f"descend to {metres_down(to_m)} m first: a pixel shows {shown_mm:.3g} mm of ground, the model was trained "
            f"for {known.describe()}",
            to_m,
        )
