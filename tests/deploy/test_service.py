"""Restarting and watching: systemd played by a script, the daemon's page by a small server."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.errors import InstallError
from deploy.service import Patience, ProbeResult, ReadyPage, Systemd, watch
from tests.deploy.rig import ROOT, Kit, program

SYSTEMCTL = """
folder="$(dirname "$0")"
echo "$*" >> "$folder/log"
case "$1" in
  show) cat "$folder/state";;
  restart) test ! -e "$folder/refuse" || { echo "Failed to restart: Access denied" >&2; exit 4; }
           if [ -e "$folder/after" ]; then cp "$folder/after" "$folder/state"; fi;;
  reset-failed) exit 1;;
esac
"""


class Manager:
    """A systemctl and what it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state()

    def state(
        self,
        active: str = "active",
        sub: str = "running",
        restarts: int = 0,
        status: str = "",
        loaded: str = "loaded",
        file: str = "state",
    ) -> None:
        (self.folder / file).write_text(
            f"LoadState={loaded}\nActiveState={active}\nSubState={sub}\nNRestarts={restarts}\n"
            f"ExecMainStatus=78\nStatusText={status}\n"
        )

    @property
    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with program(tmp_path / "bin", "systemctl", SYSTEMCTL):
        yield Manager(tmp_path / "bin")


@pytest.fixture
def unit(manager: Manager) -> Systemd:
    return Systemd("td.service", str(manager.folder / "systemctl"))


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Script:
    """A probe that says one thing after the other, then the last one forever."""

    def __init__(self, *words: str) -> None:
        self._words = list(words)

    def look(self) -> ProbeResult:
        word = self._words.pop(0) if len(self._words) > 1 else self._words[0]
        return ProbeResult(word == "ready", word == "failed", word)


def watched(*probes: Script, ready_s: float = 10.0, hold_s: float = 2.0) -> tuple[ProbeResult, float]:
    clock = Clock()
    health = watch(probes, Patience(ready_s, hold_s, 0.5), clock, clock.sleep)
    return health, clock.now_s


def test_healthy_is_ready_and_stays_so() -> None:
    health, took_s = watched(Script("starting", "starting", "ready"))
    assert health.ready and took_s == 3.0 and "well for 2 s" in health.text


def test_one_that_fails_is_not_waited_for() -> None:
    health, took_s = watched(Script("starting", "failed"))
    assert health.failed and took_s == 0.5


def test_one_that_never_becomes_ready() -> None:
    health, took_s = watched(Script("starting"))
    assert health.failed and took_s == 10.0
    assert health.text == "not ready after 10 s: starting"


def test_one_that_falls_over_while_it_is_watched() -> None:
    health, _ = watched(Script("ready", "ready", "starting"))
    assert health.failed and "no longer ready after 1.0 s: starting" in health.text


def test_all_probes_must_be_ready() -> None:
    health, _ = watched(Script("ready"), Script("starting"))
    assert health.failed
    assert watched(Script("ready"), Script("starting", "ready"))[0].ready
    assert watched(Script("ready"), hold_s=0.0)[1] == 0.0


def test_a_restart_of_a_unit(manager: Manager, unit: Systemd) -> None:
    unit.restart()
    assert [line.split()[0] for line in manager.log] == ["daemon-reload", "reset-failed", "show", "restart"]
    assert manager.log[-1] == "restart --no-block td.service"
    manager.state(status="TRACK: 12.4 Hz")
    assert unit.look() == ProbeResult(True, False, "td.service is active (running): TRACK: 12.4 Hz")
    manager.state("activating", "start")
    assert unit.look() == ProbeResult(False, False, "td.service is activating (start)")
    unit.stop()
    assert manager.log[-1] == "stop td.service"


def test_a_unit_that_failed_or_was_restarted(manager: Manager, unit: Systemd) -> None:
    manager.state(restarts=3)
    unit.restart()  # what it did before is no fault of the new release
    assert unit.look().ready
    manager.state(restarts=4)
    assert unit.look().failed
    manager.state("failed", "failed")
    health = unit.look()
    assert health.failed and "last exit status 78" in health.text
    assert "`journalctl -u td.service -n 50` says why" in health.text
    manager.state("inactive", "dead", loaded="not-found")
    assert "is not known to systemd: install --systemd" in unit.look().text


def test_a_systemctl_that_refuses(manager: Manager, unit: Systemd, tmp_path: Path) -> None:
    (manager.folder / "refuse").touch()
    with pytest.raises(InstallError, match=r"restart --no-block td\.service: .*Access denied"):
        unit.restart()
    with pytest.raises(InstallError, match="without systemd use --service none"):
        Systemd("td.service", str(tmp_path / "none")).stop()


class Page(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(type(self).status)
        self.end_headers()
        self.wfile.write(b"camera: no frame for 3 s")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join(10)
        Page.status = 200


def test_the_daemons_own_page(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    page = ReadyPage(f"http://127.0.0.1:{port}/readyz")
    assert page.look().ready
    Page.status = 503
    health = page.look()
    assert not health.ready and not health.failed and "503 camera: no frame" in health.text
    assert not ReadyPage("http://127.0.0.1:9/readyz").look().ready


@pytest.mark.parametrize("url", ["http://10.0.0.1/readyz", "https://127.0.0.1/", "file:///etc/passwd", "readyz"])
def test_pages_elsewhere_are_not_asked(url: str) -> None:
    with pytest.raises(InstallError, match=r"expected http://127\.0\.0\.1:PORT/PATH"):
        ReadyPage(url)


def deploy(manager: Manager, words: Sequence[object]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{manager.folder}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, "-m", "touchdown", "deploy", *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_whole_command_with_a_service(kit: Kit, manager: Manager, tmp_path: Path) -> None:
    """Install, install a release that fails, find the first one flying; as a user runs it."""
    root = tmp_path / "root"
    watching = ["--root", root, "--service", "td.service", "--watch", "0.5", "--ready-within", "5"]
    done = deploy(manager, ["install", kit.bundle, "--trusted-key", kit.public, *watching])
    assert done.returncode == 0, done.stderr
    assert "td.service is active (running), well for 0.5 s" in done.stdout
    first = (root / "current").readlink()
    other = kit.pack(out=tmp_path / "other.tar.zst", sample_height_m=9.5)
    manager.state("failed", "failed", file="after")
    done = deploy(manager, ["install", other, "--trusted-key", kit.public, *watching])
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "is not healthy: td.service is failed" in done.stderr
    assert (root / "current").readlink() == first
    listed = deploy(manager, ["list", "--root", root])
    assert "failed" in listed.stdout and "there is no release to roll back to" in listed.stdout
