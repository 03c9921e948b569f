"""The power goes at every step: the old release or the new one, whole, and a re-run succeeds.

SIGKILL stands for the power: what was not finished stays as it is. That what was finished is also on the disk is shown
by the order of flushes and renames.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import InstallError
from deploy.install import install, prune
from deploy.manifest import parse_manifest
from deploy.trial import rollback, settle
from tests.deploy.rig import ROOT, Drone, Kit, quiet

Action = Callable[[Callable[[str], None]], object]


def killed_at(step: int, action: Action) -> str:
    """Runs an action in a process that dies at its n-th step; "" when it has fewer steps."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        seen = 0

        def reached(name: str) -> None:
            nonlocal seen
            seen += 1
            if seen == step:
                os.write(writing, name.encode())
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            action(reached)
        except InstallError:
            os._exit(3)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        name = answer.read().decode()
    _, status = os.waitpid(pid, 0)
    assert bool(name) == (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL)
    return name


def all_steps(action: Callable[[int], str]) -> list[str]:
    """Names of all steps, in order, by killing at the first, the second and so on."""
    names: list[str] = []
    while name := action(len(names) + 1):
        names.append(name)
        assert len(names) < 100
    return names


def require_whole(drone: Drone) -> str | None:
    """What is current is complete and is, byte for byte, what was signed."""
    current = drone.root.current()
    if current is None:
        return None
    assert drone.root.record(current) is not None, f"{current} is incomplete"
    folder = drone.root.release(current)
    data = (folder / "bundle" / "manifest.json").read_bytes()
    manifest = parse_manifest(data, "here")
    for entry in manifest.files:
        content = (folder / "bundle" / entry.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry.sha256, entry.path
    assert (folder / "edge.toml").is_file() and (folder / "venv" / "bin" / "touchdown").is_file()
    return current


def require_tidy(drone: Drone) -> None:
    assert not (drone.folder / ".staging").exists() and not drone.root.on_trial
    assert not list(drone.folder.rglob("*.partial"))


def fresh(drone: Drone, number: int, first: Path | None = None) -> Drone:
    """Another drone, with a release flying if one is given."""
    other = Drone(drone.folder.parent / f"drone{number}", drone.kit)
    if first is not None:
        other.install(first)
    return other


def test_install_over_another_release(drone: Drone, kit: Kit, second: Path) -> None:
    seen: set[tuple[str, str | None]] = set()

    def once(step: int) -> str:
        at = fresh(drone, step, kit.bundle)
        old = at.root.current()
        name = killed_at(step, lambda reached: install(at.request(second), at.supervision(), quiet, reached))
        flies = require_whole(at)
        seen.add((name, "old" if flies == old else "new"))
        if name:
            again = at.install(second)
            assert require_whole(at) == again != old
            require_tidy(at)
            assert at.root.last_good() == old
        return name

    steps = all_steps(once)
    assert steps[:2] == ["verified", "space"] and steps[-1] == "healthy"
    assert {
        "unpacked",
        "moved",
        "environment",
        "configured",
        "units",
        "checked",
        "self-tested",
        "complete",
        "trial",
        "switched",
        "placed",
        "restarted",
    } < set(steps)
    assert sum(name.startswith("written ") for name in steps) >= 8
    split = steps.index("switched")
    for name, what in seen - {("", "new")}:
        assert what == ("old" if steps.index(name) < split else "new"), name


def test_the_very_first_install(drone: Drone, kit: Kit) -> None:
    def once(step: int) -> str:
        at = fresh(drone, step)
        name = killed_at(step, lambda reached: install(at.request(), at.supervision(), quiet, reached))
        flies = require_whole(at)
        if name:
            assert at.install() == require_whole(at)
            require_tidy(at)
            assert flies in (None, at.root.current())
        return name

    assert "switched" in all_steps(once)


def test_on_the_way_back_from_an_unhealthy_release(drone: Drone, kit: Kit, second: Path) -> None:
    """After the reboot `settle` (the unit at boot) goes on: watches, or goes back."""
    ends: dict[str, str] = {}

    def once(step: int) -> str:
        at = fresh(drone, step, kit.bundle)
        old = at.root.current()
        name = killed_at(step, lambda reached: install(at.request(second), at.supervision(False, True), quiet, reached))
        flies = require_whole(at)
        ends[name] = "old" if flies == old else "new"
        if flies != old:
            with pytest.raises(InstallError, match="is not healthy"):
                settle(at.folder, at.supervision(False, True), quiet)
        else:
            settle(at.folder, at.supervision(), quiet)
        assert require_whole(at) == old
        assert not at.root.on_trial
        return name

    steps = all_steps(once)
    assert {"unhealthy", "failed", "switched back"} < set(steps)
    assert ends["failed"] == "new" and ends["switched back"] == "old" and ends[""] == "old"


def test_a_healthy_release_whose_watch_was_cut_off_is_kept(drone: Drone, kit: Kit, second: Path) -> None:
    at = fresh(drone, 1, kit.bundle)
    assert (
        killed_at(
            1,
            lambda reached: install(
                at.request(second), at.supervision(), quiet, lambda s: reached(s) if s == "restarted" else None
            ),
        )
        == "restarted"
    )
    assert at.root.on_trial
    assert settle(at.folder, at.supervision(), quiet) == require_whole(at)
    assert at.service.told[-1] == "restart" and not at.root.on_trial
    assert settle(at.folder, at.supervision(), quiet) is None


def test_a_trial_that_was_cut_off_can_be_turned_away_by_hand(drone: Drone, kit: Kit, second: Path) -> None:
    at = fresh(drone, 1, kit.bundle)
    old = at.root.current()
    killed_at(
        1,
        lambda reached: install(
            at.request(second), at.supervision(), quiet, lambda s: reached(s) if s == "restarted" else None
        ),
    )
    assert at.root.on_trial and at.root.current() != old
    assert rollback(at.folder, None, at.supervision(), quiet) == old == require_whole(at)
    assert not at.root.on_trial
    assert settle(at.folder, at.supervision(), quiet) is None


def test_rollback(drone: Drone, kit: Kit, second: Path) -> None:
    def once(step: int) -> str:
        at = fresh(drone, step, kit.bundle)
        old = at.root.current()
        new = at.install(second)
        name = killed_at(step, lambda reached: rollback(at.folder, None, at.supervision(), quiet, reached))
        if require_whole(at) == new:
            rollback(at.folder, None, at.supervision(), quiet)
        assert require_whole(at) == old
        return name

    assert all_steps(once) == ["rejected", "switched", "placed", "restarted", "healthy"]


def test_pruning(drone: Drone, kit: Kit, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that is half removed is no release: nobody can switch to it."""
    first = drone.install()
    for height_m in (9.0, 10.0):
        drone.install(kit.pack(out=kit.folder / "more.tar.zst", sample_height_m=height_m))

    def die(path: object, *_: object, **__: object) -> None:
        (Path(str(path)) / "edge.toml").unlink()
        os.kill(os.getpid(), signal.SIGKILL)

    def act(_reached: Callable[[str], None]) -> None:
        import shutil

        monkeypatch.setattr(shutil, "rmtree", die)
        prune(drone.folder, 1, quiet)

    pid = os.fork()
    if pid == 0:
        try:
            act(lambda _s: None)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert drone.root.record(first) is None and first in drone.root.names()
    with pytest.raises(InstallError, match="no complete release of that name"):
        rollback(drone.folder, first, drone.supervision(), quiet)
    assert prune(drone.folder, 1, quiet) == [first]
    require_whole(drone)


def test_a_torn_line_of_the_history_is_left_out(flying: Drone) -> None:
    with (flying.folder / "history.jsonl").open("ab") as file:
        file.write(b'{"release": "new-111111111111", "verd')
    name = flying.install()
    assert [e.release for e in flying.root.history()] == ["old-000000000000", name, name]
    assert flying.root.last_good() == "old-000000000000"


def test_what_is_renamed_into_place_was_flushed_before(drone: Drone, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[tuple[str, str]] = []
    fsync, replace, sync = os.fsync, Path.replace, os.sync

    def logged_fsync(descriptor: int) -> None:
        log.append(("flush", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def logged_replace(self: Path, target: Path) -> Path:
        log.append(("rename", f"{self} {target}"))
        return replace(self, target)

    def logged_sync() -> None:
        log.append(("flush", "everything"))
        sync()

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(Path, "replace", logged_replace)
    monkeypatch.setattr(os, "sync", logged_sync)
    name = drone.install()
    release = drone.root.release(name)

    def at(kind: str, end: str) -> int:
        found = [i for i, (k, text) in enumerate(log) if k == kind and text.endswith(end)]
        assert found, (kind, end)
        return found[0]

    staged = drone.folder / ".staging" / name
    moved = at("rename", f" {release}")
    manifest = parse_manifest((release / "bundle" / "manifest.json").read_bytes(), "here")
    for entry in manifest.files:
        assert at("flush", f"{staged}/bundle/{entry.path}") < moved
    for folder in ("bundle", "bundle/model", "bundle/samples", "bundle/systemd"):
        assert at("flush", f"{staged}/{folder}") < moved
    everything = at("flush", "everything")
    complete = at("rename", f" {release}/release.json")
    switched = at("rename", f" {drone.folder}/current")
    record = at("flush", f"{release}/.release.json.partial")
    trial = at("rename", f" {drone.folder}/trial")
    assert moved < everything < record < complete < trial < switched
    flushes = [i for i, entry in enumerate(log) if entry == ("flush", str(drone.folder))]
    assert any(i > switched for i in flushes), "the switch itself is not flushed"


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_a_random_moment_with_everything_real(kit: Kit, second: Path, tmp_path: Path, seed: int) -> None:
    """The command itself, with `edge check` and the self-test, ended from outside."""
    at = Drone(tmp_path / "root", kit)
    words = [
        sys.executable,
        "-m",
        "touchdown",
        "deploy",
        "install",
        str(second),
        "--root",
        str(at.folder),
        "--trusted-key",
        str(kit.public),
        "--service",
        "none",
    ]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    moment_s = random.Random(seed).uniform(0.3, 5.0)
    time.sleep(moment_s)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    require_whole(at)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    require_whole(at)
    require_tidy(at)
