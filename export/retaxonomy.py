"""Other roles for the classes of a finished model: the merge in its graph is replaced, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edge.runtimes import require_same_classes
from export.files import describe, read_model, spec_of, write_model
from landing.errors import ModelError
from landing.spec import ModelSpec
from landing.taxonomy import Taxonomy


@dataclass(frozen=True)
class Retaxonomy:
    """The file, its new spec, and a line per class whose role is another one."""

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

    A gate report of the old merge is dropped: what it measured is no longer what flies.

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
    changed = tuple(
        f"{before.name}: {before.role.value} -> {after.role.value}"
        for before, after in zip(spec.taxonomy.classes, taxonomy.classes, strict=True)
        if before.role is not after.role
    )
    updates: dict[str, Any] = {"taxonomy": taxonomy}
    if changed:
        updates |= {"operating": None, "site_confidence": None}  # of sums over other classes
    spec = spec.model_copy(update=updates)
    describe(model, spec)
    write_model(model, output)
    return Retaxonomy(Path(output), spec, changed)


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
