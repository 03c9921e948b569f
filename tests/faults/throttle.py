"""Takes a process the better part of its processor, as heat does."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def throttled(pid: int) -> Iterator[str]:
    """Gives a process a fifth of a core, by the kernel's quota or by stopping it in turns."""
    group = quota_group(pid)
    if group is not None:
        try:
            yield "cgroup quota of 0.2 cores"
        finally:
            leave(group)
        return
    stop = os.fork()
    if stop == 0:
        with contextlib.suppress(OSError):
            while True:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.08)
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.02)
        os._exit(0)
    try:
        yield "stopped four fifths of the time"
    finally:
        os.kill(stop, signal.SIGKILL)
        os.waitpid(stop, 0)
        os.kill(pid, signal.SIGCONT)


def quota_group(pid: int) -> Path | None:
    """Moves a process into a group of its own with a quota; None where that is not allowed."""
    for root, name, quota in (
        (Path("/sys/fs/cgroup/cpu"), "cpu.cfs_quota_us", "20000"),
        (Path("/sys/fs/cgroup"), "cpu.max", "20000 100000"),
    ):
        if not (root / "cgroup.procs").exists():
            continue
        group = root / f"touchdown-test-{pid}"
        with contextlib.suppress(OSError):
            group.mkdir()
            try:
                (group / name).write_text(quota)
                (group / "cgroup.procs").write_text(str(pid))
                return group
            except OSError:
                group.rmdir()
    return None


def leave(group: Path) -> None:
    """Moves everybody out of a group, children that began in it too, and removes it."""
    deadline = time.monotonic() + 10
    while group.exists():
        for member in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):  # it has ended
                (group.parent / "cgroup.procs").write_text(member)
        with contextlib.suppress(OSError):
            group.rmdir()
        assert time.monotonic() < deadline, f"{group} does not become empty"
