"""Manifest beside an engine: its origin, its builder, and its proof.

An engine runs only with the TensorRT build and the GPU model it was made with, and says neither in a way that can be
asked before it is loaded. Its manifest does, and ties itself to the engine by its digest: an engine and a manifest of
different builds are never taken for a pair.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.model.document import parse_document
from landing.model.spec import ModelSpec
from landing.reading import MODEL_BYTES, MODEL_REMEDY, read_bytes, read_text, require_file

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")


class TensorSpec(BaseModel):
    """An input or output of an engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: str
    shape: tuple[int, ...]


class BuilderOptions(BaseModel):
    """Options of the builder.

    Attributes:
        workspace_mb: Most GPU memory a layer may use while it runs, MiB; None: TensorRT's own.
        dla_core: Deep learning accelerator to run on, GPU where it cannot; None: GPU alone.
        timing_cache: Whether timings of earlier builds were at hand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    workspace_mb: int | None = Field(default=None, ge=1)
    dla_core: int | None = Field(default=None, ge=0)
    timing_cache: bool = False


class EngineManifest(BaseModel):
    """Everything that decides whether an engine may be loaded here.

    Attributes:
        format: Version of this description.
        flavour: Python module of the TensorRT that built it.
        tensorrt_version: Of that module; an engine runs with this very version alone.
        cuda_version: CUDA runtime, as ``12.6``.
        gpu_name: As the driver names it.
        compute_capability: As ``8.7``.
        l4t: Release of Jetson Linux, as ``36.4.3``; empty elsewhere.
        onnx_name: The file it was made from.
        onnx_sha256: Of that file.
        engine_sha256: Of the engine.
        precision: Of the network; what decides stays in float32 in every one.
        inputs, outputs: By name.
        options: What the builder was told.
        build_seconds: How long TensorRT took.
        layers: Of the network TensorRT was given.
        warnings: What TensorRT said of it.
        model: What the model says of itself.
        gate: What `export verify` found; None until it has run.
        touchdown_version: That built it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    flavour: Literal["tensorrt", "tensorrt_rtx"]
    tensorrt_version: str
    cuda_version: str
    gpu_name: str
    compute_capability: str
    l4t: str = ""
    onnx_name: str
    onnx_sha256: str
    engine_sha256: str
    precision: Precision
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    options: BuilderOptions = Field(default_factory=BuilderOptions)
    build_seconds: float = Field(ge=0)
    layers: int = Field(default=0, ge=0)
    warnings: tuple[str, ...] = ()
    model: ModelSpec
    gate: GateReport | None = None
    touchdown_version: str = ""

    @property
    def built_on(self) -> str:
        """TensorRT and GPU, for people."""
        return (
            f"{self.flavour} {self.tensorrt_version}, CUDA {self.cuda_version}, {self.gpu_name} "
            f"(compute capability {self.compute_capability})"
        )

    @property
    def rebuild_command(self) -> str:
        """Command that rebuilds the engine on the machine where it is to fly."""
        words = f"touchdown export trt {self.onnx_name} --precision {self.precision}"
        dla = self.options.dla_core
        return words if dla is None else f"{words} --dla {dla}"


def manifest_path(engine: Path) -> Path:
    """Path of the manifest of an engine."""
    return engine.with_name(engine.name + ".json")


def read_manifest(engine: Path) -> EngineManifest:
    """Reads the manifest beside an engine, without looking at the engine.

    Raises:
        ModelError: It is missing, unreadable or not of this version.
    """
    path = manifest_path(engine)
    if not path.exists():
        raise ModelError(
            f"engine {engine} has no manifest {path.name} beside it, so what it was built for is "
            "unknown. Copy both, or build it again with `touchdown export trt`."
        )
    text = read_text(path, "manifest", ModelError)
    return parse_document(
        EngineManifest, text, f"manifest {path}", "Build the engine again with `touchdown export trt`."
    )


def read_engine(engine: Path) -> tuple[EngineManifest, bytes]:
    """An engine's bytes and its manifest, which belong together.

    Raises:
        ModelError: One is missing or unreadable, or they are of different builds.
    """
    require_file(engine, "model", ModelError, MODEL_BYTES, MODEL_REMEDY)
    manifest = read_manifest(engine)
    data = read_bytes(engine, "engine", ModelError, MODEL_BYTES)
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.engine_sha256:
        raise ModelError(
            f"engine {engine}: its SHA-256 is {found[:12]}..., its manifest promises "
            f"{manifest.engine_sha256[:12]}...: it is damaged, or the two are of different builds. "
            f"Copy both again, or build it again: `{manifest.rebuild_command}`"
        )
    return manifest, data
