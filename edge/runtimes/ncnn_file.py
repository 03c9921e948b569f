"""A model for ncnn in one file: network, weights, decision and description, read without trusting them.

``X.ncnn`` is a ZIP archive of four parts, stored as they are: manifest, ncnn's text of the network, its weights, and an
ONNX graph of what follows the logits. Nothing is unpacked to the disk, and nothing but the four parts is read.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from landing.artefact import GateReport
from landing.document import parse_document
from landing.errors import ModelError
from landing.reading import MODEL_BYTES, MODEL_REMEDY, TEXT_BYTES, read_bytes
from landing.spec import ModelSpec

SUFFIX = ".ncnn"
MANIFEST, NETWORK, WEIGHTS, DECISION = "manifest.json", "network.param", "network.bin", "decision.onnx"
PARTS = (NETWORK, WEIGHTS, DECISION)
"""Parts with a digest in the manifest."""

_REMEDY = "Copy it again, or make it again with `touchdown export ncnn MODEL.onnx`."
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""Errors that zipfile raises of damaged, encrypted and unknown archives."""


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
    data = read_bytes(path, "model", ModelError, MODEL_BYTES, MODEL_REMEDY)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _require_plain(archive, path, len(data))
            parts = {name: archive.read(name) for name in (MANIFEST, *PARTS)}
    except _ARCHIVE_ERRORS as error:
        raise ModelError(
            f"model {path} ({len(data)} bytes) cannot be loaded: it is truncated, damaged or no {SUFFIX} file. "
            f"{_REMEDY}"
        ) from error
    try:
        text = parts.pop(MANIFEST).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"model {path}: its manifest is no text. {_REMEDY}") from error
    manifest = parse_document(NcnnManifest, text, f"model {path}: its manifest", _REMEDY)
    for name, content in parts.items():
        found, promised = hashlib.sha256(content).hexdigest(), manifest.parts.get(name, "")
        if found != promised:
            raise ModelError(
                f"model {path}: the SHA-256 of {name} is {found[:12]}..., its manifest promises "
                f"{promised[:12] or 'none'}...: it is damaged, or its parts are of different models. {_REMEDY}"
            )
    return NcnnFile(manifest, parts)


def packed(file: NcnnFile) -> bytes:
    """The bytes of a model file; equal ones for equal contents."""
    stream = io.BytesIO()
    contents = {MANIFEST: file.manifest.model_dump_json(indent=1).encode(), **file.parts}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in (MANIFEST, *PARTS):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), contents[name])
    return stream.getvalue()


def digests(parts: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each part, for a manifest."""
    return {name: hashlib.sha256(parts[name]).hexdigest() for name in PARTS}


def _require_plain(archive: zipfile.ZipFile, path: Path, size: int) -> None:
    """Require the four parts alone, each stored as it is: so none is larger than the file.

    Raises:
        ModelError: The archive has other parts, or one is packed or larger than it may be.
    """
    entries = archive.infolist()
    if sorted(entry.filename for entry in entries) != sorted((MANIFEST, *PARTS)):
        raise ModelError(f"model {path}: expected the parts {', '.join((MANIFEST, *PARTS))} and no others. {_REMEDY}")
    for entry in entries:
        most = TEXT_BYTES if entry.filename in (MANIFEST, NETWORK) else size
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ModelError(f"model {path}: {entry.filename} is packed, expected it as it is. {_REMEDY}")
        if entry.file_size > most:
            raise ModelError(f"model {path}: {entry.filename} has {entry.file_size} bytes, at most {most}. {_REMEDY}")
