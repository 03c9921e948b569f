"""Foxglove messages of a recording: picture, masks, ground grid, pose, site, texts.

The fixed frame is `local`: x north, y west, z up, metres, from the autopilot's local NED (Foxglove draws x forward, y
left, z up).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.Grid_pb2 import Grid
from foxglove_schemas_protobuf.Log_pb2 import Log
from foxglove_schemas_protobuf.PackedElementField_pb2 import PackedElementField
from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
from foxglove_schemas_protobuf.SceneEntity_pb2 import SceneEntity
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from landing.ground.view import GroundView
from landing.relief.depth import DepthLook
from landing.site import LandingSite
from landing.types import ByteArray, Pose, Segmentation

LOCAL, BODY, GIMBAL = "local", "body", "gimbal"
UNKNOWN, FREE, NOT_LANDABLE, HAZARD = 0, 1, 2, 3
"""Values of the grid's field `state`."""

PICTURE, MASKS, GRID, POSE, SITE, TEXT, POINTS = (
    "camera/picture",
    "segmentation/maps",
    "ground/grid",
    "tf",
    "landing/site",
    "landing/text",
    "depth/points",
)


def stamp(utc_ns: int) -> Timestamp:
    """Protobuf's time stamp."""
    return Timestamp(seconds=utc_ns // 1_000_000_000, nanos=utc_ns % 1_000_000_000)


def picture(image_bgr: ByteArray, quality: int, utc_ns: int) -> CompressedImage:
    """The frame as JPEG.

    Raises:
        ValueError: It cannot be encoded.
    """
    return _image(".jpg", "jpeg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality], utc_ns)


def maps(segmentation: Segmentation, stacked: ByteArray, utc_ns: int) -> CompressedImage:
    """All maps of a segmentation below each other, lossless.

    Raises:
        ValueError: It cannot be encoded.
    """
    # Level 1: a tenth of the time of the default, a quarter more bytes.
    return _image(".png", "png", stacked, [cv2.IMWRITE_PNG_COMPRESSION, 1], utc_ns)


def _image(suffix: str, name: str, image: ByteArray, options: list[int], utc_ns: int) -> CompressedImage:
    ok, data = cv2.imencode(suffix, image, options)
    if not ok:
        raise ValueError(f"a picture of shape {image.shape} cannot be encoded as {name}")
    return CompressedImage(timestamp=stamp(utc_ns), frame_id="camera", format=name, data=data.tobytes())


def grid(view: GroundView, utc_ns: int) -> Grid:
    """The ground map: state and probability of each cell, a byte each."""
    state = np.full(view.free.shape, UNKNOWN, np.uint8)
    state[view.known] = NOT_LANDABLE
    state[view.free] = FREE
    for cells in view.hazards.values():
        state[cells] = HAZARD
    probability = np.clip(view.probability * 255.0, 0, 255).astype(np.uint8)
    # Rows run north, columns east; the grid wants columns along its x. With x north and y west, transposed and turned
    # over: row r of Foxglove is the r-th column from the east.
    cells_xy = np.stack([state, probability], axis=-1).transpose(1, 0, 2)[::-1]
    rows, columns = cells_xy.shape[:2]
    east_edge_m = view.south_west_m[1] + view.free.shape[1] * view.cell_m
    result = Grid(
        timestamp=stamp(utc_ns),
        frame_id=LOCAL,
        column_count=columns,
        row_stride=columns * 2,
        cell_stride=2,
        data=np.ascontiguousarray(cells_xy).tobytes(),
        fields=[
            PackedElementField(name=name, offset=k, type=PackedElementField.UINT8)
            for k, name in enumerate(("state", "probability"))
        ],
    )
    result.cell_size.x = result.cell_size.y = view.cell_m
    result.pose.position.x = view.south_west_m[0]
    result.pose.position.y = -east_edge_m
    result.pose.position.z = -view.ground_down_m
    result.pose.orientation.w = 1.0
    assert len(result.data) == rows * columns * 2
    return result


def transform(pose: Pose, utc_ns: int) -> FrameTransform | None:
    """Transform from body to local; None when the pose has no position or attitude."""
    if pose.position_ned_m is None or pose.ned_from_frd is None:
        return None
    north_m, east_m, down_m = pose.position_ned_m
    w, x, y, z = pose.ned_from_frd
    result = FrameTransform(timestamp=stamp(utc_ns), parent_frame_id=LOCAL, child_frame_id=BODY)
    result.translation.x, result.translation.y, result.translation.z = north_m, -east_m, -down_m
    # Half a turn about the forward axis on both sides: NED to NWU, FRD to FLU.
    result.rotation.w, result.rotation.x = w, x
    result.rotation.y, result.rotation.z = -y, -z
    return result


def points(look: DepthLook, utc_ns: int) -> PointCloud:
    """The points of a depth sensor with their errors, in the axes of the body (or gimbal): forward, left, up."""
    values = np.column_stack([look.points_m * (1.0, -1.0, -1.0), look.sd_m]).astype("<f4")
    result = PointCloud(
        timestamp=stamp(utc_ns),
        frame_id=GIMBAL if look.gimbal else BODY,
        point_stride=16,
        data=values.tobytes(),
        fields=[
            PackedElementField(name=name, offset=4 * k, type=PackedElementField.FLOAT32)
            for k, name in enumerate(("x", "y", "z", "sd_m"))
        ],
    )
    result.pose.orientation.w = 1.0
    return result


def site_marks(site: LandingSite | None, utc_ns: int) -> SceneUpdate:
    """The site's clear disc as a flat cylinder; an empty update takes it away."""
    result = SceneUpdate()
    if site is None:
        deletion = result.deletions.add()
        deletion.timestamp.CopyFrom(stamp(utc_ns))
        deletion.type = 1  # all entities of this topic
        return result
    entity: SceneEntity = result.entities.add()
    entity.timestamp.CopyFrom(stamp(utc_ns))
    entity.frame_id, entity.id = LOCAL, "site"
    north_m, east_m, down_m = site.position_ned_m
    disc = entity.cylinders.add()
    disc.pose.position.x, disc.pose.position.y, disc.pose.position.z = north_m, -east_m, -down_m
    disc.pose.orientation.w = 1.0
    disc.size.x = disc.size.y = 2.0 * max(site.clearance_m, 0.1)
    disc.size.z = 0.05
    disc.bottom_scale = disc.top_scale = 1.0
    # Amber where somebody may come.
    disc.color.r = 1.0 if site.surface is not None and site.surface.caution else 0.0
    disc.color.g, disc.color.a = 1.0 - 0.3 * disc.color.r, 0.4
    return result


_LEVELS = {"failed": Log.ERROR, "crash": Log.FATAL, "hang": Log.ERROR, "no-site": Log.WARNING}


def text(line: Mapping[str, Any], utc_ns: int) -> Log:
    """An event as a line of Foxglove's log panel."""
    event = str(line.get("event", ""))
    rest = ", ".join(
        f"{key} {value}" for key, value in _short(line) if key not in ("time", "mono_ns", "event", "timings_ms")
    )
    level = _LEVELS.get(event, Log.INFO)
    return Log(timestamp=stamp(utc_ns), level=level, message=f"{event}: {rest}", name="edge")


def _short(line: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for key, value in line.items():
        if isinstance(value, float) and math.isfinite(value):
            yield key, f"{value:g}"
        elif isinstance(value, (str, int)) or value is None:
            yield key, value


Viewed = Message
"""Protobuf message with its schema, returned by every function here."""
