"""Files that appear whole or not at all, and folders that one process at a time writes to."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from landing.errors import DataError
from landing.reading import take_name

_LOCK_RETRY_S = 0.2


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Opens a file for writing that takes its name only when it is complete and on the disk.

    After a kill or a power cut there is the old file or the new one.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        take_name(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for one process at a time; the lock of a killed process is free.

    Raises:
        DataError: The folder cannot be written, or what is done in it fails for want of space.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(_LOCK_RETRY_S)
            yield
    except OSError as error:
        if is_full(error):
            raise DataError(
                f"the disk of {folder} became full; what is done is kept: make room and run it again, or choose "
                "another folder"
            ) from error
        raise DataError(f"folder {folder}: {error.strerror or error}") from error


_in_use: dict[Path, BinaryIO] = {}
"""Folders that this process reads until it ends; the lock of each is shared."""


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Gives True while no other process reads a folder; from then on this one reads it, until it ends.

    Raises:
        OSError: The folder cannot be written.
    """
    name = folder.resolve()
    if name not in _in_use:
        _in_use[name] = (name / ".readers").open("ab")
    readers = _in_use[name]
    try:
        fcntl.flock(readers, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    try:
        yield alone
    finally:
        fcntl.flock(readers, fcntl.LOCK_SH)


def is_full(error: BaseException) -> bool:
    """True for errors of a full disk or a used-up quota."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
