"""Installing, watching, going back: what flies when, and what is said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from deploy import bundle as bundle_module
from deploy import environment, selftest
from deploy import release as release_module
from deploy.errors import BundleError, InstallError
from deploy.install import install, prune
from deploy.keys import generate
from deploy.listing import lines_of, listing
from deploy.manifest import SampleDecision
from deploy.prove import check_release
from deploy.selftest import disagreement, generated_pictures
from deploy.service import ProbeResult
from deploy.trial import Supervision, rollback, settle
from tests.deploy.rig import ROOT, Drone, Forged, Kit, Verdicts, fake_wheel, quiet, snapshot


def test_a_program_of_a_release_that_the_system_ends_is_told(tmp_path: Path) -> None:
    """A crash in a library prints nothing, so the signal is the reason; one that hangs is ended."""
    with pytest.raises(InstallError, match="edge check: ended by the system: Segmentation fault: no reason given"):
        environment.run(["/bin/sh", "-c", "kill -SEGV $$"], "edge check")
    with pytest.raises(InstallError, match=r"edge check: took longer than 0\.2 s$"):
        environment.ended(["/bin/sleep", "9"], "edge check", 0.2)
    release = tmp_path / "release"
    touchdown = release / "venv" / "bin" / "touchdown"
    touchdown.parent.mkdir(parents=True)
    touchdown.symlink_to("/bin/true")
    with pytest.raises(InstallError, match=r"edge check of release: no reason given$"):
        check_release(release, camera=False, link=False)


def test_a_release_holds_the_signed_files_and_what_was_made_of_them(drone: Drone) -> None:
    previous = os.umask(0o077)
    try:
        name = drone.install()
    finally:
        os.umask(previous)
    folder = drone.root.release(name)
    assert drone.root.current() == name == (drone.folder / "current").readlink().name
    assert {p.name for p in folder.iterdir()} == {
        *("bundle", "venv", "edge.toml", "systemd", "made.sha256", "release.json")
    }
    assert (folder / "bundle" / "manifest.sig").stat().st_size == 64
    for path in folder.rglob("*"):
        if not path.is_symlink():
            wanted = 0o755 if path.is_dir() or path.parent.name == "bin" else 0o644
            assert path.stat().st_mode & 0o777 == wanted, f"{path}: the daemon's user must read it"
    text = (folder / "edge.toml").read_text()
    assert 'path = "bundle/model/colours.onnx"  # the network' in text
    assert "# of the field team" in text
    record = drone.root.record(name)
    assert record is not None and record.environment == "installed" and record.engine is None
    assert drone.service.told == ["restart"]


def test_the_real_proofs_run_in_the_release(kit: Kit, tmp_path: Path) -> None:
    drone = Drone(tmp_path / "root", kit)
    said: list[str] = []
    name = install(drone.request(), drone.supervision(), said.append)
    text = "\n".join(said)
    assert "check model: colours.onnx: nearest-colour" in text
    assert "check flight: " in text and "thresholds of a frame: landable 0.5 (default)" in text
    assert "self-test: 2 pictures decided as on the workstation" in text
    assert all(line[:6].strip().replace(".", "").isdigit() for line in said), "each step is timed"
    record = drone.root.record(name)
    assert record is not None and any("never verified" in line for line in record.checked)


def test_a_release_that_decides_otherwise_is_not_switched_to(kit: Kit, tmp_path: Path) -> None:
    """The workstation found no site where this release sees one."""
    forged = Forged.of(kit.bundle, kit.key)
    (car,) = [s for s in forged.manifest["samples"] if s["path"].endswith("car.png")]
    assert car["site"] is True
    car.update(site=False, ahead_m=0.0, right_m=0.0, clearance_m=0.0, reason="too_small")
    drone = Drone(tmp_path / "root", kit)
    drone.pretend("old-000000000000")
    before = snapshot(drone.folder)
    with pytest.raises(InstallError, match=r"decides otherwise .* 1 of 2 .*: a site here, none"):
        drone.install(forged.write(tmp_path / "odd.tar.zst"))
    after = snapshot(drone.folder)
    after.pop(".lock")
    assert after == before and drone.service.told == []


def test_a_config_that_must_not_fly_here_is_not_switched_to(kit: Kit, tmp_path: Path) -> None:
    forged = Forged.of(kit.bundle, kit.key)
    (entry,) = [e for e in forged.manifest["files"] if e["path"] == "edge.toml"]
    forged.manifest["files"].remove(entry)
    text = forged.files["edge.toml"].replace(b"hfov_deg = 70", b'hfov_deg = 70\ncolour = "blue"')
    forged.add("edge.toml", text)
    drone = Drone(tmp_path / "root", kit)
    from landing.errors import ConfigError

    with pytest.raises(ConfigError, match="colour"):
        drone.install(forged.write(tmp_path / "odd.tar.zst"))
    assert drone.root.names() == [] and drone.root.current() is None


def test_a_release_whose_daemon_cannot_start_is_not_switched_to(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wheel that lacks a module which only `edge serve` imports."""
    monkeypatch.setitem(sys.modules, "edge.serve", None)
    assert selftest.main([str(kit.config), str(kit.folder), "[]"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["error"].startswith("its software is not complete: import of edge.serve")


@pytest.mark.parametrize(
    ("expected", "found", "words"),
    [
        ({"site": False, "reason": "a"}, {"site": False, "reason": "b"}, ""),
        ({"site": True, "clearance_m": 2.0}, {"site": True, "ahead_m": 1.9}, ""),
        ({"site": True, "clearance_m": 2.0}, {"site": True, "ahead_m": 2.1}, "outside the 2.0 m"),
        ({"site": True, "clearance_m": 0.0}, {"site": True, "right_m": 0.2}, ""),
        ({"site": True}, {"site": False, "reason": "unknown"}, "no site (unknown) here, a site on"),
        ({"site": False, "reason": "too_small"}, {"site": True}, "a site here, none (too_small)"),
    ],
)
def test_when_decisions_agree(expected: dict[str, object], found: dict[str, object], words: str) -> None:
    both = [
        SampleDecision.model_validate({"path": "samples/a.png", "height_agl_m": 10.0, **values})
        for values in (expected, found)
    ]
    said = disagreement(*both)
    assert words in said and bool(words) == bool(said)


def test_generated_pictures_are_the_same_every_time() -> None:
    first, again = generated_pictures(), generated_pictures()
    assert list(first) == ["meadow", "yard", "noise"]
    for name, image in first.items():
        assert image.shape == (480, 640, 3) and (image == again[name]).all()
        assert cv2.imencode(".png", image)[1].size > 100_000


def test_unhealthy_goes_back(drone: Drone, second: Path) -> None:
    old = drone.install()
    with pytest.raises(InstallError) as caught:
        drone.install(second, False, True)
    text = str(caught.value)
    assert "is not healthy: camera: no frame for 3 s" in text
    assert f"{old} flies again and is healthy" in text
    assert drone.root.current() == old
    assert drone.service.told == ["restart"] * 3
    new = next(n for n in drone.root.names() if n != old)
    verdict = drone.root.verdict(new)
    assert verdict is not None and verdict.verdict == "failed"
    assert drone.root.last_good() is None, "a failed release is nothing to go back to"


def test_unhealthy_and_so_is_the_one_before(drone: Drone, second: Path) -> None:
    old = drone.install()
    with pytest.raises(InstallError, match=rf"{old} flies again, but: camera: no frame"):
        drone.install(second, False, False)
    assert drone.root.current() == old


def test_unhealthy_with_nothing_to_go_back_to(drone: Drone) -> None:
    with pytest.raises(InstallError, match="There is no earlier release: nothing flies now"):
        drone.install(None, False)
    assert drone.root.current() is None and drone.service.told == ["restart", "stop"]
    assert drone.install() == drone.root.current(), "and it may be tried again"


def test_a_service_manager_that_refuses_counts_as_unhealthy(drone: Drone, second: Path) -> None:
    old = drone.install()

    def refuse() -> None:
        raise InstallError("systemctl restart: Access denied")

    supervision = Supervision(drone.service, (), place_units=refuse, watcher=Verdicts(True))
    with pytest.raises(InstallError, match=rf"Access denied. {old} flies again, but: systemctl"):
        install(drone.request(second), supervision, quiet)
    assert drone.root.current() == old


def test_the_same_bundle_again_does_nothing(drone: Drone) -> None:
    name = drone.install()
    before = snapshot(drone.folder)
    said: list[str] = []
    assert install(drone.request(), drone.supervision(), said.append) == name
    assert snapshot(drone.folder) == before and drone.service.told == ["restart"]
    assert f"{name} flies already: nothing to do" in said[-1]


def test_a_release_that_rotted_on_the_disk_is_made_anew(drone: Drone, second: Path) -> None:
    first = drone.install()
    model = drone.root.release(first) / "bundle" / "model" / "colours.onnx"
    good = model.read_bytes()
    model.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(InstallError, match=r"flies, and model/colours\.onnx of it is damaged"):
        drone.install()
    drone.install(second)
    assert drone.install() == first and model.read_bytes() == good
    model.unlink()
    drone.install(second)
    assert drone.install() == first and model.read_bytes() == good


def test_a_disk_that_fails_in_the_middle_is_said(drone: Drone, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = drone.install()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deploy.layout.write_file", full)
    with pytest.raises(InstallError, match=r"No space left .*`touchdown deploy list` says what"):
        drone.install(second)
    assert drone.root.current() == old


def test_rollback_goes_back_step_by_step(drone: Drone, second: Path, third: Path) -> None:
    names = [drone.install(), drone.install(second), drone.install(third)]

    def back(to: str | None = None) -> str:
        return rollback(drone.folder, to, drone.supervision(), quiet)

    assert back() == names[1] == drone.root.current()
    assert back() == names[0] == drone.root.current()
    with pytest.raises(InstallError, match=r"no earlier healthy release.*--to NAME"):
        back()
    assert back(names[2]) == drone.root.current(), "one that was rejected, by name"
    with pytest.raises(InstallError, match="it flies already"):
        back(names[2])
    with pytest.raises(InstallError, match=rf"--to nope: no complete release .*{names[0]}"):
        back("nope")
    with pytest.raises(InstallError, match=r"no complete release"):
        back("../../etc")


def test_rollback_to_what_is_not_healthy_either_says_so(drone: Drone, second: Path) -> None:
    old = drone.install()
    drone.install(second)
    with pytest.raises(InstallError, match=rf"{old} flies now, but is not healthy: camera"):
        rollback(drone.folder, None, drone.supervision(False), quiet)
    assert drone.root.current() == old


def test_rollback_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="holds no releases"):
        rollback(tmp_path / "none", None, Supervision(), quiet)
    assert not (tmp_path / "none").exists()


def test_settle_without_a_trial_does_not_even_lock(flying: Drone) -> None:
    before = snapshot(flying.folder)
    assert settle(flying.folder, flying.supervision(), quiet) is None
    assert snapshot(flying.folder) == before


def test_prune_keeps_what_flies_and_what_to_go_back_to(drone: Drone, second: Path, third: Path) -> None:
    names = [drone.install(), drone.install(second)]
    with pytest.raises(InstallError):
        drone.install(third, False, True)
    (drone.root.releases / "begun-111111111111").mkdir()
    removed = prune(drone.folder, 1, quiet)
    assert set(drone.root.names()) >= set(names)
    assert "begun-111111111111" in removed
    assert rollback(drone.folder, None, drone.supervision(), quiet) == names[0]


def test_a_release_keeps_the_one_whose_software_it_runs_with(
    drone: Drone, second: Path, third: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle of model and configuration, installed by the touchdown of the release before."""
    lender = drone.install()
    python = drone.root.release(lender) / "venv" / "bin" / "python"
    monkeypatch.setattr(sys, "executable", str(drone.folder / "current" / "venv/bin/python"))
    names = [drone.install(second), drone.install(third)]
    for name in names:
        script = (drone.root.release(name) / "venv" / "bin" / "python").read_text()
        assert f"exec {python}" in script or name != names[0], "not by way of `current`"
        assert "/current/" not in script
    assert drone.root.lender(names[0]) == lender and drone.root.lender(lender) is None
    (drone.root.releases / "old-000000000000").mkdir()
    assert prune(drone.folder, 1, quiet) == ["old-000000000000"]
    assert lender in drone.root.names()


def test_list(drone: Drone, second: Path) -> None:
    assert lines_of(listing(drone.folder)) == [f"no releases under {drone.folder}"]
    old, new = drone.install(), drone.install(second)
    (drone.root.releases / "begun-111111111111").mkdir()
    found = json.loads(json.dumps(listing(drone.folder)))
    assert found["current"] == new and found["rollback_to"] == old
    assert {r["name"]: r["complete"] for r in found["releases"]} == {old: True, new: True, "begun-111111111111": False}
    lines = lines_of(found)
    assert any(line.startswith(f"* {new}") and "healthy" in line for line in lines)
    assert any("incomplete" in line for line in lines)
    assert lines[-1] == f"rollback goes to {old}"


def test_two_installers_at_once(drone: Drone) -> None:
    drone.install()
    with drone.root.locked(), pytest.raises(InstallError, match=r"another .* is at work there"):
        drone.install()


def test_a_current_that_is_not_ours(drone: Drone) -> None:
    drone.folder.mkdir(parents=True)
    (drone.folder / "current").mkdir()
    with pytest.raises(InstallError, match="is no symbolic link"):
        drone.install()


def test_a_root_that_cannot_be(drone: Drone) -> None:
    with pytest.raises(InstallError, match=r"--root /proc/x cannot be written to: .*sudo"):
        drone.install(root=Path("/proc/x"))


def test_another_engine_is_another_release(drone: Drone, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[str, Path]] = []

    def fake_build(folder: Path, _manifest: object, precision: str, cache: Path) -> Path:
        built.append((precision, cache))
        engine = folder / "engine" / "colours.engine"
        engine.parent.mkdir()
        engine.write_bytes(b"engine")
        return engine

    monkeypatch.setattr(release_module, "build_engine", fake_build)
    plain = drone.install()
    with_engine = drone.install(engine="fp16")
    assert with_engine == f"{plain}-fp16" == drone.root.current()
    assert built == [("fp16", drone.folder / "timing.cache")]
    text = (drone.root.release(with_engine) / "edge.toml").read_text()
    assert 'path = "engine/colours.engine"' in text
    record = drone.root.record(with_engine)
    assert record is not None and record.engine == "fp16"


def test_an_engine_without_a_gpu_says_what_to_do(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    drone = Drone(tmp_path / "root", kit)
    bundle = kit.pack(out=tmp_path / "trt.tar.zst", engine="fp32")
    with pytest.raises(InstallError, match=r"--engine fp32: .*(TensorRT|GPU)"):
        drone.install(bundle, engine="fp32")
    assert drone.root.names() == []


def test_wheels_make_an_environment_of_their_own_without_a_network(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is real here: venv, pip, `edge check` and the self-test in the release."""
    fake_wheel(tmp_path / "wheels")
    fake_wheel(tmp_path / "wheels", "2.0", "leaf")
    bundle = kit.pack(out=tmp_path / "wheels.tar.zst", wheels=tmp_path / "wheels")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "not-for-others"))
    drone = Drone(tmp_path / "root", kit)
    name = drone.install(bundle)
    python = drone.root.release(name) / "venv" / "bin" / "python"
    where = subprocess.run(
        [str(python), "-I", "-c", "import sys; print(sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.strip()
    assert where == str(python.parents[1]), "a running daemon must not load the next one's modules"
    record = drone.root.record(name)
    assert record is not None and record.environment == "wheels"


def test_wheels_that_lack_something_are_refused(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the workstation already; and on the drone, should a bundle come that was not checked."""
    wheels = tmp_path / "wheels"
    fake_wheel(wheels, needs=("hologram>=3", "moon; python_version < '3'"))
    with pytest.raises(BundleError, match=r"hologram was not found .*hologram>=3.*`touchdown deploy wheels`"):
        kit.pack(out=tmp_path / "wheels.tar.zst", wheels=wheels)
    monkeypatch.setattr(bundle_module, "require_complete", lambda *_: None)
    bundle = kit.pack(out=tmp_path / "wheels.tar.zst", wheels=wheels)
    drone = Drone(tmp_path / "root", kit)
    with pytest.raises(InstallError, match=r"requires hologram.*`touchdown deploy wheels`"):
        drone.install(bundle)
    assert drone.root.names() == []


def test_errors_of_the_command_have_no_traceback(kit: Kit, tmp_path: Path) -> None:
    generate(tmp_path / "other.key")
    for arguments, words in (
        (["install", "none.tar.zst", "--trusted-key", str(kit.public)], "none.tar.zst"),
        (["install", str(kit.bundle), "--trusted-key", "none.pub"], "none.pub does not exist"),
        (["install", str(kit.bundle), "--trusted-key", str(kit.key)], "is a private key"),
        (["install", str(kit.bundle), "--trusted-key", str(tmp_path / "other.key.pub")], "not by a trusted key"),
        (["rollback"], "holds no releases"),
    ):
        command = [sys.executable, "-m", "touchdown", "deploy", *arguments]
        done = subprocess.run(
            [*command, "--root", str(tmp_path / "r")], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2, done.stderr
        assert words in done.stderr and "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 2
    assert not (tmp_path / "r").exists()


def test_a_python_that_does_not_run(drone: Drone) -> None:
    with pytest.raises(InstallError, match="--python /nowhere/python3: /nowhere/python3: No such"):
        drone.install(python="/nowhere/python3")


def test_health_is_what_the_watch_says(drone: Drone) -> None:
    drone.install()
    verdict = drone.root.verdict(str(drone.root.current()))
    assert verdict is not None and verdict.why == "well" and verdict.verdict == "healthy"
    assert ProbeResult(True, False, "well") == Verdicts(True)((), Supervision().patience)


def test_a_bundle_error_is_not_an_install_error(drone: Drone, tmp_path: Path) -> None:
    """Scripts tell them apart: one is the bundle's fault, the other this machine's."""
    assert not issubclass(BundleError, InstallError)
    with pytest.raises(BundleError):
        drone.install(tmp_path / "none")


def test_what_nothing_imports_is_not_compiled(tmp_path: Path) -> None:
    """Dialects of MAVLink are half of a release's code; a module that does not compile ends nothing."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    dialects = "lib/pymavlink/dialects"
    wanted = [f"{dialects}/__init__.py", f"{dialects}/v20/__init__.py", f"{dialects}/v20/ardupilotmega.py", "lib/a.py"]
    left = [f"{dialects}/v20/common.py", f"{dialects}/v10/ardupilotmega.py", f"{dialects}/v10/__init__.py"]
    for name in (*wanted, *left, "lib/broken.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("def" if "broken" in name else "")
    environment.compile_modules(tmp_path)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.pyc"))
    assert [re.sub(r"__pycache__/(\w+)\..*", r"\1.py", name) for name in found] == sorted(wanted)
