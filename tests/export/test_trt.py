"""`export trt`: what TensorRT takes, what is written, what is left when something goes wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.runtimes import load_runtime
from edge.runtimes.cudart import CudaError
from export import manifest as pair
from export.manifest import record_gate, write_pair
from export.onnx_export import ExportOptions, export_onnx
from export.trt import builder
from export.trt.builder import find_gpu, l4t_release
from export.trt.job import GRAPH_NAME, BuildJob, read_job, write_job
from export.trt.make import EngineRequest, make_engine
from landing.errors import InvalidValueError, ModelError, TouchdownError
from landing.model.artefact import GateReport
from landing.model.manifest import BuilderOptions, EngineManifest, read_engine
from tests.export.fake_board import with_gpu
from tests.export.trt_models import SPEC, quantized, small

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted((ROOT / "models").glob("*.onnx"))


@pytest.fixture(autouse=True)
def _tensorrt() -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed (x86-64 Linux only)")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small(tmp_path / "small.onnx")


def make(source: Path, out: Path, **options: object) -> list[str]:
    return make_engine(EngineRequest(source, out, **options), lambda _text: None)  # type: ignore[arg-type]


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def require_no_gpu() -> None:
    try:
        found = find_gpu()
    except CudaError:
        return
    pytest.skip(f"there is a GPU here: {found.name}")


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_tensorrt_takes_every_shipped_model(path: Path, precision: str, tmp_path: Path) -> None:
    if precision == "int8":
        path = quantized(path, tmp_path / "int8.onnx")
    (line,) = make(path, tmp_path / "x.engine", precision=precision, check_only=True)
    assert f"in {precision}: tensorrt" in line and "thrown away" in line
    assert not list(tmp_path.glob("*.engine*"))


@pytest.mark.parametrize("form", [ExportOptions(), ExportOptions(1), ExportOptions(2, upsample="logits")])
def test_tensorrt_takes_every_form_of_our_graph(checkpoint_path: Path, tmp_path: Path, form: ExportOptions) -> None:
    path = export_onnx(checkpoint_path, tmp_path / "form.onnx", form).path
    for precision in ("fp32", "fp16"):
        (line,) = make(path, tmp_path / "x.engine", precision=precision, check_only=True)
        assert "thrown away" in line


def test_a_checkpoint_goes_by_way_of_onnx(checkpoint_path: Path, tmp_path: Path) -> None:
    with with_gpu():
        make(checkpoint_path, tmp_path / "x.engine")
    manifest, _ = read_engine(tmp_path / "x.engine")
    assert manifest.onnx_name == "best.pt" and manifest.precision == "fp16"
    assert manifest.model.taxonomy.name == "aeroscapes"
    assert "touchdown export trt best.pt" in manifest.rebuild_command
    assert left_in(tmp_path) == ["x.engine", "x.engine.json"]


def test_an_engine_and_its_manifest(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "flight.engine"
    options = BuilderOptions(workspace_mb=256)
    with with_gpu():
        lines = make(model, out, precision="fp16", options=options)
    manifest, engine = read_engine(out)
    assert manifest.engine_sha256 == hashlib.sha256(engine).hexdigest()
    assert manifest.onnx_sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (manifest.flavour, manifest.precision) == ("tensorrt_rtx", "fp16")
    assert (manifest.gpu_name, manifest.compute_capability) == ("Orin", "8.7")
    assert manifest.inputs["image"].model_dump() == {"dtype": "uint8", "shape": (64, 64, 3)}
    assert manifest.outputs["hazards"].model_dump() == {"dtype": "uint8", "shape": (4, 64, 64)}
    assert manifest.model == SPEC and manifest.gate is None
    assert manifest.options.workspace_mb == 256 and manifest.build_seconds > 0
    assert "Orin" in lines[1] and "export verify" in lines[-1]
    assert left_in(tmp_path) == ["flight.engine", "flight.engine.json", "small.onnx"]


def test_what_was_built_is_refused_here(model: Path, tmp_path: Path) -> None:
    require_no_gpu()
    out = tmp_path / "flight.engine"
    with with_gpu():
        make(model, out)
    with pytest.raises(ModelError, match=r"does not run here: .*(cuda|libcudart)"):
        load_runtime(out)


def test_without_a_gpu_it_says_what_to_run_where(model: Path, tmp_path: Path) -> None:
    require_no_gpu()
    command = [sys.executable, "-m", "touchdown", "export", "trt", "small.onnx"]
    done = subprocess.run(
        [*command, "--precision", "fp32", "--out", "a b.engine"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    again = "touchdown export trt small.onnx --out 'a b.engine' --precision fp32"
    assert f"`{again} --host USER@JETSON`; or there, with the file copied: `{again}`" in done.stderr
    assert done.stderr.startswith("error: no GPU here (")
    assert left_in(tmp_path) == ["small.onnx"]


def test_a_graph_tensorrt_does_not_take_is_named_by_its_node(tmp_path: Path) -> None:
    odd = small(tmp_path / "odd.onnx", odd=True)
    with pytest.raises(ModelError, match=r"TensorRT .* does not take the graph: .*Det.*:"):
        make(odd, tmp_path / "x.engine", precision="fp32", check_only=True)


def test_a_dla_that_is_not_there(model: Path, tmp_path: Path) -> None:
    options = BuilderOptions(dla_core=0)
    with pytest.raises(ModelError, match=r"--dla 0: TensorRT .* finds no DLA here"):
        make(model, tmp_path / "x.engine", check_only=True, options=options)


def test_the_timing_cache_is_kept_where_there_is_one(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "timing.cache"
    cache.write_bytes(b"not a cache")
    with with_gpu():
        make(model, tmp_path / "x.engine", timing_cache=cache)
    assert read_engine(tmp_path / "x.engine")[0].options.timing_cache
    assert not list(tmp_path.glob(".*"))


def test_names_and_folders_are_checked_before_building(model: Path, tmp_path: Path) -> None:
    with with_gpu():
        with pytest.raises(InvalidValueError, match=r"expected a name that ends in \.engine"):
            make(model, tmp_path / "x.plan")
        with pytest.raises(InvalidValueError, match="nowhere does not exist"):
            make(model, tmp_path / "nowhere" / "x.engine")
        with pytest.raises(ModelError, match=r"none\.onnx does not exist"):
            make(tmp_path / "none.onnx", tmp_path / "x.engine")


def test_a_checkpoint_cannot_be_int8(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"")
    with with_gpu(), pytest.raises(InvalidValueError, match="calibrating needs pictures"):
        make(tmp_path / "best.pt", tmp_path / "x.engine", precision="int8")


def manifest_of(data: bytes, **changes: object) -> EngineManifest:
    facts: dict[str, object] = {
        "flavour": "tensorrt",
        "tensorrt_version": "10.3.0",
        "cuda_version": "12.6",
        "gpu_name": "Orin",
        "compute_capability": "8.7",
        "onnx_name": "a.onnx",
        "onnx_sha256": "0" * 64,
        "engine_sha256": hashlib.sha256(data).hexdigest(),
        "precision": "fp16",
        "inputs": {},
        "outputs": {},
        "build_seconds": 1.0,
        "model": SPEC,
    }
    return EngineManifest.model_validate(facts | changes)


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "x.engine"
    write_pair(out, b"old", manifest_of(b"old"))

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pair.os, "fsync", full)
    for write in (
        lambda: write_pair(out, b"new", manifest_of(b"new")),
        lambda: record_gate(out, GateReport(passed=True, frames=1)),
    ):
        with pytest.raises(TouchdownError, match="No space left on device; the disk is full"):
            write()
    assert read_engine(out)[1] == b"old" and read_engine(out)[0].gate is None
    assert left_in(tmp_path) == ["x.engine", "x.engine.json"]


KILLED = """
import os, signal, sys
from pathlib import Path
from export.manifest import write_pair
from tests.export.test_trt import manifest_of

