"""`export ncnn`: a file of `export onnx` for ncnn, compared with it before the file appears.

The graph is cut at the network's input and at its logits. pnnx converts what lies between; what follows stays ONNX, so
the decision on the logits is the very graph that was proven. Cast and transposition of the picture are ncnn's own; what
else changes its colours becomes a convolution of one pixel.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edge.runtimes import RuntimeOptions
from edge.runtimes.archive import digests
from edge.runtimes.ncnn import NcnnRuntime, open_ncnn
from edge.runtimes.ncnn_file import (
    DECISION,
    NETWORK,
    SUFFIX,
    WEIGHTS,
    NcnnFile,
    NcnnManifest,
    packed,
    read_ncnn,
)
from export.files import read_model, replacing, require_onnx, spec_of
from export.parity import Maps, Parity, compare, require_close
from export.runtime import open_session, run_session, runtime_maps
from landing.artefact import GateReport
from landing.distribution import VERSION, install_command
from landing.errors import InvalidValueError, ModelError
from landing.problems import Problem
from landing.reading import sha256_of
from landing.spec import ModelSpec
from landing.types import ByteArray, Frame

PRECISIONS = ("fp16", "fp32")
_PICTURES = 3
_TIMEOUT_S = 600.0
_FRONT_OPS = ("Cast", "Transpose", "Unsqueeze", "Gather", "Mul", "Add", "Sub", "Div")
"""Nodes that may lie between the picture and its planes: another order, and a scale and a shift for each colour."""

_FRONT = "touchdown.front"


@dataclass(frozen=True)
class ConvertedModel:
    """The file that was made, its manifest, and how it agrees with the ONNX file."""

    path: Path
    manifest: NcnnManifest
    parity: Parity


@dataclass(frozen=True)
class _Cut:
    """A graph in two, and the shape of the network's input."""

    network: onnx.ModelProto
    decision: onnx.ModelProto
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Colours:
    """Planes of a network from those of the picture, blue green red: ``matrix`` (3, 3) times them, plus ``shift``."""

    matrix: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]

    @property
    def changes_nothing(self) -> bool:
        return bool(np.array_equal(self.matrix, np.eye(3)) and not self.shift.any())


def make_ncnn(source: Path, output: Path, precision: str) -> ConvertedModel:
    """Writes a model for ncnn; the file appears only when it computes what the ONNX file does.

    Args:
        source: An ONNX file of ours.
        output: ``X.ncnn``.
        precision: Of the stored weights, one of `PRECISIONS`; they are computed with in float32.

    Raises:
        ModelError: The file is no model of `export onnx`, gives classes without logits, or holds what pnnx does not
            convert; the result computes something else; or pnnx or ncnn is not installed.
        InvalidValueError: The output's name does not end in .ncnn.
        TouchdownError: The result cannot be written.
    """
    require_onnx(source, f"{SUFFIX} form")
    if output.suffix != SUFFIX:
        raise InvalidValueError(f"--out {output}: expected a name that ends in {SUFFIX}")
    version = str(open_ncnn().__version__)
    model = read_model(source)
    spec = spec_of(model, source)
    cut = _cut(model, spec, source)
    parts = {**_converted(cut, precision, source), DECISION: cut.decision.SerializeToString()}
    manifest = NcnnManifest(
        model=spec,
        weights="fp16" if precision == "fp16" else "fp32",
        ncnn_version=version,
        pnnx_version=metadata.version("pnnx"),
        onnx_name=source.name,
        onnx_sha256=sha256_of(source),
        parts=digests(parts),
        touchdown_version=VERSION,
    )
    with replacing(output) as partial:
        partial.write_bytes(packed(NcnnFile(manifest, parts)))
        parity = _parity(source, partial, spec)
        require_close(parity, f"ncnn's form of {source}", "Fly the ONNX file")
    return ConvertedModel(output, manifest, parity)


def record_gate(path: Path, gate: GateReport) -> None:
    """Writes what `export verify` found into a model for ncnn.

    Raises:
        ModelError: The file is damaged.
        TouchdownError: It cannot be written.
    """
    file = read_ncnn(path)
    changed = NcnnFile(file.manifest.model_copy(update={"gate": gate}), file.parts)
    with replacing(path) as partial:
        partial.write_bytes(packed(changed))


