"""The archive: a tar of one shape only, compressed with zstd, the same bytes every time.

    manifest.json   what is signed
    manifest.sig    64 bytes, Ed25519 over manifest.json
    ...             every file the manifest names, in its order
    two empty blocks

`tar --zstd -xf` reads it. Our reader does not use a tar library: the signed manifest says which header each file has,
byte for byte, so a link, a device, a second name, a longer size or anything else a tar can hold is not parsed and
judged but simply is not the header expected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
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

BLOCK = 512
CHUNK = 1 << 20
LEVEL = 9
"""Wheels and weights hardly shrink further above this; the bytes depend on libzstd's version, so the manifest's digest,
not the archive's, names a release."""

MOST_WINDOW = 1 << 27
"""Memory the decompressor may be told to use, bytes."""

_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder",
    b"6": "a pipe",
}


def write_archive(path: Path, manifest: bytes, signature: bytes, files: list[tuple[FileEntry, Path]]) -> None:
    """Writes an archive.

    Args:
        path: Of the archive.
        manifest: Canonical.
        signature: Over it.
        files: In the manifest's order; each is read once more and held against its digest.

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
    """The one header a file of this name and size has: mode 0644, root, 1970, POSIX ustar."""
    encoded = name.encode("ascii")
    prefix = b""
    if len(encoded) > 100:
        cut = encoded.rfind(b"/", 0, 156)
        prefix, encoded = encoded[:cut], encoded[cut + 1 :]
        if cut < 1 or len(encoded) > 100:
            raise BundleError(f"{name}: the name is too long for an archive; shorten it")
    block = bytearray(BLOCK)
    block[0 : len(encoded)] = encoded
    block[100:108] = b"0000644\0"
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = b"0"
    block[257:265] = b"ustar\x0000"
    block[265:269] = block[297:301] = b"root"
    block[329:337] = block[337:345] = b"0000000\0"
    block[345 : 345 + len(prefix)] = prefix
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


Sink = Callable[[bytes], object]
"""Takes the content of a file, piece by piece; nothing counts until all files are right."""


@dataclass(frozen=True)
class Opened:
    """A bundle whose signature was verified; its files were not read yet.

    Attributes:
        manifest: What it says of itself.
        manifest_bytes: As signed.
        signature: Over them.
        key: That verified it.
    """

    manifest: BundleManifest
    manifest_bytes: bytes
    signature: bytes
    key: PublicKey
    _stream: _Stream

    def read_files(self, sink_for: Callable[[FileEntry], Sink]) -> None:
        """Reads all files, once; each digest is checked at the file's end.

        Args:
            sink_for: Called at the start of each file.

        Raises:
            BundleError: The archive ends early, holds something else than its manifest says, or a digest differs.
        """
        for entry in self.manifest.files:
            self._stream.expect_header(entry.path, entry.size)
            digest = hashlib.sha256()
            sink = sink_for(entry)
            left = entry.size
            while left:
                chunk = self._stream.take(min(CHUNK, left), entry.path)
                digest.update(chunk)
                sink(chunk)
                left -= len(chunk)
            self._stream.expect_padding(entry.size)
            if digest.hexdigest() != entry.sha256:
                raise BundleError(
                    f"bundle {self._stream.origin}: {entry.path} is not what was signed: SHA-256 "
                    f"{digest.hexdigest()[:12]}..., expected {entry.sha256[:12]}.... Copy it again"
                )
        self._stream.expect_end()


@contextmanager
def open_bundle(path: Path, trusted: tuple[PublicKey, ...]) -> Iterator[Opened]:
    """Opens a bundle and verifies its signature, before anything else in it is looked at.

    Args:
        path: Of the archive.
        trusted: Keys of which one must have signed it.

    Raises:
        BundleError: Missing, truncated, no bundle, unsigned, signed by nobody we trust, or its manifest is not valid.
    """
    with open_file(path, "bundle", BundleError) as raw:
        stream = _Stream(raw, str(path))
        manifest_bytes = stream.take_small(MANIFEST_NAME, MOST_MANIFEST_BYTES)
        signature = stream.take_small(SIGNATURE_NAME, SIGNATURE_BYTES)
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
        yield Opened(manifest, manifest_bytes, signature, key, stream)


class _Stream:
    """The decompressed archive, read forward, never more than asked for."""

    def __init__(self, raw: IO[bytes], origin: str) -> None:
        self.origin = origin
        decompressor = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW)
        self._reader = decompressor.stream_reader(raw, read_across_frames=True, closefd=False)

    def take(self, size: int, what: str) -> bytes:
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

    def take_small(self, name: str, most: int) -> bytes:
        """One of the two files at the start, whose size only the archive says."""
        block = self.take(BLOCK, name)
        found, kind, size = _described(block)
        if found != name and name == SIGNATURE_NAME:
            raise BundleError(
                f"bundle {self.origin} is not signed: {found or 'nothing'!r} follows its manifest, "
                f"expected {name}. Make it with `touchdown deploy bundle --key`"
            )
        if found != name or kind:
            raise BundleError(
                f"{self.origin} is no bundle: it starts with {kind or 'file'} {found[:80]!r}, expected {name}"
            )
        exact = name == SIGNATURE_NAME
        if size > most or (exact and size != most):
            raise BundleError(
                f"bundle {self.origin}: {name} has {size} bytes, expected {'' if exact else 'at most '}{most}"
            )
        if block != header(name, size):
            raise BundleError(f"bundle {self.origin}: the header of {name} is not as we write it")
        data = self.take(size, name)
        self.expect_padding(size)
        return data

    def expect_header(self, path: str, size: int) -> None:
        """The next entry is this file, and nothing else."""
        block = self.take(BLOCK, path)
        if block == header(path, size):
            return
        found, kind, found_size = _described(block)
        if not any(block):
            raise BundleError(f"bundle {self.origin} ends before {path}, which its manifest names")
        raise BundleError(
            f"bundle {self.origin} holds {kind or 'file'} {found[:120]!r} of {found_size} bytes "
            f"where its manifest promises file {path!r} of {size}: it was changed after signing"
        )

    def expect_padding(self, size: int) -> None:
        """Zeros up to the next block."""
        padding = self.take(len(_padding(size)), "padding")
        if any(padding):
            raise BundleError(f"bundle {self.origin}: something is hidden between its files")

    def expect_end(self) -> None:
        """Two empty blocks, then nothing, neither within the compressed stream nor behind it."""
        block = self.take(2 * BLOCK, "its end")
        if any(block):
            found, kind, _ = _described(block[:BLOCK])
            raise BundleError(
                f"bundle {self.origin} holds {kind or 'file'} {found[:120]!r} that its manifest "
                "does not name: it was changed after signing"
            )
        if self._read(1):
            raise BundleError(f"bundle {self.origin}: something follows its end")

    def _read(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except zstandard.ZstdError as error:
            raise BundleError(f"{self.origin} is no bundle, or it is damaged ({error}). Copy it again") from error
        except OSError as error:
            raise BundleError(f"bundle {self.origin} cannot be read: {error.strerror or error}") from error


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def _described(block: bytes) -> tuple[str, str, int]:
    """Name, kind (empty for a file) and size that a header claims: for messages, never trusted."""
    name = block[:100].rstrip(b"\0").decode("ascii", "replace")
    prefix = block[345:500].rstrip(b"\0").decode("ascii", "replace")
    flag = block[156:157]
    kind = "" if flag in (b"0", b"\0") else _KINDS.get(flag, f"an entry of type {flag!r}")
    digits = block[124:136].strip(b"\0 ")
    size = int(digits, 8) if digits.isdigit() and not set(digits) - set(b"01234567") else -1
    return (f"{prefix}/{name}" if prefix else name), kind, size
