"""Origin of local NED, and the one conversion between global and local positions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from landing.errors import LinkError

METRES_PER_DEGREE = 111_318.84502145034
"""Of latitude, as ArduPilot counts it."""


@dataclass(frozen=True)
class Home:
    """Origin of local NED and home.

    Attributes:
        lat_deg, lon_deg: Degrees; SITL's own default place.
        alt_m: Above mean sea level.
    """

    lat_deg: float = -35.3632621
    lon_deg: float = 149.1652374
    alt_m: float = 584.0

    @classmethod
    def parse(cls, text: str) -> Home:
        """From ``LAT,LON,ALT``.

        Raises:
            LinkError: Not three numbers in range.
        """
        try:
            lat, lon, alt = (float(part) for part in text.split(",")[:3])
        except ValueError:
            lat = lon = alt = math.nan
        if not (abs(lat) <= 90 and abs(lon) <= 180 and math.isfinite(alt)):
            raise LinkError(f"home {text!r}: expected LAT,LON,ALT in degrees and metres")
        return cls(lat, lon, alt)

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.lat_deg},{self.lon_deg},{self.alt_m}"

    def global_from_ned(self, n_m: float, e_m: float) -> tuple[float, float]:
        """Latitude and longitude in degrees, by the flat-earth formula ArduPilot uses."""
        lat = self.lat_deg + n_m / METRES_PER_DEGREE
        return lat, self.lon_deg + e_m / (METRES_PER_DEGREE * self._shrink(lat))

    def ned_from_global(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """North and east in metres; the inverse of ``global_from_ned``."""
        turn_deg = (lon_deg - self.lon_deg + 180.0) % 360.0 - 180.0
        return ((lat_deg - self.lat_deg) * METRES_PER_DEGREE, turn_deg * METRES_PER_DEGREE * self._shrink(lat_deg))

    def _shrink(self, lat_deg: float) -> float:
        """Length of a degree of longitude against one of latitude, half way to home."""
        return max(math.cos(math.radians(0.5 * (lat_deg + self.lat_deg))), 0.01)
