"""The stand-in autopilot as a process: airborne from the start."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from sim.vehicle import Wind
from sim.vehicle.autopilot import AutopilotConfig, Mode
from sim.vehicle.autopilot_process import LandingOrder, Links, StartConditions
from sim.vehicle.failsafes import ARDUPILOT_FAILSAFES
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.missions import landing_mission
from sim.vehicle.processes import START_S, FlightError, TooLateError, start_process

RANGEFINDER: dict[str, float] = {
    "RNGFND1_TYPE": 100,
    "RNGFND1_MIN_CM": 10,
    "RNGFND1_MAX_CM": 6000,
    "RNGFND1_ORIENT": 25,
}
"""The simulator's own rangefinder, looking down: hardware, so no doctor can know of it."""

PLND_PARAMETERS: dict[str, float] = {"PLND_ENABLED": 1, "PLND_TYPE": 1, "PLND_OPTIONS": 4, **RANGEFINDER}
"""Parameters of a precision landing of ArduCopter 4.6, flown; `firmware_bridge.doctor` sets them."""


def standin_config(c: StartConditions) -> AutopilotConfig:
    """Configuration of a stand-in in this process, as its command line would make it."""
    return AutopilotConfig(
        parameters={**PLND_PARAMETERS, **c.parameters},
        home=c.home,
        start_n_m=c.start_ne_m[0],
        start_e_m=c.start_ne_m[1],
        start_yaw_deg=c.yaw_deg,
        airborne_height_m=c.height_m,
        airborne_mode=Mode.GUIDED,
        wind=Wind(*c.wind, c.gust_mps),
        seed=c.seed,
    )


LANDS_IN = {LandingOrder.MODE: Mode.LAND, LandingOrder.MISSION: Mode.AUTO, LandingOrder.MISSION_HOME: Mode.AUTO_RTL}
MODE_S = 0.5
"""A mode that lasts so long is heard of."""


class StandIn:
    """Our own MAVLink stand-in for ArduCopter, `sim.vehicle.autopilot`."""

    name = "stand-in"
    binds_everywhere = False
    failsafes = ARDUPILOT_FAILSAFES

    def __init__(self, conditions: StartConditions, folder: Path) -> None:
        self.home = conditions.home
        self.links = Links("", "", "")
        self._conditions = conditions
        self._log = folder / "autopilot.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, stack: ExitStack) -> None:
        """See `AutopilotProcess`; a second start listens where the first did."""
        given = self.links
        ports = (given.daemon, given.camera, given.pilot) if given.daemon else ()
        process = start_process(
            [*self._command(), *(part for link in ports or ("tcp:127.0.0.1:0",) * 3 for part in ("--link", link))],
            self._log,
            stack,
            stdout=subprocess.PIPE,
        )
        self._process = process
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_S)
        if not ready:
            raise TooLateError(f"the stand-in autopilot did not start; see {self._log}")
        line = process.stdout.readline()
        try:
            self.links = Links(*json.loads(line)["links"])
        except (ValueError, KeyError, TypeError):
            raise FlightError(f"the stand-in autopilot did not start; see {self._log}") from None

    def _command(self) -> list[str]:
        c = self._conditions
        options: dict[str, object] = {"airborne": c.height_m, "yaw": c.yaw_deg, "home": c.home, "seed": c.seed}
        command = [sys.executable, "-m", "sim.vehicle.autopilot", "--gust-mps", str(c.gust_mps)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        for name, pair in {"start": c.start_ne_m, "wind": c.wind}.items():
            command += [f"--{name}", *map(str, pair)]
        for name, value in {**PLND_PARAMETERS, **c.parameters}.items():
            command += ["--param", f"{name}={value}"]
        return command

    def hover(self, station: GroundStation) -> None:
        """It hovers since it started."""
        station.wait_for_autopilot(START_S)

    def order_landing(self, station: GroundStation, by: LandingOrder = LandingOrder.MODE) -> None:
        """LAND, AUTO or AUTO_RTL."""
        if by is not LandingOrder.MODE:
            station.upload_mission(landing_mission(self._conditions, self.home, counts_home=True))
        station.set_mode(LANDS_IN[by])

    def order_hover(self, station: GroundStation) -> None:
        """GUIDED."""
        station.set_mode(Mode.GUIDED)

    def hand_over(self, station: GroundStation) -> None:
        """LOITER, then GUIDED."""
        station.set_mode(Mode.LOITER)
        station.wait(MODE_S)
        station.set_mode(Mode.GUIDED)

    def hovering(self, station: GroundStation) -> bool:
        """In GUIDED."""
        return station.mode == Mode.GUIDED

    def die(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
