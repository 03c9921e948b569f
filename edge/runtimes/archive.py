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

from landing.errors import ModelError
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


@dataclass(frozen=True)
class ArchiveKind:
    """A type of model file.

    Attributes:
        suffix: Of its name.
        parts: Names of its parts beside the manifest.
        texts: Those of them that are texts, and so small.
        remedy: What to do with a damaged one.
        foreign: First bytes of another form with the same suffix; empty without any.
        foreign_words: What is said of that form.
    """

    suffix: str
    parts: tuple[str, ...]
    texts: tuple[str, ...]
    remedy: str
    foreign: bytes = b""
    foreign_words: str = ""

    def read(self, path: Path) -> tuple[str, dict[str, bytes]]:
        """Text of the manifest, and the parts by name.

        Raises:
            ModelError: Missing, truncated, no such archive, the foreign form, or with other or packed parts.
        """
        data = read_bytes(path, "model", ModelError, MODEL_BYTES, MODEL_REMEDY)
        if self.foreign and data.startswith(self.foreign):
            raise ModelError(f"model {path} is {self.foreign_words}")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                self._require_plain(archive, path, len(data))
                found = {name: archive.read(name) for name in (MANIFEST, *self.parts)}
        except _ARCHIVE_ERRORS as error:
            raise ModelError(
                f"model {path} ({len(data)} bytes) cannot be loaded: it is truncated, damaged or no {self.suffix} "
                f"file. {self.remedy}"
            ) from error
        try:
            return found.pop(MANIFEST).decode("utf-8"), found
        except UnicodeDecodeError as error:
            raise ModelError(f"model {path}: its manifest is no text. {self.remedy}") from error

    def require_promised(self, path: Path, parts: Mapping[str, bytes], promised: Mapping[str, str]) -> None:
        """Requires that each part is the one that the manifest names by its SHA-256.

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

    def packed(self, manifest: str, parts: Mapping[str, bytes]) -> bytes:
        """The bytes of a model file; equal ones for equal contents."""
        stream = io.BytesIO()
        contents = {MANIFEST: manifest.encode(), **parts}
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name in (MANIFEST, *self.parts):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), contents[name])
        return stream.getvalue()

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