def _cut(model: onnx.ModelProto, spec: ModelSpec, source: Path) -> _Cut:
    """The network between planes and logits, and what follows the logits.

    Raises:
        ModelError: The graph has no such places, or more than the logits goes from the one part into the other.
    """
    folded = onnx.shape_inference.infer_shapes(_with_float_weights(model))
    shapes = {
        value.name: tuple(int(side.dim_value) for side in value.type.tensor_type.shape.dim)
        for value in folded.graph.value_info
    }
    planes = _planes(folded, spec, shapes)
    logits = _logits(folded, spec, shapes)
    if not planes or not logits:
        what = "a picture that goes into it as planes" if not planes else "logits that a class is chosen from"
        raise ModelError(f"model {source}: ncnn's form needs a network with {what}. Fly the ONNX file")
    outputs = [spec.outputs.class_id, spec.outputs.landable, spec.outputs.hazards]
    colours = _colours(folded, spec, planes, source)
    extractor = onnx.utils.Extractor(folded)
    try:
        network = extractor.extract_model([planes], [logits])
        decision = extractor.extract_model([logits], outputs)
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"model {source}: its graph cannot be cut at its logits {logits!r}. Fly the ONNX file"
        ) from error
    for part in (network, decision):
        del part.metadata_props[:]
    inside = {name for node in decision.graph.node for name in node.input}
    if spec.input.name in inside or not network.graph.node:
        raise ModelError(f"model {source}: more than its logits decides. Fly the ONNX file")
    if not colours.changes_nothing:
        _put_before(network, colours)
    return _Cut(network, decision, shapes[planes])


def _with_float_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with weights stored as they are computed with: casts of weights are done."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in copy.graph.initializer}
    nodes, done = [], set()
    for node in copy.graph.node:
        if node.op_type != "Cast" or node.input[0] not in weights:
            nodes.append(node)
            continue
        to = next(one.i for one in node.attribute if one.name == "to")
        values = numpy_helper.to_array(weights[node.input[0]]).astype(onnx.helper.tensor_dtype_to_np_dtype(to))
        copy.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        done.add(node.input[0])
    still = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in copy.graph.initializer if tensor.name not in done or tensor.name in still]
    del copy.graph.node[:], copy.graph.initializer[:]
    copy.graph.node.extend(nodes)
    copy.graph.initializer.extend(kept)
    return copy


def _planes(model: onnx.ModelProto, spec: ModelSpec, shapes: dict[str, tuple[int, ...]]) -> str:
    """The first tensor that is the picture as float (1, 3, H, W), its colours changed or not; empty without any."""
    name, turned, constants = spec.input.name, False, {tensor.name for tensor in model.graph.initializer}
    wanted = (1, 3, spec.input.height_px, spec.input.width_px)
    while True:
        readers = [node for node in model.graph.node if name in node.input]
        if len(readers) != 1 or readers[0].op_type not in _FRONT_OPS:
            return ""
        node = readers[0]
        if not constants.issuperset(other for other in node.input if other != name):
            return ""
        if node.op_type == "Transpose":
            turned = [list(one.ints) for one in node.attribute if one.name == "perm"] in ([[2, 0, 1]], [[0, 3, 1, 2]])
        name = node.output[0]
        if turned and shapes.get(name) == wanted:
            return str(name)


def _colours(model: onnx.ModelProto, spec: ModelSpec, planes: str, source: Path) -> _Colours:
    """Map from the picture's colours to the planes, told by what the nodes between the two compute.

    Raises:
        ModelError: They do more than that.
    """
    session = open_session(onnx.utils.Extractor(model).extract_model([spec.input.name], [planes]))
    size = (spec.input.height_px, spec.input.width_px, 3)

    def of(picture: ByteArray) -> npt.NDArray[np.float32]:
        found = run_session(session, [planes], {spec.input.name: picture}, spec.input.name)[0]
        values: npt.NDArray[np.float32] = np.asarray(found, np.float32)[0]
        return values

    shift = of(np.zeros(size, np.uint8))[:, 0, 0]
    columns = []
    for colour in range(3):
        only = np.zeros(size, np.uint8)
        only[..., colour] = 1
        columns.append(of(only)[:, 0, 0] - shift)
    colours = _Colours(np.stack(columns, 1), shift)
    picture = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    expected = np.einsum("ij,hwj->ihw", colours.matrix, picture.astype(np.float32)) + shift[:, None, None]
    if not np.allclose(of(picture), expected, rtol=1e-3, atol=1e-3 * (1 + float(np.abs(expected).max()))):
        raise ModelError(f"model {source}: ncnn's form needs a picture whose colours alone change. Fly the ONNX file")
    return colours


