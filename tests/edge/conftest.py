from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge import fake_model


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that sees palette colours, of the synthetic taxonomy."""
    return fake_model.save(tmp_path_factory.mktemp("model") / "nearest-colour.onnx")
