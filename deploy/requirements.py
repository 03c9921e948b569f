"""What wheels need of each other on a machine that is not this one.

`pip download` chooses files for another Python and processor but reads the conditions of requirements (``;
python_version < "3.11"``) for the Python it runs in. So they are read here again, for the target, and what is missing
is named.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement

from deploy.errors import BundleError
from deploy.manifest import Target
from deploy.wheels import Wheel, normalised
from landing.distribution import DISTRIBUTION
from landing.reading import open_file

EXTRA = "deploy"
"""Of our own wheel: a drone installs bundles itself."""

_MACHINES = {"x86-64": "x86_64", "aarch64": "aarch64"}


def missing(wheels: Iterable[Wheel], target: Target) -> list[str]:
    """Requirements that no wheel of a set fulfils on a target.

    Args:
        wheels: One per package.
        target: With architecture and Python; a part that is not given is taken from this machine.

    Returns:
        Each as pip takes it, without condition, sorted; empty when the set is complete.

    Raises:
        BundleError: A wheel is damaged.
    """
    there = {wheel.name: wheel for wheel in wheels}
    environment = _environment(target)
    found: set[str] = set()
    waiting = [(DISTRIBUTION, EXTRA)] + [(name, "") for name in there]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen or name not in there:
            continue
        seen.add((name, extra))
        for requirement in requirements_of(there[name].path):
            if requirement.marker is not None and not requirement.marker.evaluate({**environment, "extra": extra}):
                continue
            needed = normalised(requirement.name)
            wheel = there.get(needed)
            if wheel is None or not requirement.specifier.contains(wheel.version, prereleases=True):
                extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
                found.add(f"{needed}{extras}{requirement.specifier}")
            waiting += [(needed, part) for part in requirement.extras]
    return sorted(found)


def requirements_of(path: Path) -> list[Requirement]:
    """What a wheel's metadata says it needs.

    Raises:
        BundleError: It is no wheel, or says something that is no requirement.
    """
    try:
        with open_file(path, "wheel", BundleError) as stream, zipfile.ZipFile(stream) as wheel:
            (name,) = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
            headers = BytesHeaderParser().parsebytes(wheel.read(name))
        return [Requirement(text) for text in headers.get_all("Requires-Dist") or []]
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        LookupError,
        NotImplementedError,
        InvalidRequirement,
    ) as error:
        raise BundleError(f"wheel {path} is damaged: {error}. Collect it again") from error


def _environment(target: Target) -> dict[str, str]:
    values = {name: str(value) for name, value in default_environment().items()}
    if target.python:
        values["python_version"] = target.python
        values["python_full_version"] = f"{target.python}.0"
        values["implementation_version"] = values["python_full_version"]
    if target.architecture != "any":
        values["platform_machine"] = _MACHINES[target.architecture]
    return values
