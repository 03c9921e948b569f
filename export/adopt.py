"""Somebody else's segmentation ONNX, made to fly: our input, our outputs, our description.

The network itself stays as it is. What is put before and after it is checked: the finished file
has to compute what the original does with preprocessing, softmax and merge written out in numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, compose, helper, inliner, version_converter

from export.files import (
    MAX_IR_VERSION,
    OPSET,
    describe,
    own_version,
    read_model,
    sha256_of,
    write_model,
)
from export.parity import Maps, Parity, compare, require_close, require_exact
from export.reference import reference_maps, resized
from export.runtime import open_session, run_session, runtime_maps
from export.surgery import Builder, input_nodes, output_nodes, scores_nodes, shape_hw
from landing.errors import InvalidValueError, ModelError
from landing.spec import InputSpec, ModelSpec, OutputSpec, Provenance
from landing.taxonomy import Taxonomy
from landing.types import ByteArray

ACTIVATIONS = {
    "logits": "before the softmax",
    "softmax": "probabilities that sum to one",
    "sigmoid": "probabilities, each class for itself",
    "sigmoid-logits": "before a sigmoid, each class for itself",
    "labels": "class ids: no probabilities, so thresholds mean nothing",
}
INPUT_NAME, OUTPUT_NAMES = "image", ("class_id", "landable", "hazards")
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
_TYPES = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16,
          TensorProto.DOUBLE: np.float64, TensorProto.UINT8: np.uint8}  # fmt: skip
_GREATEST_STRIDE = 32
_PICTURES = 3


@dataclass(frozen=True)
class AdoptOptions:
    """What somebody must know of a network to use it.

    Attributes:
        taxonomy: Name or file; its classes in the order of the network's.
        mean, std: Of the scaled values, in the order of the network's channels.
        input_scale: Pixel values 0..255 are multiplied by it before mean and std.
        layout: `nchw`, `nhwc`, or empty to see it from the shape.
        colour: `rgb` or `bgr`: order of the network's channels.
        activation: What the output is: a key of `ACTIVATIONS`.
        input_wh: Width and height where the file leaves them open.
        temperature: Logits are divided by it.
        name, licence, trained_on: For the description.
        input_name, output_name: Which, where there are several.
    """

    taxonomy: str
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    input_scale: float = 1 / 255
    layout: str = ""
    colour: str = "rgb"
    activation: str = "logits"
    input_wh: tuple[int, int] | None = None
    temperature: float = 1.0
    name: str = ""
    licence: str = ""
    trained_on: str = ""
    input_name: str = ""
    output_name: str = ""


@dataclass(frozen=True)
class Adopted:
    """What was made.

    Attributes:
        path: The file.
        spec: What it says of itself.
        parity: Against the original with everything around it in numpy.
        notes: What the user should know.
    """

    path: Path
    spec: ModelSpec
    parity: Parity
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """What the file turned out to take and give."""

    channels_first: bool
    width_px: int
    height_px: int
    shape: tuple[int, ...]
    class_axis: int | None
    stride: int
    single: bool

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.height_px // self.stride, self.width_px // self.stride


def adopt(source: str | Path, output: str | Path, options: AdoptOptions) -> Adopted:
    """Writes a file that flies; it appears only when it computes what the original does.

    Raises:
        ModelError: The file is damaged, has its weights elsewhere, or is no segmentation network
            that fits the options.
        TaxonomyError: The taxonomy cannot be read.
        InvalidValueError: An option is out of range.
        TouchdownError: The result cannot be written.
    """
    _check(options)
    taxonomy = Taxonomy.load(options.taxonomy)
    original = _modern(read_model(source), source)
    given, wanted = _ends(original, options, source)
    _fix_input(given, options, source)
    found = _look(original, given, wanted, taxonomy, options, source)
    spec = _spec(Path(source), taxonomy, found, options)
    adopted = _assembled(original, given, wanted, found, taxonomy, options)
    describe(adopted, spec)
    pictures = _pictures(found)
    expected, ties = _reference(original, given, wanted, found, taxonomy, options, pictures)
    parity = compare(expected, runtime_maps(adopted, pictures), ties)
    if given.type.tensor_type.elem_type == TensorProto.FLOAT16:
        require_close(parity, "the adopted graph", "Export it with float32 weights")
    else:
        require_exact(parity, "the adopted graph")
    write_model(adopted, output)
    return Adopted(Path(output), spec, parity, _notes(found, options))


def _check(options: AdoptOptions) -> None:
    if options.activation not in ACTIVATIONS:
        raise InvalidValueError(
            f"--activation {options.activation!r}: expected {', '.join(ACTIVATIONS)}"
        )
    for name, values in (("mean", options.mean), ("std", options.std)):
        if len(values) != 3 or not np.all(np.isfinite(values)):
            raise InvalidValueError(f"--{name} {values}: expected three numbers")
    if min(options.std) <= 0 or options.input_scale <= 0 or options.temperature <= 0:
        raise InvalidValueError("--std, --input-scale and --temperature must be above 0")


def _modern(model: onnx.ModelProto, source: str | Path) -> onnx.ModelProto:
    """The graph at our opset, with functions inlined.

    Raises:
        ModelError: Its operators cannot be converted.
    """
    if model.functions:
        model = inliner.inline_local_functions(model)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset != OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except RuntimeError as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            raise ModelError(
                f"model {source} is of opset {opset} and cannot be converted to {OPSET}: "
                f"{reason[:200]}. Export it with opset_version={OPSET}"
            ) from error
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    return model


def _ends(
    model: onnx.ModelProto, options: AdoptOptions, source: str | Path
) -> tuple[onnx.ValueInfoProto, onnx.ValueInfoProto]:
    """The picture the network takes, and what it gives.

    Raises:
        ModelError: There are several and none is named, or the named one is not there.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in constants]
    chosen = []
    for what, values, name in (
        ("input", inputs, options.input_name),
        ("output", list(model.graph.output), options.output_name),
    ):
        matching = [one for one in values if one.name == name] if name else values
        if len(matching) != 1 or (what == "input" and len(values) != 1):
            listed = ", ".join(one.name for one in values) or "none"
            raise ModelError(
                f"model {source}: {what}s are {listed}; expected "
                + ("exactly one input" if what == "input" else "one, or --output-name NAME")
            )
        chosen.append(matching[0])
    return chosen[0], chosen[1]


