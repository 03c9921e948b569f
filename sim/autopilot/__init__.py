"""A MAVLink stand-in autopilot that lands like ArduCopter 4.6.2 (held against recorded flights).

Use ``Autopilot`` in-process, or ``python -m sim.autopilot`` over sockets. It is a test double: it shares no code with
ArduPilot, and a landing that matters is flown again on the real SITL.
"""

from __future__ import annotations

from sim.autopilot.core import TICK_S, Autopilot, AutopilotConfig
from sim.autopilot.flight import EstimatorErrors, Mode
from sim.autopilot.precision_landing import FrameRules
from sim.home import Home

__all__ = ["TICK_S", "Autopilot", "AutopilotConfig", "EstimatorErrors", "FrameRules", "Home", "Mode"]
