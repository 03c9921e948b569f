"""Models for ncnn: small CPUs, from a file that `touchdown export ncnn` made.

ncnn computes the network, in float32 whatever the processor offers: so the numbers that `export verify` judged on a
workstation are those of the board, but for the order of sums. ONNX Runtime computes what follows the logits.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.runtimes.archive import ArchiveFile, version_numbers
from edge.runtimes.contract import RuntimeOptions
from edge.runtimes.decision import DECISION, DecisionGraph, LogitsRuntime
from edge.runtimes.gate import require_gate
from edge.runtimes.ncnn_file import NCNN, NETWORK, WEIGHTS, NcnnManifest
from landing.distribution import install_command
from landing.errors import ModelError, first_line
from landing.problems import Problem
from landing.types import ByteArray

INPUT, OUTPUT = "in0", "out0"
"""Names that pnnx gives to the input and the output of a network."""

_MOST_LAYERS = 100_000
_WAIT_POLICY = "OMP_WAIT_POLICY"
_REDUCED = (
    *("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
    *("use_bf16_packed", "use_bf16_storage", "use_vulkan_compute"),
)
"""Options that would compute with fewer digits than were proven, or on a GPU."""


class NcnnRuntime(LogitsRuntime):
    """A ``.ncnn`` file, on the CPU.

    It does not overlap: the decision meanwhile would run on the very cores that the network needs.
    """

    def __init__(self, path: Path, manifest: NcnnManifest, module: Any, network: Any, decision: DecisionGraph) -> None:
        threads = network.opt.num_threads
        backend = f"ncnn {module.__version__} (CPU, {threads} threads, {manifest.weights} weights)"
        super().__init__(path, manifest, backend, decision)
        self._module, self._network = module, network

    @classmethod
    def load(cls, path: Path, options: RuntimeOptions) -> NcnnRuntime:
        """Reads the file, holds its parts against its manifest, and loads them.

        Raises:
            ModelError: Missing, damaged, not as described, made for a newer ncnn or refused by its gate; or ncnn is not
                installed.
        """
        file = NCNN.read(path)
        require_gate(path, file.manifest.gate, options)
        module = open_ncnn()
        _require_version(path, file.manifest, module)
        data, spec = file.parts[DECISION], file.manifest.model
        decision = DecisionGraph.load(path, data, spec, options.threads, NCNN.command)
        return cls(path, file.manifest, module, _network(path, file, module, options), decision)

    def _infer(self, picture: ByteArray) -> npt.NDArray[np.float32]:
        height, width, _ = picture.shape
        mat = self._module.Mat
        extractor = self._network.create_extractor()
        taken = extractor.input(INPUT, mat.from_pixels(picture, mat.PixelType.PIXEL_BGR, width, height))
        status, found = extractor.extract(OUTPUT) if taken == 0 else (taken, None)
        if status != 0:
            raise ModelError(f"model {self.path} does not run: ncnn gives status {status}, too little memory?")
        values = np.array(found, np.float32)
        del found, extractor  # ncnn's memory ends before its network, whatever is raised
        return np.ascontiguousarray(values if values.ndim == 4 else values[None])

    def _release(self) -> None:
        self._network.clear()
        self._network = None


def open_ncnn() -> Any:
    """The ncnn module, imported such that its idle threads sleep.

    OpenMP's threads would wait for work by spinning, on the cores that the camera and the link need. It reads how they
    wait when it is loaded.

    Raises:
        ModelError: It is not installed.
    """
    try:
        with _waiting_passively():
            return importlib.import_module("ncnn")
    except ImportError as error:
        raise ModelError(
            f"model.runtime 'ncnn': it is not installed for this Python ({error}). {install_command('ncnn')}, or fly "
            "the .onnx that the model was made from.",
            Problem.RUNTIME,
        ) from error


@contextmanager
def _waiting_passively() -> Iterator[None]:
    """Sets OpenMP's wait policy within the block, unless the environment says one."""
    if _WAIT_POLICY in os.environ:
        yield
        return
    os.environ[_WAIT_POLICY] = "PASSIVE"
    try:
        yield
    finally:
        del os.environ[_WAIT_POLICY]


def _require_version(path: Path, manifest: NcnnManifest, module: Any) -> None:
    here = str(module.__version__)
    if version_numbers(here) < version_numbers(manifest.ncnn_version):
        raise ModelError(
            f"model {path} was made for ncnn {manifest.ncnn_version}, this machine has {here}: an older one may "
            f"compute another network without saying so. {install_command('ncnn')}, or make the model again",
            Problem.RUNTIME,
        )


def _network(path: Path, file: ArchiveFile[NcnnManifest], module: Any, options: RuntimeOptions) -> Any:
    """The network with its weights.

    The weights go through a file in memory: from there ncnn notices when the network asks for more than there are, from
    a buffer it reads on behind its end.
    """
    text = _checked_text(path, file.parts[NETWORK])
    network = module.Net()
    own = network.opt
    for name in _REDUCED:
        setattr(own, name, False)
    own.num_threads = options.threads or min(own.num_threads, len(os.sched_getaffinity(0)))
    own.openmp_blocktime = 0
    door = os.memfd_create("touchdown-weights")
    try:
        with os.fdopen(os.dup(door), "wb") as stream:
            stream.write(file.parts[WEIGHTS])
        loaded = network.load_param_mem(text) == 0 and network.load_model(f"/proc/self/fd/{door}") == 0
    except (RuntimeError, MemoryError) as error:
        raise ModelError(f"model {path}: ncnn does not load its network: {first_line(error)}") from error
    finally:
        os.close(door)
    names = (list(network.input_names()), list(network.output_names())) if loaded else None
    if names != ([INPUT], [OUTPUT]):
        why = "it is damaged or for another ncnn" if names is None else f"its inputs and outputs are {names}"
        raise ModelError(f"model {path}: ncnn does not load its network: {why}. Make it again: `touchdown export ncnn`")
    return network


def _checked_text(path: Path, data: bytes) -> str:
    """Text of a network, with as many lines as it says: ncnn makes room for what is said."""
    try:
        text = data.decode("ascii")
        magic, counts, *layers = text.strip().split("\n")
        said = [int(word) for word in counts.split()]
    except ValueError:
        magic, said, layers, text = "", [0], [], ""
    good = magic.strip() == "7767517" and len(said) == 2 and said[0] == len(layers) and max(said) <= _MOST_LAYERS
    if not good or min(said) < 1:
        raise ModelError(f"model {path}: {NETWORK} is no network of ncnn. Make it again: `touchdown export ncnn`")
    return text
