from __future__ import annotations

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from edge.runtimes import load_runtime
from export import comparison, int8
from export.calibration import letterboxed
from export.cli import cli
from export.files import read_model
from export.int8 import Int8Options, Quantisation, quantise
from export.int8_bias import channel_means, convolutions, correct_biases
from export.int8_nodes import network_nodes
from export.limits import LIMITS
from export.trt.quantized import require_symmetric
from landing.errors import DataError, ModelError
from landing.types import Frame
from tests.export import tiny

LAYERS = ["net/conv a", "net/conv b", "net/conv c", "net/conv d"]
FORGIVING = LIMITS["quantised"].model_copy(
    update={"class_disagreement": 0.2, "false_safe_flips": 0.05, "site_differs": 1.0, "mean_difference": 0.05}
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny") / "m.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.pictures(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture
def forgiving(monkeypatch):
    """Limits for a network that nobody has trained."""
    monkeypatch.setattr(comparison, "LIMITS", {"quantised": FORGIVING})


def made(model, folder, tmp_path, **options):
    lines = []
    target = tmp_path / "m.int8.onnx"
    report = quantise(model, target, Int8Options(folder, **options), lines.append)
    return report, target, lines


def quantised_weights(path):
    graph = onnx.load(path).graph
    stored = {t.name: t for t in graph.initializer}
    found = {}
    for node in graph.node:
        weights = stored.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if weights is not None and len(weights.dims) == 4:
            found[node.output[0]] = (weights, stored[node.input[1]])
    layers = {}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in found:
            layers[node.name] = found[node.input[1]]
    return layers


def weight_scales(graph, layer):
    """Scales of a convolution's weights in a quantised graph, (out, 1, 1, 1)."""
    stored = {one.name: one for one in graph.graph.initializer}
    (node,) = [one for one in graph.graph.node if one.name == layer]
    (back,) = [one for one in graph.graph.node if one.output[0] == node.input[1]]
    return onnx.numpy_helper.to_array(stored[back.input[1]]).reshape(-1, 1, 1, 1)


def test_for_a_cpu_weights_are_int8_per_channel_and_activations_uint8(model, folder, tmp_path, forgiving):
    report, target, _ = made(model, folder, tmp_path)
    assert report.path == target and report.in_float == () and report.gate.passed
    layers = quantised_weights(target)
    assert set(layers) == set(LAYERS)  # not the one that gives the logits, nor the merge
    for weights, scales in layers.values():
        assert weights.data_type == onnx.TensorProto.INT8
        assert list(scales.dims) == [weights.dims[0]]
    graph = onnx.load(target).graph
    zero_points = {t.name: t.data_type for t in graph.initializer}
    activations = {zero_points[n.input[2]] for n in graph.node if n.op_type == "QuantizeLinear"}
    assert activations == {onnx.TensorProto.UINT8}
    with load_runtime(target) as runtime, load_runtime(model) as own:
        assert runtime.gate is not None and runtime.gate.passed
        assert runtime.spec.name == own.spec.name + "-int8"
        image = np.random.default_rng(9).integers(0, 256, (96, 128, 3), dtype=np.uint8)
        seen, wanted = runtime.segment(Frame(image, 0, 0)), own.segment(Frame(image, 0, 0))
    apart = np.abs(seen.hazards.astype(int) - wanted.hazards)
    assert 0 < apart.mean() < 8
    assert report.speedup > 0


def test_for_tensorrt_it_is_symmetric_with_biases_in_float(model, folder, tmp_path, forgiving):
    report, target, _ = made(model, folder, tmp_path, target="tensorrt")
    assert report.path == target
    require_symmetric(read_model(target), target)
    assert set(quantised_weights(target)) == set(LAYERS)


def test_for_openvino_it_is_judged_and_timed_there(model, folder, tmp_path, forgiving):
    pytest.importorskip("openvino")
    report, target, _ = made(model, folder, tmp_path, target="openvino")
    assert report.path == target and set(quantised_weights(target)) == set(LAYERS)
    assert report.gate.runtimes[1].startswith("openvino") and report.speedup > 0


@pytest.mark.parametrize("layer", ["net/conv b", "net/conv c"])
def test_a_bias_takes_back_what_rounded_weights_shift(model, folder, layer):
    """A depthwise layer, whose padding makes the correction nearly exact, and a plain one."""
    work = Quantisation(model, Int8Options(folder, pictures=8, gate_pictures=1), lambda _: None)
    pictures = list(letterboxed(work.chosen.calibration, work.spec))
    (node,) = convolutions(work.model, [layer])
    (tensor,) = [one for one in work.model.graph.initializer if one.name == node.input[1]]
    coarse = onnx.ModelProto()
    coarse.CopyFrom(work.model)
    (stored,) = [one for one in coarse.graph.initializer if one.name == node.input[1]]
    values, scale = onnx.numpy_helper.to_array(tensor), weight_scales(work.made(set()), layer)
    rounded = np.round(values / scale) * scale
    stored.CopyFrom(onnx.numpy_helper.from_array(rounded.astype(np.float32), stored.name))
    corrected = onnx.ModelProto()
    corrected.CopyFrom(coarse)
    correct_biases(corrected, [layer], work.shifts)
    graphs = (work.model, coarse, corrected)
    wanted, off, back = (channel_means(one, [node.output[0]], pictures)[node.output[0]] for one in graphs)
    assert np.abs(back - wanted).max() < 0.2 * np.abs(off - wanted).max()


def test_preprocessing_logits_and_merge_are_never_quantised(model):
    weighted, others = network_nodes(read_model(model))
    assert weighted == LAYERS
    assert set(others) == {"net/clip a", "net/clip b", "net/add", "net/relu"}


def test_the_worst_layers_stay_in_float_until_the_gate_passes(model, folder, tmp_path, monkeypatch, forgiving):
    ranking = ["net/conv b", "net/conv d", "net/conv a", "net/conv c"]
    monkeypatch.setattr(Quantisation, "ranking", lambda self: list(ranking))
    judged = Quantisation.judged

    def strict(self, graph):
        gate = judged(self, graph)
        biased = {
            n.name
            for n in graph.graph.node
            if n.op_type == "Conv" and n.input[1] in {t.name for t in graph.graph.initializer}
        }
        passed = {"net/conv b", "net/conv d"} <= biased
        return gate.model_copy(update={"passed": passed, "failures": () if passed else ("no",)})

    monkeypatch.setattr(Quantisation, "judged", strict)
    report, target, lines = made(model, folder, tmp_path)
    assert report.in_float == ("net/conv b", "net/conv d")
    assert report.tried == [(0, False), (1, False), (2, True)]
    assert set(quantised_weights(target)) == {"net/conv a", "net/conv c"}
    assert any("2 of 4 layers in float" in line for line in lines)


def test_a_layer_in_float_behind_a_clip_still_sees_it_clipped(model, folder, tmp_path):
    """The quantiser drops a clip behind a quantised layer even where nothing else clips."""
    work = Quantisation(model, Int8Options(folder, pictures=8, gate_pictures=4), lambda _: None)
    whole = work.judged(work.made(set())).measured["mean_difference"]
    for layer in LAYERS:
        alone = work.judged(work.made({layer})).measured["mean_difference"]
        assert alone < 2 * whole + 0.002, layer
    assert work.judged(work.made(set(LAYERS))).measured["mean_difference"] <= whole


def test_the_ranking_finds_the_layer_that_hurts(folder, tmp_path):
    """One whose channels differ a thousandfold in what they give, but share one range."""
    path = tiny.save(tmp_path / "m.onnx")
    graph = read_model(path)
    for tensor in graph.graph.initializer:
        if tensor.name in ("net/c.w", "net/c.b"):
            values = onnx.numpy_helper.to_array(tensor).copy()
            values[0] *= 3000
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        if tensor.name == "net/d.w":
            values = onnx.numpy_helper.to_array(tensor).copy()
            values[:, 0] /= 3000
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(graph, path)
    work = Quantisation(path, Int8Options(folder, pictures=8, gate_pictures=4), lambda _: None)
    assert set(work.ranking()[:2]) == {"net/conv c", "net/conv d"}


def test_a_gate_that_never_passes_leaves_no_file(model, folder, tmp_path, monkeypatch):
    impossible = LIMITS["quantised"].model_copy(update={"mean_difference": 0.0})
    monkeypatch.setattr(comparison, "LIMITS", {"quantised": impossible})
    target = tmp_path / "m.int8.onnx"
    line = ["int8", str(model), "--calibrate", str(folder), "-o", str(target), "--tries", "3"]
    result = CliRunner().invoke(cli, line, catch_exceptions=False)
    assert result.exit_code == 1
    assert "no file was written: the gate did not pass within 3 tries" in result.output
    assert list(tmp_path.iterdir()) == []


def test_only_training_pictures_calibrate(model, folder, tmp_path, forgiving):
    parts = {i: ("train", "train", "val", "test")[i % 4] for i in range(12)}
    table = tiny.split(tmp_path / "split.csv", parts)
    chosen = int8.choose(Int8Options(folder, split=table, split_column="column"))
    assert [int(p.stem) % 4 for p in chosen.calibration] == [0, 1] * 3
    assert [int(p.stem) % 4 for p in chosen.gate] == [2] * 3
    report, _, _ = made(model, folder, tmp_path, split=table, split_column="column")
    assert report.note == "6 of 12 pictures are in part 'train'" and report.gate.frames == 3


def test_calibrating_on_what_judges_is_refused(model, folder, tmp_path):
    for parts, why in (
        ({i: "test" for i in range(12)}, "12 are in val or test"),
        ({99: "train"}, "does not name them"),
    ):
        table = tiny.split(tmp_path / "split.csv", parts)
        with pytest.raises(DataError, match=why):
            made(model, folder, tmp_path, split=table, split_column="column")
    with pytest.raises(DataError, match="expected 'id' and 'other'"):
        made(model, folder, tmp_path, split=table, split_column="other")


def test_a_split_is_read_as_the_trainer_reads_it(folder, tmp_path):
    """A picture in two parts would calibrate and be tested on; another word for a part would leave its pictures out."""
    table = tmp_path / "split.csv"
    for rows, why in (
        ("000,train\n001,train\n002,val\n001,test\n", "001 is in 'train' and in 'test'"),
        ("000,train\n001,validation\n", "part 'validation' is unknown"),
    ):
        table.write_text("id,split\n" + rows)
        with pytest.raises(DataError, match=why):
            int8.choose(Int8Options(folder, split=table))
    table.write_text("name,split,group\n000,train,a\n001,val,b\n")
    chosen = int8.choose(Int8Options(folder, split=table))
    assert ([p.stem for p in chosen.calibration], [p.stem for p in chosen.gate]) == (["000"], ["001"])


def test_bad_folders_and_models(model, folder, tmp_path, forgiving):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        made(model, empty, tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        made(model, tmp_path / "nothing", tmp_path)
    damaged = tiny.pictures(tmp_path / "damaged", 4)
    (damaged / "001.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"001\.png cannot be decoded"):
        made(model, damaged, tmp_path)
    _, target, _ = made(model, folder, tmp_path)
    with pytest.raises(ModelError, match="quantised already"):
        made(target, folder, tmp_path)


def test_labels_of_other_pictures_judge_nothing(model, folder, tmp_path):
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "labels" / "other.png"), np.full((48, 64), 3, np.uint8))
    with pytest.raises(DataError, match=r"--labels .*no label map there has the name of a picture that judges"):
        made(model, folder, tmp_path, labels=tmp_path / "labels")
