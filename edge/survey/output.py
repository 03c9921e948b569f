"""Lists of sites as other programs read them: GeoJSON, KML, and a plan of QGroundControl with rally points."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from landing.choice.site_list import ListedSite, features
from landing.errors import FileError

NAME = "sites"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold; names of files can."""

CIRCLE = 36
"""Corners of a disc drawn in KML."""

PLAN_ABOVE_GROUND_M = 15.0
"""Height of a plan's rally points above the highest ground that a site may lie on."""


def write_all(
    folder: Path, sites: Sequence[ListedSite], rally: Sequence[ListedSite], rise_m: float | None
) -> dict[str, str]:
    """Write sites.geojson and sites.kml, and sites.plan where heights are known; return the paths by kind.

    Args:
        folder: Made when it is missing.
        sites: The widest first.
        rally: Those that are rally points of the plan.
        rise_m: How much higher than home their ground lies at most, m; None, where that is not known, for no plan.

    Raises:
        FileError: A file cannot be written.
    """
    texts = {"geojson": json.dumps(features(sites), indent=1) + "\n", "kml": kml(sites)}
    if rise_m is not None:
        texts["plan"] = json.dumps(plan(rally, rise_m), indent=1) + "\n"
    paths = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{NAME}.plan").unlink(missing_ok=True)  # one of another survey must not stand for this one's
        for kind, text in texts.items():
            path = folder / f"{NAME}.{kind}"
            path.write_text(text, "utf-8")
            paths[kind] = str(path)
    except OSError as error:
        raise FileError(f"--out {folder}: {error.strerror or error}") from error
    return paths


def plan(sites: Sequence[ListedSite], rise_m: float) -> dict[str, Any]:
    """Return a plan of QGroundControl that holds rally points alone.

    Their altitudes count from the vehicle's home, which no list knows: all ground lies at most `rise_m` above it.
    """
    above_m = rise_m + PLAN_ABOVE_GROUND_M
    points = [[site.place.latitude_deg, site.place.longitude_deg, round(above_m, 1)] for site in sites]
    at = [0.0, 0.0, 0.0]
    if sites:
        place = sites[0].place
        at = [place.latitude_deg, place.longitude_deg, place.altitude_m or 0.0]
    return {
        "fileType": "Plan",
        "groundStation": "QGroundControl",
        "version": 1,
        "mission": {
            "version": 2,
            "firmwareType": 0,
            "vehicleType": 2,
            "cruiseSpeed": 15,
            "hoverSpeed": 5,
            "items": [],
            "plannedHomePosition": at,
        },
        "geoFence": {"version": 2, "circles": [], "polygons": []},
        "rallyPoints": {"version": 2, "points": points},
    }


def kml(sites: Sequence[ListedSite]) -> str:
    """Return a KML document (OGC 12-007): a point and its clear disc for each site."""
    marks = "".join(_placemark(number, site) for number, site in enumerate(sites, 1))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>Landing sites</name>\n'
        '<Style id="disc"><LineStyle><color>ff00ff00</color><width>2</width></LineStyle>'
        "<PolyStyle><color>4000ff00</color></PolyStyle></Style>\n"
        f"{marks}</Document></kml>\n"
    )


def _placemark(number: int, site: ListedSite) -> str:
    words = [f"{site.clearance_m:.1f} m clear, seen {site.looks} times"]
    words += [f"on {site.surface}"] if site.surface else []
    words += [site.caution] if site.caution else []
    words += [f"safe in {100 * site.confidence:.0f} % of such sites"] if site.confidence is not None else []
    words += [text for text in (site.seen, site.source) if text]
    said = _NO_XML.sub("\ufffd", "; ".join(words))
    rim = []
    for corner in range(CIRCLE + 1):
        angle = -2.0 * math.pi * corner / CIRCLE  # counter-clockwise from above, as KML wants an outer rim
        place = site.place.moved(site.clearance_m * math.cos(angle), site.clearance_m * math.sin(angle))
        rim.append(f"{place.longitude_deg:.8f},{place.latitude_deg:.8f}")
    middle = f"{site.place.longitude_deg:.8f},{site.place.latitude_deg:.8f}"
    return (
        f"<Placemark><name>{number}</name><description>{escape(said)}</description>"
        f"<styleUrl>#disc</styleUrl><MultiGeometry><Point><coordinates>{middle}</coordinates></Point>"
        f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{' '.join(rim)}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></MultiGeometry></Placemark>\n"
    )
