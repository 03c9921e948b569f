"""Collecting wheels: complete for the drone's Python and processor, and only from ourselves."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from deploy import wheelhouse
from deploy.errors import BundleError
from deploy.manifest import Target
from deploy.wheelhouse import collect, require_complete
from deploy.wheels import read_wheelhouse, this_machine
from tests.command import call
from tests.deploy.rig import fake_wheel

ORIN = Target(architecture="aarch64", python="3.10")
NEEDS = (
    "leaf>=2",
    "tomli>=2,<3; python_version < '3.11'",
    "arm-only==1; platform_machine == 'aarch64'",
    "seal[fast]>=1; extra == 'deploy'",
    "torch>=2; extra == 'train'",
    "win>=1; sys_platform == 'win32'",
)


def test_what_is_missing_is_read_for_the_target(tmp_path: Path) -> None:
    fake_wheel(tmp_path, needs=NEEDS)
    for name, version in (("leaf", "2"), ("seal", "1"), ("tomli", "2.1")):
        fake_wheel(tmp_path, version, name)
    require_complete(tmp_path, Target(architecture="x86-64", python="3.12"))
    with pytest.raises(BundleError, match=r"not complete for aarch64 and Python 3\.10: .*arm-only"):
        require_complete(tmp_path, ORIN)
    fake_wheel(tmp_path, "1", "arm_only")
    require_complete(tmp_path, ORIN)
    (tmp_path / "tomli-2.1-py3-none-any.whl").unlink()
    require_complete(tmp_path, Target(architecture="aarch64", python="3.11"))
    with pytest.raises(BundleError, match=r"uv: .*tomli"):
        require_complete(tmp_path, ORIN)


def test_extras_and_their_requirements_are_followed(tmp_path: Path) -> None:
    fake_wheel(tmp_path, needs=NEEDS)
    for name, version in (("tomli", "2.1"), ("arm_only", "1"), ("leaf", "2")):
        fake_wheel(tmp_path, version, name)
    fake_wheel(tmp_path, "1.0", "seal", ("engine; extra == 'fast'", "slow; extra == 'slow'"))
    with pytest.raises(BundleError, match=r"engine was not found"):
        require_complete(tmp_path, ORIN)
    fake_wheel(tmp_path, "1.0", "engine")
    require_complete(tmp_path, ORIN)


def test_a_damaged_wheel(tmp_path: Path) -> None:
    fake_wheel(tmp_path, needs=("leaf",))
    (tmp_path / "leaf-1.0-py3-none-any.whl").write_bytes(b"PK nonsense")
    with pytest.raises(BundleError, match=r"leaf"):
        require_complete(tmp_path, ORIN)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the index, and nothing else is asked."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_pip_collects_for_another_python(tmp_path: Path, index: Path) -> None:
    """pip alone would leave out what only the other Python needs."""
    project = fake_wheel(tmp_path / "dist", needs=("leaf", "old; python_version < '3.11'"))
    fake_wheel(index, "1.0", "leaf", ("older; python_version < '3.11'",))
    fake_wheel(index, "2.0", "old")
    fake_wheel(index, "3.0", "older")
    found = collect(project, ORIN, tmp_path / "out")
    names = {wheel.name for wheel in found}
    assert names == {"touchdown-landing", "leaf", "old", "older"}
    require_complete(tmp_path / "out", ORIN)
    with pytest.raises(BundleError, match="holds wheels already"):
        collect(project, ORIN, tmp_path / "out")


def test_what_no_wheel_is_there_for(tmp_path: Path, index: Path) -> None:
    project = fake_wheel(tmp_path / "dist", needs=("leaf",))
    native = fake_wheel(index, "1.0", "leaf")
    native.rename(index / "leaf-1.0-cp310-cp310-manylinux_2_17_x86_64.whl")
    with pytest.raises(BundleError, match=r"uv: .*leaf.* no wheels with a matching.*aarch64"):
        collect(project, ORIN, tmp_path / "out")


def test_a_strangers_package_is_never_built(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip takes `src` for a package of that name on the index; we take it for a folder."""
    monkeypatch.setattr(wheelhouse, "_run", lambda words, *_: pytest.fail(str(words)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match=r"expected a wheel of touchdown-landing, or the folder"):
        collect(Path("src"), ORIN, tmp_path / "out")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "pyproject.toml").write_text('[project]\nname = "other"\n')
    with pytest.raises(BundleError, match=r"expected a wheel of touchdown-landing"):
        collect(Path("src"), ORIN, tmp_path / "out")
    with pytest.raises(BundleError, match=r"expected a wheel of touchdown-landing"):
        collect(fake_wheel(tmp_path, "1.0", "leaf"), ORIN, tmp_path / "out")


def test_this_machine() -> None:
    assert this_machine("3.10").python == "3.10"
    assert this_machine().python == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert this_machine().architecture in ("aarch64", "x86-64")


def test_fake_wheels_are_wheels(tmp_path: Path) -> None:
    with zipfile.ZipFile(fake_wheel(tmp_path)) as wheel:
        assert wheel.testzip() is None


def test_runtimes_come_along(tmp_path: Path, index: Path) -> None:
    needs = ("leaf", "ncnn>=1; extra == 'ncnn'", "seal; extra == 'deploy'")
    project = fake_wheel(tmp_path / "dist", needs=needs)
    for name in ("leaf", "seal"):
        fake_wheel(index, "1.0", name)
    fake_wheel(index, "9999.0", "ncnn", ("portalocker",))
    fake_wheel(index, "9999.0", "portalocker")
    target = Target(architecture="aarch64", python="3.11")
    bare = collect(project, target, tmp_path / "bare")
    assert "ncnn" not in [wheel.name for wheel in bare]
    with pytest.raises(BundleError, match=r"ncnn.*deploy wheels --runtime ncnn"):
        require_complete(tmp_path / "bare", target, ("ncnn",))
    done = call("deploy", "wheels", "--project", project, "--target", "pi5", "--out", tmp_path / "pi")
    assert done.returncode == 0, done.stderr
    assert "for aarch64 and Python 3.11" in done.stdout
    assert {"ncnn", "portalocker"} <= {wheel.name for wheel in read_wheelhouse(tmp_path / "pi", Target())[0]}
    require_complete(tmp_path / "pi", target, ("ncnn",))


def test_a_board_without_tensorrt_gets_no_engine() -> None:
    words = ("--model", "m.onnx", "--config", "e.toml", "--key", "k", "--out", "b.tar.zst")
    done = call("deploy", "bundle", *words, "--target", "pi5", "--engine", "fp16")
    assert done.returncode == 2 and "there is no TensorRT on a pi5" in done.stderr
