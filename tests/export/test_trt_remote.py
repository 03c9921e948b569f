"""`export trt --host`: with ssh and scp played by scripts, and with a real ssh server."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from export.ssh import SshError, SshHost
from export.trt import remote as module
from export.trt.make import EngineRequest, make_engine
from export.trt.remote import Remote
from landing.errors import ModelError
from landing.model.manifest import BuilderOptions, read_engine
from tests.export.trt_models import small
from tests.ssh_server import ssh_server

BOARD = Path(__file__).with_name("fake_board.py")
ROOT = Path(__file__).resolve().parents[2]

SSH = """#!/bin/sh
# The last argument is the command; a real ssh gives it to the other side's shell.
for word in "$@"; do command="$word"; done
echo "ssh $*" >> {log}
{extra}
exec sh -c "$command"
"""
SCP = """#!/bin/sh
echo "scp $*" >> {log}
{extra}
while [ "$1" != "--" ]; do shift; done; shift
for word in "$@"; do last="$word"; done
while [ "$#" -gt 1 ]; do cp "${{1#*:}}" "${{last#*:}}" || exit 1; shift; done
"""


@pytest.fixture(autouse=True)
def _tensorrt() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed (x86-64 Linux only)")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small(tmp_path / "small.onnx")


class Network:
    """A folder of ssh and scp that goes first in PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.script("ssh", SSH)
        self.script("scp", SCP)

    def script(self, name: str, text: str, extra: str = ":") -> None:
        path = self.folder / name
        path.write_text(text.format(log=self.log, extra=extra))
        path.chmod(0o755)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def there(self) -> Path:
        """The folder that was made on the other side."""
        (copied,) = [line for line in self.lines if "graph.onnx" in line and "scp" in line]
        return Path(copied.rpartition(":")[2])


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Network(folder)


@pytest.fixture
def python(tmp_path: Path) -> str:
    """The other machine's Python: it has TensorRT, touchdown and a GPU."""
    path = tmp_path / "remote python"
    path.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {BOARD} "$@"\n')
    path.chmod(0o755)
    return str(path)


def make(model: Path, remote: Remote, **options: object) -> tuple[list[str], Path]:
    said: list[str] = []
    out = model.parent / "flight.engine"
    request = EngineRequest(model, out, "fp16", remote=remote, **options)  # type: ignore[arg-type]
    said += make_engine(request, said.append)
    return said, out


def nothing_is_left(model: Path, network: Network) -> bool:
    assert not network.there.exists(), "the folder on the other machine is still there"
    return not list(model.parent.glob("*engine*")) and not list(model.parent.glob(".touchdown*"))


def test_an_engine_is_built_there_and_brought_home(model: Path, network: Network, python: str) -> None:
    key = model.parent / "key"
    remote = Remote(SshHost("jetson@board", 2222, key, model.parent / "config"), python)
    cache = model.parent / "timing.cache"
    said, out = make(model, remote, timing_cache=cache, options=BuilderOptions(workspace_mb=64))
    manifest, engine = read_engine(out)
    assert len(engine) > 1000 and manifest.gpu_name == "Orin" and manifest.precision == "fp16"
    assert manifest.options.workspace_mb == 64 and manifest.options.timing_cache
    assert any("built in" in line for line in said) and any("Orin" in line for line in said)
    assert not network.there.exists()
    for line in network.lines:
        assert "BatchMode=yes" in line and "ConnectTimeout=15" in line, line
        assert f"-i {key}" in line and f"-F {model.parent / 'config'}" in line
        assert ("-p 2222" if line.startswith("ssh") else "-P 2222") in line
    kinds = [line.split()[0] for line in network.lines]
    assert kinds == ["ssh", "scp", "ssh", "scp", "ssh"]  # folder, there, build, back, clean up


def test_a_machine_that_cannot_be_reached(model: Path, network: Network) -> None:
    network.script("ssh", SSH, "echo 'ssh: connect to host board port 22: refused' >&2; exit 255")
    with pytest.raises(SshError, match=r"board cannot be reached: .*refused.*ssh-copy-id"):
        make(model, Remote(SshHost("jetson@board")))
    assert not list(model.parent.glob("*engine*"))


def test_a_machine_without_touchdown(model: Path, network: Network) -> None:
    with pytest.raises(SshError, match=r"false-python has no touchdown .*--remote-python"):
        make(model, Remote(SshHost("jetson@board"), "/usr/bin/false-python"))
    assert nothing_is_left(model, network)
    network.log.unlink()
    bare = model.parent / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(SshError, match=r"bare has no touchdown .*No module named"):
        make(model, Remote(SshHost("jetson@board"), str(bare)))
    assert nothing_is_left(model, network)


