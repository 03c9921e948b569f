"""ArduPilot Copter SITL: one binary and one parameter file, flown to where a landing begins.

It finds its position (41 s after boot) and climbs at `WARM_UP_SPEEDUP` times real time; before the landing SIM_SPEEDUP
is set to 1 again, as doctor, camera and daemon live in real time. Flown facts used here: it is silent until asked for
messages, and PREARM is good before there is a position, so arming is tried until it is accepted. The parameters of
precision landing are not in the file: our own doctor sets them on the running autopilot and reboots it, as on a real
vehicle.
"""

from __future__ import annotations

import math
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from firmware_bridge.dialect import mavlink
from sim.vehicle import WIND_FULL_HEIGHT_M
from sim.vehicle.autopilot_process import LandingOrder, Links, StartConditions
from sim.vehicle.failsafes import ARDUPILOT_FAILSAFES
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.missions import landing_mission
from sim.vehicle.processes import START_S, FlightError, go_first, start_process
from sim.vehicle.sitl.binaries import find_simulator
from sim.vehicle.sitl.doctor import let_doctor_fix
from sim.vehicle.sitl.leash import leashed
from sim.vehicle.standin import RANGEFINDER

AUTO, GUIDED, LAND, BRAKE, AUTO_RTL = 3, 4, 9, 17, 27
LANDS_IN = {LandingOrder.MODE: LAND, LandingOrder.MISSION: AUTO, LandingOrder.MISSION_HOME: AUTO_RTL}
HEARD_S = 1.5
"""A mode that lasts so long is told by a heartbeat."""
WARM_UP_SPEEDUP = 10.0
READY_S = 60.0
"""Real time for boot, position estimate and climb; some 12 s on an idle machine."""

SETTLED_M, SETTLED_MPS, SETTLED_S = 0.4, 0.25, 1.0

VEHICLE: dict[str, float] = {
    # A quadrotor whose sensors count as calibrated, without a radio: nothing of it is about us.
    "FRAME_CLASS": 1,
    "FRAME_TYPE": 0,
    "FS_THR_ENABLE": 0,
    "BATT_MONITOR": 0,
    "ARMING_CHECK": 1,
    **{f"COMPASS_OFS{n}_{axis}": value for n in ("", 2, 3) for axis, value in (("X", 5), ("Y", 13), ("Z", -18))},
    **{f"INS_ACC{n}OFFS_{axis}": 0.001 for n in ("", 2) for axis in "XYZ"},
    **{f"INS_ACC{n}SCAL_{axis}": 1.001 for n in ("", 2) for axis in "XYZ"},
    "MOT_THST_EXPO": 0.65,
    "MOT_THST_HOVER": 0.39,
    "ATC_RAT_YAW_P": 0.3,
    "ATC_RAT_YAW_I": 0.02,
    "LOG_BACKEND_TYPE": 0,
    # Pitch and roll of a gimbal, where MNT1_TYPE says that there is one.
    "SERVO9_FUNCTION": 7,
    "SERVO10_FUNCTION": 8,
}


RANGEFINDER_IN_METRES = {name.removesuffix("_CM"): 0.01 * v for name, v in RANGEFINDER.items() if name.endswith("_CM")}
"""The same limits by their names from 4.7 on. A file of defaults may name what a version has not: it is passed over."""


