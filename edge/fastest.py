"""Forms of the configured model that lie beside it and passed their gate: which is the fastest on this board?

A form is the configured file in another runtime, or another file of its folder that `export verify` or `export int8`
held against the same original, and that decides by the same rules. Each counts only in the runtime that its gate saw.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from edge.runtimes import RuntimeOptions, load_runtime
from edge.runtimes.forms import ARCHIVES, archive_kind
from edge.runtimes.onnx_file import metadata_of, read_onnx, without_metadata
from edge.runtimes.openvino import has_bf16
from landing.errors import ModelError
from landing.model.artefact import BF16_GATE_KEY, GATE_KEY, GateReport
from landing.model.operating import SETTING_OF
from landing.model.spec import ModelSpec
from landing.reading import sha256_of

WORTH = 1.2
"""Least speed-up of a form that is told of: less is within what a busy board varies."""

_ROUNDS = 5
_MODULES = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "ncnn": "ncnn",
    "rknn": "rknnlite",
    "hailo": "hailo_platform",
}
"""Package of a runtime by its first word in a gate's report; a simulator is none."""

FORMS = (".onnx", *ARCHIVES)


@dataclass(frozen=True)
class GatedForm:
    """A model file in a runtime, with the gate's word on it, and the median time of one frame, ms."""

    path: Path
    runtime: str
    gate: str
    frame_ms: float = 0.0

    @property
    def settings(self) -> str:
        """Lines of the configuration that fly it."""
        return f'[model] path = "{self.path}", [expert.model] runtime = "{self.runtime}"'


def gated_forms(path: Path, runtime: str) -> Iterator[GatedForm]:
    """Forms of a model that passed their gate and can run here, the configured one left out.

    Args:
        path: The configured file; an engine has no other form on its board.
        runtime: That runs it as configured.

    Raises:
        ModelError: The configured file cannot be read.
    """
    if path.suffix.lower() not in FORMS:
        return
    configured = _read(path)
    originals = {*configured.digests, *(gate.against_sha256 for _, gate in configured.gates if gate.passed)} - {""}
    for other in sorted({path, *(one for suffix in FORMS for one in path.parent.glob(f"*{suffix}"))}):
        try:
            file = _read(other)
        except ModelError:
            continue  # it is not what is configured
        if file.rules != configured.rules:
            continue
        for seen_in, gate in file.gates:
            if (other, seen_in) == (path, runtime) or not gate.passed or not _is_there(seen_in):
                continue
            if other == path or gate.against_sha256 in originals:
                yield GatedForm(other, seen_in, gate.describe())


def digests_of(path: Path) -> frozenset[str]:
    """SHA-256 of a file as it is, as its gates saw it, and as it was before it held one.

    Raises:
        ModelError: It cannot be read.
    """
    return _read(path).digests


def measured(forms: list[GatedForm], options: RuntimeOptions) -> list[GatedForm]:
    """The forms that load and run, with the time of one frame each, the fastest first."""
    times: dict[GatedForm, list[float]] = {}
    for form in forms:
        try:
            with load_runtime(form.path, replace(options, backend=form.runtime, precision="auto")) as runtime:
                runtime.warm_up()
                times[form] = [runtime.warm_up() for _ in range(_ROUNDS)]
        except ModelError:
            continue  # such a form does not fly here
    found = [replace(form, frame_ms=statistics.median(taken)) for form, taken in times.items()]
    return sorted(found, key=lambda form: form.frame_ms)


@dataclass(frozen=True)
class _ModelFile:
    """Description of an ONNX file or an archive by itself.

    Attributes:
        rules: Classes, thresholds, range of ground and input: all of a `ModelSpec` that decides beside the numbers.
        gates: Each gate's report, and the runtime whose answers it judged.
        digests: SHA-256 of the file as it is, as each gate saw it, and as it was before it held a gate.
    """

    rules: tuple[object, ...]
    gates: tuple[tuple[str, GateReport], ...]
    digests: frozenset[str]


def _read(path: Path) -> _ModelFile:
    """Read a file.

    Raises:
        ModelError: It cannot be read, or does not describe itself.
    """
    digests = {sha256_of(path)}
    here: list[GateReport | None]
    if kind := archive_kind(path):
        manifest = kind.read(path).manifest
        spec, here = manifest.model, [manifest.gate]
    else:
        data = read_onnx(path)
        metadata = metadata_of(data)
        spec = ModelSpec.from_metadata(metadata, f"model {path}")
        plain, bf16 = (GateReport.from_metadata(metadata, f"model {path}", key) for key in (GATE_KEY, BF16_GATE_KEY))
        here = [plain, bf16 if has_bf16() else None]
        digests.add(hashlib.sha256(without_metadata(data, (GATE_KEY, BF16_GATE_KEY))).hexdigest())
        digests.update(report.artefact_sha256 for report in (plain, bf16) if report is not None)
    gates = tuple((r.runtimes[1].split()[0], r) for r in here if r is not None and len(r.runtimes) == 2)
    return _ModelFile(_rules(spec), gates, frozenset(digests))


def _rules(spec: ModelSpec) -> tuple[object, ...]:
    """Return what decides; not where it comes from."""
    known, operating = spec.ground_range, spec.operating
    thresholds = None if operating is None else tuple(operating.of_role(role) for role in SETTING_OF)
    scale = None if known is None else (known.finest_mm, known.coarsest_mm)
    return spec.taxonomy, thresholds, scale, spec.input


def _is_there(runtime: str) -> bool:
    return runtime in _MODULES and find_spec(_MODULES[runtime]) is not None
