"""The one door to files that are named: regular files of a bounded size, every error in words.

A file is named by users, packed by others and damaged by power cuts. So nothing here waits (a FIFO never answers),
nothing reads without end (`/dev/zero`, a sparse file), and what a parser raises becomes an error that names the file
and what to do. `landing.picture_files` is the same for pictures.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any, BinaryIO

from landing.errors import ModelError, TouchdownError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT_BYTES = 4 << 20
"""Most of a configuration, a taxonomy, a calibration, a manifest, a key."""
TABLE_BYTES = 512 << 20
"""Most of a table or index of a data set."""
MODEL_BYTES = (2 << 30) - 1
"""Most of a model file: protobuf allows no more, and an engine is not larger than its graph."""
MODEL_REMEDY = "check the path ([model] path, --model)"
ANY_BYTES = 1 << 62
"""No limit: for what is read as a stream and looked at piece by piece."""

Error = type[TouchdownError]

_KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a FIFO"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)
_ABSENT = "does not exist"
_KEY_PARTS = 100
_STRING_OR_COMMENT = re.compile("\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*")
_NO_BLOCK = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)


def open_file(path: str | Path, what: str, error: Error, most_bytes: int = ANY_BYTES, remedy: str = "") -> BinaryIO:
    """Opens a regular file for reading; it never waits.

    Args:
        path: The file; a symbolic link is followed.
        what: Names it in errors, as ``config``.
        error: What is raised.
        most_bytes: Longest file that is taken.
        remedy: What to do about a file that is not there.

    Raises:
        TouchdownError: As `error`: not there, no regular file, not readable, or too long.
    """
    try:
        # First by name: to open some devices does something. Then what was opened, which decides.
        _refuse(Path(path).stat(), path, what, error, most_bytes)
        descriptor = os.open(path, os.O_RDONLY | _NO_BLOCK)
    except (OSError, ValueError) as problem:
        raise error(f"{what} {path} {_why(problem, path, remedy)}") from problem
    try:
        _refuse(os.fstat(descriptor), path, what, error, most_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def require_file(path: str | Path, what: str, error: Error, most_bytes: int = ANY_BYTES, remedy: str = "") -> None:
    """Refuses what `open_file` does, for a library that opens files by name; a name that is no UTF-8 ends OpenCV.

    Raises:
        TouchdownError: See `open_file`.
    """
    if not is_utf8(path):
        raise error(f"{what} {path}: its path is no UTF-8, rename it or its folder")
    open_file(path, what, error, most_bytes, remedy).close()


def is_utf8(path: str | Path) -> bool:
    """Tell whether a path can be handed to a library that takes names as UTF-8."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_folder(path: str | Path) -> bool:
    """Tell whether a path is a folder; no name raises anything."""
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def open_for_writing(path: Path, what: str, error: Error, *, append: bool = False) -> BinaryIO:
    """Opens a file for writing, folders above it included; it never waits for a reader.

    Raises:
        TouchdownError: As `error`: it cannot be written, or is neither a file nor a plain device.
    """
    end = os.O_APPEND if append else 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | end | _NO_BLOCK, 0o644)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        fifo = isinstance(problem, OSError) and problem.errno == errno.ENXIO
        reason = "it is a FIFO or socket" if fifo else reason
        reason = "a file lies where a folder must be" if isinstance(problem, FileExistsError) else reason
        raise error(f"{what} {path} cannot be written: {reason}; name another file") from problem
    try:
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
            raise error(f"{what} {path} cannot be written: it is no regular file; name another one")
        if stat.S_ISREG(mode) and not append:
            os.ftruncate(descriptor, 0)
        return os.fdopen(descriptor, "ab" if append else "wb")
    except BaseException:
        os.close(descriptor)
        raise


