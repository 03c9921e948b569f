from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tests.trainer import fake_data
from tests.trainer.tiny import train_stopped
from trainer.data.samples import FolderSet

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Decoded pictures of tests do not end up in the user's cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the samples that are decoded."""
    names: list[str] = []
    read = FolderSet.read

    def counted(self, sample):
        names.append(sample.name)
        return read(self, sample)

    monkeypatch.setattr(FolderSet, "read", counted)
    return names


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Path:
    """A tiny data set; tests do not change it."""
    return fake_data.folder(tmp_path_factory.mktemp("toy") / "set")


@pytest.fixture(scope="session")
def stopped(toy, tmp_path_factory) -> Path:
    """A run that was stopped after the first of three epochs; tests copy it before they go on with it."""
    return train_stopped(toy, tmp_path_factory.mktemp("stopped") / "run")