class ArduPilotSitl:
    """Copter SITL. The world's NED zero is `StartConditions.home`; SITL's own home is the start."""

    name = "ardupilot"
    binds_everywhere = True
    failsafes = ARDUPILOT_FAILSAFES

    def __init__(self, conditions: StartConditions, folder: Path) -> None:
        self.home = conditions.home
        self.links = Links("tcp:127.0.0.1:5762", "tcp:127.0.0.1:5763", "tcp:127.0.0.1:5760")
        self._binary = find_simulator("ardupilot")
        self._conditions = conditions
        self._folder = folder.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self._examined = False

    def start(self, stack: ExitStack) -> None:
        """See `AutopilotProcess`."""
        c = self._conditions
        scratch = self._folder / "sitl"
        scratch.mkdir(parents=True, exist_ok=True)
        defaults = scratch / "flight.parm"
        lines = [f"{name} {value:g}" for name, value in self._parameters().items()]
        defaults.write_text("\n".join(lines) + "\n", "utf-8")
        lat, lon = c.home.global_from_ned(*c.start_ne_m)
        start = f"{lat:.9f},{lon:.9f},{c.home.alt_m},{c.yaw_deg % 360.0}"
        options = ["--model", "+", "--speedup", "1", "--home", start, "--defaults", str(defaults)]
        command = leashed([str(self._binary), *options, *(() if self._examined else ("-w",))])
        self._process = start_process(command, self._folder / "autopilot.log", stack, cwd=scratch)
        go_first(self._process.pid)
        self._wait_for_port(int(self.links.pilot.rpartition(":")[2]))

    def _parameters(self) -> dict[str, float]:
        c = self._conditions
        return {
            **VEHICLE,
            **RANGEFINDER,
            **RANGEFINDER_IN_METRES,
            "SIM_WIND_SPD": c.wind[0],
            "SIM_WIND_DIR": c.wind[1],
            "SIM_WIND_TURB": c.gust_mps,
            "SIM_WIND_T_ALT": WIND_FULL_HEIGHT_M,
            **c.parameters,
        }

    def _wait_for_port(self, port: int) -> None:
        """Waits until the simulator listens, by looking: a connection would be its first client."""
        listening = f":{port:04X} 00000000:0000 0A"
        deadline_s = time.monotonic() + START_S
        while listening not in Path("/proc/thread-self/net/tcp").read_text("ascii"):
            if self._process is None or self._process.poll() is not None:
                raise FlightError(f"{self._binary} ended at once; see {self._folder / 'autopilot.log'}")
            if time.monotonic() > deadline_s:
                raise FlightError(f"{self._binary} does not listen on port {port}")
            time.sleep(0.05)

    def hover(self, station: GroundStation) -> None:
        """Examined by the doctor, arms as soon as it is let, climbs, and slows to real time."""
        station.wait_for_autopilot(START_S)
        if not self._examined:
            let_doctor_fix(self.links.daemon, self._folder, station)
            self._examined = True
            station.wait_for_autopilot(START_S)
        station.set_parameter("SIM_SPEEDUP", WARM_UP_SPEEDUP)
        station.ask_for(mavlink.MAVLINK_MSG_ID_ATTITUDE, 10.0)
        station.ask_for(mavlink.MAVLINK_MSG_ID_SIM_STATE, 25.0)
        deadline_s = time.monotonic() + READY_S
        while not self._taken_off(station):
            if time.monotonic() > deadline_s:
                said = "; ".join(t.text for t in station.texts[-4:])
                raise FlightError(f"ArduPilot did not take off within {READY_S:g} s: {said}")
            station.wait(0.2)
        self._climb(station, deadline_s)
        station.set_parameter("SIM_SPEEDUP", 1.0)
        station.wait(SETTLED_S)

    def _taken_off(self, station: GroundStation) -> bool:
        """One try: GUIDED, arm, take off. It refuses for as long as it has no position."""
        accepted = mavlink.MAV_RESULT_ACCEPTED
        mode = station.try_command(mavlink.MAV_CMD_DO_SET_MODE, mavlink.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, GUIDED)
        if mode != accepted or station.try_command(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1) != accepted:
            return False
        height_m = self._conditions.height_m
        take_off = station.try_command(mavlink.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, height_m)
        return bool(take_off == accepted)

    def _climb(self, station: GroundStation, deadline_s: float) -> None:
        """Until it hovers at its height."""
        wanted_m = self._conditions.height_m
        still_since_s = math.inf
        while True:
            station.poll(0.02)
            truth = station.truth
            near = truth is not None and abs(truth.height_m - wanted_m) < SETTLED_M
            if not near or station.truth_speed_mps > SETTLED_MPS + self._conditions.gust_mps:
                still_since_s = math.inf
            else:
                still_since_s = min(still_since_s, station.boot_s)
                if station.boot_s - still_since_s > SETTLED_S:
                    return
            if time.monotonic() > deadline_s:
                at = "nowhere" if truth is None else f"{truth.height_m:.1f} m"
                raise FlightError(f"ArduPilot is at {at}, not hovering at {wanted_m:g} m")

    def order_landing(self, station: GroundStation, by: LandingOrder = LandingOrder.MODE) -> None:
        """LAND, AUTO or AUTO_RTL."""
        if by is not LandingOrder.MODE:
            station.upload_mission(landing_mission(self._conditions, self.home, counts_home=True))
        station.set_mode(LANDS_IN[by])

    def order_hover(self, station: GroundStation) -> None:
        """GUIDED."""
        station.set_mode(GUIDED)

    def hand_over(self, station: GroundStation) -> None:
        """BRAKE, which hovers without a transmitter, then GUIDED: a mode that it took off in is no order."""
        station.set_mode(BRAKE)
        station.wait(HEARD_S)
        self.order_hover(station)

    def hovering(self, station: GroundStation) -> bool:
        """In GUIDED."""
        return station.mode == GUIDED

    def die(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
