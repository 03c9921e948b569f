"""Rally points of known sites: which sites can be one, and how high above home.

Autopilots count a rally point's altitude from home, and home moves: it is set anew where the vehicle is armed. A site's
altitude is the ground's above the sea. Where nothing tells how high the ground lies above home, there is no point: one
that is too low leads into a hill.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.dialect import mavlink
from firmware_bridge.doctor.session import Session
from firmware_bridge.rally import RallyError, RallyPoint
from landing.choice.site_list import ListedSite, spread
from landing.errors import InvalidValueError
from landing.globe import GlobalPlace

FARTHEST_M = 5_000.0
"""A site that lies farther from home is of another place, or its coordinates are wrong."""

MOST_RISE_M = 500.0
"""Ground that is told to lie higher above home is measured wrongly."""

ELLIPSOID_M = 10.0
"""From so far below home, a note says what altitudes may be counted from."""

MOVED_M = 5.0
"""Home moves by less from one start at the same place to the next."""

TOO_FAR = f"lie more than {FARTHEST_M / 1000:g} km from home: is it the list of this place?"
TOO_HIGH = f"lie more than {MOST_RISE_M:g} m above home: are their altitudes right?"
FENCED = (
    "lie too high for the altitude fence: it keeps RTL below FENCE_ALT_MAX less FENCE_MARGIN, lower than their points"
)
UNKNOWN = (
    "cannot be set, for nothing tells how high their ground lies above home: say with --rise-m how much it is at most "
    "(0 on level ground)"
)


def home_of(session: Session) -> GlobalPlace | None:
    """Ask for home; None where it is not set yet."""
    answer = session.ask(
        lambda: session.send_command(mavlink.MAV_CMD_REQUEST_MESSAGE, mavlink.MAVLINK_MSG_ID_HOME_POSITION),
        lambda m: m if m.get_type() == "HOME_POSITION" and (m.latitude or m.longitude) else None,
        tries=3,
        timeout_s=1.0,
    )
    if answer is None:
        return None
    try:
        return GlobalPlace(answer.latitude * 1e-7, answer.longitude * 1e-7, answer.altitude * 1e-3)
    except InvalidValueError:
        return None


@dataclass(frozen=True)
class HeightRules:
    """Rules of a point's height.

    Attributes:
        above_m: Height of a point above its ground, m.
        rise_m: How much higher than home the ground lies at most, m, as somebody says; no point is set for less.
        ceiling_m: Height above home that RTL flies at most, m.
    """

    above_m: float
    rise_m: float | None = None
    ceiling_m: float = math.inf


def points_of(
    sites: Sequence[ListedSite], home: GlobalPlace | None, rules: HeightRules, most: int
) -> tuple[list[RallyPoint], list[str]]:
    """Return the best sites as rally points above home, and notes.

    Args:
        sites: To choose from.
        home: Of the autopilot; None where it is not set.
        rules: Of their heights.
        most: At most so many.

    Raises:
        RallyError: No site can be one.
    """
    heights = [(site, _height(site, home, rules)) for site in sites]
    usable = {site: height for site, height in heights if isinstance(height, float)}
    reasons = Counter(reason for _, reason in heights if isinstance(reason, str))
    notes = [f"{count} of {len(sites)} sites {reason}" for reason, count in reasons.items()]
    if sites and not usable:
        raise RallyError("; ".join(notes) + "; nothing was written")
    chosen, points = spread(usable, most), []
    for site in chosen:
        e7 = round(site.place.latitude_deg * 1e7), round(site.place.longitude_deg * 1e7)
        points.append(RallyPoint(*e7, usable[site]))
    return points, notes + _cautions(chosen) + _below(chosen, home)


def moved_home(then_m: float | None, home: GlobalPlace | None) -> list[str]:
    """Say that home lies at another height than when our points were set.

    Args:
        then_m: Its altitude then; None where it was not known.
        home: As it is now.
    """
    if then_m is None or home is None or home.altitude_m is None or abs(home.altitude_m - then_m) < MOVED_M:
        return []
    lower_m = then_m - home.altitude_m
    way = "lower" if lower_m > 0 else "higher"
    return [
        f"home lies {abs(lower_m):.0f} m {way} than when ours were set, and so do they, for they count from home: set "
        "them again from their list"
    ]


def _height(site: ListedSite, home: GlobalPlace | None, rules: HeightRules) -> float | str:
    """Return the height of a site's point above home, whole m, for ground no lower than home; or why it can be none."""
    if home is not None and home.distance_m(site.place) > FARTHEST_M:
        return TOO_FAR
    told_m = None
    if home is not None and home.altitude_m is not None and site.place.altitude_m is not None:
        told_m = site.place.altitude_m - home.altitude_m
    if told_m is None and rules.rise_m is None:
        return UNKNOWN
    rise_m = max(0.0, told_m or 0.0, rules.rise_m or 0.0)
    if rise_m > MOST_RISE_M:
        return TOO_HIGH
    height_m = float(math.ceil(rise_m + rules.above_m))
    if height_m > rules.ceiling_m:
        return FENCED
    return height_m


def _cautions(chosen: Sequence[ListedSite]) -> list[str]:
    notes = [f"{_where(s)} lies on {s.surface or 'ground with a caution'}: {s.caution}" for s in chosen if s.caution]
    seen = [site.seen for site in chosen]
    if seen:
        when = f"at {min(seen)} or later" if all(seen) else "at a time that the list does not say for all"
        notes.append(f"the sites were seen last {when}: somebody may have come since")
    return notes


def _below(chosen: Sequence[ListedSite], home: GlobalPlace | None) -> list[str]:
    known = [s.place.altitude_m for s in chosen if s.place.altitude_m is not None]
    if home is None or home.altitude_m is None or not known or home.altitude_m - min(known) < ELLIPSOID_M:
        return []
    return [
        f"the list has ground {home.altitude_m - min(known):.0f} m below home, and counts as level with it; if it does "
        "not lie so low, its altitudes count from something else than the autopilot's: say with --rise-m how high the "
        "ground lies at most"
    ]


def _where(site: ListedSite) -> str:
    return f"the site at {site.place.latitude_deg:.7f} {site.place.longitude_deg:.7f}"
