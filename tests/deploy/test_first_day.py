"""A first day in a root: this machine's own system, entered as a board's would be, with a small wheelhouse."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy import board_root, first_day
from deploy.board_root import BoardRoot
from deploy.configuration import check_text
from deploy.errors import InstallError
from tests.command import call
from tests.deploy.rig import HEIGHT, ROOT, WIDTH, Kit, config_text, fake_wheel


def why_not() -> str:
    """Reason why no root can be entered here; empty where one can."""
    if shutil.which("bwrap") is None:
        return "no bubblewrap (bwrap) here"
    if not Path(board_root.PYTHON).is_file():
        return f"no {board_root.PYTHON} here"
    if any(ROOT.is_relative_to(place) for place in board_root.WRITTEN.values()):
        return f"the checkout {ROOT} lies below a folder that a board gets anew"
    done = subprocess.run(["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "true"], capture_output=True, text=True)
    return f"bubblewrap may not work here: {done.stderr.strip()}" if done.returncode else ""


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A folder with a Python, which nobody runs."""
    python = tmp_path / "system" / board_root.PYTHON.lstrip("/")
    python.parent.mkdir(parents=True)
    python.touch()
    return tmp_path / "system"


def program(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """A bwrap of a test's own."""
    folder.mkdir()
    path = folder / "bwrap"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_what_it_needs_is_said(tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="apt install bubblewrap"):
        BoardRoot.prepare(system, tmp_path / "disk")
    program(monkeypatch, tmp_path / "bin", "echo 'execvp: Exec format error' >&2; exit 1")
    with pytest.raises(InstallError, match=r"is no system with /usr/bin/python3: docs/operate/deploy\.md"):
        BoardRoot.prepare(tmp_path, tmp_path / "disk")
    with pytest.raises(InstallError, match=r"Exec format error\. Those of another processor need qemu: apt install"):
        BoardRoot.prepare(system, tmp_path / "disk").machine()
    (tmp_path / "disk" / "home" / "wheels").mkdir()
    with pytest.raises(InstallError, match="holds another day already"):
        BoardRoot.prepare(system, tmp_path / "disk")


def test_a_system_without_all_folders_is_entered_unwritten(
    tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unpacked Debian has no /opt: bubblewrap cannot make it in a root that is only read.

    The workstation's /sys stays out: its caches end ONNX Runtime for another processor.
    """
    (system / "bin").symlink_to("usr/bin")
    (system / "root").mkdir()
    program(monkeypatch, tmp_path / "bin", 'echo "$@"')
    disk = tmp_path / "disk"
    said = BoardRoot.prepare(system, disk).run(["true"], 10.0).out
    assert f"--tmpfs / --symlink usr/bin /bin --ro-bind {system}/usr /usr --dev /dev --proc /proc" in said
    assert "/sys/devices/system/cpu/possible" in said and "/sys /sys" not in said and "cache" not in said
    assert f"--bind {disk}/opt /opt --bind {disk}/home /root" in said and "/root /root" not in said


def test_another_processor_is_named_as_emulated(tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(monkeypatch, tmp_path / "bin", "echo s390x 3.11")
    board = BoardRoot.prepare(system, tmp_path / "disk")
    request = first_day.DayRequest(system, tmp_path / "disk", (), tmp_path, tmp_path / "key.pub")
    monkeypatch.setattr(board_root, "BINFMT", tmp_path)

    def day() -> dict[str, object]:
        return first_day.FirstDay(request, board, *board.machine(), print).figures()

    assert day()["emulated"] and day()["python"] == "3.11" and day()["emulator"] == "qemu"
    qemu = tmp_path / "qemu-of-debian"
    qemu.write_text("#!/bin/sh\n[ $1 = --version ] && echo 'qemu-s390x version 7.2.22 (Debian 1:7.2+dfsg-7)'\n")
    qemu.chmod(0o755)
    (tmp_path / "qemu-s390x").write_text(f"enabled\ninterpreter {qemu}\nflags: OCF\n")
    assert day()["emulator"] == "qemu 7.2.22"
    own = first_day.FirstDay(request, board, platform.machine(), "3.11", print).figures()
    assert not own["emulated"] and own["emulator"] == ""


def test_a_step_that_fails_ends_the_day(tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(monkeypatch, tmp_path / "bin", "echo no space left >&2; exit 1")
    board = BoardRoot.prepare(system, tmp_path / "disk")
    request = first_day.DayRequest(system, tmp_path / "disk", (), tmp_path, tmp_path / "key.pub")
    said: list[str] = []
    day = first_day.FirstDay(request, board, "aarch64", "3.11", said.append)
    with pytest.raises(InstallError, match="first day: pip install: exit status 1: no space left"):
        day.types("pip install", "pip")
    day.types("refused", "pip", refused=True)
    assert [step.said for step in day.steps] == ["no space left"]
    begun = board.running(["edge"], tmp_path / "log", {})
    with pytest.raises(InstallError, match="does not start on the board: no space left"), begun:
        pass


def test_a_configuration_without_a_frame_rate_gets_a_camera(tmp_path: Path, system: Path) -> None:
    """The guide's own leaves the rate to the camera."""
    release = tmp_path / "disk" / "opt" / "touchdown" / "releases" / "a"
    release.mkdir(parents=True)
    (release.parent.parent / "current").symlink_to(release)
    home = tmp_path / "disk" / "home"
    home.mkdir()
    text = config_text("a.onnx", tmp_path / "events.jsonl")
    (release / "edge.toml").write_text(text.replace("fps = 20\n", ""))
    request = first_day.DayRequest(system, tmp_path / "disk", (), tmp_path, tmp_path / "key.pub")
    port = first_day.configure(first_day.FirstDay(request, BoardRoot(system, request.disk), "s390x", "3.11", print))
    config = check_text((home / "first-day.toml").read_text(), release)
    assert config.health.hang_timeout_ms == 60_000, "an emulated board is slow"
    assert config.camera.source == "pipe:/bin/sh /root/camera.sh 0.1"
    assert "/root/ground.bgr" in (home / "camera.sh").read_text()
    assert (home / "ground.bgr").stat().st_size == WIDTH * HEIGHT * 3
    assert config.preview.listen == f"127.0.0.1:{port}"


def test_only_an_emulated_decision_may_outlast_the_end(tmp_path: Path, system: Path) -> None:
    request = first_day.DayRequest(system, tmp_path, (), tmp_path, tmp_path / "key.pub")
    board = BoardRoot(system, tmp_path)
    slow = "error: threads that do not stop: pipeline"
    emulated = first_day.FirstDay(request, board, "s390x", "3.11", print)
    first_day.require_order(emulated, 70, slow)
    first_day.require_order(emulated, 0, "")
    for processor, said in (("s390x", "error: no memory"), (platform.machine(), slow)):
        with pytest.raises(InstallError, match="first day: edge serve ended with 70"):
            first_day.require_order(first_day.FirstDay(request, board, processor, "3.11", print), 70, said)


@pytest.mark.packaging
@pytest.mark.timeout(600)
def test_a_whole_day(tmp_path: Path, kit: Kit) -> None:
    """Two bundles are installed, served, crashed and opened, and the second is rolled back."""
    if reason := why_not():
        pytest.skip(reason)
    wheels = tmp_path / "wheels"
    fake_wheel(wheels)
    first = kit.pack(out=tmp_path / "a.tar.zst", wheels=wheels)
    second = kit.pack(out=tmp_path / "b.tar.zst")
    report = tmp_path / "day.json"
    words = ["--root", "/", "--wheels", wheels, "--trusted-key", kit.public, "--disk", tmp_path / "disk"]
    done = call("deploy", "first-day", first, second, *words, "--json", report)
    assert done.returncode == 0, done.stderr
    day = json.loads(report.read_text())
    assert day["processor"] == platform.machine() and not day["emulated"]
    names: Sequence[str] = [step["name"] for step in day["steps"]]
    assert names.count("edge serve until READY") == names.count("open /metrics") == 3
    said = {step["name"]: step["said"] for step in day["steps"]}
    assert "no trusted key" in said["deploy install without a trusted key: refused"]
    assert "half.tar.zst is truncated" in said["deploy install of half a bundle: refused"]
    assert names[-2:] == ["deploy rollback", "deploy list"]
