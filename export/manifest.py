"""An engine and its manifest are written together or not at all, and read as a pair.

Without onnx and torch: engines are built on a Jetson, and a bundle is made of manifests alone.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from landing.errors import FileError, InvalidValueError
from landing.model.artefact import GateReport
from landing.model.manifest import EngineManifest, manifest_path, read_engine, read_manifest
from landing.model.spec import ModelSpec
from landing.reading import take_name

__all__ = [
    "EngineManifest",
    "manifest_path",
    "read_engine",
    "read_manifest",
    "record_gate",
    "record_model",
    "write_pair",
]

_PREFIX = ".touchdown-partial-"


def write_pair(engine: Path, data: bytes, manifest: EngineManifest) -> None:
    """Puts an engine and its manifest in place, complete and on the disk.

    Both are written under hidden names first. The manifest holds the engine's digest, so a kill between the two renames
    leaves files that are refused as not belonging together.

    Raises:
        InvalidValueError: The folder does not exist.
        TouchdownError: Disk full, folder read-only and the like; older files are untouched.
    """
    with staging(engine) as folder:
        new_engine, new_manifest = folder / "engine", folder / "manifest"
        _write(new_engine, data)
        _write(new_manifest, manifest.model_dump_json(indent=2).encode())
        take_name(new_engine, engine)
        take_name(new_manifest, manifest_path(engine))


def record_gate(engine: Path, gate: GateReport) -> EngineManifest:
    """Writes what `export verify` found into the manifest of an engine.

    Raises:
        ModelError: Engine and manifest are missing or do not belong together.
        TouchdownError: It cannot be written.
    """
    return _record(engine, gate=gate)


def record_model(engine: Path, model: ModelSpec) -> EngineManifest:
    """Writes another description of the model into the manifest of an engine.

    Raises:
        ModelError: Engine and manifest are missing or do not belong together.
        TouchdownError: It cannot be written.
    """
    return _record(engine, model=model)


def _record(engine: Path, **update: GateReport | ModelSpec) -> EngineManifest:
    manifest, _ = read_engine(engine)
    manifest = manifest.model_copy(update=update)
    with staging(engine) as folder:
        new = folder / "manifest"
        _write(new, manifest.model_dump_json(indent=2).encode())
        new.replace(manifest_path(engine))
    return manifest


def require_writable(engine: Path) -> None:
    """Requires that an engine can be written there, before minutes of building.

    Raises:
        InvalidValueError: The folder does not exist, or the name would not be taken for an engine.
        TouchdownError: The folder cannot be written to.
    """
    if engine.suffix != ".engine":
        raise InvalidValueError(f"--out {engine}: expected a name that ends in .engine")
    with staging(engine):
        pass


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A hidden folder beside the target, gone afterwards; errors of the disk become ours."""
    if not target.parent.is_dir():
        raise InvalidValueError(f"folder {target.parent} does not exist")
    _sweep(target.parent)
    try:
        prefix = f"{_PREFIX}{os.getpid()}-"
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as folder:
            yield Path(folder)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "the disk is full: free some space" if full else "check folder and permissions"
        raise FileError(
            f"{target} cannot be written: {error.strerror or error}; {hint}. Nothing was changed"
        ) from error


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sweep(folder: Path) -> None:
    """Removes what builds that were killed left behind."""
    for left in folder.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
