"""One daemon for each link, recordings folder and configuration: who holds one, holds it alone.

A claim is a bound name in Linux' abstract socket namespace: no file, no rights, the same for every user, and the kernel
lets go of it when the process ends, by SIGKILL too. It is seen by all processes of one network namespace, so not across
containers that have a network of their own. A second name beside it carries who holds it, for the one who is refused.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.connection import Endpoint, parse_connection
from landing.errors import ConfigError
from landing.problems import Problem

NAMES = Path("/proc/net/unix")
COMMAND_LETTERS = 120
LOOPBACKS = ("localhost", "::1", "ip6-localhost")


class HeldError(ConfigError):
    """Another daemon holds what this one is configured to use; starting again changes nothing."""

    problem = Problem.IN_USE


@dataclass(frozen=True)
class Claim:
    """Something that at most one daemon may use."""

    kind: str  # ``link``, ``recordings`` or ``configuration``
    what: str  # The same whatever it is called by

    def __str__(self) -> str:
        return f"{self.kind} {self.what}"

    @property
    def name(self) -> str:
        """Name in the abstract namespace, without its leading NUL."""
        return f"touchdown/{hashlib.sha256(str(self).encode()).hexdigest()[:32]}"

    @classmethod
    def of_path(cls, kind: str, path: Path) -> Claim:
        """Claim a file or folder, which need not exist; links are followed."""
        return cls(kind, os.path.realpath(path))

    @classmethod
    def of_link(cls, connection: str, baud: int) -> Claim | None:
        """Claim a connection; None for a port that the system chooses.

        Raises:
            LinkError: It is in none of the known forms.
        """
        endpoint = parse_connection(connection, baud)
        if endpoint.kind == "serial":
            return cls.of_path("link", Path(endpoint.device))
        if endpoint.kind in ("udpin", "tcpin"):
            protocol = endpoint.kind.removesuffix("in")
            return cls("link", f"{protocol} port {endpoint.port}") if endpoint.port else None
        protocol = endpoint.kind.removesuffix("out")
        return cls("link", f"{protocol} to {_address(endpoint)}:{endpoint.port}")


class Claims:
    """Claims of this process; all are released at the end of the `with`."""

    def __init__(self) -> None:
        self._held: dict[Claim, ExitStack] = {}

    def take(self, wanted: Iterable[Claim]) -> None:
        """Hold exactly these from now on; when one cannot be had, what was held stays.

        Raises:
            HeldError: Another process holds one; says which, and who.
        """
        wanted = tuple(wanted)
        taken: dict[Claim, ExitStack] = {}
        for claim in wanted:
            if claim in self._held or claim in taken:
                continue
            held = _hold(claim)
            if held is None:
                for stack in taken.values():
                    stack.close()
                raise HeldError(
                    f"{claim} is held by {holder_of(claim) or 'a daemon that is just ending'}; "
                    "stop it, or configure another"
                )
            taken[claim] = held
        for claim in tuple(self._held):
            if claim not in wanted:
                self._held.pop(claim).close()
        self._held.update(taken)

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        self.take(())


def holder_of(claim: Claim) -> str:
    """Return the holder in words: process, age, command; empty when nobody holds it."""
    prefix = f"@{claim.name}"
    found = [line.rpartition(" ")[2] for line in NAMES.read_text("ascii", "replace").splitlines()]
    if prefix not in found:
        return ""
    for name in found:
        pid, _, since_s = name.removeprefix(f"{prefix}/").partition("/")
        if name.startswith(f"{prefix}/") and pid.isdigit() and since_s.isdigit():
            return f"process {pid} for {_age(int(since_s))}{_command(pid)}"
    return "another process"


def leave_alone(connection: str, baud: int, tool: str) -> None:
    """Keep a tool off the link of a daemon that runs.

    Raises:
        HeldError: A daemon holds the link.
    """
    link = Claim.of_link(connection, baud)
    holder = holder_of(link) if link is not None else ""
    if holder:
        raise HeldError(f"{link} is held by {holder}; stop it first, or give {tool} another way to the autopilot")


def _hold(claim: Claim) -> ExitStack | None:
    """Bind the names; None when another process has."""
    with ExitStack() as stack:
        since_s = int(time.monotonic())
        for name in (claim.name, f"{claim.name}/{os.getpid()}/{since_s}"):
            bound = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            try:
                bound.bind(b"\0" + name.encode())
            except OSError:
                return None
        return stack.pop_all()


def _address(endpoint: Endpoint) -> str:
    if endpoint.host in LOOPBACKS:
        return "127.0.0.1"
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return endpoint.host.lower()  # it may be found later: the link says so
    return str(found[0][4][0])


def _age(since_s: int) -> str:
    age_s = max(0, int(time.monotonic()) - since_s)
    hours, rest = divmod(age_s, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _command(pid: str) -> str:
    """The command of a process, in brackets; empty where it may not be seen."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    text = b" ".join(words).decode("utf-8", "replace").strip()
    return f" ({text[:COMMAND_LETTERS]})" if text else ""
