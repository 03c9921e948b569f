"""OpenVINO's own: when it may round, that it tells nobody, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.runtimes import RuntimeOptions, load_runtime, openvino
from edge.runtimes.openvino import choose_precision, open_openvino
from edge.runtimes.openvino_stages import in_stages
from edge.sections.model import ModelSection
from landing.errors import ModelError
from landing.model.artefact import BF16_GATE_KEY, GateReport
from landing.taxonomy import Taxonomy
from landing.types import Frame
from tests.edge import fake_model

pytest.importorskip("openvino")

SYNTHETIC = Taxonomy.load("synthetic")
PASSED = GateReport(passed=True, frames=9)
FAILED = GateReport(passed=False, frames=9, failures=("flips 3 > 0.2 %",))


@pytest.fixture(params=[True, False], ids=["bf16 CPU", "older CPU"])
def has_bf16(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    flags = "fpu sse4_2 avx512f" + (" avx512_bf16" if request.param else "")
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: Some CPU\nflags\t\t: {flags}\n")
    monkeypatch.setattr(openvino, "_CPUINFO", cpuinfo)
    return bool(request.param)


def proven(model: Path, target: Path, gate: GateReport) -> Path:
    return fake_model.with_gate(model, target, gate, BF16_GATE_KEY)


def test_bf16_only_where_the_cpu_has_it_and_the_model_is_proven_at_it(has_bf16: bool) -> None:
    assert choose_precision("auto", PASSED) == ("bf16" if has_bf16 else "fp32")
    assert choose_precision("auto", FAILED) == "fp32"
    assert choose_precision("auto", None) == "fp32"
    assert choose_precision("fp32", PASSED) == "fp32"
    if has_bf16:
        assert choose_precision("bf16", None) == "bf16"
    else:
        with pytest.raises(ModelError, match="neither AVX512_BF16 nor AMX"):
            choose_precision("bf16", PASSED)
    with pytest.raises(ModelError, match="expected auto, fp32, bf16"):
        choose_precision("int4", None)


def test_a_machine_that_does_not_say_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "_CPUINFO", tmp_path / "none")
    assert not openvino.has_bf16()


def test_what_is_proven_of_bf16_is_what_counts_there(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "has_bf16", lambda: True)
    good = proven(model_path, tmp_path / "good.onnx", PASSED)
    bad = proven(model_path, tmp_path / "bad.onnx", FAILED)
    auto = RuntimeOptions(backend="openvino")
    with load_runtime(good, auto) as runtime:
        assert runtime.backend.endswith("(CPU, bf16)") and runtime.gate == PASSED
        runtime.warm_up()
    with load_runtime(bad, auto) as runtime:  # flies, but not rounded
        assert runtime.backend.endswith("(CPU, fp32)") and runtime.gate is None
    with pytest.raises(ModelError, match="gate FAILED"):
        load_runtime(bad, RuntimeOptions(backend="openvino", precision="bf16"))
    with load_runtime(good) as runtime:
        assert runtime.gate is None  # of what ONNX Runtime computes, nothing is proven


def test_precision_is_openvinos_choice_alone(model_path: Path) -> None:
    with pytest.raises(ModelError, match=r"onnxruntime computes .* as the file says"):
        load_runtime(model_path, RuntimeOptions(precision="bf16"))


def test_the_configuration_chooses_it() -> None:
    section = ModelSection(path=Path("m.onnx"), runtime="openvino", precision="bf16", threads=2)
    assert section.options == RuntimeOptions("openvino", threads=2, precision="bf16")


def test_it_takes_the_threads_it_is_given(model_path: Path) -> None:
    with load_runtime(model_path, RuntimeOptions(backend="openvino", threads=1)) as runtime:
        assert isinstance(runtime, openvino.OpenVinoRuntime)
        assert runtime._requests[0].get_compiled_model().get_property("INFERENCE_NUM_THREADS") == 1


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r'pip install "touchdown-landing\[openvino\]"'):
        open_openvino()


TELLS_NOBODY = """
import sys
from pathlib import Path

def watch(event, args):
    if event.startswith("socket."):
        raise SystemExit(f"{event} {args}")

sys.addaudithook(watch)
from edge.sections.model import ModelSection
from edge.runtimes import RuntimeOptions, load_runtime
with load_runtime(Path(sys.argv[1]), RuntimeOptions(backend="openvino")) as runtime:
    runtime.warm_up()
told = [name for name, module in sys.modules.items()
        if name.startswith("openvino_telemetry") and module is not None]
