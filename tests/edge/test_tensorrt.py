"""The TensorRT runtime: what it refuses before an engine is loaded, and how it uses the GPU."""

from __future__ import annotations

import ctypes
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from edge.check import check
from edge.runtimes import Runtime, RuntimeOptions, load_runtime, tensorrt, tensorrt_api
from edge.runtimes.cudart import SIGNATURES, CudaError, Cudart, Device, find_library
from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.model.manifest import manifest_path
from landing.types import Frame
from tests.edge import fake_cuda, fake_model, fake_tensorrt
from tests.edge.conftest import FakeGpu
from tests.edge.fake_cuda import NO_DRIVER, NO_MEMORY, FakeCudart

FRAME = Frame(fake_model.paint(64, 48), 0, 0)


def refused(path: Path, gpu: FakeGpu | None = None, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_runtime(path, RuntimeOptions(**options))
    if gpu is not None:
        assert gpu.cuda.live == 0, "something was not given back"
    text = str(caught.value)
    assert str(path) in text and len(text.splitlines()) == 1
    return text


def refused_unloaded(gpu: FakeGpu, path: Path) -> str:
    text = refused(path, gpu)
    assert gpu.module is not None and gpu.module.deserialized == 0, "TensorRT saw the engine"
    return text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tensorrt_version": "10.16.2"}, "built with tensorrt 10.16.2, this machine has tensorrt"),
        ({"flavour": "tensorrt_rtx"}, "built with tensorrt_rtx"),
        ({"gpu_name": "Thor"}, "built for Thor"),
        ({"compute_capability": "11.0"}, "compute capability 11.0"),
        ({"engine_sha256": "0" * 64}, "its manifest promises 000000000000"),
    ],
)
def test_an_engine_for_something_else_is_refused_before_tensorrt_sees_it(
    fake_gpu: FakeGpu, model_path: Path, changes: dict[str, Any], words: str
) -> None:
    text = refused_unloaded(fake_gpu, fake_gpu.engine(model_path, **changes))
    assert words in text
    assert f"`touchdown export trt {model_path.name} --precision fp16`" in text


def test_a_failed_gate_is_refused_before_tensorrt_sees_it(fake_gpu: FakeGpu, model_path: Path) -> None:
    gate = GateReport(passed=False, frames=3, failures=("person recall -4 %",))
    assert "person recall -4 %" in refused_unloaded(fake_gpu, fake_gpu.engine(model_path, gate))


