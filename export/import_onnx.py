"""Somebody else's segmentation ONNX, made to fly: our input, our outputs, our description.

The network itself stays as it is. What is put before and after it is checked: the finished file has to compute what the
original does with preprocessing, softmax and merge written out in numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, compose, helper

from export.files import MAX_IR_VERSION, describe, read_model, write_model
from export.graph_wrap import Builder, input_nodes, output_nodes, scores_nodes, shape_hw
from export.onnx_probe import (
    NUMPY_TYPES,
    ImportOptions,
    ProbedModel,
    ends,
    fix_input,
    look,
    modern,
    require_kind,
    require_sound,
)
from export.parity import Maps, Parity, compare, require_close, require_exact
from export.reference import reference_maps, resized
from export.runtime import open_session, run_session, runtime_maps
from landing.distribution import VERSION
from landing.errors import InvalidValueError, ModelError
from landing.model.spec import InputSpec, ModelSpec, OutputSpec, Provenance
from landing.reading import sha256_of
from landing.taxonomy import Taxonomy
from landing.types import ByteArray

INPUT_NAME, OUTPUT_NAMES = "image", ("class_id", "landable", "hazards")
_PICTURES = 3
_FORMS = {".ncnn": "ncnn", ".param": "ncnn", ".bin": "ncnn", ".rknn": "rknn", ".hef": "hailo"}
"""Runtimes with a form of their own, by suffix."""


@dataclass(frozen=True)
class ImportedModel:
    """The file that was made, its spec, its parity with the original, and notes for the user."""

    path: Path
    spec: ModelSpec
    parity: Parity
    notes: tuple[str, ...]


def import_onnx(source: str | Path, output: str | Path, options: ImportOptions) -> ImportedModel:
    """Writes a file that flies; it appears only when it computes what the original does.

    Raises:
        ModelError: The file is damaged, has its weights elsewhere, or is no segmentation network that fits the options.
        TaxonomyError: The taxonomy cannot be read.
        InvalidValueError: An option is out of range.
        TouchdownError: The result cannot be written.
    """
    require_sound(options)
    form = _FORMS.get(Path(source).suffix.lower())
    if form is not None:
        raise ModelError(
            f"{source} is {form}'s own form, which holds nothing that its answers could be held against: adopt the "
            f"ONNX file that it was made from, then `touchdown export {form}` makes {form}'s form of that"
        )
    taxonomy = Taxonomy.load(options.taxonomy)
    original = modern(read_model(source), source)
    given, wanted = ends(original, options, source)
    fix_input(given, options, source)
    found = look(original, given, wanted, taxonomy, options, source)
    spec = _spec(Path(source), taxonomy, found, options)
    adopted = _assembled(original, given, wanted, found, taxonomy, options)
    describe(adopted, spec)
    pictures = _pictures(found)
    expected, ties = _reference(original, given, wanted, found, taxonomy, options, pictures, source)
    parity = compare(expected, runtime_maps(adopted, pictures), ties)
    if given.type.tensor_type.elem_type == TensorProto.FLOAT16:
        require_close(parity, "the adopted graph", "Export it with float32 weights")
    else:
        require_exact(parity, "the adopted graph")
    write_model(adopted, output)
    return ImportedModel(Path(output), spec, parity, _notes(found, options))


def _spec(path: Path, taxonomy: Taxonomy, found: ProbedModel, options: ImportOptions) -> ModelSpec:
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
                name=INPUT_NAME,
                width_px=found.width_px,
                height_px=found.height_px,
                mean_rgb=(mean[0], mean[1], mean[2]),
                std_rgb=(std[0], std[1], std[2]),
            ),
            outputs=OutputSpec(stride=found.stride),
            taxonomy=taxonomy,
            temperature=options.temperature,
            provenance=Provenance(
                trained_on=options.trained_on,
                licence=options.licence,
                recipe=f"touchdown export adopt {path.name}",
                touchdown_version=VERSION,
                checkpoint_sha256=digest,
            ),
        )
    except ValueError as error:
        raise InvalidValueError(f"the options do not fit {path}: {error}") from error


def _normalisation(options: ImportOptions) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Scale and shift per channel: value x scale + shift."""
    mean, std = np.array(options.mean, np.float64), np.array(options.std, np.float64)
    return (options.input_scale / std).astype(np.float32), (-mean / std).astype(np.float32)


