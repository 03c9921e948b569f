"""`touchdown edge calibrate`: what a flight says of latency, mount, lens and rangefinder.

Of a recorded flight pictures and poses come from the black box: a picture with each decision, a pose with each decision
and each tick. `edge.calibrate_live` takes them from the camera and the link.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.blackbox import views
from edge.blackbox.recording import Recording, picture_of
from edge.blackbox.records import Topic, step_from, tick_from
from edge.exact import RecordingError
from edge.resolved import ResolvedFlight
from landing.camera import CameraModel
from landing.errors import FileError
from landing.estimator import EstimatorFrame
from landing.motion.calibration_result import SetupCalibration, SetupEstimate
from landing.motion.looks import LookCollector
from landing.motion.self_calibration import calibrate
from landing.picture_files import decode, require_picture
from landing.types import ByteArray, Pose

MOST_LATENCY_MS = 1000
"""As `[camera] latency_ms` takes."""

PANEL_PX, REACH_PX = 420, 12.0
"""Side of a panel of the picture, and shift that reaches its edge, px of a picture 320 wide."""


def stamp_of(camera: CameraModel, latency_ms: float) -> str:
    """Short digest of lens, mount and latency: what a calibration holds for."""
    mount = camera.mount
    numbers = [camera.fx / camera.width_px, camera.fy / camera.width_px, *camera.distortion, latency_ms]
    numbers += [mount.roll_deg, mount.pitch_deg, mount.yaw_deg, float(mount.gimbal)]
    middle = ((camera.width_px - 1) / 2, (camera.height_px - 1) / 2)
    if (camera.cx, camera.cy) != middle:
        numbers += [(camera.cx - middle[0]) / camera.width_px, (camera.cy - middle[1]) / camera.width_px]
    return hashlib.sha256(json.dumps([round(number, 4) for number in numbers]).encode()).hexdigest()[:8]


class FlightLooks:
    """Looks and poses of a flight, by the local frame they lie in. One owner.

    Args:
        camera: Lens and mount as they are configured.
    """

    def __init__(self, camera: CameraModel) -> None:
        self._camera = camera
        self._frames: dict[EstimatorFrame, LookCollector] = {}

    def _of(self, pose: Pose) -> LookCollector:
        return self._frames.setdefault(pose.frame, LookCollector(self._camera))

    def add_pose(self, pose: Pose) -> None:
        """Takes a pose, in any order."""
        self._of(pose).add_pose(pose)

    def add_picture(self, image: ByteArray, at_ns: int, pose: Pose) -> None:
        """Takes a picture, grey or BGR, uint8, and the pose at its capture; pictures come in the order of time."""
        self.add_pose(pose)
        self._of(pose).add_picture(image, at_ns)

    @property
    def most(self) -> LookCollector:
        """Those of the frame in which most looks lie."""
        return max(self._frames.values(), key=lambda found: len(found.looks), default=LookCollector(self._camera))


def collect(recording: Recording, camera: CameraModel) -> LookCollector:
    """Looks and poses of a recording, of the local frame in which most looks lie."""
    found = FlightLooks(camera)
    image: ByteArray | None = None
    topics = (Topic.STEP.value, Topic.TICK.value, views.PICTURE)
    for entry in recording.entries(*topics, title="following the ground"):
        if entry.topic == views.PICTURE:
            data = picture_of(entry)
            require_picture(data, "a recorded picture", RecordingError)
            image = decode(data, cv2.IMREAD_GRAYSCALE)
        elif entry.topic == Topic.TICK.value:
            pose = tick_from(entry.data).pose
            if pose is not None:
                found.add_pose(pose)
        else:
            step = step_from(entry.data)
            if step.pose is not None and image is not None:
                found.add_picture(image, step.captured_at_ns, step.pose)
            image = None
    return found.most


def of_recording(recording: Recording) -> FlightCalibration:
    """Calibrates from a recorded flight.

    Args:
        recording: Of the black box.

    Raises:
        RecordingError: It cannot be read.
        CalibrationError: It tells nothing.
    """
    start = recording.start
    flight = ResolvedFlight.parse(start.flight)
    flown_s = (start.started_ns + start.utc_offset_ns) / 1e9
    try:
        day = datetime.fromtimestamp(flown_s, timezone.utc).date()
    except (ValueError, OverflowError, OSError) as error:
        raise RecordingError(f"the recording began {flown_s:.0f} s after 1970: it is damaged") from error
    return FlightCalibration(flight, day, collect(recording, flight.camera))


class FlightCalibration:
    """Calibration of a flight, in words, lines and a picture.

    Args:
        flight: Settings that flew.
        day: Of the flight, UTC.
        looks: What was seen.

    Raises:
        CalibrationError: It tells nothing.
    """

    def __init__(self, flight: ResolvedFlight, day: date, looks: LookCollector) -> None:
        self._flight = flight
        self._day = day.isoformat()
        self.result: SetupCalibration = calibrate(flight.camera, looks)

    @property
    def complete(self) -> bool:
        """True when latency, mount and lens are known; a vehicle need not have a rangefinder."""
        return self._latency_can_be and all(estimate.told for estimate in self.result.estimates[:5])

    def _latency_ms(self) -> float:
        return round(self._flight.latency_ms + 1000 * self.result.latency_s, 1)

    @property
    def _latency_can_be(self) -> bool:
        return 0.0 <= self._latency_ms() <= MOST_LATENCY_MS

    def _by_angle(self) -> bool:
        return self._flight.sources["camera.lens"] == "hfov_deg"

    def _camera(self) -> CameraModel:
        """The camera as the written lines make it."""
        camera = self.result.camera
        if self._by_angle():
            return CameraModel.from_hfov(camera.width_px, camera.height_px, round(camera.hfov_deg, 2), camera.mount)
        return replace(camera, **{name: round(getattr(camera, name), 2) for name in ("fx", "fy", "cx", "cy")})

    def toml(self) -> list[str]:
        """Lines for edge.toml: only what the flight told."""
        latency, roll, pitch, yaw, field, _ = self.result.estimates
        camera = self._camera()
        lines = ["[camera]"]
        if latency.told and self._latency_can_be:
            lines.append(f"latency_ms = {self._latency_ms():g}")
        if field.told and self._by_angle():
            lines.append(f"hfov_deg = {round(camera.hfov_deg, 2):g}")
        if self.complete:
            lines.append(f'calibrated = "{self._day} {stamp_of(camera, self._latency_ms())}"')
        if roll.told or pitch.told or yaw.told:
            mount = camera.mount
            lines += ["", "[camera.mount]"]
            lines += [f"{name} = {getattr(mount, name):g}" for name in ("roll_deg", "pitch_deg", "yaw_deg")]
        if field.told and not self._by_angle():
            lines += ["", "[expert.camera]  # instead of camera.calibration"]
            lines += [f"{name} = {getattr(camera, name):g}" for name in ("fx", "fy", "cx", "cy")]
            lines.append(f"distortion = {list(camera.distortion)}")
        return [] if lines == ["[camera]"] else lines

    def lines(self) -> list[str]:
        """The result in words."""
        result = self.result
        before, after = result.residuals_px
        found = [
            f"{len(result.times_s)} looks in {result.times_s[-1]:.0f} s: {result.excitement.text}",
            *(self._words(estimate) for estimate in result.estimates),
            f"shift of the ground not explained, median: {before:.2f} px before, {after:.2f} px after (of 320)",
        ]
        if not self._latency_can_be:
            found.append(
                f"a latency of {self._latency_ms():.0f} ms is not written, 0 to {MOST_LATENCY_MS} ms can be: check the "
                "clocks of camera and autopilot"
            )
        return found

    def _words(self, estimate: SetupEstimate) -> str:
        quantity, digits = estimate.quantity, estimate.quantity.digits
        unit = f" {quantity.unit}" if quantity.unit else ""
        if not estimate.told:
            return f"{quantity.name}: not told; {quantity.motion}"
        error = f"+- {estimate.error:.{digits}f}{unit}"
        if quantity.name == "latency":
            latency_ms = self._flight.latency_ms
            return f"latency: {latency_ms + estimate.value:.0f} {error}, configured {latency_ms:g}"
        if quantity.name.startswith("mount"):
            return f"{quantity.name}: turned by {estimate.value:+.{digits}f} {error} against the configured mount"
        if quantity.name == "field of view":
            return (
                f"{quantity.name}: {estimate.value:.{digits}f} {error}, configured {self._flight.camera.hfov_deg:.2f}"
            )
        return f"{quantity.name}: true height is {estimate.value:.{digits}f} {error} times the height told"

    def as_dict(self) -> dict[str, Any]:
        """For JSON; a number without evidence is null."""
        result = self.result
        before, after = result.residuals_px
        told = {
            estimate.quantity.name: {
                "value": estimate.value if estimate.told else None,
                "error": estimate.error if estimate.told else None,
                "unit": estimate.quantity.unit,
                "needs": None if estimate.told else estimate.quantity.motion,
            }
            for estimate in result.estimates
        }
        return {
            "complete": self.complete,
            "looks": len(result.times_s),
            "residual_px": {"before": before, "after": after},
            "estimates": told,
            "toml": self.toml(),
        }

    def write_picture(self, path: Path) -> None:
        """Writes the residuals before and after as a PNG.

        Raises:
            FileError: It cannot be written.
        """
        result = self.result
        median = result.residuals_px
        panels = [
            _panel(result.before, f"before: median {median[0]:.2f} px"),
            _panel(result.after, f"after: median {median[1]:.2f} px"),
        ]
        _, data = cv2.imencode(".png", np.hstack(panels))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.tobytes())
        except OSError as error:
            raise FileError(f"--out {path}: {error.strerror or error}") from error


def _panel(shift_px: np.ndarray[Any, np.dtype[np.float64]], title: str) -> ByteArray:
    """Shifts of all looks, px of a picture 320 wide, as points around the middle."""
    panel = np.full((PANEL_PX + 40, PANEL_PX, 3), 255, np.uint8)
    middle, scale = PANEL_PX // 2, PANEL_PX / 2 / REACH_PX
    for ring in (2, 5, 10):
        cv2.circle(panel, (middle, middle + 40), round(ring * scale), (210, 210, 210), 1, cv2.LINE_AA)
        cv2.putText(
            panel, f"{ring} px", (middle + 4, middle + 36 - round(ring * scale)), 0, 0.4, (120, 120, 120), 1, 16
        )
    points = np.clip(shift_px, -REACH_PX + 0.3, REACH_PX - 0.3) * scale + [middle, middle + 40]
    for x, y in points.round().astype(int).tolist():
        cv2.circle(panel, (x, y), 3, (160, 60, 20), -1, cv2.LINE_AA)
    cv2.putText(panel, title, (12, 26), 0, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return panel
