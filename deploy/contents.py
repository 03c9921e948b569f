"""Files on their way into a bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path

from deploy.archive import CHUNK
from deploy.errors import BundleError
from deploy.manifest import FileEntry, require_plain_path
from landing.reading import open_file


class Contents:
    """Path in the bundle and where the file is now.

    Args:
        scratch: Folder for what is made up on the way.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._sources: dict[str, Path] = {}

    def add(self, path: str, source: Path) -> None:
        """Takes a file.

        Args:
            path: In the bundle.
            source: Where it is.

        Raises:
            BundleError: It is not there, or its path is taken or not plain.
        """
        try:
            require_plain_path(path)
        except ValueError as error:
            raise BundleError(f"{source} cannot go into a bundle: {error}. Rename it") from error
        if path in self._sources:
            raise BundleError(f"{source}: {path} is in the bundle already. Rename one of them")
        if not source.is_file():
            raise BundleError(f"{source} does not exist")
        self._sources[path] = source

    def add_bytes(self, path: str, data: bytes) -> None:
        """Takes a content."""
        copy = self._scratch / f"{len(self._sources):05d}"
        copy.write_bytes(data)
        self.add(path, copy)

    def entries(self) -> list[tuple[FileEntry, Path]]:
        """Each file with size and digest, sorted by path."""
        return [(_measured(path, source), source) for path, source in sorted(self._sources.items())]


def _measured(path: str, source: Path) -> FileEntry:
    digest = hashlib.sha256()
    try:
        with open_file(source, "file", BundleError) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
            return FileEntry(path=path, size=file.tell(), sha256=digest.hexdigest())
    except OSError as error:
        raise BundleError(f"{source} cannot be read: {error.strerror or error}") from error
