"""Latency of artefacts on this machine, all in turn, next to the least the machine could take."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.runtimes import BACKENDS, RuntimeOptions
from edge.runtimes.contract import Runtime
from export.files import read_model
from export.roofline import Peak, PeakMeter, Work, work_of
from export.sustained import Sustained, sustain
from export.verify import opened
from firmware_bridge.board import BoardSensors
from landing.errors import FileError, InvalidValueError, ModelError
from landing.model.artefact import GateReport
from landing.progress import tracked
from landing.reading import open_for_writing
from landing.types import ByteArray, Frame

PERCENTILES = (50, 95, 99)
DEVICE_STAGES = ("h2d", "compute", "d2h")


@dataclass(frozen=True)
class BenchOptions:
    """Choices of a measurement.

    Attributes:
        rounds: Frames per model that count.
        warm_up: Frames per model before.
        threads: Of each runtime; 0 leaves it to it.
        frame_wh: Size of the camera's frames; None for each model's own input.
        memory: Measure peak memory too, each model in a process of its own.
        runtimes: Each model is measured in each, as ``openvino:bf16``; empty: by file type.
        sustain_s: After that each model runs alone for so long, without a pause; 0: not at all.
    """

    rounds: int = 50
    warm_up: int = 5
    threads: int = 0
    frame_wh: tuple[int, int] | None = None
    memory: bool = True
    runtimes: tuple[str, ...] = ()
    sustain_s: float = 0.0


@dataclass
class Timed:
    """Measurement of one model.

    Attributes:
        ms: Percentiles of frame-to-maps time, by ``p50``, ``p95``, ``p99`` and ``least``.
        frames_per_s: Of frames one after the other, by the median.
        model: Name of the model.
        gate: What `export verify` found of the file as it ran.
        stages_ms: Medians of ``preprocess`` and ``inference``.
        device_ms: Medians of ``h2d``, ``compute``, ``d2h`` where there is a GPU.
        sustained: The model alone, without a pause; None where that was not asked for.
        peak_mb: Greatest resident memory of a process with nothing but this model.
        gmac, weight_mb: Of one inference; None of an engine.
        roofline_ms: Least time the machine could take; None where the work is not known.
        percent_of_limit: Share of the roofline that the median reaches.
    """

    name: str
    runtime: str
    ms: dict[str, float]
    frames_per_s: float
    model: str = ""
    gate: GateReport | None = None
    stages_ms: dict[str, float] = field(default_factory=dict)
    device_ms: dict[str, float] = field(default_factory=dict)
    peak_mb: float | None = None
    gmac: float | None = None
    weight_mb: float | None = None
    roofline_ms: float | None = None
    percent_of_limit: float | None = None
    sustained: Sustained | None = None


@dataclass(frozen=True)
class BenchReport:
    """The measurements in the order given, and the machine they are of."""

    machine: dict[str, Any]
    peak: Peak
    models: list[Timed]

    def to_json(self) -> str:
        """Everything, for scripts."""
        parts = {"machine": self.machine, "peak": asdict(self.peak), "models": [asdict(m) for m in self.models]}
        return json.dumps(parts, indent=2, default=lambda part: part.model_dump())

    def table(self) -> str:
        """For people."""
        names = [f"{m.name}, {m.runtime}" for m in self.models]
        width = max(len(name) for name in names) + 2
        heads = ("p50 ms", "p95", "p99", "least", "frames/s", "peak MB", "GMAC", "limit ms", "of it")
        lines = [" " * width + "".join(f"{head:>10}" for head in heads)]
        for m, name in zip(self.models, names, strict=True):
            values: list[Any] = [m.ms["p50"], m.ms["p95"], m.ms["p99"], m.ms["least"]]
            values += [m.frames_per_s, m.peak_mb, m.gmac, m.roofline_ms]
            cells = [f"{v:>10.2f}" if v is not None else f"{'-':>10}" for v in values]
            share = f"{m.percent_of_limit:>8.0f} %" if m.percent_of_limit is not None else ""
            lines.append(f"{name:<{width}}" + "".join(cells) + share)
            if m.device_ms:
                parts = ", ".join(f"{k} {v:.3f}" for k, v in m.device_ms.items())
                lines.append(f"{'':<{width}}  on the device: {parts} ms")
        p = self.peak
        lines.append(
            f"machine: {p.gmac_per_s:.0f} GMAC/s in float32, {p.gmac_int8_per_s:.0f} in 8 bits, "
            f"{p.gbyte_per_s:.1f} GB/s; {self.machine['cpu']}, threads {self.machine['threads']}"
        )
        return "\n".join(lines)


def bench(paths: Sequence[Path], options: BenchOptions) -> tuple[BenchReport, list[list[float]]]:
    """Measures the models in turn, one frame each per round, so that all see the same machine.

    Returns:
        The report, and every model's times in ms in the order they were taken.

    Raises:
        ModelError: One does not load or run.
        InvalidValueError: Nothing to measure.
    """
    if not paths or options.rounds < 1:
        raise InvalidValueError("bench needs at least one model and one round")
    ways = [(path, how) for path in paths for how in options.runtimes or ("auto",)]
    with ExitStack() as stack:
        runtimes = [stack.enter_context(opened(path, None, running(how, options.threads))) for path, how in ways]
        frames = [_frame(r, options) for r in runtimes]
        times: list[list[float]] = [[] for _ in runtimes]
        stages: list[list[dict[str, float]]] = [[] for _ in runtimes]
        meter = PeakMeter(options.threads)
        rounds = options.warm_up + options.rounds
        for round_ in tracked("measuring", range(rounds), rounds):
            if round_ % 5 == 0:
                meter.sample()
            for i, (runtime, frame) in enumerate(zip(runtimes, frames, strict=True)):
                start_ns = time.perf_counter_ns()
                runtime.segment(frame)
                taken_ns = time.perf_counter_ns() - start_ns
                if round_ >= options.warm_up:
                    times[i].append(taken_ns / 1e6)
                    stages[i].append({**runtime.timings_ms, **runtime.device_ms})
        peak = meter.peak()
        models = [
            _timed(path, runtime, taken, parts, peak)
            for (path, _), runtime, taken, parts in zip(ways, runtimes, times, stages, strict=True)
        ]
        if options.sustain_s:
            each = zip(models, runtimes, frames, strict=True)
            for model, runtime, frame in tracked("running each alone", each, len(models)):
                model.sustained = sustain(runtime, frame, options.sustain_s, BoardSensors())
    if options.memory:
        for model, (path, how) in tracked("measuring memory", zip(models, ways, strict=True), len(models)):
            model.peak_mb = peak_memory_mb(path, how, options)
    return BenchReport(machine(options.threads), peak, models), times


def running(how: str, threads: int) -> RuntimeOptions:
    """Parses ``openvino:bf16`` into options; a failed gate is no reason not to measure.

    Raises:
        InvalidValueError: No such runtime.
    """
    backend, _, precision = how.partition(":")
    if backend not in BACKENDS:
        raise InvalidValueError(f"--runtime {how!r}: expected {', '.join(BACKENDS)}[:PRECISION]")
    return RuntimeOptions(backend, threads=threads, allow_failed_gate=True, precision=precision or "auto")


def _frame(runtime: Runtime, options: BenchOptions) -> Frame:
    source = runtime.spec.input
    width, height = options.frame_wh or (source.width_px, source.height_px)
    rng = np.random.default_rng(0)
    image: ByteArray = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Frame(image, 0, 0)


def _timed(path: Path, runtime: Runtime, times: list[float], parts: list[dict[str, float]], peak: Peak) -> Timed:
    ms = {f"p{p}": float(np.percentile(times, p)) for p in PERCENTILES}
    ms["least"] = min(times)
    timed = Timed(path.name, runtime.backend, ms, 1e3 / ms["p50"], runtime.spec.name, runtime.gate)
    medians = {name: float(np.median([p[name] for p in parts if name in p])) for name in parts[0]}
    timed.device_ms = {name: value for name, value in medians.items() if name in DEVICE_STAGES}
    timed.stages_ms = {name: value for name, value in medians.items() if name not in DEVICE_STAGES}
    if path.suffix.lower() == ".onnx":
        work: Work = work_of(read_model(path))
        timed.gmac, timed.weight_mb = work.gmac, work.weight_bytes / 1e6
        timed.roofline_ms = peak.least_ms(work)
        timed.percent_of_limit = 100 * timed.roofline_ms / ms["p50"]
    return timed


_ALONE = """
import sys
from pathlib import Path
from export.bench import BenchOptions, run_alone
run_alone(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
"""


def peak_memory_mb(path: Path, how: str, options: BenchOptions) -> float:
    """Greatest resident memory of a process that does nothing but run this model.

    Raises:
        TouchdownError: The process failed.
    """
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, str(path), how, str(options.threads)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise ModelError(f"{path}: measuring its memory failed: {done.stderr.strip()[-200:]}")
    return float(done.stdout.split()[-1])


def run_alone(path: Path, how: str, threads: int) -> None:
    """Runs a model a few times and prints the process's greatest resident memory, MB."""
    with opened(path, None, running(how, threads)) as runtime:
        for _ in range(3):
            runtime.warm_up()
    print(_own_peak_mb())


def _own_peak_mb() -> float:
    """Greatest resident memory of this program, MB.

    Not of getrusage where Linux says it: its figure includes the parent before the program began.
    """
    try:
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine(threads: int) -> dict[str, Any]:
    """Processor and threads."""
    cpu = platform.processor()
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.lower().startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {"cpu": cpu or platform.machine(), "cores": os.cpu_count(), "threads": threads or "auto"}


def plot(report: BenchReport, times: list[list[float]], path: Path) -> None:
    """Writes a picture: the spread of times per model, and each one's roofline.

    Raises:
        TouchdownError: It cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.6 * len(times)), layout="constrained")
    names = [f"{m.name}\n{m.runtime}" for m in report.models]
    axes.boxplot(times, orientation="horizontal", whis=(5, 95), showfliers=False)
    axes.set_yticks(range(1, len(names) + 1), names)
    for i, model in enumerate(report.models, 1):
        if model.roofline_ms is not None:
            axes.plot([model.roofline_ms] * 2, [i - 0.35, i + 0.35], color="tab:red", lw=2)
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.set_xlabel("frame to maps, ms (box: quartiles, whiskers: 5 to 95 %; red: roofline)")
    try:
        with open_for_writing(path, "plot", FileError) as stream:
            figure.savefig(stream, dpi=120, format="png")
    finally:
        pyplot.close(figure)
