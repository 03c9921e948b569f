"""Other roles, clearances and preferences for the classes of a finished model, no torch: the merge is replaced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edge.runtimes import require_same_classes
from export.files import at_thresholds, describe, read_model, redescribe, refusal_of, spec_of, write_model
from landing.errors import ModelError
from landing.model.spec import ModelSpec
from landing.taxonomy import Taxonomy


@dataclass(frozen=True)
class Retaxonomy:
    """The file, its new spec, and a line per class whose role or preference is another one."""

    path: Path
    spec: ModelSpec
    changed: tuple[str, ...]


def merge_sums(taxonomy: Taxonomy) -> npt.NDArray[np.float32]:
    """Weights (1 + 4 + 1, classes, 1, 1) of the convolution that merges: a row per role, and ones.

    The row of ones gives the denominator of the softmax.
    """
    merge = taxonomy.merge_matrix
    sums = np.concatenate([merge, np.ones((1, merge.shape[1]), np.float32)])
    return np.ascontiguousarray(sums[:, :, None, None])


def same_classes(other: Taxonomy, own: Taxonomy, origin: str) -> Taxonomy:
    """The other taxonomy, if it names the very same classes in the same order.

    Raises:
        TaxonomyError: It does not; names the first difference.
    """
    require_same_classes(
        other,
        own,
        f"taxonomy {origin} does not fit a model of {own.name!r}",
        "Roles, colours and clearances may differ, the classes and their order may not",
    )
    return other


def retaxonomy(source: str | Path, taxonomy_name: str, output: str | Path) -> Retaxonomy:
    """Writes a model that computes the same classes and merges them by another taxonomy.

    Where a role changes, thresholds, confidence, the figures at those thresholds and a gate that was passed are
    dropped: what they measured is no longer what flies. A gate that was not passed stays.

    Raises:
        ModelError: The file is no model of ours, or its merge is not where it should be.
        TaxonomyError: The taxonomy names other classes, or cannot be read.
        TouchdownError: The file cannot be written.
    """
    model = read_model(source)
    spec = spec_of(model, source)
    taxonomy = same_classes(Taxonomy.load(taxonomy_name), spec.taxonomy, taxonomy_name)
    tensor = _merge_tensor(model, spec, source)
    replacement = numpy_helper.from_array(merge_sums(taxonomy), tensor.name)
    tensor.CopyFrom(replacement)
    own = spec.taxonomy
    roles = tuple(
        f"{before.name}: {before.role.value} -> {after.role.value}"
        for before, after in zip(own.classes, taxonomy.classes, strict=True)
        if before.role is not after.role
    )
    preferences = tuple(
        f"{name}: preference {own.preference.get(name, 'none')} -> {taxonomy.preference.get(name, 'none')}"
        for name in (c.name for c in taxonomy.classes)
        if own.preference.get(name) != taxonomy.preference.get(name)
    )
    if roles:  # the rest is of sums over other classes
        spec = at_thresholds(spec, None).model_copy(update={"taxonomy": taxonomy, "site_confidence": None})
        describe(model, spec, refusal_of(model, source))
    else:
        spec = spec.model_copy(update={"taxonomy": taxonomy})
        redescribe(model, spec)
    write_model(model, output)
    return Retaxonomy(Path(output), spec, roles + preferences)


def _merge_tensor(model: onnx.ModelProto, spec: ModelSpec, source: str | Path) -> onnx.TensorProto:
    """The initializer that holds the merge of the ModelSpec, found by its value: another merge is refused.

    Raises:
        ModelError: There is none, or more than one.
    """
    expected = merge_sums(spec.taxonomy)
    found = [
        tensor
        for tensor in model.graph.initializer
        if tuple(tensor.dims) == expected.shape
        and tensor.data_type == onnx.TensorProto.FLOAT
        and np.array_equal(numpy_helper.to_array(tensor), expected)
    ]
    if len(found) != 1:
        raise ModelError(
            f"model {source}: {len(found)} tensors hold the merge of its taxonomy "
            f"{spec.taxonomy.name!r}, expected one. Export it again with `touchdown export onnx` "
            "or `export adopt`"
        )
    return found[0]
