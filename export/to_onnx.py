"""A torch graph as one ONNX file: static shapes, described, without traces of where it was made."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import torch

from export import checked
from export.files import MAX_IR_VERSION, OPSET
from export.files import describe as put_description
from export.graph import INPUT_NAME, MERGE_NAME, OUTPUT_NAMES, LandingGraph
from landing.errors import ModelError, first_line
from landing.model.spec import ModelSpec

_HALF_FROM_VALUES = 256


def to_onnx(graph: LandingGraph, spec: ModelSpec) -> onnx.ModelProto:
    """The graph as ONNX with static shapes and its ModelSpec, without traces of where it was made.

    Raises:
        ModelError: torch cannot export it, or gave an opset or IR version that target runtimes do not read.
    """
    example = torch.zeros(spec.input.height_px, spec.input.width_px, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside torch's exporter, not ours to act on
        try:
            program = torch.onnx.export(
                graph,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                input_names=[INPUT_NAME],
                output_names=list(OUTPUT_NAMES),
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise ModelError(
                f"torch does not export {spec.architecture}: {first_line(error)}. Networks that are "
                f"known to export: {checked.names()}"
            ) from error
    model: onnx.ModelProto = program.model_proto
    _remove_traces(model)
    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if opset != OPSET or model.ir_version > MAX_IR_VERSION:
        raise ModelError(
            f"the exporter gave opset {opset} and IR version {model.ir_version}; expected {OPSET} "
            f"and at most {MAX_IR_VERSION}. Install torch and onnxscript as pyproject.toml says"
        )
    model.producer_name = "touchdown"
    model.producer_version = spec.provenance.touchdown_version
    rename(model.graph, "sums", MERGE_NAME)
    put_description(model, spec)
    onnx.checker.check_model(model, full_check=True)
    return model


def _remove_traces(model: onnx.ModelProto) -> None:
    """Drops stack traces and module names, which the exporter attaches to everything."""
    del model.metadata_props[:]
    del model.functions[:]
    model.doc_string = ""
    graph = model.graph
    graph.doc_string = ""
    graph.name = "touchdown"
    del graph.metadata_props[:]
    del graph.value_info[:]
    for group in (graph.node, graph.initializer, graph.input, graph.output):
        for item in group:
            item.doc_string = ""
            del item.metadata_props[:]


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Gives a tensor of a graph another name."""
    for tensor in graph.initializer:
        if tensor.name == old:
            tensor.name = new
    for node in graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == old:
                    names[i] = new


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with large float weights stored as float16 and cast back on loading.

    Runtimes fold the casts when they load the file, so it computes in float32 all the same.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    casts = []
    for tensor in half.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or tensor.name == MERGE_NAME:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if values.size < _HALF_FROM_VALUES or np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name + ".half"))
        casts.append(
            onnx.helper.make_node("Cast", [name + ".half"], [name], name=name + ".cast", to=onnx.TensorProto.FLOAT)
        )
    nodes = list(half.graph.node)
    del half.graph.node[:]
    half.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(half, full_check=True)
    return half
