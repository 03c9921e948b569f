"""Manual takeover: a mode that nobody asked for, or a stick that is moved.

The pilot's word ends whatever we do, so in doubt it was the pilot. What a stick means is learnt when a landing begins:
roll, pitch and yaw rest in the middle of their travel, the throttle wherever the pilot left it.
"""

from __future__ import annotations

from landing.vehicle import PilotReport, Sticks, VehicleStatus

SETTLE_NS = 1_000_000_000
"""A hand that has just switched to landing may still be on the sticks: no word of the pilot's yet, and no command of
ours either."""

STALE_NS = 1_500_000_000
"""Reports that came and stop coming leave us blind to the sticks: then it was the pilot. In a failsafe it is none: PX4
stops them where the transmitter is lost (`ManualControl::Run`)."""


class PilotWatch:
    """Watches modes and sticks over one landing. Time is an argument.

    Args:
        dead_zone: Share of a stick's travel that says nothing.
    """

    def __init__(self, dead_zone: float) -> None:
        self._dead_zone = dead_zone
        self._since_ns = 0
        self._throttle: float | None = None
        self._heard = False
        self.settling = False
        """The pilot's hand is still on the sticks: nothing is to be commanded."""

    def begin(self, now_ns: int) -> None:
        """A landing begins: where the throttle is now, it rests."""
        self._since_ns = now_ns
        self._throttle = None
        self._heard = False
        self.settling = False

    def word(self, vehicle: VehicleStatus, expected_modes: frozenset[str], now_ns: int) -> str | None:
        """Return the pilot's action in words; None when there is none.

        Args:
            vehicle: As last reported.
            expected_modes: Those that the landing began with or that we asked for.
            now_ns: Monotonic time.
        """
        if vehicle.mode not in expected_modes:
            return f"mode {vehicle.mode}, which was not ours"
        return self._stick(vehicle.pilot, now_ns, failsafe=vehicle.failsafe)

    def _stick(self, report: PilotReport | None, now_ns: int, *, failsafe: bool) -> str | None:
        self.settling = False
        if report is None:
            return None  # no transmitter that we could see: the mode switch is the pilot's voice
        if now_ns - report.at_ns > STALE_NS:
            return "the sticks are no longer reported" if self._heard and not failsafe else None
        self._heard = True
        if report.sticks is None:
            return None  # out of range: the autopilot has its own failsafe for that
        name, value = self._deflected(report.sticks)
        if abs(value) <= self._dead_zone:
            return None
        if now_ns - self._since_ns <= SETTLE_NS:
            self.settling = True
            self._throttle = report.sticks.throttle
            return None
        return f"{name} stick moved by {100 * value:.0f} %"

    def _deflected(self, sticks: Sticks) -> tuple[str, float]:
        """The stick farthest from its rest, and how far."""
        if self._throttle is None:
            self._throttle = sticks.throttle
        moved = {
            "roll": sticks.roll,
            "pitch": sticks.pitch,
            "yaw": sticks.yaw,
            "throttle": sticks.throttle - self._throttle,
        }
        name = max(moved, key=lambda key: abs(moved[key]))
        return name, moved[name]
