"""The stand-in autopilot in a thread, on TCP links of its own, with a fast boot."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from sim.vehicle.autopilot import AutopilotConfig, StandInAutopilot
from sim.vehicle.autopilot.shell import Shell


@contextmanager
def stand_in(links=1, **config):
    """Gives (connection string, the pure autopilot); of several links the strings."""
    config = {"boot_ms": 100, "ready_after_ms": 200, **config}
    autopilot = StandInAutopilot(AutopilotConfig(**config))
    shell = Shell(autopilot, ["tcp:127.0.0.1:0"] * links)
    thread = threading.Thread(target=shell.run, name="stand-in", daemon=True)
    thread.start()
    try:
        yield shell.addresses[0] if links == 1 else shell.addresses, autopilot
    finally:
        shell.stop()
        thread.join(5)
