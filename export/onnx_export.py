"""Checkpoint to ONNX: one self-describing file, checked against the network before it appears."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from export.files import is_of_thresholds, replacing
from export.graph import (
    INPUT_NAME,
    OUTPUT_NAMES,
    LandingGraph,
    Upsample,
    stride_of,
    with_folded_input,
    without_upsampling,
)
from export.parity import TIE, Maps, Parity, compare, require_close, require_exact
from export.pictures import pictures_in, read_picture, spread
from export.retaxonomy import same_classes
from export.rewrite import rewritten, with_pooled_head
from export.runtime import runtime_maps
from export.to_onnx import to_onnx, with_half_weights
from landing.errors import InvalidValueError
from landing.model.confidence import SiteConfidence
from landing.model.spec import InputSpec, Letterbox, ModelSpec, OperatingPoint, OutputSpec, Provenance
from landing.reading import sha256_of
from landing.taxonomy import Taxonomy
from landing.types import ByteArray
from trainer.checkpoint import Checkpoint
from trainer.evaluation.scoring import stored_confidence

OUTPUT_STRIDES = (0, 1, 2, 4, 8, 16, 32)
OWN_STRIDE = 0
"""Output stride: as fine as the network's last convolution computes, and no finer."""

_RANDOM_PICTURES = 3
_MOST_CHECKED = 8


@dataclass(frozen=True)
class ExportOptions:
    """Choices of an export.

    Attributes:
        output_stride: Input pixels per output pixel; `OWN_STRIDE` for the network's own, without the enlargement of
            logits that smp appends.
        half_weights: Store large weights as float16: half the file, the same speed.
        temperature: Logits are divided by it, above 1 makes the model less sure; None for the checkpoint's own, or 1.
        name: Name in the ModelSpec; by default from architecture and taxonomy.
        check_images: Folder of pictures to check parity on too; empty for random ones only.
        upsample: The planes that are scaled up where the output is finer than the logits.
        taxonomy: Name or file of other roles for the same classes; empty for the checkpoint's.
    """

    output_stride: int = OWN_STRIDE
    half_weights: bool = False
    temperature: float | None = None
    name: str = ""
    check_images: str = ""
    upsample: Upsample = "maps"
    taxonomy: str = ""


@dataclass(frozen=True)
class ExportReport:
    """The exported file; parity of ONNX Runtime with torch, and of half weights with full ones (None without)."""

    path: Path
    size_bytes: int
    spec: ModelSpec
    parity: Parity
    half_parity: Parity | None


def export_onnx(checkpoint_path: str | Path, output: str | Path, options: ExportOptions | None = None) -> ExportReport:
    """Exports a checkpoint; the file appears only when it computes what the network computes.

    Raises:
        ModelError: The checkpoint is not usable, or the exported graph fails the comparison.
        DataError: A check picture cannot be read.
        InvalidValueError: The options do not fit the model.
        TouchdownError: The file cannot be written.
    """
    options = options or ExportOptions()
    target = Path(output)
    if not target.parent.is_dir():
        raise InvalidValueError(f"folder {target.parent} does not exist")
    checkpoint = Checkpoint.load(checkpoint_path)
    graph, spec = landing_graph(checkpoint, sha256_of(checkpoint_path), options)
    pictures = check_pictures(spec, options.check_images)
    model = to_onnx(faster(graph, spec), spec)
    # Against the graph as it was trained, so that what was rewritten is checked too.
    expected, ties = torch_maps(graph, pictures)
    found = runtime_maps(model, pictures)
    parity = compare(expected, found, ties)
    require_exact(parity, "the exported graph")
    half_parity = None
    if options.half_weights:
        model = with_half_weights(model)
        half_parity = compare(found, runtime_maps(model, pictures), ties)
        require_close(half_parity, "the file with half weights")
    data = model.SerializeToString()
    with replacing(target) as partial:
        partial.write_bytes(data)
    return ExportReport(target, len(data), spec, parity, half_parity)


def landing_graph(checkpoint: Checkpoint, sha256: str, options: ExportOptions) -> tuple[LandingGraph, ModelSpec]:
    """The torch graph of a checkpoint that everything exported is compared with, and its spec.

    Raises:
        ModelError: The checkpoint does not fit itself.
        InvalidValueError: The options do not fit the model.
    """
    if options.output_stride not in OUTPUT_STRIDES:
        raise InvalidValueError(f"output stride {options.output_stride}: expected 1, 2, 4, 8, 16 or 32")
    network = checkpoint.network()
    width_px, height_px = checkpoint.model.width_px, checkpoint.model.height_px
    bare, factor = without_upsampling(network)
    given = stride_of(network, width_px, height_px)
    own = given * factor
    stride = options.output_stride or own
    if own > given and stride < own and options.upsample == "logits":
        # As in training: the network enlarges its logits itself, and they are averaged from there.
        bare, own = network, given
    spec = describe(checkpoint, sha256, options, stride)
    graph = LandingGraph(
        bare, spec.taxonomy, spec.input.mean_rgb, spec.input.std_rgb, stride, spec.temperature, own, options.upsample
    ).eval()
    return graph, spec


