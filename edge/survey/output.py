"""Lists of sites as other programs read them: GeoJSON, KML, and a plan of QGroundControl with rally points."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from landing.choice.site_list import ListedSite, features, spread
from landing.errors import FileError

NAME = "sites"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold; names of files can."""

CIRCLE = 36
"""Corners of a disc drawn in KML."""

PLAN_ABOVE_GROUND_M = 15.0
"""Height of a plan's rally points above their ground; the plan's home is the ground of the first site."""


def write_all(folder: Path, sites: Sequence[ListedSite], most_rally: int) -> dict[str, str]:
    """Write sites.geojson, sites.kml and sites.plan; return the paths by kind.

    Args:
        folder: Made when it is missing.
        sites: The widest first.
        most_rally: Rally points in the plan, at most.

    Raises:
        FileError: A file cannot be written.
    """
    texts = {
        "geojson": json.dumps(features(sites), indent=1) + "\n",
        "kml": kml(sites),
        "plan": json.dumps(plan(spread(sites, most_rally)), indent=1) + "\n",
    }
    paths = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, text in texts.items():
            path = folder / f"{NAME}.{kind}"
            path.write_text(text, "utf-8")
            paths[kind] = str(path)
    except OSError as error:
        raise FileError(f"--out {folder}: {error.strerror or error}") from error
    return paths


def plan(sites: Sequence[ListedSite]) -> dict[str, Any]:
    """Return a plan of QGroundControl that holds rally points alone; altitudes count from its home."""
    home = sites[0].place if sites else None
    ground_m = 0.0 if home is None or home.altitude_m is None else home.altitude_m
    points = []
    for site in sites:
        above_m = 0.0 if site.place.altitude_m is None else max(0.0, site.place.altitude_m - ground_m)
        points.append([site.place.latitude_deg, site.place.longitude_deg, round(above_m + PLAN_ABOVE_GROUND_M, 1)])
    at = [0.0, 0.0, 0.0] if home is None else [home.latitude_deg, home.longitude_deg, ground_m]
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
