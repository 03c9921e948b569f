"""Files on their way into a bundle."""

from __future__ import annotations

from pathlib import Path

from deploy.errors import BundleError
from deploy.manifest import FileEntry, require_plain_path
from landing.reading import sha256_of


class Contents:
    """Paths in the bundle, and where each file is now; `scratch` is a folder for what is made up on the way."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._sources: dict[str, Path] = {}

    def add(self, path: str, source: Path) -> None:
        """Takes a file under a path of the bundle.

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
        return [
            (FileEntry(path=path, size=source.stat().st_size, sha256=sha256_of(source, "file", BundleError)), source)
            for path, source in sorted(self._sources.items())
        ]
