"""`export hailo`: the compiler's folder, nodes that are named, and its result wrapped. The compiler is not run."""

from __future__ import annotations

import re

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.runtimes.hailo_file import HAILO, HAILO_CHIPS
from export.cut import cut
from export.files import read_model, spec_of
from export.hailo.graph import for_compiler
from export.hailo.make import COMPILERS, HailoOptions, prepare, wrap
from export.hailo.operators import TAKEN, findings, require_taken
from export.import_onnx import import_onnx
from export.info import Info
from export.onnx_export import export_onnx
from export.onnx_probe import ImportOptions
from export.runtime import open_session
from export.verify import described, precision_of, store, stored_gate
from landing.errors import InvalidValueError, ModelError
from landing.model.artefact import GateReport
from tests.command import call
from tests.docs.pages import ROOT
from tests.edge import fake_hailo

SHAPE = (1, 3, 4, 6)


@pytest.fixture(scope="module")
def ours(checkpoint_path, tmp_path_factory):
    """An ONNX file of ours, pictures, and a split of them."""
    folder = tmp_path_factory.mktemp("hailo")
    export_onnx(checkpoint_path, folder / "m.onnx")
    (folder / "pictures").mkdir()
    for number in range(8):
        image = np.random.default_rng(number).integers(0, 256, (64, 96, 3), np.uint8)
        cv2.imwrite(str(folder / "pictures" / f"{number}.png"), image)
    parts = ["train"] * 3 + ["val"] * 3 + ["test"] * 2
    rows = "".join(f"{number},{part}\n" for number, part in enumerate(parts))
    (folder / "split.csv").write_text(f"id,part\n{rows}")
    return folder


def graph(nodes, shape=SHAPE, end=None, constants=()):
    """A network of float planes, from ``x`` to the output of the last node."""
    body = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, end or shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_the_folder_holds_what_the_compiler_needs(ours, tmp_path):
    said = []
    split = HailoOptions("hailo10h", ours / "pictures", ours / "split.csv", "part")
    made = prepare(ours / "m.onnx", tmp_path / "kit", split, said.append)
    kit = tmp_path / "kit"
    assert (kit / "calibration.txt").read_text().split() == ["0.png", "1.png", "2.png"]
    pictures, network = np.load(kit / "calibration.npy"), onnx.load(str(kit / "network.onnx"))
    height, width = (side.dim_value for side in network.graph.input[0].type.tensor_type.shape.dim[2:])
    assert pictures.shape == (3, height, width, 3) and pictures.dtype == np.uint8
    assert network.opset_import[0].version == 17 and not network.metadata_props
    script = (kit / "network.alls").read_text()
    assert script.startswith("normalization1 = normalization([") and "calibset_size=3)" in script
    assert [float(number) for number in re.findall(r"[\d.]+", script)[1:4]] == pytest.approx(made.mean)
    commands = (kit / "compile.sh").read_text()
    assert commands.count("--hw-arch hailo10h") == 3 and f"Compiler {COMPILERS['hailo10h']} " in commands
    assert said[-1].endswith("3 calibrate") and list(tmp_path.iterdir()) == [kit]
    with pytest.raises(InvalidValueError, match="is there already"):
        prepare(ours / "m.onnx", kit, split, said.append)


