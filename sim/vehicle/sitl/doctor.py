"""`touchdown bridge doctor --fix` on a simulated autopilot, before it takes off."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from landing.errors import LinkError
from sim.vehicle.ground_station import GroundStation
from sim.vehicle.processes import FlightError, start_process

TIMEOUT_S = 60.0
ERRORS, BAD_CONFIG = 2, 78


def let_doctor_fix(link: str, folder: Path, station: GroundStation) -> dict[str, Any]:
    """Has our own doctor set the parameters of a precision landing, and reboot where needed.

    Args:
        link: Connection string that nobody else uses meanwhile.
        folder: Takes the doctor's report, `doctor.json`.
        station: The pilot's link. It is kept alive meanwhile and opened again after the reboot: ArduPilot's simulator
            boots only once its first port has a client.

    Returns:
        The report.

    Raises:
        FlightError: The doctor found an error that it could not mend.
    """
    report, log = folder / "doctor.json", folder / "doctor.log"
    with ExitStack() as stack:
        out = stack.enter_context(report.open("wb"))
        doctor = [sys.executable, "-m", "touchdown", "bridge", "doctor", "--link", link]
        options = ["--fix", "--reboot", "--listen", "0", "--json"]
        process = start_process([*doctor, *options], log, stack, stdout=out.fileno())
        _keep_alive_while(process, station)
    if process.returncode in (ERRORS, BAD_CONFIG):
        raise FlightError(f"touchdown bridge doctor ended with {process.returncode}; see {report} and {log}")
    return dict(json.loads(report.read_text("utf-8")))


def _keep_alive_while(process: subprocess.Popen[bytes], station: GroundStation) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while process.poll() is None:
        if time.monotonic() > deadline_s:
            raise FlightError(f"touchdown bridge doctor took more than {TIMEOUT_S:g} s")
        try:
            station.poll(0.05)
        except LinkError:
            station.open()
