"""`deploy push`: a bundle to the drone over a link that breaks, and goes on where it broke.

Over there only what every Linux has is used (sh, wc, head, sha256sum, cat, mv), because the first bundle brings the
software. The file is sent under its digest's name with `.partial`; what is there already counts only if its digest is
that of the same first bytes here.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.archive import CHUNK
from export.ssh import ConnectionLostError, SshError, SshHost
from landing.progress import Progress
from landing.reading import open_file

FOLDER = ".cache/touchdown/bundles"
"""In the home folder over there."""

_INSTALL_TIMEOUT_S = 3600.0
_SLOWEST_BYTES_S = 10_000.0
"""A telemetry radio; slower than this counts as stuck."""


@dataclass(frozen=True)
class PushRequest:
    """A bundle to copy.

    Attributes:
        retries: Tries after a lost connection, `pause_s` apart.
        install: Words of the command that installs it there, the bundle's path left out; empty to copy it only.
    """

    host: SshHost
    bundle: Path
    retries: int = 5
    pause_s: float = 2.0
    install: tuple[str, ...] = ()


def push(request: PushRequest, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep) -> str:
    """Copies a bundle to a drone, and has it installed there when asked; returns its path from the home folder there.

    Raises:
        SshError: It did not arrive, or its installation failed; in the words of the other side.
    """
    size, digest = _measured(request.bundle)
    left = request.retries
    while True:
        try:
            target = _send(request, size, digest, say)
            break
        except ConnectionLostError as error:
            if left == 0:
                raise
            left -= 1
            say(f"{error}; {left + 1} more tries, what arrived is kept")
            sleep(request.pause_s)
    if request.install:
        say(f"installing on {request.host.name}")
        said = request.host.run([*request.install, target], timeout_s=_INSTALL_TIMEOUT_S)
        for line in said.splitlines():
            say(f"  {line}")
    return target


def _send(request: PushRequest, size: int, digest: str, say: Callable[[str], None]) -> str:
    host = request.host
    target = f"{FOLDER}/{digest[:16]}-{request.bundle.name}"
    partial = f"{target}.partial"
    if _there(host, target) == size and _digest_there(host, target, size) == digest:
        say(f"{target} is on {host.name} already")
        return target
    host.run(["mkdir", "-p", FOLDER])
    offset = _there(host, partial)
    if not 0 < offset <= size:
        host.run(["rm", "-f", partial])
        offset = 0
    elif _digest_there(host, partial, offset) != _measured(request.bundle, offset)[1]:
        say(f"what {host.name} has of it is damaged: sent anew")
        host.run(["rm", "-f", partial])
        offset = 0
    if offset:
        say(f"resuming at {offset / 1e6:.1f} of {size / 1e6:.1f} MB")
    if offset < size:
        with open_file(request.bundle, "bundle", SshError) as file:
            file.seek(offset)
            began_s = time.monotonic()
            with Progress(f"sending {(size - offset) / 1e6:.0f} MB"):
                host.run(
                    ["sh", "-c", 'cat >> "$1"', "sh", partial],
                    stdin=file,
                    timeout_s=120.0 + (size - offset) / _SLOWEST_BYTES_S,
                )
            took_s = max(time.monotonic() - began_s, 1e-3)
        say(f"sent {(size - offset) / 1e6:.1f} MB at {(size - offset) / 1e6 / took_s:.1f} MB/s")
    arrived = _there(host, partial)
    if arrived != size or _digest_there(host, partial, size) != digest:
        host.run(["rm", "-f", partial])
        raise SshError(
            f"{host.name}: what arrived is not what was sent ({arrived} of {size} bytes); it "
            "was removed. Push it again; does another push run?"
        )
    host.run(["mv", "-f", partial, target])
    say(f"{host.name}:{target} is complete, SHA-256 {digest[:12]}...")
    return target


def _there(host: SshHost, path: str) -> int:
    """Size of a file over there; 0 when there is none."""
    script = 'if [ -f "$1" ]; then wc -c < "$1"; else echo 0; fi'
    answer = host.run(["sh", "-c", script, "sh", path]).strip()
    if not answer.isdigit():
        raise SshError(f"{host.name}: wc says {answer[:80]!r}, expected a number")
    return int(answer)


def _digest_there(host: SshHost, path: str, size: int) -> str:
    """SHA-256 of a file's first bytes over there."""
    script = 'head -c "$2" "$1" | sha256sum'
    answer = host.run(["sh", "-c", script, "sh", path, str(size)], timeout_s=900.0)
    return answer.partition(" ")[0].strip()


def _measured(path: Path, most: int | None = None) -> tuple[int, str]:
    """Bytes and SHA-256 of a file, or of its start."""
    digest = hashlib.sha256()
    size = 0
    try:
        with open_file(path, "bundle", SshError) as file:
            while chunk := file.read(CHUNK if most is None else min(CHUNK, most - size)):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise SshError(f"bundle {path} cannot be read: {error.strerror or error}") from error
    return size, digest.hexdigest()