def test_the_first_shifts_and_scales_go_into_the_script():
    three = np.float32([10, 20, 30]).reshape(3, 1, 1)
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["a"]),
        helper.make_node("Mul", ["a", "half"], ["b"]),
        helper.make_node("Add", ["b", "one"], ["c"]),
        helper.make_node("Div", ["c", "mean"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    made = for_compiler(
        graph(nodes, constants=[("mean", three), ("half", np.float32(0.5)), ("one", np.float32(1))]), "m"
    )
    assert [node.op_type for node in made.graph.graph.node] == ["Relu"]
    assert made.mean == pytest.approx((8, 18, 28)) and made.scale == pytest.approx((20, 40, 60))


@pytest.mark.parametrize(("perm", "inner"), [((0, 3, 4, 1, 5, 2), "DCR"), ((0, 1, 4, 2, 5, 3), "CRD"), (None, "")])
def test_shuffles_become_one_operator_where_they_are_one(perm, inner):
    split = {"DCR": (1, 2, 2, 3, 4, 6), "CRD": (1, 3, 2, 2, 4, 6), "": (1, 12, 24)}[inner]
    after = perm or (0, 1, 2)
    weights = np.random.default_rng(0).standard_normal((12, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "weights"], ["wide"]),
        helper.make_node("Reshape", ["wide", "split"], ["parts"]),
        helper.make_node("Transpose", ["parts"], ["moved"], perm=after),
        helper.make_node("Reshape", ["moved", "joined"], ["y"]),
    ]
    sizes = [("weights", weights), ("split", np.int64(split)), ("joined", np.int64((1, 3, 8, 12)))]
    made = for_compiler(graph(nodes, end=(1, 3, 8, 12), constants=sizes), "m").graph
    kinds = [node.op_type for node in made.graph.node]
    assert kinds == (["Conv", "DepthToSpace"] if inner else ["Conv", "Reshape", "Transpose", "Reshape"])
    assert bool(findings(made, "hailo8")) == (not inner)
    open_session(made)


def one_node(kind, inputs=("x",), shape=SHAPE, constants=(), **attributes):
    return graph([helper.make_node(kind, [*inputs], ["y"], kind.lower(), **attributes)], end=shape, constants=constants)


def test_nodes_are_named_with_a_remedy():
    gather = one_node("Gather", ("x", "at"), constants=[("at", np.int64([2, 1, 0]))], axis=1)
    (found,) = findings(gather, "hailo8")
    assert found.refused and found.describe().startswith(
        "refused: Gather 'gather': picking by index has no layer; train"
    )
    with pytest.raises(ModelError, match="does not take it for hailo8: refused: Gather 'gather'"):
        require_taken([found], "m.onnx", "hailo8")
    (six,) = findings(
        one_node("Reshape", ("x", "to"), (1, 3, 2, 2, 2, 3), [("to", np.int64([1, 3, 2, 2, 2, 3]))]), "hailo8l"
    )
    assert six.refused and "6 sides" in six.why
    (unknown,) = findings(one_node("Erf"), "hailo15h")
    assert not unknown.refused and "no public record of it for hailo15h" in unknown.describe()
    require_taken([unknown], "m.onnx", "hailo15h")
    assert not findings(one_node("HardSwish"), "hailo8") and findings(one_node("HardSwish"), "hailo10h")
    assert TAKEN["hailo8"] == TAKEN["hailo8l"] and TAKEN["hailo10h"] == TAKEN["hailo15h"]


def test_a_group_normalisation_is_named_once():
    nodes = [
        helper.make_node("Reshape", ["x", "grouped"], ["groups"]),
        helper.make_node("InstanceNormalization", ["groups", "ones", "zeros"], ["normal"], "norm"),
        helper.make_node("Reshape", ["normal", "back"], ["y"]),
    ]
    constants = [("grouped", np.int64([1, 1, 72])), ("back", np.int64(SHAPE))]
    constants += [("ones", np.ones(1, np.float32)), ("zeros", np.zeros(1, np.float32))]
    (found,) = findings(graph(nodes, constants=constants), "hailo8")
    assert (found.node, found.refused) == ("norm", False) and "batch normalisation" in found.remedy


def test_what_is_quantised_already_is_refused():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"], "quantise"),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"], "back"),
    ]
    found = findings(graph(nodes, constants=[("step", np.float32(1)), ("zero", np.uint8(0))]), "hailo8")
    assert [one.node for one in found] == ["quantise", "back"] and all("float32 file" in one.remedy for one in found)


def test_the_compilers_result_is_wrapped_and_takes_the_gates_word(ours, tmp_path):
    (tmp_path / "network.hef").write_bytes(fake_hailo.network("hailo8l"))
    words = ["--chip", "hailo8l", "--hef", str(tmp_path / "network.hef"), "-o", str(tmp_path / "m.hef")]
    done = call("export", "hailo", str(ours / "m.onnx"), *words)
    assert done.returncode == 0 and "for hailo8l and HailoRT 4.23; never verified" in done.stdout
    manifest = HAILO.read(tmp_path / "m.hef").manifest
    assert (manifest.onnx_name, manifest.compiler_version, manifest.gate) == ("m.onnx", "3.33.0", None)
    assert precision_of(tmp_path / "m.hef") == "quantised"
    assert described(tmp_path / "m.hef") == described(ours / "m.onnx")
    assert "chip          hailo8l" in Info.of(tmp_path / "m.hef").describe()
    gate = GateReport(
        passed=True, against_sha256=manifest.onnx_sha256, frames=5, runtimes=("onnxruntime", "hailo 4.23.0")
    )
    store(gate, tmp_path / "m.hef")
    assert stored_gate(tmp_path / "m.hef") == gate


def test_what_is_not_wrapped(ours, tmp_path):
    source, bare, target = ours / "m.onnx", tmp_path / "network.hef", tmp_path / "m.hef"
    bare.write_bytes(fake_hailo.network("hailo8"))
    with pytest.raises(ModelError, match=r"was compiled for hailo8, --chip says hailo8l"):
        wrap(source, bare, target, "hailo8l")
    with pytest.raises(InvalidValueError, match=r"ends in \.hef, not that of --hef"):
        wrap(source, bare, bare, "hailo8")
    bare.write_bytes(bare.read_bytes()[:20])
    with pytest.raises(ModelError, match="no file that Hailo's compiler wrote"):
        wrap(source, bare, target, "hailo8")
    assert not target.exists()
    assert "give --calibrate FOLDER" in call("export", "hailo", str(source), "--chip", "hailo8").stderr
    with pytest.raises(ModelError, match=r"adopt the ONNX file.*touchdown export hailo"):
        import_onnx(bare, tmp_path / "x.onnx", ImportOptions("aeroscapes"))


@pytest.mark.parametrize(("name", "not_on_record"), [("synthetic-unet", 0), ("semantic-drone-fast", 7)])
def test_nodes_of_our_models_that_docs_boards_counts(name, not_on_record):
    source = ROOT / "models" / f"{name}.onnx"
    model = read_model(source)
    network = for_compiler(cut(model, spec_of(model, source), source, "Hailo").network, source).graph
    for chip in HAILO_CHIPS:
        found = findings(network, chip)
        assert {one.operator for one in found} <= {"InstanceNormalization"} and len(found) == not_on_record
