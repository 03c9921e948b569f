"""The stand-in autopilot in a thread, on a TCP link of its own, with a fast boot."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from sim.vehicle.autopilot import AutopilotConfig, StandInAutopilot
from sim.vehicle.autopilot.shell import Shell


@contextmanager
def stand_in(**config):
    """Gives (connection string, the pure autopilot)."""
    config = {"boot_ms": 100, "ready_after_ms": 200, **config}
    autopilot = StandInAutopilot(AutopilotConfig(**config))
    shell = Shell(autopilot, ["tcp:127.0.0.1:0"])
    thread = threading.Thread(target=shell.run, name="stand-in", daemon=True)
    thread.start()
    try:
        yield shell.addresses[0], autopilot
    finally:
        shell.stop()
        thread.join(5)
