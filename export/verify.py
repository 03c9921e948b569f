"""Compares the decisions of two artefacts, both run by the very runtimes that fly."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import onnx

from edge.runtimes import RuntimeOptions, load_runtime
from edge.runtimes.archive import ArchiveFile
from edge.runtimes.contract import Runtime
from edge.runtimes.forms import archive_kind
from export.comparison import Comparison, report_of, same_meaning
from export.files import gate_of, metadata_of, read_model, replacing, write_model
from export.limits import Kind
from export.options import Judging
from export.pictures import LabelFolder, of_split, pictures_in, read_picture, spread
from export.runtime import read_spec
from landing.errors import InvalidValueError, ModelError
from landing.model.artefact import BF16_GATE_KEY, GATE_KEY, GateReport
from landing.model.manifest import read_engine
from landing.model.spec import ModelSpec
from landing.progress import tracked
from landing.reading import sha256_of
from landing.types import Frame


@dataclass(frozen=True)
class VerifyOptions(Judging):
    """Pictures to compare on, and runtimes to compare with.

    Attributes:
        data: Folder of pictures.
        part: Of the split, to compare on.
        frames: At most so many, spread evenly; 0 for all.
        kind: Row of the limits; None to see it from B.
        threads: Of each runtime; 0 leaves it to them.
        runtime_a, runtime_b: Runtimes; auto chooses by file type.
        precision_a, precision_b: Of OpenVINO; auto is fp32 here, so that what is proven is said.
    """

    data: Path
    part: str = "val"
    frames: int = 0
    kind: Kind | None = None
    threads: int = 0
    runtime_a: str = "auto"
    runtime_b: str = "auto"
    precision_a: str = "auto"
    precision_b: str = "auto"

    def running(self, backend: str, precision: str) -> RuntimeOptions:
        """Runtime options of one of the two; a failed gate is no reason to refuse it here."""
        if backend == "openvino" and precision == "auto":
            precision = "fp32"
        return RuntimeOptions(backend, threads=self.threads, allow_failed_gate=True, precision=precision)


def verify(a: Path, b: Path, options: VerifyOptions) -> GateReport:
    """Runs both on the pictures and judges B by the table of limits.

    Raises:
        ModelError: One does not load, or they are not comparable.
        DataError: There are no pictures, or one cannot be read.
        InvalidValueError: Both would run in bfloat16, so that neither is what the other is held against.
    """
    if options.precision_a == options.precision_b == "bf16":
        raise InvalidValueError("--precision-a bf16: B in bf16 is judged against float numbers; leave it out")
    pictures = frames_of(options)
    kind = options.kind or kind_of(a, b, "bf16" in (options.precision_a, options.precision_b))
    with ExitStack() as stack:
        spec_b = described(b)
        how_a = options.running(options.runtime_a, options.precision_a)
        how_b = options.running(options.runtime_b, options.precision_b)
        one = stack.enter_context(opened(a, spec_b, how_a))
        other = stack.enter_context(opened(b, one.spec, how_b))
        _comparable(one, other)
        comparison = Comparison(one.spec, options.height_agl_m, options.hfov_deg, other.spec)
        truth = None
        if options.labels is not None:
            truth = LabelFolder.of_pictures(options.labels, pictures, one.spec.taxonomy, options.labels_as)
        for i, path in enumerate(tracked("comparing", pictures, len(pictures)), 1):
            image = read_picture(path)
            frame = Frame(image, i, 0)
            labels = None if truth is None else truth.read(path)
            comparison.add(one.segment(frame), other.segment(frame), labels, (frame.width_px, frame.height_px))
        report = report_of(comparison, kind, a, artefact_sha256=sha256_of(b), runtimes=(one.backend, other.backend))
        return report.model_copy(update={"against_sha256": report.artefact_sha256}) if _same_network(a, b) else report


def _same_network(a: Path, b: Path) -> bool:
    """Tell whether two ONNX files hold one graph, whatever else differs: a copy is no other model than its original."""
    if {a.suffix.lower(), b.suffix.lower()} != {".onnx"}:
        return False
    one, other = (read_model(path).graph.SerializeToString(deterministic=True) for path in (a, b))
    return bool(one == other)


def frames_of(options: VerifyOptions) -> list[Path]:
    """The pictures to compare on.

    Raises:
        DataError: None there, or none in the part of the split.
    """
    pictures = pictures_in(options.data)
    if options.split is not None:
        pictures = of_split(pictures, options.split, options.split_column, options.part)
    return spread(pictures, options.frames)


def opened(path: Path, like: ModelSpec | None, how: RuntimeOptions) -> Runtime:
    """An artefact in the runtime for its kind; `like` is the other artefact's spec, which a checkpoint follows.

    Raises:
        ModelError: It does not load.
    """
    if path.suffix.lower() == ".onnx":
        read_model(path)
    if path.suffix.lower() != ".pt":
        return load_runtime(path, how)
    if how.backend != "auto":
        raise ModelError(f"{path} is a checkpoint, which torch runs, not {how.backend}")
    from export.checkpoint_runtime import CheckpointRuntime

    return CheckpointRuntime.load(path, like)


def described(path: Path) -> ModelSpec | None:
    """The ModelSpec of an artefact; None of a checkpoint.

    Raises:
        ModelError: It cannot be read.
    """
    if path.suffix.lower() == ".pt":
        return None
    if path.suffix.lower() == ".engine":
        return read_engine(path)[0].model
    kind = archive_kind(path)
    if kind is None:
        return read_spec(path)
    spec: ModelSpec = kind.read(path).manifest.model
    return spec


def kind_of(a: Path, b: Path, bf16: bool = False) -> Kind:
    """The limits that hold: those of the coarser of the two."""
    kinds = {precision_of(path) for path in (a, b)} | ({"bf16"} if bf16 else set())
    order: tuple[Kind, ...] = ("quantised", "bf16", "half", "exact")
    return next(kind for kind in order if kind in kinds)


def precision_of(path: Path) -> Kind:
    """Row of the limits that a file's own numbers ask for."""
    if path.suffix.lower() == ".engine":
        of: dict[str, Kind] = {"fp32": "exact", "fp16": "half", "int8": "quantised"}
        return of[read_engine(path)[0].precision]
    if kind := archive_kind(path):
        numbers: Kind = kind.read(path).manifest.numbers
        return numbers
    if path.suffix.lower() != ".onnx":
        return "exact"
    model = read_model(path)
    kinds = {node.op_type for node in model.graph.node}
    if kinds & {"QuantizeLinear", "DequantizeLinear", "QLinearConv"}:
        return "quantised"
    halves = sum(tensor.data_type == 10 for tensor in model.graph.initializer)
    return "half" if halves else "exact"