rename, done = Path.replace, []
def replace(self, target):
    if len(done) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(target)
    return rename(self, target)
Path.replace = replace
write_pair(Path(sys.argv[1]), b"new", manifest_of(b"new"))
"""


@pytest.mark.parametrize("renames", [0, 1])
@pytest.mark.parametrize("older", [False, True])
def test_killed_while_writing_no_half_pair_is_ever_taken(tmp_path: Path, renames: int, older: bool) -> None:
    out = tmp_path / "x.engine"
    if older:
        write_pair(out, b"old", manifest_of(b"old"))
    done = subprocess.run([sys.executable, "-c", KILLED, str(out), str(renames)], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    if older and not renames:
        assert read_engine(out)[1] == b"old"
    else:
        with pytest.raises(ModelError, match=r"does not exist|no manifest|of different builds"):
            read_engine(out)
    assert any(name.startswith(".touchdown-partial-") for name in left_in(tmp_path))
    write_pair(out, b"newer", manifest_of(b"newer"))
    assert read_engine(out)[1] == b"newer"
    assert left_in(tmp_path) == ["x.engine", "x.engine.json"]  # what was left is swept


def test_killed_while_building_leaves_nothing(model: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom export.trt import make\n"
        "def build(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "make.build = build\n"
        "sys.argv = ['x', '-m', 'export', 'trt', sys.argv[1]]\n"
        "import runpy; runpy.run_module('tests.export.fake_board', run_name='__main__')"
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)],
        cwd=ROOT,
        check=False,
        timeout=60,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert done.returncode == -signal.SIGKILL
    assert left_in(tmp_path) == ["small.onnx", "tmp"]


def test_the_gate_is_kept_in_the_manifest(tmp_path: Path) -> None:
    out = tmp_path / "x.engine"
    write_pair(out, b"data", manifest_of(b"data"))
    gate = GateReport(passed=False, frames=3, failures=("agreement 90 %",))
    record_gate(out, gate)
    assert read_engine(out)[0].gate == gate
    out.write_bytes(b"another")
    with pytest.raises(ModelError, match="of different builds"):
        record_gate(out, gate)


def test_a_job_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    job = BuildJob(
        onnx_name="a.onnx",
        onnx_sha256="1" * 64,
        precision="fp16",
        options=BuilderOptions(),
        graph_sha256=hashlib.sha256(b"graph").hexdigest(),
        model=SPEC,
    )
    write_job(tmp_path, job, b"graph")
    path = tmp_path / "job.json"
    assert read_job(path) == (job, b"graph")
    (tmp_path / GRAPH_NAME).write_bytes(b"grap")
    with pytest.raises(ModelError, match="damaged or another one"):
        read_job(path)
    path.write_text(path.read_text().replace('"format":1', '"format":9'))
    with pytest.raises(ModelError, match="same version of touchdown"):
        read_job(path)


def test_the_release_of_jetson_linux(tmp_path: Path) -> None:
    path = tmp_path / "nv_tegra_release"
    path.write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n")
    assert l4t_release(path) == "36.4.3"
    assert l4t_release(tmp_path / "none") == ""


class TensorRT10:
    """What of the module's surface differs from 11: strong typing is asked for, or cannot be."""

    class NetworkDefinitionCreationFlag:
        STRONGLY_TYPED = 1


