"""Models for a Hailo accelerator, from a file that `touchdown export hailo` wrapped.

The accelerator computes the network by HailoRT's Python package `hailo_platform`; ONNX Runtime computes what follows
the logits. HailoRT comes with its driver from Hailo or the board's maker (`hailo-all` on Raspberry Pi OS), not from
PyPI.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.runtimes.archive import version_numbers
from edge.runtimes.contract import RuntimeOptions
from edge.runtimes.decision import DECISION, DecisionGraph, LogitsRuntime
from edge.runtimes.gate import require_gate
from edge.runtimes.hailo_file import HAILO, NETWORK, HailoManifest, header_of
from landing.errors import ModelError, first_line
from landing.problems import Problem
from landing.types import ByteArray

PACKAGE = "hailo_platform"
TIMEOUT_MS = 2000
"""A network that takes longer has no part in a landing."""

_CALL_ERRORS = (RuntimeError, ValueError, OSError, MemoryError, AttributeError, TypeError)


class HailoRuntime(LogitsRuntime):
    """A ``.hef`` file of ours, on a Hailo accelerator, which works between `submit` and `result`."""

    overlaps = True

    def __init__(self, path: Path, manifest: HailoManifest, device: HailoDevice, decision: DecisionGraph) -> None:
        super().__init__(path, manifest, f"hailo {device.version} ({manifest.chip})", decision)
        self._device = device

    @classmethod
    def load(cls, path: Path, options: RuntimeOptions) -> HailoRuntime:
        """Reads the file, holds it against its manifest and this machine, and hands the network to the accelerator.

        Raises:
            ModelError: Missing, damaged, not as described, for another chip or HailoRT, or refused by its gate; there
                is no accelerator; or HailoRT is not installed.
        """
        file = HAILO.read(path)
        manifest = file.manifest
        require_gate(path, manifest.gate, options)
        header = header_of(file.parts[NETWORK])
        if header is None or manifest.chip not in header.chips:
            named = " or ".join(header.chips) if header and header.chips else "no chip that is known here"
            raise ModelError(
                f"model {path}: its network is for {named}, its manifest says {manifest.chip}. {HAILO.remedy}"
            )
        decision = DecisionGraph.load(path, file.parts[DECISION], manifest.model, options.threads, HAILO.command)
        device = HailoDevice(path, manifest)
        try:
            device.take(file.parts[NETWORK])
        except ModelError:
            device.release()
            raise
        return cls(path, manifest, device, decision)

    def _start(self, picture: ByteArray) -> None:
        super()._start(np.array(picture))  # HailoRT takes no memory that may not be written
        assert self._picture is not None
        self._device.begin(self._picture)

    def _infer(self, picture: ByteArray) -> npt.NDArray[np.float32]:
        logits = self._device.logits()
        if not np.isfinite(logits).all():
            raise ModelError(f"model {self.path}: the accelerator gave numbers that are none. Fly the ONNX file")
        return np.ascontiguousarray(logits.transpose(2, 0, 1)[None])

    def _release(self) -> None:
        self._device.release()


class HailoDevice:
    """The one door to HailoRT: an accelerator with one network, one frame at a time.

    Raises:
        ModelError: HailoRT is not installed or of another version, or there is no accelerator of the network's chip.
    """

    def __init__(self, path: Path, manifest: HailoManifest) -> None:
        self._path = path
        self._module = _open(path, manifest)
        self.version = str(self._module.__version__)
        self._target: Any = None
        self._network: Any = None
        self._job: Any = None
        self._logits = np.empty((0, 0, 0), np.float32)
        with self._naming("does not find an accelerator"):
            found = list(self._module.Device.scan())
            chips = [_chip(self._module, name) for name in found]
            if manifest.chip in chips:
                settings = self._module.VDevice.create_params()
                settings.scheduling_algorithm = self._module.HailoSchedulingAlgorithm.ROUND_ROBIN
                self._target = self._module.VDevice(settings)
        if self._target is None:
            here = ", ".join(chips) or "no Hailo accelerator"
            raise ModelError(
                f"model {path} was compiled for {manifest.chip}, this machine has {here}. Compile it for this one with "
                "`touchdown export hailo --chip`, or fly the ONNX file",
                Problem.RUNTIME,
            )

    def take(self, network: bytes) -> None:
        """Hands a network to the accelerator.

        Raises:
            ModelError: HailoRT does not take it, or it has more than one input or output.
        """
        with self._naming("does not take its network"):
            model = self._target.create_infer_model(network)
            ends = len(model.inputs), len(model.outputs)
            if ends == (1, 1):
                model.output().set_format_type(self._module.FormatType.FLOAT32)
                self._logits = np.empty(tuple(model.output().shape), np.float32)
                self._network = model.configure()
        if self._network is None or self._logits.ndim != 3:
            raise ModelError(
                f"model {self._path}: its network has {ends[0]} inputs and {ends[1]} outputs, {self._logits.ndim} "
                f"sides of the last; expected 1, 1 and 3. {HAILO.remedy}"
            )

    def begin(self, picture: ByteArray) -> None:
        """Starts on a picture, uint8 (H, W, 3), which must not change until `logits`.

        Each frame has bindings of its own: HailoRT's keep memory of the run that they were used for.

        Raises:
            ModelError: HailoRT does not start, or takes another size.
        """
        self._logits = np.full(self._logits.shape, np.nan, np.float32)
        with self._naming("does not run"):
            bindings = self._network.create_bindings()
            bindings.input().set_buffer(picture)
            bindings.output().set_buffer(self._logits)
            self._job = self._network.run_async([bindings])

    def logits(self) -> npt.NDArray[np.float32]:
        """Waits for the logits of the picture that was begun, float32 (h, w, K).

        Raises:
            ModelError: The accelerator fails, or is not done within `TIMEOUT_MS`.
        """
        with self._naming("does not run"):
            self._job.wait(TIMEOUT_MS)
        return self._logits

    def release(self) -> None:
        """Gives the accelerator back."""
        self._job = self._network = None
        if self._target is not None:
            self._target.release()
            self._target = None

    @contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        """Makes errors of HailoRT ours, in a line."""
        try:
            yield
        except (self._module.HailoRTException, *_CALL_ERRORS) as error:
            raise ModelError(
                f"model {self._path}: HailoRT {what}: {first_line(error)}. Is its driver there (/dev/hailo0), of the "
                "same version, and may this user open it?",
                Problem.RUNTIME,
            ) from error


def _open(path: Path, manifest: HailoManifest) -> Any:
    """HailoRT's module, of a version that reads what the compiler wrote.

    Raises:
        ModelError: It is not installed, older, or of the line for other chips.
    """
    try:
        module = importlib.import_module(PACKAGE)
        here = version_numbers(str(module.__version__))
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"model.runtime 'hailo': HailoRT's {PACKAGE} is not installed for this Python ({first_line(error)}). "
            "Install HailoRT (`apt install hailo-all` on Raspberry Pi OS) and let this Python see the system's "
            "packages; or fly the .onnx",
            Problem.RUNTIME,
        ) from error
    least = manifest.least_runtime
    if here[:1] != least[:1] or here < least:
        raise ModelError(
            f"model {path} was compiled by Dataflow Compiler {manifest.compiler_version}, which wants HailoRT "
            f"{least[0]}.{least[1]} or a newer {least[0]}.x; here is {module.__version__}. Update HailoRT, or compile "
            "the model with the compiler that belongs to it",
            Problem.RUNTIME,
        )
    return module


def _chip(module: Any, name: str) -> str:
    """Chip of a device, by the compiler's name."""
    with module.Device(name) as device:
        return str(device.control.identify().device_architecture.name).lower()
