"""A release under trial: restarted, watched, and left again unless it is healthy.

At every moment `current` points to a complete release, or to none before the first. What is noted beside it only says
what to do next, so a power cut between any two lines here costs a watch, never a mixture.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from deploy.errors import InstallError, disk_words
from deploy.layout import Root, Verdict
from deploy.proven import changed
from deploy.release import Reached, Say
from deploy.service import Patience, Probe, ProbeResult, Service, watch


@dataclass(frozen=True)
class Supervision:
    """Restarts the daemon after a switch, and sees its health.

    Attributes:
        service: None where nothing is to be restarted: then nothing is watched either.
        probes: All must be ready.
        patience: Time they may take.
        place_units: Makes the service manager know the current release; before each restart.
        watcher: Waits for the probes.
    """

    service: Service | None = None
    probes: Sequence[Probe] = ()
    patience: Patience = field(default_factory=Patience)
    place_units: Callable[[], None] = lambda: None
    watcher: Callable[[Sequence[Probe], Patience], ProbeResult] = watch


@dataclass
class Steps:
    """Says each step with the time since the one before; that nobody listens any more stops nothing."""

    say: Say
    last_s: float = field(default_factory=time.monotonic)

    def __call__(self, text: str) -> None:
        """Says that a step is done."""
        now_s = time.monotonic()
        with contextlib.suppress(OSError):
            self.say(f"{now_s - self.last_s:6.1f} s  {text}")
        self.last_s = now_s


def settle(root_path: Path, supervision: Supervision, say: Say, reached: Reached = lambda _step: None) -> str | None:
    """Ends a trial that a power cut interrupted: watches what flies, or goes back.

    Returns:
        The release that was under trial and is healthy; None when there was none.

    Raises:
        InstallError: It was not healthy, and the one before flies again.
    """
    root = Root(root_path)
    if not root.on_trial:
        return None
    with root.locked():
        current, steps = root.current(), Steps(say)
        last = root.verdict(current) if current is not None else None
        if current is None or last is None or last.verdict == "healthy":
            root.end_trial()  # the power went before the switch, or after the verdict
            return None
        if last.verdict != "trial":  # it went on the way back
            _go_back(root, current, None, last.why, supervision, steps, reached)
        judge(root, current, None, supervision, steps, reached)
    return current


def rollback(
    root_path: Path, to: str | None, supervision: Supervision, say: Say, reached: Reached = lambda _step: None
) -> str:
    """Goes back to an earlier release, the newest healthy one where none is named; returns the release that flies now.

    Raises:
        InstallError: There is none to go back to, or it is not healthy either.
    """
    steps = Steps(say)
    root = Root(root_path)
    if not root.releases.is_dir():
        raise InstallError(f"--root {root_path} holds no releases: `touchdown deploy install` first")
    with root.locked():
        current = root.current()
        target = to if to is not None else _whole(root, root.good(), steps)
        if target is None:
            raise InstallError(
                f"--root {root_path}: there is no earlier healthy release; `touchdown deploy list` "
                "shows what is there, --to NAME takes any of them"
            )
        if root.record(target) is None:
            raise InstallError(
                f"--to {target}: no complete release of that name; there are: "
                f"{', '.join(name for name in root.names() if root.record(name)) or 'none'}"
            )
        if target == current:
            raise InstallError(f"--to {target}: it flies already")
        if bad := changed(root, target):
            raise InstallError(f"--to {target}: {bad} of it is not what was proven: install its bundle again")
        if current is not None:
            _note(root, current, "rejected", f"deploy rollback to {target}", steps)
        reached("rejected")
        root.switch(target)
        root.end_trial()  # whatever was under trial was turned away
        steps(f"current -> {target} (before: {current})")
        reached("switched")
        health = _restart_and_watch(supervision, steps, reached)
        if not health.ready:
            _note(root, target, "failed", health.text, steps)
            reached("failed")
            raise InstallError(f"{target} flies now, but is not healthy: {health.text}")
        _note(root, target, "healthy", health.text, steps)
        reached("healthy")
    return target


def judge(root: Root, release: str, before: str | None, supervision: Supervision, say: Say, reached: Reached) -> None:
    """Restarts and watches a release that was switched to; goes back unless it is healthy.

    Args:
        root: Locked by the caller.
        release: That `current` points to.
        before: That flew before it, to go back to where none was found healthy; None for nothing.
        supervision: Of the daemon.
        say: Told of each step.
        reached: Told of each step that is done.

    Raises:
        InstallError: It is not healthy; the one before flies again.
    """
    health = _restart_and_watch(supervision, say, reached)
    if not health.ready:
        reached("unhealthy")
        _go_back(root, release, before, health.text, supervision, say, reached)
    root.note(release, "healthy", health.text)
    root.end_trial()
    reached("healthy")


def _restart_and_watch(supervision: Supervision, say: Say, reached: Reached) -> ProbeResult:
    """Return how the release is; whatever keeps it from being judged counts as not healthy."""
    try:
        supervision.place_units()
        reached("placed")
        if supervision.service is None:
            return ProbeResult(True, False, "not watched: no service")
        supervision.service.restart()
        reached("restarted")
        say("restarted; watching")
        health = supervision.watcher(supervision.probes, supervision.patience)
    except InstallError as error:
        health = ProbeResult(False, True, str(error))
    except Exception as error:  # noqa: BLE001 - a release that nobody could judge must not stay
        health = ProbeResult(False, True, f"it cannot be watched: {error!r}")
    say(health.text)
    return health


def _note(root: Root, release: str, verdict: Verdict, why: str, say: Say) -> None:
    """Notes a verdict on the way back, which a full disk must not bar."""
    try:
        root.note(release, verdict, why)
    except OSError as error:
        say(f"{release} is {verdict}, which cannot be noted: {disk_words(error)}")


def _whole(root: Root, releases: Iterable[str], say: Say) -> str | None:
    """The first of some releases that is still what was signed and proven; None where none is."""
    for name in releases:
        bad = changed(root, name)
        if not bad:
            return name
        say(f"{name} is passed over: {bad} of it is not what was proven")
    return None


def _go_back(
    root: Root, failed: str, before: str | None, why: str, supervision: Supervision, say: Say, reached: Reached
) -> NoReturn:
    """Leaves an unhealthy release."""
    _note(root, failed, "failed", why, say)
    reached("failed")
    earlier = list(root.good())
    if before is not None and before not in (failed, *earlier):
        earlier.append(before)
    target = _whole(root, earlier, say)
    if target is None:
        root.switch_off()
        root.end_trial()
        reached("switched back")
        if supervision.service is not None:
            supervision.service.stop()
        whole = " that is whole" if earlier else ""
        raise InstallError(
            f"release {failed} is not healthy: {why}. There is no earlier release{whole}: nothing flies now"
        )
    root.switch(target)
    root.end_trial()
    say(f"rolled back: current -> {target}")
    reached("switched back")
    again = _restart_and_watch(supervision, say, reached)
    state = "flies again and is healthy" if again.ready else f"flies again, but: {again.text}"
    raise InstallError(f"release {failed} is not healthy: {why}. {target} {state}")
