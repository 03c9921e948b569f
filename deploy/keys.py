"""Ed25519 keys: who may put software onto a drone.

The private key stays on the workstation that makes bundles; a drone holds public keys alone. Both are PEM files (PKCS
#8 and SubjectPublicKeyInfo), so `openssl pkey` reads them too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from deploy.durable import sync_folder
from deploy.errors import BundleError, disk_words
from landing.reading import TEXT_BYTES, read_bytes

SIGNATURE_BYTES = 64


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are held against; people compare its id, half the SHA-256 of its 32 bytes."""

    key: Ed25519PublicKey
    key_id: str

    @classmethod
    def of(cls, key: Ed25519PublicKey) -> PublicKey:
        """A key with its id."""
        return cls(key, hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32])

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return True if this key's owner signed the message."""
        try:
            self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def generate(private: Path) -> tuple[Path, PublicKey]:
    """Makes a pair of keys; the public one gets ``.pub`` appended to its name. Returns its path, and the key.

    Raises:
        BundleError: One of the files exists (a key is never overwritten), or the disk refuses.
    """
    if not private.name:
        raise BundleError(f"--out {private} is a folder: name a file in it")
    public = private.with_name(private.name + ".pub")
    for path in (private, public):
        if os.path.lexists(path):
            raise BundleError(
                f"key {path} exists and is not overwritten: bundles signed with it could no longer "
                "be told from forged ones. Choose another --out"
            )
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        private.parent.mkdir(parents=True, exist_ok=True)
        _create(private, secret, 0o600)
        try:
            _create(public, shown, 0o644)
        except OSError:
            private.unlink()
            raise
        sync_folder(private.parent)
    except OSError as error:
        raise BundleError(f"key {private} cannot be written: {disk_words(error)}") from error
    return public, PublicKey.of(key.public_key())


def load_private(path: Path) -> Ed25519PrivateKey:
    """Reads a private key that nobody else can read.

    Raises:
        BundleError: Missing, no Ed25519 key, protected by a password, or readable by others.
    """
    data = _read(path, "`touchdown deploy keygen` makes one")
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise BundleError(
            f"key {path} has mode {mode:04o}: others on this machine can read it. `chmod 600 "
            f"{path}`, and make a new pair if somebody may have"
        )
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BundleError(f"key {path} is no private key of `touchdown deploy keygen`: {_first_line(error)}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"key {path} is of another kind than Ed25519: make one with keygen")
    return key


def load_public(path: Path) -> PublicKey:
    """Reads a public key.

    Raises:
        BundleError: Missing or no Ed25519 public key.
    """
    data = _read(path, "copy the .pub file of `touchdown deploy keygen` to the drone")
    if b"PRIVATE KEY" in data:
        raise BundleError(f"key {path} is a private key: it belongs on the workstation alone. Copy the .pub file")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BundleError(f"key {path} is no public key of `touchdown deploy keygen`: {_first_line(error)}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"key {path} is of another kind than Ed25519: expected a .pub of keygen")
    return PublicKey.of(key)


def standing_keys(etc: Path) -> tuple[Path, ...]:
    """Public keys under ``/etc`` that a machine trusts without being told.

    Raises:
        BundleError: There is none.
    """
    folder = etc / "touchdown" / "keys"
    found = tuple(sorted(folder.glob("*.pub")))
    if not found:
        raise BundleError(
            f"no trusted key: copy the .pub file of `touchdown deploy keygen` to {folder}, or name it: --trusted-key"
        )
    return found


def _create(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _read(path: Path, remedy: str) -> bytes:
    return read_bytes(path, "key", BundleError, TEXT_BYTES, remedy)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].partition(". ")[0][:120]
