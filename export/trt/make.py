"""`export trt` from end to end: prepare, build here or elsewhere, put the pair in place."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.runtimes.cudart import Gpu
from edge.runtimes.onnx_file import metadata_of, read_onnx
from edge.runtimes.tensorrt_api import TensorRT, flavour_of
from export.manifest import require_writable, write_pair
from export.trt.builder import Built, build, l4t_release, require_builder
from export.trt.job import CACHE_NAME, BuildJob, read_job, write_job
from export.trt.remote import Remote
from landing.distribution import VERSION
from landing.errors import FileError, InvalidValueError, ModelError
from landing.model.manifest import BuilderOptions, EngineManifest, Precision, manifest_path
from landing.model.spec import ModelSpec
from landing.reading import take_name

Say = Callable[[str], None]


@dataclass(frozen=True)
class EngineRequest:
    """An engine to make.

    Attributes:
        source: Checkpoint, ONNX, or a build job that another machine sent.
        precision: None for the job's own, or fp16.
        timing_cache: File to keep timings in.
        check_only: Build, and throw the engine away.
        remote: The machine that builds; None for this one.
    """

    source: Path
    out: Path
    precision: Precision | None = None
    options: BuilderOptions = field(default_factory=BuilderOptions)
    timing_cache: Path | None = None
    check_only: bool = False
    remote: Remote | None = None


def make_engine(request: EngineRequest, say: Say) -> list[str]:
    """Makes an engine and its manifest, or nothing; returns the result, in lines.

    Raises:
        ModelError: The source is not usable, TensorRT or a GPU is missing, or TensorRT does not take or build the
            graph.
        TouchdownError: The other machine fails, or the disk.
    """
    if not request.source.is_file():
        raise ModelError(f"model {request.source} does not exist")
    if not request.check_only:
        require_writable(request.out)
    if request.source.suffix == ".json":
        job, graph = read_job(request.source)
        return _build_here(request, job, graph, say)
    if request.source.suffix == ".onnx":  # a bad file is named before a GPU that is not here
        ModelSpec.from_metadata(metadata_of(read_onnx(request.source)), f"model {request.source}")
    if request.remote is None:
        _require_builder(request)  # before any work is done for nothing
    with tempfile.TemporaryDirectory(prefix="touchdown-trt-") as name:
        folder = Path(name)
        job, graph = _prepare(request, folder, say)
        if request.remote is None:
            return _build_here(request, job, graph, say)
        write_job(folder, job, graph)
        if request.timing_cache is not None:
            (folder / CACHE_NAME).write_bytes(_stored(request.timing_cache))
        manifest, engine, cache = request.remote.build(folder, request.out.name, say)
        write_pair(request.out, engine, manifest)
        _keep_cache(request, cache)
    return _summary(request.out, manifest, len(engine))


def _prepare(request: EngineRequest, folder: Path, say: Say) -> tuple[BuildJob, bytes]:
    """The graph in its precision, from a checkpoint by way of ONNX."""
    from export.trt.prepare import prepare

    source = request.source
    if source.suffix in (".pt", ".pth", ".ckpt"):
        from export.onnx_export import export_onnx

        if request.precision == "int8":
            raise InvalidValueError(
                f"--precision int8: {source} is a checkpoint, and calibrating needs pictures. "
                "First `touchdown export onnx`, then `touchdown export int8 --for tensorrt`"
            )
        say(f"exporting {source} to ONNX")
        report = export_onnx(source, folder / f"{source.stem}.onnx")
        say(f"torch against ONNX Runtime: {report.parity.describe()}")
        source = report.path
    prepared = prepare(source, request.precision or "fp16")
    options = request.options.model_copy(update={"timing_cache": request.timing_cache is not None})
    return prepared.job(options, request.source.name), prepared.data


def _build_here(request: EngineRequest, job: BuildJob, graph: bytes, say: Say) -> list[str]:
    module, gpu = _require_builder(request)
    where = gpu.name if gpu is not None else "no GPU"
    say(f"building {job.precision} with {flavour_of(module)} {module.__version__} for {where}")
    cache = _stored(request.timing_cache) if request.timing_cache is not None else None
    built = build(module, graph, job.precision, job.options, cache)
    _keep_cache(request, built.timing_cache)
    if request.check_only or gpu is None:
        return [
            f"{job.onnx_name} in {job.precision}: {flavour_of(module)} {module.__version__} takes "
            f"all {built.layers} layers; built in {built.seconds:.1f} s, "
            f"{len(built.engine) / 1e6:.1f} MB, thrown away"
        ]
    manifest = _manifest(module, gpu, job, built)
    write_pair(request.out, built.engine, manifest)
    return _summary(request.out, manifest, len(built.engine))


def _require_builder(request: EngineRequest) -> tuple[TensorRT, Gpu | None]:
    try:
        return require_builder(request.check_only)
    except ModelError as error:
        if request.check_only:
            raise
        words = ["touchdown", "export", "trt", str(request.source), "--out", str(request.out)]
        words += ["--precision", request.precision or "fp16"]
        raise ModelError(
            f"{error}. An engine is built where it flies. From here: `{shlex.join(words)} --host "
            f"USER@JETSON`; or there, with the file copied: `{shlex.join(words)}`"
        ) from error


def _manifest(module: TensorRT, gpu: Gpu, job: BuildJob, built: Built) -> EngineManifest:
    flavour = flavour_of(module)
    return EngineManifest(
        flavour="tensorrt" if flavour == "tensorrt" else "tensorrt_rtx",
        tensorrt_version=module.__version__,
        cuda_version=gpu.cuda_version,
        gpu_name=gpu.name,
        compute_capability=gpu.compute_capability,
        l4t=l4t_release(),
        onnx_name=job.onnx_name,
        onnx_sha256=job.onnx_sha256,
        engine_sha256=hashlib.sha256(built.engine).hexdigest(),
        precision=job.precision,
        inputs=built.inputs,
        outputs=built.outputs,
        options=job.options,
        build_seconds=round(built.seconds, 3),
        layers=built.layers,
        warnings=built.warnings,
        model=job.model,
        gate=job.refusal,
        touchdown_version=VERSION,
    )


def _stored(cache: Path) -> bytes:
    """A timing cache's content; empty where there is none yet."""
    try:
        return cache.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise FileError(f"--timing-cache {cache}: {error.strerror or error}") from error


def _keep_cache(request: EngineRequest, content: bytes | None) -> None:
    """Keeps the timings; a cache that is lost costs minutes, so it is replaced in one step."""
    if request.timing_cache is None or not content:
        return
    partial = request.timing_cache.with_name(f".{request.timing_cache.name}.partial")
    try:
        partial.write_bytes(content)
        take_name(partial, request.timing_cache)
    except OSError as error:
        raise FileError(f"--timing-cache {request.timing_cache}: {error.strerror or error}") from error


def _summary(out: Path, manifest: EngineManifest, size: int) -> list[str]:
    lines = [
        f"wrote {out} ({size / 1e6:.1f} MB) and {manifest_path(out).name}: {manifest.precision}, "
        f"{manifest.layers} layers, built in {manifest.build_seconds:.1f} s",
        f"for {manifest.built_on}",
    ]
    lines += [f"TensorRT warns: {text}" for text in manifest.warnings[:5]]
    source = manifest.onnx_name
    lines.append(f"not verified yet: touchdown export verify {source} {out} --data FOLDER")
    return lines
