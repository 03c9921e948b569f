"""TensorRT's run-time classes over the fake GPU; an 'engine' is an ONNX file.

`test_tensorrt.py` holds names and arguments against tensorrt_rtx's real classes.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from landing.model.artefact import GateReport
from landing.model.manifest import EngineManifest, manifest_path
from landing.model.spec import METADATA_KEY, ModelSpec
from tests.edge.fake_cuda import FakeCudart

VERSION = "10.3.0"


class TensorIOMode(Enum):
    NONE, INPUT, OUTPUT = range(3)


class DataType(Enum):
    FLOAT, HALF, UINT8 = range(3)


class ILogger:
    class Severity(Enum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._warm = False

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return name in self._engine._tensors

    def execute_async_v3(self, stream_handle: int) -> bool:
        engine = self._engine
        stream = engine._gpu.stream(stream_handle)
        if set(self._addresses) != set(engine._tensors) or engine._refuses:
            return False
        if stream.captured is not None and (not self._warm or not engine._capturable):
            return False  # TensorRT allocates in its first run, which cannot be captured
        self._warm = True
        addresses = dict(self._addresses)  # a captured graph keeps the addresses it was made with
        stream.add(lambda: engine._run(addresses))
        return True


class ICudaEngine:
    def __init__(self, gpu: FakeCudart, data: bytes, **behaviour: Any) -> None:
        self._gpu = gpu
        self._session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
        self._inputs = {i.name: i for i in self._session.get_inputs()}
        self._tensors = dict(self._inputs) | {o.name: o for o in self._session.get_outputs()}
        self._capturable = behaviour.get("capturable", True)
        self._refuses = behaviour.get("refuses", False)
        self._memory = behaviour.get("memory", True)

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._tensors[name].shape)

    def get_tensor_dtype(self, name: str) -> DataType:
        return {"tensor(uint8)": DataType.UINT8}.get(self._tensors[name].type, DataType.FLOAT)

    def create_execution_context(self) -> IExecutionContext | None:
        return IExecutionContext(self) if self._memory else None

    def _run(self, addresses: dict[str, int]) -> None:
        views = {}
        for name, address in addresses.items():
            shape = self.get_tensor_shape(name)
            views[name] = np.ctypeslib.as_array(self._gpu.view(address, int(np.prod(shape)))).reshape(shape)
        outputs = [name for name in self._tensors if name not in self._inputs]
        results = self._session.run(outputs, {n: views[n].copy() for n in self._inputs})
        for name, result in zip(outputs, results, strict=True):
            views[name][:] = result


class FakeTensorRT:
    """Stands for the module.

    Args:
        gpu: To run on.
        behaviour: ``capturable``, ``refuses``, ``memory``: how engines behave.
    """

    __name__ = "tensorrt"

    def __init__(self, gpu: FakeCudart, **behaviour: Any) -> None:
        self.__version__ = VERSION
        self.DataType, self.TensorIOMode, self.ILogger = DataType, TensorIOMode, ILogger
        self.deserialized = 0
        module = self

        class Runtime:
            def __init__(self, logger: ILogger) -> None:
                self._logger = logger

            def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
                module.deserialized += 1
                if behaviour.get("foreign"):
                    severity = ILogger.Severity.ERROR
                    self._logger.log(severity, "engine plan is of another platform")
                    return None
                return ICudaEngine(gpu, serialized_engine, **behaviour)

        self.Runtime = Runtime


def save_engine(source: Path, engine: Path, gate: GateReport | None = None, **changes: Any) -> EngineManifest:
    """An ONNX file as an 'engine' with a manifest for the fake GPU and TensorRT."""
    data = source.read_bytes()
    metadata = {e.key: e.value for e in onnx.load(str(source)).metadata_props}
    engine.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    facts: dict[str, Any] = {
        "flavour": "tensorrt",
        "tensorrt_version": VERSION,
        "cuda_version": "12.6",
        "gpu_name": "Orin",
        "compute_capability": "8.7",
        "l4t": "36.4.3",
        "onnx_name": source.name,
        "onnx_sha256": digest,
        "engine_sha256": digest,
        "precision": "fp16",
        "inputs": {},
        "outputs": {},
        "build_seconds": 1.0,
        "gate": gate,
        "model": ModelSpec.from_metadata(metadata, str(source)),
    }
    assert METADATA_KEY in metadata
    manifest = EngineManifest(**(facts | changes))
    manifest_path(engine).write_text(manifest.model_dump_json())
    return manifest
