"""PX4 SITL with SIH, a quadrotor simulated inside PX4: no other simulator is needed.

Flown facts used here: its position takes some 35 s after boot and the pre-arm bit of SYS_STATUS says when; precision
landing starts by DO_SET_MODE auto/precland (4/9), while NAV_LAND and RTL of
1.15.4 ignore it; the truth is HIL_STATE_QUATERNION. Its SIH has a steady wind from 1.18 on, and none before. From 1.16
on the start is told in degrees and metres; 1.15 takes 1e-7 degrees, and no height.
"""

from __future__ import annotations

import fcntl
import math
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from firmware_bridge.dialect import mavlink
from sim.vehicle.autopilot_process import LandingOrder, Links, StartConditions
from sim.vehicle.failsafes import PX4_FAILSAFES
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.missions import landing_mission
from sim.vehicle.processes import START_S, FlightError, go_first, start_process
from sim.vehicle.sitl.binaries import find_simulator
from sim.vehicle.sitl.doctor import let_doctor_fix
from sim.vehicle.sitl.leash import leashed

MODEL = "sihsim_quadx"
GROUND_ALT_M = 32.34
"""SIH_LOC_H0 by default; PX4 1.15 takes latitude and longitude of the start from outside, not its height."""

MAIN_POSITION, MAIN_AUTO, SUB_LOITER, SUB_MISSION, SUB_PRECLAND = 3, 4, 3, 4, 9
LANDS_IN = {LandingOrder.MODE: SUB_PRECLAND, LandingOrder.MISSION: SUB_MISSION}
HEARD_S = 1.5
"""Sticks and a mode that last so long are heard of."""

INSTANCES = 10
READY_S = 120.0
CLIMB_S = 60.0
SETTLED_M, SETTLED_S = 1.0, 3.0
"""The estimator wanders by some decimetres, so the true height is met only roughly."""


