"""People and cars: their places as a function of the world time alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np

from landing.errors import InvalidValueError
from landing.geometry import FloatArray

PERSON_SIZE_M = (0.35, 0.5)
CAR_SIZE_M = (4.5, 1.8)
PERSON_HEIGHT_M = 1.72
CAR_HEIGHT_M = 1.45
KINDS = ("person", "car")

STEP_M = 0.75
"""Length of a walker's step."""


def ellipse(f: float, r: float, half_f: float, half_r: float, points: int = 14) -> FloatArray:
    """Outline of an ellipse, forward and right, shape (n, 2)."""
    turn = np.linspace(0, 2 * math.pi, points, endpoint=False)
    return np.column_stack([f + half_f * np.cos(turn), r + half_r * np.sin(turn)])


def rounded(half_f: float, half_r: float, corner_m: float, f: float = 0.0) -> FloatArray:
    """Outline of a rectangle with round corners, forward and right, shape (20, 2)."""
    turn = np.linspace(0, 2 * math.pi, 20, endpoint=False) + math.pi / 20
    unit = np.column_stack([np.cos(turn), np.sin(turn)])
    inner = np.array([half_f - corner_m, half_r - corner_m])
    return np.asarray(np.sign(unit) * inner + unit * corner_m + [f, 0.0])


@lru_cache(maxsize=2)
def outline_m(kind: str) -> FloatArray:
    """Footprint of a kind of actor, forward and right of its middle, shape (n, 2)."""
    if kind == "car":
        return rounded(CAR_SIZE_M[0] / 2, CAR_SIZE_M[1] / 2, 0.25)
    return ellipse(0, 0, PERSON_SIZE_M[0] / 2, PERSON_SIZE_M[1] / 2, 24)


@dataclass(frozen=True)
class Sun:
    """Direction and strength of the light.

    Attributes:
        azimuth_rad: Direction towards the sun, clockwise from north.
        elevation_rad: Above the horizon.
        strength: Part of the light that a shadow takes away.
        daylight_bgr: Brightness and colour of the light that falls on the actors; 1 by day.
    """

    azimuth_rad: float = 2.4
    elevation_rad: float = 0.9
    strength: float = 0.4
    daylight_bgr: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def shadow_ne(self) -> tuple[float, float]:
        """Shadow of a point at height 1 m, north and east metres."""
        length = 1.0 / math.tan(self.elevation_rad)
        return (-length * math.cos(self.azimuth_rad), -length * math.sin(self.azimuth_rad))


@dataclass(frozen=True)
class ActorState:
    """An actor at one moment.

    Attributes:
        stride_rad: Phase of its walk; 0 while it stands.
        style: Picks its look.
        up_m: Height of the ground below it.
    """

    kind: str
    north_m: float
    east_m: float
    heading_rad: float
    stride_rad: float
    style: int
    up_m: float = 0.0

    def footprint_ne_m(self) -> FloatArray:
        """Outline on the ground, shape (n, 2), north and east metres."""
        return self.ground_from_local(outline_m(self.kind))

    def ground_from_local(self, forward_right_m: FloatArray) -> FloatArray:
        """Turns and shifts points (n, 2), forward and right, to north and east."""
        c, s = math.cos(self.heading_rad), math.sin(self.heading_rad)
        turned = forward_right_m @ np.array([[c, s], [-s, c]])
        return np.asarray(turned + np.array([self.north_m, self.east_m]), dtype=np.float64)

    def distance_m(self, north_m: float, east_m: float) -> float:
        """From a point to the outline; 0 inside."""
        outline = self.footprint_ne_m().astype(np.float32).reshape(-1, 1, 2)
        return max(0.0, -cv2.pointPolygonTest(outline, (float(north_m), float(east_m)), True))


