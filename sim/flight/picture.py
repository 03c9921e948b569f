"""One picture of a whole landing: the ground, the track, the sites, the touchdown, the height."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from landing.geometry import FloatArray
from landing.types import ByteArray
from sim.flight.plan import FlightPlan, FlightResult
from sim.vehicle.ground_station import TruthSample
from sim.world import World

MAP_PX = 900
PANEL_PX = 460
WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (150, 150, 150)
TRACK, SITE, GOOD, BAD, START = (255, 190, 60), (60, 220, 60), (60, 200, 60), (40, 40, 230), WHITE


def draw_flight(plan: FlightPlan, result: FlightResult, world: World, track: list[TruthSample], path: Path) -> None:
    """Writes the picture of a flight as PNG."""
    last_s = track[-1].boot_s if track else 0.0
    ground, to_px = world.picture(MAP_PX, t_s=last_s)
    _shade_unlandable(ground, world, to_px)
    px_per_m = float(np.hypot(to_px[0, 1], to_px[1, 1]))

    def px(north_m: float, east_m: float) -> tuple[int, int]:
        u, v, _ = to_px @ [north_m, east_m, 1.0]
        return round(float(u)), round(float(v))

    line = np.array([px(s.north_m, s.east_m) for s in track], np.int32).reshape(-1, 1, 2)
    cv2.polylines(ground, [line], False, BLACK, 4, cv2.LINE_AA)
    cv2.polylines(ground, [line], False, TRACK, 2, cv2.LINE_AA)
    for number, site in enumerate(result.sites, start=1):
        centre = px(*site["position_ned_m"][:2])
        radius = max(3, round(site["clearance_m"] * px_per_m))
        newest = number == len(result.sites)
        cv2.circle(ground, centre, radius, SITE if newest else GREY, 2, cv2.LINE_AA)
        _text(ground, str(number), (centre[0] + radius + 3, centre[1]), 0.5, WHITE)
    start = px(*result.start_ne_m)
    cv2.drawMarker(ground, start, BLACK, cv2.MARKER_TRIANGLE_UP, 20, 5, cv2.LINE_AA)
    cv2.drawMarker(ground, start, START, cv2.MARKER_TRIANGLE_UP, 18, 2, cv2.LINE_AA)
    if result.touchdown_ne_m is not None:
        down = px(*result.touchdown_ne_m)
        color = GOOD if result.verdict == "landed-safe" else BAD
        radius = max(4, round(plan.vehicle_radius_m * px_per_m))
        cv2.circle(ground, down, radius, color, -1, cv2.LINE_AA)
        cv2.circle(ground, down, radius, WHITE, 2, cv2.LINE_AA)
    _scale_bar(ground, px_per_m)
    panel = _panel(result, track, ground.shape[0])
    cv2.imwrite(str(path), np.hstack([ground, panel]))


def _shade_unlandable(ground: ByteArray, world: World, to_px: FloatArray) -> None:
    """Darkens and reddens what the ground truth does not call landable."""
    size = (ground.shape[1], ground.shape[0])
    labels = cv2.resize(world.labels, size, interpolation=cv2.INTER_NEAREST)
    bad = ~world.taxonomy.landable_lut[labels]
    tinted = ground[bad].astype(np.float32) * 0.62 + np.array([10, 0, 60], np.float32)
    ground[bad] = np.clip(tinted, 0, 255).astype(np.uint8)


def _scale_bar(ground: ByteArray, px_per_m: float) -> None:
    length_m = next((m for m in (10, 5, 2, 1) if m * px_per_m < ground.shape[1] / 4), 1)
    bottom = ground.shape[0] - 18
    right = 18 + round(length_m * px_per_m)
    cv2.line(ground, (18, bottom), (right, bottom), BLACK, 6)
    cv2.line(ground, (18, bottom), (right, bottom), WHITE, 3)
    _text(ground, f"{length_m} m, north up", (18, bottom - 10), 0.55, WHITE)


def _panel(result: FlightResult, track: list[TruthSample], height_px: int) -> ByteArray:
    panel = np.full((height_px, PANEL_PX, 3), 32, np.uint8)
    color = {"landed-safe": GOOD, "no-site": (60, 200, 240)}.get(result.verdict, BAD)
    _text(panel, result.verdict.upper(), (20, 44), 1.0, color, 2)
    y = 80
    for text in _facts(result):
        for part in _wrapped(text, 52):
            _text(panel, part, (20, y), 0.47, (225, 225, 225))
            y += 21
    y += 6
    for change in result.transitions[-14:]:
        words = f"{change['to_state']}: {change['reason']}"
        for part in _wrapped(words, 54)[:2]:
            _text(panel, part, (20, y), 0.42, GREY)
            y += 18
    if len(track) > 1:
        _height_plot(panel, track, top=max(y + 10, height_px - 270))
    return panel


def _facts(result: FlightResult) -> list[str]:
    facts = [f"world {result.world}, seed {result.seed}, {result.clock} clock"]
    facts.append(f"start {result.start_height_m:.0f} m up (triangle)")
    if result.straight_down_ok is not None:
        facts.append(f"straight down: {'landable' if result.straight_down_ok else 'not landable'}")
    if result.truth is not None and result.touchdown_ne_m is not None:
        facts.append(
            f"touchdown N {result.touchdown_ne_m[0]:.1f} E {result.touchdown_ne_m[1]:.1f} m "
            f"on {', '.join(result.truth.classes)}"
        )
        facts.append(f"true clearance {result.truth.clearance_m:.1f} m, nearest person {result.truth.person_m:.0f} m")
    if result.miss_m is not None and result.seconds is not None:
        facts.append(f"{result.miss_m:.2f} m from the site, {result.seconds:.0f} s")
    if result.reason:
        facts.append(result.reason)
    if result.manual_takeovers:
        facts.append(f"pilot took over {result.manual_takeovers} times")
    return facts


def _height_plot(panel: ByteArray, track: list[TruthSample], top: int) -> None:
    left, right, bottom = 60, PANEL_PX - 20, panel.shape[0] - 40
    top = min(top, bottom - 80)
    times = np.array([s.boot_s for s in track])
    heights = np.array([s.height_m for s in track])
    span_s, most_m = max(float(np.ptp(times)), 1e-3), max(float(heights.max()), 1.0)
    x = left + (times - times[0]) / span_s * (right - left)
    y = bottom - np.clip(heights, 0, None) / most_m * (bottom - top)
    cv2.rectangle(panel, (left, top), (right, bottom), (70, 70, 70), 1)
    points = np.column_stack([x, y]).round().astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(panel, [points], False, TRACK, 2, cv2.LINE_AA)
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


def _text(
    image: ByteArray, text: str, at: tuple[int, int], scale: float, color: tuple[int, int, int], thickness: int = 1
) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    # A shadow, not an outline: OpenCV 5 spaces thicker letters wider.
    cv2.putText(image, text, (at[0] + 1, at[1] + 1), font, scale, BLACK, thickness, cv2.LINE_AA)
    cv2.putText(image, text, at, font, scale, color, thickness, cv2.LINE_AA)
