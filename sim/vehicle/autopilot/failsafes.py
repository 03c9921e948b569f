"""Failsafes of ArduCopter 4.6 as flown on its simulator: transmitter, ground station, battery and circular fence.

Each acts once, when it begins. HEARTBEAT says "critical" for as long as one is in force, but for the fence, of which
FENCE_STATUS tells.
"""

from __future__ import annotations

import math

from firmware_bridge.dialect import mavlink
from sim.vehicle.autopilot.config import BatteryPack
from sim.vehicle.autopilot.flight import FlightController
from sim.vehicle.autopilot.modes import Mode, RefusedError
from sim.vehicle.autopilot.precision_landing import Say

RC_LOST_MS = 1000
OPTION_CONTINUE_LANDING = 8
CIRCLE = 2
BATTERY_ACTIONS = {1: Mode.LAND, 2: Mode.RTL}
STATION_ACTIONS = {1: Mode.RTL, 5: Mode.LAND}
FENCE_ACTIONS = {1: Mode.RTL, 2: Mode.LAND}
LAND_PAUSE_MS = 4000
"""A failsafe that lands hovers for so long first."""

MAH_PER_AS = 1 / 3.6
_CHARGE_STATES = (
    mavlink.MAV_BATTERY_CHARGE_STATE_OK,
    mavlink.MAV_BATTERY_CHARGE_STATE_LOW,
    mavlink.MAV_BATTERY_CHARGE_STATE_CRITICAL,
)


def _since(before_ms: int | None, holds: bool, now_ms: int) -> int | None:
    """Return the time from which something holds; None where it does not."""
    return None if not holds else now_ms if before_ms is None else before_ms


