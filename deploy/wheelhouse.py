"""Wheels for a machine that is not this one: uv resolves for it, pip downloads.

pip alone reads the conditions of requirements (``; python_version < "3.11"``) for the Python it runs in, so it would
leave out what another Python needs. uv reads them for the target.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.errors import BundleError
from deploy.manifest import Target
from deploy.wheels import Wheel, read_wheelhouse, this_machine
from landing.distribution import DISTRIBUTION
from landing.errors import last_lines
from landing.progress import Progress

EXTRA = "deploy"
"""Of our own wheel: a drone installs bundles itself. Runtimes are further ones."""

_MACHINES = {"x86-64": "x86_64", "aarch64": "aarch64"}
_GLIBC = 35
"""Minor version of glibc 2 up to which wheels are taken: that of JetPack 6 (Ubuntu 22.04)."""

_TIMEOUT_S = 1800.0


def collect(project: Path, target: Target, out: Path, runtimes: Sequence[str] = ()) -> list[Wheel]:
    """Fills a folder with our wheel (or one made of its source folder) and all it needs on a target.

    Args:
        project: Our wheel, or its source.
        target: Machine they are for.
        out: Folder to fill.
        runtimes: Extras whose packages come along.

    Raises:
        BundleError: There is no wheel for that machine; says which.
    """
    source = _own(project.resolve())
    out.mkdir(parents=True, exist_ok=True)
    if any(out.glob("*.whl")):
        raise BundleError(f"--out {out} holds wheels already: empty it, or choose another folder")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory(prefix="touchdown-wheels-") as scratch:
        wheel = source
        if source.is_dir():
            _run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", scratch, str(source)], "pip")
            (wheel,) = Path(scratch).glob("*.whl")
        pinned = Path(scratch) / "pinned.txt"
        pinned.write_text(_resolved(f"{_ours(runtimes)} @ {wheel.as_uri()}", target, []))
        words = [*pip, "download", "--quiet", "--no-deps", "--dest", str(out), "--only-binary=:all:"]
        words += ["--python-version", target.python, "--implementation", "cp"]
        words += ["--abi", f"cp{target.python.replace('.', '')}", "--abi", "abi3", "--abi", "none"]
        machine = _MACHINES[target.architecture]
        for tag in (*(f"manylinux_2_{minor}" for minor in range(_GLIBC, 16, -1)), "manylinux2014", "linux"):
            words += ["--platform", f"{tag}_{machine}"]
        _run([*words, "--requirement", str(pinned)], "pip")
    return read_wheelhouse(out, target)[0]


def require_complete(folder: Path, target: Target, runtimes: Sequence[str] = ()) -> None:
    """Refuses a folder of wheels that lacks something on its target, packages of runtimes included.

    Raises:
        BundleError: Names what is missing.
    """
    here = this_machine()
    architecture = here.architecture if target.architecture == "any" else target.architecture
    wanted = Target(architecture=architecture, python=target.python or here.python)
    try:
        _resolved(_ours(runtimes), wanted, ["--offline", "--no-index", "--find-links", str(folder)])
    except BundleError as error:
        raise BundleError(
            f"--wheels {folder} is not complete for {wanted.architecture} and Python {wanted.python}: {error}. "
            f"`touchdown deploy wheels{''.join(f' --runtime {name}' for name in runtimes)}` brings all that is needed"
        ) from error


def _ours(runtimes: Sequence[str]) -> str:
    return f"{DISTRIBUTION}[{','.join([EXTRA, *runtimes])}]"


def _resolved(requirement: str, target: Target, options: list[str]) -> str:
    """A requirement and all it needs on a target, a pinned line each."""
    words = [*_uv(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:", *options]
    words += ["--python-version", target.python]
    words += ["--python-platform", f"{_MACHINES[target.architecture]}-manylinux_2_{_GLIBC}", "-"]
    return _run(words, "uv", requirement)


def _uv() -> list[str]:
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    if found is None:
        raise BundleError("wheels for another machine are resolved by uv, which is not installed here: pip install uv")
    return [found]


def _own(path: Path) -> Path:
    """Our own wheel or source; a path that is neither could name a stranger's package on the index."""
    if path.suffix == ".whl" and path.is_file() and Wheel.of(path).name == DISTRIBUTION:
        return path
    project = path / "pyproject.toml"
    if project.is_file() and f'name = "{DISTRIBUTION}"' in project.read_text("utf-8").splitlines():
        return path
    raise BundleError(
        f"--project {path}: expected a wheel of {DISTRIBUTION}, or the folder of its source with pyproject.toml"
    )


def _run(words: list[str], program: str, given: str = "") -> str:
    with Progress({"uv": "resolving the set of wheels", "pip": "fetching wheels"}.get(program, program)):
        done = subprocess.run(words, input=given, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    if done.returncode:
        cause = " ".join(done.stderr.split()).partition("Because ")[2][:400].rstrip(".")
        raise BundleError(f"{program}: {cause or last_lines(done.stderr)}")
    return done.stdout