def _fix_input(given: onnx.ValueInfoProto, options: AdoptOptions, source: str | Path) -> None:
    """Makes the input's shape static: batch 1, and the size asked for where the file has none.

    Raises:
        ModelError: It is no picture, or its size is open and none was given.
    """
    tensor = given.type.tensor_type
    dims = tensor.shape.dim
    sides = [d.dim_value if d.HasField("dim_value") else 0 for d in dims]
    if tensor.elem_type not in _TYPES or len(dims) not in (3, 4):
        kind = TensorProto.DataType.Name(tensor.elem_type)
        raise ModelError(
            f"model {source}: input {given.name} is {kind} {sides}; expected a picture of floats "
            "or bytes with three or four axes"
        )
    if len(dims) == 4:
        if sides[0] not in (0, 1):
            raise ModelError(f"model {source}: batch of {sides[0]}; expected 1 or open")
        dims[0].dim_value = sides[0] = 1
    picture = sides[-3:]
    layout = options.layout or ("nhwc" if picture[2] == 3 and picture[0] != 3 else "nchw")
    axes = (1, 2) if layout == "nchw" else (0, 1)
    channel = 0 if layout == "nchw" else 2
    if picture[channel] not in (0, 3):
        raise ModelError(
            f"model {source}: input {given.name} is {sides}, which has not three channels as "
            f"{layout}; give --layout nchw or nhwc"
        )
    dims[len(dims) - 3 + channel].dim_value = 3
    for axis, side in zip(axes, (options.input_wh or (0, 0))[::-1], strict=True):
        dim = dims[len(dims) - 3 + axis]
        if picture[axis] and side and picture[axis] != side:
            raise ModelError(
                f"model {source}: input {given.name} is {sides}; --input asks for {side} px there"
            )
        if not picture[axis] and not side:
            raise ModelError(f"model {source}: its input size is open; give --input WxH")
        dim.dim_value = picture[axis] or side


