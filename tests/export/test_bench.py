from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from export.bench import BenchOptions, bench, peak_memory_mb
from export.cli import cli
from export.info import Info
from export.roofline import Peak, Work, work_of
from landing.errors import InvalidValueError, ModelError
from tests.export import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny") / "m.onnx")


def test_work_is_counted_by_hand(model):
    pixels = tiny.WIDTH * tiny.HEIGHT
    per_pixel = 16 * 27 + 16 * 9 + 16 * 16 + 16 * 16 * 9 + 12 * 16 + 6 * 12
    assert work_of(onnx.load(model)).gmac == pytest.approx(pixels * per_pixel / 1e9)


def test_products_of_matrices_and_strides_count_too():
    weights = [numpy_helper.from_array(np.zeros(s, np.float32), n) for n, s in (("m", (8, 5)), ("w", (4, 2, 3, 3)))]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["a", "m"], ["b"]),
            helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1] * 4),
        ],
        "g",
        [
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [7, 8]),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 10, 10]),
        ],
        [
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [7, 5]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 5, 5]),
        ],
        weights,
    )
    work = work_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))
    assert work.gmac * 1e9 == pytest.approx(7 * 8 * 5 + 4 * 25 * 18)
    assert work.weight_bytes == 4 * (40 + 72)
    assert work.activation_bytes == 2 * 4 * (35 + 100)


def test_the_roofline_is_the_slower_of_the_two():
    peak = Peak(gmac_per_s=100, gmac_int8_per_s=400, gbyte_per_s=10)
    assert peak.least_ms(Work(1.0, 0.0, 10_000, 0)) == pytest.approx(10)
    assert peak.least_ms(Work(1.0, 1.0, 10_000, 0)) == pytest.approx(2.5)
    assert peak.least_ms(Work(0.001, 0.0, 10**9, 0)) == pytest.approx(100)


def test_models_are_measured_in_turn(model, tmp_path):
    report, times = bench([model, model], BenchOptions(rounds=4, warm_up=1, memory=False))
    assert [len(t) for t in times] == [4, 4]
    for timed in report.models:
        assert 0 < timed.ms["least"] <= timed.ms["p50"] <= timed.ms["p95"] <= timed.ms["p99"]
        assert timed.roofline_ms is not None and timed.roofline_ms > 0
        assert timed.frames_per_s == pytest.approx(1e3 / timed.ms["p50"])
    assert json.loads(report.to_json())["peak"]["gmac_per_s"] > 0


def test_memory_is_of_a_process_with_the_model_alone(model):
    ballast = np.ones(400 * 2**20, np.uint8)  # what this process holds does not count
    peak_mb = peak_memory_mb(model, "auto", BenchOptions())
    assert 20 < peak_mb < 400 and ballast.any()


def test_command_writes_a_table_and_a_plot(model, tmp_path):
    words = ["bench", str(model), "--rounds", "2", "--no-memory", "--threads", "1"]
    picture = tmp_path / "b.png"
    result = CliRunner().invoke(cli, [*words, "--plot", str(picture)], catch_exceptions=False)
    assert result.exit_code == 0 and "m.onnx" in result.output and "GMAC/s" in result.output
    assert picture.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ModelError, match="does not exist"):
        CliRunner().invoke(cli, ["bench", "nothing.onnx"], catch_exceptions=False)
    with pytest.raises(InvalidValueError, match="at least one model"):
        bench([], BenchOptions())


def test_info_counts_layers_and_work(model):
    info = Info.of(model)
    assert info.layers["Conv"] == 6  # five of the network, and the merge
    assert info.sha256 and info.gate is None
    assert info.parameters > 16 * 16 * 9
    text = info.describe()
    assert "GMAC" in text and "(not verified)" in text and "6 Conv" in text


def test_each_model_in_each_runtime(tmp_path):
    pytest.importorskip("openvino")
    model = tiny.save(tmp_path / "tiny.onnx")
    options = BenchOptions(rounds=1, warm_up=1, memory=False, runtimes=("onnxruntime", "openvino:fp32"))
    report, times = bench([model], options)
    assert [m.runtime.split()[0] for m in report.models] == ["onnxruntime", "openvino"]
    assert [len(taken) for taken in times] == [1, 1]
    with pytest.raises(InvalidValueError, match="--runtime 'tflite': expected auto"):
        bench([model], BenchOptions(runtimes=("tflite",)))
