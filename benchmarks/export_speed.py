"""Frame to mask on a CPU: the starting point's way, the plain way, and what flies here.

    python -m benchmarks.export_speed [MODEL.onnx ...] [--threads 2] [--rounds 15] [--json FILE]

Same frames, batch 1, everything in turn in one process, medians and ratios. The ways:

* eager: torch eager, U-Net MobileNetV2, softmax and argmax in numpy, median blur in OpenCV.
* plain: the same network by `torch.onnx.export` as smp gives it, ONNX Runtime's defaults, preprocessing, softmax, merge
  and argmax in numpy.
* ours: the same network by `touchdown export onnx`, maps every pixel and every second one.
* the presets fast and balanced at 512x512, and every MODEL.onnx given at its own input size.

Ours, presets and models run in the runtimes that fly: ONNX Runtime, and OpenVINO in fp32 and bf16. Weights are random
where nothing is given: they do not change the time. Before each measurement everything rests for a moment, so that
nobody pays for another's threads that still spin. `--settings` measures the settings of the ONNX Runtime backend on the
models instead (threads, arena, spinning, optimisation, IO binding).
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import onnxruntime as ort

from benchmarks.runner import Figures, benchmark, compare, in_turn, table
from edge.runtimes import RuntimeOptions, load_runtime
from landing.errors import ModelError
from landing.taxonomy import Taxonomy
from landing.types import Frame

SIZES = ((512, 512), (1056, 704))
FRAME_WH = (1280, 720)
REST_S = 0.05
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
TAXONOMY = Taxonomy.load("semantic-drone")
Way = Callable[[np.ndarray], Any]


def normalised(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As a notebook does it: resize, RGB, 0..1, mean and deviation, channels first."""
    rgb = cv2.cvtColor(cv2.resize(frame, size), cv2.COLOR_BGR2RGB)
    return ((rgb.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)[None]


def softmax(logits: np.ndarray) -> np.ndarray:
    parts = np.exp(logits - logits.max(0))
    return parts / parts.sum(0)


def eager(network: Any, size: tuple[int, int]) -> Way:
    import torch

    landable = np.zeros(len(TAXONOMY), np.uint8)
    landable[[i for i in range(len(TAXONOMY)) if TAXONOMY.landable_lut[i]]] = 255

    def run(frame: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            logits = network(torch.from_numpy(normalised(frame, size)))[0].numpy()
        classes = softmax(logits).argmax(0).astype(np.uint8)
        return cv2.medianBlur(landable[classes], 5)

    return run


def plain(network: Any, size: tuple[int, int], folder: Path, threads: int) -> Way:
    import torch

    example = torch.zeros(1, 3, size[1], size[0])
    path = folder / f"plain-{size[0]}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (example,), dynamo=True, opset_version=18, verbose=False, external_data=False, input_names=["x"]
        ).save(path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (logits,) = session.run(None, {"x": normalised(frame, size)})
        p = softmax(logits[0])
        merged = np.tensordot(TAXONOMY.merge_matrix, p, axes=1)
        return p.argmax(0).astype(np.uint8), np.rint(merged * 255).astype(np.uint8)

    return run


BACKENDS = {
    "ORT": RuntimeOptions("onnxruntime"),
    "OV fp32": RuntimeOptions("openvino", precision="fp32"),
    "OV bf16": RuntimeOptions("openvino", precision="bf16"),
}


def flying(name: str, path: Path, threads: int) -> dict[str, Way]:
    """A model in each runtime that can run it here."""
    ways: dict[str, Way] = {}
    for short, options in BACKENDS.items():
        try:
            runtime = load_runtime(path, replace(options, threads=threads, allow_failed_gate=True))
        except ModelError as error:
            print(f"not measured: {name} in {short}: {error}")
            continue
        ways[f"{name}, {short}"] = lambda frame, one=runtime: one.segment(Frame(frame, 0, 0))
    return ways


def exported(config: Any, network: Any, path: Path, stride: int = 0) -> Path:
    """A network by `touchdown export onnx`."""
    from export.onnx_export import ExportOptions, export_onnx
    from trainer.checkpoint import Checkpoint

    checkpoint = path.with_suffix(".pt")
    Checkpoint(config, TAXONOMY, dict(network.state_dict())).save(checkpoint)
    return export_onnx(checkpoint, path, ExportOptions(stride)).path


def preset_ways(folder: Path, threads: int) -> dict[str, Way]:
    """The presets at 512x512."""
    from trainer.model import ModelConfig, build
    from trainer.presets import PRESETS

    ways: dict[str, Way] = {}
    for name in ("fast", "balanced"):
        own = {k: v for k, v in PRESETS[name].options.items() if k in ModelConfig.model_fields}
        config = ModelConfig(**own | {"width_px": 512, "height_px": 512, "classes": len(TAXONOMY)})
        path = exported(config, build(config).eval(), folder / f"{name}.onnx")
        ways |= flying(f"preset {name} 512x512", path, threads)
    return ways


def unet_ways(size: tuple[int, int], folder: Path, threads: int) -> dict[str, Way]:
    import torch

    from trainer.model import ModelConfig, build

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    config = ModelConfig(
        arch="unet", encoder="mobilenet_v2", classes=len(TAXONOMY), width_px=size[0], height_px=size[1]
    )
    network = build(config).eval()
    at = f"{size[0]}x{size[1]}"
    ways = {f"eager U-Net {at}": eager(network, size), f"plain U-Net {at}": plain(network, size, folder, threads)}
    for stride, what in ((1, "every px"), (2, "every 2nd px")):
        path = exported(config, network, folder / f"unet-{size[0]}-{stride}.onnx", stride)
        ways |= flying(f"ours U-Net {at}, {what}", path, threads)
    return ways


def settings_of(path: Path, threads: int) -> dict[str, Way]:
    """The same model with one setting of ONNX Runtime changed at a time."""
    data = path.read_bytes()

    def session(**changes: Any) -> Any:
        options = ort.SessionOptions()
        options.intra_op_num_threads = changes.get("threads", threads)
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = changes.get("arena", True)
        options.enable_mem_pattern = changes.get("pattern", True)
        options.graph_optimization_level = changes.get("level", ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
        options.add_session_config_entry("session.intra_op.allow_spinning", changes.get("spinning", "0"))
        if "denormals" in changes:
            options.add_session_config_entry("session.set_denormal_as_zero", "1")
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    level = ort.GraphOptimizationLevel
    sessions = {
        "as it flies": session(),
        "spinning": session(spinning="1"),
        "no arena": session(arena=False),
        "no memory pattern": session(pattern=False),
        "optimisation: extended": session(level=level.ORT_ENABLE_EXTENDED),
        "optimisation: basic": session(level=level.ORT_ENABLE_BASIC),
        "denormals as zero": session(denormals=True),
        "one thread": session(threads=1),
        "threads by ONNX Runtime": session(threads=0),
    }
    image = sessions["as it flies"].get_inputs()[0]

    def picture(frame: np.ndarray) -> np.ndarray:
        return cv2.resize(frame, (image.shape[1], image.shape[0]))

    ways: dict[str, Way] = {
        name: (lambda frame, one=one: one.run(None, {image.name: picture(frame)})) for name, one in sessions.items()
    }
    one = sessions["as it flies"]
    binding = one.io_binding()
    outputs = {o.name: np.empty(o.shape, np.uint8) for o in one.get_outputs()}
    for name, array in outputs.items():
        binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))

    def bound(frame: np.ndarray) -> list[np.ndarray]:
        binding.bind_cpu_input(image.name, picture(frame))
        one.run_with_iobinding(binding)
        return [array.copy() for array in outputs.values()]

    ways["IO binding, outputs copied out"] = bound
    return ways


def timed(ways: dict[str, Way], rounds: int) -> list[Figures]:
    rng = np.random.default_rng(0)
    frames = [cv2.resize(rng.integers(0, 256, (24, 42, 3), dtype=np.uint8), FRAME_WH) for _ in range(4)]
    calls = {name: lambda number, way=way: way(frames[number % 4]) for name, way in ways.items()}
    return compare(in_turn(calls, rounds, rest_s=REST_S), [n for n in ways if n.startswith(("eager", "plain"))])


@benchmark
@click.argument("models", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=15, show_default=True)
@click.option("--settings", is_flag=True, help="Settings of the ONNX Runtime backend instead.")
@click.option("--no-unet", is_flag=True, help="Only the models given.")
def main(models: tuple[Path, ...], threads: int, rounds: int, settings: bool, no_unet: bool) -> Figures:
    if not models and (settings or no_unet):
        raise click.UsageError("give a model")
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Way] = {}
        if not settings and not no_unet:
            for size in SIZES:
                ways |= unet_ways(size, Path(folder), threads)
            ways |= preset_ways(Path(folder), threads)
        for path in models:
            own = settings_of(path, threads) if settings else flying(path.name, path, threads)
            ways |= {f"{path.stem}: {name}" if settings else name: way for name, way in own.items()}
        rows = timed(ways, rounds)
    click.echo(table(rows))
    return {"threads": threads, "rounds": rounds, "frame_wh": FRAME_WH, "ways": rows}