def _look(
    model: onnx.ModelProto, given: onnx.ValueInfoProto, wanted: onnx.ValueInfoProto,
    taxonomy: Taxonomy, options: AdoptOptions, source: str | Path,
) -> _Found:  # fmt: skip
    """Runs the network once and sees what comes out.

    Raises:
        ModelError: Nothing that could be classes per pixel.
    """
    sides = [d.dim_value for d in given.type.tensor_type.shape.dim]
    channels_first = sides[-3] == 3 and options.layout != "nhwc"
    height_px, width_px = sides[-2:] if channels_first else sides[-3:-1]
    kind = _TYPES[given.type.tensor_type.elem_type]
    for shape in (o.type.tensor_type.shape for o in model.graph.output):
        del shape.dim[:]  # what it says of itself may hold for another batch or size
    for one in model.graph.output:
        one.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    session = open_session(model)
    values = run_session(session, [wanted.name], {given.name: np.zeros(sides, kind)}, source)[0]
    shape = tuple(values.shape)
    class_axis, size, single = _axes(shape, len(taxonomy), options, channels_first, source)
    ratio = max(width_px / size[1], height_px / size[0])
    stride = next(
        (s for s in (1, 2, 4, 8, 16, _GREATEST_STRIDE)
         if s + 0.5 > ratio and width_px % s == 0 and height_px % s == 0), 0
    )  # fmt: skip
    if not stride:
        raise ModelError(
            f"model {source}: gives {size[1]}x{size[0]} for {width_px}x{height_px}; expected at "
            f"least every {_GREATEST_STRIDE}th pixel"
        )
    return _Found(channels_first, width_px, height_px, shape, class_axis, stride, single)


def _axes(
    shape: tuple[int, ...], classes: int, options: AdoptOptions, channels_first: bool,
    source: str | Path,
) -> tuple[int | None, tuple[int, int], bool]:  # fmt: skip
    """Class axis, rows and columns, and whether one channel stands for two classes.

    Raises:
        ModelError: No axis counts the taxonomy's classes, or the output is no map.
    """
    real = [i for i, side in enumerate(shape) if side != 1]
    one_channel = options.activation == "labels" or (
        classes == 2 and options.activation.startswith("sigmoid") and 2 not in shape
    )
    if one_channel and len(real) == 2:
        return None, shape_hw(shape), options.activation != "labels"
    candidates = [i for i in range(max(0, len(shape) - 3), len(shape)) if shape[i] == classes]
    if one_channel or len(real) < 3 or not candidates:
        raise ModelError(
            f"model {source}: its output is {list(shape)}, and as {options.activation} one axis "
            f"must count the {classes} classes of taxonomy {options.taxonomy}, or none for labels"
        )
    class_axis = candidates[0] if channels_first else candidates[-1]
    rows, columns = [i for i in range(len(shape) - 3, len(shape)) if i != class_axis]
    return class_axis, (shape[rows], shape[columns]), False


def _spec(path: Path, taxonomy: Taxonomy, found: _Found, options: AdoptOptions) -> ModelSpec:
    order = slice(None) if options.colour == "rgb" else slice(None, None, -1)
    unit = 255 * options.input_scale
    mean = tuple(float(v) / unit for v in options.mean[order])
    std = tuple(float(v) / unit for v in options.std[order])
    digest = sha256_of(path)
    try:
        return ModelSpec(
            name=options.name or f"{path.stem}-{taxonomy.name}",
            architecture=f"adopted from {path.name}",
            input=InputSpec(
                name=INPUT_NAME, width_px=found.width_px, height_px=found.height_px,
                mean_rgb=(mean[0], mean[1], mean[2]), std_rgb=(std[0], std[1], std[2]),
            ),
            outputs=OutputSpec(stride=found.stride),
            taxonomy=taxonomy,
            temperature=options.temperature,
            provenance=Provenance(
                trained_on=options.trained_on, licence=options.licence,
                recipe=f"touchdown export adopt {path.name}", touchdown_version=own_version(),
                checkpoint_sha256=digest,
            ),
        )  # fmt: skip
    except ValueError as error:
        raise InvalidValueError(f"the options do not fit {path}: {error}") from error


