"""Finds the simulators of the real autopilots: by an environment variable, or on PATH."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from landing.errors import TouchdownError
from landing.problems import Problem


class MissingSimulatorError(TouchdownError):
    """The simulator of an autopilot is not on this machine."""

    problem = Problem.SIMULATOR


@dataclass(frozen=True)
class Simulator:
    """A program of another project that is installed by hand.

    Attributes:
        variable: Environment variable with the path of the binary.
        program: Its name on PATH.
        command: Builds it, in a checkout of its project.
        makes: Path of the binary in the checkout.
    """

    name: str
    variable: str
    program: str
    command: str
    makes: str

    @property
    def how(self) -> str:
        """Instructions to provide it."""
        return (
            f"run `{self.command}` in a checkout of the autopilot, then `export {self.variable}=CHECKOUT/{self.makes}`"
        )


SIMULATORS: dict[str, Simulator] = {
    "ardupilot": Simulator(
        "ArduPilot Copter SITL",
        "ARDUPILOT_SITL",
        "arducopter",
        "./waf configure --board sitl && ./waf copter",
        "build/sitl/bin/arducopter",
    ),
    "px4": Simulator("PX4 SITL with SIH", "PX4_SITL", "px4", "make px4_sitl_default", "build/px4_sitl_default/bin/px4"),
}


def find_simulator(kind: str) -> Path:
    """The binary of ``ardupilot`` or ``px4``.

    Raises:
        MissingSimulatorError: It is not installed, or the variable names no program.
    """
    simulator = SIMULATORS[kind]
    named = os.environ.get(simulator.variable)
    if named:
        path = Path(named).expanduser()
        if path.is_file() and os.access(path, os.X_OK):
            return path.resolve()
        raise MissingSimulatorError(f"{simulator.variable}={named} is not a program: {simulator.how}")
    found = shutil.which(simulator.program)
    if found is None:
        raise MissingSimulatorError(
            f"{simulator.name} is not here ({simulator.variable} is unset, "
            f"{simulator.program!r} is not on PATH): {simulator.how}"
        )
    return Path(found).resolve()
