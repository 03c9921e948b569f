"""OpenVINO's own: when it may round, that it tells nobody, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from edge.runtimes import RuntimeOptions, load_runtime, openvino
from edge.runtimes.openvino import choose_precision, open_openvino
from landing.artefact import BF16_GATE_KEY, GateReport
from landing.errors import ModelError

pytest.importorskip("openvino")

PASSED = GateReport(passed=True, frames=9)
FAILED = GateReport(passed=False, frames=9, failures=("flips 3 > 0.2 %",))


@pytest.fixture(params=[True, False], ids=["bf16 CPU", "older CPU"])
def has_bf16(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    flags = "fpu sse4_2 avx512f" + (" avx512_bf16" if request.param else "")
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name\t: Some CPU\nflags\t\t: {flags}\n")
    monkeypatch.setattr(openvino, "_CPUINFO", cpuinfo)
    return request.param


def proven(model: Path, target: Path, gate: GateReport) -> Path:
    copy = onnx.load(str(model))
    copy.metadata_props.add(key=BF16_GATE_KEY, value=gate.to_json())
    onnx.save(copy, str(target))
    return target


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


def test_a_machine_that_does_not_say_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_it_takes_the_threads_it_is_given(model_path: Path) -> None:
    with load_runtime(model_path, RuntimeOptions(backend="openvino", threads=1)) as runtime:
        assert isinstance(runtime, openvino.OpenVinoRuntime)
        assert runtime._compiled.get_property("INFERENCE_NUM_THREADS") == 1


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"pip install 'touchdown\[openvino\]'"):
        open_openvino()


TELLS_NOBODY = """
import sys
from pathlib import Path

def watch(event, args):
    if event.startswith("socket."):
        raise SystemExit(f"{event} {args}")

sys.addaudithook(watch)
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
        capture_output=True, text=True, check=False, timeout=120,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
