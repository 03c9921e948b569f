"""Engines with TensorRT itself: fixed buffers, one stream, one captured CUDA graph.

An engine is bound to a TensorRT build and a GPU model. Its manifest says which, and is held against this machine before
a byte of the engine is given to TensorRT.

`submit` returns once upload, network and download are queued on the stream; `result` waits. So the next picture goes
up, and the network runs, while the caller still decides on the one before.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from edge.runtimes.contract import Outputs, Runtime, RuntimeOptions
from edge.runtimes.cudart import CudaError, Cudart, Device, Gpu, find_library
from edge.runtimes.gate import require_gate
from edge.runtimes.tensorrt_api import Context, Engine, TensorRT, flavour_of, make_logger, open_tensorrt
from landing.errors import ModelError
from landing.model.manifest import EngineManifest, read_engine
from landing.model.spec import ModelSpec
from landing.problems import Problem
from landing.types import ByteArray

TIMEOUT_S = 5.0
"""A network that takes longer hangs."""

_POLL_S = 20e-6
"""Between looks at the GPU: a busy wait would take the core that the camera and the link need."""


class _Loaded:
    """TensorRT's objects, each of which needs the one before it for as long as it lives."""

    def __init__(self, path: Path, manifest: EngineManifest, module: TensorRT, device: Device, data: bytes) -> None:
        self.device = device
        self._log = make_logger(module)
        self._runtime = module.Runtime(self._log)
        engine = self._runtime.deserialize_cuda_engine(data)
        if engine is None:
            reason = next((text for bad, text in self._log.said if bad), "no reason given")
            raise ModelError(
                f"engine {path} is not loaded by TensorRT although it was built for this machine: "
                f"{reason[:200]}. Build it again: `{manifest.rebuild_command}`",
                Problem.ENGINE,
            )
        self.engine: Engine = engine
        context = engine.create_execution_context()
        if context is None:
            raise ModelError(f"model {path}: too little GPU memory to run it", Problem.RUNTIME)
        self.context: Context = context

    def forget(self) -> None:
        """Waits for the network and lets go of it, last made first gone."""
        self.device.finish()
        del self.context, self.engine, self._runtime, self._log


class TensorRTRuntime(Runtime):
    """An engine with its manifest beside it."""

    overlaps = True
    _stack: ExitStack

    def __init__(self, path: Path, manifest: EngineManifest, options: RuntimeOptions, loaded: _Loaded) -> None:
        spec = manifest.model
        self._device, self._loaded = loaded.device, loaded
        height, width = spec.input.height_px, spec.input.width_px
        self._input = self._device.pinned((height, width, 3))
        self._input_at = self._bind(spec.input.name, self._input)
        self._outputs = {name: self._device.pinned(s) for name, s in _output_shapes(spec).items()}
        self._outputs_at = {name: self._bind(name, a) for name, a in self._outputs.items()}
        # Before the upload, after it, after the network, after the download.
        self._marks = [self._device.event() for _ in range(4)]
        self._graph: int | None = None
        problem = self._prepare(options.cuda_graph)
        how = "CUDA graph" if self._graph is not None else f"no CUDA graph ({problem})"
        backend = f"{manifest.built_on}, {manifest.precision}, {how}"
        super().__init__(path, spec, backend, manifest.gate)

    @classmethod
    def load(cls, path: Path, options: RuntimeOptions) -> TensorRTRuntime:
        """Holds the engine's manifest against this machine, then loads the engine.

        Raises:
            ModelError: Engine or manifest is missing, damaged or of another build; the gate failed; there is no
                TensorRT, driver or GPU; the engine was built with another TensorRT or for another GPU; or it is not as
                its manifest describes it.
        """
        manifest, data = read_engine(path)
        require_gate(path, manifest.gate, options)
        module = open_tensorrt()
        _require_version(path, manifest, module)
        try:
            with ExitStack() as stack:
                device = Device(Cudart(find_library()))
                stack.callback(device.close)
                _require_gpu(path, manifest, device.describe())
                loaded = _Loaded(path, manifest, module, device, data)
                stack.callback(loaded.forget)  # first of all: it uses the device's memory
                _hold_against(path, manifest, loaded.engine, module)
                runtime = cls(path, manifest, options, loaded)
                runtime._stack = stack.pop_all()
                return runtime
        except CudaError as error:
            raise ModelError(f"engine {path} does not run here: {error}") from error

    def _bind(self, name: str, host: ByteArray) -> int:
        address = self._device.memory(host.nbytes)
        if not self._loaded.context.set_tensor_address(name, address):
            raise ModelError(f"TensorRT does not take an address for {name}")
        return address

    def _prepare(self, cuda_graph: bool) -> str:
        """Runs once, then captures the network; why not, where it cannot be captured."""
        self._input[:] = 127
        self._device.upload(self._input_at, self._input)
        self._execute()
        self._device.synchronize()
        if not cuda_graph:
            return "not asked for"
        try:
            self._graph = self._device.capture(self._execute)
        except ModelError as error:
            # Some networks synchronise inside; they run as well without, only slower.
            self._device.synchronize()
            return str(error)
        return ""

    def _execute(self) -> None:
        if not self._loaded.context.execute_async_v3(self._device.stream):
            raise ModelError("TensorRT does not put the network on the stream")

    def _start(self, picture: ByteArray) -> None:
        device, marks = self._device, self._marks
        np.copyto(self._input, picture)
        device.record(marks[0])
        device.upload(self._input_at, self._input)
        device.record(marks[1])
        if self._graph is not None:
            device.launch(self._graph)
        else:
            self._execute()
        device.record(marks[2])
        for name, host in self._outputs.items():
            device.download(host, self._outputs_at[name])
        device.record(marks[3])

    def _finish(self) -> Outputs:
        device, marks = self._device, self._marks
        until_ns = time.monotonic_ns() + round(TIMEOUT_S * 1e9)
        while not device.reached(marks[3]):
            if self._cancelled:
                raise ModelError(f"model {self.path}: not waited for any longer")
            if time.monotonic_ns() > until_ns:
                raise ModelError(f"model {self.path}: the GPU gave no result in {TIMEOUT_S:g} s", Problem.RUNTIME)
            time.sleep(_POLL_S)
        parts = zip(("h2d", "compute", "d2h"), marks, marks[1:], strict=False)
        self.device_ms = {name: device.elapsed_ms(a, b) for name, a, b in parts}
        # Copies, because the next download writes into the same memory.
        return Outputs(*(host.copy() for host in self._outputs.values()))

    def _close(self) -> None:
        self._stack.close()


