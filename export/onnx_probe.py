"""Somebody else's segmentation ONNX: what has to be known of it, and what it takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, inliner, version_converter

from export.files import MAX_IR_VERSION, OPSET
from export.graph_wrap import shape_hw
from export.runtime import open_session, run_session
from landing.errors import InvalidValueError, ModelError, first_line
from landing.taxonomy import Taxonomy

ACTIVATIONS = {
    "logits": "before the softmax",
    "softmax": "probabilities that sum to one",
    "sigmoid": "probabilities, each class for itself",
    "sigmoid-logits": "before a sigmoid, each class for itself",
    "labels": "class ids: no probabilities, so thresholds mean nothing",
}
NUMPY_TYPES = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8,
}
_GREATEST_STRIDE = 32
_ROUNDING = 0.01
"""By which probabilities of float16 may miss their limits."""


@dataclass(frozen=True)
class ImportOptions:
    """Facts about a network that its file does not say.

    Attributes:
        taxonomy: Name or file; its classes in the order of the network's.
        mean, std: Of the scaled values, in the order of the network's channels.
        input_scale: Pixel values 0..255 are multiplied by it before mean and std.
        layout: `nchw`, `nhwc`, or empty to see it from the shape.
        colour: `rgb` or `bgr`: order of the network's channels.
        activation: Kind of output: a key of `ACTIVATIONS`.
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
class ProbedModel:
    """Input and output of a file, as found.

    Attributes:
        channels_first: (3, H, W) instead of (H, W, 3).
        width_px, height_px: Of its input.
        shape: Of its output.
        class_axis: The axis that counts classes; None where there is none.
        stride: Input pixels per pixel of the maps that are made of it.
        single: One channel that stands for class 1 of two.
    """

    channels_first: bool
    width_px: int
    height_px: int
    shape: tuple[int, ...]
    class_axis: int | None
    stride: int
    single: bool

    @property
    def size_hw(self) -> tuple[int, int]:
        """Rows and columns of the maps."""
        return self.height_px // self.stride, self.width_px // self.stride


def require_sound(options: ImportOptions) -> None:
    """Refuses options that no network has.

    Raises:
        InvalidValueError: Names the option, and what was expected.
    """
    if options.activation not in ACTIVATIONS:
        raise InvalidValueError(f"--activation {options.activation!r}: expected {', '.join(ACTIVATIONS)}")
    for name, values in (("mean", options.mean), ("std", options.std)):
        if len(values) != 3 or not np.all(np.isfinite(values)):
            raise InvalidValueError(f"--{name} {values}: expected three numbers")
    if min(options.std) <= 0 or options.input_scale <= 0 or options.temperature <= 0:
        raise InvalidValueError("--std, --input-scale and --temperature must be above 0")


def modern(model: onnx.ModelProto, source: str | Path) -> onnx.ModelProto:
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
            raise ModelError(
                f"model {source} is of opset {opset} and cannot be converted to {OPSET}: "
                f"{first_line(error)}. Export it with opset_version={OPSET}"
            ) from error
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    return model


def ends(
    model: onnx.ModelProto, options: ImportOptions, source: str | Path
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


def fix_input(given: onnx.ValueInfoProto, options: ImportOptions, source: str | Path) -> None:
    """Makes the input's shape static: batch 1, and the size asked for where the file has none.

    Raises:
        ModelError: It is no picture, or its size is open and none was given.
    """
    tensor = given.type.tensor_type
    dims = tensor.shape.dim
    sides = [d.dim_value if d.HasField("dim_value") else 0 for d in dims]
    if tensor.elem_type not in NUMPY_TYPES or len(dims) not in (3, 4):
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
            raise ModelError(f"model {source}: input {given.name} is {sides}; --input asks for {side} px there")
        if not picture[axis] and not side:
            raise ModelError(f"model {source}: its input size is open; give --input WxH")
        dim.dim_value = picture[axis] or side


def look(
    model: onnx.ModelProto,
    given: onnx.ValueInfoProto,
    wanted: onnx.ValueInfoProto,
    taxonomy: Taxonomy,
    options: ImportOptions,
    source: str | Path,
) -> ProbedModel:
    """Runs the network once and sees what comes out.

    Raises:
        ModelError: Nothing that could be classes per pixel.
    """
    sides = [d.dim_value for d in given.type.tensor_type.shape.dim]
    channels_first = sides[-3] == 3 and options.layout != "nhwc"
    height_px, width_px = sides[-2:] if channels_first else sides[-3:-1]
    kind = NUMPY_TYPES[given.type.tensor_type.elem_type]
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
        (s for s in (1, 2, 4, 8, 16, _GREATEST_STRIDE) if s + 0.5 > ratio and width_px % s == 0 and height_px % s == 0),
        0,
    )
    if not stride:
        raise ModelError(
            f"model {source}: gives {size[1]}x{size[0]} for {width_px}x{height_px}; expected at "
            f"least every {_GREATEST_STRIDE}th pixel"
        )
    return ProbedModel(channels_first, width_px, height_px, shape, class_axis, stride, single)


def require_kind(planes: npt.NDArray[np.float32], activation: str, classes: int, source: str | Path) -> None:
    """Refuses an output that cannot be of the kind it is said to be.

    Whatever is put behind the network would be right by the numbers and wrong in meaning, and so would its thresholds.

    Args:
        planes: What it gave of a picture, (K, h, w), or (1, h, w).
        activation: Key of `ACTIVATIONS`.
        classes: Of the taxonomy.
        source: For the message.

    Raises:
        ModelError: Says what it looks like.
    """
    least, greatest = float(planes.min()), float(planes.max())
    shares = least >= -_ROUNDING and greatest <= 1 + _ROUNDING
    whole = shares and len(planes) > 1 and float(np.abs(planes.sum(0) - 1).max()) <= _ROUNDING
    if activation == "labels":
        if not (least >= 0 and greatest < classes and np.array_equal(planes, np.rint(planes))):
            raise ModelError(
                f"model {source}: gives class ids up to {greatest:g}, from {least:g}; expected whole numbers of the "
                f"{classes} classes of the taxonomy"
            )
        return
    if activation in ("softmax", "sigmoid"):
        fits = whole if activation == "softmax" else shares
        likely = "sigmoid" if shares else {"softmax": "logits", "sigmoid": "sigmoid-logits"}[activation]
    else:
        fits = not shares or greatest == least
        likely = "softmax" if whole else "sigmoid"
    if not fits:
        raise ModelError(
            f"model {source}: gives {least:.3g} to {greatest:.3g}"
            f"{', which add up to 1' if whole else ''}: that is not {ACTIVATIONS[activation]}. Is it --activation "
            f"{likely} ({ACTIVATIONS[likely]})?"
        )


def _axes(
    shape: tuple[int, ...], classes: int, options: ImportOptions, channels_first: bool, source: str | Path
) -> tuple[int | None, tuple[int, int], bool]:
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
