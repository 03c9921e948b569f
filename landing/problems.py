"""Codes of what can go wrong, one for each kind of remedy; an error's line ends with the way to it.

A code keeps its meaning for ever: logs, tickets and pages name it. `touchdown/problems.toml` says for each what to do,
and `docs/troubleshooting/errors.md` is made of it. A new kind takes the next free number; no number is given twice.
"""

from __future__ import annotations

import re
from enum import Enum

_CARRIED = re.compile(r"\[touchdown explain TD-\d{3}\]")


class Problem(str, Enum):
    """A kind of trouble, by its code."""

    # The command and this machine
    VALUE = "TD-101"
    FILE = "TD-102"
    NOT_INSTALLED = "TD-103"
    MEMORY = "TD-104"
    SSH = "TD-105"
    FAULT = "TD-199"
    # Configuration
    CONFIGURATION = "TD-201"
    IN_USE = "TD-202"
    TAXONOMY = "TD-203"
    NOT_ENDING = "TD-204"
    # Model
    MODEL = "TD-301"
    GATE = "TD-302"
    RUNTIME = "TD-303"
    ENGINE = "TD-304"
    SLOW = "TD-305"
    # Camera
    CAMERA = "TD-401"
    CAMERA_SILENT = "TD-402"
    CAMERA_OTHER = "TD-403"
    VIEW = "TD-404"
    PICTURE = "TD-405"
    CALIBRATION = "TD-406"
    GIMBAL = "TD-407"
    # Link to the autopilot
    LINK = "TD-501"
    LINK_SILENT = "TD-502"
    LINK_QUALITY = "TD-503"
    PARAMETER = "TD-504"
    PITFALL = "TD-505"
    LATENCY = "TD-506"
    TARGET = "TD-507"
    ARMED = "TD-508"
    SIGNING = "TD-509"
    SECOND_SENDER = "TD-510"
    # No site, no target
    NO_FRAME = "TD-601"
    NO_POSE = "TD-602"
    NO_HEIGHT = "TD-603"
    HEIGHT = "TD-604"
    TOO_HIGH = "TD-605"
    TILT = "TD-606"
    NOT_IN_VIEW = "TD-607"
    NOT_CONFIDENT = "TD-608"
    NOTHING_LANDABLE = "TD-609"
    TOO_SMALL = "TD-610"
    SITE_LOST = "TD-611"
    INTRUDER = "TD-612"
    FRAME_MOVED = "TD-613"
    BAD_PICTURE = "TD-614"
    PICTURE_MOTION = "TD-615"
    NOT_FLAT = "TD-616"
    RELIEF_NOT_KNOWN = "TD-617"
    # Data and training
    DATA = "TD-701"
    DIVERGED = "TD-702"
    NO_CHECKPOINT = "TD-703"
    RECORDING = "TD-704"
    # Bundles
    BUNDLE = "TD-801"
    INSTALL = "TD-802"
    # Simulation
    CAMPAIGN = "TD-901"
    FLIGHT = "TD-902"
    SIMULATOR = "TD-903"


def with_code(text: str, code: str) -> str:
    """Return a text that ends with the way to its code; one that holds another program's code already stays."""
    return text if _CARRIED.search(text) else f"{text} [touchdown explain {code}]"
