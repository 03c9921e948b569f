"""uv for tests: environments in seconds, from the index and from the folders that pip looks into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def oldest_python() -> str:
    """The oldest supported Python that is here: 3.10 on the path or of pyenv, else the one that runs."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in (shutil.which("python3.10"), *sorted(pyenv.glob("3.10.*/bin/python3.10"))):
        if found and not subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
            return str(found)
    return sys.executable


def uv(*words: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Runs uv; fails with what it said."""
    program = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program is not None, 'uv is not installed: pip install -e ".[dev]"'
    environ = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "UV_NO_CONFIG": "1", **environment}
    if "PIP_FIND_LINKS" in environ:
        environ.setdefault("UV_FIND_LINKS", environ["PIP_FIND_LINKS"].replace(" ", ","))
    done = subprocess.run(
        [program, *map(str, words)], cwd=cwd, env=environ, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment(home: Path, *wanted: str | Path, python: str = sys.executable) -> Path:
    """Makes a virtual environment with what `uv pip install` is told to put in; its Python."""
    uv("venv", "--quiet", "--python", python, home)
    uv("pip", "install", "--quiet", "--python", home / "bin" / "python", *wanted)
    return home / "bin" / "python"


def run(words: list[str | Path], cwd: Path, **environ: str) -> str:
    """Runs a program of such an environment; fails with what it said."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


IMPORT_ALL = """
import importlib, json, pkgutil, sys
names, without = [], set(sys.argv[2].split(","))
for package in sys.argv[1].split(","):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not found.name.endswith("__main__") and found.name not in without:
            importlib.import_module(found.name)
            names.append(found.name)
print(json.dumps({"count": len(names), "loaded": sorted(sys.modules)}))
"""
"""Imports every module of packages, but for some, and prints what was loaded."""

DRAWING = ("sim.campaign.pictures", "sim.campaign.plots", "sim.campaign.replay", "sim.campaign.report")
"""Modules of the simulator that the extra `campaign` is for."""

NODE = (
    *("edge.cameras.ros2", "edge.dds.graph", "edge.dds.messages"),
    *("edge.ros.answers", "edge.ros.calibration", "edge.ros.publisher"),
)
"""Modules that the extra `ros2` is for."""

FLIES = ("landing", "firmware_bridge", "edge", "touchdown", "sim")
"""Packages that the base installation runs."""
