"""CPU backends weighed: how fast each runs a model, and whether it decides the same.

    python -m benchmarks.cpu_backends FLOAT.onnx [INT8.onnx ...] --data PICTURES [--labels LABELS] \
        [--split CSV --split-column COLUMN] --json benchmarks/results/cpu_backends.json

Every file runs in ONNX Runtime and in OpenVINO, in float32 and in bfloat16, in turn on the same
frames; every way is held against the first file in ONNX Runtime by the gate of `export verify`.
For bfloat16 the share of layers that stay in float32 is varied too: what
`edge.runtimes.openvino_stages.EARLY_SHARE` was chosen from.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import click

from benchmarks.runner import Figures, benchmark, ratio, table
from edge.runtimes import RuntimeOptions, load_runtime, openvino, openvino_stages
from edge.runtimes.contract import Runtime
from export.comparison import Comparison
from export.limits import LIMITS
from export.pictures import LabelFolder, read_picture
from export.verify import VerifyOptions, frames_of, kind_of
from landing.types import Frame

SHARES = (0.0, 0.05, 0.125, 0.25, 0.4)
REST_S = 0.03
SHOWN = ("mean_difference", "class_disagreement", "false_safe_flips", "site_differs", "miou_drop", "hazard_recall_drop")


@dataclass
class Way:
    """A file in a runtime, with what was found of it."""

    name: str
    path: Path
    bf16: bool
    runtime: Runtime
    comparison: Comparison
    ms: list[float] = field(default_factory=list)


def ways_of(path: Path, reference: Path, threads: int) -> list[Way]:
    def way(name: str, runtime: Runtime, bf16: bool = False) -> Way:
        return Way(f"{path.name}, {name}", path, bf16, runtime, Comparison(runtime.spec))

    ort = RuntimeOptions("onnxruntime", threads=threads, allow_failed_gate=True)
    fp32 = RuntimeOptions("openvino", threads=threads, allow_failed_gate=True, precision="fp32")
    bf16 = RuntimeOptions("openvino", threads=threads, allow_failed_gate=True, precision="bf16")
    ways = [way("ONNX Runtime", load_runtime(path, ort)), way("OpenVINO", load_runtime(path, fp32))]
    if not openvino.has_bf16():
        return ways
    if path == reference:
        with mock.patch.object(openvino, "in_stages", lambda _m, model, _s: [(model, "bf16")]):
            ways.append(way("OpenVINO bf16 throughout", load_runtime(path, bf16), True))
        for share in SHARES:
            with mock.patch.object(openvino_stages, "EARLY_SHARE", share):
                name = f"OpenVINO bf16 but for the first {100 * share:g} % and the decision"
                ways.append(way(name, load_runtime(path, bf16), True))
    else:
        ways.append(way("OpenVINO bf16", load_runtime(path, bf16), True))
    return ways


def measure(models: tuple[Path, ...], threads: int, options: VerifyOptions) -> list[Figures]:
    reference = models[0]
    ways = [w for path in models for w in ways_of(path, reference, threads)]
    taxonomy = ways[0].runtime.spec.taxonomy
    for way in ways:
        way.runtime.warm_up()
    truth = None if options.labels is None else LabelFolder(options.labels, taxonomy)
    for i, path in enumerate(frames_of(options)):
        image = read_picture(path)
        labels = None if truth is None else truth.read(path)
        expected = None
        for way in ways:
            time.sleep(REST_S)
            start = time.perf_counter()
            seen = way.runtime.segment(Frame(image, i, 0))
            way.ms.append(1e3 * (time.perf_counter() - start))
            expected = expected if expected is not None else seen
            way.comparison.add(expected, seen, labels, (image.shape[1], image.shape[0]))
    return [row(way, ways[0], reference) for way in ways]


def row(way: Way, first: Way, reference: Path) -> dict[str, Any]:
    measured = way.comparison.measured()
    failures = LIMITS[kind_of(reference, way.path, way.bf16)].failures(measured)
    return {
        "way": way.name,
        "median_ms": statistics.median(way.ms),
        "least_ms": min(way.ms),
        "times faster than the first": ratio(way.ms, first.ms),
        "passed": not failures,
        "failures": failures,
        "frames": way.comparison.frames,
        **{name: measured[name] for name in SHOWN if measured[name] is not None},
    }


@benchmark
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of pictures.")
@click.option("--labels", type=click.Path(path_type=Path, exists=True), help="Folder of label maps.")
@click.option("--split", type=click.Path(path_type=Path, exists=True))
@click.option("--split-column", default="split")
@click.option("--frames", default=0, help="At most so many; all by default.")
@click.option("--threads", default=2, show_default=True)
def main(models: tuple[Path, ...], threads: int, frames: int, **options: Any) -> Figures:
    verify = VerifyOptions(frames=frames, **options)
    rows = measure(models, threads, verify)
    click.echo(table(rows, ("way", "median_ms", "times faster than the first", *SHOWN[1:4], "passed")))
    return {"threads": threads, "ways": rows}
