"""A model for ncnn in one file: network, weights, decision and description, read without trusting them.

``X.ncnn`` is a ZIP archive of four parts, stored as they are: manifest, ncnn's text of the network, its weights, and an
ONNX graph of what follows the logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.runtimes.archive import ArchiveKind
from edge.runtimes.decision import DECISION
from landing.artefact import GateReport
from landing.document import parse_document
from landing.spec import ModelSpec

SUFFIX = ".ncnn"
NETWORK, WEIGHTS = "network.param", "network.bin"

_REMEDY = "Copy it again, or make it again with `touchdown export ncnn MODEL.onnx`."
_KIND = ArchiveKind(SUFFIX, (NETWORK, WEIGHTS, DECISION), (NETWORK,), _REMEDY)


class NcnnManifest(BaseModel):
    """Description of a model for ncnn, inside its file.

    Attributes:
        format: Version of this description.
        model: What the model says of itself.
        weights: How they are stored; they are computed with in float32 in either case.
        ncnn_version: That it was compared with ONNX Runtime by, as ``1.0.20261020``; an older one may read the text of
            the network otherwise without saying so.
        pnnx_version: Of the converter.
        onnx_name: The file it was made from.
        onnx_sha256: Of that file.
        parts: SHA-256 of each part, by its name.
        gate: What `export verify` found; None until it has run.
        touchdown_version: That made it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    model: ModelSpec
    weights: Literal["fp32", "fp16"]
    ncnn_version: str = Field(pattern=r"^\d{1,9}(\.\d{1,9}){1,3}$")
    pnnx_version: str = ""
    onnx_name: str = ""
    onnx_sha256: str = ""
    parts: dict[str, str]
    gate: GateReport | None = None
    touchdown_version: str = ""


@dataclass(frozen=True)
class NcnnFile:
    """The manifest and the parts that it vouches for, by name."""

    manifest: NcnnManifest
    parts: Mapping[str, bytes]


def read_ncnn(path: Path) -> NcnnFile:
    """Reads a model file and holds its parts against its manifest.

    Raises:
        ModelError: Missing, truncated, no such archive, with other or packed parts, of another format, or a part is not
            the one that the manifest names.
    """
    text, parts = _KIND.read(path)
    manifest = parse_document(NcnnManifest, text, f"model {path}: its manifest", _REMEDY)
    _KIND.require_promised(path, parts, manifest.parts)
    return NcnnFile(manifest, parts)


def packed(file: NcnnFile) -> bytes:
    """The bytes of a model file; equal ones for equal contents."""
    return _KIND.packed(file.manifest.model_dump_json(indent=1), file.parts)
