"""The simulated camera: the picture of a world from a pose, the sensor's faults, and a process that delivers frames."""

from __future__ import annotations

from sim.camera.render import STILL, Motion, render

__all__ = ["STILL", "Motion", "render"]
