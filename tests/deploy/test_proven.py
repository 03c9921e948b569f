"""Releases fly again as they were made and proven, software and engine too, and nobody takes them away."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deploy import release as release_module
from deploy import selftest
from deploy.errors import InstallError
from deploy.install import install
from deploy.prove import check_release
from deploy.release import Reached
from deploy.trial import rollback, settle
from tests.deploy.rig import Drone, Kit, quiet
from tests.deploy.test_power_loss import killed_at


def borrowing(drone: Drone, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on what flies installs."""
    monkeypatch.setattr(sys, "executable", str(drone.folder / "current" / "venv/bin/python"))


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n# another byte\n")


@pytest.mark.parametrize("file", ["venv/bin/touchdown", "systemd/touchdown-edge.service", "made.sha256"])
def test_nothing_goes_back_to_software_that_changed(drone: Drone, second: Path, third: Path, file: str) -> None:
    oldest, old = drone.install(), drone.install(second)
    spoil(drone.root.release(old) / file)
    with pytest.raises(InstallError, match=rf"not healthy.*{oldest} flies again"):
        drone.install(third, False, True)
    with pytest.raises(InstallError, match=rf"--to {old}: {file} of it is not what was proven"):
        rollback(drone.folder, old, drone.supervision(), quiet)
    assert drone.root.current() == oldest


def test_nor_to_an_engine_that_changed(drone: Drone, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_build(folder: Path, *_: object) -> Path:
        engine = folder / "engine" / "colours.engine"
        engine.parent.mkdir()
        engine.write_bytes(b"engine")
        return engine

    monkeypatch.setattr(release_module, "build_engine", fake_build)
    name = drone.install(engine="fp16")
    drone.install(second)
    engine = drone.root.release(name) / "engine" / "colours.engine"
    engine.unlink()
    with pytest.raises(InstallError, match=r"engine/colours\.engine .*does not exist"):
        rollback(drone.folder, name, drone.supervision(), quiet)
    assert drone.install(engine="fp16") == name and engine.read_bytes() == b"engine", "installed again it is made anew"


def test_modules_that_python_compiled_since_are_no_damage(drone: Drone, second: Path) -> None:
    old = drone.install()
    drone.install(second)
    cache = drone.root.release(old) / "venv" / "lib" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "common.cpython-311.pyc").write_bytes(b"since")
    assert rollback(drone.folder, None, drone.supervision(), quiet) == old


def test_a_release_of_before_this_list_is_still_gone_back_to(flying: Drone) -> None:
    new = flying.install()
    assert rollback(flying.folder, None, flying.supervision(), quiet) == "old-000000000000" != new


def test_a_release_whose_lender_is_damaged_is_not_gone_back_to(
    drone: Drone, second: Path, third: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lender = drone.install()
    borrowing(drone, monkeypatch)
    borrower = drone.install(second)
    spoil(drone.root.release(lender) / "venv" / "bin" / "python")
    with pytest.raises(InstallError, match="no earlier release that is whole"):
        drone.install(third, False)
    assert borrower != lender and drone.root.current() is None


def test_the_software_that_flies_is_not_made_anew_under_it(
    drone: Drone, kit: Kit, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle of a model alone flies with the software of the release before, of which a byte rotted."""
    lender = drone.install()
    borrowing(drone, monkeypatch)
    borrower = drone.install(second)
    python = drone.root.release(lender) / "venv" / "bin" / "python"
    spoil(drone.root.release(lender) / "bundle" / "model" / "colours.onnx")
    before = python.stat().st_ino
    with pytest.raises(InstallError, match=rf"{borrower} flies with the software of {lender}, and model/colours\.onnx"):
        drone.install()
    assert python.stat().st_ino == before and drone.root.current() == borrower


def test_what_was_found_healthy_comes_before_what_merely_flew(drone: Drone, second: Path, third: Path) -> None:
    """The release before was switched to and never found well: the power went, and nobody settled it."""
    well = drone.install()

    def cut_off(reached: Reached) -> None:
        install(drone.request(second), drone.supervision(), quiet, lambda s: reached(s) if s == "restarted" else None)

    assert killed_at(1, cut_off) == "restarted" and drone.root.current() != well
    with pytest.raises(InstallError, match=rf"{well} flies again"):
        drone.install(third, False, True)
    assert drone.root.current() == well


def test_the_power_goes_while_a_trial_is_turned_away(drone: Drone, second: Path) -> None:
    """Somebody turned it away: the boot must not keep it because it is no longer on trial."""
    well = drone.install()
    name = drone.install(second)
    drone.root.begin_trial(name)
    killed = killed_at(1, lambda reached: rollback(drone.folder, None, drone.supervision(), quiet, reached))
    assert killed == "rejected" and drone.root.current() == name and drone.root.on_trial
    with pytest.raises(InstallError, match=f"{well} flies again"):
        settle(drone.folder, drone.supervision(), quiet)
    assert drone.root.current() == well and not drone.root.on_trial


def test_a_release_that_could_not_settle_its_own_trial_is_not_tried(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """touchdown-settle.service runs the software under trial: without the extra `deploy` it could never go back."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    for name in [n for n in sys.modules if n.startswith("deploy.") and n != "deploy.selftest"]:
        monkeypatch.delitem(sys.modules, name)
    assert selftest.main([str(kit.config), str(kit.folder), "[]"]) == 2
    assert "its software is not complete: import of zstandard" in capsys.readouterr().out


@pytest.mark.parametrize("said", ['{"ok": false}', '{"error": "no such option"}', '{"ok": true}'])
def test_a_check_that_found_nothing_proves_nothing(tmp_path: Path, said: str) -> None:
    touchdown = tmp_path / "release" / "venv" / "bin" / "touchdown"
    touchdown.parent.mkdir(parents=True)
    touchdown.write_text(f"#!/bin/sh\necho '{said}'\n")
    touchdown.chmod(0o755)
    with pytest.raises(InstallError, match="edge check of release"):
        check_release(tmp_path / "release", camera=False, link=False)