assert not told, told
"""


def test_it_tells_nobody(model_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TELLS_NOBODY, str(model_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr


def bottleneck(path: Path) -> Path:
    """Eight layers in a row, with a skip from the second to the last."""
    rng = np.random.default_rng(0)
    nodes, constants, source, channels = [], [], "x", 3
    spec = fake_model.spec_of(SYNTHETIC)
    for i in range(8):
        shape = (16 if i < 7 else len(SYNTHETIC), channels, 3, 3)
        weights = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        constants.append(numpy_helper.from_array(weights.astype(np.float32), f"w{i}"))
        nodes.append(helper.make_node("Conv", [source, f"w{i}"], [f"c{i}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        source, channels = f"r{i}", 16
        if i == 6:
            nodes.append(helper.make_node("Add", ["r6", "r1"], ["sum"]))
            source = "sum"
    copy = fake_model.build(SYNTHETIC, spec)
    kept = {n.output[0]: n for n in copy.graph.node}
    wanted = [
        "best",
        "class_id",
        "p",
        "merged",
        "scaled255",
        "rounded",
        "planes",
        "landable3",
        "landable",
        "hazards_last",
        "hazards",
    ]
    before = [
        helper.make_node("Cast", ["image"], ["f"], to=1),
        helper.make_node("Transpose", ["f"], ["chw"], perm=[2, 0, 1]),
        helper.make_node("Unsqueeze", ["chw", "batch"], ["x255"]),
        helper.make_node("Mul", ["x255", "unit"], ["x"]),
    ]
    after = [
        helper.make_node("Squeeze", ["c7", "batch"], ["kchw"]),
        helper.make_node("Transpose", ["kchw"], ["scores"], perm=[1, 2, 0]),
    ]
    constants.append(numpy_helper.from_array(np.array([0]), "batch"))
    constants.append(numpy_helper.from_array(np.float32(1 / 255), "unit"))
    del copy.graph.node[:]
    copy.graph.node.extend([*before, *nodes[:-1], *after, *(kept[name] for name in wanted)])
    copy.graph.initializer.extend(constants)
    onnx.save(copy, str(path))
    return path


def kinds(model: Any) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def test_both_ends_of_a_network_are_not_rounded(tmp_path: Path) -> None:
    module = open_openvino()
    path = bottleneck(tmp_path / "deep.onnx")
    model = module.Core().read_model(path.read_bytes())
    stages = in_stages(module, model, fake_model.spec_of(SYNTHETIC))
    assert [precision for _, precision in stages] == ["f32", "bf16", "f32"]
    early, middle, decision = (kinds(part) for part, _ in stages)
    assert early.count("Convolution") == 2 and early.count("Relu") == 2
    assert middle.count("Convolution") == 6
    assert "TopK" in decision and "Convolution" not in decision
    # The skip and the way on are one tensor; in the end all parts make the whole again.
    assert len(stages[0][0].outputs) == len(stages[1][0].inputs) == 1


def test_a_network_in_stages_decides_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "has_bf16", lambda: True)
    path = bottleneck(tmp_path / "deep.onnx")
    frame = Frame(np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8), 0, 0)
    with load_runtime(path) as reference:
        expected = reference.segment(frame)
    with load_runtime(path, RuntimeOptions(backend="openvino", precision="bf16")) as rounded:
        found = rounded.segment(frame)
        assert np.array_equal(rounded.segment(frame).landable, found.landable)
    assert expected.landable.std() > 5
    assert np.abs(found.landable.astype(int) - expected.landable).mean() < 2
    assert np.mean(found.class_id == expected.class_id) > 0.97


def test_a_model_without_logits_stays_whole(tmp_path: Path) -> None:
    """As one adopted with labels: no greatest channel, so no place to cut at."""
    module = open_openvino()
    model = fake_model.build(SYNTHETIC)
    best = next(n for n in model.graph.node if n.op_type == "ArgMax")
    best.op_type = "ReduceMax"
    del best.attribute[:]
    best.input.append("channel")
    best.attribute.append(helper.make_attribute("keepdims", 0))
    whole = module.Core().read_model(model.SerializeToString())
    stages = in_stages(module, whole, fake_model.spec_of(SYNTHETIC))
    assert len(stages) == 1 and stages[0][1] == "bf16"


def test_signals_are_handled_where_they_were_before_whatever_comes_and_goes(tmp_path: Path) -> None:
    """In a process of its own: what is left wrong here would kill this one later."""
    model = fake_model.save(tmp_path / "m.onnx")
    code = """
import faulthandler, os, signal, sys
from pathlib import Path
from edge.runtimes import RuntimeOptions, load_runtime
from edge.runtimes.signal_stack import signal_stack
faulthandler.enable()
heard = []
signal.signal(signal.SIGHUP, lambda *_: heard.append(1))
before = signal_stack()
assert before[0] != 0
first, second = (
    load_runtime(Path(sys.argv[1]), RuntimeOptions(backend="openvino", precision="fp32"))
    for _ in range(2)
)
assert signal_stack() == before, "loading"
first.close()
del first
assert signal_stack() == before, "one closed"
second.close()
del second
assert signal_stack() == before, "both closed"
os.kill(os.getpid(), signal.SIGHUP)
print(len(heard))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"
