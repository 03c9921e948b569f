"""ONNX models with ONNX Runtime: the CPU everywhere, CUDA or TensorRT where it has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from edge.runtimes.contract import Outputs, Runtime, RuntimeOptions
from edge.runtimes.gate import require_gate
from edge.runtimes.onnx_file import hold_against, metadata_of, read_onnx
from landing.errors import ModelError, first_line
from landing.model.artefact import GateReport
from landing.model.spec import ModelSpec
from landing.problems import Problem
from landing.types import ByteArray

LOAD_ERRORS: tuple[type[Exception], ...] = (
    ort_errors.Fail,
    ort_errors.InvalidProtobuf,
    ort_errors.InvalidGraph,
    ort_errors.InvalidArgument,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""ONNX Runtime's errors have no common base but Exception."""

RUN_ERRORS: tuple[type[Exception], ...] = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    ort_errors.EPFail,
)


def session_options(threads: int) -> Any:
    """The settings that were measured to be fastest (`benchmarks/export_speed.py --settings`).

    IO binding to fixed outputs was measured too and saves nothing on a CPU: the maps are small, and what leaves a
    runtime must have memory of its own.

    Args:
        threads: Of one inference; 0 leaves it to ONNX Runtime.
    """
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Static shapes: one plan of the memory, allocated once. Without either it is slower.
    settings.enable_cpu_mem_arena = True
    settings.enable_mem_pattern = True
    settings.log_severity_level = 3
    # Spinning threads would take the cores that the camera and the link need.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Should a tensor in another file ever get past `read_onnx`: this folder does not exist.
    settings.add_session_config_entry("session.model_external_initializers_file_folder_path", "/nonexistent")
    # Without VNNI the 8-bit kernels of x86 saturate and decide otherwise; this makes them exact.
    settings.add_session_config_entry("session.x64quantprecision", "1")
    return settings


class OnnxRuntime(Runtime):
    """An ONNX file that describes itself (`ModelSpec` in its metadata)."""

    def __init__(self, path: Path, spec: ModelSpec, session: Any, gate: GateReport | None = None) -> None:
        providers = [p.removesuffix("ExecutionProvider") for p in session.get_providers()]
        super().__init__(path, spec, f"onnxruntime {ort.__version__} ({', '.join(providers)})", gate)
        self._session = session
        self._run_options = ort.RunOptions()
        self._picture: ByteArray | None = None
        self._names = [spec.outputs.class_id, spec.outputs.landable, spec.outputs.hazards]

    @classmethod
    def load(cls, path: Path, options: RuntimeOptions) -> OnnxRuntime:
        """Reads the file and its description, and holds the one against the other.

        Raises:
            ModelError: Missing, damaged, with weights in another file, without description, not as described or refused
                by its gate; or a provider that this build of ONNX Runtime does not have.
        """
        data = read_onnx(path)
        available = ort.get_available_providers()
        unknown = [name for name in options.providers if name not in available]
        if unknown:
            raise ModelError(
                f"model.providers: {unknown[0]!r} is not in this build of ONNX Runtime; it has {', '.join(available)}",
                Problem.RUNTIME,
            )
        settings = session_options(options.threads)
        try:
            # From bytes, so that nothing but what was read and checked is ever opened.
            session = ort.InferenceSession(data, sess_options=settings, providers=list(options.providers))
        except LOAD_ERRORS as error:
            raise ModelError(
                f"model {path} ({len(data)} bytes) cannot be loaded: it is truncated, "
                f"damaged or no ONNX file. Copy or export it again. ({first_line(error)})"
            ) from error
        started = session.get_providers()
        failed = [name for name in options.providers if name not in started]
        if failed:
            # ONNX Runtime would go on without it, many times slower, and say so only in its log.
            raise ModelError(
                f"model.providers: {failed[0]} is in this build of ONNX Runtime but does not start "
                f"here (driver, libraries?); what runs is {', '.join(started)}",
                Problem.RUNTIME,
            )
        metadata = metadata_of(data)
        spec = ModelSpec.from_metadata(metadata, f"model {path}")
        gate = GateReport.from_metadata(metadata, f"model {path}")
        require_gate(path, gate, options)
        inputs = {
            one.name: f"{one.type.removeprefix('tensor(').removesuffix(')')} {list(one.shape)}"
            for one in session.get_inputs()
        }
        hold_against(path, spec, inputs, [one.name for one in session.get_outputs()])
        return cls(path, spec, session, gate)

    def _start(self, picture: ByteArray) -> None:
        self._picture = picture

    def _finish(self) -> Outputs:
        try:
            class_id, landable, hazards = self._session.run(
                self._names, {self.spec.input.name: self._picture}, self._run_options
            )
        except RUN_ERRORS as error:
            raise ModelError(f"model {self.path} does not run: {first_line(error)}") from error
        return Outputs(class_id, landable, hazards)

    def _cancel(self) -> None:
        self._run_options.terminate = True  # looked at before each node of the graph

    def _close(self) -> None:
        self._session = None