def test_a_build_that_fails_there_says_why(model: Path, network: Network, python: str) -> None:
    options = BuilderOptions(dla_core=1)
    with pytest.raises(SshError, match=r"the build failed there: --dla 1: TensorRT .* no DLA"):
        make(model, Remote(SshHost("jetson@board"), python), options=options)
    assert nothing_is_left(model, network)


def test_a_build_that_takes_too_long_is_ended_there(model: Path, network: Network) -> None:
    slow = model.parent / "slow"
    started = model.parent / "started"
    slow.write_text(f"#!/bin/sh\necho $$ > {started}\nexec sleep 60\n")
    slow.chmod(0o755)
    with pytest.raises(SshError, match=r"took longer than 1 s; raise --build-timeout"):
        make(model, Remote(SshHost("jetson@board"), str(slow), build_timeout_s=1))
    assert nothing_is_left(model, network)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_connection_that_goes_silent_is_given_up_and_the_build_ended(
    model: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ssh hangs while the build runs on: a timeout ends the wait, the clean-up the build."""
    slow = model.parent / "slow"
    started = model.parent / "started"
    slow.write_text(f"#!/bin/sh\necho $$ > {started}\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(module, "_GRACE_S", 0.0)
    detached = 'case "$command" in *exec*) setsid sh -c "$command" & exec sleep 60;; esac'
    network.script("ssh", SSH, detached)
    remote = replace(Remote(SshHost("jetson@board"), str(slow)), build_timeout_s=1.5)
    monkeypatch.setattr(module, "round", lambda _s: 60, raising=False)  # over there it is patient
    with pytest.raises(SshError, match=r"ssh took longer than 1\.5 s"):
        make(model, remote)
    assert nothing_is_left(model, network)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.kill(int(started.read_text()), 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the build still runs over there")


def test_what_is_damaged_on_the_way_is_refused(model: Path, network: Network, python: str) -> None:
    network.script("scp", SCP, 'case "$*" in *:*.engine*) spoil=1;; esac')
    text = (network.folder / "scp").read_text()
    (network.folder / "scp").write_text(text + '[ -z "$spoil" ] || printf x >> "$last/flight.engine"\n')
    with pytest.raises(ModelError, match="damaged, or the two are of different builds"):
        make(model, Remote(SshHost("jetson@board"), python))
    assert nothing_is_left(model, network)


def test_an_engine_of_something_else_is_refused(model: Path, network: Network, python: str) -> None:
    script = (network.folder / "scp").read_text()
    spoil = """sed -i 's/"precision": "fp16"/"precision": "fp32"/' "$last/flight.engine.json\""""
    (network.folder / "scp").write_text(f"{script}{spoil} 2>/dev/null; exit 0\n")
    with pytest.raises(ModelError, match=r"made of small\.onnx in fp32 .* not of what was sent"):
        make(model, Remote(SshHost("jetson@board"), python))
    assert nothing_is_left(model, network)


def test_a_folder_that_cannot_be_removed_is_said(model: Path, network: Network, python: str) -> None:
    network.script("ssh", SSH, 'case "$command" in *rm\\ -rf*) exit 9;; esac')
    said, out = make(model, Remote(SshHost("jetson@board"), python))
    assert read_engine(out)
    assert any(line.startswith(f"warning: {network.there}".rstrip("/")) for line in said)
    shutil.rmtree(network.there)


@pytest.mark.parametrize("host", ["-oProxyCommand=touch /tmp/x", "a b", "u@h;ls", "", "u@-x", "$(x)"])
def test_names_that_are_no_hosts(host: str) -> None:
    with pytest.raises(SshError, match="expected user@host"):
        SshHost(host)


def test_without_ssh(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SshError, match="apt-get install openssh-client"):
        make(model, Remote(SshHost("jetson@board")))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A real ssh server on this machine: its port, and the folder of its keys."""
    folder = tmp_path / "sshd"
    with ssh_server(folder) as port:
        yield port, folder


def test_over_a_real_ssh_server(model: Path, server: tuple[int, Path], python: str) -> None:
    port, folder = server
    host = f"{getpass.getuser()}@127.0.0.1"
    remote = Remote(SshHost(host, port, folder / "user", folder / "ssh_config"), python)
    said, out = make(model, remote, timing_cache=model.parent / "timing.cache")
    manifest, engine = read_engine(out)
    assert manifest.gpu_name == "Orin" and len(engine) > 1000
    assert not any("warning" in line for line in said)
    (folder / "keys").write_text("")
    with pytest.raises(SshError, match=r"cannot be reached: .*Permission denied"):
        make(model, remote)
    assert read_engine(out)[0] == manifest
