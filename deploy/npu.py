"""Models for an NPU in a bundle: the workstation cannot run them, so their ONNX file answers for the self-test."""

from __future__ import annotations

from pathlib import Path

from deploy.errors import BundleError
from edge.config import EdgeConfig
from edge.fastest import digests_of
from edge.runtimes.archive import ArchiveManifest
from edge.runtimes.forms import archive_kind
from edge.runtimes.gate import require_gate


def npu_manifest(model: Path) -> ArchiveManifest | None:
    """Description of a model for an NPU; None of another one.

    Raises:
        ModelError: The file is damaged.
    """
    kind = archive_kind(model)
    manifest: ArchiveManifest | None = kind.read(model).manifest if kind else None
    return manifest if manifest and manifest.npu else None


def answering(config: EdgeConfig, model: Path, npus: tuple[str, ...]) -> EdgeConfig:
    """The configuration with what answers here in place of the model: itself, or the file that it was made from.

    Args:
        config: With the model's own path.
        model: The model.
        npus: Of the target.

    Raises:
        BundleError: The target has no such NPU, or the ONNX file that the model was made from is not beside it.
        ModelError: The file is damaged, or failed its gate.
    """
    manifest = npu_manifest(model)
    if manifest is None:
        return config
    require_gate(model, manifest.gate, config.model.options)
    if manifest.npu not in npus:
        raise BundleError(
            f"model {model} is for {manifest.npu}: say a --target that has it (docs/operate/deploy.md), "
            f"{'that one has ' + ', '.join(npus) if npus else 'this one has none'}"
        )
    original = model.parent / Path(manifest.onnx_name).name
    if not original.is_file() or manifest.onnx_sha256 not in digests_of(original):
        raise BundleError(
            f"model {model} was made from {manifest.onnx_name or 'an ONNX file'}, which answers for the self-test: put "
            f"that very file beside it, SHA-256 {manifest.onnx_sha256[:12]}..."
        )
    section = config.model.model_copy(update={"path": original, "runtime": "auto"})
    return config.model_copy(update={"model": section})
