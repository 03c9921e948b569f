"""Sites on the globe for other programs: GeoJSON of a survey or the daemon, from which rally points come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from landing.errors import DataError, InvalidValueError
from landing.globe import GlobalPlace
from landing.reading import parse_json

MOST_LISTED = 10_000
APART_M = 20.0
"""Sites nearer to each other than this are one choice for a vehicle that comes home."""

LONGEST_WORDS = 1000
"""Length of what is read of a site's words, in characters."""

KIND = "landing site"


@dataclass(frozen=True)
class ListedSite:
    """A site of a list.

    Attributes:
        place: Its middle; the altitude is the ground's.
        clearance_m: Clear radius, m.
        looks: How many looks or photographs show it clear.
        surface: What it lies on, in words; empty where that is not told.
        caution: Why somebody may come there; empty for no reason.
        confidence: Share of such sites that were safe, 0 to 1; None where not known.
        seen: When it was seen last, ISO 8601; empty where not known.
        source: Where it was seen, for people.
    """

    place: GlobalPlace
    clearance_m: float
    looks: int
    surface: str = ""
    caution: str = ""
    confidence: float | None = None
    seen: str = ""
    source: str = ""


def features(sites: Iterable[ListedSite]) -> dict[str, Any]:
    """Return sites as GeoJSON (RFC 7946: WGS-84, longitude first), numbered from 1."""
    found = []
    for number, site in enumerate(sites, 1):
        place = site.place
        coordinates = [round(place.longitude_deg, 8), round(place.latitude_deg, 8)]
        properties: dict[str, Any] = {"kind": KIND, "clearance_m": round(site.clearance_m, 2), "looks": site.looks}
        # A third coordinate would be above the ellipsoid; ours is above the sea.
        more = {
            "altitude_m": None if place.altitude_m is None else round(place.altitude_m, 1),
            "surface": site.surface,
            "caution": site.caution,
            "confidence": None if site.confidence is None else round(site.confidence, 4),
            "seen": site.seen,
            "source": site.source,
        }
        properties.update({name: value for name, value in more.items() if value not in (None, "")})
        geometry = {"type": "Point", "coordinates": coordinates}
        found.append({"type": "Feature", "id": number, "geometry": geometry, "properties": properties})
    return {"type": "FeatureCollection", "features": found}


def read_features(text: str, origin: str) -> tuple[ListedSite, ...]:
    """Read sites from GeoJSON that `features` made.

    Args:
        text: The document.
        origin: Its name, for messages.

    Raises:
        DataError: It is none, or a point of it is no site of ours.
    """
    document = parse_json(text, origin, DataError)
    listed = document.get("features") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_LISTED:
        raise DataError(f"{origin}: expected a FeatureCollection of at most {MOST_LISTED} sites")
    return tuple(_site_of(feature, number, origin) for number, feature in enumerate(listed, 1))


def _site_of(feature: Any, number: int, origin: str) -> ListedSite:
    try:
        about = feature["properties"]
        if about["kind"] != KIND or feature["geometry"]["type"] != "Point":
            raise KeyError("kind")
        longitude_deg, latitude_deg = (float(v) for v in feature["geometry"]["coordinates"][:2])
        altitude_m, confidence = about.get("altitude_m"), about.get("confidence")
        place = GlobalPlace(latitude_deg, longitude_deg, None if altitude_m is None else float(altitude_m))
        clearance_m, looks = float(about["clearance_m"]), int(about["looks"])
        if not (0.0 < clearance_m < 1e4 and looks > 0):
            raise ValueError(clearance_m)
        words = [str(about.get(name, ""))[:LONGEST_WORDS] for name in ("surface", "caution", "seen", "source")]
        known = None if confidence is None else float(confidence)
        if known is not None and not 0.0 <= known <= 1.0:
            raise ValueError(confidence)
        return ListedSite(place, clearance_m, looks, words[0], words[1], known, words[2], words[3])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, InvalidValueError) as error:
        raise DataError(
            f"{origin}: feature {number} is no landing site: expected a point with kind, clearance_m and looks, as "
            "`touchdown edge survey` writes them"
        ) from error


def spread(sites: Iterable[ListedSite], most: int, apart_m: float = APART_M) -> tuple[ListedSite, ...]:
    """Choose the best sites that lie apart: those where nobody is expected first, then the widest.

    Args:
        sites: To choose from.
        most: At most so many.
        apart_m: Least distance between two, m.
    """
    chosen: list[ListedSite] = []
    for site in sorted(sites, key=lambda s: (bool(s.caution), -s.clearance_m)):
        if len(chosen) >= most:
            break
        if all(site.place.distance_m(other.place) >= apart_m for other in chosen):
            chosen.append(site)
    return tuple(chosen)
