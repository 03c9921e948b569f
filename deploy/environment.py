"""The Python environment of a release, made in the folder it stays in.

A virtual environment holds absolute paths, so it cannot be made elsewhere and moved; it is made in the release's
folder, which nothing uses before its `release.json` is written.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.durable import make_folder
from deploy.errors import InstallError
from deploy.layout import BUNDLE_FOLDER, VENV_FOLDER
from deploy.manifest import REQUIREMENTS_NAME, BundleManifest
from deploy.wheels import normalised
from landing.distribution import DISTRIBUTION
from landing.errors import last_lines
from landing.progress import Progress

_LONGEST_S = 1800.0
"""Of a program: a board that is emulated or busy takes minutes for what else takes seconds."""
_UNUSED = r"/pymavlink/dialects/(?!__init__|v20/(__init__|ardupilotmega)\.py)"
"""Modules that nothing here imports: half of all the code, and of the time that compiling it takes on a board."""

_COMPILE = "import compileall, re, sys; compileall.compile_dir(sys.argv[1], quiet=2, rx=re.compile(sys.argv[2]))"
_VERSION = "import sys; print(f'{sys.version_info.major}.{sys.version_info.minor}')"


def python_version(python: str) -> str:
    """Version of an interpreter, as ``3.10``.

    Raises:
        InstallError: It does not run.
    """
    if python == sys.executable:
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    return run([python, "-I", "-c", _VERSION], f"--python {python}").strip()


def own_python() -> str:
    """The interpreter that runs this, by a path that does not change when `current` does."""
    path = Path(sys.executable)
    return str(path.parent.resolve() / path.name)  # the last part of it makes it a venv's


def make_environment(release: Path, manifest: BundleManifest, python: str, system_site_packages: bool) -> Path:
    """Makes a release's environment beside its unpacked bundle; ``bin/python`` and ``bin/touchdown`` are in it.

    Raises:
        InstallError: A wheel does not install here or something it needs is not in the bundle.
    """
    venv = release / VENV_FOLDER
    if manifest.environment == "installed":
        _borrow(venv, own_python())
        return venv
    words = [python, "-m", "venv"]
    words += ["--system-site-packages"] if system_site_packages else []
    run([*words, str(venv)], "making the environment")
    pip = [str(venv / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-input", "--no-cache-dir", "--ignore-installed", "--no-compile"]
    bundle = release / BUNDLE_FOLDER
    if manifest.environment == "wheels":
        wheels = [str(bundle / path) for path in manifest.wheels]
        # Every wheel is named, so there is nothing to resolve, and nothing to ask a network for.
        run([*install, "--isolated", "--no-index", "--no-deps", *wheels], "installing the wheels")
    else:
        requirements = str(bundle / REQUIREMENTS_NAME)
        run([*install, "--require-hashes", "--no-deps", "-r", requirements], "installing")
    _require_consistent(pip, manifest)
    compile_modules(venv)
    if not (venv / "bin" / "touchdown").is_file():
        raise InstallError("the bundle's wheels bring no `touchdown` command: it is no touchdown")
    return venv


def compile_modules(venv: Path) -> None:
    """Compiles the modules, for the daemon may not write to its release; those that do not compile stay as they are."""
    words = [str(venv / "bin" / "python"), "-I", "-c", _COMPILE, str(venv / "lib"), _UNUSED]
    run(words, "compiling the software")


def run(words: Sequence[str], what: str, timeout_s: float = _LONGEST_S) -> str:
    """Runs a program and returns what it printed; `what` names the step in messages.

    Raises:
        InstallError: It cannot be started, fails or takes too long.
    """
    with Progress(what):
        done = ended(words, what, timeout_s)
    if done.returncode:
        raise InstallError(f"{what}: {last_lines(done.stderr or done.stdout)}")
    return done.stdout


def ended(words: Sequence[str], what: str, timeout_s: float = _LONGEST_S) -> subprocess.CompletedProcess[str]:
    """Runs a program of a release to its end, with nothing to read; whatever its exit status, it is returned.

    Variables that lead another Python astray are kept from it.

    Raises:
        InstallError: It cannot be started, takes longer than the time, s, or a signal ends it.
    """
    try:
        done = subprocess.run(
            list(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env={name: v for name, v in os.environ.items() if not name.startswith("PYTHON")},
            umask=0o022,  # the daemon runs as another user, and must read what root made
        )
    except subprocess.TimeoutExpired:
        raise InstallError(f"{what}: took longer than {timeout_s:g} s") from None
    except OSError as error:
        raise InstallError(f"{what}: {words[0]}: {error.strerror or error}") from error
    if done.returncode < 0:
        how = signal.strsignal(-done.returncode) or f"signal {-done.returncode}"
        raise InstallError(f"{what}: ended by the system: {how}: {last_lines(done.stderr)}")
    return done


def _require_consistent(pip: list[str], manifest: BundleManifest) -> None:
    """Requires that each package of the bundle finds its dependencies; packages of the system are not checked."""
    done = ended([*pip, "check"], "checking the software")
    ours = set(manifest.versions.wheels) or {DISTRIBUTION}
    wrong = [line for line in done.stdout.splitlines() if normalised(line.partition(" ")[0]) in ours]
    if wrong:
        raise InstallError(
            f"{wrong[0]} Collect the wheels again with `touchdown deploy wheels`: it brings all that is needed"
        )


def _borrow(venv: Path, python: str) -> None:
    """Commands that run the touchdown that is installed already."""
    make_folder(venv / "bin")
    quoted = shlex.quote(python)
    for name, words in (("python", ""), ("touchdown", " -I -m touchdown")):
        path = venv / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {quoted}{words} "$@"\n')
        path.chmod(0o755)
