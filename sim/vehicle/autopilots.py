"""The autopilots a landing can be flown on, by name."""

from __future__ import annotations

from pathlib import Path

from sim.vehicle.autopilot_process import AutopilotProcess, StartConditions
from sim.vehicle.sitl.ardupilot import ArduPilotSitl
from sim.vehicle.sitl.px4 import Px4Sitl
from sim.vehicle.standin import StandIn


def make_autopilot(name: str, conditions: StartConditions, folder: Path) -> AutopilotProcess:
    """The autopilot of a name in `AUTOPILOTS`, not yet started; the folder takes its logs and parameter files.

    Raises:
        MissingSimulatorError: Its simulator is not installed.
    """
    if name == "ardupilot":
        return ArduPilotSitl(conditions, folder)
    if name == "px4":
        return Px4Sitl(conditions, folder)
    return StandIn(conditions, folder)
