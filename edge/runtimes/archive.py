"""Model files that are ZIP archives of a manifest and parts, stored as they are, read without trusting them.

Nothing is unpacked to the disk, and nothing but the named parts is read.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from landing.errors import ModelError
from landing.model.artefact import GateReport
from landing.model.document import parse_document
from landing.model.spec import ModelSpec
from landing.reading import MODEL_BYTES, MODEL_REMEDY, TEXT_BYTES, read_bytes

MANIFEST = "manifest.json"

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


class ArchiveManifest(BaseModel):
    """Description of a model inside its file: what all forms say of themselves.

    Attributes:
        format: Version of this description.
        model: What the model says of itself.
        onnx_name: The file it was made from.
        onnx_sha256: Of that file.
        parts: SHA-256 of each part, by its name.
        gate: What `export verify` or the making command found; None until one has judged.
        touchdown_version: That made it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    model: ModelSpec
    onnx_name: str = ""
    onnx_sha256: str = ""
    parts: dict[str, str]
    gate: GateReport | None = None
    touchdown_version: str = ""

    @property
    def numbers(self) -> Literal["exact", "half", "quantised"]:
        """Row of the gate's limits that its numbers ask for."""
        raise NotImplementedError

    @property
    def npu(self) -> str:
        """Chip that it was compiled for; empty where a CPU runs it."""
        return ""


M = TypeVar("M", bound=ArchiveManifest)


@dataclass(frozen=True)
class ArchiveFile(Generic[M]):
    """The manifest and the parts that it vouches for, by name."""

    manifest: M
    parts: Mapping[str, bytes]


@dataclass(frozen=True)
class ArchiveKind(Generic[M]):
    """A type of model file.

    Attributes:
        suffix: Of its name.
        manifest: Type of its description.
        parts: Names of its parts beside the manifest.
        command: That makes such files.
        texts: Those of the parts that are texts, and so small.
        foreign: First bytes of another form with the same suffix; empty without any.
        foreign_words: What is said of that form.
    """

    suffix: str
    manifest: type[M]
    parts: tuple[str, ...]
    command: str
    texts: tuple[str, ...] = ()
    foreign: bytes = b""
    foreign_words: str = ""

    @property
    def remedy(self) -> str:
        """Advice for a damaged one."""
        return f"Copy it again, or make it again with `{self.command} MODEL.onnx`."

    def read(self, path: Path) -> ArchiveFile[M]:
        """Reads a model file and holds its parts against its manifest.

        Raises:
            ModelError: Missing, truncated, no such archive, the foreign form, with other or packed parts, of another
                format, or a part is not the one that the manifest names.
        """
        data = read_bytes(path, "model", ModelError, MODEL_BYTES, MODEL_REMEDY)
        if self.foreign and data.startswith(self.foreign):
            raise ModelError(f"model {path} is {self.foreign_words}")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                self._require_plain(archive, path, len(data))
                parts = {name: archive.read(name) for name in (MANIFEST, *self.parts)}
        except _ARCHIVE_ERRORS as error:
            raise ModelError(
                f"model {path} ({len(data)} bytes) cannot be loaded: it is truncated, damaged or no {self.suffix} "
                f"file. {self.remedy}"
            ) from error
        try:
            text = parts.pop(MANIFEST).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"model {path}: its manifest is no text. {self.remedy}") from error
        manifest = parse_document(self.manifest, text, f"model {path}: its manifest", self.remedy)
        self._require_promised(path, parts, manifest.parts)
        return ArchiveFile(manifest, parts)

    def packed(self, file: ArchiveFile[M]) -> bytes:
        """The bytes of a model file; equal ones for equal contents."""
        stream = io.BytesIO()
        contents = {MANIFEST: file.manifest.model_dump_json(indent=1).encode(), **file.parts}
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name in (MANIFEST, *self.parts):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), contents[name])
        return stream.getvalue()

    def _require_promised(self, path: Path, parts: Mapping[str, bytes], promised: Mapping[str, str]) -> None:
        """Require that each part is the one that the manifest names by its SHA-256.

        Raises:
            ModelError: One is not.
        """
        for name, found in digests(parts).items():
            expected = promised.get(name, "")
            if found != expected:
                raise ModelError(
                    f"model {path}: the SHA-256 of {name} is {found[:12]}..., its manifest promises "
                    f"{expected[:12] or 'none'}...: it is damaged, or its parts are of different models. {self.remedy}"
                )

    def _require_plain(self, archive: zipfile.ZipFile, path: Path, size: int) -> None:
        """Require the parts alone, each stored as it is: so none is larger than the file.

        Raises:
            ModelError: The archive has other parts, or one is packed or larger than it may be.
        """
        names, entries = (MANIFEST, *self.parts), archive.infolist()
        if sorted(entry.filename for entry in entries) != sorted(names):
            raise ModelError(f"model {path}: expected the parts {', '.join(names)} and no others. {self.remedy}")
        for entry in entries:
            name, stored = entry.filename, entry.file_size
            if entry.compress_type != zipfile.ZIP_STORED or stored != entry.compress_size:
                raise ModelError(f"model {path}: {name} is packed, expected it as it is. {self.remedy}")
            most = TEXT_BYTES if name in (MANIFEST, *self.texts) else size
            if stored > most:
                raise ModelError(f"model {path}: {name} has {stored} bytes, at most {most}. {self.remedy}")


def digests(parts: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each part, for a manifest."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}


def version_numbers(version: str) -> tuple[int, ...]:
    """Numbers of a release, as (2, 5, 0), to be compared; parts that are no numbers are left out."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
