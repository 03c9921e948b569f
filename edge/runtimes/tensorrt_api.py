"""The one door to TensorRT, and as much of its Python interface as is used here.

TensorRT itself comes with a Jetson's system (`tensorrt`). `tensorrt_rtx` has the interface of TensorRT 11, is on PyPI
and builds without a GPU, so it proves on any machine that our graphs are taken; where there is a GPU it also runs its
own engines, which are no engines of TensorRT's. What a version has is asked of the module itself, never guessed from
its number.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from landing.errors import ModelError
from landing.problems import Problem

logger = logging.getLogger("tensorrt")
# Without a log set up (`export`), what TensorRT says is in our own messages, not on the terminal.
logger.addHandler(logging.NullHandler())

FLAVOURS = ("tensorrt", "tensorrt_rtx")


class Context(Protocol):
    """`IExecutionContext`: what one thread runs an engine with."""

    def set_tensor_address(self, name: str, memory: int) -> bool:
        """Set the GPU address of an input or output."""

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Puts the network on a stream; False when TensorRT could not."""


class Engine(Protocol):
    """`ICudaEngine`: a network made ready for one GPU."""

    @property
    def num_io_tensors(self) -> int:
        """Inputs and outputs."""

    def get_tensor_name(self, index: int) -> str:
        """Name of one of them."""

    def get_tensor_mode(self, name: str) -> Any:
        """`TensorIOMode.INPUT` or ``OUTPUT``."""

    def get_tensor_shape(self, name: str) -> Sequence[int]:
        """Its sides; -1 where open."""

    def get_tensor_dtype(self, name: str) -> Any:
        """Its `DataType`."""

    def create_execution_context(self) -> Context | None:
        """None when there is too little GPU memory."""


class EngineRuntime(Protocol):
    """`Runtime`: loads engines."""

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        """None when the engine is not for this TensorRT or GPU."""


class TensorRT(Protocol):
    """The module. What only the builder uses is left untyped: it differs between versions."""

    __name__: str
    __version__: str
    DataType: Any
    TensorIOMode: Any
    ILogger: Any
    Builder: Any
    OnnxParser: Any
    NetworkDefinitionCreationFlag: Any
    BuilderFlag: Any
    DeviceType: Any
    MemoryPoolType: Any

    def Runtime(self, logger: Any) -> EngineRuntime:
        """Something that loads engines."""


def open_tensorrt() -> TensorRT:
    """TensorRT if it is installed, else TensorRT for RTX.

    Raises:
        ModelError: Neither is, or its libraries do not load.
    """
    problems = []
    for name in FLAVOURS:
        try:
            module: Any = importlib.import_module(name)
        except ImportError as error:
            if not isinstance(error, ModuleNotFoundError) or error.name != name:
                problems.append(f"{name}: {error}")
            continue
        if hasattr(module, "Runtime"):
            found: TensorRT = module
            return found
        problems.append(f"{name}: {module} is not TensorRT")
    because = f" ({'; '.join(problems)})" if problems else ""
    raise ModelError(
        f"TensorRT is not installed for this Python{because}. On a Jetson: apt-get install "
        "python3-libnvinfer, and a venv made with --system-site-packages. Elsewhere use the .onnx.",
        Problem.RUNTIME,
    )


def flavour_of(module: TensorRT) -> str:
    """``tensorrt`` or ``tensorrt_rtx``."""
    return module.__name__


def make_logger(module: TensorRT) -> Any:
    """A TensorRT logger that writes to ours and keeps warnings and errors for a message.

    Its attribute ``said`` lists them as (is_error, text).
    """
    base: Any = module.ILogger

    class Logger(base):  # type: ignore[misc]  # a class of the module that was found
        def __init__(self) -> None:
            base.__init__(self)
            self.said: list[tuple[bool, str]] = []

        def log(self, severity: Any, message: str) -> None:
            # Called from TensorRT's threads; an exception here would end the process.
            levels = base.Severity
            if severity in (levels.INTERNAL_ERROR, levels.ERROR):
                self.said.append((True, message))
                logger.error("%s", message)
            elif severity == levels.WARNING:
                self.said.append((False, message))
                logger.warning("%s", message)
            else:
                logger.debug("%s", message)

    return Logger()
