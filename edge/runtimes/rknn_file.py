"""A model for a Rockchip NPU in one file: network, decision and description, read without trusting them.

``X.rknn`` is a ZIP archive of three parts, stored as they are: manifest, the network as Rockchip's toolkit wrote it,
and an ONNX graph of what follows the logits.
"""

from __future__ import annotations

import json
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

SUFFIX = ".rknn"
NETWORK = "network.rknn"
SIMULATOR = "rknn-toolkit2"
"""First word of the runtime in a gate's report that the toolkit's simulator gave, not an NPU."""

Chip = Literal["rk3588", "rk3576", "rk3566"]
CHIPS: tuple[Chip, ...] = ("rk3588", "rk3576", "rk3566")

_MAGIC = b"RKNN"
_REMEDY = "Copy it again, or make it again with `touchdown export rknn MODEL.onnx`."
_BARE = (
    "Rockchip's own form, which says nothing of classes and gate. Make ours of the ONNX file with "
    "`touchdown export rknn MODEL.onnx`"
)
_KIND = ArchiveKind(SUFFIX, (NETWORK, DECISION), (), _REMEDY, _MAGIC, _BARE)


class RknnManifest(BaseModel):
    """Description of a model for a Rockchip NPU, inside its file.

    Attributes:
        format: Version of this description.
        model: What the model says of itself.
        board: Chip that the network was compiled for; no other one runs it.
        precision: ``fp16``, or ``int8`` for 8 bits with the layers of `in_float` in float16.
        in_float: Tensors that stayed in float16.
        toolkit_version: Of rknn-toolkit2 that compiled it; an older runtime does not read it.
        onnx_name: The file it was made from.
        onnx_sha256: Of that file.
        parts: SHA-256 of each part, by its name.
        gate: What was found in the toolkit's simulator, or by `export verify` on the board.
        touchdown_version: That made it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    model: ModelSpec
    board: Chip
    precision: Literal["fp16", "int8"]
    in_float: tuple[str, ...] = ()
    toolkit_version: str = Field(pattern=r"^\d{1,9}(\.\d{1,9}){1,3}$")
    onnx_name: str = ""
    onnx_sha256: str = ""
    parts: dict[str, str]
    gate: GateReport | None = None
    touchdown_version: str = ""


@dataclass(frozen=True)
class RknnFile:
    """The manifest and the parts that it vouches for, by name."""

    manifest: RknnManifest
    parts: Mapping[str, bytes]


def read_rknn(path: Path) -> RknnFile:
    """Reads a model file and holds its parts against its manifest.

    Raises:
        ModelError: Missing, truncated, Rockchip's own form, with other or packed parts, of another format, or a part is
            not the one that the manifest names.
    """
    text, parts = _KIND.read(path)
    manifest = parse_document(RknnManifest, text, f"model {path}: its manifest", _REMEDY)
    _KIND.require_promised(path, parts, manifest.parts)
    return RknnFile(manifest, parts)


def packed(file: RknnFile) -> bytes:
    """The bytes of a model file; equal ones for equal contents."""
    return _KIND.packed(file.manifest.model_dump_json(indent=1), file.parts)


def chips_of(network: bytes) -> tuple[str, ...]:
    """Chips that Rockchip's form of a network names in the JSON at its end; empty where it names none."""
    at = network.rfind(b'"target_platform":[')
    if not network.startswith(_MAGIC) or at < 0:
        return ()
    try:
        names, _ = json.JSONDecoder().raw_decode(network[at + 18 : at + 400].decode("ascii", "replace"))
    except ValueError:
        return ()
    return tuple(str(name).lower() for name in names)
