"""The way to a model's file: the checkout, the user's folder, or a release's asset; its digest is looked at each time.

A download goes on where one was broken off, takes no more bytes than the model has, and comes under the model's name
only when it is whole and its digest is right.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, BinaryIO

from landing.distribution import VERSION
from landing.errors import ModelError, first_line
from landing.progress import Progress
from landing.reading import sha256_of, take_name
from touchdown.models.registry import HERE, Registry, ShippedModel

CHUNK_BYTES = 1 << 16
SILENCE_S = 30.0
"""Longest wait for the server's next bytes."""
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)

Say = Callable[[str], None]


def user_folder() -> Path:
    """Return the folder of this user's models: ``$XDG_DATA_HOME/touchdown/models``."""
    home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "share"
    return base / "touchdown" / "models"


def tree_folder() -> Path:
    """Return `models/` of a checkout; it is not there in an installation."""
    return HERE.parents[1] / "models"


def find(entry: ShippedModel, first: Path | None = None) -> Path | None:
    """Return a whole copy of a model on this machine, looked for in `first` first; None where there is none."""
    for folder in (tree_folder() if first is None else first, tree_folder(), user_folder()):
        path = folder / entry.file
        if path.is_file() and sha256_of(path) == entry.known().sha256:
            return path
    return None


def address_of(entry: ShippedModel, registry: Registry, base: str | None) -> str:
    """Return the address of a model's asset; `base` takes the place of the release's folder.

    Raises:
        ModelError: It is not https.
    """
    address = registry.assets.format(version=VERSION, file=entry.file)
    if base is not None:
        address = f"{base.rstrip('/')}/{entry.file}"
    if not address.startswith("https://"):
        raise ModelError(f"address {address} is not https; expected one such as {registry.assets}")
    return address


def download(entry: ShippedModel, address: str, target: Path, say: Say, limit_s: float) -> None:
    """Download a model.

    Args:
        entry: The model; its size and digest bound and judge what comes.
        address: Of the asset, https.
        target: File to write; it appears whole or not at all.
        say: Takes a line for people.
        limit_s: Longest time for all of it.

    Raises:
        ModelError: The server, the digest, the time or another download is against it. What came so far is kept for the
            next try, but for a wrong digest.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with _open_part(part) as stream:
        try:
            _fill(stream, entry, address, say, time.monotonic() + limit_s)
        except (OSError, HTTPException) as problem:
            if isinstance(problem, OSError) and problem.errno in DISK_ERRORS:
                raise
            raise ModelError(
                f"model {entry.name!r} does not come from {address}: {_why(problem)}; try again (it goes on where it "
                "stopped), name another place with --from, or copy the file from a checkout's models/"
            ) from problem
        stream.flush()
        os.fsync(stream.fileno())
        found = sha256_of(part)
        if found != entry.known().sha256:
            part.unlink()
            raise ModelError(
                f"model {entry.name!r} from {address} has the SHA-256 {found[:12]}..., expected "
                f"{entry.known().sha256[:12]}...: it is damaged or another one, and was deleted; try again"
            )
        take_name(part, target)


def _open_part(part: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    stream = os.fdopen(os.open(part, flags, 0o644), "r+b")
    try:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ModelError(f"{part} is no regular file; delete it, or name another folder with --out")
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        stream.close()
        raise ModelError(f"{part} is being written by another `touchdown models get`; wait for it to end") from problem
    except BaseException:
        stream.close()
        raise
    return stream


def _fill(stream: BinaryIO, entry: ShippedModel, address: str, say: Say, until_s: float) -> None:
    size = entry.known().size_bytes
    have = stream.seek(0, os.SEEK_END)
    if have > size:
        have = 0
    if have == size:
        return
    with _opened(address, have) as answer:
        if answer.status != 206 or not str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-"):
            have = 0
        stream.seek(have)
        stream.truncate()
        say(
            f"{entry.file}: {size / 1e6:.1f} MB from {address}" + (f", going on at {have / 1e6:.1f} MB" if have else "")
        )
        have = _copied(answer, stream, entry, have, until_s)
    if have < size:
        raise HTTPException(f"it ended after {have} of {size} bytes")


def _copied(answer: Any, stream: BinaryIO, entry: ShippedModel, have: int, until_s: float) -> int:
    """Copies what comes behind the bytes that are there; returns how many there are then."""
    size = entry.known().size_bytes
    with Progress(f"{entry.file}, kB", max(1, size // 1000), have // 1000) as progress:
        while chunk := answer.read(CHUNK_BYTES):
            before, have = have, have + len(chunk)
            if have > size:
                stream.truncate(0)
                raise HTTPException(f"it sends more than the model's {size} bytes")
            stream.write(chunk)
            if time.monotonic() > until_s:
                raise TimeoutError("the time is up (--limit-s)")
            progress.step(have // 1000 - before // 1000)
    return have


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to https alone."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it leads on to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opened(address: str, have: int) -> Any:
    request = urllib.request.Request(address, headers={"User-Agent": f"touchdown/{VERSION}"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    return urllib.request.build_opener(_OnlyHttps).open(request, timeout=SILENCE_S)


def _why(problem: Exception) -> str:
    if isinstance(problem, urllib.error.HTTPError):
        return f"the server answers {problem.code} {problem.reason}"
    reason: object = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    return first_line(reason) if isinstance(reason, BaseException) else str(reason)
