"""The built wheel, installed alone: what a drone gets."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

from landing.distribution import DISTRIBUTION, VERSION

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.packaging, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and source archive, built from what is committed and not ignored."""
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source")
    listed = (
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        )
        .stdout.decode()
        .split("\0")
    )
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(source)],
        check=True,
        capture_output=True,
        timeout=280,
    )
    return folder


def test_wheel_holds_every_package_and_its_data(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        (about,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        said = BytesParser().parsebytes(wheel.read(about))
    assert (said["Name"], said["Version"]) == (DISTRIBUTION, VERSION)
    for path in ROOT.glob("*/**/*.py"):
        relative = path.relative_to(ROOT)
        if relative.parts[0] in {
            "touchdown",
            "landing",
            "firmware_bridge",
            "edge",
            "trainer",
            "export",
            "sim",
            "deploy",
        }:
            assert str(relative) in names, f"{relative} is missing: list its package"
    assert "landing/taxonomies/semantic-drone.toml" in names
    assert "landing/py.typed" in names
    assert "trainer/evaluation/report.html.jinja" in names
    for path in ROOT.glob("deploy/*/*"):
        if path.suffix not in (".py", ".pyc"):
            assert str(path.relative_to(ROOT)) in names, f"{path} is missing: list it"
    assert not any(name.startswith("tests/") for name in names)
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        assert any(name.endswith("/LICENSE") for name in sdist.getnames())


def test_base_package_alone_imports_all_that_flies_without_torch(dist, tmp_path):
    """A clean environment holds the wheel and the base dependencies, nothing else."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    wheel = next(dist.glob("*.whl"))
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, str(wheel)], check=True, timeout=280)
    code = """
import importlib, json, pkgutil, sys
names = []
# What draws is of the extra campaign.
drawing = {f"sim.campaign.{name}" for name in ("pictures", "plots", "replay", "report")}
for package in ("landing", "firmware_bridge", "edge", "touchdown", "sim"):
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, package + "."):
        if not found.name.endswith("__main__") and found.name not in drawing:
            importlib.import_module(found.name)
            names.append(found.name)
bad = ("torch", "torchvision", "segmentation_models_pytorch", "lightning", "onnx", "timm")
print(json.dumps({"count": len(names), "bad": [m for m in bad if m in sys.modules]}))
"""
    done = subprocess.run(
        [str(python), "-I", "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["count"] > 40 and report["bad"] == []
    touchdown = home / "bin" / "touchdown"
    for arguments in (["--version"], ["edge", "check", "--print-default"], ["sim", "land", "-h"]):
        subprocess.run([str(touchdown), *arguments], check=True, capture_output=True, timeout=60)
    refused = subprocess.run(
        [str(touchdown), "trainer", "fit", "--data", str(tmp_path), "--out", str(tmp_path / "o")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert 'pip install "touchdown-landing[train]"' in refused.stderr
