"""A board's system in a folder of this workstation: its programs run by bubblewrap, another processor's by qemu.

The system itself is never written to. What a day on the board writes lies in a second folder, the disk, so that each
day begins with a bare board. The network is the workstation's.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import InstallError
from landing.errors import last_lines

WRITTEN = {"opt": "/opt", "home": "/root", "log": "/var/log", "run": "/run", "tmp": "/tmp"}
"""Folders of the disk, and where the board sees them."""

_MADE = {"/dev", "/proc", "/sys", *WRITTEN.values()}
"""Places that the system does not fill. One that was only unpacked lacks some of them: Debian has no /opt then."""

_PROCESSORS = tuple(f"/sys/devices/system/cpu/{name}" for name in ("online", "possible", "present"))
"""All that a board sees of /sys. In the caches of another processor ONNX Runtime for Arm crashes under qemu 7.2."""

PYTHON = "/usr/bin/python3"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
"""Kernel's list of programs for files that are no programs of its own."""

_ASK = "import platform, sys; print(platform.machine(), '{}.{}'.format(*sys.version_info))"
_LEFT_S = 300.0
"""Time that a program gets to end once it was told to, s: an emulated one on a busy workstation needs minutes."""


@dataclass(frozen=True)
class Ran:
    """A program that ended: exit status, output, and seconds by the clock and of the processor."""

    status: int
    out: str
    err: str
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Running:
    """A program that runs: its process here, and when it began by the monotonic clock, s."""

    process: subprocess.Popen[bytes]
    pid: int
    began_s: float

    def cpu_s(self) -> float:
        """Seconds of the processor so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, how: signal.Signals) -> int:
        """Sends a signal and waits for the end; returns the exit status, 128 more than the signal that killed it.

        Raises:
            InstallError: It goes on running.
        """
        os.kill(self.pid, how)
        try:
            return self.process.wait(_LEFT_S)
        except subprocess.TimeoutExpired:
            raise InstallError(f"the daemon still runs {_LEFT_S:g} s after {how.name}") from None


@dataclass(frozen=True)
class BoardRoot:
    """A board's system and its disk."""

    system: Path
    disk: Path

    @classmethod
    def prepare(cls, system: Path, disk: Path) -> BoardRoot:
        """Makes the disk's folders.

        Raises:
            InstallError: No bubblewrap here, no system with Python there, or a disk that is in use already.
        """
        if shutil.which("bwrap") is None:
            raise InstallError("a board's root is entered by bubblewrap, which is not here: apt install bubblewrap")
        if not (system / PYTHON.lstrip("/")).is_file():
            raise InstallError(
                f"--root {system} is no system with {PYTHON}: docs/operate/deploy.md says how to make one of a board's"
            )
        for name in WRITTEN:
            folder = disk / name
            if folder.is_dir() and any(folder.iterdir()):
                raise InstallError(f"--disk {disk} holds another day already: empty it, or name another folder")
            folder.mkdir(parents=True, exist_ok=True)
        return cls(system, disk)

    def _entry(self) -> list[str]:
        """The words before a command that run it on the board, from its home."""
        found = ["bwrap", "--die-with-parent", "--tmpfs", "/"]
        for entry in sorted(self.system.iterdir()):
            place = f"/{entry.name}"
            if entry.is_symlink():
                found += ["--symlink", str(entry.readlink()), place]
            elif place not in _MADE:
                found += ["--ro-bind", str(entry), place]
        found += ["--dev", "/dev", "--proc", "/proc"]
        for name in _PROCESSORS:
            found += ["--ro-bind-try", name, name]
        for name, place in WRITTEN.items():
            found += ["--bind", str(self.disk / name), place]
        found += ["--clearenv", "--setenv", "HOME", "/root", "--setenv", "LANG", "C.UTF-8"]
        found += ["--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "--chdir", "/root"]
        return found

    def run(self, command: Sequence[str], timeout_s: float) -> Ran:
        """Runs a program to its end.

        Raises:
            InstallError: It does not start, or takes too long.
        """
        began_s, used_s = time.monotonic(), _children_s()
        words = [*self._entry(), "--", *command]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout_s
            )
        except subprocess.TimeoutExpired:
            raise InstallError(f"{' '.join(command[:3])}: took longer than {timeout_s:g} s on the board") from None
        wall_s, cpu_s = time.monotonic() - began_s, _children_s() - used_s
        return Ran(done.returncode, done.stdout, done.stderr, wall_s, cpu_s)

    def machine(self) -> tuple[str, str]:
        """Processor and Python of the board, as ``aarch64`` and ``3.11``.

        Raises:
            InstallError: Its programs do not run here; says what that needs.
        """
        done = self.run([PYTHON, "-I", "-c", _ASK], 120.0)
        if done.status:
            raise InstallError(
                f"programs of --root {self.system} do not run here: {last_lines(done.err)}. Those of another "
                "processor need qemu: apt install qemu-user-static binfmt-support. In a container bubblewrap may need "
                "more rights"
            )
        processor, python = done.out.split()
        return processor, python

    @contextmanager
    def running(self, command: Sequence[str], log: Path, environment: dict[str, str]) -> Iterator[Running]:
        """Runs a program beside the block; it is killed at the block's end, if it has not ended by then.

        Raises:
            InstallError: It does not start.
        """
        told, tell = os.pipe()
        try:
            words = [*self._entry(), "--json-status-fd", str(tell)]
            for name, value in environment.items():
                words += ["--setenv", name, value]
            began_s = time.monotonic()
            with log.open("ab") as stream:
                process = subprocess.Popen(
                    [*words, "--", *command], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, pass_fds=[tell]
                )
        finally:
            os.close(tell)
        with os.fdopen(told) as status:
            first = status.readline()
            try:
                pid = int(json.loads(first)["child-pid"]) if first else 0
                if not pid:
                    raise InstallError(f"{command[0]} does not start on the board: {last_lines(log.read_text())}")
                yield Running(process, pid, began_s)
            finally:
                process.kill()  # its programs end with it (--die-with-parent)
                process.wait()


def emulator(processor: str) -> str:
    """Program that runs a processor's programs here, as ``qemu 10.0.13``; empty for this machine's own processor."""
    if processor == platform.machine():
        return ""
    for name in (f"qemu-{processor}", f"qemu-{processor}-static"):
        try:
            found = re.search(r"^interpreter (.+)$", (BINFMT / name).read_text("utf-8"), re.M)
            words = [str(Path(found[1]).resolve()) if found else "", "--version"]
            said = subprocess.run(words, capture_output=True, text=True, timeout=_LEFT_S).stdout
        except OSError:
            continue
        if version := re.search(r" version ([\d.]+)", said):
            return f"qemu {version[1]}"
    return "qemu"


def _children_s() -> float:
    """Seconds of the processor that this process's ended children used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
