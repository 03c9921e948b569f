"""`export bench --submit`: what a board reached, in a file that can be sent and shown with its source.

Nothing in it names the machine's owner: no host name, no address, no path.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.runtimes.forms import archive_kind
from export.bench import BenchReport, Timed
from export.files import gate_of, read_model
from export.sustained import Sustained
from export.verify import precision_of
from firmware_bridge.board import board_name
from landing.distribution import VERSION
from landing.errors import FileError, InvalidValueError, ModelError
from landing.model.document import parse_document
from landing.model.manifest import read_engine
from landing.reading import open_for_writing, read_text, sha256_of

YARDSTICK = "onnxruntime"
"""Runtime that others are told as a ratio to, on the float32 ONNX file that they were made from."""

_REMEDY = "Make it again with `touchdown export bench --submit`."
Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f<>|`\[\]]*$")]
"""One line without anything that a table of Markdown would read."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Stage = Annotated[str, Field(pattern=r"^(preprocess|inference|h2d|compute|d2h)$")]
Milliseconds = Annotated[float, Field(gt=0, le=3_600_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SubmittedModel(_Strict):
    """One model in one runtime.

    Attributes:
        name: As the model says.
        sha256: Of the file that ran.
        onnx_sha256: Of the float32 ONNX file that it was made from; its own for that file.
        runtime: What ran it, with version, processor, threads and precision.
        gate: Passed, refused, or None where the file was not verified.
        failures: Limits of the gate that were not kept.
        ms: From frame to maps: percentiles, and the least.
        stages_ms: Medians of its parts.
        sustained: The model alone, without a pause.
    """

    name: Words
    sha256: Digest
    onnx_sha256: Digest
    runtime: Words
    gate: bool | None
    failures: tuple[Words, ...] = Field(default=(), max_length=16)
    ms: dict[Literal["p50", "p95", "p99", "least"], Milliseconds]
    stages_ms: dict[Stage, Annotated[float, Field(ge=0)]]
    sustained: Sustained | None = None

    @property
    def is_yardstick(self) -> bool:
        """True for what others are compared with."""
        return self.sha256 == self.onnx_sha256 and self.runtime.startswith(YARDSTICK)


class Submission(_Strict):
    """A board and what it reached; all models were measured in turn, frame by frame.

    Attributes:
        format: Version of this description.
        board: Its name, as its maker wrote it into it.
        source: Who measured it, or where it was told, in their own words.
        system, processor: Of the board.
        cores: Of the processor.
        python, touchdown_version: That ran.
        threads: Of each runtime; 0: its own choice.
        frame: Size of the camera's frames, as ``1280x720``; empty: each model's own input.
        models: What was measured.
    """

    format: Literal[1] = 1
    board: Words
    source: Words = ""
    system: Words
    processor: Words
    cores: int = Field(ge=1, le=4096)
    python: Words
    touchdown_version: Words
    threads: int = Field(ge=0, le=256)
    frame: str = Field(default="", pattern=r"^(\d{1,5}x\d{1,5})?$")
    models: tuple[SubmittedModel, ...] = Field(min_length=1, max_length=64)

    def ratio(self, model: SubmittedModel) -> float:
        """Times faster than the ONNX file in ONNX Runtime in the same run, by the medians."""
        reference = next(one for one in self.models if one.is_yardstick and one.sha256 == model.onnx_sha256)
        return reference.ms["p50"] / model.ms["p50"]


def measured_files(paths: Sequence[Path], runtimes: Sequence[str], source: str) -> list[Path]:
    """The file behind each model of a report; what cannot be sent is refused before anything is measured.

    Raises:
        InvalidValueError: The ONNX file of one of the models is not measured in ONNX Runtime beside it, or `source` is
            no line of plain words.
        ModelError: A file cannot be read.
    """
    if source != _plain(source):
        raise InvalidValueError(f"--source {source!r}: expected one line of at most 200 characters without < > | [ ] `")
    ways = [(path, how) for path in paths for how in runtimes or ("auto",)]
    plain = {sha256_of(path) for path, how in ways if path.suffix.lower() == ".onnx" and how in ("auto", YARDSTICK)}
    for path, _ in ways:
        if _origin(path) not in plain:
            raise InvalidValueError(
                f"--submit: {path} is told as a ratio to the float32 ONNX file that it was made from, in ONNX Runtime. "
                f"Name that file too: touchdown export bench MODEL.onnx {path.name} --submit FILE"
            )
    return [path for path, _ in ways]


def submission_of(paths: Sequence[Path], report: BenchReport, frame: str, source: str) -> Submission:
    """A measurement as it is sent.

    Args:
        paths: The files of the report's models, in its order.
        report: The measurement.
        frame: Size of the camera's frames, as ``1280x720``; empty: each model's own input.
        source: Who measured it.

    Raises:
        ModelError: A file changed meanwhile and cannot be read.
    """
    models = tuple(_submitted(path, timed) for path, timed in zip(paths, report.models, strict=True))
    release = re.search(r'^PRETTY_NAME="?([^"\n]*)', _release(), re.MULTILINE)
    threads = report.machine["threads"]
    return Submission(
        board=_plain(board_name(Path("/"))),
        source=source,
        system=_plain(f"{release[1] if release else platform.system()}, {platform.machine()}"),
        processor=_plain(str(report.machine["cpu"])),
        cores=report.machine["cores"] or 1,
        python=platform.python_version(),
        touchdown_version=VERSION,
        threads=threads if isinstance(threads, int) else 0,
        frame=frame,
        models=models,
    )


def write_submission(submission: Submission, path: Path) -> None:
    """Writes the file.

    Raises:
        TouchdownError: It cannot be written.
    """
    with open_for_writing(path, "submission", FileError) as stream:
        stream.write((submission.model_dump_json(indent=1) + "\n").encode())


def read_submission(path: Path) -> Submission:
    """Reads a file that somebody sent.

    Raises:
        ModelError: Missing, no JSON, of another format, or a value is out of its bounds; or it tells no yardstick.
    """
    found = parse_document(Submission, read_text(path, "submission", ModelError), f"submission {path}", _REMEDY)
    for model in found.models:
        if not any(one.is_yardstick and one.sha256 == model.onnx_sha256 for one in found.models):
            raise ModelError(f"submission {path}: {model.name} has no ONNX Runtime beside it. {_REMEDY}")
    return found


def _submitted(path: Path, timed: Timed) -> SubmittedModel:
    gate = timed.gate
    return SubmittedModel(
        name=_plain(timed.model),
        sha256=sha256_of(path),
        onnx_sha256=_origin(path),
        runtime=_plain(timed.runtime),
        gate=gate.passed if gate else None,
        failures=tuple(_plain(line) for line in gate.failures) if gate else (),
        ms={"p50": timed.ms["p50"], "p95": timed.ms["p95"], "p99": timed.ms["p99"], "least": timed.ms["least"]},
        stages_ms={**timed.stages_ms, **timed.device_ms},
        sustained=timed.sustained,
    )


def _origin(path: Path) -> str:
    """Digest of the float32 ONNX file that a file was made from; its own where it is that.

    Raises:
        ModelError: A file in 8 bits was never verified, so it does not name its origin.
    """
    if kind := archive_kind(path):
        return str(kind.read(path).manifest.onnx_sha256)
    if path.suffix.lower() == ".engine":
        return read_engine(path)[0].onnx_sha256
    if precision_of(path) != "quantised":
        return sha256_of(path)
    proven = gate_of(read_model(path), path)
    if proven is None:
        raise ModelError(
            f"{path}: nothing in it says which float32 file it was made from. Run `touchdown export verify`"
        )
    return proven.against_sha256


def _release() -> str:
    path = Path("/etc/os-release")
    return path.read_text("utf-8", "replace")[:4096] if path.is_file() else ""


def _plain(text: str) -> str:
    """A text as `Words` takes it."""
    return re.sub(r"[\x00-\x1f<>|`\[\]]", " ", text)[:200]