def faster(graph: LandingGraph, spec: ModelSpec) -> LandingGraph:
    """The graph in the form that is exported: the same function, fewer operations."""
    reworked = copy.copy(graph)
    network = rewritten(graph.network)
    if graph.pool > 1 and (joined := with_pooled_head(network, graph.pool)) is not None:
        network, reworked.pool = joined, 1
    reworked._modules = {**graph._modules, "network": network}
    return with_folded_input(reworked, spec.input.width_px, spec.input.height_px)


def describe(checkpoint: Checkpoint, sha256: str, options: ExportOptions, stride: int) -> ModelSpec:
    """The ModelSpec of a checkpoint.

    Raises:
        InvalidValueError: The options do not fit the model.
        TaxonomyError: Another taxonomy was asked for that has other classes.
    """
    model, own = checkpoint.model, checkpoint.provenance
    taxonomy = checkpoint.taxonomy
    if options.taxonomy:
        taxonomy = same_classes(Taxonomy.load(options.taxonomy), taxonomy, options.taxonomy)
    operating = _operating_point(checkpoint, options, taxonomy)
    metrics = {
        f"{part}_{name}": value
        for part, scores in checkpoint.metrics.items()
        if isinstance(scores, dict) and part != "site_confidence"
        for name, value in scores.items()
        if isinstance(value, float) and (operating is not None or not is_of_thresholds(f"{part}_{name}"))
    }
    temperature = options.temperature or _number(checkpoint.metrics.get("temperature")) or 1.0
    try:
        return ModelSpec(
            name=options.name or f"{model.arch}-{model.encoder}-{taxonomy.name}",
            architecture=model.architecture,
            input=InputSpec(
                name=INPUT_NAME,
                width_px=model.width_px,
                height_px=model.height_px,
                mean_rgb=model.mean_rgb,
                std_rgb=model.std_rgb,
            ),
            outputs=OutputSpec(stride=stride),
            taxonomy=taxonomy,
            temperature=temperature,
            operating=operating,
            ground_range=checkpoint.ground_range,
            site_confidence=_site_confidence(checkpoint, options, taxonomy),
            provenance=Provenance(
                trained_on=own.get("trained_on", ""),
                recipe=own.get("recipe", ""),
                licence=own.get("licence", ""),
                touchdown_version=own.get("touchdown_version", ""),
                checkpoint_sha256=sha256,
                metrics=metrics,
            ),
        )
    except ValueError as error:
        raise InvalidValueError(f"export options do not fit the model: {error}") from error


def _operating_point(checkpoint: Checkpoint, options: ExportOptions, taxonomy: Taxonomy) -> OperatingPoint | None:
    """The thresholds chosen for the checkpoint, unless what they were chosen for is changed."""
    chosen = checkpoint.metrics.get("operating")
    if not isinstance(chosen, dict) or _other_sums(checkpoint, options, taxonomy):
        return None
    return OperatingPoint.model_validate(chosen)


def _site_confidence(checkpoint: Checkpoint, options: ExportOptions, taxonomy: Taxonomy) -> SiteConfidence | None:
    """The checkpoint's curve, unless the scores it is of are changed."""
    return None if _other_sums(checkpoint, options, taxonomy) else stored_confidence(checkpoint)


def _other_sums(checkpoint: Checkpoint, options: ExportOptions, taxonomy: Taxonomy) -> bool:
    """True where the probabilities by role are not those of the checkpoint."""
    other_roles = not np.array_equal(taxonomy.merge_matrix, checkpoint.taxonomy.merge_matrix)
    return other_roles or options.temperature is not None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def check_pictures(spec: ModelSpec, folder: str) -> list[ByteArray]:
    """Pictures of the input size to compare on: random ones, and some of a folder, letterboxed.

    Raises:
        DataError: The folder has no pictures, or one cannot be read.
    """
    width, height = spec.input.width_px, spec.input.height_px
    rng = np.random.default_rng(0)
    pictures: list[ByteArray] = []
    for blur_px in (1, 9, 41)[:_RANDOM_PICTURES]:
        noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        smooth = cv2.blur(noise, (blur_px, blur_px)).astype(np.float32)
        stretched = (smooth - smooth.min()) / max(1.0, float(smooth.max() - smooth.min())) * 255
        pictures.append(stretched.astype(np.uint8))
    if folder:
        for path in spread(pictures_in(folder), _MOST_CHECKED):
            image = read_picture(path)
            box = Letterbox.fit((image.shape[1], image.shape[0]), spec)
            pictures.append(box.apply(image))
    return pictures


def torch_maps(graph: LandingGraph, pictures: Sequence[ByteArray]) -> tuple[list[Maps], list[npt.NDArray[np.bool_]]]:
    """The maps that torch computes, and where the two best classes are a tie."""
    maps: list[Maps] = []
    ties: list[npt.NDArray[np.bool_]] = []
    with torch.inference_mode():
        for picture in pictures:
            logits = graph.logits(torch.from_numpy(picture))
            outputs = [output.numpy() for output in graph.maps(logits)]
            maps.append(dict(zip(OUTPUT_NAMES, outputs, strict=True)))
            first, second = logits.topk(2, dim=1).values[0].numpy()
            side = maps[-1]["class_id"].shape[0] // first.shape[0]
            ties.append(np.repeat(np.repeat(first - second < TIE, side, 0), side, 1))
    return maps, ties
