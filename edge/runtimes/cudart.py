"""The CUDA runtime library by ctypes: the two dozen calls an engine needs, each one checked.

No pycuda (compiles on the board), no cupy (large), no torch. What is allocated belongs to the `Device` that allocated
it, which gives everything back in reverse order when it is closed.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landing.errors import ModelError
from landing.problems import Problem
from landing.types import ByteArray

SONAMES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so")
FOLDERS = ("/usr/local/cuda/lib64", "/usr/local/cuda/lib")

SUCCESS, NOT_READY = 0, 600
_HOST_TO_DEVICE, _DEVICE_TO_HOST = 1, 2
_NON_BLOCKING = 1
_CAPTURE_THREAD_LOCAL = 1
_CC_MAJOR, _CC_MINOR = 75, 76
_PROPERTIES_BYTES = 8192
"""Well above the size of cudaDeviceProp in any CUDA; its name comes first in all of them."""

_P, _I, _U, _Z = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint, ctypes.c_size_t
_PP, _PI, _PF = ctypes.POINTER(_P), ctypes.POINTER(_I), ctypes.POINTER(ctypes.c_float)
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cudaGetDeviceCount": (_PI,),
    "cudaSetDevice": (_I,),
    "cudaRuntimeGetVersion": (_PI,),
    "cudaDriverGetVersion": (_PI,),
    "cudaGetDeviceProperties": (_P, _I),
    "cudaDeviceGetAttribute": (_PI, _I, _I),
    "cudaMalloc": (_PP, _Z),
    "cudaFree": (_P,),
    "cudaHostAlloc": (_PP, _Z, _U),
    "cudaFreeHost": (_P,),
    "cudaMemcpyAsync": (_P, _P, _Z, _I, _P),
    "cudaStreamCreateWithFlags": (_PP, _U),
    "cudaStreamDestroy": (_P,),
    "cudaStreamSynchronize": (_P,),
    "cudaStreamBeginCapture": (_P, _I),
    "cudaStreamEndCapture": (_P, _PP),
    "cudaGraphInstantiateWithFlags": (_PP, _P, ctypes.c_ulonglong),
    "cudaGraphLaunch": (_P, _P),
    "cudaGraphExecDestroy": (_P,),
    "cudaGraphDestroy": (_P,),
    "cudaEventCreateWithFlags": (_PP, _U),
    "cudaEventRecord": (_P, _P),
    "cudaEventQuery": (_P,),
    "cudaEventElapsedTime": (_PF, _P, _P),
    "cudaEventDestroy": (_P,),
}
"""Functions used and their argument types; every one returns a cudaError_t."""


class CudaError(ModelError):
    """The GPU cannot be used, or a CUDA call failed."""

    problem = Problem.RUNTIME


@dataclass(frozen=True)
class Gpu:
    """The facts that an engine is tied to; compute capability as ``8.7``, version of the CUDA runtime as ``12.6``."""

    name: str
    compute_capability: str
    cuda_version: str


def find_library() -> Any:
    """Loads libcudart of CUDA 11 to 13, from where the loader, the toolkit or pip put it.

    Raises:
        CudaError: There is none.
    """
    roots = [Path(folder) for folder in FOLDERS]
    for entry in sys.path:
        roots += sorted(Path(entry).glob("nvidia/cu*/lib")) if entry else []
    for path in [*SONAMES, *(str(root / name) for root in roots for name in SONAMES)]:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise CudaError(
        "no CUDA runtime library (libcudart.so.11 to 13) is installed here. On a Jetson it comes "
        "with JetPack (apt-get install nvidia-jetpack); without a GPU use the .onnx."
    )


class Cudart:
    """The library that `find_library` gives, with its return codes turned into errors.

    Raises:
        CudaError: A function is not in the library.
    """

    def __init__(self, library: Any) -> None:
        self._functions: dict[str, Callable[..., int]] = {}
        for name, arguments in SIGNATURES.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                raise CudaError(f"libcudart has no {name}: expected CUDA 11.4 or newer") from None
            function.argtypes = arguments
            function.restype = ctypes.c_int
            self._functions[name] = function
        self._text = library.cudaGetErrorString
        self._text.argtypes = (ctypes.c_int,)
        self._text.restype = ctypes.c_char_p

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function.

        Raises:
            CudaError: It did not succeed; says what and why.
        """
        code = self.code(name, *arguments)
        if code != SUCCESS:
            raise CudaError(f"{name}: {self.describe(code)}")

    def code(self, name: str, *arguments: Any) -> int:
        """Calls a function and gives its return code."""
        return self._functions[name](*arguments)

    def describe(self, code: int) -> str:
        """CUDA's own words for a return code."""
        text: bytes | None = self._text(code)
        return f"{(text or b'unknown error').decode('ascii', 'replace')} (CUDA error {code})"

    def number(self, name: str, *arguments: int) -> int:
        """Return the int that a function writes into its first argument."""
        value = ctypes.c_int()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value

    def handle(self, name: str, *arguments: Any) -> int:
        """Return the pointer that a function writes into its first argument."""
        value = ctypes.c_void_p()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value or 0


