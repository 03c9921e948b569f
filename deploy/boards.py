"""Machines that bundles and wheels are made for, by the names of `--target`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.manifest import Architecture  # pydantic, which `--help` does without


@dataclass(frozen=True)
class Board:
    """A machine, and what it needs.

    Attributes:
        architecture: Of its processor.
        python: Of its system, as ``3.11``; empty where systems differ.
        runtimes: Extras of ours that its wheels bring beside the base.
        has_tensorrt: Whether an engine can be built there.
        npus: Chips that it has or may have, by their names in model files.
    """

    architecture: Architecture
    python: str = ""
    runtimes: tuple[str, ...] = ()
    has_tensorrt: bool = True
    npus: tuple[str, ...] = ()


_HAILO = ("hailo8", "hailo8l", "hailo10h")
"""Accelerators on cards; a Hailo-15H is a computer itself."""

BOARDS: Mapping[str, Board] = {
    "aarch64": Board("aarch64", npus=(*_HAILO, "hailo15h")),
    "x86-64": Board("x86-64", npus=_HAILO),
    "jetson-jp6": Board("aarch64", "3.10"),
    "jetson-jp7": Board("aarch64", "3.12"),
    "pi5": Board("aarch64", "3.11", ("ncnn",), has_tensorrt=False, npus=_HAILO),
    "rk3588": Board("aarch64", "3.11", has_tensorrt=False, npus=("rk3588",)),
    "rk3576": Board("aarch64", "3.11", has_tensorrt=False, npus=("rk3576",)),
    "rk3566": Board("aarch64", "3.11", has_tensorrt=False, npus=("rk3566",)),
}
RUNTIMES = ("ncnn", "openvino")
"""Extras that bring a runtime in wheels."""
