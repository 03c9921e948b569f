"""Every example runs on what is made here, and is short."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import cv2
import numpy as np
import pytest

from landing.taxonomy import Taxonomy
from sim.vehicle.standin import PLND_PARAMETERS
from tests.bridge.stand_in import stand_in
from tests.edge import fake_model
from tests.edge.test_blackbox import flown, wait_for

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
CAR = ("car", (20, 20, 60, 60))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that sees palette colours."""
    return fake_model.save(tmp_path_factory.mktemp("model") / "nearest-colour.onnx")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run an example with arguments in an empty folder; gives what it printed."""

    def run(name: str, *arguments: object) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"))
        return capsys.readouterr().out

    return run


def test_examples_are_short_and_listed() -> None:
    listed = re.findall(r"`(\w+\.py|landing\.ipynb)`", (ROOT / "examples" / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted([path.name for path in EXAMPLES] + ["landing.ipynb"])
    for path in EXAMPLES:
        assert len(path.read_text("utf-8").splitlines()) <= 30, path


def test_five_need_nothing_but_the_public_api() -> None:
    inside = re.compile(
        r"^(?:from|import) (?:touchdown\.|edge|landing|firmware_bridge|sim|trainer|export|deploy)", re.M
    )
    public = [path.stem for path in EXAMPLES if "\nimport touchdown\n" in path.read_text("utf-8")]
    assert not [name for name in public if inside.search((ROOT / "examples" / f"{name}.py").read_text("utf-8"))]
    assert public == ["decide_on_image", "evaluate_model", "follow_video", "own_frames", "read_recording"]


def test_decide_on_image(run, tmp_path: Path, model: Path) -> None:
    cv2.imwrite(str(tmp_path / "lawn.png"), fake_model.photograph(320, 240, CAR))
    assert run("decide_on_image", model, tmp_path / "lawn.png", 20, 70).startswith("site, ")
    shown = cv2.imread(str(tmp_path / "lawn-site.jpg"))
    assert shown.shape == (240, 320, 3)
    cv2.imwrite(str(tmp_path / "pond.png"), fake_model.photograph(320, 240, ground="water"))
    assert run("decide_on_image", model, tmp_path / "pond.png", 20, 70).startswith("no site: ")


def test_follow_video(run, tmp_path: Path, model: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "hover.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
    noise = np.random.default_rng(5)
    for _ in range(30):
        painted = fake_model.photograph(320, 240, CAR)
        writer.write(np.clip(painted + noise.normal(0, 4, painted.shape), 0, 255).astype(np.uint8))
    writer.release()
    lines = run("follow_video", model, tmp_path / "hover.avi", 20, 70).splitlines()
    assert len(lines) == 30
    assert lines[0].startswith("frame 0: no site") and "m clear" in lines[-1]


def test_own_frames(run, model: Path) -> None:
    lines = run("own_frames", model).splitlines()
    assert len(lines) == 60 and "no site" in lines[0]
    assert re.search(r": site, \d+\.\d m clear around it, on grass$", lines[-1])


def test_read_recording(run, tmp_path: Path, model: Path) -> None:
    with flown(tmp_path, model) as (rig, _):
        wait_for(lambda: rig.daemon.counters.decisions > 15)
    (folder,) = (tmp_path / "rec" / "flights").iterdir()
    said = run("read_recording", folder)
    assert said.startswith("model nearest-colour") and re.search(r"s: site$", said, re.M)
    assert int(re.search(r"(\d+) decisions", said)[1]) > 10


def test_send_target_to_the_stand_in(run) -> None:
    with stand_in(airborne_height_m=10.0, parameters=PLND_PARAMETERS) as (connection, autopilot):
        said = run("send_target", connection, 2, 1)
        assert re.match(r"sent \d\d targets at \(", said)
        north_m, east_m, _ = map(float, re.findall(r"-?\d+\.\d+", said))
        assert np.hypot(north_m - 2, east_m - 1) < 0.5 and autopilot.flight.target.acquired()


def test_evaluate_model(run, tmp_path: Path, model: Path) -> None:
    names = [one.name for one in Taxonomy.load("synthetic").classes]
    for folder in ("pictures", "labels"):
        (tmp_path / folder).mkdir()
    for name, lie in (("true", "grass"), ("lie", "water")):
        picture = fake_model.photograph(320, 240, CAR)
        cv2.imwrite(str(tmp_path / "pictures" / f"{name}.png"), picture)
        label = np.full((240, 320), names.index(lie), np.uint8)
        cv2.imwrite(str(tmp_path / "labels" / f"{name}.png"), label)
    said = run("evaluate_model", model, tmp_path / "pictures", tmp_path / "labels", 20, 70, "grass")
    assert said.splitlines()[-1] == "2 sites; discs that hold other ground by their labels: 1"
