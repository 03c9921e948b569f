"""A new release that nobody could judge is left again, whatever failed while it was judged."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import cli
from deploy.errors import InstallError
from deploy.install import install
from deploy.layout import Root
from deploy.service import ReadyPage
from deploy.trial import Supervision, rollback, settle
from tests.deploy.rig import Drone, Verdicts, quiet


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "error",
    [
        InstallError("systemctl show took too long"),
        http.client.BadStatusLine("garbage"),
        OSError(5, "Input/output error"),
    ],
)
def test_a_watch_that_breaks_counts_as_unhealthy(drone: Drone, second: Path, error: Exception) -> None:
    old = drone.install()
    watched = Verdicts(True)

    def breaks(*arguments: object) -> object:
        if drone.root.current() != old:
            raise error
        return watched((), arguments[1])  # type: ignore[arg-type]

    supervision = Supervision(drone.service, watcher=breaks)  # type: ignore[arg-type]
    with pytest.raises(InstallError, match=rf"is not healthy: .*{old} flies again and is healthy"):
        install(drone.request(second), supervision, quiet)
    assert drone.root.current() == old and not drone.root.on_trial


def test_units_that_cannot_be_written_count_as_unhealthy(drone: Drone, second: Path) -> None:
    old = drone.install()
    supervision = Supervision(drone.service, place_units=no_space, watcher=Verdicts(True))
    with pytest.raises(InstallError, match=rf"is not healthy: .*No space left.*{old} flies again"):
        install(drone.request(second), supervision, quiet)
    assert drone.root.current() == old


def test_a_page_that_talks_nonsense_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(b"\x00nonsense\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        found = ReadyPage(f"http://127.0.0.1:{server.getsockname()[1]}/readyz").look()
        thread.join(5)
    assert not found.ready and not found.failed and "readyz" in found.text


def test_an_unhealthy_release_is_left_on_a_full_disk(
    drone: Drone, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release under trial may be what fills the disk: then not even its verdict can be noted."""
    old = drone.install()

    def fills(*_: object) -> object:
        monkeypatch.setattr(Root, "note", no_space)
        return Verdicts(False)((), drone.supervision().patience)

    supervision = Supervision(drone.service, watcher=fills)  # type: ignore[arg-type]
    with pytest.raises(InstallError, match="not healthy"):
        install(drone.request(second), supervision, quiet)
    assert drone.root.current() == old and drone.service.told == ["restart"] * 3
    assert not drone.root.on_trial


def test_a_listener_that_left_does_not_stop_an_installation(drone: Drone, second: Path) -> None:
    """The link of `deploy push --install` broke: whoever reads the steps is gone."""
    old = drone.install()

    def deaf(line: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    new = install(drone.request(second), drone.supervision(), deaf)
    assert drone.root.current() == new != old and not drone.root.on_trial
    assert drone.service.told == ["restart"] * 2
    assert rollback(drone.folder, None, drone.supervision(), deaf) == old
    drone.root.begin_trial(old)
    assert settle(drone.folder, drone.supervision(), deaf) == old


def test_a_terminal_that_goes_away_does_not_stop_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def hung_up(*_: object) -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        return "field-000000000000"

    monkeypatch.setattr("deploy.trial.rollback", hung_up)
    before = signal.signal(signal.SIGHUP, lambda number, _frame: told.append(number))
    try:
        done = CliRunner().invoke(cli, ["rollback", "--root", str(tmp_path), "--service", "none"])
        assert done.exit_code == 0 and told == []
        os.kill(os.getpid(), signal.SIGHUP)
        assert told == [signal.SIGHUP], "afterwards it is as before"
    finally:
        signal.signal(signal.SIGHUP, before)


def blinder(drone: Drone, name: str) -> None:
    """Somebody, or the disk, changes what a release flies with."""
    path = drone.root.release(name) / "edge.toml"
    path.write_text(path.read_text() + "[decision]\nlandable_probability = 0.5\n")


def rotten(drone: Drone, name: str) -> None:
    path = drone.root.release(name) / "bundle" / "model" / "colours.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")


@pytest.mark.parametrize(("spoil", "named"), [(blinder, r"edge\.toml"), (rotten, r"model/colours\.onnx")])
def test_nothing_goes_back_to_what_is_no_longer_what_was_proven(
    drone: Drone, second: Path, third: Path, spoil: Callable[[Drone, str], None], named: str
) -> None:
    oldest, old = drone.install(), drone.install(second)
    spoil(drone, old)
    with pytest.raises(InstallError, match=rf"not healthy.*{oldest} flies again"):
        drone.install(third, False, True)
    assert drone.root.current() == oldest
    with pytest.raises(InstallError, match=rf"--to {old}: {named} of it is not what was proven"):
        rollback(drone.folder, old, drone.supervision(), quiet)
    assert drone.root.current() == oldest
    spoil(drone, oldest)
    with pytest.raises(InstallError, match="There is no earlier release that is whole: nothing flies now"):
        drone.install(third, False)
    assert drone.root.current() is None


def test_rollback_passes_over_what_is_damaged(drone: Drone, second: Path, third: Path) -> None:
    oldest, old = drone.install(), drone.install(second)
    drone.install(third)
    blinder(drone, old)
    said: list[str] = []
    assert rollback(drone.folder, None, drone.supervision(), said.append) == oldest
    assert any(f"{old} is passed over: edge.toml" in line for line in said)


def test_a_changed_configuration_is_not_installed_again_as_it_lies_there(drone: Drone, second: Path) -> None:
    first = drone.install()
    path = drone.root.release(first) / "edge.toml"
    good = path.read_bytes()
    drone.install(second)
    blinder(drone, first)
    assert drone.install() == first and path.read_bytes() == good


def test_what_flies_is_not_made_anew_under_itself(drone: Drone) -> None:
    name = drone.install()
    (drone.root.release(name) / "release.json").write_text("{")
    with pytest.raises(InstallError, match=r"flies, and release\.json of it is damaged"):
        drone.install()
    assert (drone.root.release(name) / "edge.toml").is_file() and drone.root.current() == name


def test_a_release_of_a_newer_version_is_complete(drone: Drone, second: Path) -> None:
    """After a step back the older software must not take the newer release for one that was cut off."""
    name = drone.install()
    path = drone.root.release(name) / "release.json"
    path.write_text(path.read_text().replace("{", '{"invented_later": 1,', 1))
    drone.install(second)
    assert drone.root.last_good() == name
