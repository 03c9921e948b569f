"""A build job: a graph, and a note of what to make of it.

The machine that builds needs neither onnx nor torch: a Jetson has TensorRT and the base package.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.model.manifest import BuilderOptions, Precision
from landing.model.spec import ModelSpec
from landing.reading import MODEL_BYTES, read_bytes, read_text

GRAPH_NAME, JOB_NAME, CACHE_NAME = "graph.onnx", "job.json", "timing.cache"


class BuildJob(BaseModel):
    """A note beside a prepared graph: the file it was made from, digests, precision, and the file's ModelSpec.

    `refusal` is the report of a gate that refused that file; the engine keeps it until it is judged itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    onnx_name: str
    onnx_sha256: str
    graph_sha256: str
    precision: Precision
    options: BuilderOptions
    model: ModelSpec
    refusal: GateReport | None = None


def write_job(folder: Path, job: BuildJob, graph: bytes) -> None:
    """Puts a graph and its note into a folder."""
    (folder / GRAPH_NAME).write_bytes(graph)
    (folder / JOB_NAME).write_text(job.model_dump_json(), "utf-8")


def read_job(path: Path) -> tuple[BuildJob, bytes]:
    """A note and the graph beside it.

    Raises:
        ModelError: One is missing or damaged, or they do not belong together.
    """
    try:
        job = BuildJob.model_validate_json(read_text(path, "build job", ModelError))
        graph = read_bytes(path.parent / GRAPH_NAME, "graph", ModelError, MODEL_BYTES)
    except OSError as error:
        raise ModelError(f"build job {path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ModelError(
            f"build job {path} is not valid: {where}: {first['msg']}. Both machines need the same version of touchdown"
        ) from error
    if hashlib.sha256(graph).hexdigest() != job.graph_sha256:
        raise ModelError(f"build job {path}: {GRAPH_NAME} beside it is damaged or another one")
    return job, graph
