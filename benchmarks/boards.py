"""A shipped model in each runtime of this machine: does it decide as in ONNX Runtime, and how fast beside it.

    python -m benchmarks.boards synthetic-unet --json benchmarks/results/boards-synthetic-unet.json
    python -m docs.make.boards

Every form of the model sees the same pictures, and is judged by the limits of `export verify` against the ONNX file in
ONNX Runtime. 8-bit forms are calibrated on other pictures, and none is searched for: one has every layer of the network
in 8 bits, the other keeps its first tenth in float32. Then all run in turn on one 1280x720 frame, on one thread, by the
CPU time of the process: other work on the machine hardly changes that. `docs/boards.md` shows every
`results/boards-*.json`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.runner import REAL_DATA, ROOT, Figures, benchmark, in_turn, ratio, table
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from edge.runtimes.openvino import has_bf16
from export.comparison import Comparison
from export.files import describe, write_model
from export.int8 import Int8Options, Quantisation
from export.limits import LIMITS, Kind
from export.ncnn import make_ncnn
from export.pictures import LabelFolder, pictures_in, read_picture, spread
from landing.reading import sha256_of
from landing.types import Frame
from touchdown.models.registry import load_registry

SHOWN = ("class_disagreement", "false_safe_flips", "site_differs", "miou_drop", "hazard_recall_drop")
WORLDS = ("--seeds", "1900:1910", "--worlds", "scenes,procedural", "--frames-per-world", "2", "--heights-m", "5", "40")
CALIBRATION_WORLDS = ("--seeds", "1910:1914", *WORLDS[2:])
RENDERED = ROOT / "out" / "benchmarks" / "boards-worlds"
"""Kept, so that the next model of the simulator is judged at once."""

EARLY = 0.1
"""Share of the layers, the first ones, that the second 8-bit form keeps in float32."""


@dataclass(frozen=True)
class Pictures:
    """Pictures of one kind, with their label maps where there are any, and in words."""

    words: str
    paths: list[Path]
    labels: Path | None


@dataclass(frozen=True)
class Form:
    """A model in a runtime; `kind` is its row of the gate's limits."""

    runtime: str
    precision: str
    path: Path
    options: RuntimeOptions
    kind: Kind


def pictures_of(model: str) -> Pictures:
    """Pictures that show what a shipped model knows; those of the simulator are rendered once."""
    if model == "synthetic-unet":
        pictures = pictures_in(rendered(RENDERED, WORLDS) / "images")
        return Pictures("rendered pictures of 10 worlds, seeds 1900 to 1909, labelled", pictures, RENDERED / "labels")
    return Pictures("pictures of the brighton set, without labels", pictures_in(REAL_DATA / "brighton"), None)


def rendered(folder: Path, worlds: tuple[str, ...]) -> Path:
    """The folder, after its pictures were rendered where there are none."""
    if not (folder / "images").is_dir():
        words = [sys.executable, "-m", "touchdown", "sim", "dataset", "--out", str(folder), *worlds]
        subprocess.run([*words, "--jobs", "1"], check=True)
    return folder


def calibration_of(model: str, scratch: Path) -> Path:
    """Folder of pictures to calibrate on, none of which judges."""
    if model == "synthetic-unet":
        return rendered(RENDERED.with_name("boards-calibration"), CALIBRATION_WORLDS) / "images"
    folder = scratch / "calibration"
    folder.mkdir()
    for path in [*pictures_in(REAL_DATA / "aeroscapes" / "images"), *pictures_in(REAL_DATA / "caliterra")]:
        (folder / path.name).symlink_to(path)
    return folder


def int8_forms(source: Path, scratch: Path, options: RuntimeOptions) -> list[Form]:
    """The model in 8 bits for OpenVINO: every layer, and all but the first ones."""
    folder = calibration_of(source.stem, scratch)
    work = Quantisation(source, Int8Options(folder, "openvino", pictures=24, gate_pictures=1), click.echo)
    early = work.weighted[: round(EARLY * len(work.weighted))]
    forms = []
    for words, in_float in (("INT8", []), (f"INT8, {len(early)} of {len(work.weighted)} layers in float32", early)):
        path = scratch / f"{source.stem}-int8-{len(in_float)}.onnx"
        made = work.made(set(in_float))
        describe(made, work.spec)
        write_model(made, path)
        forms.append(Form("OpenVINO", words, path, options, "quantised"))
    return forms


