"""Touchdown: segment the ground, choose a clean landing site, send it to the flight controller.

The names listed here are the public Python API. Everything else, in this package and in the packages beside it, may
change in any version. A name is imported when it is first used, so that importing this package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

from landing.distribution import VERSION as __version__

if TYPE_CHECKING:
    from landing.camera import CameraModel, Mount
    from landing.errors import TouchdownError
    from landing.site import LandingSite, NoSite, NoSiteReason
    from landing.types import Frame, Pose, Segmentation
    from touchdown.api import Answer, Model, load_model
    from touchdown.flights import FlightRecording, RecordedDecision, read_recording
    from touchdown.streams import FrameStream, open_stream

__all__ = [
    "Answer",
    "CameraModel",
    "FlightRecording",
    "Frame",
    "FrameStream",
    "LandingSite",
    "Model",
    "Mount",
    "NoSite",
    "NoSiteReason",
    "Pose",
    "RecordedDecision",
    "Segmentation",
    "TouchdownError",
    "__version__",
    "load_model",
    "open_stream",
    "read_recording",
]

_HOMES = {
    "landing.camera": ("CameraModel", "Mount"),
    "landing.errors": ("TouchdownError",),
    "landing.site": ("LandingSite", "NoSite", "NoSiteReason"),
    "landing.types": ("Frame", "Pose", "Segmentation"),
    "touchdown.api": ("Answer", "Model", "load_model"),
    "touchdown.flights": ("FlightRecording", "RecordedDecision", "read_recording"),
    "touchdown.streams": ("FrameStream", "open_stream"),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, for shells and editors."""
    return sorted(__all__)
