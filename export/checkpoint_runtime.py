"""A checkpoint behind the runtimes' contract, to be compared with what flies. It never flies."""

from __future__ import annotations

from pathlib import Path

import torch

from edge.runtimes.contract import Outputs, Runtime
from export.graph import LandingGraph
from export.onnx_export import ExportOptions, landing_graph
from landing.model.spec import ModelSpec
from landing.reading import sha256_of
from landing.types import ByteArray
from trainer.checkpoint import Checkpoint


class CheckpointRuntime(Runtime):
    """The torch graph that an export is checked against, on the CPU."""

    def __init__(self, path: Path, spec: ModelSpec, graph: LandingGraph) -> None:
        super().__init__(path, spec, f"torch {torch.__version__} (CPU)")
        self._graph = graph
        self._picture: ByteArray | None = None

    @classmethod
    def load(cls, path: Path, like: ModelSpec | None = None) -> CheckpointRuntime:
        """Reads a checkpoint; an export that it is compared with gives output stride, temperature and roles.

        Raises:
            ModelError: Missing, broken or not one of ours.
        """
        checkpoint = Checkpoint.load(path)
        options = ExportOptions()
        if like is not None:
            options = ExportOptions(output_stride=like.outputs.stride, temperature=like.temperature)
        graph, spec = landing_graph(checkpoint, sha256_of(path), options)
        if like is not None:
            spec = spec.model_copy(update={"operating": like.operating})
        return cls(path, spec, graph)

    def _start(self, picture: ByteArray) -> None:
        self._picture = picture

    def _finish(self) -> Outputs:
        with torch.inference_mode():
            maps = self._graph(torch.from_numpy(self._picture))
        class_id, landable, hazards = (one.numpy() for one in maps)
        return Outputs(class_id, landable, hazards)

    def _close(self) -> None:
        self._picture = None
