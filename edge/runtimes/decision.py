"""The graph behind a network's logits, for runtimes that compute the network alone: ONNX Runtime computes the rest."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from edge.runtimes.archive import ArchiveManifest
from edge.runtimes.contract import Outputs, Runtime
from edge.runtimes.onnx_file import require_inside
from edge.runtimes.onnxruntime import LOAD_ERRORS, RUN_ERRORS, session_options
from landing.errors import ModelError, first_line
from landing.model.spec import ModelSpec
from landing.types import ByteArray

DECISION = "decision.onnx"


class DecisionGraph:
    """A session of the graph; `remedy` is the command that makes such files."""

    def __init__(self, path: Path, spec: ModelSpec, session: Any, remedy: str) -> None:
        self._path, self._remedy = path, remedy
        self._session, self._logits = session, session.get_inputs()[0]
        self._names = [spec.outputs.class_id, spec.outputs.landable, spec.outputs.hazards]
        self._run_options = ort.RunOptions()

    @classmethod
    def load(cls, path: Path, data: bytes, spec: ModelSpec, threads: int, remedy: str) -> DecisionGraph:
        """Loads the graph and holds it against the description.

        Raises:
            ModelError: It is damaged, takes no logits, or lacks an output of the description.
        """
        require_inside(data, path)
        own = session_options(threads)
        try:
            session = ort.InferenceSession(data, sess_options=own, providers=["CPUExecutionProvider"])
        except LOAD_ERRORS as error:
            raise ModelError(f"model {path}: {DECISION} cannot be loaded. ({first_line(error)})") from error
        again = f"Make it again: `{remedy}`"
        inputs, named = session.get_inputs(), [one.name for one in session.get_outputs()]
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            found = [f"{one.type} {one.shape}" for one in inputs]
            raise ModelError(f"model {path}: {DECISION} takes {found}, expected logits, float [1, K, h, w]. {again}")
        for name in (spec.outputs.class_id, spec.outputs.landable, spec.outputs.hazards):
            if name not in named:
                raise ModelError(
                    f"model {path}: has no output {name!r} that its ModelSpec promises, only {named}. {again}"
                )
        return cls(path, spec, session, remedy)

    def of(self, logits: npt.NDArray[np.float32]) -> Outputs:
        """The maps of logits, float32 (1, K, h, w).

        Raises:
            ModelError: Their shape is not the graph's, or it does not run.
        """
        if list(logits.shape) != list(self._logits.shape):
            raise ModelError(
                f"model {self._path}: its network gives {list(logits.shape)}, its decision takes "
                f"{list(self._logits.shape)}. Make it again with `{self._remedy}`."
            )
        try:
            maps = self._session.run(self._names, {self._logits.name: logits}, self._run_options)
        except RUN_ERRORS as error:
            raise ModelError(f"model {self._path} does not run: {first_line(error)}") from error
        return Outputs(*maps)

    def cancel(self) -> None:
        """Makes `of` in another thread raise `ModelError` soon. Takes no lock."""
        self._run_options.terminate = True

    def close(self) -> None:
        """Releases the session."""
        self._session = None


class LogitsRuntime(Runtime):
    """A runtime that computes the network up to its logits, of a file that brings the rest as a `DecisionGraph`.

    It does not overlap, unless a backend begins in `_start`.
    """

    def __init__(self, path: Path, manifest: ArchiveManifest, backend: str, decision: DecisionGraph) -> None:
        super().__init__(path, manifest.model, backend, manifest.gate)
        self._decision = decision
        self._picture: ByteArray | None = None

    def _start(self, picture: ByteArray) -> None:
        self._picture = np.ascontiguousarray(picture)

    def _finish(self) -> Outputs:
        assert self._picture is not None
        return self._decision.of(self._infer(self._picture))

    def _cancel(self) -> None:
        self._decision.cancel()  # the backend ends its network first

    def _close(self) -> None:
        self._picture = None
        self._release()
        self._decision.close()

    @abstractmethod
    def _infer(self, picture: ByteArray) -> npt.NDArray[np.float32]:
        """Logits, float32 (1, K, h, w), of the picture given last, uint8 (H, W, 3)."""

    @abstractmethod
    def _release(self) -> None:
        """Releases what the backend holds."""
