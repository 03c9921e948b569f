"""The table the presets are chosen from: what each network costs, and what it reaches.

    python -m benchmarks.presets --data DIR --split CSV --split-column random_306_54_40 \
        --encoder-weights FILE --out DIR --json benchmarks/results/presets.json

Every candidate is trained by the same short recipe on the same pictures, from the same encoder
weights, and judged on val; test is not looked at. So short a run ranks networks, it does not show
what they reach in the end. Then each is exported and timed in ONNX Runtime at 512x512, in turn.
Multiplications are counted in the exported graph. A run that is cut goes on where it was.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import torch

from benchmarks.runner import Figures, benchmark, in_turn, table
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
what they reach: what `fast` reaches after its whole recipe is in its card. MobileNetV2
where nothing else is named; judged on val of the random split. CPU: median from frame to maps in
ONNX Runtime at 512x512, 2 threads. Without accuracy: pretrained weights were not at hand.

"""

FIGURES = ("miou_in_truth", "person_recall", "person_recall_operating", "false_safe_operating_all")


@dataclass(frozen=True)
class Run:
    """Data, recipe and where checkpoints go."""

    data: Path
    split: Path
    split_column: str
    encoder_weights: Path
    out: Path
    epochs: int
    precision: str
    threads: int


def trained(name: str, options: dict[str, Any], run: Run) -> Path:
    """The checkpoint of a candidate; trains it unless that was done before."""
    out = run.out / name.replace(" ", "-")
    limits = RunLimits(out=str(out), threads=run.threads, logger="none")
    if (out / "best.pt").exists():
        return out / "best.pt"
    if (out / "last.pt").exists():
        resume(out / "last.pt", limits)
        return out / "best.pt"
    values = {name: field.default for name, field in DataChoice.model_fields.items()}
    values |= {"split_files": (str(run.split),), "split_column": run.split_column}
    del values["folders"]
    recipe = recipe_of(
        (str(run.data),),
        None,
        values
        | options
        | {
            "encoder_weights": str(run.encoder_weights),
            "input_wh": (384, 256),
            "epochs": run.epochs,
            "precision": run.precision,
            "ema": 0.98,
        },
    )
    fit(recipe, limits)
    return out / "best.pt"


def untrained(name: str, options: dict[str, Any], run: Run) -> Path:
    """A checkpoint of random weights."""
    taxonomy = Taxonomy.load("semantic-drone")
    config = ModelConfig(classes=len(taxonomy), width_px=512, height_px=512, **options)
    out = run.out / name.replace(" ", "-")
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
    ways = {n: lambda _, one=one: one.segment(Frame(picture, 0, 0)) for n, one in runtimes.items()}
    return {name: statistics.median(ms) for name, ms in in_turn(ways, rounds).items()}


@benchmark
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--split", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--split-column", default="random_306_54_40", show_default=True)
@click.option("--encoder-weights", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the runs.")
@click.option("--epochs", default=4, show_default=True)
@click.option("--precision", default="bfloat16", show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=15, show_default=True)
@click.option("--only", default="", help="Names of candidates, with commas.")
@click.option("--page", type=click.Path(path_type=Path), help="Write the table for people here.")
def main(rounds: int, only: str, page: Path | None, **options: Any) -> Figures:
    run = Run(**options)
    torch.set_num_threads(run.threads)
    wanted = [n for n in only.split(",") if n] or list(CANDIDATES)
    checkpoints = {n: trained(n, CANDIDATES[n], run) for n in wanted}
    checkpoints |= {} if only else {n: untrained(n, options, run) for n, options in COST_ONLY.items()}
    models = {name: exported(name, path) for name, path in checkpoints.items()}
    times = latencies_ms(models, rounds, run.threads)
    rows = []
    for name, path in checkpoints.items():
        checkpoint = Checkpoint.load(path)
        val = checkpoint.metrics.get("val", {})
        rows.append(
            {
                "network": name,
                **{key: val.get(key) for key in FIGURES},
                "parameters_m": round(sum(w.numel() for w in checkpoint.weights.values()) / 1e6, 2),
                "gmac_512": round(work_of(onnx.load(models[name])).gmac, 2),
                "cpu_ms_512": round(times[name], 1),
            }
        )
    click.echo(table(rows))
    if page:
        page.write_text(INTRODUCTION + table(rows) + "\n", "utf-8")
    return {
        "encoder": "mobilenet_v2",
        "trained_at": "384x256",
        "epochs": run.epochs,
        "part": "val",
        "split_column": run.split_column,
        "threads": run.threads,
        "rows": rows,
    }
