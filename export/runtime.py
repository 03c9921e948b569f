"""Opens and runs model files with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from edge.runtimes.onnx_file import metadata_of, read_onnx
from edge.runtimes.onnxruntime import LOAD_ERRORS
from export.parity import Maps
from landing.errors import ModelError, first_line
from landing.model.spec import ModelSpec
from landing.types import ByteArray


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
    except LOAD_ERRORS as error:
        raise ModelError(f"ONNX Runtime does not load {what}: {first_line(error)}") from error


def run_session(session: Any, outputs: list[str], inputs: dict[str, Any], origin: str | Path) -> list[Any]:
    """Runs a session.

    Raises:
        ModelError: The graph does not run on these inputs.
    """
    try:
        values: list[Any] = session.run(outputs, inputs)
    except LOAD_ERRORS as error:
        raise ModelError(f"model {origin} does not run: {first_line(error)}") from error
    return values


def read_spec(path: str | Path) -> ModelSpec:
    """The ModelSpec of a model file.

    Raises:
        ModelError: It is damaged, or does not describe itself.
    """
    return ModelSpec.from_metadata(metadata_of(read_onnx(Path(path))), f"model {path}")


def runtime_maps(model: str | Path | onnx.ModelProto, pictures: Sequence[ByteArray]) -> list[Maps]:
    """The maps, by output name, that ONNX Runtime computes of pictures of the input size.

    Raises:
        ModelError: ONNX Runtime does not load the model.
    """
    session = open_session(model)
    (image,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(names, {image.name: picture}), strict=True)) for picture in pictures]
