"""Answers as ROS messages. Frames: ROS's world is east-north-up, its body forward-left-up, its optical axes are ours.

Source of the conventions: REP 103 and REP 105; values of an occupancy grid: nav_msgs/OccupancyGrid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from edge.dds import messages
from edge.dds.stamps import split
from edge.observer import DaemonStatus
from firmware_bridge.messages import HealthState
from landing.camera import CameraModel, Mount
from landing.geometry import FloatArray
from landing.ground.view import GroundView
from landing.guidance.gates import Gate
from landing.site import LandingSite, NoSite
from landing.types import ByteArray, Pose

ENU_FROM_NED = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
FLU_FROM_FRD = np.diag([1.0, -1.0, -1.0])

FREE, NOT_LANDABLE, HAZARD, UNKNOWN = 0, 50, 100, -1
"""Values of the map's cells."""

NOT_TOLD = 1e6
"""Variance of what nothing tells, as robot_localization understands it."""

CAMERA_FRAME, MOUNT_FRAME = "touchdown_camera", "touchdown_camera_mount"
"""The camera as poses place it in the map, and as the configuration mounts it on the body; optical axes."""

OK, WARN, ERROR = 0, 1, 2
LEVELS = {
    HealthState.OK: OK,
    HealthState.STANDBY: OK,
    HealthState.STARTING: WARN,
    HealthState.DEGRADED: WARN,
    HealthState.STOPPING: WARN,
    HealthState.FAILED: ERROR,
}


def header(ros_ns: int, frame: str) -> messages.RosHeader:
    """Return the header of a message."""
    return messages.RosHeader(messages.RosTime(*split(ros_ns)), frame)


def place(
    position_ned_m: tuple[float, float, float], margin_m: float, ros_ns: int, frame: str
) -> messages.RosPoseWithCovarianceStamped:
    """Return a place on the ground.

    Args:
        position_ned_m: Local NED.
        margin_m: Errors of map and control that the clearance allows for, taken as two standard deviations in x and y.
        ros_ns: Time of the evidence.
        frame: Of the message.
    """
    x, y, z = (float(v) for v in ENU_FROM_NED @ np.asarray(position_ned_m))
    variances = ((margin_m / 2) ** 2, (margin_m / 2) ** 2, NOT_TOLD, NOT_TOLD, NOT_TOLD, NOT_TOLD)
    pose = messages.RosPose(messages.RosPoint(x, y, z), messages.RosQuaternion())
    covariance = [float(v) for v in np.diag(variances).ravel()]
    return messages.RosPoseWithCovarianceStamped(
        header(ros_ns, frame), messages.RosPoseWithCovariance(pose, covariance)
    )


def grid(view: GroundView, ros_ns: int, frame: str) -> messages.RosOccupancyGrid:
    """Return the ground map: rows run north, columns east, as ROS has them."""
    cells = np.full(view.free.shape, UNKNOWN, np.int8)
    cells[view.known] = NOT_LANDABLE
    cells[view.free] = FREE
    for hazard in view.hazards.values():
        cells[hazard] = HAZARD
    north_m, east_m = view.south_west_m
    origin = messages.RosPose(messages.RosPoint(east_m, north_m, -view.ground_down_m), messages.RosQuaternion())
    rows, columns = view.free.shape
    info = messages.RosMapMetaData(messages.RosTime(*split(ros_ns)), view.cell_m, columns, rows, origin)
    return messages.RosOccupancyGrid(header(ros_ns, frame), info, cells.tobytes())


def camera_transform(
    camera: CameraModel, pose: Pose | None, ros_ns: int, frame: str
) -> messages.RosTransformStamped | None:
    """Return the camera in the map at a pose; None where the pose does not place it."""
    if pose is None or pose.position_ned_m is None or camera.missing_in(pose) is not None:
        return None
    centre, rotation = ENU_FROM_NED @ camera.centre_ned_m(pose), ENU_FROM_NED @ camera.ned_from_camera(pose)
    return messages.RosTransformStamped(header(ros_ns, frame), CAMERA_FRAME, _transform(centre, rotation))