@dataclass(frozen=True)
class Actor:
    """A person or car that stands, or goes to and fro along a path.

    Attributes:
        path_ne_m: Corners of the path, north and east; a single one stands still.
        phase_s: Time already walked at world time 0.
        heading_rad: While it stands.

    Raises:
        InvalidValueError: Unknown kind or empty path.
    """

    kind: str
    path_ne_m: tuple[tuple[float, float], ...]
    speed_mps: float = 0.0
    phase_s: float = 0.0
    heading_rad: float = 0.0
    style: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not self.path_ne_m:
            raise InvalidValueError(
                f"actor {self.kind!r} with {len(self.path_ne_m)} path points: "
                f"expected one of {', '.join(KINDS)} and at least one point"
            )

    @cached_property
    def _milestones_m(self) -> tuple[float, ...]:
        steps = np.linalg.norm(np.diff(np.asarray(self.path_ne_m), axis=0), axis=1)
        return (0.0, *np.cumsum(steps).tolist())

    def at(self, t_s: float) -> ActorState:
        """State at a world time."""
        length_m = self._milestones_m[-1]
        if self.speed_mps <= 0 or length_m <= 1e-6:
            n, e = self.path_ne_m[0]
            return ActorState(self.kind, n, e, self.heading_rad, 0.0, self.style)
        walked_m = (t_s + self.phase_s) * self.speed_mps
        along_m = walked_m % (2 * length_m)
        back = along_m > length_m
        if back:
            along_m = 2 * length_m - along_m
        leg = bisect_right(self._milestones_m, along_m) - 1
        leg = min(max(leg, 0), len(self.path_ne_m) - 2)
        (n0, e0), (n1, e1) = self.path_ne_m[leg], self.path_ne_m[leg + 1]
        start_m, end_m = self._milestones_m[leg], self._milestones_m[leg + 1]
        fraction = (along_m - start_m) / max(end_m - start_m, 1e-9)
        heading = math.atan2(e1 - e0, n1 - n0) + (math.pi if back else 0.0)
        stride = walked_m / STEP_M * math.pi if self.kind == "person" else 0.0
        return ActorState(self.kind, n0 + fraction * (n1 - n0), e0 + fraction * (e1 - e0), heading, stride, self.style)


@dataclass(frozen=True)
class Timetable:
    """A person or car that is at given places at given times, on straight lines between.

    It waits at its first place before the first time and at its last after the last; with a period it starts over.
    Equal places one after the other make it stand.

    Attributes:
        times_s: World times, ascending.
        path_ne_m: The place of each time, north and east.
        period_s: At least the last time less the first; None for never again. A repeating actor jumps from its last
            place to its first, so both should be out of sight.
        phase_s: Added to the world time; only with a period.
        heading_rad: Before its first move.

    Raises:
        InvalidValueError: Unknown kind, times that do not match the places or do not ascend, or a period that is too
            short.
    """

    kind: str
    times_s: tuple[float, ...]
    path_ne_m: tuple[tuple[float, float], ...]
    period_s: float | None = None
    phase_s: float = 0.0
    heading_rad: float = 0.0
    style: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not self.path_ne_m:
            raise InvalidValueError(
                f"timetable of a {self.kind!r} with {len(self.path_ne_m)} places: "
                f"expected one of {', '.join(KINDS)} and at least one place"
            )
        ascending = all(a <= b for a, b in zip(self.times_s, self.times_s[1:], strict=False))
        if len(self.times_s) != len(self.path_ne_m) or not ascending:
            raise InvalidValueError(
                f"timetable of a {self.kind}: {len(self.times_s)} times for "
                f"{len(self.path_ne_m)} places: expected one each, in order of time"
            )
        lasts_s = self.times_s[-1] - self.times_s[0]
        if self.period_s is not None and not (self.period_s > 0 and self.period_s >= lasts_s):
            raise InvalidValueError(
                f"timetable of a {self.kind}: period_s {self.period_s} is shorter than its {lasts_s:g} s"
            )

    @cached_property
    def _legs(self) -> tuple[tuple[float, float], ...]:
        """Heading and walked distance at the start of each place's leg; standing keeps both."""
        heading, walked_m, legs = self.heading_rad, 0.0, []
        for (n0, e0), (n1, e1) in zip(self.path_ne_m, self.path_ne_m[1:], strict=False):
            step_m = math.hypot(n1 - n0, e1 - e0)
            if step_m > 1e-6:
                heading = math.atan2(e1 - e0, n1 - n0)
            legs.append((heading, walked_m))
            walked_m += step_m
        return (*legs, (heading, walked_m))

    def at(self, t_s: float) -> ActorState:
        """State at a world time."""
        if self.period_s is not None:
            first_s = self.times_s[0]
            t_s = first_s + (t_s + self.phase_s - first_s) % self.period_s
        leg = bisect_right(self.times_s, t_s) - 1
        if leg < 0 or leg >= len(self.times_s) - 1:
            leg = max(leg, 0)
            n, e = self.path_ne_m[leg]
            heading = self._legs[leg][0] if leg else self.heading_rad
            return ActorState(self.kind, n, e, heading, 0.0, self.style)
        (n0, e0), (n1, e1) = self.path_ne_m[leg], self.path_ne_m[leg + 1]
        share = (t_s - self.times_s[leg]) / max(self.times_s[leg + 1] - self.times_s[leg], 1e-9)
        heading, walked_m = self._legs[leg]
        step_m = math.hypot(n1 - n0, e1 - e0)
        walking = self.kind == "person" and step_m > 1e-6
        stride = (walked_m + share * step_m) / STEP_M * math.pi if walking else 0.0
        return ActorState(self.kind, n0 + share * (n1 - n0), e0 + share * (e1 - e0), heading, stride, self.style)


