"""`touchdown bridge doctor`: can this autopilot be led to a landing target, and if not, why?

`session` talks, `parameters` reads and writes, `quality` measures the link, `rules` (with
`ardupilot` and `px4`, which are data) and `traps` judge, `test_target` and `latency` try it out,
`examination` puts them in order, `show` prints. Other programs use `Session`, `read_parameters`,
`write_parameters`, `examine` and `repair`.
"""

from __future__ import annotations

from firmware_bridge.doctor.parameters import (
    Parameter,
    ParameterError,
    Written,
    read_parameters,
    write_parameters,
)
from firmware_bridge.doctor.session import Session, tool_settings

__all__ = [
    "Parameter",
    "ParameterError",
    "Session",
    "Written",
    "read_parameters",
    "tool_settings",
    "write_parameters",
]
