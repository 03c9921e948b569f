"""Rockchip's toolkit itself, in an environment named by TOUCHDOWN_RKNN_PYTHON: it does what the fakes say it does."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.runtimes.rknn_file import CHIPS
from export.rknn.toolkit import TESTED, Job, run_toolkit
from tests.edge import fake_model, fake_rknn

PYTHON = os.environ.get("TOUCHDOWN_RKNN_PYTHON", "")
SIDE = fake_model.SIDE_PX

pytestmark = pytest.mark.skipif(not PYTHON, reason="TOUCHDOWN_RKNN_PYTHON names no environment with rknn-toolkit2")


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    """A folder with the network of palette colours, one convolution on blue green red, and a picture."""
    folder = tmp_path_factory.mktemp("toolkit")
    weights, bias = fake_rknn.colours()
    graph = helper.make_graph(
        [helper.make_node("Conv", ["planes", "weights", "bias"], ["logits"], name="scores")],
        "colours",
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, len(bias), SIDE, SIDE])],
        [numpy_helper.from_array(weights[..., None, None], "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, str(folder / "network.onnx"))
    cv2.imwrite(str(folder / "a.png"), fake_model.paint(SIDE, SIDE, ("car", (0, 0, 40, 40))))
    return folder


@pytest.mark.parametrize("chip", CHIPS)
def test_the_fake_npu_answers_as_the_simulator(job: Path, chip, monkeypatch, tmp_path) -> None:
    picture = str(job / "a.png")
    built = run_toolkit(Path(PYTHON), job, Job(chip, "normal", (), (), (picture,)))
    assert built.version == TESTED
    device = fake_rknn.board(monkeypatch, tmp_path).module().RKNNLite()
    (job / "fake.rknn").write_bytes(fake_rknn.network(chip))
    assert device.load_rknn(str(job / "fake.rknn")) == device.init_runtime() == 0
    (expected,) = device.inference(inputs=[cv2.imread(picture)[None]])
    found = built.logits_of(0)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert np.mean(found.argmax(1) == expected.argmax(1)) > 0.99
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()


def test_eight_bits_with_the_last_layer_in_float16(job: Path) -> None:
    picture = str(job / "a.png")
    whole = run_toolkit(Path(PYTHON), job, Job("rk3588", "normal", (picture,), (), (picture,))).logits_of(0)
    kept = run_toolkit(Path(PYTHON), job, Job("rk3588", "normal", (picture,), ("logits",), (picture,))).logits_of(0)
    assert whole.shape == kept.shape and len(np.unique(whole)) <= 256
