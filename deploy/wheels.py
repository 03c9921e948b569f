"""Wheels and pinned requirement sets: the machine they are for, and whether they may fly."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import BundleError
from deploy.manifest import ARCHITECTURES, Architecture, Target
from landing.distribution import DISTRIBUTION
from landing.reading import read_text

_MACHINES: dict[str, Architecture] = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "aarch64", "arm64": "aarch64"}
_SUFFIXES: dict[str, Architecture] = {"_x86_64": "x86-64", "_aarch64": "aarch64"}
_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[A-Za-z0-9._!+]+)(?:-(?P<build>\d[A-Za-z0-9._]*))?"
    r"-(?P<python>[a-z0-9.]+)-(?P<abi>[a-z0-9_.]+)-(?P<platform>[a-z0-9_.]+)\.whl"
)
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,._-]+\])?==[^\s;]+.*")


_LONGEST_NAME = 100
"""Of a file in an archive without extensions (ustar), bytes."""


@dataclass(frozen=True)
class Wheel:
    """The facts in a wheel's file name (PEP 427); the name is normalised, as ``opencv-python-headless``."""

    path: Path
    name: str
    version: str
    target: Target

    @classmethod
    def of(cls, path: Path) -> Wheel:
        """Reads a file name.

        Raises:
            BundleError: No wheel's name, or for a platform that no drone has.
        """
        found = _NAME.fullmatch(path.name)
        if found is None:
            raise BundleError(f"{path}: expected a wheel, NAME-VERSION-PYTHON-ABI-PLATFORM.whl")
        name = normalised(found["name"])
        architecture = _architecture(path, found["platform"])
        python = ""
        if found["abi"] not in ("none", "abi3"):
            minors = re.findall(r"cp3(\d+)", found["python"])
            python = f"3.{minors[0]}" if minors else ""
        return cls(path, name, found["version"], Target(architecture=architecture, python=python))

    @property
    def carried_name(self) -> str:
        """The file's name in a bundle: without the last platform tags, where the name is too long for an archive.

        Each tag by itself names machines that the wheel runs on, as ``manylinux2014_aarch64.manylinux_2_28_aarch64``.
        """
        stem, _, platforms = self.path.stem.rpartition("-")
        tags = platforms.split(".")
        while len(tags) > 1 and len(f"{stem}-{'.'.join(tags)}.whl") > _LONGEST_NAME:
            tags.pop()
        return f"{stem}-{'.'.join(tags)}.whl"


def normalised(name: str) -> str:
    """A package's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def this_machine(python: str = "") -> Target:
    """Architecture of this machine, and a Python; the running one by default.

    Raises:
        BundleError: Neither aarch64 nor x86-64.
    """
    machine = platform.machine().lower()
    if machine not in _MACHINES:
        raise BundleError(f"this machine is {machine}: bundles are for {' and '.join(ARCHITECTURES)}")
    return Target(
        architecture=_MACHINES[machine], python=python or f"{sys.version_info.major}.{sys.version_info.minor}"
    )


def read_wheelhouse(folder: Path, asked: Target) -> tuple[list[Wheel], Target]:
    """All wheels of a folder, and the machine they run on together; empty parts of `asked` are found out.

    Raises:
        BundleError: Nothing there, two versions of a package, no touchdown, or wheels for different machines.
    """
    if not folder.is_dir():
        raise BundleError(f"--wheels {folder} is no folder: `touchdown deploy wheels` fills one")
    wheels = [Wheel.of(path) for path in sorted(folder.iterdir()) if path.suffix == ".whl"]
    names = [wheel.name for wheel in wheels]
    for name in names:
        if names.count(name) > 1:
            versions = ", ".join(w.version for w in wheels if w.name == name)
            raise BundleError(f"--wheels {folder} holds {name} more than once ({versions})")
    if DISTRIBUTION not in names:
        raise BundleError(
            f"--wheels {folder} holds no wheel of {DISTRIBUTION} itself: `pip wheel --no-deps "
            f"-w {folder} .` in its source, or `touchdown deploy wheels`"
        )
    architecture: Architecture = asked.architecture
    python = asked.python
    for wheel in wheels:
        own = wheel.target
        if own.architecture != "any":
            if architecture not in ("any", own.architecture):
                raise BundleError(
                    f"wheel {wheel.path.name} is for {own.architecture}, the bundle for "
                    f"{architecture}: `touchdown deploy wheels --target {architecture}`"
                )
            architecture = own.architecture
        if own.python:
            if python not in ("", own.python):
                raise BundleError(
                    f"wheel {wheel.path.name} is for Python {own.python}, the bundle for {python}: "
                    f"`touchdown deploy wheels --python {python}`"
                )
            python = own.python
    return wheels, Target(architecture=architecture, python=python)


def require_pinned(path: Path) -> None:
    """Refuses a requirement set that could install something else tomorrow.

    Raises:
        BundleError: Unreadable, or a line without ``==`` and a SHA-256.
    """
    text = read_text(path, "--requirements", BundleError)
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line.partition(" #")[0].strip() for line in joined.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    for line in wanted:
        if not _REQUIREMENT.fullmatch(line) or "--hash=sha256:" not in line:
            raise BundleError(
                f"--requirements {path}: {line[:100]!r} is not pinned: expected NAME==VERSION "
                "--hash=sha256:...; `pip-compile --generate-hashes` or `uv pip compile "
                "--generate-hashes` writes such a file"
            )
    if not any(re.match(rf"{DISTRIBUTION}[\[=]", line) for line in wanted):
        raise BundleError(f"--requirements {path} does not name {DISTRIBUTION} itself")


def _architecture(path: Path, platforms: str) -> Architecture:
    if platforms == "any":
        return "any"
    for suffix, architecture in _SUFFIXES.items():
        if all(tag.endswith(suffix) and "linux" in tag for tag in platforms.split(".")):
            return architecture
    raise BundleError(f"wheel {path.name} is for {platforms}: expected Linux on {' or '.join(ARCHITECTURES)}")
