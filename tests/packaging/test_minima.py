"""The declared lower bounds: with every dependency at its minimum, all modules import and the commands work.

torch and torchvision are the exception: their minimum is a CUDA build of 3 GB on the index, so here they are of the
version that the tests themselves run with.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from export.ncnn import make_ncnn
from tests.packaging.uv import DRAWING, FLIES, IMPORT_ALL, NODE, ROOT, environment, oldest_python, run
from tests.trainer import fake_data

pytestmark = pytest.mark.packaging
EXTRAS = {
    "": FLIES,
    "campaign": ("sim",),
    "deploy": ("deploy",),
    "docs": ("landing",),
    "ncnn": ("edge.runtimes",),
    "openvino": ("edge.runtimes",),
    "ortho": ("edge.look",),
    "ros2": ("edge.dds", "edge.ros"),
    "tools": ("firmware_bridge",),
    "train": ("trainer",),
    "export": ("export",),
}
"""Packages whose modules an extra must be enough for."""

SEGMENT = """
import sys
from pathlib import Path
import numpy as np
from edge.runtimes import RuntimeOptions, load_runtime
from landing.types import Frame
with load_runtime(Path(sys.argv[1]), RuntimeOptions(sys.argv[2])) as runtime:
    seen = runtime.segment(Frame(np.full((96, 128, 3), 120, np.uint8), 1, 0))
    assert seen.hazards.shape[0] == 4 and seen.class_id.size > 0
"""
ORTHO = """
from pathlib import Path
import numpy as np
import rasterio
from rasterio.transform import Affine
from edge.look.raster import open_orthophoto
place, path = Affine(0.05, 0, 500000, 0, -0.05, 5200000), Path("o.tif")
with rasterio.open(path, "w", "GTiff", 40, 30, 3, "EPSG:32632", place, "uint8", photometric="RGB") as out:
    out.write(np.full((3, 30, 40), 90, np.uint8))
with open_orthophoto(path) as photo, photo.at(0.1, (32, 32)) as reader:
    image, nothing = reader.read(0, 0, 32, 32)
    assert image[16, 16].tolist() == [90, 90, 90] and not nothing[16, 16] and nothing[0, 0]
"""
NODE_STARTS = """
import os
os.environ["CYCLONEDDS_URI"] = "<General><Interfaces><NetworkInterface name='lo'/></Interfaces></General>"
from edge.dds.graph import RosNode
RosNode("touchdown", "/touchdown").close()
import rosbags.highlevel
"""
MODEL = ROOT / "models" / "synthetic-unet.onnx"


@pytest.fixture(scope="module", params=list(EXTRAS), ids=lambda extra: extra or "base")
def minimum(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An extra, and the Python of an environment with every dependency at its declared minimum."""
    extra: str = request.param
    folder = tmp_path_factory.mktemp("minimum")
    wanted: list[str | Path] = ["--resolution", "lowest-direct", "--requirements", ROOT / "pyproject.toml"]
    if extra:
        wanted += ["--extra", extra]
    python = oldest_python()
    if extra in ("train", "export"):
        python = sys.executable  # that torch is there for
        versions = folder / "constraints.txt"
        versions.write_text("".join(f"{name}=={metadata.version(name)}\n" for name in ("torch", "torchvision")))
        wanted += ["--constraints", versions]
    return extra, environment(folder / "venv", *wanted, python=python)


def test_every_module_imports_and_the_commands_work(minimum: tuple[str, Path], tmp_path: Path) -> None:
    extra, python = minimum
    optional = {"campaign": DRAWING, "ros2": NODE}
    without = ",".join(name for other, names in optional.items() if other != extra for name in names)
    report = json.loads(
        run([python, "-c", IMPORT_ALL, ",".join(EXTRAS[extra]), without], tmp_path, PYTHONPATH=str(ROOT))
    )
    assert report["count"] > 5
    for words in commands(extra, tmp_path):
        run([python, *words], tmp_path, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="2")


def commands(extra: str, folder: Path) -> list[list[str]]:
    """Arguments for Python that try an extra."""
    touchdown = ["-m", "touchdown"]
    if extra == "":
        check = [*touchdown, "edge", "check", "--print-default"]
        return [[*touchdown, "--help"], check, ["-c", SEGMENT, str(MODEL), "onnxruntime"]]
    if extra == "ncnn":
        made = folder / "model.ncnn"
        make_ncnn(MODEL, made, "fp16")
        return [["-c", SEGMENT, str(made), "ncnn"]]
    if extra == "openvino":
        return [["-c", SEGMENT, str(MODEL), "openvino"]]
    if extra == "ros2":
        return [["-c", NODE_STARTS]]
    if extra == "ortho":
        return [["-c", ORTHO]]
    if extra == "docs":
        return [["-m", "sphinx", "-q", "-b", "dummy", str(ROOT / "docs"), str(folder / "site")]]
    if extra == "deploy":
        return [[*touchdown, "deploy", "keygen", "--out", str(folder / "fleet.key")]]
    if extra == "tools":
        return [[*touchdown, "bridge", "doctor", "--help"]]
    if extra == "campaign":
        campaign = ["sim", "campaign", "--help"]
        return [[*touchdown, *campaign]]
    if extra == "train":
        data = fake_data.folder(folder / "set")
        fit = f"trainer fit --data {data} --out {folder}/run --input 96x64 --arch unet --encoder-depth 3"
        fit += " --decoder-channels 16,8,8 --epochs 1 --batch 4 --workers 0 --threads 1"
        return [[*touchdown, *fit.split()]]
    network = "from trainer.model import ModelConfig, build; from trainer.checkpoint import Checkpoint; "
    network += "from landing.taxonomy import Taxonomy; c = ModelConfig(encoder_depth=3, decoder_channels=(16, 8, 8), "
    network += "classes=12, width_px=96, height_px=64); Checkpoint(c, Taxonomy.load('aeroscapes'), "
    network += "dict(build(c).state_dict()), 1, {}, {}).save('best.pt')"
    return [["-c", network], [*touchdown, "export", "onnx", "best.pt"], [*touchdown, "export", "info", "best.onnx"]]