def mount_transform(mount: Mount, ros_ns: int, body_frame: str) -> messages.RosTransformStamped | None:
    """Return the camera on the body; None on a gimbal, which turns."""
    if mount.gimbal:
        return None
    offset = FLU_FROM_FRD @ np.asarray(mount.offset_frd_m)
    transform = _transform(offset, FLU_FROM_FRD @ mount.frd_from_camera)
    return messages.RosTransformStamped(header(ros_ns, body_frame), MOUNT_FRAME, transform)


def _transform(translation: FloatArray, rotation: FloatArray) -> messages.RosTransform:
    x, y, z, w = quaternion_of(rotation)
    moved = messages.RosVector3(*(float(v) for v in translation))
    return messages.RosTransform(moved, messages.RosQuaternion(x, y, z, w))


def quaternion_of(rotation: FloatArray) -> tuple[float, float, float, float]:
    """Return the quaternion (x, y, z, w) of a rotation matrix, w not negative."""
    vector = cv2.Rodrigues(rotation)[0].ravel()
    angle_rad = float(np.linalg.norm(vector))
    if angle_rad == 0.0:
        return 0.0, 0.0, 0.0, 1.0
    x, y, z = (float(v) for v in vector / angle_rad * math.sin(angle_rad / 2))
    return x, y, z, math.cos(angle_rad / 2)


def picture(image_bgr: ByteArray, ros_ns: int) -> messages.RosCompressedImage:
    """Return a picture as JPEG.

    Raises:
        ValueError: It cannot be encoded.
    """
    ok, data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not ok:
        raise ValueError(f"a picture of shape {image_bgr.shape} cannot be encoded as JPEG")
    return messages.RosCompressedImage(header(ros_ns, CAMERA_FRAME), "bgr8; jpeg compressed bgr8", data.tobytes())


def diagnostics(
    status: DaemonStatus, gates: tuple[Gate, ...], ros_ns: int, hardware: str
) -> messages.RosDiagnosticArray:
    """Return state and answer of the daemon, with the reason of each refusal."""
    output, health = status.output, status.health
    landing = {
        "state": output.state.value,
        "reason": output.reason,
        "sending": str(output.target is not None and status.refusal is None).lower(),
        "link refused": status.refusal or "",
        "health": health.text,
        **{f"{name} rate, Hz": f"{rate:.1f}" for name, rate in health.rates_hz.items()},
        **{f"gate {gate.name}": gate.closed or "open" for gate in gates},
    }
    if status.authority is not None:
        landing["authority"] = f"{status.authority.state.value}: {status.authority.reason}"
    words = f"{output.state.value}: {output.reason}"
    selection = None if status.decision is None else status.decision.selection
    return messages.RosDiagnosticArray(
        header(ros_ns, ""),
        [
            _status(LEVELS[health.state], "touchdown: landing", words, hardware, landing),
            _status(
                OK if isinstance(selection, LandingSite) else WARN,
                "touchdown: site",
                "no decision yet" if selection is None else selection.text,
                hardware,
                _site_values(selection),
            ),
        ],
    )


def _site_values(selection: LandingSite | NoSite | None) -> dict[str, str]:
    if selection is None:
        return {}
    if isinstance(selection, NoSite):
        return {
            "reason": selection.reason.value,
            "detail": selection.detail,
            "code": selection.reason.problem.value,
            "descend to, m": "" if selection.descend_to_m is None else f"{selection.descend_to_m:.1f}",
        }
    north_m, east_m, down_m = selection.position_ned_m
    return {
        "clearance, m": f"{selection.clearance_m:.2f}",
        "area, m2": f"{selection.area_m2:.1f}",
        "north, m": f"{north_m:.2f}",
        "east, m": f"{east_m:.2f}",
        "down, m": f"{down_m:.2f}",
        "surface": "" if selection.surface is None else selection.surface.text,
        "confidence": "" if selection.confidence is None else selection.confidence.text,
    }


def _status(
    level: int, name: str, message: str, hardware: str, values: Mapping[str, str]
) -> messages.RosDiagnosticStatus:
    pairs = [messages.RosKeyValue(key, value) for key, value in values.items()]
    return messages.RosDiagnosticStatus(level, name, message, hardware, pairs)
