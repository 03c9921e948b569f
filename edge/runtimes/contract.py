"""The contract of all runtimes: a model file in, segmentations out."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.model.spec import Letterbox, ModelSpec
from landing.types import ByteArray, Frame, Segmentation


@dataclass(frozen=True)
class RuntimeOptions:
    """Choices for running a model.

    Attributes:
        backend: Name of the runtime, or ``auto`` to choose by file type.
        providers: ONNX Runtime execution providers by name, in order of preference.
        threads: Threads of one inference; 0 leaves it to the runtime.
        allow_failed_gate: Run a model that decides otherwise than its original by `export verify`.
        cuda_graph: Launch the network as one captured CUDA graph, where the runtime can.
        precision: Of layers in float, where there is a choice: ``fp32``, ``bf16``, or ``auto``: bfloat16 where the
            processor has it and the model was proven at it.
    """

    backend: str = "auto"
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    threads: int = 0
    allow_failed_gate: bool = False
    cuda_graph: bool = True
    precision: str = "auto"


@dataclass(frozen=True)
class Outputs:
    """A network's maps for its whole input, before the padding is cut off; uint8 (h, w), (h, w) and (4, h, w)."""

    class_id: ByteArray
    landable: ByteArray
    hazards: ByteArray


@dataclass(frozen=True)
class _Submitted:
    """A frame the network is at work on."""

    letterbox: Letterbox
    captured_at_ns: int
    preprocess_ns: int
    start_ns: int


class InferenceCancelledError(ModelError):
    """The inference was told to end by `Runtime.cancel`."""


class Runtime(ABC):
    """A loaded model. The public methods check and convert; backends fill in `_start`, `_finish`.

    One frame at a time: `segment`, or `submit` and later `result`. A runtime that `overlaps` works on the frame between
    the two, so that its caller can decide on the frame before meanwhile. One thread at a time, which need not be the
    one that loaded it.

    Attributes:
        path: The model file.
        spec: What the model says of itself.
        backend: Name of the runtime and what it runs on, for people.
        gate: What `export verify` found of it; None when it has not run.
        timings_ms: Parts of the last frame: ``preprocess``, and ``inference`` as the caller paid for it, without what
            was done between `submit` and `result`.
        device_ms: GPU time of the last frame: ``h2d``, ``compute``, ``d2h``; empty on a CPU.
        overlaps: Whether the network runs between `submit` and `result`.
    """

    overlaps = False

    def __init__(self, path: Path, spec: ModelSpec, backend: str, gate: GateReport | None = None) -> None:
        self.path = path
        self.spec = spec
        self.backend = backend
        self.gate = gate
        self.timings_ms: dict[str, float] = {}
        self.device_ms: dict[str, float] = {}
        self._submitted: _Submitted | None = None
        self._open = True
        self._cancelled = False
        self._at_work = threading.Lock()

    def segment(self, frame: Frame) -> Segmentation:
        """Letterboxes the picture, runs the network and cuts the padding off its outputs.

        Raises:
            ModelError: The model gives something else than its description says, or is closed.
        """
        self.submit(frame)
        return self.result()

    def submit(self, frame: Frame) -> None:
        """Letterboxes the picture and hands it to the network. It must not change until `result`.

        Raises:
            ModelError: The model does not run, is closed or is at work on another frame.
            InferenceCancelledError: After `cancel`.
        """
        with self._at_work:
            self._submit(frame)

    def _submit(self, frame: Frame) -> None:
        if self._cancelled:
            raise InferenceCancelledError(f"model {self.path} was told to end")
        if not self._open:
            raise ModelError(f"model {self.path} is closed")
        if self._submitted is not None:
            raise ModelError(f"model {self.path} is at work on another frame: call result() first")
        started_ns = time.perf_counter_ns()
        letterbox = Letterbox.fit((frame.width_px, frame.height_px), self.spec)
        picture = letterbox.apply(frame.image_bgr)
        ready_ns = time.perf_counter_ns()
        self._start(picture)
        done_ns = time.perf_counter_ns()
        self._submitted = _Submitted(letterbox, frame.captured_at_ns, ready_ns - started_ns, done_ns - ready_ns)

    def result(self) -> Segmentation:
        """Return the segmentation of the submitted frame; waits for it.

        Raises:
            ModelError: The model does not run, gives something else than its description says, is closed, or no frame
                was submitted.
            InferenceCancelledError: After `cancel`, or during it.
        """
        with self._at_work:
            try:
                return self._result()
            except ModelError as error:
                if self._cancelled:
                    raise InferenceCancelledError(f"model {self.path} was told to end") from error
                raise

    def _result(self) -> Segmentation:
        if not self._open:
            raise ModelError(f"model {self.path} is closed")
        submitted, self._submitted = self._submitted, None
        if submitted is None:
            raise ModelError(f"model {self.path} has no frame to give a result of")
        started_ns = time.perf_counter_ns()
        outputs = self._finish()
        self._check(outputs)
        letterbox = submitted.letterbox
        result = Segmentation(
            letterbox.crop(outputs.class_id),
            letterbox.crop(outputs.landable),
            letterbox.crop(outputs.hazards),
            submitted.captured_at_ns,
        )
        waited_ns = time.perf_counter_ns() - started_ns
        self.timings_ms = {
            "preprocess": submitted.preprocess_ns / 1e6,
            "inference": (submitted.start_ns + waited_ns) / 1e6,
        }
        return result

    def warm_up(self, between: Callable[[], None] | None = None) -> float:
        """Runs the network twice on grey, so that the first frame is not slow; ms of the second.

        Args:
            between: Called between the two; what it raises ends the warming up.

        Raises:
            ModelError: The model does not run, or gives something else than it describes.
        """
        size = (self.spec.input.height_px, self.spec.input.width_px, 3)
        grey = Frame(np.full(size, 127, dtype=np.uint8), 0, 0)
        self.segment(grey)
        if between is not None:
            between()
        self.segment(grey)
        return self.timings_ms["preprocess"] + self.timings_ms["inference"]

    def cancel(self) -> None:
        """Ends the inference that runs, where the backend can, and every later one.

        From any thread; returns at once.
        """
        self._cancelled = True
        self._cancel()

    def close(self) -> None:
        """Releases the model. Harmless when repeated.

        A model that is at work in another thread is left as it is: to take it from under its own code would end the
        process.
        """
        if not self._at_work.acquire(blocking=False):
            return
        try:
            if self._open:
                self._open = False
                self._close()
        finally:
            self._at_work.release()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, outputs: Outputs) -> None:
        stride = self.spec.outputs.stride
        height = self.spec.input.height_px // stride
        width = self.spec.input.width_px // stride
        expected = {"class_id": (height, width), "landable": (height, width)}
        expected["hazards"] = (4, height, width)  # type: ignore[assignment]
        for name, shape in expected.items():
            array = getattr(outputs, name)
            if array.shape != shape or array.dtype != np.uint8:
                raise ModelError(
                    f"model {self.path}: output {name} is {array.dtype} {array.shape}, its "
                    f"ModelSpec promises uint8 {shape}. Export it again with `touchdown export "
                    "onnx`."
                )

    @abstractmethod
    def _start(self, picture: ByteArray) -> None:
        """Gives the network its input, uint8 (H, W, 3)."""

    @abstractmethod
    def _finish(self) -> Outputs:
        """The outputs for the input given last, in memory of their own."""

    def _cancel(self) -> None:  # noqa: B027 - not every backend can
        """Makes `_finish` in another thread raise `ModelError` soon. Takes no lock."""

    @abstractmethod
    def _close(self) -> None:
        """Releases what the backend holds."""
