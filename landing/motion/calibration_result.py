"""Numbers that a flight may tell of a set-up, each with its error, and the result of a calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landing.camera import CameraModel
from landing.errors import TouchdownError
from landing.geometry import FloatArray
from landing.problems import Problem


class CalibrationError(TouchdownError):
    """A flight that tells nothing of the camera."""

    problem = Problem.CALIBRATION


@dataclass(frozen=True)
class Quantity:
    """A number that a flight may tell.

    Attributes:
        name: For people and for JSON.
        unit: Of the number and its error.
        digits: After the decimal point.
        most_error: A larger standard error tells nothing.
        motion: What would tell it.
    """

    name: str
    unit: str
    digits: int
    most_error: float
    motion: str


QUANTITIES = (
    Quantity("latency", "ms", 0, 5.0, "rock it: lean and turn quickly to both sides, and start and stop sharply"),
    Quantity("mount roll", "degrees", 2, 0.25, "climb and descend by a third of the height, and fly across"),
    Quantity("mount pitch", "degrees", 2, 0.25, "climb and descend by a third of the height, and fly across"),
    Quantity("mount yaw", "degrees", 2, 0.5, "fly straight across, several times a third of the height"),
    Quantity("field of view", "degrees", 2, 0.0, "lean and turn by 10 degrees and more, and climb and descend"),
    Quantity("rangefinder scale", "", 3, 0.02, "fly across several times a third of the height, and climb and descend"),
)
"""All of them, in the order of `SetupCalibration.estimates`; the error of the field of view is a share of it."""

MOST_FIELD_SHARE = 0.005
"""Standard error of a field of view that is told, as a share of it."""


@dataclass(frozen=True)
class SetupEstimate:
    """A number with its standard error.

    Attributes:
        quantity: Its name, unit and the motion that tells it.
        value: Of latency, what is to be added to the configured one; of angles, the turn against the configured mount;
            the field of view itself; true height over the height told.
        error: Standard error.
        told: False where the flight has no evidence: then the value says nothing.
    """

    quantity: Quantity
    value: float
    error: float
    told: bool


@dataclass(frozen=True)
class Excitement:
    """Motion of a flight.

    Attributes:
        turn_deg, across, climb: Means of a look: turn, way across and up or down as shares of the height.
        heights: Highest over lowest.
        heading_deg: Range of headings.
    """

    turn_deg: float
    across: float
    climb: float
    heights: float
    heading_deg: float

    @property
    def text(self) -> str:
        """In words."""
        return (
            f"a look turned by {self.turn_deg:.1f} degrees, went {100 * self.across:.0f} % of the height across and "
            f"{100 * self.climb:.0f} % up or down, on average; headings of {self.heading_deg:.0f} degrees, heights "
            f"{self.heights:.1f} to 1"
        )


@dataclass(frozen=True)
class SetupCalibration:
    """Result of a flight.

    Attributes:
        camera: Lens and mount with what was told.
        latency_s: To be added to the configured latency; 0 where it was not told.
        estimates: Latency, roll, pitch, yaw, field of view, rangefinder scale.
        excitement: How it moved.
        times_s: Ends of the looks, since the first.
        before, after: Mean shift of each look against the configured and the calibrated set-up, shape (looks, 2), px of
            a picture 320 wide.
        fit: Median distance of the looks, 1 for the errors that were assumed.
    """

    camera: CameraModel
    latency_s: float
    estimates: tuple[SetupEstimate, ...]
    excitement: Excitement
    times_s: FloatArray
    before: FloatArray
    after: FloatArray
    fit: float

    @property
    def residuals_px(self) -> tuple[float, float]:
        """Median shift before and after."""
        before, after = (float(np.median(np.hypot(*shift.T))) for shift in (self.before, self.after))
        return before, after

    @property
    def missing(self) -> tuple[SetupEstimate, ...]:
        """Estimates without evidence."""
        return tuple(estimate for estimate in self.estimates if not estimate.told)