def _put_before(network: onnx.ModelProto, colours: _Colours) -> None:
    """Makes a network take the picture's own colours: a convolution of one pixel changes them."""
    graph = network.graph
    planes = graph.input[0].name
    weights = numpy_helper.from_array(colours.matrix.reshape(3, 3, 1, 1), f"{_FRONT}.weights")
    shift = numpy_helper.from_array(colours.shift, f"{_FRONT}.shift")
    graph.initializer.extend([weights, shift])
    front = onnx.helper.make_node("Conv", [_FRONT, weights.name, shift.name], [planes], name=f"{_FRONT}.conv")
    graph.node.insert(0, front)
    graph.input[0].name = _FRONT


def _logits(model: onnx.ModelProto, spec: ModelSpec, shapes: dict[str, tuple[int, ...]]) -> str:
    """The tensor whose greatest channel is the class; empty where there is none.

    Casts and reshapes that change nothing are left to the decision.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(spec.outputs.class_id)
    while node is not None and node.op_type != "ArgMax":
        node = makers.get(node.input[0]) if node.input else None
    name = str(node.input[0]) if node is not None else ""
    while name in makers and makers[name].op_type in ("Cast", "Reshape", "Identity"):
        before = str(makers[name].input[0])
        if shapes.get(before) != shapes.get(name) or before not in makers:
            break
        name = before
    return name


def _converted(cut: _Cut, precision: str, source: Path) -> dict[str, bytes]:
    """The network's text and weights, by name of the part.

    Raises:
        ModelError: pnnx is not installed, or does not convert the network.
    """
    shape = "[" + ",".join(map(str, cut.shape)) + "]"
    with tempfile.TemporaryDirectory(prefix="touchdown-ncnn-") as scratch:
        folder = Path(scratch)
        onnx.save(cut.network, str(folder / "network.onnx"))
        words = [_converter(), "network.onnx", f"inputshape={shape}", f"fp16={int(precision == 'fp16')}"]
        words += [f"ncnnparam={NETWORK}", f"ncnnbin={WEIGHTS}"]
        try:
            done = subprocess.run(
                words, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ModelError(f"model {source}: pnnx does not run: {str(error)[:200]}") from error
        paths = {name: folder / name for name in (NETWORK, WEIGHTS)}
        if done.returncode or not all(path.exists() for path in paths.values()):
            lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            said = lines[-1][:200] if lines else "no reason given"
            raise ModelError(f"model {source}: pnnx does not convert its network ({said}). Fly the ONNX file")
        return {name: path.read_bytes() for name, path in paths.items()}


def _converter() -> str:
    """The program of the pnnx package. The package itself would import torch.

    Raises:
        ModelError: It is not installed.
    """
    try:
        place = str(metadata.distribution("pnnx").locate_file("pnnx/pnnx"))
    except metadata.PackageNotFoundError:
        place = ""
    found = str(shutil.which(place) or "") if place else ""
    if not found:
        raise ModelError(
            f"pnnx, which converts a network for ncnn, is not installed: {install_command('export')}",
            Problem.NOT_INSTALLED,
        )
    return str(found)


def _parity(source: Path, made: Path, spec: ModelSpec) -> Parity:
    """Agreement of the ONNX file in ONNX Runtime with the new file in ncnn, on pictures of noise."""
    rng = np.random.default_rng(0)
    size = (spec.input.height_px, spec.input.width_px, 3)
    pictures: list[ByteArray] = [rng.integers(0, 256, size, dtype=np.uint8) // (1 + i) for i in range(_PICTURES)]
    out = spec.outputs
    expected: list[Maps] = [
        {"class_id": maps[out.class_id], "landable": maps[out.landable], "hazards": maps[out.hazards]}
        for maps in runtime_maps(source, pictures)
    ]
    found: list[Maps] = []
    with NcnnRuntime.load(made, RuntimeOptions()) as runtime:
        for picture in pictures:
            seen = runtime.segment(Frame(picture, 0, 0))
            found.append({"class_id": seen.class_id, "landable": seen.landable, "hazards": seen.hazards})
    return compare(expected, found, [np.zeros(maps["class_id"].shape, np.bool_) for maps in expected])
