"""Model files for Rockchip's NPUs: what is refused, in one line, and that ONNX Runtime computes the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edge.runtimes import RuntimeOptions, load_runtime
from edge.runtimes.rknn_file import NETWORK, RKNN, chips_of
from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.problems import Problem
from landing.types import Frame
from tests.edge import fake_model, fake_rknn
from tests.edge.fake_rknn import FakeNpu
from tests.edge.test_runtime_ncnn import rewritten


@pytest.fixture
def npu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeNpu:
    return fake_rknn.board(monkeypatch, tmp_path)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return fake_rknn.save(tmp_path / "good.rknn")


def refused(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_runtime(path)
    assert str(path) in str(caught.value) and len(str(caught.value).splitlines()) == 1
    return caught.value


def test_onnx_runtime_computes_the_same(npu: FakeNpu, good: Path, model_path: Path) -> None:
    image = np.random.default_rng(3).integers(0, 256, (90, 128, 3), dtype=np.uint8)
    with load_runtime(model_path) as reference, load_runtime(good) as runtime:
        expected, found = (one.segment(Frame(image, 0, 0)) for one in (reference, runtime))
        assert runtime.backend == "rknn 2.5.0 (rk3588 NPU, fp16)"
    assert np.mean(expected.class_id == found.class_id) > 0.999
    assert np.abs(expected.landable.astype(int) - found.landable).max() <= 1
    assert npu.live == 0


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_truncated(npu: FakeNpu, tmp_path: Path, good: Path, keep: int) -> None:
    bad = tmp_path / "cut.rknn"
    bad.write_bytes(good.read_bytes()[:keep])
    assert "truncated, damaged or no .rknn file" in str(refused(bad))


def test_rockchips_own_form_and_a_missing_file(npu: FakeNpu, tmp_path: Path) -> None:
    bare = tmp_path / "bare.rknn"
    bare.write_bytes(fake_rknn.network())
    assert "is Rockchip's own form" in str(refused(bare))
    assert "does not exist" in str(refused(tmp_path / "none.rknn"))


def test_a_network_that_is_not_the_one_promised(npu: FakeNpu, tmp_path: Path, good: Path) -> None:
    other = rewritten(good, tmp_path / "o.rknn", lambda e: e.update({NETWORK: fake_rknn.network("rk3576")}))
    assert "the SHA-256 of network.rknn" in str(refused(other))
    swapped = fake_rknn.save(tmp_path / "s.rknn", network=fake_rknn.network("rk3576"))
    assert "its network is for rk3576, its manifest says rk3588" in str(refused(swapped))
    assert "its network is for no chip" in str(refused(fake_rknn.save(tmp_path / "n.rknn", network=b"nothing")))


@pytest.mark.parametrize(("here", "said"), [(("rk3576",), "this machine is rk3576"), (("",), "this machine is ")])
def test_another_board(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, good: Path, here: tuple[str, ...], said: str
) -> None:
    fake_rknn.board(monkeypatch, tmp_path, *here)
    error = refused(good)
    assert "was compiled for the NPU of rk3588" in str(error) and said in str(error)
    assert error.problem is Problem.RUNTIME


def test_no_board_at_all_is_said_before_the_package_is_asked_for(good: Path) -> None:
    assert "this machine is no Rockchip board" in str(refused(good))


def test_without_the_package_its_licence_is_said(npu: FakeNpu, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rknnlite.api", None)
    with pytest.raises(ModelError, match="no licence text, so ask Rockchip") as caught:
        load_runtime(good)
    assert caught.value.problem is Problem.RUNTIME and "pip install rknn-toolkit-lite2" in str(caught.value)


def test_older_packages_and_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: Path) -> None:
    fake_rknn.board(monkeypatch, tmp_path, package="2.3.2")
    assert "rknn-toolkit-lite2 here is 2.3.2" in str(refused(good))
    npu = fake_rknn.board(monkeypatch, tmp_path)
    npu.sdk = fake_rknn.SDK.format("2.3.0")
    assert "librknnrt.so here is 2.3.0" in str(refused(good))
    npu.sdk = None
    assert "does not tell its version" in str(refused(good))
    npu.sdk = fake_rknn.SDK.format("2.10.1")
    load_runtime(good).close()
    assert npu.live == 0


def test_a_device_that_does_not_start(npu: FakeNpu, good: Path) -> None:
    npu.starts = -1
    error = refused(good)
    assert "the NPU does not take its network" in str(error) and error.problem is Problem.RUNTIME
    npu.starts, npu.loads = 0, -1
    assert "does not load its network" in str(refused(good))
    assert npu.live == 0


def raises(_found: object) -> None:
    raise RuntimeError("E Size of inputs[0] is invalid!")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _found: None, "gave 0 outputs"),
        (lambda found: [*found, *found], "gave 2 outputs"),
        (lambda found: [found[0].transpose(0, 2, 3, 1)], "its decision takes"),
        (lambda found: [np.where(found[0] == found[0].max(), np.inf, found[0])], "numbers beyond float16"),
        (raises, "does not run on the NPU: E Size of inputs"),
    ],
)
def test_answers_that_are_none(npu: FakeNpu, good: Path, answer, said: str) -> None:
    with load_runtime(good) as runtime:
        npu.answer = answer
        with pytest.raises(ModelError, match=said):
            runtime.segment(Frame(fake_model.paint(64, 64), 0, 0))
        npu.answer = lambda found: found
        runtime.segment(Frame(fake_model.paint(64, 64), 1, 0))


def test_a_gate_of_the_simulator_is_said(npu: FakeNpu, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for ran, said in (("rknn-toolkit2 2.5.0 (simulator of rk3588)", True), ("rknn 2.5.0 (rk3588 NPU, fp16)", False)):
        gate = GateReport(passed=True, frames=9, runtimes=("onnxruntime 1.23", ran))
        caplog.clear()
        load_runtime(fake_rknn.save(tmp_path / "m.rknn", gate)).close()
        assert ("judged in a simulator" in caplog.text) == said


def test_a_precision_is_refused(npu: FakeNpu, good: Path) -> None:
    with pytest.raises(ModelError, match="rknn computes"):
        load_runtime(good, RuntimeOptions(precision="bf16"))


def test_equal_contents_give_equal_bytes_and_chips_are_read(good: Path) -> None:
    assert RKNN.packed(RKNN.read(good)) == good.read_bytes()
    assert chips_of(fake_rknn.network("rk3566")) == ("rk3566",)
    assert chips_of(b"RKNN" + b'"target_platform":[nonsense') == chips_of(b"") == ()
