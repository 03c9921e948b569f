"""Places on the globe (WGS-84), and metres between places near each other.

Within some kilometres the globe is a plane whose north and east are as long as the ellipsoid's radii of curvature say,
taken half way between both places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from landing.errors import InvalidValueError
from landing.estimator import FIRST_FRAME, EstimatorFrame
from landing.geometry import Vector

EQUATOR_M = 6_378_137.0
ECCENTRICITY2 = 6.694_379_990_14e-3
NEAREST_POLE_DEG = 89.0
"""Beyond it east is no direction that a survey could use."""


def metres_per_degree(latitude_deg: float) -> tuple[float, float]:
    """Return the length of a degree of latitude and of longitude at a latitude, m."""
    sine2 = math.sin(math.radians(latitude_deg)) ** 2
    across_m = EQUATOR_M / math.sqrt(1.0 - ECCENTRICITY2 * sine2)
    along_m = across_m * (1.0 - ECCENTRICITY2) / (1.0 - ECCENTRICITY2 * sine2)
    degree = math.pi / 180.0
    return along_m * degree, across_m * degree * math.cos(math.radians(latitude_deg))


@dataclass(frozen=True)
class GlobalPlace:
    """A place on the globe.

    Attributes:
        latitude_deg, longitude_deg: WGS-84.
        altitude_m: Above mean sea level, as far as its source tells; None where it tells nothing.

    Raises:
        InvalidValueError: There is no such place, or it lies at a pole.
    """

    latitude_deg: float
    longitude_deg: float
    altitude_m: float | None = None

    def __post_init__(self) -> None:
        known = math.isfinite(self.latitude_deg) and math.isfinite(self.longitude_deg)
        height = self.altitude_m is None or math.isfinite(self.altitude_m)
        if not (known and height and abs(self.latitude_deg) <= NEAREST_POLE_DEG and abs(self.longitude_deg) <= 180.0):
            raise InvalidValueError(
                f"place {self.latitude_deg} N {self.longitude_deg} E {self.altitude_m} m: expected latitudes up to "
                f"{NEAREST_POLE_DEG:g} degrees, longitudes up to 180, and finite numbers"
            )

    def offset_to(self, other: GlobalPlace) -> tuple[float, float]:
        """Return north and east of another place from this one, m."""
        north, east = metres_per_degree(0.5 * (self.latitude_deg + other.latitude_deg))
        turn_deg = (other.longitude_deg - self.longitude_deg + 180.0) % 360.0 - 180.0
        return (other.latitude_deg - self.latitude_deg) * north, turn_deg * east

    def distance_m(self, other: GlobalPlace) -> float:
        """Return the horizontal distance to another place, m."""
        return math.hypot(*self.offset_to(other))

    def moved(self, north_m: float, east_m: float, up_m: float = 0.0) -> GlobalPlace:
        """Return the place so far away, m."""
        north, _ = metres_per_degree(self.latitude_deg)
        latitude_deg = self.latitude_deg + north_m / north
        _, east = metres_per_degree(0.5 * (self.latitude_deg + latitude_deg))
        longitude_deg = (self.longitude_deg + east_m / east + 180.0) % 360.0 - 180.0
        return GlobalPlace(latitude_deg, longitude_deg, None if self.altitude_m is None else self.altitude_m + up_m)


@dataclass(frozen=True)
class GlobalFix:
    """The vehicle's place on the globe and in the estimator's local frame, at one moment.

    Attributes:
        at_ns: Monotonic time.
        place: On the globe.
        position_ned_m: In the local frame, m.
        frame: Which local frame.
    """

    at_ns: int
    place: GlobalPlace
    position_ned_m: Vector
    frame: EstimatorFrame = FIRST_FRAME

    def global_of(self, position_ned_m: Vector) -> GlobalPlace:
        """Return the place of local coordinates of the same frame.

        Raises:
            InvalidValueError: There is no such place.
        """
        north_m, east_m, down_m = (
            there - here for there, here in zip(position_ned_m, self.position_ned_m, strict=True)
        )
        return self.place.moved(north_m, east_m, -down_m)

    def local_of(self, place: GlobalPlace) -> tuple[float, float]:
        """Return north and east of a place in the local frame, m."""
        north_m, east_m = self.place.offset_to(place)
        return self.position_ned_m[0] + north_m, self.position_ned_m[1] + east_m

    def in_frame(self, frame: EstimatorFrame) -> GlobalFix | None:
        """Return the same fix in another local frame; None where it is not known there."""
        shift = self.frame.shift_to(frame)
        return None if shift is None else GlobalFix(self.at_ns, self.place, shift.point(self.position_ned_m), frame)