def _comparable(a: Runtime, b: Runtime) -> None:
    if not same_meaning(a.spec.taxonomy, b.spec.taxonomy):
        raise ModelError(
            f"{a.path} ({a.spec.taxonomy.name}) and {b.path} ({b.spec.taxonomy.name}) give their "
            "classes other names or roles: nothing they say can be compared. `touchdown export "
            "onnx MODEL.onnx --taxonomy T` gives one the other's roles"
        )


def store(report: GateReport, artefact: Path, precision: str = "auto") -> str:
    """Puts the report where whatever loads the artefact finds it; nothing is stored of a checkpoint.

    A report at bf16 is kept beside the one without.

    Returns:
        Why nothing was stored, one line; empty where it was.

    Raises:
        TouchdownError: It cannot be written.
    """
    kept = None if precision == "bf16" else not_to_store(report, artefact)
    if kept:
        return kept
    if artefact.suffix.lower() == ".engine":
        from export.manifest import record_gate

        record_gate(artefact, report)
    elif kind := archive_kind(artefact):
        file = kind.read(artefact)
        judged = ArchiveFile(file.manifest.model_copy(update={"gate": report}), file.parts)
        with replacing(artefact) as partial:
            partial.write_bytes(kind.packed(judged))
    elif artefact.suffix.lower() == ".onnx":
        model = read_model(artefact)
        gates = metadata_of(model)
        gates[BF16_GATE_KEY if precision == "bf16" else GATE_KEY] = report.to_json()
        onnx.helper.set_model_props(model, gates)
        write_model(model, artefact)
    return ""


def not_to_store(report: GateReport, artefact: Path) -> str:
    """Return why a report may not take the place of the one in a file; empty where it may.

    A model that decides as itself says nothing of the one it was made from. So such a report, if it passed, is stored
    only of another runtime, and only where no comparison with another model is in the file.

    Raises:
        ModelError: The report that the file holds is damaged.
    """
    if not report.passed or not _of_itself(report):
        return ""
    if report.runtimes[0] == report.runtimes[1]:
        return f"not stored: {artefact} was compared with itself in one runtime, which proves nothing"
    stored = stored_gate(artefact)
    if stored is None or _of_itself(stored):
        return ""
    return (
        f"not stored: {artefact} was compared with itself, and its report on another model stays: {stored.describe()}"
    )


def _of_itself(report: GateReport) -> bool:
    return bool(report.against_sha256) and report.against_sha256 == report.artefact_sha256


def stored_gate(artefact: Path) -> GateReport | None:
    """The report that a file holds of its numbers as they are; None of a checkpoint, and where there is none.

    Raises:
        ModelError: It is damaged.
    """
    if kind := archive_kind(artefact):
        stored: GateReport | None = kind.read(artefact).manifest.gate
        return stored
    if artefact.suffix.lower() == ".engine":
        return read_engine(artefact)[0].gate
    return gate_of(read_model(artefact), artefact) if artefact.suffix.lower() == ".onnx" else None


def table(report: GateReport) -> str:
    """For people: what was found, and the limit."""
    lines = [f"{'':<22}{'found':>10}{'at most':>10}"]
    for name, value in report.measured.items():
        if value is None:
            if name in report.thresholds:
                lines.append(f"{name:<22}{'-':>10}{report.thresholds[name]:>10g}  needs --labels")
            continue
        limit = report.thresholds.get(name)
        mark = "" if limit is None or value <= limit else "  exceeded"
        lines.append(f"{name:<22}{value:>10.5f}{'' if limit is None else f'{limit:g}':>10}{mark}")
    lines.append(report.describe())
    return "\n".join(lines)
