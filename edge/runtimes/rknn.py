"""Models for the NPU of a Rockchip chip, from a file that `touchdown export rknn` made.

The NPU computes the network by Rockchip's `rknn-toolkit-lite2`; ONNX Runtime computes what follows the logits. That
package has no licence text, so it is in none of our extras: who wants it installs it.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.runtimes.archive import version_numbers
from edge.runtimes.contract import RuntimeOptions
from edge.runtimes.decision import DECISION, DecisionGraph, LogitsRuntime
from edge.runtimes.gate import require_gate
from edge.runtimes.rknn_file import NETWORK, RKNN, SIMULATOR, RknnManifest, chips_of
from landing.errors import ModelError, first_line
from landing.problems import Problem
from landing.types import ByteArray

logger = logging.getLogger("edge")

PACKAGE = "rknn-toolkit-lite2"
COMPATIBLE = Path("/proc/device-tree/compatible")
"""Names of board and chip, each ended by a zero byte, as ``xunlong,orangepi-5`` and ``rockchip,rk3588``."""

_VERSION = re.compile(r"\d+(?:\.\d+)+")
_CALL_ERRORS = (RuntimeError, ValueError, OSError, MemoryError, AttributeError, TypeError)
"""Errors that its calls raise; most of its failures are a status or None instead."""


class RknnRuntime(LogitsRuntime):
    """A ``.rknn`` file of ours, on the NPU.

    It does not overlap: the call of the NPU returns when the network is done.
    """

    def __init__(self, path: Path, manifest: RknnManifest, device: Any, decision: DecisionGraph, driver: str) -> None:
        backend = f"rknn {driver} ({manifest.board} NPU, {manifest.precision})"
        super().__init__(path, manifest, backend, decision)
        self._device = device

    @classmethod
    def load(cls, path: Path, options: RuntimeOptions) -> RknnRuntime:
        """Reads the file, holds it against its manifest and this board, and hands the network to the NPU.

        Raises:
            ModelError: Missing, damaged, not as described, for another board, compiled by a newer toolkit, or refused
                by its gate; there is no NPU; or rknn-toolkit-lite2 is not installed.
        """
        file = RKNN.read(path)
        manifest = file.manifest
        require_gate(path, manifest.gate, options)
        _require_board(path, manifest, file.parts[NETWORK])
        device = _open_device(path, manifest)
        decision = DecisionGraph.load(path, file.parts[DECISION], manifest.model, options.threads, RKNN.command)
        try:
            driver = _start(path, manifest, device, file.parts[NETWORK])
        except ModelError:
            device.release()
            raise
        if manifest.gate is not None and any(ran.startswith(SIMULATOR) for ran in manifest.gate.runtimes):
            logger.warning(
                "model %s was judged in a simulator, never on an NPU: run `touchdown export verify` here", path
            )
        return cls(path, manifest, device, decision, driver)

    def _infer(self, picture: ByteArray) -> npt.NDArray[np.float32]:
        try:
            found = self._device.inference(inputs=[picture[None]])  # uint8 NHWC is what the package takes by default
        except _CALL_ERRORS as error:
            raise ModelError(f"model {self.path} does not run on the NPU: {first_line(error)}") from error
        if not found or len(found) != 1:
            raise ModelError(f"model {self.path} does not run: the NPU gave {len(found or ())} outputs, expected 1")
        logits = np.ascontiguousarray(found[0], np.float32)
        if not np.isfinite(logits).all():
            raise ModelError(f"model {self.path}: the NPU gave numbers beyond float16. Fly the ONNX file")
        return logits

    def _release(self) -> None:
        self._device.release()
        self._device = None


def _require_board(path: Path, manifest: RknnManifest, network: bytes) -> None:
    """Require that this machine has the chip that the network was compiled for.

    Raises:
        ModelError: It is another one, or the network names another one than its manifest.
    """
    if chips_of(network) != (manifest.board,):
        named = ", ".join(chips_of(network)) or "no chip"
        raise ModelError(
            f"model {path}: its network is for {named}, its manifest says {manifest.board}. Make it again: "
            "`touchdown export rknn`"
        )
    try:
        words = COMPATIBLE.read_bytes()[:4096].decode("ascii", "replace").split("\0")
    except OSError:
        words = []
    chips = [word.partition(",")[2] for word in words if word.startswith("rockchip,")]
    if manifest.board not in chips:
        here = ", ".join(chips) or "no Rockchip board"
        raise ModelError(
            f"model {path} was compiled for the NPU of {manifest.board}, this machine is {here}. Make it for this "
            "board with `touchdown export rknn --board`, or fly the ONNX file",
            Problem.RUNTIME,
        )


def _open_device(path: Path, manifest: RknnManifest) -> Any:
    """Rockchip's object that holds a network.

    Raises:
        ModelError: Its package is not installed, or older than the toolkit that compiled the network.
    """
    try:
        module = importlib.import_module("rknnlite.api")
        version = metadata.version(PACKAGE)
    except (ImportError, metadata.PackageNotFoundError) as error:
        raise ModelError(
            f"model.runtime 'rknn': {PACKAGE} is not installed for this Python ({first_line(error)}). It has no "
            f"licence text, so ask Rockchip what you may do with it, then `pip install {PACKAGE}`; or fly the .onnx",
            Problem.RUNTIME,
        ) from error
    _require_version(path, manifest, PACKAGE, version)
    return module.RKNNLite()


def _start(path: Path, manifest: RknnManifest, device: Any, network: bytes) -> str:
    """Hands the network to the NPU, through a file in memory; version of the driver's library.

    Raises:
        ModelError: It is not taken, there is no NPU, or the library is older than the toolkit was.
    """
    door = os.memfd_create("touchdown-network")
    try:
        with os.fdopen(os.dup(door), "wb") as stream:
            stream.write(network)
        if device.load_rknn(f"/proc/self/fd/{door}") != 0:
            raise ModelError(
                f"model {path}: {PACKAGE} does not load its network. Make it again: `touchdown export rknn`"
            )
        if device.init_runtime() != 0:
            raise ModelError(
                f"model {path}: the NPU does not take its network. Is its driver there (librknnrt.so of "
                f"{manifest.toolkit_version} or newer, /dev/dri), and may this user open it?",
                Problem.RUNTIME,
            )
        told = str(device.get_sdk_version() or "")
    except _CALL_ERRORS as error:
        raise ModelError(f"model {path}: {PACKAGE} does not load its network: {first_line(error)}") from error
    finally:
        os.close(door)
    found = _VERSION.search(told.partition("API:")[2])
    if found is None:
        raise ModelError(f"model {path}: librknnrt.so does not tell its version ({told[:80]!r})", Problem.RUNTIME)
    _require_version(path, manifest, "librknnrt.so", found[0])
    return found[0]


def _require_version(path: Path, manifest: RknnManifest, what: str, here: str) -> None:
    if version_numbers(here) < version_numbers(manifest.toolkit_version):
        raise ModelError(
            f"model {path} was compiled by rknn-toolkit2 {manifest.toolkit_version}, {what} here is {here}: an older "
            "one may compute another network. Update it, or compile the model with that version",
            Problem.RUNTIME,
        )
