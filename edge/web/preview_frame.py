"""One step as the page draws it: a small picture, a mask, and geometry in picture coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edge.annotate import disc_px
from edge.pipeline import Step
from landing.camera import CameraModel
from landing.ground.view import GroundView
from landing.settings import DecisionSettings
from landing.site import LandingSite
from landing.taxonomy import Role
from landing.types import HAZARD_ORDER, ByteArray, Pose, Segmentation

JPEG_QUALITY = 70
HORIZON_M = 20_000.0
"""Points this far away lie on the horizon, to less than a pixel of a preview."""

# Colours of mask and map, RGBA: nothing, landable, then the hazards in the order of HAZARD_ORDER. Told apart by
# colour-blind eyes too (Okabe and Ito): green-blue against orange, yellow, vermilion.
_PALETTE_RGBA = np.array(
    [(0, 0, 0, 0), (0, 158, 115, 110), (213, 94, 0, 120), (0, 114, 178, 130), (230, 0, 60, 190), (240, 228, 66, 150)],
    np.uint8,
)
_UNKNOWN_RGBA = np.array((40, 40, 48, 255), np.uint8)
_BARE_RGBA = np.array((110, 110, 116, 255), np.uint8)


@dataclass(frozen=True)
class PreviewFrame:
    """Preview of one step, as sent to viewers.

    Attributes:
        header: JSON: sizes, site, outlines and horizon as fractions of the picture.
        picture: JPEG.
        mask: PNG, coarser than the picture, transparent where nothing is marked.
        ground: PNG of the ground map, north up; empty when there is none.
    """

    header: dict[str, Any]
    picture: bytes
    mask: bytes
    ground: bytes


def draw_preview(
    step: Step, camera: CameraModel, settings: DecisionSettings, width_px: int, with_ground: bool
) -> PreviewFrame:
    """Draws a step.

    Args:
        step: Of the pipeline.
        camera: For the frame's size.
        settings: Thresholds of the mask and the vehicle's radius.
        width_px: Of the picture; a smaller frame stays as it is.
        with_ground: Whether the ground map is drawn too.
    """
    frame = step.frame
    scale = min(1.0, width_px / frame.width_px)
    size = (round(frame.width_px * scale), round(frame.height_px * scale))
    small = cv2.resize(frame.image_bgr, size, interpolation=cv2.INTER_AREA)
    header: dict[str, Any] = {
        "kind": "look",
        "frame_id": frame.frame_id,
        "captured_ns": frame.captured_at_ns,
        "width": size[0],
        "height": size[1],
        **_geometry(step, camera, settings),
    }
    ground = b""
    if with_ground:
        header["ground"] = None if step.view is None else _ground_header(step, step.view)
        ground = b"" if step.view is None else _png(ground_rgba(step.view))
    mask = _png(_PALETTE_RGBA[mask_of(step.segmentation, settings)])
    return PreviewFrame(header, _jpeg(small), mask, ground)


def mask_of(segmentation: Segmentation, settings: DecisionSettings) -> ByteArray:
    """Per pixel 0 for nothing, 1 for landable, 2 and on for the hazard roles in their order."""
    thresholds = settings.hazard_thresholds
    mask = (segmentation.landable >= 255 * settings.frame_landable_probability).astype(np.uint8)
    for index, name in enumerate(HAZARD_ORDER):
        mask[segmentation.hazards[index] >= 255 * thresholds[Role(name)]] = index + 2
    return mask


def ground_rgba(view: GroundView) -> ByteArray:
    """The ground map as a picture, north up, uint8 (rows, columns, 4)."""
    picture = np.empty((*view.free.shape, 4), np.uint8)
    picture[:] = _UNKNOWN_RGBA
    picture[view.known] = _BARE_RGBA
    picture[view.free] = (*_PALETTE_RGBA[1][:3], 255)
    for index, name in enumerate(HAZARD_ORDER):
        picture[view.hazards[Role(name)]] = (*_PALETTE_RGBA[index + 2][:3], 255)
    return np.ascontiguousarray(picture[::-1])


def _geometry(step: Step, camera: CameraModel, settings: DecisionSettings) -> dict[str, Any]:
    pose, site = step.pose, step.decision.selection
    located = camera.missing_in(pose) is None
    result: dict[str, Any] = {"site": None, "vehicle": None, "horizon": None}
    if pose is None or not located:
        return result
    result["horizon"] = _horizon(camera, pose)
    if isinstance(site, LandingSite):
        result["site"] = _outline(site, site.clearance_m, camera, pose)
        result["vehicle"] = _outline(site, settings.vehicle_radius_m, camera, pose)
    return result


def _outline(site: LandingSite, radius_m: float, camera: CameraModel, pose: Pose) -> list[list[float]] | None:
    pixels = disc_px(site, radius_m, camera, pose, points=40)
    if pixels is None:
        return None
    fractions = pixels / np.array([camera.width_px, camera.height_px])
    return [[round(float(u), 4), round(float(v), 4)] for u, v in fractions]


def _horizon(camera: CameraModel, pose: Pose) -> list[list[float]] | None:
    """Ends of the horizon in the picture, as fractions of it; None when it is not in view."""
    assert pose.position_ned_m is not None
    north_m, east_m, down_m = pose.position_ned_m
    bearings = np.linspace(0, 2 * math.pi, 144, endpoint=False)
    points = np.column_stack(
        [north_m + HORIZON_M * np.cos(bearings), east_m + HORIZON_M * np.sin(bearings), np.full(len(bearings), down_m)]
    )
    pixels = camera.pixel_from_ned(points, pose)
    inside = (
        np.isfinite(pixels).all(axis=1)
        & (pixels >= 0).all(axis=1)
        & (pixels[:, 0] < camera.width_px)
        & (pixels[:, 1] < camera.height_px)
    )
    seen = pixels[inside]
    if len(seen) < 2:
        return None
    seen = seen[np.argsort(seen[:, 0])] / np.array([camera.width_px, camera.height_px])
    return [[round(float(u), 4), round(float(v), 4)] for u, v in (seen[0], seen[-1])]


def _ground_header(step: Step, view: GroundView) -> dict[str, Any]:
    rows, columns = view.free.shape
    south_m, west_m = view.south_west_m
    header: dict[str, Any] = {
        "south_m": south_m,
        "west_m": west_m,
        "north_m": south_m + rows * view.cell_m,
        "east_m": west_m + columns * view.cell_m,
        "site": None,
        "vehicle": None,
    }
    selection, pose = step.decision.selection, step.pose
    if isinstance(selection, LandingSite):
        header["site"] = [*selection.position_ned_m[:2], selection.clearance_m]
    if pose is not None and pose.position_ned_m is not None:
        heading_rad = 0.0
        if pose.ned_from_frd is not None:
            forward = pose.rotation_ned_from_frd[:, 0]
            heading_rad = math.atan2(float(forward[1]), float(forward[0]))
        header["vehicle"] = [*pose.position_ned_m[:2], heading_rad]
    return header


def _jpeg(image: ByteArray | np.ndarray[Any, Any]) -> bytes:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert ok  # a uint8 picture with pixels always can be
    return data.tobytes()


def _png(rgba: ByteArray) -> bytes:
    bgra = np.ascontiguousarray(rgba[..., [2, 1, 0, 3]])
    ok, data = cv2.imencode(".png", bgra, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert ok
    return data.tobytes()