def _require_version(path: Path, manifest: EngineManifest, module: TensorRT) -> None:
    here = (flavour_of(module), module.__version__)
    if (manifest.flavour, manifest.tensorrt_version) != here:
        raise ModelError(
            f"engine {path} was built with {manifest.flavour} {manifest.tensorrt_version}, this "
            f"machine has {here[0]} {here[1]}; an engine runs with the very version that built it. "
            f"Build it again here: `{manifest.rebuild_command}`",
            Problem.ENGINE,
        )


def _require_gpu(path: Path, manifest: EngineManifest, gpu: Gpu) -> None:
    built = (manifest.gpu_name, manifest.compute_capability)
    if built != (gpu.name, gpu.compute_capability):
        raise ModelError(
            f"engine {path} was built for {built[0]} (compute capability {built[1]}), this is "
            f"{gpu.name} ({gpu.compute_capability}); an engine runs on the GPU model it was built "
            f"on. Build it again here: `{manifest.rebuild_command}`",
            Problem.ENGINE,
        )


def _output_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """By name, in the order of `Outputs`."""
    rows = spec.input.height_px // spec.outputs.stride
    columns = spec.input.width_px // spec.outputs.stride
    return {
        spec.outputs.class_id: (rows, columns),
        spec.outputs.landable: (rows, columns),
        spec.outputs.hazards: (4, rows, columns),
    }


def _hold_against(path: Path, manifest: EngineManifest, engine: Engine, module: TensorRT) -> None:
    """Require that the engine takes and gives what its description promises."""
    spec = manifest.model
    wanted: dict[str, tuple[str, tuple[int, ...]]] = {
        name: ("output uint8", shape) for name, shape in _output_shapes(spec).items()
    }
    wanted[spec.input.name] = ("input uint8", (spec.input.height_px, spec.input.width_px, 3))
    found = {}
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        is_input = engine.get_tensor_mode(name) == module.TensorIOMode.INPUT
        dtype = engine.get_tensor_dtype(name)
        kind = "uint8" if dtype == module.DataType.UINT8 else str(dtype)
        shape = tuple(engine.get_tensor_shape(name))
        found[name] = (f"{'input' if is_input else 'output'} {kind}", shape)
    if found != wanted:
        odd = sorted(n for n in found.keys() | wanted.keys() if found.get(n) != wanted.get(n))[0]
        raise ModelError(
            f"engine {path}: {odd} is {_as_text(found.get(odd))}, its ModelSpec promises "
            f"{_as_text(wanted.get(odd))}. Build it again: `{manifest.rebuild_command}`",
            Problem.ENGINE,
        )


def _as_text(tensor: tuple[str, tuple[int, ...]] | None) -> str:
    return f"{tensor[0]} {list(tensor[1])}" if tensor is not None else "not there"
