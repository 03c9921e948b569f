"""A MAVLink stand-in autopilot that lands like ArduCopter 4.6.2 (held against recorded flights).

Use `StandInAutopilot` in-process, or ``python -m sim.vehicle.autopilot`` over sockets. It is a test double and shares
no code with ArduPilot; landings that matter are flown again on the real SITL.
"""

from __future__ import annotations

from sim.vehicle.autopilot.config import AutopilotConfig
from sim.vehicle.autopilot.core import TICK_S, StandInAutopilot
from sim.vehicle.autopilot.estimator import EstimatorErrors
from sim.vehicle.autopilot.modes import Mode
from sim.vehicle.autopilot.precision_landing import FrameRules
from sim.vehicle.home import Home

__all__ = ["TICK_S", "AutopilotConfig", "EstimatorErrors", "FrameRules", "Home", "Mode", "StandInAutopilot"]
