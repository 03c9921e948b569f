"""systemd's files: sandboxed, valid to systemd itself, and right for the machine."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy import units as module
from deploy.errors import InstallError
from deploy.units import UNIT_NAME, device_unit, place_units, render_unit, waited_for
from edge.config import EdgeConfig, parse_config
from edge.daemon import LAND_S
from tests.deploy.rig import ROOT, Drone, Kit, quiet

FOLDER = ROOT / "deploy" / "systemd"
ENDS_S = 2.0
"""Time in which the daemon ends, beside a failsafe landing that it lets go on."""


def settings(name: str = UNIT_NAME) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def config(source: str = "v4l2:///dev/video2", link: str = "/dev/ttyTHS1,921600") -> EdgeConfig:
    data = {
        "model": {"path": "m.onnx"},
        "camera": {"source": source, "width_px": 640, "height_px": 480, "hfov_deg": 70},
        "link": {"connection": link},
    }
    return parse_config(data, Path("/x/edge.toml"))


@pytest.fixture
def analyze() -> str:
    path = shutil.which("systemd-analyze")
    if path is None:
        pytest.skip("no systemd-analyze here (apt-get install systemd)")
    return path


def test_the_sandbox_scores_two_or_better(analyze: str) -> None:
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(FOLDER / UNIT_NAME)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    score = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert score is not None, done.stdout + done.stderr
    assert float(score[1]) <= 2.0, done.stdout


def test_systemd_finds_nothing_wrong(analyze: str, drone: Drone, tmp_path: Path) -> None:
    """The units of an installed release, whose programs exist."""
    name = drone.install()
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in (drone.root.release(name) / "systemd").glob("*.service"):
        shutil.copy(unit, folder)
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *map(str, folder.iterdir())],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "touchdown" in line]
    assert done.returncode == 0 and not said, done.stderr


def test_what_the_issue_asks_of_the_unit() -> None:
    unit = settings()
    assert unit["Type"] == ["notify"] and int(unit["WatchdogSec"][0]) > 0
    assert unit["RestartPreventExitStatus"] == ["78"]
    assert unit["Restart"] == ["always"] and int(unit["StartLimitBurst"][0]) <= 20
    assert unit["TimeoutStopSec"] == [f"{math.ceil(LAND_S + ENDS_S)}"]
    assert unit["User"] == ["touchdown"]
    assert "time-sync.target" in unit["After"][0]
    for limit in ("CPUQuota", "CPUWeight", "MemoryMax", "IOWeight", "TasksMax"):
        assert limit in unit
    assert not [key for key in unit if key.startswith("Environment") and "PYTHON" in unit[key][0]]


def test_the_watchdog_is_patient_enough_for_a_camera_that_is_reopened() -> None:
    """edge/README.md: longer than twice (start_timeout_ms plus 2 s)."""
    default_s = config().camera.start_timeout_ms / 1e3
    assert int(settings()["WatchdogSec"][0]) >= 2 * (default_s + 2)


def test_the_user_has_the_groups_of_its_devices() -> None:
    users = (FOLDER / "touchdown.sysusers").read_text().splitlines()
    rules = (FOLDER / "touchdown.rules").read_text()
    groups = set(settings()["SupplementaryGroups"][0].split())
    assert groups == {line.split()[2] for line in users if line.startswith("m ")}
    assert groups == {line.split()[1] for line in users if line.startswith("g ")}
    assert set(re.findall(r'GROUP="(\w+)"', rules)) <= groups


def test_sysusers_takes_its_file(tmp_path: Path) -> None:
    program = shutil.which("systemd-sysusers")
    if program is None:
        pytest.skip("no systemd-sysusers here (apt-get install systemd)")
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        [program, f"--root={tmp_path}", str(FOLDER / "touchdown.sysusers")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("systemd-sysusers may not write here")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^touchdown:", (tmp_path / "etc" / "passwd").read_text(), re.M)
    members = (tmp_path / "etc" / "group").read_text()
    assert re.search(r"^dialout:.*touchdown$", members, re.M)


def test_udev_rules_are_well_formed() -> None:
    pattern = re.compile(r'[A-Z_]+(?:\{[\w]+\})?(?:==|!=|\+=|=)"[^"]*"')
    for line in (FOLDER / "touchdown.rules").read_text().splitlines():
        if line and not line.startswith("#"):
            assert all(pattern.fullmatch(part.strip()) for part in line.split(", ")), line


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/dev/ttyTHS1", "dev-ttyTHS1.device"),
        ("/dev/video0", "dev-video0.device"),
        (
            "/dev/serial/by-id/usb-ArduPilot_Pixhawk-if00",
            r"dev-serial-by\x2did-usb\x2dArduPilot_Pixhawk\x2dif00.device",
        ),
        ("/dev/v4l/by-path/platform é", r"dev-v4l-by\x2dpath-platform\x20\xc3\xa9.device"),
    ],
)
def test_device_units_are_escaped_as_systemd_does(path: str, unit: str) -> None:
    assert device_unit(path) == unit
    program = shutil.which("systemd-escape")
    if program is not None:
        said = subprocess.run(
            [program, "--path", "--suffix=device", path], capture_output=True, text=True, timeout=30, check=False
        )
        assert said.returncode or said.stdout.strip() == unit


def test_the_unit_waits_for_camera_and_port() -> None:
    text = (FOLDER / UNIT_NAME).read_text()
    rendered = render_unit(text, Path("/srv/td"), config(), 6)
    assert "After=dev-video2.device dev-ttyTHS1.device" in rendered
    assert "Wants=dev-video2.device dev-ttyTHS1.device" in rendered
    assert "CPUQuota=550%" in rendered and "/opt/touchdown" not in rendered
    assert "ExecStart=/srv/td/current/venv/bin/touchdown edge serve" in rendered
    assert waited_for(config("csi://0")) == ["nvargus-daemon.service", "dev-ttyTHS1.device"]
    assert waited_for(config("rtsp://10.0.0.2/x", "udpin:0.0.0.0:14550")) == []
    assert "CPUQuota=100%" in render_unit(text, Path("/opt/touchdown"), config(), 1)
    with pytest.raises(InstallError, match="a systemd unit takes no such name"):
        render_unit(text, Path("/opt/my drone"), config(), 4)


def test_every_unit_goes_into_a_bundle() -> None:
    from deploy.bundle import UNITS

    assert {path.name for path in FOLDER.iterdir()} == set(UNITS)


@pytest.fixture
def placed(drone: Drone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(module, "has_systemd", lambda: True)
    return tmp_path / "etc"


def test_units_follow_the_current_release(drone: Drone, kit: Kit, placed: Path) -> None:
    ran: list[list[str]] = []

    def run(words: Sequence[str], _what: str) -> None:
        ran.append(list(words))

    first = drone.install()
    place_units(drone.root, placed, run, quiet)
    link = placed / "systemd" / "system" / UNIT_NAME
    assert link.is_symlink()
    assert link.resolve() == drone.root.release(first) / "systemd" / UNIT_NAME
    assert (placed / "sysusers.d" / "touchdown.conf").read_bytes() == (FOLDER / "touchdown.sysusers").read_bytes()
    assert (placed / "udev" / "rules.d" / "70-touchdown.rules").is_file()
    second = drone.install(kit.pack(out=kit.folder / "units.tar.zst", sample_height_m=8.0))
    assert link.resolve() == drone.root.release(second) / "systemd" / UNIT_NAME, (
        "the one rename that changes what flies changes the unit, too"
    )
    assert ["systemctl", "daemon-reload"] in ran
    assert ["systemctl", "enable", UNIT_NAME, "touchdown-settle.service"] in ran
    place_units(drone.root, placed, run, quiet)


def test_where_systemd_does_not_run_it_is_not_told(drone: Drone, placed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that is being built: users and enabling work there, reloading does not."""
    drone.install()
    ran: list[str] = []
    monkeypatch.setattr(module, "has_systemd", lambda: False)
    place_units(drone.root, placed, lambda words, _: ran.append(" ".join(words[:2])), quiet)
    assert ran == [f"systemd-sysusers {placed}/sysusers.d/touchdown.conf", "systemctl enable"]
    place_units(drone.root, placed, None, lambda _: pytest.fail("nothing to say"))


def test_what_is_not_there_is_left_out_and_said(drone: Drone, placed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drone.install()
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    said: list[str] = []
    place_units(drone.root, placed, lambda *_: pytest.fail("nothing to run"), said.append)
    assert len(said) == 5 and all("is not here; left out" in line for line in said)


def test_a_unit_of_somebody_else_is_not_replaced(drone: Drone, placed: Path) -> None:
    drone.install()
    unit = placed / "systemd" / "system" / UNIT_NAME
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\n")
    with pytest.raises(InstallError, match="is a file of somebody else"):
        place_units(drone.root, placed, lambda *_: None, quiet)
    assert unit.read_text() == "[Service]\n"


def test_units_need_root(drone: Drone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drone.install()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InstallError, match="only root may write to /etc"):
        place_units(drone.root, tmp_path, lambda *_: None, quiet)


def test_the_manifest_names_the_units(kit: Kit) -> None:
    from deploy.keys import load_public
    from deploy.unpack import verify_bundle

    manifest = verify_bundle(kit.bundle, (load_public(kit.public),))[0]
    paths = json.loads(manifest.canonical())["files"]
    assert f"systemd/{UNIT_NAME}" in [entry["path"] for entry in paths]
