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

from tests.docs.clean_machine import clone, environment
from tests.docs.command_lines import lines_of
from tests.docs.pages import blocks
from tests.edge import fake_model
from tests.trainer import fake_data

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.packaging, pytest.mark.flight, pytest.mark.timeout(600)]

NOT_TYPED = {
    "pip install": "tests/packaging/test_wheel.py installs",
    "touchdown trainer fit": "--encoder-weights imagenet needs the network; tests/trainer/test_fit.py trains",
    "touchdown bridge doctor": "needs an autopilot; tests/bridge/test_doctor.py has one",
    "touchdown edge serve": "runs until it is stopped; tests/deploy/test_first_time_user.py stops it",
}


def photos(here: Path) -> None:
    """One picture with the focal length that a drone's camera writes."""
    (here / "my_photos").mkdir()
    lens = Image.Exif()
    lens.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 24
    picture = Image.fromarray(fake_model.photograph(640, 480, ("car", (20, 20, 120, 80)))[..., ::-1])
    picture.save(here / "my_photos" / "a.jpg", exif=lens)


def data_set(here: Path) -> None:
    fake_data.folder(here / "drone-dataset", worlds=6, per_world=2, split=False)


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


def checkpoint(here: Path) -> None:
    (here / "runs" / "mine").mkdir(parents=True)
    importing = {**os.environ, "PYTHONPATH": str(here)}
    subprocess.run([sys.executable, "-c", CHECKPOINT], cwd=here, env=importing, check=True, timeout=120)


def configuration(here: Path) -> None:
    """Model, camera and link are set, as the line before says."""
    path = here / "edge.toml"
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
def fresh(tmp_path: Path) -> Path:
    """A fresh clone, and an environment that runs it."""
    return clone(tmp_path)


def test_the_command_lines_work_as_typed(fresh: Path) -> None:
    logged_in = environment(fresh, fresh / ".venv" / "bin", fresh / "home")
    typed = [line for line in LINES if of(line, NOT_TYPED) is None]
    assert all(any(line.startswith(start) for line in LINES) for start in (*NOT_TYPED, *BEFORE, *ENDS))
    assert len(typed) >= 8
    for line in typed:
        prepare = of(line, BEFORE)
        if callable(prepare):
            prepare(fresh)
        done = subprocess.run(
            ["bash", "-c", line], cwd=fresh, env=logged_in, capture_output=True, text=True, timeout=300, check=False
        )
        status, words = of(line, ENDS) or (0, "")
        said = done.stdout + done.stderr
        assert done.returncode == status and words in said and "Traceback" not in said, f"{line}\n{said}"
    assert (fresh / "out" / "demo" / "landing.png").stat().st_size > 50_000
    assert (fresh / "runs" / "mine" / "best.onnx").is_file()
