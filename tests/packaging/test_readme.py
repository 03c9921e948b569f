"""README.md's command lines, typed as they are into a fresh clone.

The clone borrows this environment, as an installation made by `pip install` would be (`test_wheel.py` installs). A line
that is not typed here needs a reason.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from tests.docs.command_lines import lines_of
from tests.docs.pages import blocks
from tests.edge import fake_model
from tests.trainer import fake_data

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.packaging, pytest.mark.flight, pytest.mark.timeout(600)]

NOT_TYPED = {
    "make test": "runs this test",
    "make check": "is part of make test",
    "pip install": "tests/packaging/test_wheel.py installs",
    "touchdown trainer fit": "--encoder-weights imagenet needs the network; tests/trainer/test_fit.py trains",
    "touchdown bridge doctor": "needs an autopilot; tests/bridge/test_doctor.py has one",
    "touchdown edge serve": "runs until it is stopped; tests/deploy/test_first_time_user.py stops it",
    "touchdown sim land": "a landing like that of make demo; tests/flight flies each kind",
    "touchdown sim campaign": "takes hours; tests/sim/test_campaign_run.py flies a small one",
}


def photos(clone: Path) -> None:
    """One picture with the focal length that a drone's camera writes."""
    (clone / "my_photos").mkdir()
    lens = Image.Exif()
    lens.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 24
    picture = Image.fromarray(fake_model.paint(640, 480, ("car", (20, 20, 120, 80)))[..., ::-1])
    picture.save(clone / "my_photos" / "a.jpg", exif=lens)


def data_set(clone: Path) -> None:
    fake_data.folder(clone / "drone-dataset", worlds=6, per_world=2, split=False)


CHECKPOINT = """
import torch
from pathlib import Path
from landing.taxonomy import Taxonomy
from trainer.checkpoint import Checkpoint
from trainer.model import ModelConfig, build

torch.manual_seed(0)
taxonomy = Taxonomy.load(Path("drone-dataset/taxonomy.toml"))
small = {"encoder_depth": 3, "decoder_channels": (16, 8, 8), "width_px": 96, "height_px": 64}
config = ModelConfig(arch="unet", classes=len(taxonomy), **small)
Checkpoint(config, taxonomy, build(config).state_dict(), metrics={"val": {"miou": 0.1}}).save(Path("runs/mine/best.pt"))
"""
"""Checkpoint as `trainer fit` leaves it; made in a process of its own, so that this one does not load torch."""


def checkpoint(clone: Path) -> None:
    (clone / "runs" / "mine").mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    subprocess.run([sys.executable, "-c", CHECKPOINT], cwd=clone, env=environment, check=True, timeout=120)


def configuration(clone: Path) -> None:
    """Model, camera and link are set, as the line before says."""
    path = clone / "edge.toml"
    text = path.read_text("utf-8")
    for key, value in (
        ("path", "models/semantic-drone-fast.onnx"),
        ("source", "images://my_photos"),
        ("width_px", 640),
        ("height_px", 480),
        ("connection", "udpin:127.0.0.1:0"),
    ):
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {shown}", text, count=1, flags=re.M)
        assert count, f"edge.toml has no {key}"
    path.write_text(text, "utf-8")


LINES = [line for block in blocks(ROOT / "README.md") for line in lines_of(block.text)]
BEFORE: dict[str, Callable[[Path], None]] = {
    "make demo PHOTOS": photos,
    "touchdown trainer data check": data_set,
    "touchdown trainer evaluate": checkpoint,
    "touchdown edge check --config": configuration,
}
ENDS = {"touchdown edge check --config": (2, "FAIL link")}
"""Exit status and words where no autopilot answers."""


def of(line: str, table: dict[str, object]) -> object:
    return next((value for start, value in table.items() if line.startswith(start)), None)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The tracked files, and an environment that runs them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/results")):
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name, words in (("python", ""), ("touchdown", " -m touchdown")):
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable}{words} "$@"\n')
        (commands / name).chmod(0o755)
    (tmp_path / ".venv" / ".base").touch()
    return tmp_path


def test_the_command_lines_work_as_typed(clone: Path) -> None:
    path = f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(clone), "XDG_CACHE_HOME": str(clone / "cache")}
    typed = [line for line in LINES if of(line, NOT_TYPED) is None]
    assert len(typed) >= 8
    for line in typed:
        prepare = of(line, BEFORE)
        if callable(prepare):
            prepare(clone)
        done = subprocess.run(
            ["bash", "-c", line], cwd=clone, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        status, words = of(line, ENDS) or (0, "")
        said = done.stdout + done.stderr
        assert done.returncode == status and words in said and "Traceback" not in said, f"{line}\n{said}"
    assert (clone / "out" / "demo" / "landing.png").stat().st_size > 50_000
    assert (clone / "runs" / "mine" / "best.onnx").is_file()