class TensorRTWithoutTheFlag:
    class NetworkDefinitionCreationFlag:
        pass


def test_strong_typing_is_asked_for_where_it_can_be() -> None:
    assert builder._network_flags(TensorRT10) == 2  # type: ignore[arg-type]
    assert builder._network_flags(TensorRTWithoutTheFlag) == 0  # type: ignore[arg-type]
    source = Path(builder.__file__).read_text()
    assert "FP16" not in source and "BuilderFlag.INT8" not in source


def test_the_builder_needs_neither_onnx_nor_torch(model: Path, tmp_path: Path) -> None:
    """As on a Jetson, which has the base package and TensorRT."""
    from export.trt.prepare import prepare

    ready = prepare(model, "fp16")
    digest = hashlib.sha256(ready.data).hexdigest()
    job = BuildJob(
        onnx_name="small.onnx",
        onnx_sha256=ready.sha256,
        graph_sha256=digest,
        precision="fp16",
        options=BuilderOptions(),
        model=ready.spec,
    )
    folder = tmp_path / "job"
    folder.mkdir()
    write_job(folder, job, ready.data)
    code = (
        "import sys\n"
        "for name in ('onnx', 'torch', 'trainer'): sys.modules[name] = None\n"
        "sys.argv = ['x', '-m', 'export', 'trt', 'job.json', '--out', 'x.engine']\n"
        "import runpy; runpy.run_module('tests.export.fake_board', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert read_engine(folder / "x.engine")[0].onnx_name == "small.onnx"


def test_there_are_shipped_models() -> None:
    assert MODELS, "the tests above would pass without testing anything"
