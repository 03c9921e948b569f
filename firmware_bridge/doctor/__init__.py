"""`touchdown bridge doctor`: can this autopilot be led to a landing target, and if not, why?

`session` talks, `parameters` reads and writes, `quality` measures the link, `rules` (with `ardupilot` and `px4`, which
are data) and `pitfalls` judge, `latency` and `trial` try it out, `examination` puts them in order, `show` prints,
`command` is the command. Other programs use:

    with Session(tool_settings("tcp:127.0.0.1:5760")) as session:
        report = examine(session, listen_s=0)      # what is, what should be, why repair(session, report)
        # writes and reads back, never while armed write_parameters(session, {"PLND_LAG": 0.05})
        reboot(session)
"""

from __future__ import annotations

from firmware_bridge.doctor.boot import reboot
from firmware_bridge.doctor.examination import Examination, Repair, examine, repair
from firmware_bridge.doctor.findings import DoctorFinding, Level, ParameterChange
from firmware_bridge.doctor.parameters import (
    AutopilotParameter,
    ParameterError,
    WrittenParameter,
    read_parameters,
    write_parameters,
)
from firmware_bridge.doctor.session import Session, tool_settings

__all__ = [
    "AutopilotParameter",
    "DoctorFinding",
    "Examination",
    "Level",
    "ParameterChange",
    "ParameterError",
    "Repair",
    "Session",
    "WrittenParameter",
    "examine",
    "read_parameters",
    "reboot",
    "repair",
    "tool_settings",
    "write_parameters",
]
