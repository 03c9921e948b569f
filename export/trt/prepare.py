"""Makes of an ONNX file the very graph TensorRT is given, in which the types are the precision.

TensorRT 10 and 11 take one way for all precisions: a strongly typed network computes in the types its ONNX says. So
float16 is a graph of float16, INT8 is a graph with explicit Q/DQ, and no builder flag decides. This is done where the
onnx package is; the machine that builds needs TensorRT alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.files import read_model, refusal_of, spec_of
from export.trt.half import copied, to_half
from export.trt.job import BuildJob
from export.trt.quantized import is_quantized, require_symmetric
from landing.errors import ModelError, first_line
from landing.model.artefact import GateReport
from landing.model.manifest import BuilderOptions, Precision
from landing.model.spec import ModelSpec
from landing.reading import sha256_of

MOVING = ("Slice", "Squeeze", "Unsqueeze", "Gather", "Reshape", "Transpose", "Flatten", "Identity")
"""Operators that move values without looking at them, from their first input."""


@dataclass(frozen=True)
class Prepared:
    """A graph ready for TensorRT (serialised ONNX), and the name, digest and spec of the file it was made from.

    `refusal` is the report of a gate that refused that file.
    """

    data: bytes
    name: str
    sha256: str
    spec: ModelSpec
    precision: Precision
    refusal: GateReport | None = None

    def job(self, options: BuilderOptions, name: str) -> BuildJob:
        """The note that goes with the graph to the machine that builds it."""
        return BuildJob(
            onnx_name=name,
            onnx_sha256=self.sha256,
            graph_sha256=hashlib.sha256(self.data).hexdigest(),
            precision=self.precision,
            options=options,
            model=self.spec,
            refusal=self.refusal,
        )


def prepare(path: Path, precision: Precision) -> Prepared:
    """Reads a model file and gives its network the types of a precision.

    Raises:
        ModelError: The file is missing, damaged, with weights outside, without ModelSpec; or is not quantised for
            TensorRT where INT8 is asked for, or quantised where it is not.
    """
    model = read_model(path)
    spec = spec_of(model, path)
    digest, refusal = sha256_of(path), refusal_of(model, path)
    if precision == "int8":
        require_symmetric(model, path)
    elif is_quantized(model):
        raise ModelError(
            f"model {path} is quantised (it has Q/DQ nodes), which TensorRT takes at its word: use "
            f"--precision int8, or the ONNX it was quantised from for --precision {precision}"
        )
    constants_as_initializers(model)
    fold_stored_casts(model)
    uint8_at_the_end(model)
    if precision != "fp32":
        model = to_half(model)
    _check(model, path)
    return Prepared(model.SerializeToString(), path.name, digest, spec, precision, refusal)


def constants_as_initializers(model: onnx.ModelProto) -> None:
    """Turns Constant nodes into initializers, so that there is one place to look for weights."""
    kept = []
    for node in model.graph.node:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            value.name = node.output[0]
            model.graph.initializer.append(value)
        else:
            kept.append(node)
    _replace_nodes(model, kept)


def fold_stored_casts(model: onnx.ModelProto) -> None:
    """Casts what is stored as float16 now, so that the runtime finds plain weights."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        stored = weights.get(node.input[0]) if node.op_type == "Cast" else None
        if stored is None:
            kept.append(node)
            continue
        to = next(a.i for a in node.attribute if a.name == "to")
        values = numpy_helper.to_array(stored).astype(helper.tensor_dtype_to_np_dtype(to))
        model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
    _replace_nodes(model, kept)
    used = {name for node in kept for name in node.input}
    left = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(left)


def uint8_at_the_end(model: onnx.ModelProto) -> None:
    """Moves casts to uint8 behind the operators that only move values.

    TensorRT has uint8 inputs and outputs but no uint8 tensors between them.
    """
    graph = model.graph
    outputs = {output.name for output in graph.output}
    for cast in [n for n in graph.node if _casts_to_uint8(n) and n.output[0] not in outputs]:
        moved = _only_moved(graph, cast.output[0], outputs)
        if moved is None:
            continue  # the parser will say what it thinks of it
        for node in graph.node:
            _rename_inputs(node, cast.output[0], cast.input[0])
        graph.node.remove(cast)
        for name in moved:
            as_float = f"{name}.float"
            for node in graph.node:
                _rename_inputs(node, name, as_float)
                for i, output in enumerate(node.output):
                    if output == name:
                        node.output[i] = as_float
            graph.node.append(helper.make_node("Cast", [as_float], [name], name + ".u8", to=TensorProto.UINT8))
    # Types written down for the tensors between may be others now.
    del graph.value_info[:]


def _only_moved(graph: onnx.GraphProto, tensor: str, outputs: set[str]) -> list[str] | None:
    """The graph outputs a tensor is moved to; None when something else is done with it too."""
    reached = [tensor] if tensor in outputs else []
    for node in graph.node:
        if tensor in node.input:
            if node.op_type not in MOVING or tensor in list(node.input)[1:]:
                return None
            further = _only_moved(graph, node.output[0], outputs)
            if further is None:
                return None
            reached += further
    return reached


def _casts_to_uint8(node: NodeProto) -> bool:
    return node.op_type == "Cast" and any(a.name == "to" and a.i == TensorProto.UINT8 for a in node.attribute)


def _rename_inputs(node: NodeProto, old: str, new: str) -> None:
    for i, name in enumerate(node.input):
        if name == old:
            node.input[i] = new


def _replace_nodes(model: onnx.ModelProto, nodes: list[NodeProto]) -> None:
    copies = [copied(node) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _check(model: onnx.ModelProto, path: Path) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(
            f"model {path}: its graph is not sound in the types TensorRT is to be given: {first_line(error)}"
        ) from error
