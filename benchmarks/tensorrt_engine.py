"""Engines on this machine's GPU: built, compared with ONNX Runtime on the CPU, and timed.

Needs a GPU and TensorRT (or tensorrt_rtx), and of this project the base package and onnx:

    python -m benchmarks.tensorrt_engine models/*.onnx --json benchmarks/results/tensorrt.json

An ONNX made by `export int8 --for tensorrt` is built as INT8, every other one as FP32 and FP16. On a Jetson set the
clocks first: `nvpmodel -m 0 && jetson_clocks`. (This file is not called tensorrt.py because Python would then find it
when it looks for TensorRT.)
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.runner import Figures, benchmark, percentiles
from edge.pipeline import Pipeline
from edge.runtimes import Runtime, RuntimeOptions, load_runtime
from export.files import read_model
from export.trt.make import EngineRequest, make_engine
from export.trt.quantized import is_quantized
from landing.camera import CameraModel
from landing.decider import Decider
from landing.errors import TouchdownError
from landing.model.manifest import read_manifest
from landing.picture_files import files_of
from landing.settings import DecisionSettings
from landing.types import Frame, Pose

LANDABLE = 128
"""Half of 255: from here a pixel is more likely landable than not."""


def pictures(folder: Path | None, count: int, size_wh: tuple[int, int]) -> list[Frame]:
    """Frames of the camera's size: the folder's pictures, or smooth noise."""
    files = files_of(folder) if folder else []
    rng = np.random.default_rng(0)
    frames = []
    for i in range(count):
        if files:
            image = cv2.imread(str(files[i % len(files)]))
            if image is None:
                raise SystemExit(f"{files[i % len(files)]} is no picture")
        else:
            coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
            image = np.asarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC))
        frames.append(Frame(np.ascontiguousarray(cv2.resize(image, size_wh)), i, i))
    return frames


def agreement(reference: Runtime, engine: Runtime, frames: list[Frame]) -> dict[str, float]:
    """How far the engine decides as ONNX Runtime does, over all frames."""
    same, worst, steps, flips = [], 0, [], []
    for frame in frames:
        a, b = reference.segment(frame), engine.segment(frame)
        same.append(float((a.class_id == b.class_id).mean()))
        difference = np.abs(a.landable.astype(int) - b.landable)
        worst = max(worst, int(difference.max()))
        steps.append(float(difference.mean()))
        flips.append(float(((a.landable < LANDABLE) & (b.landable >= LANDABLE)).mean()))
    return {
        "class_agreement": statistics.fmean(same),
        "landable_worst_of_255": worst,
        "landable_mean_of_255": statistics.fmean(steps),
        "false_safe_flips": statistics.fmean(flips),
    }


def latency(runtime: Runtime, frames: list[Frame], count: int) -> dict[str, Any]:
    """Frame to maps, one at a time, after warm-up; and the GPU's own share."""
    for frame in frames[:8]:
        runtime.segment(frame)
    times_ms: list[float] = []
    parts: dict[str, list[float]] = {}
    for i in range(count):
        started = time.perf_counter_ns()
        runtime.segment(frames[i % len(frames)])
        times_ms.append((time.perf_counter_ns() - started) / 1e6)
        for name, value in (runtime.device_ms | runtime.timings_ms).items():
            parts.setdefault(name, []).append(value)
    medians = {name: statistics.median(values) for name, values in parts.items()}
    return {"frame_to_mask": percentiles(times_ms), "parts_p50_ms": medians}


def decisions_per_s(runtime: Runtime, frames: list[Frame], count: int, ahead: bool) -> float:
    """Whole decisions a second when frames never have to be waited for."""
    lens = CameraModel.from_hfov(frames[0].width_px, frames[0].height_px, 70.0)
    decider = Decider(DecisionSettings(), runtime.spec.taxonomy, lens, time.perf_counter_ns)
    pipeline = Pipeline(runtime, decider, lens, time.monotonic_ns, time.perf_counter_ns)
    taken = 0

    def following() -> Frame:
        nonlocal taken
        taken += 1
        return Frame(frames[taken % len(frames)].image_bgr, taken, time.monotonic_ns())

    def pose_at(at_ns: int) -> Pose:
        return Pose(at_ns, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, -30.0), 30.0)

    upcoming: Callable[[], Frame] | None = following if ahead else None
    started = time.perf_counter()
    for _ in range(count):
        pipeline.step(pipeline.ahead or following(), pose_at, upcoming)
    rate = count / (time.perf_counter() - started)
    if pipeline.ahead is not None:
        runtime.result()  # what was under way is not left to the next measurement
    return rate


def measure(source: Path, precision: str, frames: list[Frame], count: int) -> Figures:
    """Builds one engine and answers everything about it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{source.stem}-{precision}.engine"
        request = EngineRequest(source, path, precision)  # type: ignore[arg-type]
        for line in make_engine(request, print):
            print(line)
        manifest = read_manifest(path)
        result: dict[str, Any] = {
            "model": source.name,
            "precision": precision,
            "input_px": [manifest.model.input.width_px, manifest.model.input.height_px],
            "built_on": manifest.built_on,
            "build_s": manifest.build_seconds,
            "engine_mb": path.stat().st_size / 1e6,
        }
        with load_runtime(path) as engine:
            result["runtime"] = engine.backend
            with load_runtime(source) as reference:
                result["against_onnxruntime"] = agreement(reference, engine, frames)
            result["cuda_graph"] = latency(engine, frames, count)
            result["decisions_per_s"] = {
                "one_after_the_other": decisions_per_s(engine, frames, count, False),
                "overlapped": decisions_per_s(engine, frames, count, True),
            }
        with load_runtime(path, RuntimeOptions(cuda_graph=False)) as engine:
            result["no_cuda_graph"] = latency(engine, frames, count)
    return result


@benchmark
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--pictures", "folder", type=click.Path(path_type=Path, exists=True), help="Noise by default.")
@click.option("--frames", default=32, show_default=True, help="Different frames.")
@click.option("--count", default=500, show_default=True, help="Timed runs.")
@click.option(
    "--camera",
    type=(int, int),
    metavar="WIDTH HEIGHT",
    default=(1280, 720),
    help="Frame size, px; at the model's own input size nothing is scaled on the CPU.",
)
def main(models: tuple[Path, ...], folder: Path | None, frames: int, count: int, camera: tuple[int, int]) -> Figures:
    shown = pictures(folder, frames, camera)
    results = []
    for source in models:
        for precision in ("int8",) if is_quantized(read_model(source)) else ("fp32", "fp16"):
            try:
                results.append(measure(source, precision, shown, count))
            except TouchdownError as error:
                raise click.ClickException(str(error)) from error
    return {"runs": count, "results": results}
