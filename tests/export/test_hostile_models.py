"""Models whose weights are no numbers, and options that no run has: refused in a line, before anything is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.runtimes.onnx_file import require_inside
from export.files import read_model
from landing.errors import ModelError
from tests.command import call
from tests.export import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    tiny.pictures(made / "pictures", 2)
    good = tiny.save(made / "good.onnx")
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        model = onnx.load(good)
        for tensor in model.graph.initializer:
            if tensor.name.endswith("d.w"):
                spoilt = numpy_helper.to_array(tensor).copy()
                spoilt[0, 0, 0, 0] = value
                tensor.CopyFrom(numpy_helper.from_array(spoilt, tensor.name))
        onnx.save(model, made / f"{name}.onnx")
    return made


@pytest.mark.parametrize("name", ["nan", "inf"])
@pytest.mark.parametrize(
    "words",
    [
        "export verify {bad} {bad} --data {folder}/pictures --limits exact",
        "export verify {folder}/good.onnx {bad} --data {folder}/pictures",
        "export info {bad}",
        "export bench {bad} --rounds 1 --no-memory",
        "export range {bad} --ground-width-m 5,50 --zoom 1,2",
        "export int8 {bad} --calibrate {folder}/pictures",
        "export thresholds {bad} --data {folder}",
        "export confidence {bad} --data {folder}",
        "export evaluate {bad} --data {folder} --out {folder}/report",
        "export adopt {bad} -o {folder}/x.onnx --taxonomy aeroscapes --output-name landable",
    ],
)
def test_weights_that_are_no_numbers_are_refused(words: str, name: str, folder: Path) -> None:
    done = call(*words.format(bad=folder / f"{name}.onnx", folder=folder).split())
    assert done.returncode == 2 and "weights that are no numbers" in done.stderr, done.stdout + done.stderr
    assert not (folder / "x.onnx").exists()


NAN = np.array([1.0, np.nan], np.float32)
BITS = {onnx.TensorProto.FLOAT16: (0x3C00, 0xFE00), onnx.TensorProto.BFLOAT16: (0x3F80, 0x7FC0)}


def constant(**value: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["w"], **value)


def small(kind: int, raw: bool) -> onnx.TensorProto:
    made = onnx.TensorProto(name="w", data_type=kind, dims=[2])
    if raw:
        made.raw_data = np.array(BITS[kind], "<u2").tobytes()
    else:
        made.int32_data.extend(BITS[kind])
    return made


SPOILT: dict[str, onnx.NodeProto | onnx.TensorProto] = {
    "constant": constant(value=numpy_helper.from_array(NAN, "c")),
    "constant of floats": constant(value_floats=[1.0, float("nan")]),
    "constant of one float": constant(value_float=float("nan")),
    "sparse": helper.make_node(
        "Constant",
        [],
        ["w"],
        sparse_value=helper.make_sparse_tensor(
            numpy_helper.from_array(NAN), numpy_helper.from_array(np.array([0, 1])), [2]
        ),
    ),
    "floats": helper.make_tensor("w", onnx.TensorProto.FLOAT, [2], NAN),
    "doubles": helper.make_tensor("w", onnx.TensorProto.DOUBLE, [2], NAN),
    "raw doubles": numpy_helper.from_array(-NAN.astype(np.float64), "w"),
    **{f"16 bits {kind} {raw}": small(kind, raw) for kind in BITS for raw in (True, False)},
}


def graph_of(part: onnx.NodeProto | onnx.TensorProto) -> bytes:
    nodes, weights = ([part], []) if isinstance(part, onnx.NodeProto) else ([], [part])
    made = helper.make_graph(nodes, "g", [], [helper.make_empty_tensor_value_info("w")], weights)
    return bytes(helper.make_model(made).SerializeToString())


@pytest.mark.parametrize("where", SPOILT)
def test_no_place_of_a_number_hides_nan(where: str) -> None:
    with pytest.raises(ModelError, match="no numbers"):
        require_inside(graph_of(SPOILT[where]), Path("m.onnx"))


def test_pieces_of_a_field_are_all_looked_at() -> None:
    head = graph_of(onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[2]))
    whole = onnx.ModelProto.FromString(head)
    tensor = whole.graph.initializer[0].SerializeToString()
    tensor += b"".join(bytes([4 << 3 | 2, 4]) + number.tobytes() for number in NAN[::-1])
    del whole.graph.initializer[:]
    graph = whole.graph.SerializeToString() + bytes([5 << 3 | 2, len(tensor)]) + tensor
    whole.ClearField("graph")
    data = whole.SerializeToString() + bytes([7 << 3 | 2, len(graph)]) + graph
    assert np.isnan(numpy_helper.to_array(onnx.load_from_string(data).graph.initializer[0])).any()
    with pytest.raises(ModelError, match="no numbers"):
        require_inside(data, Path("m.onnx"))


@pytest.mark.parametrize("kind", BITS)
def test_whole_numbers_and_infinity_of_16_bits_are_well(kind: int) -> None:
    bits = (*BITS[kind][:1], 0x8000, 0x7C00 if kind == onnx.TensorProto.FLOAT16 else 0x7F80)
    made = onnx.TensorProto(name="w", data_type=kind, dims=[3], int32_data=bits)
    require_inside(graph_of(made), Path("m.onnx"))
    counts = onnx.TensorProto(name="w", data_type=onnx.TensorProto.INT32, dims=[2], int32_data=[-1, 0x7FFFFFFF])
    require_inside(graph_of(counts), Path("m.onnx"))


def test_infinite_constants_that_clip_are_well(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "good.onnx")
    high = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("high"))
    high.CopyFrom(numpy_helper.from_array(np.float32(np.inf), high.name))
    onnx.save(model, tmp_path / "clip.onnx")
    read_model(tmp_path / "clip.onnx")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("export bench {good} --frame 99999999x99999999", "expected 1 to 16384 pixels"),
        ("export bench {good} --frame 0x0", "expected 1 to 16384 pixels"),
        ("export bench {good} --rounds 1 --no-memory --plot {folder}", "cannot be written"),
        ("export verify {good} {good} --data {folder}/pictures --threads 99999", "'--threads'"),
        ("export verify {good} {good} --data {folder}/pictures --frames -1", "'--frames'"),
        ("export int8 {good} --calibrate {folder}/pictures --pictures 0", "'--pictures'"),
        ("export verify {good} {good} --data {folder}/pictures --split {folder}/s.csv", "--split-column"),
        ("export evaluate {good} --data {folder} --out /dev/null", "--out /dev/null: File exists"),
        ("export thresholds {good} --data {folder} --report /dev/null", "/dev/null: File exists"),
        ("export confidence {good} --data {folder} --report /dev/null", "--report /dev/null: File exists"),
    ],
)
def test_options_that_no_run_has(words: str, said: str, folder: Path) -> None:
    tiny.split(folder / "s.csv", {0: "train", 1: "val"})
    beside = sorted(folder.parent.iterdir())
    done = call(*words.format(good=folder / "good.onnx", folder=folder).split())
    assert done.returncode == 2 and said in done.stderr, done.stdout + done.stderr
    assert sorted(folder.parent.iterdir()) == beside