class FailsafeWatch:
    """Watches for failsafes and switches the mode, with ArduCopter's parameters and words.

    Args:
        flight: Whose mode it switches.
        parameters: In force.
        battery: What it draws and has used.
        say: Sends a text of a severity.

    Attributes:
        breaches: Of the fence, how many, and the time of the last, ms.
    """

    def __init__(self, flight: FlightController, parameters: dict[str, float], battery: BatteryPack, say: Say) -> None:
        self._flight = flight
        self.battery = battery
        self.used_mah = battery.used_mah
        self.parameters = self._p = parameters
        self._say = say
        self.boot()

    def boot(self) -> None:
        """Forget all."""
        self._active: set[str] = set()
        self.breaches: tuple[int, int] = (0, 0)
        self._critical = False
        self._rc_lost_ms: int | None = None
        self._low_since_ms: int | None = None
        self._station_ms: int | None = None

    @property
    def in_force(self) -> bool:
        """True while HEARTBEAT says "critical"."""
        return bool(self._active - {"fence"})

    @property
    def charge_state(self) -> int:
        """State of the battery, a MAV_BATTERY_CHARGE_STATE."""
        return int(_CHARGE_STATES[2 if self._critical else "Battery" in self._active])

    @property
    def left_mah(self) -> float:
        """Charge that is left, mAh."""
        return max(0.0, self._p["BATT_CAPACITY"] - self.used_mah)

    def hear_station(self, now_ms: int) -> None:
        """Take a heartbeat of the ground station."""
        self._station_ms = now_ms

    def step(self, now_ms: int, dt_s: float) -> None:
        """Look at all of them; on the ground nothing is done. A battery that is empty stops the motors."""
        if not self._flight.armed or self._flight.landed:
            return
        p = self._p
        self.used_mah += self.battery.draw_a * dt_s * MAH_PER_AS
        if self.battery.ends and self.left_mah <= 0.0:
            self._flight.vehicle.motors_on = False
        lost = p["SIM_RC_FAIL"] == 1 and p["FS_THR_ENABLE"] > 0
        self._rc_lost_ms = _since(self._rc_lost_ms, lost, now_ms)
        gone = self._rc_lost_ms is not None and now_ms - self._rc_lost_ms >= RC_LOST_MS
        self._become("Radio", gone, Mode.RTL)
        silent = self._station_ms is not None and now_ms - self._station_ms > 1000 * p["FS_GCS_TIMEOUT"]
        self._become("GCS", silent and p["FS_GCS_ENABLE"] > 0, STATION_ACTIONS.get(int(p["FS_GCS_ENABLE"])))
        self._battery(now_ms)
        self._fence(now_ms)

    def _battery(self, now_ms: int) -> None:
        p = self._p
        low = p["BATT_MONITOR"] > 0 and 0 < p["SIM_BATT_VOLTAGE"] < p["BATT_LOW_VOLT"]
        self._low_since_ms = _since(self._low_since_ms, low, now_ms)
        lasts = self._low_since_ms is not None and now_ms - self._low_since_ms >= 1000 * p["BATT_LOW_TIMER"]
        lasts, low = lasts or self._below("BATT_LOW_MAH"), low or self._below("BATT_LOW_MAH")
        if lasts and "Battery" not in self._active:
            self._warn_of_battery("low")
        if lasts or not low:
            self._become("Battery", lasts, BATTERY_ACTIONS.get(int(p["BATT_FS_LOW_ACT"])))
        if self._below("BATT_CRT_MAH") and not self._critical:
            self._critical = True
            self._warn_of_battery("critical")
            self._act("Battery", BATTERY_ACTIONS.get(int(p["BATT_FS_CRT_ACT"])))

    def _below(self, limit: str) -> bool:
        """Return whether less charge is left than a parameter allows; a limit of 0 is none."""
        monitored = self._p["BATT_MONITOR"] > 0 and self._p[limit] > 0
        return monitored and self.left_mah < self._p[limit]

    def _warn_of_battery(self, level: str) -> None:
        volts = self._p["SIM_BATT_VOLTAGE"]
        self._warn(f"Battery 1 is {level} {volts:.2f}V used {self.used_mah:.0f} mAh")

    @property
    def fenced(self) -> bool:
        """True while a fence is enabled."""
        return self._p["FENCE_ENABLE"] > 0

    @property
    def outside(self) -> bool:
        """True while the fence is breached."""
        return "fence" in self._active

    def _fence(self, now_ms: int) -> None:
        p, est = self._p, self._flight.estimate
        on = self.fenced and int(p["FENCE_TYPE"]) & CIRCLE
        outside = bool(on) and math.hypot(est.n_m, est.e_m) > p["FENCE_RADIUS"]
        if outside and "fence" not in self._active:
            self._active.add("fence")
            self.breaches = (self.breaches[0] + 1, now_ms)
            self._warn("Circle fence breached")
            action = FENCE_ACTIONS.get(int(p["FENCE_ACTION"]))
            if action is not None:
                self._switch(action)
        elif not outside:
            self._active.discard("fence")

    def _become(self, name: str, begun: bool, action: Mode | None) -> None:
        """Enter or leave a failsafe; act when it begins."""
        if begun == (name in self._active):
            return
        if not begun:
            self._active.discard(name)
            self._warn(f"{name} Failsafe Cleared")
            return
        self._act(name, action)

    def _act(self, name: str, action: Mode | None) -> None:
        goes_on = self._flight.landing and int(self._p["FS_OPTIONS"]) & OPTION_CONTINUE_LANDING
        lands_anyway = self._flight.landing and "Battery" in self._active and name != "Battery"
        self._active.add(name)
        if goes_on or lands_anyway:
            self._warn(f"{name}{' + Battery' if lands_anyway else ''} Failsafe - Continuing Landing")
            self._switch(Mode.LAND)
            return
        self._warn(f"{name} Failsafe")
        if action is not None:
            self._switch(action)

    def _switch(self, mode: Mode) -> None:
        """Change the mode; land where that is refused."""
        before = self._flight.mode
        try:
            self._flight.set_mode(mode)
        except RefusedError:
            self._flight.set_mode(Mode.LAND)
        if self._flight.mode is Mode.LAND is not before:
            self._flight.pause_landing(LAND_PAUSE_MS)

    def _warn(self, text: str) -> None:
        self._say(mavlink.MAV_SEVERITY_WARNING, text)
