"""The built wheel, installed alone: what a drone gets."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

from landing.distribution import DISTRIBUTION, VERSION
from tests.packaging.uv import DRAWING, FLIES, IMPORT_ALL, NODE, ROOT, environment, run, uv

pytestmark = pytest.mark.packaging
PACKAGES = {*FLIES, "deploy", "export", "trainer"}


@pytest.fixture(scope="module", params=["shared-wheel"])
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and source archive, built from what is committed and not ignored."""
    folder = tmp_path_factory.mktemp("dist")
    build(tmp_path_factory.mktemp("source"), folder)
    return folder


def build(source: Path, folder: Path) -> None:
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, timeout=60).stdout.decode().split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    constraints = ["--build-constraints", ROOT / ".ci" / "build.txt"]
    uv("build", "--quiet", *constraints, "--out-dir", folder, source, SOURCE_DATE_EPOCH="1700000000")


def test_the_same_source_gives_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    """Built in another folder, a second later, by somebody with other rights of new files."""
    before = os.umask(0o077)
    try:
        build(tmp_path / "elsewhere", tmp_path / "again")
    finally:
        os.umask(before)
    names = sorted(path.name for path in dist.iterdir() if path.suffix in (".whl", ".gz"))
    assert len(names) == 2
    for name in names:
        assert (dist / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_wheel_holds_every_package_and_its_data(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        (about,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        said = BytesParser().parsebytes(wheel.read(about))
    assert (said["Name"], said["Version"]) == (DISTRIBUTION, VERSION)
    for path in ROOT.glob("*/**/*.py"):
        relative = path.relative_to(ROOT)
        if relative.parts[0] in PACKAGES:
            assert str(relative) in names, f"{relative} is missing: list its package"
    assert "landing/taxonomies/semantic-drone.toml" in names
    assert "landing/py.typed" in names
    for name in ("touchdown/models/registry.json", "touchdown/safety/claims.toml", "touchdown/safety/evidence.json"):
        assert name in names
    for path in ROOT.glob("touchdown/models/cards/*.md"):
        assert str(path.relative_to(ROOT)) in names
    assert any(name.endswith("/report.html.jinja") for name in names)
    for path in ROOT.glob("deploy/*/*"):
        if path.suffix not in (".py", ".pyc"):
            assert str(path.relative_to(ROOT)) in names, f"{path} is missing: list it"
    assert not any(name.startswith("tests/") for name in names)
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        assert any(name.endswith("/LICENSE") for name in sdist.getnames())


def test_base_package_alone_imports_all_that_flies_without_torch(dist, tmp_path):
    """A clean environment, into which the wheel is installed by its own name, as from an index, and nothing else."""
    python = environment(tmp_path / "venv", f"{DISTRIBUTION}=={VERSION}", "--find-links", dist)
    report = json.loads(run([python, "-I", "-c", IMPORT_ALL, ",".join(FLIES), ",".join((*DRAWING, *NODE))], tmp_path))
    bad = {"torch", "torchvision", "segmentation_models_pytorch", "lightning", "onnx", "timm"}
    assert report["count"] > 40 and not bad & set(report["loaded"])
    touchdown = python.with_name("touchdown")
    for arguments in (
        ["--version"],
        ["edge", "check", "--print-default"],
        ["sim", "land", "-h"],
        ["models", "list"],
        ["report"],
    ):
        subprocess.run([str(touchdown), *arguments], check=True, capture_output=True, timeout=60, cwd=tmp_path)
    assert f"touchdown {VERSION}\n" in (tmp_path / "touchdown-report.txt").read_text("utf-8")
    words = [str(touchdown), "trainer", "fit", "--data", str(tmp_path), "--out", str(tmp_path / "o")]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert f'pip install "{DISTRIBUTION}[train]"' in refused.stderr
