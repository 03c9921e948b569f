"""The state that a complete release was proven in: the signed files, and a list of all that was made beside them.

A byte that rots on a card may be of the software or of an engine as well as of a bundle. So nothing is switched to
again before every one of them was read.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from deploy.durable import write_file
from deploy.errors import BundleError
from deploy.layout import BUNDLE_FOLDER, FLIGHT_CONFIG, MADE_FILE, RELEASE_FILE, Root
from deploy.manifest import MANIFEST_NAME, parse_manifest
from landing.reading import TABLE_BYTES, read_bytes, sha256_of


def list_made(release: Path) -> str:
    """Lists the files of a release beside its bundle, in the form of sha256sum; returns the list's own digest."""
    lines = []
    for parent, folders, files in os.walk(release):
        if Path(parent) == release:
            folders.remove(BUNDLE_FOLDER)
        folders.sort()
        paths = (Path(parent) / name for name in sorted(files))
        # A link is the system's Python, which its owner may update.
        lines += [f"{_digest(path)}  {path.relative_to(release)}\n" for path in paths if not path.is_symlink()]
    data = "".join(lines).encode("utf-8", "surrogateescape")
    write_file(release / MADE_FILE, data)
    return hashlib.sha256(data).hexdigest()


def changed(root: Root, name: str) -> str:
    """The first file of a release that is not what was signed or proven; empty where all are, and it is complete.

    Modules that Python compiled since are no change. A release that runs with another's software is no better than
    that one: its file is named with the release before it.
    """
    folder, record = root.release(name), root.record(name)
    if record is None:
        return RELEASE_FILE
    bundle = folder / BUNDLE_FOLDER
    try:
        signed = (bundle / MANIFEST_NAME).read_bytes()
        if hashlib.sha256(signed).hexdigest() != record.manifest_sha256:
            return MANIFEST_NAME
        if _digest(folder / FLIGHT_CONFIG) != record.config_sha256:
            return FLIGHT_CONFIG
        for entry in parse_manifest(signed, name).files:
            if _digest(bundle / entry.path) != entry.sha256:
                return entry.path
        if record.made_sha256 and (bad := _changed_beside(folder, record.made_sha256)):
            return bad
    except (OSError, BundleError) as error:
        return str(error)
    lender = root.lender(name)
    bad = changed(root, lender) if lender is not None and lender != name else ""
    return f"{lender}/{bad}" if bad else ""


def _changed_beside(folder: Path, expected: str) -> str:
    if _digest(folder / MADE_FILE) != expected:
        return MADE_FILE
    listed = read_bytes(folder / MADE_FILE, "file", BundleError, TABLE_BYTES).decode("utf-8", "surrogateescape")
    for line in listed.split("\n"):
        digest, _, name = line.partition("  ")
        if name and _digest(folder / name) != digest:
            return name
    return ""


def _digest(path: Path) -> str:
    return sha256_of(path, "file", BundleError)
