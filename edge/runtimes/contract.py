"""What every runtime does: a model file in, segmentations out."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from landing.errors import ModelError
from landing.spec import Letterbox, ModelSpec
from landing.types import ByteArray, Frame, Segmentation


@dataclass(frozen=True)
class RuntimeOptions:
    """How a model is to be run.

    Attributes:
        backend: Name of the runtime, or ``auto`` to choose by file type.
        providers: ONNX Runtime execution providers by name, in order of preference.
        threads: Threads of one inference; 0 leaves it to the runtime.
    """

    backend: str = "auto"
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    threads: int = 0


@dataclass(frozen=True)
class Outputs:
    """What a network gives for its whole input, before the padding is cut off.

    Attributes:
        class_id: uint8 (h, w).
        landable: uint8 (h, w).
        hazards: uint8 (4, h, w).
    """

    class_id: ByteArray
    landable: ByteArray
    hazards: ByteArray


class Runtime(ABC):
    """A loaded model. The public methods check and convert; backends fill in `_infer`.

    Attributes:
        path: The model file.
        spec: What the model says of itself.
        backend: Name of the runtime and what it runs on, for people.
        timings_ms: Parts of the last `segment`: ``preprocess`` and ``inference``.
    """

    def __init__(self, path: Path, spec: ModelSpec, backend: str) -> None:
        self.path = path
        self.spec = spec
        self.backend = backend
        self.timings_ms: dict[str, float] = {}
        self._open = True

    def segment(self, frame: Frame) -> Segmentation:
        """Letterboxes the picture, runs the network and cuts the padding off its outputs.

        Raises:
            ModelError: The model gives something else than its description says, or is closed.
        """
        if not self._open:
            raise ModelError(f"model {self.path} is closed")
        start_ns = time.perf_counter_ns()
        letterbox = Letterbox.fit((frame.width_px, frame.height_px), self.spec)
        picture = letterbox.apply(frame.image_bgr)
        ready_ns = time.perf_counter_ns()
        outputs = self._infer(picture)
        self._check(outputs)
        result = Segmentation(
            letterbox.crop(outputs.class_id),
            letterbox.crop(outputs.landable),
            letterbox.crop(outputs.hazards),
            frame.captured_at_ns,
        )
        self.timings_ms = {
            "preprocess": (ready_ns - start_ns) / 1e6,
            "inference": (time.perf_counter_ns() - ready_ns) / 1e6,
        }
        return result

    def warm_up(self) -> float:
        """Runs the network twice on grey, so that the first frame is not slow; ms of the second.

        Raises:
            ModelError: The model does not run, or gives something else than it describes.
        """
        size = (self.spec.input.height_px, self.spec.input.width_px, 3)
        grey = Frame(np.full(size, 127, dtype=np.uint8), 0, 0)
        self.segment(grey)
        self.segment(grey)
        return self.timings_ms["preprocess"] + self.timings_ms["inference"]

    def close(self) -> None:
        """Releases the model. Harmless when repeated."""
        if self._open:
            self._open = False
            self._close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
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
    def _infer(self, picture: ByteArray) -> Outputs:
        """Runs the network on its input, uint8 (H, W, 3)."""

    @abstractmethod
    def _close(self) -> None:
        """Releases what the backend holds."""