class Px4Sitl:
    """PX4 with SIH, instance 0. The start is where SIH puts the vehicle; heading is north."""

    name = "px4"
    binds_everywhere = True
    failsafes = PX4_FAILSAFES

    def __init__(self, conditions: StartConditions, folder: Path) -> None:
        self.home = replace(conditions.home, alt_m=GROUND_ALT_M)
        self.links = Links("udpin:127.0.0.1:14540", "udp:127.0.0.1:19410", "udpin:127.0.0.1:14550")
        self._binary = find_simulator("px4")
        self._conditions = conditions
        self._folder = folder.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self._instance: int | None = None
        self._examined = False
        if conditions.gust_mps > 0:
            raise FlightError("PX4's SIH has no gusts: fly it with --gust-mps 0")
        if conditions.wind[0] > 0 and not has_wind(self._binary):
            raise FlightError(f"the SIH of {self._binary} has no wind, PX4 has it from 1.18 on: fly with --wind-mps 0")

    def start(self, stack: ExitStack) -> None:
        """See `AutopilotProcess`."""
        lat, lon = self.home.global_from_ned(*self._conditions.start_ne_m)
        scratch = self._folder / "px4"
        scratch.mkdir(parents=True, exist_ok=True)
        data = self._binary.parent.parent / "etc"
        if not (data / "init.d-posix" / "rcS").is_file():
            raise FlightError(f"{self._binary}: its start-up files are not in {data}")
        instance = self._instance = self._instance if self._instance is not None else _reserve_instance(stack)
        self.links = Links(
            f"udpin:127.0.0.1:{14540 + instance}", f"udp:127.0.0.1:{19410 + instance}", "udpin:127.0.0.1:14550"
        )
        options = ["-d", "-i", str(instance), "-s", "etc/init.d-posix/rcS", "-w", str(scratch), str(data)]
        place = start_place(data, lat, lon)
        self._process = start_process(
            leashed([str(self._binary), *options]),
            self._folder / "autopilot.log",
            stack,
            cwd=scratch,
            env={**os.environ, "PX4_SIM_MODEL": MODEL, **place},
        )
        go_first(self._process.pid)

    def hover(self, station: GroundStation) -> None:
        """With its parameters set, examined by the doctor, waits for the pre-arm check, and climbs to AUTO.LOITER."""
        station.wait_for_autopilot(START_S)
        assert self._instance is not None
        set_parameters(self._binary, self._instance, start_parameters(self._conditions))
        station.ask_for(mavlink.MAVLINK_MSG_ID_HIL_STATE_QUATERNION, 25.0)
        station.ask_for(mavlink.MAVLINK_MSG_ID_SYS_STATUS, 2.0)
        if not self._examined:
            let_doctor_fix(self.links.daemon, self._folder, station)
            self._examined = True
        deadline_s = time.monotonic() + READY_S
        while not (station.ready_to_arm and station.altitude_m is not None):
            if time.monotonic() > deadline_s:
                said = "; ".join(t.text for t in station.texts[-4:])
                raise FlightError(f"PX4 was not ready to arm within {READY_S:g} s: {said}")
            station.poll(0.1)
        self._take_off(station, deadline_s)
        self._climb(station)

    def _take_off(self, station: GroundStation, deadline_s: float) -> None:
        assert station.altitude_m is not None
        nan = math.nan
        top_m = station.altitude_m + self._conditions.height_m
        accepted = mavlink.MAV_RESULT_ACCEPTED
        while (
            station.try_command(mavlink.MAV_CMD_NAV_TAKEOFF, nan, 0, 0, nan, nan, nan, top_m) != accepted
            or station.try_command(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, 1) != accepted
        ):
            if time.monotonic() > deadline_s:
                raise FlightError("PX4 did not take off: command refused")
            station.wait(0.5)

    def _climb(self, station: GroundStation) -> None:
        deadline_s = time.monotonic() + CLIMB_S
        still_since_s = math.inf
        while True:
            station.poll(0.05)
            truth = station.truth
            near = truth is not None and abs(truth.height_m - self._conditions.height_m) < SETTLED_M
            if not near:
                still_since_s = math.inf
            else:
                still_since_s = min(still_since_s, station.boot_s)
                if station.boot_s - still_since_s > SETTLED_S and self.hovering(station):
                    return
            if time.monotonic() > deadline_s:
                at = "nowhere" if truth is None else f"{truth.height_m:.1f} m"
                raise FlightError(f"PX4 is at {at}, not hovering at {self._conditions.height_m:g} m")

    def order_landing(self, station: GroundStation, by: LandingOrder = LandingOrder.MODE) -> None:
        """AUTO.PRECLAND or AUTO.MISSION."""
        if by not in LANDS_IN:
            raise FlightError(f"px4: no {by.value} is known here")
        if by is LandingOrder.MISSION:
            station.upload_mission(landing_mission(self._conditions, self.home, counts_home=False))
        station.set_mode(MAIN_AUTO, LANDS_IN[by])

    def order_hover(self, station: GroundStation) -> None:
        """AUTO.LOITER."""
        station.set_mode(MAIN_AUTO, SUB_LOITER)

    def hand_over(self, station: GroundStation) -> None:
        """POSCTL with the sticks of a joystick in their middle, as it needs some, then AUTO.LOITER."""
        station.joystick = True
        station.wait(HEARD_S)
        station.set_mode(MAIN_POSITION)
        station.wait(HEARD_S)
        self.order_hover(station)

    def hovering(self, station: GroundStation) -> bool:
        """In AUTO.LOITER."""
        return station.mode == MAIN_AUTO << 16 | SUB_LOITER << 24

    def die(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


WIND_PARAMETERS = ("SIH_WIND_N", "SIH_WIND_E")


def has_wind(binary: Path) -> bool:
    """Return whether this PX4's SIH has a wind: its parameters' names stand in the program."""
    return all(name.encode() in binary.read_bytes() for name in WIND_PARAMETERS)


def start_parameters(conditions: StartConditions) -> dict[str, float]:
    """Return the parameters of a flight: a start's own, and the wind's."""
    return {**conditions.parameters, **wind_parameters(*conditions.wind)}


def wind_parameters(speed_mps: float, from_deg: float) -> dict[str, float]:
    """Return the parameters of a steady wind; SIH's say where it comes from."""
    if speed_mps <= 0.0:
        return {}
    parts = (speed_mps * math.cos(math.radians(from_deg)), speed_mps * math.sin(math.radians(from_deg)))
    return dict(zip(WIND_PARAMETERS, parts, strict=True))


def set_parameters(binary: Path, instance: int, parameters: Mapping[str, float]) -> None:
    """Set parameters of a running PX4 by its own shell: 1.15's start-up files take none from the environment.

    Raises:
        FlightError: PX4 does not take one of them.
    """
    for name, value in parameters.items():
        # Under a name that begins so the program is a client of the one that runs
        shell = ["px4-param", "--instance", str(instance), "set", name, f"{value:.6g}"]
        try:
            told = subprocess.run(
                shell, executable=binary, capture_output=True, text=True, timeout=START_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise FlightError(f"PX4 did not answer to parameter {name} = {value:g} within {START_S:g} s") from None
        if told.returncode != 0:
            said = " ".join((told.stdout + told.stderr).split()) or f"exit status {told.returncode}"
            raise FlightError(f"PX4 does not take parameter {name} = {value:g}: {said}")


def start_place(data: Path, lat_deg: float, lon_deg: float) -> dict[str, str]:
    """The environment that tells SIH where it starts, in the units of the start-up files in `data`."""
    scripts = (data / "init.d-posix").glob("px4-rc.*")
    if any("SIH_LOC_H0" in script.read_text("utf-8", "replace") for script in scripts):
        return {"PX4_HOME_LAT": f"{lat_deg:.7f}", "PX4_HOME_LON": f"{lon_deg:.7f}", "PX4_HOME_ALT": f"{GROUND_ALT_M:g}"}
    return {"PX4_HOME_LAT": str(round(lat_deg * 1e7)), "PX4_HOME_LON": str(round(lon_deg * 1e7))}


_reserving = threading.Lock()
_reserved: set[int] = set()


def _reserve_instance(stack: ExitStack) -> int:
    """An instance number, until the stack unwinds; PX4 keeps locks and sockets by it in /tmp.

    Raises:
        FlightError: All are taken.
    """
    with _reserving:
        for instance in range(INSTANCES):
            if instance not in _reserved and not _is_locked(Path(f"/tmp/px4_lock-{instance}")):
                _reserved.add(instance)
                stack.callback(_reserved.discard, instance)
                return instance
    raise FlightError(f"{INSTANCES} PX4 run on this machine already")


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+b") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