AnyActor = Actor | Timetable


def actor_to_json(actor: AnyActor) -> dict[str, Any]:
    """An actor as plain JSON values."""
    return {"type": type(actor).__name__.lower(), **asdict(actor)}


def actor_from_json(data: dict[str, Any]) -> AnyActor:
    """Reads what `actor_to_json` made; raises KeyError, TypeError or ValueError for other data."""
    fields = dict(data)
    scheduled = fields.pop("type", "actor") == "timetable"
    fields["path_ne_m"] = tuple((float(n), float(e)) for n, e in fields["path_ne_m"])
    if not scheduled:
        return Actor(**fields)
    fields["times_s"] = tuple(float(t) for t in fields["times_s"])
    return Timetable(**fields)


def visit(
    kind: str,
    place_ne_m: tuple[float, float],
    arrives_s: float,
    *,
    from_rad: float,
    walk_m: float = 25.0,
    speed_mps: float = 1.4,
    stay_s: float = math.inf,
    returns_s: float | None = None,
    style: int = 0,
) -> Timetable:
    """A visitor who comes to a place at a given time, stays, may leave, and may come back.

    Args:
        kind: "person" or "car".
        place_ne_m: Destination, north and east.
        arrives_s: World time of the arrival.
        from_rad: Direction the visitor comes from and leaves to, clockwise from north.
        walk_m: Distance of the way in, and out.
        speed_mps: On the way.
        stay_s: Time at the place; infinite for good.
        returns_s: World time of the second arrival, then for good; None for never.
        style: Picks the look.

    Raises:
        InvalidValueError: A speed or distance that is not positive, or a return before the visitor has left.
    """
    if not (speed_mps > 0 and walk_m > 0 and stay_s >= 0):
        raise InvalidValueError(
            f"visit with speed_mps {speed_mps}, walk_m {walk_m}, stay_s {stay_s}: "
            "expected a positive speed and distance"
        )

    def away(direction_rad: float) -> tuple[float, float]:
        n, e = place_ne_m
        return (n + walk_m * math.cos(direction_rad), e + walk_m * math.sin(direction_rad))

    way_s = walk_m / speed_mps
    stops = [(arrives_s - way_s, away(from_rad)), (arrives_s, place_ne_m)]
    if math.isfinite(stay_s):
        out = away(from_rad)
        stops += [(arrives_s + stay_s, place_ne_m), (arrives_s + stay_s + way_s, out)]
        if returns_s is not None:
            if returns_s - way_s < stops[-1][0]:
                raise InvalidValueError(
                    f"visit until {arrives_s + stay_s:g} s cannot return at {returns_s:g} s: "
                    f"the way takes {way_s:g} s out and back in"
                )
            stops += [(returns_s - way_s, out), (returns_s, place_ne_m)]
    heading = math.remainder(from_rad + math.pi, 2 * math.pi)
    times, places = zip(*stops, strict=True)
    return Timetable(kind, times, places, heading_rad=heading, style=style)
