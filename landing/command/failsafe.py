"""Time for which a landing in a failsafe may be held up for a person or for better ground, by the battery. Pure.

The autopilot lands because it must. It is never held past its own critical action: a battery that is critical, or of
which nothing is known, leaves no time at all. Where no current is measured the time is not known: a charge that the
autopilot calls good leaves `GOOD_LEFT_S` at least, enough to hold near the ground, until it calls it low.
"""

from __future__ import annotations

from landing.vehicle import Battery

LONGEST_S = 90.0
"""Of all holds in the failsafes of a flight: time for a hold, a climb, a search and the way to another place, twice."""

SHARE = 0.5
"""Part of what is left that may be spent: figures of batteries are no better, and the landing comes after it."""

GOOD_LEFT_S = 90.0
"""15 % of a flight of 10 min: PX4's low level, `BAT_LOW_THR`."""

MARGIN_S = 20.0
SLOWEST_DESCENT_MPS = 0.4
"""Of a landing that is led; with the margin, what must be left to land from here."""


def may_hold_s(battery: Battery | None, height_m: float | None) -> float:
    """Return the time for which the vehicle may stay up, s; 0 where nothing allows any.

    Args:
        battery: As last reported.
        height_m: Above the site or the ground.
    """
    if battery is None or battery.critical or height_m is None:
        return 0.0
    left_s = battery.left_s
    if left_s is None:
        left_s = GOOD_LEFT_S if battery.good else 0.0
    return max(0.0, min(LONGEST_S, SHARE * left_s - MARGIN_S - height_m / SLOWEST_DESCENT_MPS))


class HoldBound:
    """Bound of all holds of a flight together. The end of a hold only ever comes nearer. Time is an argument."""

    def __init__(self) -> None:
        self._spent_ns = 0
        self._began_ns = self._until_ns = 0
        self._held = False

    def release(self, now_ns: int) -> None:
        """Note that nothing of ours holds the vehicle up from here on."""
        if self._held:
            self._spent_ns += now_ns - self._began_ns
            self._held = False

    def left_s(self, battery: Battery | None, height_m: float | None, now_ns: int, *, held: bool) -> float:
        """Return the time that is left to stay up, s.

        Args:
            battery: As last reported.
            height_m: Above the site or the ground.
            now_ns: Monotonic time.
            held: The vehicle is held up; the time runs while it is.
        """
        allowed_ns = round(may_hold_s(battery, height_m) * 1e9)
        if not held:
            self.release(now_ns)
        until_ns = now_ns + min(allowed_ns, round(LONGEST_S * 1e9) - self._spent_ns)
        if held and self._held:
            until_ns = min(until_ns, self._until_ns)
        elif held:
            self._began_ns = now_ns
        self._held, self._until_ns = held, until_ns
        return max(0.0, (until_ns - now_ns) * 1e-9)