def take_name(draft: Path, path: Path) -> None:
    """Rename a complete file to the name of an older one, or of none; a device, FIFO or socket of that name stays.

    Raises:
        OSError: There is one, or the file cannot be renamed; the draft is gone then.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EEXIST, "it is no regular file", str(path))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def read_bytes(path: str | Path, what: str, error: Error, most_bytes: int, remedy: str = "") -> bytes:
    """A whole file; see `open_file`.

    Raises:
        TouchdownError: As `error`.
    """
    try:
        with open_file(path, what, error, most_bytes, remedy) as stream:
            data = stream.read(most_bytes + 1)
    except OSError as problem:
        raise error(f"{what} {path} {_why(problem, path, remedy)}") from problem
    if len(data) > most_bytes:
        raise error(f"{what} {path} {_too_long(len(data), most_bytes)}")
    return data


def sha256_of(path: str | Path, what: str = "model", error: Error = ModelError) -> str:
    """Digest of a file, hexadecimal; see `open_file`.

    Raises:
        TouchdownError: As `error`.
    """
    digest = hashlib.sha256()
    try:
        with open_file(path, what, error) as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as problem:
        raise error(f"{what} {path} {_why(problem, path, '')}") from problem
    return digest.hexdigest()


def read_text(
    path: str | Path,
    what: str,
    error: Error,
    most_bytes: int = TEXT_BYTES,
    remedy: str = "",
    encoding: str = "utf-8-sig",
) -> str:
    """A whole text; see `open_file`. The mark that Windows puts in front of UTF-8 is taken off.

    Raises:
        TouchdownError: As `error`; also for bytes that are no text.
    """
    data = read_bytes(path, what, error, most_bytes, remedy)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as problem:
        raise error(
            f"{what} {path} is no text in {'ASCII' if encoding == 'ascii' else 'UTF-8'}: byte "
            f"0x{data[problem.start]:02x} at {problem.start}; save it as such, or name another file"
        ) from problem


def read_toml(path: str | Path, what: str, error: Error, remedy: str = "") -> dict[str, Any]:
    """The mapping in a TOML file; see `read_text`.

    Raises:
        TouchdownError: As `error`; also for what is no TOML.
    """
    text = read_text(path, what, error, remedy=remedy)
    # The parser takes time with the square of a key's parts. Dots in strings and comments are none of a key's.
    bare = _STRING_OR_COMMENT.sub("", text)
    if any(part.count(".") > _KEY_PARTS for part in re.split(r"[=,\n]", bare)):
        raise error(f"{what} {path} has a key of more than {_KEY_PARTS} parts: it is damaged, or another kind of file")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as problem:  # TOMLDecodeError; a year 0; nested too deep
        raise error(f"{what} {path}: {_first_line(problem)}") from problem


def read_json(path: str | Path, what: str, error: Error, most_bytes: int = TEXT_BYTES, remedy: str = "") -> Any:
    """Read the value in a JSON file; see `read_text`.

    Raises:
        TouchdownError: As `error`; also for what is no JSON.
    """
    return parse_json(read_text(path, what, error, most_bytes, remedy), f"{what} {path}", error)


def parse_json(text: str, origin: str, error: Error) -> Any:
    """Return the value in a JSON text; `origin` names it in errors.

    Raises:
        TouchdownError: As `error`: it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise error(f"{origin} is no JSON: {_first_line(problem)}") from problem


def absence(path: str | Path, otherwise: str = "cannot be read") -> str:
    """Say how a path is not there; `otherwise` if it is."""
    path = Path(path)
    try:
        path.stat()
    except (OSError, ValueError) as problem:
        if isinstance(problem, OSError) and problem.errno == errno.ELOOP:
            return "is a link that leads to itself, or through too many others"
        if path.is_symlink():
            return f"is a link to {path.readlink()}, which does not exist"
        return _ABSENT
    return otherwise


def _refuse(found: os.stat_result, path: str | Path, what: str, error: Error, most_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((words for test, words in _KINDS if test(found.st_mode)), "is no regular file")
        raise error(f"{what} {path} {kind}: expected a regular file")
    if found.st_size > most_bytes:
        raise error(f"{what} {path} {_too_long(found.st_size, most_bytes)}")


def _too_long(size: int, most_bytes: int) -> str:
    return f"has {_amount(size)}, at most {_amount(most_bytes)} expected: it is damaged, or another kind of file"


def _amount(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size >= 10_000_000 else f"{size} bytes"


def _why(problem: OSError | ValueError, path: str | Path, remedy: str) -> str:
    if isinstance(problem, ValueError):  # a NUL, or what the file system's encoding does not have
        return f"cannot be read: no file can have that name ({problem})"
    if problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        why = absence(path)
        return f"{why}: {remedy}" if remedy and why == _ABSENT else why
    if problem.errno == errno.ENXIO:
        return "is a socket: expected a regular file"
    return f"cannot be read: {problem.strerror or problem}"


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0][:200]
