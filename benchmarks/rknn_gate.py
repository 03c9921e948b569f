"""A shipped model for each Rockchip NPU, in float16 and in 8 bits: does it decide as the ONNX file does?

    python -m benchmarks.rknn_gate synthetic-unet --python RKNN/bin/python \\
      --json benchmarks/results/rknn-synthetic-unet.json
    python -m docs.make.boards

Needs an environment with Rockchip's toolkit, which is no part of ours. Its simulator answers, on the pictures of
`benchmarks.boards`, and `export rknn` judges. Nothing is timed: a simulator says nothing of speed. 8-bit forms are
tried with more and more layers in float16; the row is of the last try.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.boards import SHOWN, calibration_of, pictures_of
from benchmarks.runner import ROOT, Figures, benchmark, table
from edge.runtimes.rknn_file import CHIPS, Chip
from export.rknn import ALGORITHMS
from export.rknn.make import Precision, RknnOptions, make_rknn
from landing.reading import sha256_of
from touchdown.models.registry import load_registry


def row_of(source: Path, scratch: Path, options: RknnOptions) -> dict[str, Any]:
    """The gate's word on one form."""
    tries: list[str] = []
    report = make_rknn(source, scratch / "made.rknn", options, tries.append)
    made, gate = report.manifest, report.manifest.gate
    assert gate is not None
    return {
        "board": made.board,
        "precision": made.precision,
        "algorithm": options.algorithm if made.precision == "int8" else "",
        "tensors in float16": len(made.in_float),
        "tries": len(tries) - 1,
        "toolkit": made.toolkit_version,
        "passed": gate.passed,
        "failures": list(gate.failures),
        **{name: gate.measured[name] for name in SHOWN if gate.measured[name] is not None},
        "bytes": report.path.stat().st_size if report.path else None,
    }


@benchmark
@click.argument("model", type=click.Choice([entry.name for entry in load_registry().models]))
@click.option("--python", required=True, type=click.Path(path_type=Path), help="Of the toolkit's environment.")
@click.option("--frames", default=20, show_default=True, help="At most so many pictures judge.")
@click.option("--pictures", default=8, show_default=True, help="At most so many calibrate.")
@click.option("--algorithm", default="normal", show_default=True, type=click.Choice(ALGORITHMS))
def main(model: str, python: Path, frames: int, pictures: int, algorithm: str) -> Figures:
    (entry,) = (entry for entry in load_registry().models if entry.name == model)
    source = ROOT / "models" / entry.file
    found = pictures_of(model)
    asked: list[tuple[Chip, Precision]] = [(chip, "fp16") for chip in CHIPS]
    asked.append((CHIPS[0], "int8"))
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = calibration_of(model, Path(scratch))
        for chip, precision in asked:
            options = RknnOptions(
                python=python,
                board=chip,
                calibrate=folder,
                precision=precision,
                algorithm=algorithm,
                labels=found.labels,
                gate_data=found.paths[0].parent,
                pictures=pictures,
                gate_pictures=frames,
            )
            rows.append(row_of(source, Path(scratch), options))
    click.echo(table(rows, ("board", "precision", "tensors in float16", "passed", *SHOWN[:3])))
    about: Figures = {"model": model, "sha256": sha256_of(source), "pictures": found.words}
    about |= {"frames": min(frames, len(found.paths)), "calibrated on": pictures}
    return {**about, "labelled": found.labels is not None, "forms": rows}
