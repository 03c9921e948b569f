"""`export info`: the description in a model file, and the contents of its graph."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.runtimes.archive import ArchiveManifest
from edge.runtimes.forms import archive_kind
from export.files import gate_of, read_model, spec_of
from export.roofline import Work, work_of
from landing.errors import ModelError
from landing.model.artefact import BF16_GATE_KEY, GateReport
from landing.model.manifest import read_engine
from landing.model.spec import ModelSpec
from landing.reading import sha256_of
from landing.taxonomy import ClassInfo, Taxonomy


@dataclass(frozen=True)
class Info:
    """Facts about an artefact.

    Attributes:
        spec: Its own description.
        gate, bf16_gate: Reports of its last verification, and of the one of OpenVINO's bfloat16.
        layers: Nodes by kind; empty for an engine and an archive.
        work: Of one inference; None for an engine and an archive.
        parameters, integer_weights: Numbers in its weights, and those of them stored in 8 bits.
        extra: The rest of the manifest of an engine or an archive.
    """

    path: Path
    size_bytes: int
    sha256: str
    spec: ModelSpec
    gate: GateReport | None
    bf16_gate: GateReport | None
    layers: dict[str, int]
    work: Work | None
    parameters: int
    integer_weights: int
    extra: dict[str, Any]

    @classmethod
    def of(cls, path: str | Path) -> Info:
        """Reads a file.

        Raises:
            ModelError: Missing, damaged, or it does not describe itself.
        """
        source = Path(path)
        if source.suffix.lower() == ".engine":
            return cls._of_engine(source)
        if kind := archive_kind(source):
            return cls._of_archive(source, kind.read(source).manifest)
        if source.suffix.lower() == ".pt":
            raise ModelError(f"{source} is a checkpoint; export it first: `touchdown export onnx`")
        model = read_model(source)
        layers = Counter(node.op_type for node in model.graph.node)
        sizes = [(t.data_type, _size(t.dims)) for t in model.graph.initializer]
        return cls(
            source,
            source.stat().st_size,
            sha256_of(source),
            spec_of(model, source),
            gate_of(model, source),
            gate_of(model, source, BF16_GATE_KEY),
            dict(layers.most_common()),
            work_of(model),
            sum(size for _, size in sizes),
            sum(size for kind, size in sizes if kind in (2, 3)),
            {},
        )

    @classmethod
    def _of_engine(cls, path: Path) -> Info:
        manifest, data = read_engine(path)
        extra = json.loads(manifest.model_dump_json(exclude={"model", "gate"}))
        return cls(path, len(data), manifest.engine_sha256, manifest.model, manifest.gate, None, {}, None, 0, 0, extra)

    @classmethod
    def _of_archive(cls, path: Path, manifest: ArchiveManifest) -> Info:
        extra = json.loads(manifest.model_dump_json(exclude={"model", "gate"}))
        size, digest = path.stat().st_size, sha256_of(path)
        return cls(path, size, digest, manifest.model, manifest.gate, None, {}, None, 0, 0, extra)

    def to_json(self) -> str:
        """Everything, for scripts."""
        return json.dumps(
            {
                "path": str(self.path),
                "size_bytes": self.size_bytes,
                "sha256": self.sha256,
                "parameters": self.parameters,
                "integer_weights": self.integer_weights,
                "layers": self.layers,
                "work": self.work.as_dict() if self.work else None,
                "gate": json.loads(self.gate.to_json()) if self.gate else None,
                "bf16_gate": json.loads(self.bf16_gate.to_json()) if self.bf16_gate else None,
                "engine": self.extra or None,
                "spec": json.loads(self.spec.to_json()),
            },
            indent=2,
        )

    def describe(self) -> str:
        """For people."""
        lines = [f"file          {self.path} ({self.size_bytes / 1e6:.2f} MB)"]
        lines.append(f"sha256        {self.sha256}")
        lines += _of_spec(self.spec)
        if self.work is not None:
            quantised = f", {100 * self.integer_weights / max(1, self.parameters):.0f} % in 8 bits"
            lines.append(f"weights       {self.parameters / 1e6:.2f} M" + (quantised if self.integer_weights else ""))
            lines.append(f"work          {self.work.describe()}")
            lines.append("layers        " + ", ".join(f"{n} {k}" for k, n in self.layers.items()))
        for name, value in self.extra.items():
            if not isinstance(value, (dict, list)) and value not in (None, ""):
                lines.append(f"{name:<14}{value}")
        lines.append(f"gate          {self.gate.describe() if self.gate else '(not verified)'}")
        if self.bf16_gate:
            lines.append(f"at bf16       {self.bf16_gate.describe()}")
        return "\n".join(lines)


def _size(dims: Any) -> int:
    size = 1
    for side in dims:
        size *= int(side)
    return size


def _chosen(of_class: ClassInfo, taxonomy: Taxonomy) -> str:
    """The preference of a class and its caution, where it has them."""
    number = taxonomy.preference.get(of_class.name)
    if number is None:
        return ""
    caution = taxonomy.caution.get(of_class.name)
    return f", preference {number}" + (f" ({caution})" if caution else "")


def _of_spec(spec: ModelSpec) -> list[str]:
    source, own = spec.input, spec.provenance
    lines = [
        f"name          {spec.name}",
        f"architecture  {spec.architecture}",
        f"input         {source.name}: {source.dtype} {source.height_px}x{source.width_px}x3 {source.color_order}",
        f"outputs       every {spec.outputs.stride} px: class_id, landable, hazards",
        f"temperature   {spec.temperature:g}",
        f"taxonomy      {spec.taxonomy.name}:",
    ]
    lines += [f"  {c.id:3d} {c.name:<16} {c.role.value}{_chosen(c, spec.taxonomy)}" for c in spec.taxonomy.classes]
    if spec.operating is not None:
        roles = ("landable", "obstacle", "water", "person", "vehicle")
        chosen = ", ".join(f"{role} {getattr(spec.operating, role):.3g}" for role in roles)
        lines.append(f"operating     {chosen} ({spec.operating.chosen_on or 'not said on what'})")
    ground = spec.ground_range
    lines.append(f"ground        {f'{ground.describe()} a pixel; {ground.source}' if ground else '(not said)'}")
    if spec.site_confidence is not None:
        lines.append(f"confidence    {spec.site_confidence.describe()}")
    for title, text in (
        ("trained on", own.trained_on),
        ("recipe", own.recipe),
        ("licence", own.licence),
        ("touchdown", own.touchdown_version),
        ("made from", own.checkpoint_sha256),
    ):
        lines.append(f"{title:<14}{text or '(not said)'}")
    return lines + [f"  {name} {value:.4f}" for name, value in sorted(own.metrics.items())]
