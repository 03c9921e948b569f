"""`export ncnn`: a file of `export onnx` for ncnn, compared with it before the file appears.

The graph is cut at the network's input and at its logits. pnnx converts what lies between; what follows stays ONNX, so
the decision on the logits is the very graph that was proven. Cast and transposition of the picture are ncnn's own; what
else changes its colours becomes a convolution of one pixel.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx

from edge.runtimes import RuntimeOptions
from edge.runtimes.archive import ArchiveFile, digests
from edge.runtimes.decision import DECISION
from edge.runtimes.ncnn import NcnnRuntime, open_ncnn
from edge.runtimes.ncnn_file import NCNN, NETWORK, WEIGHTS, NcnnManifest
from export.cut import CutModel, cut
from export.files import read_model, refusal_of, replacing, require_onnx, spec_of
from export.parity import Maps, Parity, compare, require_close
from export.runtime import runtime_maps
from landing.distribution import VERSION, install_command
from landing.errors import InvalidValueError, ModelError
from landing.model.spec import ModelSpec
from landing.problems import Problem
from landing.reading import sha256_of
from landing.types import ByteArray, Frame

PRECISIONS = ("fp16", "fp32")
_PICTURES = 3
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class ConvertedModel:
    """The file that was made, its manifest, and how it agrees with the ONNX file."""

    path: Path
    manifest: NcnnManifest
    parity: Parity


def make_ncnn(source: Path, output: Path, precision: str) -> ConvertedModel:
    """Writes a model for ncnn; the file appears only when it computes what the ONNX file does.

    Args:
        source: An ONNX file of ours.
        output: ``X.ncnn``.
        precision: Of the stored weights, one of `PRECISIONS`; they are computed with in float32.

    Raises:
        ModelError: The file is no model of `export onnx`, gives classes without logits, or holds what pnnx does not
            convert; the result computes something else; or pnnx or ncnn is not installed.
        InvalidValueError: The output's name does not end in .ncnn.
        TouchdownError: The result cannot be written.
    """
    require_onnx(source, f"{NCNN.suffix} form")
    if output.suffix != NCNN.suffix:
        raise InvalidValueError(f"--out {output}: expected a name that ends in {NCNN.suffix}")
    version = str(open_ncnn().__version__)
    model = read_model(source)
    spec = spec_of(model, source)
    halves = cut(model, spec, source, "ncnn")
    parts = {**_converted(halves, precision, source), DECISION: halves.decision.SerializeToString()}
    manifest = NcnnManifest(
        model=spec,
        gate=refusal_of(model, source),
        weights="fp16" if precision == "fp16" else "fp32",
        ncnn_version=version,
        pnnx_version=metadata.version("pnnx"),
        onnx_name=source.name,
        onnx_sha256=sha256_of(source),
        parts=digests(parts),
        touchdown_version=VERSION,
    )
    with replacing(output) as partial:
        partial.write_bytes(NCNN.packed(ArchiveFile(manifest, parts)))
        parity = _parity(source, partial, spec)
        require_close(parity, f"ncnn's form of {source}", "Fly the ONNX file")
    return ConvertedModel(output, manifest, parity)


def _converted(halves: CutModel, precision: str, source: Path) -> dict[str, bytes]:
    """The network's text and weights, by name of the part.

    Raises:
        ModelError: pnnx is not installed, or does not convert the network.
    """
    shape = "[" + ",".join(map(str, halves.shape)) + "]"
    with tempfile.TemporaryDirectory(prefix="touchdown-ncnn-") as scratch:
        folder = Path(scratch)
        onnx.save(halves.network, str(folder / "network.onnx"))
        words = [_converter(), "network.onnx", f"inputshape={shape}", f"fp16={int(precision == 'fp16')}"]
        words += [f"ncnnparam={NETWORK}", f"ncnnbin={WEIGHTS}"]
        try:
            done = subprocess.run(
                words, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ModelError(f"model {source}: pnnx does not run: {str(error)[:200]}") from error
        paths = {name: folder / name for name in (NETWORK, WEIGHTS)}
        if done.returncode or not all(path.exists() for path in paths.values()):
            lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            said = lines[-1][:200] if lines else "no reason given"
            raise ModelError(f"model {source}: pnnx does not convert its network ({said}). Fly the ONNX file")
        return {name: path.read_bytes() for name, path in paths.items()}


def _converter() -> str:
    """The program of the pnnx package. The package itself would import torch.

    Raises:
        ModelError: It is not installed.
    """
    try:
        place = str(metadata.distribution("pnnx").locate_file("pnnx/pnnx"))
    except metadata.PackageNotFoundError:
        place = ""
    found = str(shutil.which(place) or "") if place else ""
    if not found:
        raise ModelError(
            f"pnnx, which converts a network for ncnn, is not installed: {install_command('export')}",
            Problem.NOT_INSTALLED,
        )
    return str(found)


def _parity(source: Path, made: Path, spec: ModelSpec) -> Parity:
    """Agreement of the ONNX file in ONNX Runtime with the new file in ncnn, on pictures of noise."""
    rng = np.random.default_rng(0)
    size = (spec.input.height_px, spec.input.width_px, 3)
    pictures: list[ByteArray] = [rng.integers(0, 256, size, dtype=np.uint8) // (1 + i) for i in range(_PICTURES)]
    out = spec.outputs
    expected: list[Maps] = [
        {"class_id": maps[out.class_id], "landable": maps[out.landable], "hazards": maps[out.hazards]}
        for maps in runtime_maps(source, pictures)
    ]
    found: list[Maps] = []
    with NcnnRuntime.load(made, RuntimeOptions(allow_failed_gate=True)) as runtime:
        for picture in pictures:
            seen = runtime.segment(Frame(picture, 0, 0))
            found.append({"class_id": seen.class_id, "landable": seen.landable, "hazards": seen.hazards})
    return compare(expected, found, [np.zeros(maps["class_id"].shape, np.bool_) for maps in expected])
