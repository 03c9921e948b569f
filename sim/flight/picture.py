"""One picture of a whole landing: ground, track, sites, touchdown, height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from landing.geometry import FloatArray
from landing.types import ByteArray
from sim.flight.plan import PERSON_AWAY_M, TrackPoint
from sim.world import World
from sim.world.from_above import picture_from_above

GROUND_PX, MAP_PX, PANEL_PX = 1600, 900, 460
MARGIN_M, LEAST_HALF_M = 12.0, 18.0

WHITE, BLACK, GREY, LIGHT = (255, 255, 255), (0, 0, 0), (150, 150, 150), (225, 225, 225)
TRACK, SITE = (255, 190, 60), (60, 220, 60)
VERDICT_BGR = {
    "landed-safe": (60, 200, 60),
    "landed-unsafe": (40, 40, 230),
    "struck": (28, 15, 127),
    "landed-unjudged": (255, 190, 60),
    "no-site": (60, 200, 240),
    "handed-back": (60, 200, 240),
    "timeout": (125, 117, 108),
    "battery-empty": (162, 31, 123),
}
STATE_BGR = {
    "search": (166, 160, 154),
    "confirm": (66, 185, 244),
    "track": (255, 163, 74),
    "descend": (113, 204, 46),
    "commit": (79, 141, 11),
    "landed": (79, 141, 11),
    "hold": (67, 112, 255),
    "abort": (96, 27, 216),
}
ACTOR_BGR = {"person": (255, 47, 208)}
OTHER_BGR = (102, 209, 255)
Color = tuple[int, int, int]


@dataclass(frozen=True)
class FlightPicture:
    """Everything that is drawn of a landing.

    Attributes:
        verdict: Of the landing.
        facts: Lines of text.
        notes: Changes of state and other events, in order; the last ones are drawn.
        track: True positions in time; not empty.
        sites: North, east and radius in m of each site, in order.
        start_ne_m: Below the start.
        touchdown_ne_m: None without a touchdown.
        vehicle_radius_m: Of the vehicle.
    """

    verdict: str
    facts: Sequence[str]
    notes: Sequence[str]
    track: Sequence[TrackPoint]
    sites: Sequence[tuple[float, float, float]]
    start_ne_m: tuple[float, float]
    touchdown_ne_m: tuple[float, float] | None
    vehicle_radius_m: float

    @property
    def color(self) -> Color:
        """Of the verdict."""
        return VERDICT_BGR.get(self.verdict, VERDICT_BGR["landed-unsafe"])


def draw_flight(flight: FlightPicture, world: World) -> bytes:
    """Return the picture of a flight as PNG.

    Args:
        flight: To be drawn.
        world: As it was at the end.
    """
    ground = _ground(flight, world)
    image = np.hstack([ground, _panel(flight, ground.shape[0])])
    return bytes(cv2.imencode(".png", image)[1])


def _ground(flight: FlightPicture, world: World) -> ByteArray:
    """The part of the world around the flight, not landable ground tinted red, uint8 (h, w, 3)."""
    end = flight.track[-1]
    ground, to_px = picture_from_above(world, GROUND_PX, t_s=end.t_s)
    labels = cv2.resize(world.labels, (ground.shape[1], ground.shape[0]), interpolation=cv2.INTER_NEAREST)
    bad = ~world.taxonomy.landable_lut[labels]
    if world.judged:
        ground[bad] = np.clip(ground[bad].astype(np.float32) * 0.62 + np.array([10, 0, 60], np.float32), 0, 255)
    _darken_beyond(ground, np.asarray(to_px, float), world)
    ground, to_px = _zoomed(ground, np.asarray(to_px, float), flight)
    px_per_m = float(np.hypot(to_px[0, 1], to_px[1, 1]))

    def px(north_m: float, east_m: float) -> tuple[int, int]:
        u, v, _ = to_px @ [north_m, east_m, 1.0]
        return round(float(u)), round(float(v))

    def circle(north_m: float, east_m: float, radius_m: float, color: Color, width: int = 2) -> None:
        cv2.circle(ground, px(north_m, east_m), max(3, round(radius_m * px_per_m)), color, width, cv2.LINE_AA)

    points = [px(p.north_m, p.east_m) for p in flight.track]
    cv2.polylines(ground, [np.array(points, np.int32).reshape(-1, 1, 2)], False, BLACK, 4, cv2.LINE_AA)
    for before, after, point in zip(points, points[1:], flight.track, strict=False):
        cv2.line(ground, before, after, STATE_BGR.get(point.state, TRACK), 2, cv2.LINE_AA)
    for actor in world.actors_at(end.t_s):
        circle(actor.north_m, actor.east_m, PERSON_AWAY_M, ACTOR_BGR.get(actor.kind, OTHER_BGR), 1)
    for number, (north_m, east_m, radius_m) in enumerate(flight.sites, start=1):
        circle(north_m, east_m, radius_m, SITE if number == len(flight.sites) else GREY)
        _text(ground, str(number), px(north_m, east_m + radius_m), 0.5, WHITE)
    for color, size, width in ((BLACK, 20, 5), (WHITE, 18, 2)):
        cv2.drawMarker(ground, px(*flight.start_ne_m), color, cv2.MARKER_TRIANGLE_UP, size, width, cv2.LINE_AA)
    if flight.touchdown_ne_m is not None:
        circle(*flight.touchdown_ne_m, flight.vehicle_radius_m, flight.color, -1)
        circle(*flight.touchdown_ne_m, flight.vehicle_radius_m, WHITE)
    _scale_bar(ground, px_per_m)
    return ground


def _darken_beyond(ground: ByteArray, to_px: FloatArray, world: World) -> None:
    """Darken what only mirrors a photograph, in place."""
    if world.photograph is None:
        return
    south, north, west, east = world.known_extent_m
    corners = to_px @ np.array([[n, e, 1.0] for n, e in ((north, west), (north, east), (south, east), (south, west))]).T
    inside = np.zeros(ground.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, corners[:2].T.round().astype(np.int32), 1)
    ground[inside == 0] //= 4


def _zoomed(ground: ByteArray, to_px: FloatArray, flight: FlightPicture) -> tuple[ByteArray, FloatArray]:
    """The square around the flight at `MAP_PX`, and the matrix from (north, east, 1) to its pixels."""
    places = [flight.start_ne_m, *((p.north_m, p.east_m) for p in flight.track)]
    uv = (np.column_stack([places, np.ones(len(places))]) @ to_px.T)[:, :2]
    px_per_m = float(np.hypot(to_px[0, 1], to_px[1, 1]))
    half = max(float(np.ptp(uv, axis=0).max()) / 2 + MARGIN_M * px_per_m, LEAST_HALF_M * px_per_m)
    half = min(half, min(ground.shape[:2]) / 2)
    size = np.array([ground.shape[1], ground.shape[0]], float)
    corner = np.clip((uv.min(axis=0) + uv.max(axis=0)) / 2 - half, 0, size - 2 * half).round().astype(int)
    side = int(2 * half)
    part = ground[corner[1] : corner[1] + side, corner[0] : corner[0] + side]
    scale = MAP_PX / side
    moved = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]], [0, 0, 1]], float)
    return np.asarray(cv2.resize(part, (MAP_PX, MAP_PX), interpolation=cv2.INTER_AREA), np.uint8), moved @ to_px


def _scale_bar(ground: ByteArray, px_per_m: float) -> None:
    length_m = next((m for m in (10, 5, 2, 1) if m * px_per_m < ground.shape[1] / 4), 1)
    bottom = ground.shape[0] - 18
    for color, width in ((BLACK, 6), (WHITE, 3)):
        cv2.line(ground, (18, bottom), (18 + round(length_m * px_per_m), bottom), color, width)
    _text(
        ground, f"{length_m} m, north up; red: not landable; rings: 2 m around people", (18, bottom - 10), 0.55, WHITE
    )


def _panel(flight: FlightPicture, height_px: int) -> ByteArray:
    panel = np.full((height_px, PANEL_PX, 3), 32, np.uint8)
    _text(panel, flight.verdict.upper(), (20, 44), 1.0, flight.color, 2)
    y = 80
    for text in flight.facts:
        for part in _wrapped(text, 52):
            _text(panel, part, (20, y), 0.47, LIGHT)
            y += 21
    y += 6
    for text in flight.notes[-14:]:
        for part in _wrapped(text, 54)[:2]:
            _text(panel, part, (20, y), 0.42, GREY)
            y += 18
    if len(flight.track) > 1:
        _height_plot(panel, flight.track, top=max(y + 10, height_px - 270))
    return panel


def _height_plot(panel: ByteArray, track: Sequence[TrackPoint], top: int) -> None:
    left, right, bottom = 60, PANEL_PX - 20, panel.shape[0] - 40
    top = min(top, bottom - 80)
    times = np.array([p.t_s for p in track])
    heights = np.array([p.height_m for p in track])
    span_s, most_m = max(float(np.ptp(times)), 1e-3), max(float(heights.max()), 1.0)
    x = left + (times - times[0]) / span_s * (right - left)
    y = bottom - np.clip(heights, 0, None) / most_m * (bottom - top)
    cv2.rectangle(panel, (left, top), (right, bottom), (70, 70, 70), 1)
    points = [(round(float(u)), round(float(v))) for u, v in zip(x, y, strict=True)]
    for before, after, point in zip(points, points[1:], track, strict=False):
        cv2.line(panel, before, after, STATE_BGR.get(point.state, TRACK), 2, cv2.LINE_AA)
    _text(panel, f"{most_m:.0f} m", (10, top + 10), 0.42, GREY)
    _text(panel, "0", (42, bottom), 0.42, GREY)
    _text(panel, f"height, {span_s:.0f} s", (left, bottom + 22), 0.42, GREY)


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _text(image: ByteArray, text: str, at: tuple[int, int], scale: float, color: Color, thickness: int = 1) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    # A shadow, not an outline: OpenCV 5 spaces thicker letters wider.
    cv2.putText(image, text, (at[0] + 1, at[1] + 1), font, scale, BLACK, thickness, cv2.LINE_AA)
    cv2.putText(image, text, at, font, scale, color, thickness, cv2.LINE_AA)
