"""From a bundle to a folder of verified files: all of it, or nothing.

A bundle is read twice. The first time nothing is written: signature, every header and every digest are checked. The
second time each file is checked again while it is written, into a hidden folder that gets its name only when the last
file was right and all are on the disk.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from deploy.archive import open_bundle
from deploy.durable import make_folder, sync_folder, write_file
from deploy.errors import BundleError, InstallError, disk_words
from deploy.keys import PublicKey
from deploy.manifest import MANIFEST_NAME, SIGNATURE_NAME, BundleManifest, Target

_RESERVE_BYTES = 64 * 2**20
_VENV_RATIO = 5
"""An installed wheel takes up to so many times its size: numpy, OpenCV and ONNX Runtime as wheels have 100 MB, and with
compiled modules 400 MB."""

_EMPTY_VENV_BYTES = 40 * 2**20


def verify_bundle(path: Path, trusted: tuple[PublicKey, ...]) -> tuple[BundleManifest, bytes]:
    """Reads a whole bundle and checks everything in it, writing nothing; returns the manifest and its signed bytes.

    Raises:
        BundleError: It must not be taken; says why.
    """
    with open_bundle(path, trusted) as bundle:
        for _, chunks in bundle.files():
            deque(chunks, maxlen=0)
        return bundle.manifest, bundle.manifest_bytes


def require_fitting(manifest: BundleManifest, machine: Target, installed: str) -> None:
    """Refuses a bundle for another architecture or Python, or one that counts on another touchdown being installed.

    Raises:
        BundleError: It is for another machine.
    """
    target = manifest.target
    wanted = f"--target {machine.architecture} --python {machine.python}"
    if target.architecture not in ("any", machine.architecture):
        raise BundleError(
            f"bundle {manifest.name} is for {target.architecture}, this machine is "
            f"{machine.architecture}: collect wheels with `touchdown deploy wheels {wanted}` and "
            "make the bundle again"
        )
    if target.python not in ("", machine.python):
        raise BundleError(
            f"bundle {manifest.name} is for Python {target.python}, this machine would run it with "
            f"Python {machine.python}: name another one (--python), or collect wheels with "
            f"`touchdown deploy wheels {wanted}`"
        )
    if manifest.environment == "installed" and manifest.versions.touchdown != installed:
        raise BundleError(
            f"bundle {manifest.name} brings no software and was made with touchdown "
            f"{manifest.versions.touchdown}; here is {installed}. Make it with --wheels"
        )


def require_space(manifest: BundleManifest, root: Path) -> None:
    """Refuses a bundle that would fill the disk.

    Raises:
        InstallError: Too little is free; says how much is needed.
    """
    wheels = sum(e.size for e in manifest.files if e.path in manifest.wheels)
    needed = manifest.total_bytes + _RESERVE_BYTES
    if manifest.environment != "installed":
        needed += _VENV_RATIO * wheels + _EMPTY_VENV_BYTES
    free = shutil.disk_usage(root).free
    if free < needed:
        raise InstallError(
            f"--root {root}: {free / 1e6:.0f} MB are free, bundle {manifest.name} needs "
            f"{needed / 1e6:.0f} MB. `touchdown deploy prune --root {root} --keep 2` removes old "
            "releases. Nothing was changed"
        )


def unpack(
    path: Path,
    trusted: tuple[PublicKey, ...],
    expected: bytes,
    folder: Path,
    written: Callable[[str], None] = lambda _path: None,
) -> None:
    """Unpacks a bundle into a new folder and makes it durable; its manifest must be the one that was verified before.

    Raises:
        BundleError: It is not what was verified a moment ago.
        InstallError: Disk full and the like.
    """
    try:
        with open_bundle(path, trusted) as bundle:
            if bundle.manifest_bytes != expected:
                raise BundleError(f"bundle {path} was replaced while it was being installed")
            make_folder(folder)
            for entry, chunks in bundle.files():
                _write(folder / entry.path, chunks)
                written(entry.path)
            write_file(folder / MANIFEST_NAME, bundle.manifest_bytes)
            write_file(folder / SIGNATURE_NAME, bundle.signature)
        for parent, _folders, _files in os.walk(folder, topdown=False):
            sync_folder(Path(parent))
    except OSError as error:
        raise InstallError(f"{folder.parent}: {disk_words(error)}. Nothing was changed") from error


def _write(target: Path, chunks: Iterator[bytes]) -> None:
    """Writes one file and flushes it to the disk."""
    make_folder(target.parent)
    with target.open("xb") as file:
        os.fchmod(file.fileno(), 0o644)  # whatever the umask
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
