"""A flight-controller link without a wire: a vehicle that hovers, and a record of what was sent."""

from __future__ import annotations

import time
from dataclasses import replace

from firmware_bridge.messages import HealthState, Severity
from firmware_bridge.report import LinkStatus, SendResult
from landing.estimator import FIRST_FRAME
from landing.geometry import quaternion_from_euler
from landing.globe import GlobalFix
from landing.types import LandingTarget, Pose
from landing.vehicle import Autopilot, VehicleStatus


class FakeLink:
    """Stands in for FlightLink. `alive` and `posing` switch the autopilot and its poses off."""

    def __init__(self, height_m: float = 15.0) -> None:
        self.height_m = height_m
        self.alive = True
        self.posing = True
        self.ranging = True
        self.armed = True
        self.landing = False
        self.frame = FIRST_FRAME
        self.fix: GlobalFix | None = None
        self.heartbeats: list[tuple[int, HealthState]] = []
        self.targets: list[tuple[int, LandingTarget]] = []
        self.texts: list[tuple[str, Severity]] = []

    def pose_at(self, at_ns: int) -> Pose | None:
        if not self.posing:
            return None
        height_agl_m = self.height_m if self.ranging else None
        position = self.frame.shift.point((0.0, 0.0, -self.height_m))
        heading = quaternion_from_euler(0.0, 0.0, self.frame.shift.yaw_rad)
        return Pose(at_ns, heading, position, height_agl_m, frame=self.frame)

    def latest_pose(self, now_ns: int) -> Pose | None:
        return self.pose_at(now_ns)

    def global_fix(self) -> GlobalFix | None:
        return None if self.fix is None else replace(self.fix, at_ns=time.monotonic_ns())

    def vehicle(self, now_ns: int) -> VehicleStatus:
        return VehicleStatus(
            self.alive, Autopilot.ARDUPILOT, self.armed, self.armed, self.landing, "LAND" if self.landing else ""
        )

    def status(self, now_ns: int) -> LinkStatus:
        return LinkStatus("fake", True, self.alive)

    def send_heartbeat(self, state: HealthState) -> SendResult:
        self.heartbeats.append((time.monotonic_ns(), state))
        return SendResult()

    def send_target(self, target: LandingTarget) -> SendResult:
        self.targets.append((time.monotonic_ns(), target))
        return SendResult()

    def send_text(self, text: str, severity: Severity) -> SendResult:
        self.texts.append((text, severity))
        return SendResult()
