"""Pictures for people: what the network saw, what was chosen, and how far things are."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.pipeline import Step
from landing.camera import CameraModel
from landing.ground.merge import smoothed
from landing.settings import DecisionSettings
from landing.site import LandingSite
from landing.taxonomy import Role
from landing.types import HAZARD_ORDER, ByteArray, Pose

GREEN = (90, 200, 60)
RED = (40, 40, 235)
WHITE = (255, 255, 255)
BLACK = (0, 0, 0)
AMBER = (40, 190, 255)
TINT = 0.38
FONT = cv2.FONT_HERSHEY_SIMPLEX
MOST_SHOWN_PX = 6000
"""Long side of an annotated picture; larger ones are made smaller."""


def annotate(step: Step, camera: CameraModel, settings: DecisionSettings, notes: tuple[str, ...] = ()) -> ByteArray:
    """The frame with landable ground in green, hazards in red, the site or the reason, a scale; no words on the site.

    Args:
        step: Of the pipeline.
        camera: Model for the frame's size.
        settings: The thresholds the tints follow, and the vehicle's radius.
        notes: Further lines, such as what was assumed.

    Returns:
        uint8 (H, W, 3), the frame's size, or made smaller to `MOST_SHOWN_PX`.
    """
    shrink = MOST_SHOWN_PX / max(step.frame.image_bgr.shape[:2])
    if shrink < 1.0:
        size = (max(1, round(step.frame.width_px * shrink)), max(1, round(step.frame.height_px * shrink)))
        small = cv2.resize(step.frame.image_bgr, size, interpolation=cv2.INTER_AREA)
        step = replace(step, frame=replace(step.frame, image_bgr=np.asarray(small, np.uint8)))
        camera = camera.resized(*size)
    picture = _tinted(step, settings)
    unit = max(picture.shape[1], picture.shape[0]) / 1280.0
    selection, pose = step.decision.selection, step.pose
    lines: list[tuple[str, tuple[int, int, int]]] = []
    words_below = False
    if isinstance(selection, LandingSite):
        if pose is not None and camera.missing_in(pose) is None:
            row = _draw_site(picture, selection, camera, pose, settings, unit)
            words_below = row is not None and row < picture.shape[0] // 2
        lines.append((f"SITE  clear radius {selection.clearance_m:.1f} m   area {selection.area_m2:.0f} m2", GREEN))
        if selection.surface is not None:
            lines.append((f"on {selection.surface.text}", AMBER if selection.surface.caution else WHITE))
        if selection.confidence is not None:
            lines.append((selection.confidence.text, WHITE))
        if pose is not None:
            way = way_in_words(*way_to(*selection.position_ned_m[:2], pose))
            lines.append((f"{way} of the point below", WHITE))
    else:
        lines.append((f"NO SITE  {selection.reason.value}", AMBER))
        lines.append((selection.detail, WHITE))
    if pose is not None and pose.height_agl_m is not None:
        lines.append((f"height {pose.height_agl_m:.1f} m", WHITE))
        _draw_scale(picture, camera, pose.height_agl_m, unit, at_top=words_below)
    lines += [(note, AMBER) for note in notes]
    _draw_text(picture, lines, unit, at_bottom=words_below)
    return picture


def annotate_refusal(image_bgr: ByteArray, reason: str) -> ByteArray:
    """The picture with the reason why it is not decided on, uint8 (H, W, 3)."""
    picture = image_bgr.copy()
    _draw_text(picture, [("NO SITE  view", AMBER), (reason, WHITE)], max(picture.shape[:2]) / 1280.0)
    return picture


def way_to(north_m: float, east_m: float, pose: Pose) -> tuple[float, float]:
    """Horizontal way from below the vehicle to a place in local NED, m ahead and to the right of its heading."""
    if pose.position_ned_m is not None:
        north_m, east_m = north_m - pose.position_ned_m[0], east_m - pose.position_ned_m[1]
    if pose.ned_from_frd is None:
        return north_m, east_m
    forward = pose.rotation_ned_from_frd[:2, 0]
    cos, sin = (float(c) for c in forward / np.linalg.norm(forward))
    return cos * north_m + sin * east_m, cos * east_m - sin * north_m


def way_in_words(ahead_m: float, right_m: float) -> str:
    """A way, as ``3.2 m ahead, 0.5 m left``."""
    return f"{_signed(ahead_m, 'ahead', 'behind')}, {_signed(right_m, 'right', 'left')}"


def _signed(value_m: float, positive: str, negative: str) -> str:
    return f"{abs(value_m):.1f} m {positive if value_m >= 0 else negative}"


def _tinted(step: Step, settings: DecisionSettings) -> ByteArray:
    segmentation = smoothed(step.segmentation, settings.evidence.smoothing_px)  # as the decision saw it
    thresholds = settings.hazard_thresholds
    hazard = np.zeros(segmentation.shape, np.bool_)
    for name, plane in zip(HAZARD_ORDER, segmentation.hazards, strict=True):
        hazard |= plane >= 255 * thresholds[Role(name)]
    landable = (segmentation.landable >= 255 * settings.landable_probability) & ~hazard
    size = (step.frame.width_px, step.frame.height_px)
    picture = step.frame.image_bgr.copy()
    for mask, colour in ((landable, GREEN), (hazard, RED)):
        full = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        levels = np.arange(256)[:, None] * (1 - TINT) + np.asarray(colour, np.float32) * TINT
        tinted = cv2.LUT(picture, levels.astype(np.uint8)[None])
        picture = np.asarray(cv2.copyTo(tinted, full, picture), np.uint8)
    return picture


def disc_px(
    site: LandingSite, radius_m: float, camera: CameraModel, pose: Pose, points: int = 90
) -> npt.NDArray[np.int32] | None:
    """Outline of a disc on the ground around the site, pixels (n, 2); None if behind the camera."""
    angles = np.linspace(0, 2 * math.pi, points, endpoint=False)
    north_m, east_m, down_m = site.position_ned_m
    ring = np.column_stack(
        [north_m + radius_m * np.cos(angles), east_m + radius_m * np.sin(angles), np.full(points, down_m)]
    )
    pixels = camera.pixel_from_ned(ring, pose)
    if np.isnan(pixels).any() or np.abs(pixels).max() > 1e6:
        return None
    return np.asarray(np.round(pixels), np.int32)


def _draw_site(
    picture: ByteArray, site: LandingSite, camera: CameraModel, pose: Pose, settings: DecisionSettings, unit: float
) -> int | None:
    """Draw the discs and the cross, and return the row of the site; None where it cannot be placed in the picture."""
    thick = max(2, round(3 * unit))
    outer = disc_px(site, site.clearance_m, camera, pose)
    inner = disc_px(site, settings.vehicle_radius_m, camera, pose)
    centre = camera.pixel_from_ned(np.array([site.position_ned_m]), pose)[0]
    for outline, colour, width in ((outer, WHITE, thick), (inner, AMBER, max(1, thick // 2))):
        if outline is not None:
            cv2.polylines(picture, [outline], True, BLACK, width + 2, cv2.LINE_AA)
            cv2.polylines(picture, [outline], True, colour, width, cv2.LINE_AA)
    if np.isnan(centre).any():
        return None
    u, v = round(float(centre[0])), round(float(centre[1]))
    cv2.drawMarker(picture, (u, v), BLACK, cv2.MARKER_CROSS, round(30 * unit), thick + 2)
    cv2.drawMarker(picture, (u, v), WHITE, cv2.MARKER_CROSS, round(30 * unit), thick)
    label = f"{site.clearance_m:.1f} m"
    size = 0.7 * unit
    where = (u + round(12 * unit), v - round(12 * unit))
    cv2.putText(picture, label, where, FONT, size, BLACK, thick + 2, cv2.LINE_AA)
    cv2.putText(picture, label, where, FONT, size, WHITE, max(1, thick // 2), cv2.LINE_AA)
    return v


def _draw_scale(picture: ByteArray, camera: CameraModel, height_m: float, unit: float, at_top: bool) -> None:
    """A bar of a round length, true on the ground straight below a level camera."""
    if height_m <= 0:
        return
    px_per_m = camera.fx / height_m
    target_m = picture.shape[1] * 0.2 / px_per_m
    decade = 10.0 ** math.floor(math.log10(target_m))
    length_m = max(m * decade for m in (1, 2, 5) if m * decade <= target_m)
    length_px = round(length_m * px_per_m)
    pad = round(18 * unit)
    y, x = (2 * pad + round(14 * unit) if at_top else picture.shape[0] - pad), picture.shape[1] - pad - length_px
    tick = max(4, round(8 * unit))
    for colour, width in ((BLACK, max(4, round(7 * unit))), (WHITE, max(2, round(3 * unit)))):
        cv2.line(picture, (x, y), (x + length_px, y), colour, width)
        for end in (x, x + length_px):
            cv2.line(picture, (end, y - tick), (end, y + tick), colour, width)
    text = f"{length_m:g} m"
    place = (x, y - round(14 * unit))
    for colour, width in ((BLACK, max(3, round(4 * unit))), (WHITE, max(1, round(1.6 * unit)))):
        cv2.putText(picture, text, place, FONT, 0.7 * unit, colour, width, cv2.LINE_AA)


def _draw_text(
    picture: ByteArray, lines: list[tuple[str, tuple[int, int, int]]], unit: float, at_bottom: bool = False
) -> None:
    size, width = 0.62 * unit, max(1, round(1.5 * unit))
    step, pad = round(27 * unit), round(12 * unit)
    room_px = picture.shape[1] - 2 * pad
    wrapped: list[tuple[str, tuple[int, int, int]]] = []
    for text, colour in lines:
        wrapped += [(part, colour) for part in _wrap(_ascii(text), size, width, room_px)]
    tall = pad + step * len(wrapped) + pad // 2
    top = max(0, picture.shape[0] - tall) if at_bottom else 0
    box = picture[top : top + tall]
    box[:] = (box * 0.45).astype(np.uint8)
    for row, (text, colour) in enumerate(wrapped):
        place = (pad, top + pad // 2 + step * (row + 1) - pad // 3)
        cv2.putText(picture, text, place, FONT, size, colour, width, cv2.LINE_AA)


def _ascii(text: str) -> str:
    """OpenCV's strokes know ASCII only."""
    return text.encode("ascii", "replace").decode()


def _wrap(text: str, size: float, width: int, room_px: int) -> list[str]:
    rows, row = [], ""
    for word in text.split(" "):
        longer = f"{row} {word}" if row else word
        if row and cv2.getTextSize(longer, FONT, size, width)[0][0] > room_px:
            rows.append(row)
            row = word
        else:
            row = longer
    return [*rows, row]
