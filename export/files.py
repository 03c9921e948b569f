"""ONNX files read with suspicion and written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from edge.runtimes.onnx_file import read_onnx
from export.manifest import staging
from landing.errors import InvalidValueError, ModelError, first_line
from landing.model.artefact import GATE_KEY, GateReport
from landing.model.spec import METADATA_KEY, ModelSpec, OperatingPoint
from landing.problems import Problem
from landing.reading import take_name

OPSET = 18
MAX_IR_VERSION = 10
"""ONNX Runtime 1.18 and TensorRT 10 read no newer one."""

_REAL = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization")
_CHECK_ERRORS = (onnx.checker.ValidationError, onnx.shape_inference.InferenceError)


def require_onnx(source: Path, what: str) -> None:
    """Refuses a file that a measurement cannot be written into; `what` is what it is given.

    Raises:
        InvalidValueError: It is no ONNX file.
    """
    if source.suffix.lower() != ".onnx":
        raise InvalidValueError(
            f"{source}: expected an ONNX file. A checkpoint gets its {what} by `touchdown trainer calibrate`, an "
            "engine from the ONNX file that it is built of"
        )


def read_model(path: str | Path) -> onnx.ModelProto:
    """An ONNX file, checked; one with external data is refused before anything else is opened.

    Raises:
        ModelError: Missing, truncated, no valid ONNX graph, or its weights are in another file or no numbers.
    """
    data = read_onnx(Path(path))
    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except (DecodeError, *_CHECK_ERRORS) as error:
        raise ModelError(f"model {path} is no valid ONNX graph: {first_line(error)}") from error
    _require_finite(model, path)
    return model


def _require_finite(model: onnx.ModelProto, path: str | Path) -> None:
    """Refuses infinite weights; `read_onnx` refuses NaN. Infinite constants are well where they mask or clip."""
    weights = {name for node in model.graph.node if node.op_type in _WEIGHTED for name in node.input}
    for tensor in model.graph.initializer:
        if tensor.data_type not in _REAL or tensor.name not in weights:
            continue
        if not np.isfinite(onnx.numpy_helper.to_array(tensor).astype(np.float32)).all():
            raise ModelError(f"model {path} holds weights that are no numbers ({tensor.name}): export it again")


def spec_of(model: onnx.ModelProto, origin: str | Path) -> ModelSpec:
    """The ModelSpec in a graph's metadata.

    Raises:
        ModelError: There is none, or it is not valid.
    """
    return ModelSpec.from_metadata(metadata_of(model), f"model {origin}")


def gate_of(model: onnx.ModelProto, origin: str | Path, key: str = GATE_KEY) -> GateReport | None:
    """The report of the last verification in a graph's metadata; for `key` see `GateReport.from_metadata`.

    Raises:
        ModelError: It is damaged.
    """
    return GateReport.from_metadata(metadata_of(model), f"model {origin}", key)


def refusal_of(model: onnx.ModelProto, origin: str | Path) -> GateReport | None:
    """The report of a gate that refused a file, None where none did: it holds for what is made of the file, too.

    Else a network that was found to decide otherwise would fly in another form, as one that nobody judged.

    Raises:
        ModelError: The report is damaged.
    """
    gate = gate_of(model, origin)
    return None if gate is None or gate.passed else gate


def require_not_refused(model: onnx.ModelProto, origin: str | Path) -> None:
    """Refuses a file that its gate refused, where what is made of it is to be proven against it.

    Raises:
        ModelError: It was refused, or the report is damaged.
    """
    refusal = refusal_of(model, origin)
    if refusal is not None:
        raise ModelError(
            f"model {origin}: {refusal.describe()}: what agrees with it is not proven. Make a better one", Problem.GATE
        )


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """A graph's metadata by key."""
    return {entry.key: entry.value for entry in model.metadata_props}


_OF_SITES = re.compile(r"operating|(^|_)sites?_|_found$")


def is_of_thresholds(metric: str) -> bool:
    """Return True for a figure that was measured at an operating point, by its name (see `trainer calibrate`)."""
    return _OF_SITES.search(metric) is not None


def at_thresholds(spec: ModelSpec, point: OperatingPoint | None) -> ModelSpec:
    """The description with another operating point; figures at the former one are taken out."""
    kept = {name: value for name, value in spec.provenance.metrics.items() if not is_of_thresholds(name)}
    provenance = spec.provenance.model_copy(update={"metrics": kept})
    return spec.model_copy(update={"operating": point, "provenance": provenance})


def describe(model: onnx.ModelProto, spec: ModelSpec, gate: GateReport | None = None) -> None:
    """Puts a description, and what was proven if anything, into a graph: nothing else stays."""
    properties = {METADATA_KEY: spec.to_json()}
    if gate is not None:
        properties[GATE_KEY] = gate.to_json()
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, properties)


def redescribe(model: onnx.ModelProto, spec: ModelSpec) -> None:
    """Puts another description into a graph; what was proven of it stays."""
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = spec.to_json()


def require_target(target: Path) -> None:
    """Requires that a file can be written there, before hours of measuring.

    Raises:
        InvalidValueError: The folder does not exist.
        TouchdownError: The folder cannot be written to.
    """
    with staging(target):
        pass


def write_model(model: onnx.ModelProto, target: str | Path) -> int:
    """Writes an ONNX file under its name only when it is complete and on the disk; its bytes.

    Raises:
        TouchdownError: It cannot be written; an older file of that name is untouched.
    """
    data = model.SerializeToString()
    with replacing(Path(target)) as partial:
        partial.write_bytes(data)
    return len(data)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to; what is there in the end takes the target's name in one step.

    The partial file lies in the target's folder under a hidden name with another suffix, so that nothing picks it up
    when the process is killed in between.

    Raises:
        InvalidValueError: The folder does not exist.
        TouchdownError: Disk full, folder read-only and the like.
    """
    with staging(target) as folder:
        partial = folder / (target.name + ".partial")
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        take_name(partial, target)
