"""The model of palette colours (`fake_model`) for a Rockchip NPU, and Rockchip's package without an NPU.

`tests/export/test_rknn_toolkit.py` holds it against the toolkit's simulator where that is installed: shapes, types, the
order of colours and what the compiled file names.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.runtimes import rknn
from edge.runtimes.archive import ArchiveFile, digests
from edge.runtimes.decision import DECISION
from edge.runtimes.rknn_file import NETWORK, RKNN, RknnManifest
from landing.model.artefact import GateReport
from landing.taxonomy import Taxonomy
from tests.edge import fake_model, fake_ncnn

VERSION = "2.5.0"
SDK = "RKNN VERSION:\n  API: {} (c949ad889d@2026-09-29T14:54:20)\n  DRV: 0.9.8"


def colours() -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, 3) and bias (K,) of the scores of the synthetic classes, on blue green red 0 to 255."""
    taxonomy = Taxonomy.load("synthetic")
    palette = taxonomy.palette_bgr[: len(taxonomy)].astype(np.float32)
    scale = np.float32(1.0 / (2 * fake_model.SPREAD**2))
    return 2 * palette * scale, -(palette**2).sum(1) * scale


def network(chip: str = "rk3588") -> bytes:
    """A compiled network as far as anybody but the NPU reads it: its first bytes, and the JSON at its end."""
    described = {"name": "rknn model", "target_platform": [chip], "version": VERSION}
    return b"RKNN\0\0\0\0" + bytes(64) + json.dumps(described, separators=(",", ":")).encode()


def save(
    path: Path, gate: GateReport | None = None, version: str = VERSION, chip: str = "rk3588", **changed: bytes
) -> Path:
    """A model file for a chip; `changed` parts by name, as ``network``, ``decision``."""
    taxonomy = Taxonomy.load("synthetic")
    named = {"network": NETWORK, "decision": DECISION}
    contents = {NETWORK: network(chip), DECISION: fake_ncnn.decision(taxonomy)}
    contents |= {named[name]: data for name, data in changed.items()}
    manifest = RknnManifest(
        model=fake_model.spec_of(taxonomy),
        board=chip,  # type: ignore[arg-type]
        precision="fp16",
        toolkit_version=version,
        parts=digests(contents),
        gate=gate,
    )
    path.write_bytes(RKNN.packed(ArchiveFile(manifest, contents)))
    return path


class FakeNpu:
    """A board with an NPU: what it has, and how it fails.

    Attributes:
        sdk: What its library tells of itself; None where the call fails.
        loads, starts: Status of the two calls.
        answer: Takes the logits that the network has, and returns what the call returns.
        live: Networks that were not released.
    """

    def __init__(self) -> None:
        self.sdk: str | None = SDK.format(VERSION)
        self.loads = self.starts = 0
        self.answer: Callable[[Any], Any] = lambda found: found
        self.live = 0

    def module(self) -> types.ModuleType:
        npu = self

        class RKNNLite:
            def __init__(self) -> None:
                self._data = b""
                self._started = False

            def load_rknn(self, path: str) -> int:
                if not Path(path).exists():
                    return -1
                self._data = Path(path).read_bytes()
                return npu.loads

            def init_runtime(self) -> int:
                if npu.starts or not self._data.startswith(b"RKNN"):
                    return npu.starts or -1
                self._started = True
                npu.live += 1
                return 0

            def inference(self, inputs: list[np.ndarray]) -> Any:
                """Takes uint8 NHWC and gives float32 NCHW; None, as every failure is, for anything else."""
                (picture,) = inputs
                side = fake_model.SIDE_PX
                if not self._started or picture.dtype != np.uint8 or picture.shape != (1, side, side, 3):
                    return None
                weights, bias = colours()
                scores = picture.astype(np.float32) @ weights.T + bias
                return npu.answer([np.ascontiguousarray(scores.transpose(0, 3, 1, 2))])

            def get_sdk_version(self) -> str | None:
                return npu.sdk if self._started else None

            def release(self) -> None:
                npu.live -= self._started
                self._started = False

        module = types.ModuleType("rknnlite.api")
        module.RKNNLite = RKNNLite  # type: ignore[attr-defined]
        return module


def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *chips: str, package: str = VERSION) -> FakeNpu:
    """Makes this machine a board of those chips, with Rockchip's package in a version."""
    npu = FakeNpu()
    names = tmp_path / "compatible"
    names.write_bytes(b"".join(f"rockchip,{chip}\0".encode() for chip in chips or ("rk3588s", "rk3588")))
    monkeypatch.setattr(rknn, "COMPATIBLE", names)
    monkeypatch.setitem(sys.modules, "rknnlite", types.ModuleType("rknnlite"))
    monkeypatch.setitem(sys.modules, "rknnlite.api", npu.module())
    monkeypatch.setattr(rknn.metadata, "version", lambda _name: package)
    return npu