def forms_of(source: Path, scratch: Path, threads: int) -> list[Form]:
    """The ONNX file in ONNX Runtime first, which all are held against."""

    def options(backend: str, precision: str = "auto") -> RuntimeOptions:
        return RuntimeOptions(backend, threads=threads, allow_failed_gate=True, precision=precision)

    forms = [Form("ONNX Runtime", "float32", source, options("onnxruntime"), "exact")]
    if find_spec("openvino"):
        forms.append(Form("OpenVINO", "float32", source, options("openvino", "fp32"), "exact"))
        if has_bf16():
            forms.append(Form("OpenVINO", "bfloat16", source, options("openvino", "bf16"), "bf16"))
        forms += int8_forms(source, scratch, options("openvino", "fp32"))
    if find_spec("ncnn"):
        kinds: dict[str, Kind] = {"fp32": "exact", "fp16": "half"}
        for precision, kind in kinds.items():
            made = make_ncnn(source, scratch / f"{source.stem}-{precision}.ncnn", precision).path
            words = {"fp32": "float32", "fp16": "float32, weights stored in float16"}[precision]
            forms.append(Form("ncnn", words, made, options("ncnn"), kind))
    return forms


def compared(runtimes: list[Runtime], pictures: Pictures) -> list[Comparison]:
    """Answers of each runtime, held against those of the first one."""
    comparisons = [Comparison(one.spec) for one in runtimes]
    truth = LabelFolder(pictures.labels, runtimes[0].spec.taxonomy) if pictures.labels else None
    for number, path in enumerate(pictures.paths):
        image = read_picture(path)
        labels = None if truth is None else truth.read(path)
        expected = None
        for runtime, comparison in zip(runtimes, comparisons, strict=True):
            seen = runtime.segment(Frame(image, number, 0))
            expected = expected if expected is not None else seen
            comparison.add(expected, seen, labels, (image.shape[1], image.shape[0]))
    return comparisons


def speeds(runtimes: list[Runtime], rounds: int) -> list[list[float]]:
    """CPU time of one frame in each runtime, ms, round by round."""
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)

    def segmenting(runtime: Runtime) -> Any:
        return lambda number: runtime.segment(Frame(picture, number, number))

    ways = {str(i): segmenting(runtime) for i, runtime in enumerate(runtimes)}
    return list(in_turn(ways, rounds, clock=time.process_time_ns).values())


def rows_of(forms: list[Form], pictures: Pictures, rounds: int) -> Iterator[Figures]:
    """A row for each form: what runs it, the gate's verdict, its CPU time."""
    with ExitStack() as stack:
        runtimes = [stack.enter_context(load_runtime(form.path, form.options)) for form in forms]
        times = speeds(runtimes, rounds)
        found = compared(runtimes, pictures)
        for form, runtime, taken, comparison in zip(forms, runtimes, times, found, strict=True):
            measured = comparison.measured()
            failures = LIMITS[form.kind].failures(measured)
            yield {
                "runtime": form.runtime,
                "precision": form.precision,
                "backend": runtime.backend,
                "median_ms": round(statistics.median(taken), 1),
                "times faster than ONNX Runtime": round(ratio(taken, times[0]), 3),
                "passed": not failures,
                "failures": failures,
                **{name: measured[name] for name in SHOWN if measured[name] is not None},
                "bytes": form.path.stat().st_size,
            }


@benchmark
@click.argument("model", type=click.Choice([entry.name for entry in load_registry().models]))
@click.option("--frames", default=40, show_default=True, help="At most so many pictures.")
@click.option("--rounds", default=15, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(model: str, frames: int, rounds: int, threads: int) -> Figures:
    (entry,) = (entry for entry in load_registry().models if entry.name == model)
    source = ROOT / "models" / entry.file
    with tempfile.TemporaryDirectory() as scratch:
        found = pictures_of(model)
        pictures = Pictures(found.words, spread(found.paths, frames), found.labels)
        rows = list(rows_of(forms_of(source, Path(scratch), threads), pictures, rounds))
    columns = ("runtime", "precision", "times faster than ONNX Runtime", "passed", *SHOWN[:3])
    click.echo(table(rows, columns))
    about: Figures = {"model": model, "sha256": sha256_of(source), "pictures": pictures.words}
    about |= {"frames": len(pictures.paths), "labelled": pictures.labels is not None, "threads": threads}
    return {**about, "rounds": rounds, "clock": "CPU time of the process", "forms": rows}
