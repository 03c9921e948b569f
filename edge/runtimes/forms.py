"""Types of model files that are archives of ours, by their suffix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.runtimes.archive import ArchiveKind
from edge.runtimes.hailo_file import HAILO
from edge.runtimes.ncnn_file import NCNN
from edge.runtimes.rknn_file import RKNN

ARCHIVES: Mapping[str, ArchiveKind[Any]] = {kind.suffix: kind for kind in (NCNN, RKNN, HAILO)}


def archive_kind(path: Path) -> ArchiveKind[Any] | None:
    """The type that a file's name says; None of ONNX files, engines and checkpoints."""
    return ARCHIVES.get(path.suffix.lower())
