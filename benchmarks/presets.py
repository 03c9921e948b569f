"""The table the presets are chosen from: what each network costs, and what it reaches.

    python benchmarks/presets.py --data DIR --split CSV --split-column random_306_54_40 \
        --encoder-weights FILE --out DIR --json benchmarks/results/presets.json

Every candidate is trained by the same short recipe on the same pictures, from the same encoder
weights, and judged on val; test is not looked at. So short a run ranks networks, it does not show
what they reach in the end. Then each is exported and timed in ONNX Runtime at 512x512, in turn.
Multiplications are counted in the exported graph. A run that is cut goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine
import numpy as np
import onnx
import torch

from edge.runtimes import RuntimeOptions, load_runtime
from export.onnx_export import export_onnx
from export.roofline import work_of
from landing.taxonomy import Taxonomy
from landing.types import Frame
from trainer.checkpoint import Checkpoint
from trainer.cli import recipe_of
from trainer.fit import fit, resume
from trainer.model import ModelConfig, build
from trainer.recipe import DataChoice, RunLimits

CANDIDATES: dict[str, dict[str, Any]] = {
    "fpn 64-64": {"arch": "fpn", "decoder_channels": (64, 64), "output_stride": 2},
    "fpn 96-64": {"arch": "fpn", "decoder_channels": (96, 64), "output_stride": 2},
    "fpn 256-128": {"arch": "fpn", "output_stride": 2},
    "segformer 128": {"arch": "segformer", "decoder_channels": (128,), "output_stride": 2},
    "unet 96-64-48-32-16": {"arch": "unet", "decoder_channels": (96, 64, 48, 32, 16)},
}
"""All with the MobileNetV2 encoder, whose weights are at hand as a file."""

COST_ONLY: dict[str, dict[str, Any]] = {
    "fpn 96-64 mobilenetv4": {
        "arch": "fpn",
        "encoder": "tu-mobilenetv4_conv_small",
        "decoder_channels": (96, 64),
        "output_stride": 2,
    },
    "segformer mit_b0": {"arch": "segformer", "encoder": "mit_b0", "output_stride": 2},
    "segformer mit_b3": {"arch": "segformer", "encoder": "mit_b3", "output_stride": 2},
}
"""Whose pretrained weights need a download: what they cost, not what they reach."""

INTRODUCTION = """# Networks the presets were chosen from

Trained alike for so few epochs (see the JSON) that the figures rank networks and say nothing of
what they reach: what `fast` reaches after its whole recipe is in `models/README.md`. MobileNetV2
where nothing else is named; judged on val of the random split. CPU: median from frame to maps in
ONNX Runtime at 512x512, 2 threads. Without accuracy: pretrained weights were not at hand.

"""

FIGURES = ("miou_in_truth", "person_recall", "person_recall_operating", "false_safe_operating_all")


def trained(name: str, options: dict[str, Any], arguments: argparse.Namespace) -> Path:
    """The checkpoint of a candidate; trains it unless that was done before."""
    out = arguments.out / name.replace(" ", "-")
    limits = RunLimits(out=str(out), threads=arguments.threads, logger="none")
    if (out / "best.pt").exists():
        return out / "best.pt"
    if (out / "last.pt").exists():
        resume(out / "last.pt", limits)
        return out / "best.pt"
    values = {name: field.default for name, field in DataChoice.model_fields.items()}
    values |= {"split_files": (str(arguments.split),), "split_column": arguments.split_column}
    del values["folders"]
    recipe = recipe_of(
        (str(arguments.data),),
        None,
        values
        | options
        | {
            "encoder_weights": str(arguments.encoder_weights),
            "input_wh": (384, 256),
            "epochs": arguments.epochs,
            "precision": arguments.precision,
            "ema": 0.98,
        },
    )
    fit(recipe, limits)
    return out / "best.pt"


def untrained(name: str, options: dict[str, Any], arguments: argparse.Namespace) -> Path:
    """A checkpoint of random weights."""
    taxonomy = Taxonomy.load("semantic-drone")
    config = ModelConfig(classes=len(taxonomy), width_px=512, height_px=512, **options)
    out = arguments.out / name.replace(" ", "-")
    out.mkdir(parents=True, exist_ok=True)
    Checkpoint(config, taxonomy, build(config).state_dict()).save(out / "best.pt")
    return out / "best.pt"


def exported(name: str, checkpoint: Path) -> Path:
    """The same weights at the size that is timed."""
    loaded = Checkpoint.load(checkpoint)
    model = loaded.model.model_copy(update={"width_px": 512, "height_px": 512})
    resized = checkpoint.with_name("resized.pt")
    replace(loaded, model=model).save(resized)
    target = checkpoint.with_name(f"{name.replace(' ', '-')}.onnx")
    export_onnx(resized, target)
    return target


def latencies_ms(paths: dict[str, Path], rounds: int, threads: int) -> dict[str, float]:
    """Median time from frame to maps of each, in turn."""
    runtimes = {n: load_runtime(p, RuntimeOptions(threads=threads)) for n, p in paths.items()}
    picture = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    taken: dict[str, list[float]] = {name: [] for name in runtimes}
    for _ in range(rounds + 2):
        for name, runtime in runtimes.items():
            start = time.perf_counter()
            runtime.segment(Frame(picture, 0, 0))
            taken[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values[2:]) for name, values in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--split-column", default="random_306_54_40")
    parser.add_argument("--encoder-weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="where the runs go")
    parser.add_argument("--json", type=Path, help="write the figures here, and a .md beside")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="names of candidates, with commas")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    wanted = [n for n in arguments.only.split(",") if n] or list(CANDIDATES)
    checkpoints = {n: trained(n, CANDIDATES[n], arguments) for n in wanted}
    for name, options in () if arguments.only else COST_ONLY.items():
        checkpoints[name] = untrained(name, options, arguments)
    models = {name: exported(name, path) for name, path in checkpoints.items()}
    times = latencies_ms(models, arguments.rounds, arguments.threads)
    rows = []
    for name, path in checkpoints.items():
        val = Checkpoint.load(path).metrics.get("val", {})
        weights = Checkpoint.load(path).weights
        rows.append(
            {
                "network": name,
                **{key: val.get(key) for key in FIGURES},
                "parameters_m": round(sum(w.numel() for w in weights.values()) / 1e6, 2),
                "gmac_512": round(work_of(onnx.load(models[name])).gmac, 2),
                "cpu_ms_512": round(times[name], 1),
            }
        )
    document = {
        "encoder": "mobilenet_v2",
        "trained_at": "384x256",
        "epochs": arguments.epochs,
        "part": "val",
        "split_column": arguments.split_column,
        "threads": arguments.threads,
        "rows": rows,
        **machine.describe(),
    }
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        arguments.json.with_suffix(".md").write_text(INTRODUCTION + table(rows) + "\n", "utf-8")


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = ["" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