def test_engines_without_their_other_half(fake_gpu: FakeGpu, model_path: Path) -> None:
    path = fake_gpu.engine(model_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "it is damaged" in refused_unloaded(fake_gpu, path)
    path.write_bytes(whole)
    manifest = manifest_path(path)
    text = manifest.read_text()
    manifest.write_text(text[:-20])
    with pytest.raises(ModelError, match=r"manifest .*model\.engine\.json is not valid"):
        load_runtime(path)
    manifest.write_text(text.replace('"format":1', '"format":2', 1))
    with pytest.raises(ModelError, match="not valid: format"):
        load_runtime(path)
    manifest.unlink()
    assert "no manifest model.engine.json beside it" in refused_unloaded(fake_gpu, path)
    path.unlink()
    assert "does not exist" in refused_unloaded(fake_gpu, path)


def test_an_engine_that_tensorrt_does_not_load(fake_gpu: FakeGpu, model_path: Path) -> None:
    fake_gpu.behave(foreign=True)
    text = refused(fake_gpu.engine(model_path), fake_gpu)
    assert "engine plan is of another platform. Build it again" in text


def test_an_engine_that_is_not_as_described(fake_gpu: FakeGpu, model_path: Path, tmp_path: Path) -> None:
    other = fake_model.save(tmp_path / "wide.onnx", width_px=160)
    path = fake_gpu.engine(other)
    spec = fake_tensorrt.save_engine(model_path, tmp_path / "other.engine").model
    fake_gpu.engine(other, model=spec)
    text = refused(path, fake_gpu)
    assert "class_id is output uint8 [128, 160], its ModelSpec promises output uint8 [128, 1" in text


def test_too_little_gpu_memory(fake_gpu: FakeGpu, model_path: Path) -> None:
    fake_gpu.behave(memory=False)
    path = fake_gpu.engine(model_path)
    assert "too little GPU memory" in refused(path, fake_gpu)
    fake_gpu.behave()
    fake_gpu.cuda.fail["cudaMalloc"] = NO_MEMORY
    assert "cudaMalloc: out of memory (CUDA error 2)" in refused(path, fake_gpu)


LOADING = (
    "cudaGetDeviceCount",
    "cudaSetDevice",
    "cudaStreamCreateWithFlags",
    "cudaGetDeviceProperties",
    "cudaDeviceGetAttribute",
    "cudaRuntimeGetVersion",
    "cudaMalloc",
    "cudaHostAlloc",
    "cudaEventCreateWithFlags",
    "cudaMemcpyAsync",
)


@pytest.mark.parametrize("function", LOADING)
def test_a_cuda_call_that_fails_while_loading_names_itself_and_leaks_nothing(
    fake_gpu: FakeGpu, model_path: Path, function: str
) -> None:
    fake_gpu.cuda.fail[function] = NO_DRIVER
    text = refused(fake_gpu.engine(model_path), fake_gpu)
    assert f"{function}: CUDA driver version is insufficient" in text


@pytest.mark.parametrize("function", ["cudaMemcpyAsync", "cudaGraphLaunch", "cudaEventRecord"])
def test_a_cuda_call_that_fails_in_use_is_an_error_of_the_model(
    fake_gpu: FakeGpu, model_path: Path, function: str
) -> None:
    with load_runtime(fake_gpu.engine(model_path)) as runtime:
        fake_gpu.cuda.fail[function] = 700
        with pytest.raises(ModelError, match=rf"{function}: some error \(CUDA error 700\)"):
            runtime.segment(FRAME)
    assert fake_gpu.cuda.live == 0


def test_a_gpu_that_fails_or_hangs_is_noticed(
    fake_gpu: FakeGpu, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with load_runtime(fake_gpu.engine(model_path)) as runtime:
        fake_gpu.cuda.fail["cudaEventQuery"] = 700
        with pytest.raises(ModelError, match="the GPU failed: some error"):
            runtime.segment(FRAME)
        fake_gpu.cuda.fail["cudaEventQuery"] = 600
        monkeypatch.setattr(tensorrt, "TIMEOUT_S", 0.05)
        with pytest.raises(ModelError, match=r"gave no result in 0\.05 s"):
            runtime.segment(FRAME)


def test_one_graph_is_captured_and_launched_and_nothing_allocated_per_frame(
    fake_gpu: FakeGpu, model_path: Path
) -> None:
    with load_runtime(fake_gpu.engine(model_path)) as runtime:
        assert "CUDA graph" in runtime.backend and "no CUDA graph" not in runtime.backend
        assert "10.3.0" in runtime.backend and "Orin" in runtime.backend
        fake_gpu.cuda.called.clear()
        runtime.segment(FRAME)
        once = fake_gpu.cuda.called.copy()
        runtime.segment(FRAME)
        assert fake_gpu.cuda.called == once * 2
    queued = [name for name in once if name.startswith(("cudaMemcpy", "cudaGraph"))]
    assert queued == ["cudaMemcpyAsync", "cudaGraphLaunch", *["cudaMemcpyAsync"] * 3]
    assert not [name for name in once if "Alloc" in name or "Malloc" in name]


def test_a_network_that_cannot_be_captured_runs_without(fake_gpu: FakeGpu, model_path: Path) -> None:
    path = fake_gpu.engine(model_path)
    with load_runtime(path) as runtime:
        expected = runtime.segment(FRAME)

    def plain(**options: Any) -> Runtime:
        with load_runtime(path, RuntimeOptions(**options)) as runtime:
            seen = runtime.segment(FRAME)
            assert (seen.landable == expected.landable).all()
        assert fake_gpu.cuda.live == 0
        return runtime

    assert "no CUDA graph (not asked for)" in plain(cuda_graph=False).backend
    fake_gpu.behave(capturable=False)
    assert "no CUDA graph (TensorRT does not put" in plain().backend
    fake_gpu.behave()
    fake_gpu.cuda.spoils_captures = True
    assert "no CUDA graph (cudaStreamEndCapture: operation failed" in plain().backend


def test_a_network_that_does_not_run(fake_gpu: FakeGpu, model_path: Path) -> None:
    fake_gpu.behave(refuses=True)
    with pytest.raises(ModelError, match="does not put the network on the stream"):
        load_runtime(fake_gpu.engine(model_path))
    assert fake_gpu.cuda.live == 0


def test_without_tensorrt(fake_gpu: FakeGpu, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(tensorrt, "open_tensorrt", tensorrt_api.open_tensorrt)
    monkeypatch.setattr(tensorrt_api.importlib, "import_module", absent)
    with pytest.raises(ModelError, match=r"TensorRT is not installed.*python3-libnvinfer"):
        load_runtime(fake_gpu.engine(model_path))


def test_edge_check_takes_an_engine(fake_gpu: FakeGpu, tmp_path: Path, model_path: Path) -> None:
    gate = GateReport(passed=True, frames=40, against="best.onnx")
    engine = fake_gpu.engine(model_path, gate)
    config = tmp_path / "edge.toml"

    def checked(expert: str = "") -> tuple[bool, str]:
        config.write_text(
            f'[model]\npath = "{engine}"\n[camera]\nsource = "images://none"\n'
            'width_px = 160\nheight_px = 120\nhfov_deg = 70\n[link]\nconnection = "tcp:h:1"\n'
            f"[expert.model]\n{expert}"
        )
        lines: list[str] = []
        ok = check(config, camera=False, link=False, timeout_s=1, as_json=False, say=lines.append)
        return ok, next(line for line in lines if "model:" in line)

    ok, line = checked()
    assert ok and "tensorrt 10.3.0" in line and "gate passed against best.onnx" in line
    fake_gpu.engine(model_path)
    assert "never verified" in checked('runtime = "tensorrt"\n')[1]
    fake_gpu.engine(model_path, GateReport(passed=False, frames=1, failures=("bad",)))
    ok, line = checked()
    assert not ok and "gate FAILED" in line and "allow_failed_gate = true" in line
    assert checked("allow_failed_gate = true\n")[0]
    assert fake_gpu.cuda.live == 0


def real_library() -> Any:
    try:
        return find_library()
    except CudaError as error:
        pytest.skip(str(error))


def test_the_real_library_has_every_function_and_says_why_there_is_no_gpu() -> None:
    cuda = Cudart(real_library())
    assert cuda.number("cudaRuntimeGetVersion") >= 11040
    assert "out of memory" in cuda.describe(NO_MEMORY)
    try:
        Device(cuda).close()
    except CudaError as error:
        assert re.fullmatch(r"cudaGetDeviceCount: .+ \(CUDA error \d+\)", str(error))
    else:
        pytest.skip("there is a GPU here, so its absence cannot be tested")


def test_the_fake_library_stands_for_all_of_the_real_one() -> None:
    fake = FakeCudart()
    for name, arguments in SIGNATURES.items():
        body = getattr(fake_cuda.FakeCudart, f"_{name}")
        taken = [p for p in inspect.signature(body).parameters if p != "self"]
        assert len(taken) == len(arguments), name
        assert callable(getattr(fake, name))
    assert ctypes.sizeof(ctypes.c_void_p) == 8


def test_an_older_library_is_named() -> None:
    class Old:
        cudaGetDeviceCount = staticmethod(lambda out: 0)

    with pytest.raises(CudaError, match=r"has no cuda.*: expected CUDA 11\.4"):
        Cudart(Old())


def test_a_real_engine_is_refused_where_there_is_no_driver(tmp_path: Path, model_path: Path) -> None:
    """Nothing faked but the manifest: the real library, the real TensorRT for RTX."""
    rtx = pytest.importorskip("tensorrt_rtx")
    if importlib.util.find_spec("tensorrt") is not None:
        pytest.skip("TensorRT itself is installed")
    try:
        Device(Cudart(real_library())).close()
        pytest.skip("there is a GPU here")
    except CudaError:
        pass
    path = tmp_path / "model.engine"
    facts = {"flavour": "tensorrt_rtx", "tensorrt_version": rtx.__version__}
    fake_tensorrt.save_engine(model_path, path, **facts)
    assert "does not run here: cudaGetDeviceCount" in refused(path)
    runtime = rtx.Runtime(tensorrt_api.make_logger(rtx))
    assert runtime.deserialize_cuda_engine(b"no engine") is None


def documented(function: Any) -> list[list[str]]:
    """Names of the arguments of each overload, of those without default, as pybind writes them."""
    text = function.__doc__ or ""
    name = re.match(r"(\w+)\(", text)
    assert name is not None, text
    found = []
    for line in text.splitlines():
        match = re.match(rf"(?:\d+\. )?{name[1]}\((self: .*)\) ->", line)
        if match is not None:
            plain = re.sub(r"<[^>]*>", "", re.sub(r"\[[^]]*\]", "", match[1]))
            parts = [part for part in plain.split(", ") if ":" in part and "=" not in part]
            found.append([part.partition(":")[0] for part in parts][1:])
    assert found, text
    return found


def own(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


@pytest.mark.parametrize(
    ("fake", "protocol", "real"),
    [
        (fake_tensorrt.IExecutionContext, tensorrt_api.Context, "IExecutionContext"),
        (fake_tensorrt.ICudaEngine, tensorrt_api.Engine, "ICudaEngine"),
        (fake_tensorrt.FakeTensorRT(FakeCudart()).Runtime, tensorrt_api.EngineRuntime, "Runtime"),
    ],
)
def test_the_fake_and_our_protocols_are_as_the_real_classes(fake: type, protocol: type, real: str) -> None:
    real_class = getattr(pytest.importorskip("tensorrt_rtx"), real)
    names = [n for n in vars(fake) if not n.startswith("_")]
    assert sorted(names) == sorted(n for n in vars(protocol) if not n.startswith("_"))
    for name in names:
        theirs, ours = getattr(real_class, name), getattr(fake, name)
        assert isinstance(theirs, property) == isinstance(ours, property), name
        if not isinstance(ours, property):
            # get_tensor_name's argument is `index`; a rename in either place is a change.
            assert own(ours) in documented(theirs), (name, own(ours), documented(theirs))
            assert own(ours) == own(getattr(protocol, name)), name


def test_the_names_that_are_used_of_the_module_exist() -> None:
    rtx = pytest.importorskip("tensorrt_rtx")
    for name in tensorrt_api.TensorRT.__annotations__:
        assert hasattr(rtx, name), name
    assert {"INPUT", "OUTPUT"} <= set(dir(rtx.TensorIOMode))
    assert "UINT8" in dir(rtx.DataType)
    severities = {s.name for s in fake_tensorrt.ILogger.Severity}
    assert severities <= set(dir(rtx.ILogger.Severity))
    log = tensorrt_api.make_logger(rtx)
    log.log(rtx.ILogger.Severity.ERROR, "bad")
    log.log(rtx.ILogger.Severity.WARNING, "odd")
    log.log(rtx.ILogger.Severity.VERBOSE, "chatter")
    assert log.said == [(True, "bad"), (False, "odd")]
