"""Findings of `edge check` on the camera's view, on what ground stations have set, and on what a start opens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from edge.config import EdgeConfig
from edge.finding import Finding
from edge.parameters import ENABLE, LIMITS, read_kept
from edge.resolved import ResolvedFlight
from edge.web.access import Access, read_token
from firmware_bridge.signing import SigningKey
from landing.camera import CameraModel
from landing.distribution import install_command
from landing.errors import TouchdownError
from landing.problems import Problem
from landing.types import ByteArray, Pose

MOST_ROUGH = 2.0
"""Change from row to row over that from column to column. 60 aerial photographs have 0.75 to 1.21, and 3.0 or more
with width and height exchanged."""


def is_exchanged(image: ByteArray) -> bool:
    """Tell whether raw pixels are read with width and height exchanged: rows belong together only the other way round.

    Args:
        image: Shape (height, width, 3).
    """
    height, width = image.shape[:2]
    turned = np.ascontiguousarray(image).reshape(width, height, 3)
    return _roughness(image) > MOST_ROUGH > _roughness(turned)


def _roughness(image: ByteArray) -> float:
    green = image[..., 1].astype(np.float32)
    down, across = (float(np.abs(np.diff(green, axis=axis)).mean()) for axis in (0, 1))
    return down / max(across, 1e-3)


def view(camera: CameraModel) -> Finding | None:
    """Say that a fixed camera does not show the ground straight below; None where it does, or a gimbal points it."""
    if camera.mount.gimbal:
        return None
    level = Pose(0, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    u, v = camera.pixel_from_ned(camera.centre_ned_m(level) + np.array([[0.0, 0.0, 10.0]]), level)[0]
    if 0 <= u < camera.width_px and 0 <= v < camera.height_px:
        return None
    text = (
        f"the picture does not show what is straight below the vehicle (camera.mount.pitch_deg = "
        f"{camera.mount.pitch_deg:g}, roll_deg = {camera.mount.roll_deg:g}): nobody below it would be seen; a camera "
        "that looks straight down has pitch_deg = -90, in degrees, and roll_deg = 0"
    )
    return Finding("view", False, text, problem=Problem.GIMBAL)


def kept(config: EdgeConfig, flight: ResolvedFlight) -> Finding | None:
    """Say which settings that fly a ground station has set, and that it has switched targets off; None for none."""
    path = config.expert.link.parameters
    off = read_kept(path).get(ENABLE) == 0.0
    changed = {limit.name: limit.of(flight) for limit in LIMITS if limit.name in flight.sources.values()}
    if not off and not changed:
        return None
    words = [f"{name} = {value:g}" for name, value in changed.items()]
    words += [f"{ENABLE} = 0: no target and no command is sent until it is 1"] if off else []
    text = f"set by a ground station and kept in {path}: {'; '.join(words)}"
    return Finding("kept", True, text, warning=off, problem=Problem.CONFIGURATION if off else None)


def start(config: EdgeConfig) -> Finding | None:
    """Say what `edge serve` could not open as it starts; None where all is there."""
    problems = list(_unopened(config))
    if not problems:
        return None
    return Finding("start", False, "; ".join(problems), problem=Problem.CONFIGURATION)


def _unopened(config: EdgeConfig) -> Iterator[str]:
    key, preview = config.link.signing_key, config.preview
    try:
        if key is not None:
            SigningKey.read(key)
        if preview.enabled:
            token = None if preview.token_file is None else read_token(preview.token_file)
            Access(preview.address[0], token)
    except TouchdownError as error:
        yield str(error)
    if config.ros2.enabled and find_spec("cyclonedds") is None:
        yield f"[ros2] enabled: cyclonedds is missing; {install_command('ros2')}"
    if config.log.events is not None:
        yield from _unwritable("log.events", config.log.events, is_folder=False)
    if config.recorder.enabled:
        yield from _unwritable("recorder.folder", config.recorder.folder, is_folder=True)


def _unwritable(name: str, path: Path, is_folder: bool) -> Iterator[str]:
    """Give the reason why a file or folder cannot be written, nothing where it can; nothing is made."""
    found = next((part for part in (path, *path.parents) if os.access(part, os.F_OK)), path)
    if (is_folder or found != path) and not found.is_dir():
        yield f"{name} {path} cannot be written: {found} is no folder"
    elif not is_folder and found == path and found.is_dir():
        yield f"{name} {path} cannot be written: it is a folder"
    elif not os.access(found, os.W_OK):
        yield f"{name} {path} cannot be written: {found} is not ours to write to"