def _normalisation(options: AdoptOptions) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Scale and shift per channel: value x scale + shift."""
    mean, std = np.array(options.mean, np.float64), np.array(options.std, np.float64)
    return (options.input_scale / std).astype(np.float32), (-mean / std).astype(np.float32)


def _assembled(
    original: onnx.ModelProto, given: onnx.ValueInfoProto, wanted: onnx.ValueInfoProto,
    found: _Found, taxonomy: Taxonomy, options: AdoptOptions,
) -> onnx.ModelProto:  # fmt: skip
    """The network between our nodes."""
    inner = compose.add_prefix(original, "net/")
    target = onnx.ValueInfoProto()
    target.CopyFrom(given)
    target.name = "net/" + given.name
    before, after = Builder("before"), Builder("after")
    scale, shift = _normalisation(options)
    input_nodes(
        before, INPUT_NAME, target, channels_first=found.channels_first,
        swap_colours=options.colour == "rgb", scale=scale, shift=shift,
    )  # fmt: skip
    scores = scores_nodes(
        after, "net/" + wanted.name, found.shape, found.class_axis, found.size_hw
    )  # fmt: skip
    output_nodes(
        after, scores, options.activation, taxonomy, options.temperature, found.single
    )  # fmt: skip
    u8 = TensorProto.UINT8
    rows, columns = found.size_hw
    graph = helper.make_graph(
        [*before.nodes, *inner.graph.node, *after.nodes],
        "touchdown",
        [helper.make_tensor_value_info(INPUT_NAME, u8, [found.height_px, found.width_px, 3])],
        [helper.make_tensor_value_info(name, u8, [4, rows, columns][name != "hazards":])
         for name in OUTPUT_NAMES],
        [*before.constants, *inner.graph.initializer, *after.constants],
    )  # fmt: skip
    graph.sparse_initializer.extend(inner.graph.sparse_initializer)
    model = helper.make_model(graph, opset_imports=inner.opset_import, producer_name="touchdown")
    model.ir_version = min(original.ir_version, MAX_IR_VERSION)
    model.producer_version = own_version()
    return model


def _pictures(found: _Found) -> list[ByteArray]:
    rng = np.random.default_rng(0)
    size = (found.height_px, found.width_px, 3)
    return [rng.integers(0, 256, size, dtype=np.uint8) // (1 + i) for i in range(_PICTURES)]


def _reference(
    original: onnx.ModelProto, given: onnx.ValueInfoProto, wanted: onnx.ValueInfoProto,
    found: _Found, taxonomy: Taxonomy, options: AdoptOptions, pictures: list[ByteArray],
) -> tuple[list[Maps], list[npt.NDArray[np.bool_]]]:  # fmt: skip
    """What the original gives, with all that is around it done in numpy; and where it ties."""
    session = open_session(original)
    kind = _TYPES[given.type.tensor_type.elem_type]
    scale, shift = _normalisation(options)
    maps: list[Maps] = []
    ties: list[npt.NDArray[np.bool_]] = []
    for picture in pictures:
        values = picture[..., ::-1] if options.colour == "rgb" else picture
        values = values.astype(np.float32) * scale + shift
        if found.channels_first:
            values = values.transpose(2, 0, 1)
        if len(given.type.tensor_type.shape.dim) == 4:
            values = values[None]
        fed = {given.name: np.ascontiguousarray(values.astype(kind))}
        scores = np.asarray(run_session(session, [wanted.name], fed, given.name)[0], np.float32)
        planes = _planes(scores, found)
        made, tie = reference_maps(
            planes, taxonomy, options.activation, options.temperature, found.single
        )
        maps.append(made)
        ties.append(tie)
    return maps, ties


def _planes(scores: npt.NDArray[np.float32], found: _Found) -> npt.NDArray[np.float32]:
    """Scores as (K, h, w) of the size that flies."""
    if found.class_axis is None:
        planes = scores.reshape(1, *shape_hw(found.shape))
    else:
        planes = np.moveaxis(scores, found.class_axis, -3)
        planes = planes.reshape(planes.shape[-3:])
    return resized(planes, found.size_hw, nearest=found.class_axis is None)


def _notes(found: _Found, options: AdoptOptions) -> tuple[str, ...]:
    notes = [
        f"{'NCHW' if found.channels_first else 'NHWC'} {options.colour.upper()} input "
        f"{found.width_px}x{found.height_px}; output {list(found.shape)} as {options.activation}, "
        f"every {found.stride} px"
    ]
    if options.activation == "labels":
        notes.append("labels are no probabilities: every threshold of the decision sees 0 or 1")
    if not options.licence:
        notes.append("no --licence was given: find out on what terms the weights may be used")
    return tuple(notes)
