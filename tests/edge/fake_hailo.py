"""The model of palette colours (`fake_model`) for a Hailo accelerator, and HailoRT's Python package without one.

The package behaves as `pyhailort.py` and `infer_model_api.cpp` of HailoRT 4.23.0 and 5.2.0 read (MIT): names, types,
which buffers are taken, and that a binding's output memory serves one run. Nothing holds it against a device.
"""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.runtimes.archive import ArchiveFile, digests
from edge.runtimes.decision import DECISION
from edge.runtimes.hailo_file import HAILO, NETWORK, HailoManifest
from landing.model.artefact import GateReport
from landing.taxonomy import Taxonomy
from tests.edge import fake_model, fake_ncnn
from tests.edge.fake_rknn import colours

VERSION = "4.23.0"
COMPILER = "3.33.0"
ARCHITECTURES = {"hailo8": 1, "hailo8l": 3, "hailo10h": 103, "hailo15h": 103}


class HailoRTException(Exception):
    pass


def network(chip: str = "hailo8l", compiler: str = COMPILER, version: int = 2) -> bytes:
    """Hailo's form as far as anybody but the accelerator reads it: a header, and the first field of its message.

    A file that compiler 3.27.0 wrote for a Hailo-8 (github.com/guyp98/accelerated_features) begins like version 0.
    """
    length = {0: 32, 1: 28, 2: 44, 3: 56}[version]
    told = compiler.encode()
    inner = bytes([0x08, ARCHITECTURES[chip], 0x10, 0xF4, 0x6A, 0x1A, len(told)]) + told + b"\x20\x04"
    return (
        (b"\x01HEF" + version.to_bytes(4, "big")).ljust(length, b"\0") + bytes([0x0A, len(inner)]) + inner + bytes(64)
    )


def save(
    path: Path, gate: GateReport | None = None, chip: str = "hailo8l", compiler: str = COMPILER, **changed: bytes
) -> Path:
    """A model file for a chip; `changed` parts by name, as ``network``, ``decision``."""
    taxonomy = Taxonomy.load("synthetic")
    named = {"network": NETWORK, "decision": DECISION}
    contents = {NETWORK: network(chip, compiler), DECISION: fake_ncnn.decision(taxonomy)}
    contents |= {named[name]: data for name, data in changed.items()}
    manifest = HailoManifest(
        model=fake_model.spec_of(taxonomy),
        chip=chip,  # type: ignore[arg-type]
        compiler_version=compiler,
        parts=digests(contents),
        gate=gate,
    )
    path.write_bytes(HAILO.packed(ArchiveFile(manifest, contents)))
    return path


class FormatType(enum.Enum):
    AUTO = 0
    UINT8 = 1
    FLOAT32 = 3


class FakeHailo:
    """A machine with an accelerator: what it is, and how it fails.

    Attributes:
        chips: Of its devices.
        fails: Name of the call that fails, as HailoRT's do; empty where none does.
        answer: Takes the logits (h, w, K) that the network has, and returns what it writes.
        outputs: Of the network.
        live: Devices that were not given back.
    """

    def __init__(self, chips: tuple[str, ...]) -> None:
        self.chips = chips
        self.fails = ""
        self.answer: Callable[[Any], Any] = lambda found: found
        self.outputs = 1
        self.live = 0

    def require(self, call: str) -> None:
        if self.fails == call:
            raise HailoRTException(f"libhailort failed with error: 36 ({call})\nSee hailort.log")

    def module(self, version: str) -> types.ModuleType:
        module = types.ModuleType("hailo_platform")
        members = {
            "__version__": version,
            "HailoRTException": HailoRTException,
            "FormatType": FormatType,
            "HailoSchedulingAlgorithm": types.SimpleNamespace(ROUND_ROBIN=1),
            "Device": _device_class(self),
            "VDevice": _target_class(self),
        }
        for name, value in members.items():
            setattr(module, name, value)
        return module


