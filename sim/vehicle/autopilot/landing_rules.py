"""Actions of LAND for a target that is in sight, lost or never seen (ArduCopter's PLND rules)."""

from __future__ import annotations

import math
from enum import Enum, auto

from firmware_bridge.dialect import mavlink
from sim.vehicle.autopilot.parameters import ParametersInForce
from sim.vehicle.autopilot.precision_landing import PrecisionLanding, Say, TargetState

FAILSAFE_HOVER_MS = 7000
RETRY_CLOSE_M = 0.75
RETRY_EXTRA_HEIGHT_M = 1.5


class Action(Enum):
    """Order to the landing controllers."""

    DESCEND = auto()
    HOLD = auto()
    RETRY = auto()


class _Lost(Enum):
    UNDECIDED = auto()
    DESCEND_AND_HOPE = auto()
    RETRY = auto()
    LAND_ANYWAY = auto()


class _Retry(Enum):
    START = auto()
    CLIMB = auto()
    SETTLE = auto()
    DONE = auto()


class LandingRules:
    """Decides between descending, holding and flying back to where the target was seen.

    Attributes:
        retry_ned_m: Where to fly while the action is RETRY.
    """

    def __init__(self, parameters: ParametersInForce, target: PrecisionLanding, say: Say) -> None:
        self._p = parameters
        self._target = target
        self._say = say
        self.start()

    def start(self) -> None:
        """Called at each entry into a landing mode: retries count anew."""
        self._retries = 0
        self.retry_ned_m = (0.0, 0.0, 0.0)
        self._reset()

    def _reset(self) -> None:
        self._lost = _Lost.UNDECIDED
        self._retry = _Retry.START
        self._failsafe_since_ms: int | None = None

    def decide(self, now_ms: int, vehicle_ned: tuple[float, float, float]) -> Action:
        """The action for this step."""
        state = self._target.state
        if state in (TargetState.FOUND, TargetState.OUT_OF_RANGE):
            self._reset()
            return Action.DESCEND
        if state is TargetState.NEVER_SEEN:
            return self._failsafe(now_ms)
        return self._recently_lost(now_ms, vehicle_ned)

    def _recently_lost(self, now_ms: int, vehicle_ned: tuple[float, float, float]) -> Action:
        if self._lost is _Lost.UNDECIDED:
            strict = self._p["PLND_STRICT"] != 0
            self._lost = _Lost.DESCEND_AND_HOPE if strict else _Lost.LAND_ANYWAY
            return Action.DESCEND
        if self._lost is _Lost.DESCEND_AND_HOPE:
            if now_ms - self._target.last_valid_ms >= 1000.0 * self._p["PLND_TIMEOUT"]:
                self._lost = _Lost.RETRY
                self._retry = _Retry.START
            return Action.DESCEND
        if self._lost is _Lost.LAND_ANYWAY:
            return Action.DESCEND
        return self._try_again(now_ms, vehicle_ned)

    def _try_again(self, now_ms: int, vehicle_ned: tuple[float, float, float]) -> Action:
        allowed = int(self._p["PLND_RET_MAX"])
        if allowed == 0 or self._retries > allowed:
            return self._failsafe(now_ms)
        to_target = self._p["PLND_RET_BEHAVE"] == 1
        seen = self._target.last_target_ned if to_target else self._target.last_vehicle_ned
        above = (seen[0], seen[1], seen[2] - RETRY_EXTRA_HEIGHT_M)
        if self._retry is _Retry.START:
            self._retries += 1
            self._retry = _Retry.CLIMB
            if self._retries <= allowed:
                self._say(mavlink.MAV_SEVERITY_INFO, "PrecLand: Retrying")
            self.retry_ned_m = above
            return Action.RETRY
        if self._retry is _Retry.CLIMB:
            self.retry_ned_m = above
            if math.dist(above, vehicle_ned) < RETRY_CLOSE_M:
                self._retry = _Retry.SETTLE
            return Action.RETRY
        if self._retry is _Retry.SETTLE:
            self.retry_ned_m = (vehicle_ned[0], vehicle_ned[1], seen[2])
            if abs(vehicle_ned[2] - seen[2]) < RETRY_CLOSE_M:
                self._retry = _Retry.DONE
                self._say(mavlink.MAV_SEVERITY_INFO, "PrecLand: Retry Completed")
            return Action.RETRY
        return self._failsafe(now_ms)

    def _failsafe(self, now_ms: int) -> Action:
        if self._failsafe_since_ms is None:
            self._failsafe_since_ms = now_ms
            self._say(mavlink.MAV_SEVERITY_INFO, "PrecLand: Failsafe Measures")
        strict = int(self._p["PLND_STRICT"])
        if strict == 2:
            return Action.HOLD
        if strict == 1 and now_ms - self._failsafe_since_ms < FAILSAFE_HOVER_MS:
            return Action.HOLD
        return Action.DESCEND