def _assembled(
    original: onnx.ModelProto,
    given: onnx.ValueInfoProto,
    wanted: onnx.ValueInfoProto,
    found: ProbedModel,
    taxonomy: Taxonomy,
    options: ImportOptions,
) -> onnx.ModelProto:
    """The network between our nodes."""
    inner = compose.add_prefix(original, "net/")
    target = onnx.ValueInfoProto()
    target.CopyFrom(given)
    target.name = "net/" + given.name
    before, after = Builder("before"), Builder("after")
    scale, shift = _normalisation(options)
    input_nodes(
        before,
        INPUT_NAME,
        target,
        channels_first=found.channels_first,
        swap_colours=options.colour == "rgb",
        scale=scale,
        shift=shift,
    )
    scores = scores_nodes(after, "net/" + wanted.name, found.shape, found.class_axis, found.size_hw)
    output_nodes(after, scores, options.activation, taxonomy, options.temperature, found.single)
    u8 = TensorProto.UINT8
    rows, columns = found.size_hw
    graph = helper.make_graph(
        [*before.nodes, *inner.graph.node, *after.nodes],
        "touchdown",
        [helper.make_tensor_value_info(INPUT_NAME, u8, [found.height_px, found.width_px, 3])],
        [helper.make_tensor_value_info(name, u8, [4, rows, columns][name != "hazards" :]) for name in OUTPUT_NAMES],
        [*before.constants, *inner.graph.initializer, *after.constants],
    )
    graph.sparse_initializer.extend(inner.graph.sparse_initializer)
    model = helper.make_model(graph, opset_imports=inner.opset_import, producer_name="touchdown")
    model.ir_version = min(original.ir_version, MAX_IR_VERSION)
    model.producer_version = VERSION
    return model


def _pictures(found: ProbedModel) -> list[ByteArray]:
    rng = np.random.default_rng(0)
    size = (found.height_px, found.width_px, 3)
    return [rng.integers(0, 256, size, dtype=np.uint8) // (1 + i) for i in range(_PICTURES)]


def _reference(
    original: onnx.ModelProto,
    given: onnx.ValueInfoProto,
    wanted: onnx.ValueInfoProto,
    found: ProbedModel,
    taxonomy: Taxonomy,
    options: ImportOptions,
    pictures: list[ByteArray],
    source: str | Path,
) -> tuple[list[Maps], list[npt.NDArray[np.bool_]]]:
    """The maps of the original, with all that is around it done in numpy, and its ties.

    Raises:
        ModelError: It does not run, or gives another kind of output than is said.
    """
    session = open_session(original)
    kind = NUMPY_TYPES[given.type.tensor_type.elem_type]
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
        require_kind(planes, options.activation, len(taxonomy), source)
        made, tie = reference_maps(planes, taxonomy, options.activation, options.temperature, found.single)
        maps.append(made)
        ties.append(tie)
    return maps, ties


def _planes(scores: npt.NDArray[np.float32], found: ProbedModel) -> npt.NDArray[np.float32]:
    """Scores as (K, h, w) of the size that flies."""
    if found.class_axis is None:
        planes = scores.reshape(1, *shape_hw(found.shape))
    else:
        planes = np.moveaxis(scores, found.class_axis, -3)
        planes = planes.reshape(planes.shape[-3:])
    return resized(planes, found.size_hw, nearest=found.class_axis is None)


def _notes(found: ProbedModel, options: ImportOptions) -> tuple[str, ...]:
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
