from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.runtimes import tensorrt
from landing.errors import ModelError
from landing.model.artefact import GateReport
from tests.edge import fake_model
from tests.edge.fake_cuda import FakeCudart
from tests.edge.fake_tensorrt import FakeTensorRT, save_engine


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that sees palette colours, of the synthetic taxonomy."""
    return fake_model.save(tmp_path_factory.mktemp("model") / "nearest-colour.onnx")


@dataclass
class FakeGpu:
    """A GPU and a TensorRT that the runtime takes for real."""

    cuda: FakeCudart
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    module: FakeTensorRT | None = None

    def behave(self, **behaviour: Any) -> FakeTensorRT:
        """Puts a TensorRT of some behaviour in place."""
        self.module = module = FakeTensorRT(self.cuda, **behaviour)
        self.monkeypatch.setattr(tensorrt, "open_tensorrt", lambda: module)
        return module

    def engine(self, source: Path, gate: GateReport | None = None, **changes: Any) -> Path:
        """An engine for this GPU, or one whose manifest says otherwise."""
        path = self.folder / "model.engine"
        save_engine(source, path, gate, **changes)
        return path


@pytest.fixture
def fake_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """An Orin with TensorRT 10.3, made of host memory."""
    gpu = FakeGpu(FakeCudart(), tmp_path, monkeypatch)
    monkeypatch.setattr(tensorrt, "find_library", lambda: gpu.cuda)
    gpu.behave()
    return gpu


def require_real_engine(model: Path, folder: Path, gate: GateReport | None) -> Path:
    """Builds an engine of a model on this machine's GPU; skips where there is none."""
    from export.manifest import record_gate
    from export.trt.make import EngineRequest, make_engine

    path = folder / "model.engine"
    try:
        make_engine(EngineRequest(model, path, "fp32"), lambda _text: None)
    except ModelError as error:
        pytest.skip(f"no engine can be built here: {str(error).splitlines()[0]}")
    if gate is not None:
        record_gate(path, gate)
    return path
