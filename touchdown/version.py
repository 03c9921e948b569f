"""Version of the program and of the runtimes that are installed, told without importing one."""

from __future__ import annotations

import importlib.util
import platform
from importlib.metadata import PackageNotFoundError, version

from landing.distribution import VERSION

RUNTIMES = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
    "openvino": ("openvino",),
    "ncnn": ("ncnn",),
    "tensorrt": ("tensorrt", "tensorrt-cu12", "tensorrt-cu13", "tensorrt-lean"),
    "tensorrt_rtx": ("tensorrt-rtx",),
    "torch": ("torch",),
}
"""Names of distributions by the package that they bring."""


def version_text() -> str:
    """Return the lines of `touchdown --version`."""
    lines = [f"touchdown {VERSION}", f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"]
    return "\n".join([*lines, *(f"{name} {found}" for name, found in runtimes().items())])


def runtimes() -> dict[str, str]:
    """Return the version of each runtime; ``not installed``, or ``version not known`` for one without metadata."""
    return {name: _version(name, distributions) for name, distributions in RUNTIMES.items()}


def _version(name: str, distributions: tuple[str, ...]) -> str:
    found = [text for distribution in distributions if (text := _of_distribution(distribution))]
    if found:
        return found[0]
    try:
        there = importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        there = False
    return "version not known" if there else "not installed"


def _of_distribution(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
