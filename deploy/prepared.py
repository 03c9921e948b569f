"""The graph a drone builds its engine from: made where onnx is, built where TensorRT is."""

from __future__ import annotations

import tempfile
from pathlib import Path

from deploy.manifest import JOB_FOLDER
from landing.model.manifest import BuilderOptions, Precision


def prepare_job(model: Path, precision: Precision) -> dict[str, bytes]:
    """Makes a build job of `export trt`: the graph in its precision, and a note; content by path in the bundle.

    Raises:
        ModelError: The model cannot be had in that precision.
        ModuleNotFoundError: onnx is not installed: this needs the ``export`` extra.
    """
    # Not needed on a drone, and it needs onnx.
    from export.trt.job import write_job
    from export.trt.prepare import prepare

    prepared = prepare(model, precision)
    with tempfile.TemporaryDirectory(prefix="touchdown-job-") as name:
        folder = Path(name)
        write_job(folder, prepared.job(BuilderOptions(), prepared.name), prepared.data)
        return {f"{JOB_FOLDER}/{p.name}": p.read_bytes() for p in sorted(folder.iterdir())}
