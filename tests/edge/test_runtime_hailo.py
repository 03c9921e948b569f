"""Model files for Hailo accelerators: what is refused, in one line, and that ONNX Runtime computes the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edge.runtimes import load_runtime
from edge.runtimes.hailo_file import HAILO, NETWORK, HailoManifest, HefHeader, header_of
from landing.errors import ModelError
from landing.problems import Problem
from landing.types import Frame
from tests.edge import fake_hailo, fake_model
from tests.edge.fake_hailo import FakeHailo
from tests.edge.test_runtime_ncnn import rewritten


@pytest.fixture
def hailo(monkeypatch: pytest.MonkeyPatch) -> FakeHailo:
    return fake_hailo.machine(monkeypatch, "hailo8l")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return fake_hailo.save(tmp_path / "good.hef")


def refused(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_runtime(path)
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1
    return caught.value


def test_onnx_runtime_computes_the_same_frame_after_frame(hailo: FakeHailo, good: Path, model_path: Path) -> None:
    images = np.random.default_rng(3).integers(0, 256, (3, 90, 128, 3), dtype=np.uint8)
    with load_runtime(model_path) as reference, load_runtime(good) as runtime:
        assert runtime.backend == "hailo 4.23.0 (hailo8l)" and runtime.overlaps
        for image in images:
            image.flags.writeable = False
            expected, found = (one.segment(Frame(image, 0, 0)) for one in (reference, runtime))
            assert np.mean(expected.class_id == found.class_id) > 0.999
            assert np.abs(expected.landable.astype(int) - found.landable).max() <= 1
    assert hailo.live == 0


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_truncated(hailo: FakeHailo, tmp_path: Path, good: Path, keep: int) -> None:
    bad = tmp_path / "cut.hef"
    bad.write_bytes(good.read_bytes()[:keep])
    assert "truncated, damaged or no .hef file" in str(refused(bad))


def test_hailos_own_form_and_a_missing_file(hailo: FakeHailo, tmp_path: Path) -> None:
    bare = tmp_path / "bare.hef"
    bare.write_bytes(fake_hailo.network())
    assert "is Hailo's own form" in str(refused(bare)) and "--hef FILE" in str(refused(bare))
    assert "does not exist" in str(refused(tmp_path / "none.hef"))


def test_a_network_that_is_not_the_one_promised(hailo: FakeHailo, tmp_path: Path, good: Path) -> None:
    other = rewritten(good, tmp_path / "o.hef", lambda e: e.update({NETWORK: fake_hailo.network("hailo8")}))
    assert "the SHA-256 of network.hef" in str(refused(other))
    swapped = fake_hailo.save(tmp_path / "s.hef", network=fake_hailo.network("hailo8"))
    assert "its network is for hailo8, its manifest says hailo8l" in str(refused(swapped))
    assert "is for no chip that is known" in str(refused(fake_hailo.save(tmp_path / "n.hef", network=b"nothing")))


@pytest.mark.parametrize(("chips", "said"), [(("hailo8",), "this machine has hailo8"), ((), "no Hailo accelerator")])
def test_another_chip(monkeypatch: pytest.MonkeyPatch, good: Path, chips: tuple[str, ...], said: str) -> None:
    hailo = fake_hailo.machine(monkeypatch, *chips)
    error = refused(good)
    assert "was compiled for hailo8l" in str(error) and said in str(error)
    assert error.problem is Problem.RUNTIME and hailo.live == 0


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, good: Path) -> None:
    monkeypatch.setitem(sys.modules, "hailo_platform", None)
    with pytest.raises(ModelError, match="hailo_platform is not installed") as caught:
        load_runtime(good)
    assert caught.value.problem is Problem.RUNTIME and "apt install hailo-all" in str(caught.value)


@pytest.mark.parametrize(
    ("chip", "compiler", "here", "fits"),
    [
        ("hailo8l", "3.33.0", "4.22.0", False),
        ("hailo8l", "3.33.0", "4.23.1", True),
        ("hailo8l", "3.33.0", "5.2.0", False),
        ("hailo10h", "5.2.0", "5.2.0", True),
        ("hailo10h", "5.2.0", "5.1.1", False),
        ("hailo10h", "5.2.0", "4.23.0", False),
    ],
)
def test_the_runtime_belongs_to_the_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chip: str, compiler: str, here: str, fits: bool
) -> None:
    fake_hailo.machine(monkeypatch, chip, version=here)
    path = fake_hailo.save(tmp_path / "m.hef", chip=chip, compiler=compiler)
    if fits:
        load_runtime(path).close()
    else:
        assert f"Compiler {compiler}, which wants HailoRT" in str(refused(path)) and here in str(refused(path))


@pytest.mark.parametrize("call", ["scan", "VDevice", "create_infer_model", "configure"])
def test_a_device_that_does_not_start(hailo: FakeHailo, good: Path, call: str) -> None:
    hailo.fails = call
    error = refused(good)
    assert f"HailoRT does not {'find' if call in ('scan', 'VDevice') else 'take'}" in str(error)
    assert call in str(error) and error.problem is Problem.RUNTIME and hailo.live == 0


def test_a_network_with_other_ends(hailo: FakeHailo, good: Path) -> None:
    hailo.outputs = 2
    assert "1 inputs and 2 outputs" in str(refused(good)) and hailo.live == 0


@pytest.mark.parametrize("call", ["run_async", "wait"])
def test_a_frame_that_fails_and_the_next_one(hailo: FakeHailo, good: Path, call: str) -> None:
    with load_runtime(good) as runtime:
        hailo.fails = call
        with pytest.raises(ModelError, match=f"HailoRT does not run.*{call}"):
            runtime.segment(Frame(fake_model.paint(64, 64), 0, 0))
        hailo.fails, hailo.answer = "", lambda found: found * np.nan
        with pytest.raises(ModelError, match="numbers that are none"):
            runtime.segment(Frame(fake_model.paint(64, 64), 1, 0))
        hailo.answer = lambda found: found
        runtime.segment(Frame(fake_model.paint(64, 64), 2, 0))


def test_headers_are_read() -> None:
    real = fake_hailo.network("hailo8", "3.27.0", 0)
    assert header_of(real) == HefHeader(("hailo8",), "3.27.0")
    for version in range(4):
        found = header_of(fake_hailo.network("hailo15h", "5.2.0", version))
        assert found == HefHeader(("hailo10h", "hailo15h"), "5.2.0")
    for damaged in (b"", b"\x01HEF", b"RKNN" + real[4:], real[:40], real[:4] + b"\0\0\0\x09" + real[8:]):
        assert header_of(damaged) is None
    unknown = real.replace(b"\x08\x01\x10", b"\x08\x06\x10")
    assert header_of(unknown) == HefHeader((), "3.27.0")


def test_equal_contents_give_equal_bytes_and_eight_bits(good: Path) -> None:
    file = HAILO.read(good)
    assert HAILO.packed(file) == good.read_bytes()
    assert isinstance(file.manifest, HailoManifest) and file.manifest.numbers == "quantised"
