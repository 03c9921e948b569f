"""A GPU made of host memory, behind the very functions of libcudart that the product calls.

Work put on a stream happens late, as on a GPU: only when an event is asked about for the second time, or the stream is
waited for. Whoever reads a result too early reads what was there before. Sizes, addresses, freed memory and the capture
mode are checked, and leaks can be counted.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

INVALID_VALUE, NO_MEMORY, NO_DRIVER, NOT_READY, CAPTURE_BROKEN = 1, 2, 35, 600, 901
TEXTS = {
    INVALID_VALUE: b"invalid argument",
    NO_MEMORY: b"out of memory",
    NO_DRIVER: b"CUDA driver version is insufficient for CUDA runtime version",
    CAPTURE_BROKEN: b"operation failed due to a previous error during capture",
}
Work = Callable[[], None]


@dataclass
class Stream:
    queue: list[Work] = field(default_factory=list)
    captured: list[Work] | None = None

    def add(self, work: Work) -> None:
        (self.queue if self.captured is None else self.captured).append(work)

    def run(self) -> None:
        while self.queue:
            self.queue.pop(0)()


@dataclass
class Event:
    stream: Stream | None = None
    reached: bool = True
    asked: int = 0


class FakeCudart:
    """Give it to `edge.runtimes.cudart.Cudart` in place of the library.

    Attributes:
        fail: Return codes by function, given instead of doing anything.
        called: Names of the functions called, in order.
        spoils_captures: Whether a capture ends with an error.
    """

    def __init__(self, gpu: str = "Orin", capability: tuple[int, int] = (8, 7)) -> None:
        self.gpu, self.capability = gpu, capability
        self.fail: dict[str, int] = {}
        self.called: list[str] = []
        self.spoils_captures = False
        self.device: dict[int, Any] = {}
        self.host: dict[int, Any] = {}
        self.things: dict[int, Any] = {}
        self._next = 0x1000
        for name in [n for n in dir(type(self)) if n.startswith("_cuda")]:
            setattr(self, name[1:], self._function(name[1:], getattr(self, name)))

        def text(code: int) -> bytes:
            return TEXTS.get(code, b"some error")

        self.cudaGetErrorString = text

    def _function(self, name: str, body: Callable[..., int | None]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            # As many as the library is declared to take: ctypes would pass others as well.
            assert len(arguments) == len(call.argtypes), name  # type: ignore[attr-defined]
            self.called.append(name)
            return self.fail.get(name) or body(*arguments) or 0

        return call

    @property
    def live(self) -> int:
        """Buffers and handles that were not given back."""
        return len(self.device) + len(self.host) + len(self.things)

    def stream(self, handle: int) -> Stream:
        found = self.things[handle]
        assert isinstance(found, Stream)
        return found

    def view(self, address: int, size: int) -> Any:
        """Device memory as a ctypes array; it must be inside one allocation."""
        assert self._holds(self.device, address, size), "not device memory"
        return (ctypes.c_uint8 * size).from_address(address)

    @staticmethod
    def _holds(memory: dict[int, Any], address: int, size: int) -> bool:
        return any(a <= address and address + size <= a + len(b) for a, b in memory.items())

    def _add(self, out: Any, thing: Any) -> None:
        self._next += 16
        self.things[self._next] = thing
        out._obj.value = self._next

    def _allocate(self, memory: dict[int, Any], out: Any, size: int) -> None:
        # Memory comes dirty, as it does from a GPU.
        buffer = (ctypes.c_uint8 * size).from_buffer(bytearray(b"\xab" * size))
        memory[ctypes.addressof(buffer)] = buffer
        out._obj.value = ctypes.addressof(buffer)

    def _cudaGetDeviceCount(self, out: Any) -> None:
        out._obj.value = 1

    def _cudaSetDevice(self, index: int) -> int:
        return 0 if index == 0 else INVALID_VALUE

    def _cudaRuntimeGetVersion(self, out: Any) -> None:
        out._obj.value = 12060

    def _cudaDriverGetVersion(self, out: Any) -> None:
        out._obj.value = 12060

    def _cudaGetDeviceProperties(self, out: Any, index: int) -> None:
        assert len(out) >= 4096
        out.value = self.gpu.encode()

    def _cudaDeviceGetAttribute(self, out: Any, attribute: int, index: int) -> None:
        out._obj.value = self.capability[{75: 0, 76: 1}[attribute]]

    def _cudaMalloc(self, out: Any, size: int) -> None:
        self._allocate(self.device, out, size)

    def _cudaFree(self, address: int) -> int:
        return 0 if self.device.pop(address, None) is not None else INVALID_VALUE

    def _cudaHostAlloc(self, out: Any, size: int, flags: int) -> None:
        self._allocate(self.host, out, size)

    def _cudaFreeHost(self, address: int) -> int:
        return 0 if self.host.pop(address, None) is not None else INVALID_VALUE

    def _cudaMemcpyAsync(self, target: int, source: int, size: int, way: int, stream: int) -> int:
        memories = {1: (self.device, self.host), 2: (self.host, self.device)}[way]
        if not self._holds(memories[0], target, size) or not self._holds(memories[1], source, size):
            return INVALID_VALUE  # pageable memory would make the copy wait: a bug here
        self.stream(stream).add(lambda: ctypes.memmove(target, source, size) and None)
        return 0

    def _cudaStreamCreateWithFlags(self, out: Any, flags: int) -> None:
        assert flags == 1, "the default stream would wait for others"
        self._add(out, Stream())

    def _destroy(self, handle: int) -> int:
        return 0 if self.things.pop(handle, None) is not None else INVALID_VALUE

    _cudaStreamDestroy = _cudaEventDestroy = _cudaGraphDestroy = _cudaGraphExecDestroy = _destroy

    def _cudaStreamSynchronize(self, handle: int) -> None:
        self.stream(handle).run()

    def _cudaStreamBeginCapture(self, handle: int, mode: int) -> None:
        self.stream(handle).captured = []

    def _cudaStreamEndCapture(self, handle: int, out: Any) -> int:
        stream = self.stream(handle)
        work, stream.captured = stream.captured, None
        if work is None or self.spoils_captures:
            return CAPTURE_BROKEN
        self._add(out, work)
        return 0

    def _cudaGraphInstantiateWithFlags(self, out: Any, graph: int, flags: int) -> None:
        self._add(out, list(self.things[graph]))

    def _cudaGraphLaunch(self, graph: int, handle: int) -> int:
        if graph not in self.things:
            return INVALID_VALUE
        for work in self.things[graph]:
            self.stream(handle).add(work)
        return 0

    def _cudaEventCreateWithFlags(self, out: Any, flags: int) -> None:
        self._add(out, Event())

    def _cudaEventRecord(self, handle: int, stream: int) -> None:
        event = self.things[handle]
        event.stream, event.reached, event.asked = self.stream(stream), False, 0

        def reach() -> None:
            event.reached = True

        event.stream.add(reach)

    def _cudaEventQuery(self, handle: int) -> int:
        event = self.things[handle]
        event.asked += 1
        if event.asked > 1 and not event.reached:
            event.stream.run()
        return 0 if event.reached else NOT_READY

    def _cudaEventElapsedTime(self, out: Any, first: int, second: int) -> int:
        if not (self.things[first].reached and self.things[second].reached):
            return NOT_READY
        out._obj.value = 0.25
        return 0