def _device_class(hailo: FakeHailo) -> type:
    class Device:
        @classmethod
        def scan(cls) -> list[str]:
            hailo.require("scan")
            return [f"000{number}:01:00.0" for number in range(len(hailo.chips))]

        def __init__(self, device_id: str) -> None:
            architecture = enum.IntEnum("DeviceArchitectureTypes", [chip.upper() for chip in hailo.chips])
            found = list(architecture)[int(device_id[3])]
            self.control = types.SimpleNamespace(identify=lambda: types.SimpleNamespace(device_architecture=found))

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    return Device


def _target_class(hailo: FakeHailo) -> type:
    class VDevice:
        def __init__(self, params: Any = None) -> None:
            assert params.scheduling_algorithm == 1
            hailo.require("VDevice")
            hailo.live += 1

        @staticmethod
        def create_params() -> Any:
            return types.SimpleNamespace(scheduling_algorithm=0)

        def create_infer_model(self, hef_source: Any, name: str = "") -> Any:
            if type(hef_source) is not bytes:
                raise ValueError("HEF can only be created from a file path (str) or a buffer (bytes)")
            hailo.require("create_infer_model")
            return _InferModel(hailo)

        def release(self) -> None:
            hailo.live -= 1

    return VDevice


class _Stream:
    """An edge of the network, NHWC without N; float32 only where that was asked for."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.kind = list(shape), FormatType.UINT8

    def set_format_type(self, kind: FormatType) -> None:
        self.kind = kind

    @property
    def size(self) -> int:
        return int(np.prod(self.shape)) * (4 if self.kind is FormatType.FLOAT32 else 1)


class _InferModel:
    def __init__(self, hailo: FakeHailo) -> None:
        side = fake_model.SIDE_PX
        self.hailo = hailo
        self.inputs = [_Stream((side, side, 3))]
        self.outputs = [_Stream((side, side, len(Taxonomy.load("synthetic")))) for _ in range(hailo.outputs)]

    def input(self, name: str = "") -> _Stream:
        return self.inputs[0]

    def output(self, name: str = "") -> _Stream:
        return self.outputs[0]

    def configure(self) -> Any:
        self.hailo.require("configure")
        return _Configured(self)


class _Buffer:
    """One end of a binding."""

    def __init__(self, stream: _Stream) -> None:
        self.stream = stream
        self.array: np.ndarray | None = None

    def set_buffer(self, buffer: np.ndarray) -> None:
        if not buffer.flags.c_contiguous:
            raise HailoRTException("Buffer must be C_CONTIGUOUS")
        if not buffer.flags.writeable:
            raise ValueError("array is not writeable")
        if buffer.nbytes != self.stream.size:
            raise HailoRTException("Invalid argument. See hailort.log for more information")
        self.array = buffer


class _Bindings:
    def __init__(self, model: _InferModel) -> None:
        self.ends = _Buffer(model.input()), _Buffer(model.output())

    def input(self, name: str = "") -> _Buffer:
        return self.ends[0]

    def output(self, name: str = "") -> _Buffer:
        return self.ends[1]


class _Configured:
    def __init__(self, model: _InferModel) -> None:
        self.model = model

    def create_bindings(self) -> _Bindings:
        return _Bindings(self.model)

    def run_async(self, bindings: list[_Bindings]) -> Any:
        """Begins; the buffer is filled only by `wait`, and a second run of the same bindings does not reach it."""
        hailo = self.model.hailo
        hailo.require("run_async")
        (one,) = bindings
        picture, into = one.input().array, one.output().array
        assert picture is not None and into is not None
        one.output().array = np.empty_like(into)

        def wait(timeout_ms: int) -> None:
            assert isinstance(timeout_ms, int)
            hailo.require("wait")
            weights, bias = colours()
            into[...] = hailo.answer(picture.astype(np.float32) @ weights.T + bias)

        return types.SimpleNamespace(wait=wait)


def machine(monkeypatch: pytest.MonkeyPatch, *chips: str, version: str = VERSION) -> FakeHailo:
    """Makes this machine one with accelerators of those chips, and HailoRT in a version."""
    hailo = FakeHailo(chips)
    monkeypatch.setitem(sys.modules, "hailo_platform", hailo.module(version))
    return hailo
