"""Runtimes: one contract, chosen by the type of the model file."""

from __future__ import annotations

from pathlib import Path

from edge.runtimes.contract import Runtime, RuntimeOptions
from landing.errors import ModelError, TaxonomyError
from landing.model.spec import ModelSpec
from landing.problems import Problem
from landing.taxonomy import Taxonomy

__all__ = ["BACKENDS", "Runtime", "RuntimeOptions", "load_runtime", "require_same_classes", "taxonomy_for"]

BACKENDS = ("auto", "onnxruntime", "openvino", "ncnn", "rknn", "hailo", "tensorrt")
BACKEND_OF_SUFFIX = {".onnx": "onnxruntime", ".ncnn": "ncnn", ".rknn": "rknn", ".hef": "hailo", ".engine": "tensorrt"}


def load_runtime(path: Path, options: RuntimeOptions | None = None) -> Runtime:
    """Loads a model with the runtime for its type.

    Raises:
        ModelError: The file is missing, damaged, of a type no runtime takes, not as it describes itself, built for
            another machine, or failed its gate.
    """
    chosen = options if options is not None else RuntimeOptions()
    backend = chosen.backend
    if backend == "auto":
        found = BACKEND_OF_SUFFIX.get(path.suffix.lower())
        if found is None:
            raise ModelError(
                f"model {path}: no runtime takes {path.suffix or 'a file without suffix'!r}; "
                f"expected {', '.join(BACKEND_OF_SUFFIX)}"
            )
        backend = found
    if chosen.precision != "auto" and backend != "openvino":
        raise ModelError(
            f"model.precision {chosen.precision!r}: {backend} computes {path} as the file says; "
            "leave precision out, or set model.runtime to openvino",
            Problem.RUNTIME,
        )
    if backend == "onnxruntime":
        # Imported here: loading ONNX Runtime takes a while, and other runtimes do without it.
        from edge.runtimes.onnxruntime import OnnxRuntime

        return OnnxRuntime.load(path, chosen)
    if backend == "openvino":
        from edge.runtimes.openvino import OpenVinoRuntime

        return OpenVinoRuntime.load(path, chosen)
    if backend == "ncnn":
        from edge.runtimes.ncnn import NcnnRuntime

        return NcnnRuntime.load(path, chosen)
    if backend == "rknn":
        from edge.runtimes.rknn import RknnRuntime

        return RknnRuntime.load(path, chosen)
    if backend == "hailo":
        from edge.runtimes.hailo import HailoRuntime

        return HailoRuntime.load(path, chosen)
    if backend == "tensorrt":
        from edge.runtimes.tensorrt import TensorRTRuntime

        return TensorRTRuntime.load(path, chosen)
    raise ModelError(f"model.runtime {backend!r}: expected {', '.join(BACKENDS)}", Problem.RUNTIME)


def taxonomy_for(spec: ModelSpec, override: str | Path | None) -> Taxonomy:
    """The taxonomy to decide with: the model's own, or another one of the very same classes.

    Only what it says beside the classes (clearances, preferences, colours) can differ: which classes are merged is part
    of the network's graph.

    Raises:
        TaxonomyError: The other taxonomy has other classes or gives one another role.
    """
    if override is None:
        return spec.taxonomy
    other = Taxonomy.load(override)
    require_same_classes(
        other,
        spec.taxonomy,
        f"taxonomy {override} does not fit model {spec.name!r}",
        f"Use the taxonomy it was trained with ({spec.taxonomy.name!r}), or leave model.taxonomy out",
    )
    for own, asked in zip(spec.taxonomy.classes, other.classes, strict=True):
        if own.role is not asked.role:
            raise TaxonomyError(
                f"taxonomy {override}: class {own.name!r} is {asked.role.value!r} there and "
                f"{own.role.value!r} in the model's graph. Export the model again with that "
                "taxonomy."
            )
    return other


def require_same_classes(other: Taxonomy, own: Taxonomy, what: str, remedy: str) -> None:
    """Requires that a taxonomy names the classes of a model's own, in the same order.

    Raises:
        TaxonomyError: It does not; says what is wrong, the first difference and the remedy.
    """
    own_names, names = [c.name for c in own.classes], [c.name for c in other.classes]
    if own_names == names:
        return
    pairs = enumerate(zip(own_names, names, strict=False))
    differing = next(
        (f"class {i} is {a!r} in the model and {b!r} in the taxonomy" for i, (a, b) in pairs if a != b),
        f"the model has {len(own_names)} classes, the taxonomy {len(names)}",
    )
    raise TaxonomyError(f"{what}: {differing}. {remedy}")
