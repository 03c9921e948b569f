"""Writes that leave the old content or the new after a power cut, never half of either.

A rename is atomic but says nothing of the data: a file is flushed before it is renamed into place, and its folder
after.
"""

from __future__ import annotations

import os
from pathlib import Path

from landing.reading import take_name


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Makes a folder of an exact mode, with its parents, durably; one that is there is kept."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)
    sync_folder(folder.parent)


def write_file(path: Path, data: bytes) -> None:
    """Replaces a file in one step: readers see the old content or all of the new."""
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    take_name(partial, path)
    sync_folder(path.parent)


def replace_link(link: Path, target: str) -> None:
    """Points a symbolic link elsewhere in one step; there is no moment without it."""
    partial = link.with_name(f".{link.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(link)
    sync_folder(link.parent)


def remove_link(link: Path) -> None:
    """Removes a symbolic link, durably."""
    link.unlink(missing_ok=True)
    sync_folder(link.parent)
