"""Real autopilots' own simulators, flown by the same code as the stand-in.

`binaries` finds them, `namespace` keeps them off every network but loopback, `ardupilot` and `px4` start them and bring
them to where a landing begins. What is not installed is said in one sentence.
"""

from sim.vehicle.sitl.binaries import SIMULATORS, MissingSimulatorError, Simulator, find_simulator

__all__ = ["SIMULATORS", "MissingSimulatorError", "Simulator", "find_simulator"]
