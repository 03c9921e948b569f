"""The model of palette colours (`fake_model`) for ncnn, written by hand: one convolution, and the tail of its graph."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edge.runtimes.archive import ArchiveFile, digests
from edge.runtimes.decision import DECISION
from edge.runtimes.ncnn_file import NCNN, NETWORK, WEIGHTS, NcnnManifest
from landing.model.artefact import GateReport
from landing.model.spec import ModelSpec
from landing.taxonomy import Taxonomy
from tests.edge import fake_model

VERSION = "1.0.20261020"


def decision(taxonomy: Taxonomy, drop_output: str = "", side_px: int = fake_model.SIDE_PX) -> bytes:
    """The graph of `fake_model` behind its scores, which come channels first here."""
    graph = fake_model.build(taxonomy).graph
    first = next(i for i, node in enumerate(graph.node) if node.op_type == "ArgMax")
    front = [
        helper.make_node("Squeeze", ["logits", "front"], ["chw"]),
        helper.make_node("Transpose", ["chw"], ["scores"], perm=[1, 2, 0]),
    ]
    used = {name for node in graph.node[first:] for name in node.input}
    constants = [tensor for tensor in graph.initializer if tensor.name in used]
    constants.append(numpy_helper.from_array(np.array([0], np.int64), "front"))
    shape = [1, len(taxonomy), side_px, side_px]
    tail = helper.make_graph(
        [*front, *graph.node[first:]],
        "decision",
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
        [one for one in graph.output if one.name != drop_output],
        constants,
    )
    model = helper.make_model(tail, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return bytes(model.SerializeToString())


def parts(taxonomy: Taxonomy) -> dict[str, bytes]:
    colours = taxonomy.palette_bgr[: len(taxonomy)].astype(np.float32)
    scale = np.float32(1.0 / (2 * fake_model.SPREAD**2))
    weights, bias = 2 * colours * scale, -(colours**2).sum(1) * scale
    classes = len(taxonomy)
    text = f"7767517\n2 2\nInput in0 0 1 in0\nConvolution scores 1 1 in0 out0 0={classes} 1=1 5=1 6={3 * classes}\n"
    return {
        NETWORK: text.encode(),
        WEIGHTS: struct.pack("<I", 0) + weights.tobytes() + bias.tobytes(),
        DECISION: decision(taxonomy),
    }


def manifest(contents: dict[str, bytes], spec: ModelSpec, gate: GateReport | None, version: str) -> NcnnManifest:
    return NcnnManifest(model=spec, weights="fp32", ncnn_version=version, parts=digests(contents), gate=gate)


def save(path: Path, gate: GateReport | None = None, version: str = VERSION, **changed: bytes) -> Path:
    """A model file; `changed` parts by name, as ``network``, ``weights``, ``decision``."""
    taxonomy = Taxonomy.load("synthetic")
    named = {"network": NETWORK, "weights": WEIGHTS, "decision": DECISION}
    contents = parts(taxonomy) | {named[name]: data for name, data in changed.items()}
    known = manifest(contents, fake_model.spec_of(taxonomy), gate, version)
    path.write_bytes(NCNN.packed(ArchiveFile(known, contents)))
    return path
