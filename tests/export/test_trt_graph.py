"""Graphs made ready for TensorRT: they compute the same, in the types of their precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edge.runtimes.onnxruntime import session_options
from export.trt.half import kept_in_float32
from export.trt.prepare import prepare
from landing.errors import ModelError
from tests.export.trt_models import SIDE, quantized, small

MODELS = sorted((Path(__file__).resolve().parents[2] / "models").glob("*.onnx"))
NAMES = ["class_id", "landable", "hazards"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small(tmp_path / "small.onnx")


def maps(data: bytes, side: int = SIDE) -> list[npt.NDArray[np.uint8]]:
    options = session_options(1)
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    coarse = np.random.default_rng(3).integers(0, 256, (*[n // 16 for n in shape[:2]], 3))
    image = np.kron(coarse, np.ones((16, 16, 1))).astype(np.uint8)
    found: list[npt.NDArray[np.uint8]] = session.run(NAMES, {"image": image})
    return found


def graph(data: bytes) -> onnx.GraphProto:
    return onnx.load_model_from_string(data).graph


def test_float32_computes_the_very_same(model: Path) -> None:
    prepared = prepare(model, "fp32")
    for before, after in zip(maps(model.read_bytes()), maps(prepared.data), strict=True):
        assert np.array_equal(before, after)
        assert before.std() > 0
    found = graph(prepared.data)
    # Between input and output there is no uint8: TensorRT has none there.
    casts = [n for n in found.node if any(a.i == TensorProto.UINT8 for a in n.attribute)]
    assert sorted(n.output[0] for n in casts) == sorted(NAMES)
    assert {t.data_type for t in found.initializer} == {TensorProto.FLOAT, TensorProto.INT64}
    assert "w2_half" not in {t.name for t in found.initializer}


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_float16_decides_alike_on_every_shipped_model(path: Path) -> None:
    before = maps(prepare(path, "fp32").data)
    after = maps(prepare(path, "fp16").data)
    assert (before[0] == after[0]).mean() > 0.99
    for one, other in zip(before[1:], after[1:], strict=True):
        steps = np.abs(one.astype(int) - other)
        # Of 255. Where two classes are nearly as probable, the last bit of a logit is some steps.
        assert steps.mean() < 0.5 and (steps > 4).mean() < 0.02 and steps.max() <= 32


def test_the_network_is_float16_and_the_decision_is_not(model: Path) -> None:
    found = graph(prepare(model, "fp16").data)
    types = {t.name: t.data_type for t in found.initializer}
    weights = {n.op_type + n.output[0]: types[n.input[1]] for n in found.node if n.op_type == "Conv"}
    assert weights == {"Convc1": TensorProto.FLOAT16, "Convlogits": TensorProto.FLOAT16, "Convsums": TensorProto.FLOAT}
    casts = [n for n in found.node if n.op_type == "Cast"]
    added = [n for n in casts if n.output[0].endswith((".half", ".single"))]
    # One into the network and one out of it, however many operators take the logits.
    assert sorted(n.input[0] for n in added) == ["logits", "nchw"]


def test_what_stays_in_float32_is_told_by_the_weights_not_by_names() -> None:
    def node(kind: str, ins: list[str], out: str) -> onnx.NodeProto:
        return helper.make_node(kind, ins, [out], out)

    nodes = [
        node("Cast", ["image"], "a"),
        node("Conv", ["a", "w"], "b"),
        node("Softmax", ["b"], "c"),
        node("MatMul", ["b", "c"], "d"),
        node("Conv", ["d", "w"], "e"),
        node("Resize", ["e", "", "s"], "f"),
        node("ArgMax", ["f"], "g"),
        node("Softmax", ["f"], "h"),
        node("Conv", ["h", "merge"], "i"),
        node("Resize", ["i", "", "s"], "j"),
    ]
    tensor = onnx.numpy_helper.from_array
    weights = [
        tensor(np.full((2, 2, 1, 1), 0.3, np.float32), "w"),
        tensor(np.eye(2, dtype=np.float32)[:, :, None, None], "merge"),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [8, 8, 3])
    model = helper.make_model(helper.make_graph(nodes, "g", [image], [], weights))
    # Attention (c, d) is network; logits are enlarged (f) in half, probabilities (j) are not.
    assert kept_in_float32(model) == {"a", "g", "h", "i", "j"}


def test_int8_is_float16_around_its_pairs(model: Path, tmp_path: Path) -> None:
    path = quantized(model, tmp_path / "q.onnx")
    found = graph(prepare(path, "int8").data)
    types = {t.name: t.data_type for t in found.initializer}
    pairs = [n for n in found.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(pairs) > 4
    assert {types[n.input[1]] for n in pairs} == {TensorProto.FLOAT16}
    before, after = maps(path.read_bytes()), maps(prepare(path, "int8").data)
    assert (before[0] == after[0]).mean() > 0.9


def test_weights_beyond_float16_are_bounded_and_none_vanishes(tmp_path: Path, model: Path) -> None:
    changed = onnx.load(str(model))
    bias = next(t for t in changed.graph.initializer if t.name == "b1")
    values = np.array([1e9, -1e9, 1e-12, -1e-12, 0, 1, 2, 3], np.float32)
    bias.CopyFrom(onnx.numpy_helper.from_array(values, "b1"))
    path = tmp_path / "extreme.onnx"
    onnx.save(changed, str(path))
    found = {t.name: t for t in graph(prepare(path, "fp16").data).initializer}
    halved = onnx.numpy_helper.to_array(found["b1.half"])
    assert halved[0] == 65504 and halved[1] == -65504
    assert halved[2] > 0 > halved[3] and halved[4] == 0
    assert np.isfinite(halved).all()


def test_int8_for_a_cpu_is_refused_with_what_to_do(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not quantised.*export int8 .* --for tensorrt"):
        prepare(model, "int8")
    path = quantized(model, tmp_path / "cpu.onnx", for_tensorrt=False)
    with pytest.raises(ModelError, match=r"quantised for a CPU \(.*Linear .*\).*--for tensorrt"):
        prepare(path, "int8")
    good = quantized(model, tmp_path / "trt.onnx")
    with pytest.raises(ModelError, match=r"has Q/DQ nodes.*use --precision int8"):
        prepare(good, "fp16")
    spoiled = onnx.load(str(good))
    zero = next(t for t in spoiled.graph.initializer if t.name.endswith("zero_point"))
    zero.CopyFrom(onnx.numpy_helper.from_array(np.array(3, np.int8), zero.name))
    onnx.save(spoiled, str(path))
    with pytest.raises(ModelError, match="has a zero point of 3"):
        prepare(path, "int8")


def test_bad_files_are_refused_before_any_parser(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        prepare(tmp_path / "none.onnx", "fp16")
    with pytest.raises(ModelError, match="no ModelSpec"):
        prepare(small(tmp_path / "bare.onnx", describe=False), "fp16")
    bad = tmp_path / "bad.onnx"
    for keep in (0, 7, 500):
        bad.write_bytes(model.read_bytes()[:keep])
        with pytest.raises(ModelError, match=r"truncated|damaged|no valid ONNX"):
            prepare(bad, "fp16")
    hostile = onnx.load(str(model))
    tensor = next(t for t in hostile.graph.initializer if t.name == "w1")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    bad.write_bytes(hostile.SerializeToString())
    with pytest.raises(ModelError, match=r"weights are in another file \('\.\./\.\./\.\./etc/pas"):
        prepare(bad, "fp16")


def test_a_graph_with_branches_is_float32_or_nothing(model: Path, tmp_path: Path) -> None:
    branching = onnx.load(str(model))
    empty = helper.make_graph(
        [helper.make_node("Identity", ["r1"], ["same"])],
        "then",
        [],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, None)],
    )
    yes = onnx.numpy_helper.from_array(np.array(True), "yes")
    branching.graph.initializer.append(yes)
    node = helper.make_node("If", ["yes"], ["r2"], then_branch=empty, else_branch=empty)
    nodes = list(branching.graph.node)
    at = next(i for i, n in enumerate(nodes) if n.name == "last")
    nodes[at].input[0] = "r2"
    nodes.insert(at, node)
    copies = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
    del branching.graph.node[:]
    branching.graph.node.extend(copies)
    path = tmp_path / "if.onnx"
    onnx.save(branching, str(path))
    with pytest.raises(ModelError, match="has a If with a graph inside"):
        prepare(path, "fp16")
