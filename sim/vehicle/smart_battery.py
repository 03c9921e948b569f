"""A battery with electronics of its own, which tells what it leaves; PX4 takes its BATTERY_STATUS over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from firmware_bridge.dialect import mavlink

CELL_MV, CELLS = 3800, 4
DRAW_CA = 1500
UNKNOWN_MV = 65535
REPORT_S = 0.5


@dataclass
class SmartBattery:
    """Flight time that is left, counted down in the air by whoever holds it.

    Attributes:
        left_s: At present.
        full_s: Of the full battery.
    """

    left_s: float
    full_s: float = 900.0

    def report(self) -> Any:
        """Return its BATTERY_STATUS."""
        voltages_mv = [CELL_MV] * CELLS + [UNKNOWN_MV] * (10 - CELLS)
        share = max(0.0, min(1.0, self.left_s / self.full_s))
        used_mah = round((self.full_s - self.left_s) * DRAW_CA / 360.0)
        return mavlink.MAVLink_battery_status_message(
            1, 0, 1, 2500, voltages_mv, DRAW_CA, used_mah, -1, round(100.0 * share), round(self.left_s)
        )
