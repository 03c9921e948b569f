"""Opens and runs model files with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from edge.runtimes.onnx_file import read_onnx
from export.parity import Maps
from landing.errors import ModelError
from landing.spec import ModelSpec
from landing.types import ByteArray

_LOAD_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NoSuchFile,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
)
"""ONNX Runtime's errors have no common base but Exception."""


def open_session(model: str | Path | onnx.ModelProto, threads: int = 0) -> Any:
    """An ONNX Runtime session on the CPU, from bytes: nothing but the model itself is opened.

    Raises:
        ModelError: Missing, with external data, or no model that ONNX Runtime loads.
    """
    if isinstance(model, (str, Path)):
        data, what = read_onnx(Path(model)), str(model)
    else:
        data, what = model.SerializeToString(), "the graph"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(f"ONNX Runtime does not load {what}: {reason[:200]}") from error


def run_session(session: Any, outputs: list[str], inputs: dict[str, Any], origin: str | Path) -> list[Any]:
    """Runs a session.

    Raises:
        ModelError: The graph does not run on these inputs.
    """
    try:
        values: list[Any] = session.run(outputs, inputs)
    except _LOAD_ERRORS as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(f"model {origin} does not run: {reason[:200]}") from error
    return values


def read_spec(path: str | Path) -> ModelSpec:
    """The ModelSpec of a model file.

    Raises:
        ModelError: It does not load, or does not describe itself.
    """
    metadata = open_session(path).get_modelmeta().custom_metadata_map
    return ModelSpec.from_metadata(metadata, str(path))


def runtime_maps(model: str | Path | onnx.ModelProto, pictures: Sequence[ByteArray]) -> list[Maps]:
    """The maps, by output name, that ONNX Runtime computes of pictures of the input size.

    Raises:
        ModelError: ONNX Runtime does not load the model.
    """
    session = open_session(model)
    (image,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(names, {image.name: picture}), strict=True)) for picture in pictures]