class Device:
    """The GPU: memory, one stream, events and captured graphs, all given back by `close`.

    Raises:
        CudaError: There is no GPU or no driver; says which.
    """

    def __init__(self, cuda: Cudart, index: int = 0) -> None:
        count = cuda.number("cudaGetDeviceCount")
        if index >= count:
            raise CudaError(f"GPU {index}: this machine has {count}")
        cuda.call("cudaSetDevice", index)
        self._cuda = cuda
        self._index = index
        with ExitStack() as stack:
            self.stream = cuda.handle("cudaStreamCreateWithFlags", _NON_BLOCKING)
            stack.callback(cuda.code, "cudaStreamDestroy", self.stream)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Gives everything back. Harmless when repeated."""
        self._stack.close()

    def finish(self) -> None:
        """Waits until nothing is under way, whether it succeeds or not."""
        self._cuda.code("cudaStreamSynchronize", self.stream)

    def describe(self) -> Gpu:
        """Return the facts that an engine built here is tied to."""
        return describe_gpu(self._cuda, self._index)

    def memory(self, size_bytes: int) -> int:
        """Address of new memory on the GPU."""
        address = self._cuda.handle("cudaMalloc", size_bytes)
        self._stack.callback(self._cuda.code, "cudaFree", address)
        return address

    def pinned(self, shape: tuple[int, ...]) -> ByteArray:
        """New page-locked host memory, which the GPU copies from and to by itself.

        Not to be used after `close`.
        """
        size = int(np.prod(shape))
        address = self._cuda.handle("cudaHostAlloc", size, 0)
        self._stack.callback(self._cuda.code, "cudaFreeHost", address)
        buffer = (ctypes.c_uint8 * size).from_address(address)
        return np.ctypeslib.as_array(buffer).reshape(shape)

    def upload(self, target: int, source: ByteArray) -> None:
        """Queues a copy to the GPU."""
        self._copy(target, source.ctypes.data, source.nbytes, _HOST_TO_DEVICE)

    def download(self, target: ByteArray, source: int) -> None:
        """Queues a copy from the GPU."""
        self._copy(target.ctypes.data, source, target.nbytes, _DEVICE_TO_HOST)

    def _copy(self, target: int, source: int, size: int, way: int) -> None:
        self._cuda.call("cudaMemcpyAsync", target, source, size, way, self.stream)

    def event(self) -> int:
        """A new mark that can be put on the stream."""
        handle = self._cuda.handle("cudaEventCreateWithFlags", 0)
        self._stack.callback(self._cuda.code, "cudaEventDestroy", handle)
        return handle

    def record(self, event: int) -> None:
        """Marks what has been queued so far."""
        self._cuda.call("cudaEventRecord", event, self.stream)

    def reached(self, event: int) -> bool:
        """Return True when everything before the mark is done.

        Raises:
            CudaError: Something before it failed.
        """
        code = self._cuda.code("cudaEventQuery", event)
        if code not in (SUCCESS, NOT_READY):
            raise CudaError(f"the GPU failed: {self._cuda.describe(code)}")
        return code == SUCCESS

    def elapsed_ms(self, first: int, second: int) -> float:
        """GPU time between two marks that were reached."""
        value = ctypes.c_float()
        self._cuda.call("cudaEventElapsedTime", ctypes.byref(value), first, second)
        return value.value

    def synchronize(self) -> None:
        """Waits until all that is queued is done."""
        self._cuda.call("cudaStreamSynchronize", self.stream)

    def capture(self, work: Callable[[], None]) -> int:
        """Records the calls that `work` puts on the stream; returns a handle for `launch`.

        Raises:
            CudaError: Something in it cannot be captured; the stream is usable again.
        """
        self._cuda.call("cudaStreamBeginCapture", self.stream, _CAPTURE_THREAD_LOCAL)
        graph = ctypes.c_void_p()
        try:
            work()
        finally:
            # Always, or the stream stays in capture mode.
            code = self._cuda.code("cudaStreamEndCapture", self.stream, ctypes.byref(graph))
            if graph.value:
                self._stack.callback(self._cuda.code, "cudaGraphDestroy", graph.value)
        if code != SUCCESS or not graph.value:
            raise CudaError(f"cudaStreamEndCapture: {self._cuda.describe(code)}")
        ready = self._cuda.handle("cudaGraphInstantiateWithFlags", graph.value, 0)
        self._stack.callback(self._cuda.code, "cudaGraphExecDestroy", ready)
        return ready

    def launch(self, graph: int) -> None:
        """Queues a captured graph."""
        self._cuda.call("cudaGraphLaunch", graph, self.stream)


def describe_gpu(cuda: Cudart, index: int = 0) -> Gpu:
    """Name, compute capability and CUDA version.

    Raises:
        CudaError: There is no GPU or no driver.
    """
    cuda.number("cudaGetDeviceCount")
    properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
    cuda.call("cudaGetDeviceProperties", properties, index)
    major = cuda.number("cudaDeviceGetAttribute", _CC_MAJOR, index)
    minor = cuda.number("cudaDeviceGetAttribute", _CC_MINOR, index)
    version = cuda.number("cudaRuntimeGetVersion")
    return Gpu(
        properties.value.decode("utf-8", "replace"), f"{major}.{minor}", f"{version // 1000}.{version % 1000 // 10}"
    )
