"""The archive: a tar of plain files alone, compressed with zstd, the same bytes every time.

    manifest.json   what is signed
    manifest.sig    64 bytes, Ed25519 over manifest.json
    ...             every file the manifest names, in its order
    two empty blocks

`tar --zstd -xf` reads it. Our reader takes one header block at a time and holds it against the signed manifest. It
follows no extension of the format: a link, a device, a second name or a longer size is refused, never interpreted.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

from deploy.errors import BundleError
from deploy.keys import SIGNATURE_BYTES, PublicKey
from deploy.manifest import (
    MANIFEST_NAME,
    MOST_MANIFEST_BYTES,
    SIGNATURE_NAME,
    BundleManifest,
    FileEntry,
    parse_manifest,
)
from landing.reading import open_file

BLOCK = tarfile.BLOCKSIZE
CHUNK = 1 << 20
LEVEL = 9
"""Wheels and weights hardly shrink further above this. The bytes depend on libzstd's version, so a release is named
after the manifest's digest, not the archive's."""

MOST_WINDOW = 1 << 27
"""Memory the decompressor may be told to use, bytes."""

_KINDS = {
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.DIRTYPE: "folder",
    tarfile.FIFOTYPE: "pipe",
}


def write_archive(path: Path, manifest: bytes, signature: bytes, files: list[tuple[FileEntry, Path]]) -> None:
    """Writes an archive. The files come in the manifest's order; each is read once more and held against its digest.

    Raises:
        BundleError: A file changed since it was measured.
        OSError: Of the disk.
    """
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, write_checksum=True, write_content_size=False, threads=0
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with path.open("wb") as raw, compressor.stream_writer(raw, closefd=False) as out:
        for name, data in ((MANIFEST_NAME, manifest), (SIGNATURE_NAME, signature)):
            out.write(header(name, len(data)) + data + _padding(len(data)))
        for entry, source in files:
            out.write(header(entry.path, entry.size))
            digest = hashlib.sha256()
            left = entry.size
            with source.open("rb") as file:
                while left and (chunk := file.read(min(CHUNK, left))):
                    digest.update(chunk)
                    out.write(chunk)
                    left -= len(chunk)
                changed = bool(left or file.read(1)) or digest.hexdigest() != entry.sha256
            if changed:
                raise BundleError(f"{source} changed while it was packed: make the bundle again")
            out.write(_padding(entry.size))
        out.write(bytes(2 * BLOCK))


def header(name: str, size: int) -> bytes:
    """Return the header block of a file: mode 0644, root, 1970, POSIX ustar."""
    try:
        return _info(name, size).tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as error:
        raise BundleError(f"{name}: the name is too long for an archive; shorten it") from error


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.uname, info.gname = size, "root", "root"
    return info


@dataclass(frozen=True)
class Opened:
    """A bundle whose signature was verified by `key`; its files were not read yet."""

    manifest: BundleManifest
    manifest_bytes: bytes
    signature: bytes
    key: PublicKey
    _reader: _ArchiveReader

    def files(self) -> Iterator[tuple[FileEntry, Iterator[bytes]]]:
        """Reads all files, once: each entry with its content, which must be read before the next one.

        Nothing counts until the last one was read: each digest is checked at the file's end.

        Raises:
            BundleError: The archive ends early, holds something else than its manifest says, or a digest differs.
        """
        for entry in self.manifest.files:
            self._reader.expect_file(entry)
            yield entry, self._checked(entry)
        self._reader.expect_end()

    def _checked(self, entry: FileEntry) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in self._reader.content(entry.path, entry.size):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != entry.sha256:
            raise BundleError(
                f"bundle {self._reader.origin}: {entry.path} is not what was signed: SHA-256 "
                f"{digest.hexdigest()[:12]}..., expected {entry.sha256[:12]}.... Copy it again"
            )


@contextmanager
def open_bundle(path: Path, trusted: tuple[PublicKey, ...]) -> Iterator[Opened]:
    """Opens a bundle and verifies its signature, before anything else in it is looked at.

    Raises:
        BundleError: Missing, truncated, no bundle, unsigned, signed by no trusted key, or its manifest is not valid.
    """
    with open_file(path, "bundle", BundleError) as raw:
        reader = _ArchiveReader(raw, str(path))
        manifest_bytes, signature = reader.manifest(), reader.signature()
        key = next((k for k in trusted if k.verifies(signature, manifest_bytes)), None)
        if key is None:
            known = ", ".join(k.key_id for k in trusted) or "none"
            raise BundleError(
                f"bundle {path}: its signature is not by a trusted key ({known}), or its manifest "
                "was changed after signing. Sign it with the key of the .pub file on this machine, "
                "or name the right one: --trusted-key"
            )
        manifest = parse_manifest(manifest_bytes, str(path))
        if manifest.signed_by != key.key_id:
            raise BundleError(f"bundle {path}: signed by {key.key_id}, its manifest names {manifest.signed_by}")
        yield Opened(manifest, manifest_bytes, signature, key, reader)


class _ArchiveReader:
    """The decompressed archive, read forward, never more than asked for."""

    def __init__(self, raw: IO[bytes], origin: str) -> None:
        self.origin = origin
        decompressor = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW)
        self._stream = decompressor.stream_reader(raw, read_across_frames=True, closefd=False)

    def manifest(self) -> bytes:
        """The first file. Only the archive says its size, so that is bounded."""
        found = self._header(MANIFEST_NAME)
        if found is None or found.name != MANIFEST_NAME or not found.isreg():
            raise BundleError(f"{self.origin} is no bundle: it starts with {_words(found)}, expected {MANIFEST_NAME}")
        if found.size > MOST_MANIFEST_BYTES:
            raise BundleError(
                f"bundle {self.origin}: {MANIFEST_NAME} has {found.size} bytes, expected at most {MOST_MANIFEST_BYTES}"
            )
        return b"".join(self.content(MANIFEST_NAME, found.size))

    def signature(self) -> bytes:
        """The second file."""
        found = self._header(SIGNATURE_NAME)
        if found is None or found.name != SIGNATURE_NAME or not found.isreg():
            raise BundleError(
                f"bundle {self.origin} is not signed: {found.name if found else 'nothing'!r} follows its manifest, "
                f"expected {SIGNATURE_NAME}. Make it with `touchdown deploy bundle --key`"
            )
        if found.size != SIGNATURE_BYTES:
            raise BundleError(
                f"bundle {self.origin}: {SIGNATURE_NAME} has {found.size} bytes, expected {SIGNATURE_BYTES}"
            )
        return b"".join(self.content(SIGNATURE_NAME, found.size))

    def expect_file(self, entry: FileEntry) -> None:
        """Requires that this file comes next, and nothing else."""
        found = self._header(entry.path)
        if found is None:
            raise BundleError(f"bundle {self.origin} ends before {entry.path}, which its manifest names")
        wanted = _info(entry.path, entry.size).get_info()
        if {**found.get_info(), "chksum": 0} != {**wanted, "chksum": 0}:
            raise BundleError(
                f"bundle {self.origin} holds {_words(found)} of {found.size} bytes where its manifest promises file "
                f"{entry.path!r} of {entry.size}: it was changed after signing"
            )

    def content(self, name: str, size: int) -> Iterator[bytes]:
        """The content of the file whose header came last, and the zeros up to the next block."""
        for start in range(0, size, CHUNK):
            yield self._take(min(CHUNK, size - start), name)
        if any(self._take(len(_padding(size)), "padding")):
            raise BundleError(f"bundle {self.origin}: something is hidden between its files")

    def expect_end(self) -> None:
        """Requires two empty blocks, then nothing, neither within the compressed stream nor behind it."""
        found = self._header("its end")
        if found is not None:
            raise BundleError(
                f"bundle {self.origin} holds {_words(found)} that its manifest does not name: it was changed after "
                "signing"
            )
        if any(self._take(BLOCK, "its end")) or self._read(1):
            raise BundleError(f"bundle {self.origin}: something follows its end")

    def _header(self, what: str) -> tarfile.TarInfo | None:
        """The next header block; None for an empty block."""
        block = self._take(BLOCK, what)
        if not any(block):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "ascii", "replace")
        except tarfile.HeaderError as error:
            raise BundleError(
                f"bundle {self.origin} is no bundle, or it is damaged ({error}). Copy it again"
            ) from error

    def _take(self, size: int, what: str) -> bytes:
        """Exactly so many bytes."""
        parts: list[bytes] = []
        left = size
        while left:
            part = self._read(left)
            if not part:
                raise BundleError(
                    f"bundle {self.origin} is truncated: it ends within {what}. Copy it again "
                    "(`touchdown deploy push` resumes)"
                )
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except zstandard.ZstdError as error:
            raise BundleError(f"{self.origin} is no bundle, or it is damaged ({error}). Copy it again") from error
        except OSError as error:
            raise BundleError(f"bundle {self.origin} cannot be read: {error.strerror or error}") from error


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def _words(found: tarfile.TarInfo | None) -> str:
    """An entry for a message: what it claims to be is never trusted."""
    if found is None:
        return "nothing"
    kind = "file" if found.isreg() else _KINDS.get(found.type, f"entry of type {found.type!r}")
    return f"{kind if kind == 'file' else 'a ' + kind} {found.name[:120]!r}"
