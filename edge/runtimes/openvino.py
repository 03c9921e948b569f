"""ONNX models with OpenVINO: on a CPU that computes in bfloat16, about twice as fast.

bfloat16 keeps 8 bits of a number, so a model flies in it by itself only after `export verify` found that it decides the
same there (`landing.model.artefact.BF16_GATE_KEY`).
"""

from __future__ import annotations

import importlib
import itertools
import logging
import sys
from pathlib import Path
from typing import Any

from edge.runtimes.contract import Outputs, Runtime, RuntimeOptions
from edge.runtimes.gate import require_gate
from edge.runtimes.onnx_file import hold_against, metadata_of, read_onnx
from edge.runtimes.openvino_stages import in_stages
from edge.runtimes.signal_stack import kept_signal_stack
from landing.distribution import install_command
from landing.errors import ModelError
from landing.model.artefact import BF16_GATE_KEY, GateReport
from landing.model.spec import ModelSpec
from landing.problems import Problem
from landing.types import ByteArray

logger = logging.getLogger("edge")

PRECISIONS = ("auto", "fp32", "bf16")
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""Of /proc/cpuinfo. OpenVINO takes the hint without them too and imitates it, slower."""

_CPUINFO = Path("/proc/cpuinfo")
_TELEMETRY = "openvino_telemetry"
_TYPES = {"u8": "uint8", "f32": "float", "f16": "float16"}
"""OpenVINO's names of types in the words of ONNX Runtime's."""


class OpenVinoRuntime(Runtime):
    """An ONNX file that describes itself, on the CPU.

    Nothing is cached on the disk: compiling takes less than a second, and a compiled blob in a folder would be code
    that nobody has checked. It does not overlap: the decision meanwhile would run on the very cores that the network
    needs.
    """

    def __init__(self, path: Path, spec: ModelSpec, stages: list[Any], backend: str, gate: GateReport | None) -> None:
        super().__init__(path, spec, backend, gate)
        self._requests = [stage.create_infer_request() for stage in stages]
        for before, after in itertools.pairwise(self._requests):
            for i in range(len(after.model_inputs)):
                after.set_input_tensor(i, before.get_output_tensor(i))
        self._picture: ByteArray | None = None

    @classmethod
    def load(cls, path: Path, options: RuntimeOptions) -> OpenVinoRuntime:
        """Reads the file and its description, and holds the one against the other.

        Raises:
            ModelError: Missing, damaged, with weights in another file, without description, not as described or refused
                by its gate; OpenVINO is not installed; or bfloat16 is asked of a CPU without it.
        """
        data = read_onnx(path)
        metadata = metadata_of(data)
        spec = ModelSpec.from_metadata(metadata, f"model {path}")
        gate = GateReport.from_metadata(metadata, f"model {path}")
        require_gate(path, gate, options)
        proven = GateReport.from_metadata(metadata, f"model {path}", BF16_GATE_KEY)
        precision = choose_precision(options.precision, proven)
        if precision == "bf16":
            gate = proven
            require_gate(path, gate, options)
        module = open_openvino()
        core = module.Core()
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            # Pinned threads would stay on the cores that the camera and the link happen to need.
            "ENABLE_CPU_PINNING": False,
        }
        if options.threads:
            settings["INFERENCE_NUM_THREADS"] = options.threads
        try:
            # From bytes, so that nothing but what was read and checked is ever opened.
            model = core.read_model(data)
            inputs = {one.get_any_name(): _shape(one) for one in model.inputs}
            named = {name for one in model.outputs for name in one.get_names()}
            hold_against(path, spec, inputs, named)
            parts = in_stages(module, model, spec) if precision == "bf16" else [(model, "f32")]
            with kept_signal_stack():
                stages = [
                    core.compile_model(part, "CPU", {**settings, "INFERENCE_PRECISION_HINT": hint})
                    for part, hint in parts
                ]
        except RuntimeError as error:
            raise ModelError(
                f"model {path} ({len(data)} bytes) cannot be loaded by OpenVINO: it is truncated, "
                f"damaged or no ONNX file. Copy or export it again. ({_reason(error)})"
            ) from error
        version = str(module.get_version()).partition("-")[0]
        return cls(path, spec, stages, f"openvino {version} (CPU, {precision})", gate)

    def _start(self, picture: ByteArray) -> None:
        self._picture = picture

    def _finish(self) -> Outputs:
        outputs = self.spec.outputs
        try:
            first, *others = self._requests
            first.infer({self.spec.input.name: self._picture}, share_inputs=True)
            for request in others:
                request.infer()
            last = self._requests[-1]
            class_id, landable, hazards = (
                # Copied: the next inference writes into the same memory.
                last.get_tensor(name).data.copy()
                for name in (outputs.class_id, outputs.landable, outputs.hazards)
            )
        except RuntimeError as error:
            raise ModelError(f"model {self.path} does not run: {_reason(error)}") from error
        return Outputs(class_id, landable, hazards)

    def _close(self) -> None:
        with kept_signal_stack():
            self._requests = []
        self._picture = None


def choose_precision(asked: str, proven: GateReport | None) -> str:
    """``fp32`` or ``bf16``, and a line in the log that says why.

    Args:
        asked: One of `PRECISIONS`.
        proven: What `export verify` found of the model in bfloat16.

    Raises:
        ModelError: No such precision, or bfloat16 on a CPU that does not compute in it.
    """
    if asked not in PRECISIONS:
        raise ModelError(f"model.precision {asked!r}: expected {', '.join(PRECISIONS)}", Problem.RUNTIME)
    has = has_bf16()
    if asked == "bf16" and not has:
        raise ModelError(
            "model.precision 'bf16': this CPU has neither AVX512_BF16 nor AMX, and imitating it is "
            "slower than fp32; expected auto or fp32",
            Problem.RUNTIME,
        )
    if asked != "auto":
        return asked
    if not has:
        reason = "this CPU does not compute in bf16"
    elif proven is None or not proven.passed:
        reason = (
            "the model is not proven at bf16 (touchdown export verify MODEL MODEL --runtime-b "
            "openvino --precision-b bf16 --data FOLDER)"
        )
    else:
        logger.info("OpenVINO computes in bf16: the CPU has it, and the model is proven at it")
        return "bf16"
    logger.info("OpenVINO computes in fp32: %s", reason)
    return "fp32"


def has_bf16() -> bool:
    """Return True if the processor itself computes in bfloat16; False where Linux does not say."""
    try:
        text = _CPUINFO.read_text("utf-8")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not BF16_FLAGS.isdisjoint(flags.split())


def open_openvino() -> Any:
    """The openvino module, imported such that it cannot report to anybody.

    Its converter reports its use to Intel unless the user once opted out. We never convert; still, the package that
    reports is kept from being imported at all, and OpenVINO takes its own stub.

    Raises:
        ModelError: It is not installed.
    """
    if "openvino" not in sys.modules:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # importing it fails
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise ModelError(
            f"model.runtime 'openvino': it is not installed for this Python ({error}). "
            f"{install_command('openvino')}, or leave model.runtime out for ONNX Runtime.",
            Problem.RUNTIME,
        ) from error


def _shape(port: Any) -> str:
    kind = str(port.get_element_type().get_type_name())
    sides = [int(side) for side in port.get_shape()] if port.get_partial_shape().is_static else "?"
    return f"{_TYPES.get(kind, kind)} {sides}"


def _reason(error: RuntimeError) -> str:
    """The line of OpenVINO's message that says what is wrong; the first ones say where in it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (told or lines or [repr(error)])[0][:200]
