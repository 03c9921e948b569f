"""Forms of the configured model that lie beside it and passed their gate: which is the fastest on this board?

A form is the configured file in another runtime, or another file of its folder that `export verify` or `export int8`
held against the same original. Each counts only in the runtime that its gate saw.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from edge.runtimes import RuntimeOptions, load_runtime
from edge.runtimes.ncnn_file import SUFFIX as NCNN
from edge.runtimes.ncnn_file import read_ncnn
from edge.runtimes.onnx_file import metadata_of, read_onnx
from edge.runtimes.openvino import has_bf16
from landing.artefact import BF16_GATE_KEY, GATE_KEY, GateReport
from landing.errors import ModelError
from landing.reading import sha256_of

WORTH = 1.2
"""Least speed-up of a form that is told of: less is within what a busy board varies."""

_ROUNDS = 5
_MODULES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "ncnn": "ncnn"}


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
        path: The configured file, ONNX or ncnn; an engine has no other form on its board.
        runtime: That runs it as configured.

    Raises:
        ModelError: The configured file cannot be read.
    """
    if path.suffix.lower() not in (".onnx", NCNN):
        return
    originals = {sha256_of(path), *(gate.against_sha256 for _, gate in gates_of(path) if gate.passed)} - {""}
    for other in sorted({path, *path.parent.glob("*.onnx"), *path.parent.glob(f"*{NCNN}")}):
        try:
            gates = list(gates_of(other))
        except ModelError:
            continue  # it is not what is configured
        for seen_in, gate in gates:
            if (other, seen_in) == (path, runtime) or not gate.passed or not _is_there(seen_in):
                continue
            if other == path or gate.against_sha256 in originals:
                yield GatedForm(other, seen_in, gate.describe())


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


def gates_of(path: Path) -> Iterator[tuple[str, GateReport]]:
    """Each gate's report in an ONNX or ncnn file, and the runtime whose answers it judged.

    Raises:
        ModelError: It cannot be read.
    """
    if path.suffix.lower() == NCNN:
        reports = [read_ncnn(path).manifest.gate]
    else:
        metadata = metadata_of(read_onnx(path))
        keys = [GATE_KEY, *([BF16_GATE_KEY] if has_bf16() else [])]
        reports = [GateReport.from_metadata(metadata, f"model {path}", key) for key in keys]
    for report in reports:
        if report is not None and len(report.runtimes) == 2:
            yield report.runtimes[1].split()[0], report


def _is_there(runtime: str) -> bool:
    return runtime in _MODULES and find_spec(_MODULES[runtime]) is not None
