"""`deploy wheels`: collecting what a drone needs, from here, whatever its processor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.errors import BundleError
from deploy.manifest import Target
from deploy.requirements import EXTRA, missing
from deploy.wheels import Wheel, read_wheelhouse
from landing.distribution import DISTRIBUTION

_PIP_NAMES = {"x86-64": "x86_64", "aarch64": "aarch64"}
_GLIBC = range(17, 36)
"""Minor versions of glibc 2 whose wheels are taken: JetPack 6 (Ubuntu 22.04) has 2.35."""

_MOST_ROUNDS = 8
"""Of finding out what is missing: requirements of requirements of requirements."""


def collect(project: Path, target: Target, out: Path) -> list[Wheel]:
    """Fills a folder with our wheel and all it needs, for a machine that need not be this one.

    Args:
        project: Wheel of touchdown, or its source folder.
        target: What they are to run on.
        out: Folder; wheels that are there are kept if they fit.

    Raises:
        BundleError: pip finds no wheel for that machine; says which.
    """
    # pip takes a name that is no path for a package of the index, and would build a stranger's.
    source = _project_of(project.resolve())
    out.mkdir(parents=True, exist_ok=True)
    if any(out.glob("*.whl")):
        raise BundleError(f"--out {out} holds wheels already: empty it, or choose another folder")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheel = source
    if source.is_dir():
        _pip([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(source)])
        wheel = next(out.glob(f"{DISTRIBUTION.replace('-', '_')}-*.whl")).resolve()
    machine = _PIP_NAMES[target.architecture]
    words = [*pip, "download", "--quiet", "--dest", str(out), "--only-binary=:all:"]
    words += ["--python-version", target.python, "--implementation", "cp"]
    words += ["--abi", f"cp{target.python.replace('.', '')}", "--abi", "abi3", "--abi", "none"]
    for minor in reversed(_GLIBC):
        words += ["--platform", f"manylinux_2_{minor}_{machine}"]
    words += ["--platform", f"manylinux2014_{machine}", "--platform", f"linux_{machine}"]
    _pip([*words, f"{wheel}[{EXTRA}]"])
    for _ in range(_MOST_ROUNDS):
        wheels = read_wheelhouse(out, target)[0]
        needed = missing(wheels, target)
        if not needed:
            return wheels
        _pip([*words, "--no-deps", *needed])
    raise BundleError(f"--out {out}: still missing after {_MOST_ROUNDS} rounds: {needed[0]}")


def _project_of(path: Path) -> Path:
    """Our own wheel or source, and nobody else's."""
    if path.suffix == ".whl" and path.is_file() and Wheel.of(path).name == DISTRIBUTION:
        return path
    project = path / "pyproject.toml"
    if project.is_file() and f'name = "{DISTRIBUTION}"' in project.read_text("utf-8").splitlines():
        return path
    raise BundleError(
        f"--project {path}: expected a wheel of {DISTRIBUTION}, or the folder of its source with pyproject.toml"
    )


def _pip(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or [done.stderr]
        raise BundleError(
            f"pip: {lines[-1].removeprefix('ERROR: ').strip()[:300]}. Is there a wheel for that "
            "architecture and Python?"
        )
