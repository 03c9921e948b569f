"""Does a board answer as this machine does: the same models, pictures and versions on both, map against map.

    python -m benchmarks.board_answers --root pi5-root --wheels wheels --pictures FOLDER MODEL.onnx MODEL.ncnn

The board is a root folder of its system (docs/operate/deploy.md, "Rehearse a board's first day"), emulated where its
processor is another one. Its software is what `deploy wheels` collected. Probabilities differ where sums are made in
another order; what counts is that the site is the same (`export verify`'s comparison).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from benchmarks.runner import ROOT, Figures, benchmark
from deploy.board_root import PYTHON, BoardRoot
from edge.cameras.recordings import pictures_in, read_picture
from export.comparison import Comparison
from export.verify import described
from landing.types import Segmentation

LOOK = """import json, sys, time
from pathlib import Path
import cv2, numpy as np
from edge.runtimes import RuntimeOptions, load_runtime
from landing.types import Frame
folder, maps, told = Path(sys.argv[1]), {}, {}
for model in sorted((folder / "models").iterdir()):
    with load_runtime(model, RuntimeOptions(threads=1)) as runtime:
        began = time.process_time()
        for picture in sorted((folder / "pictures").iterdir()):
            seen = runtime.segment(Frame(cv2.imread(str(picture)), 0, 0))
            for part in ("class_id", "landable", "hazards"):
                maps[f"{model.name}/{picture.name}/{part}"] = getattr(seen, part)
        told[model.name] = {"runtime": runtime.backend, "cpu_s": round(time.process_time() - began, 2)}
np.savez(sys.argv[2], **maps)
print(json.dumps(told))
"""
"""Run by the board's Python and by this one: maps of each model on each picture, one thread."""

WIDTH_HEIGHT = (1280, 720)
SHOWN = ("max_difference", "mean_difference", "class_disagreement", "false_safe_flips", "site_differs")


def maps_of(path: Path, name: str) -> Segmentation:
    """Maps of one model on one picture."""
    with np.load(path) as maps:
        return Segmentation(*(maps[f"{name}/{part}"] for part in ("class_id", "landable", "hazards")), 0)


def lay_out(home: Path, models: tuple[Path, ...], pictures: list[Path]) -> None:
    """Models, pictures of the camera's size without losses, and the program, in a folder."""
    for name in ("models", "pictures"):
        (home / name).mkdir()
    for model in models:
        (home / "models" / model.name).write_bytes(model.read_bytes())
    for picture in pictures:
        seen = cv2.resize(read_picture(picture), WIDTH_HEIGHT, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(home / "pictures" / f"{picture.stem}.png"), seen)
    (home / "look.py").write_text(LOOK)


@benchmark
@click.option("--root", "system", required=True, type=click.Path(path_type=Path), help="Of the board's system.")
@click.option("--wheels", required=True, type=click.Path(path_type=Path))
@click.option("--pictures", required=True, type=click.Path(path_type=Path))
@click.option("--most", default=4, show_default=True, help="Pictures, evenly spread over the folder.")
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(system: Path, wheels: Path, pictures: Path, most: int, models: tuple[Path, ...]) -> Figures:
    specs = {model: spec for model in models if (spec := described(model)) is not None}
    found = pictures_in(pictures)
    chosen = found[:: max(1, len(found) // most)][:most]
    with tempfile.TemporaryDirectory(prefix="touchdown-answers-") as scratch:
        board = BoardRoot.prepare(system, Path(scratch))
        processor, python = board.machine()
        home = Path(scratch) / "home"
        lay_out(home, models, chosen)
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(home / "software")
        look = ["/usr/bin/env", "PYTHONPATH=/root/software", PYTHON, "/root/look.py", "/root", "/root/board.npz"]
        there = board.run(look, 24 * 3600.0)
        assert there.status == 0, there.err
        words = [sys.executable, str(home / "look.py"), str(home), str(home / "here.npz")]
        own = {**os.environ, "PYTHONPATH": str(ROOT)}  # a program of another folder finds this checkout by it
        here = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, env=own)
        rows: dict[str, Any] = {}
        for model in models:
            comparison = Comparison(specs[model])
            for picture in chosen:
                name = f"{model.name}/{picture.stem}.png"
                both = [maps_of(home / f"{side}.npz", name) for side in ("here", "board")]
                comparison.add(both[0], both[1], None, WIDTH_HEIGHT)
            measured = comparison.measured()
            rows[model.name] = {
                "board": json.loads(there.out.splitlines()[-1])[model.name],
                "here": json.loads(here.stdout.splitlines()[-1])[model.name],
                **{key: measured[key] for key in SHOWN},
            }
        return {"processor": processor, "python": python, "pictures": [p.name for p in chosen], "models": rows}
