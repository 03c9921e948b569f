"""The real command line on tiny data: what it writes, that it resumes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from landing.errors import DataError, InvalidValueError, ModelError, TouchdownError
from tests.trainer import fake_data
from trainer.checkpoint import Checkpoint
from trainer.cli import cli
from trainer.recipe import DataChoice, Recipe

TINY = [
    "--input", "64x32", "--encoder-depth", "3", "--decoder-channels", "16,8,8", "--batch", "4",
    "--workers", "0", "--threads", "1", "--faults", "0.5",
]  # fmt: skip


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    return fake_data.folder(tmp_path_factory.mktemp("toy") / "set")


def test_fit_writes_checkpoints_and_metrics_and_learns(toy, tmp_path):
    out = tmp_path / "run"
    printed = run(
        "fit", "--data", toy, "--out", out, *TINY, "--epochs", "8", "--lr", "1e-2", "--dice", "0.5",
        "--class-weights", "auto", "--repeat", "2",
    )  # fmt: skip
    losses = [float(line.split("loss ")[1].split(",")[0])
              for line in printed.splitlines() if line.startswith("epoch")]  # fmt: skip
    assert len(losses) == 8
    assert losses[-1] < 0.8 * losses[0]
    report = json.loads((out / "metrics.json").read_text())
    assert set(report["parts"]) == {"val", "test"}
    assert report["parts"]["test"]["pictures"] == 3
    assert report["parts"]["test"]["pixels"] == 3 * 96 * 64
    best = Checkpoint.load(out / "best.pt")
    assert best.training is None
    assert best.taxonomy.name == "toy"
    assert best.epoch == report["best_epoch"]
    assert best.metrics["test"]["miou"] == report["parts"]["test"]["miou"]
    assert best.provenance["trained_on"] == "set: 9 pictures"
    assert "--epochs 8" in best.provenance["recipe"]
    assert str(tmp_path) not in json.dumps(best.provenance)

    table = run("eval", out / "best.pt", "--data", toy, "--part", "test")
    assert "mIoU" in table
    again = json.loads(run("eval", out / "best.pt", "--data", toy, "--json"))
    assert again["miou"] == pytest.approx(best.metrics["test"]["miou"])


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(toy, tmp_path):
    recipe = ["--data", toy, *TINY, "--epochs", "3", "--seed", "5"]
    run("fit", *recipe, "--out", tmp_path / "whole")
    run("fit", *recipe, "--out", tmp_path / "parts", "--stop-after", "1")
    assert Checkpoint.load(tmp_path / "parts" / "last.pt").epoch == 1
    run("fit", "--resume", tmp_path / "parts" / "last.pt", "--workers", "2", "--threads", "1")
    whole = Checkpoint.load(tmp_path / "whole" / "last.pt")
    parts = Checkpoint.load(tmp_path / "parts" / "last.pt")
    assert whole.epoch == parts.epoch == 3
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, parts.weights[name]), name
    assert whole.metrics == parts.metrics


def test_every_layout_trains(tmp_path):
    table = tmp_path / "split.csv"
    parts = ["train", "train", "train", "train", "val", "test"]
    table.write_text("id,scene\n" + "".join(f"{i:03d},{p}\n" for i, p in enumerate(parts)))
    root = fake_data.semantic_drone_low_res(tmp_path / "drone")
    run("fit", "--data", root, "--split", table, "--split-column", "scene", *TINY,
        "--epochs", "1", "--out", tmp_path / "a")  # fmt: skip
    assert "non-commercial" in Checkpoint.load(tmp_path / "a" / "best.pt").provenance["licence"]
    root = fake_data.aeroscapes(tmp_path / "aero")
    printed = run("fit", "--data", root, "--train", "040001,041007", "--test", "001101", *TINY,
                  "--epochs", "1", "--limit", "4", "--out", tmp_path / "b")  # fmt: skip
    assert "train 4 (2 groups), val 2 (2 groups), test 4 (1 groups)" in printed


def test_a_time_limit_shortens_the_plan(toy, tmp_path):
    printed = run("fit", "--data", toy, "--out", tmp_path / "run", *TINY, "--epochs", "100000",
                  "--time-limit-min", "0.02")  # fmt: skip
    assert "of the 100000 planned epochs" in printed
    assert (tmp_path / "run" / "metrics.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--data", "nowhere", "--out", "x"], DataError, "does not exist"),
        (["--data", "{toy}", "--out", "x", "--input", "60x32"], InvalidValueError, "multiples"),
        (["--data", "{toy}", "--out", "x", "--lr", "-1"], InvalidValueError, "--lr -1.0"),
        (["--data", "{toy}", "--out", "x", "--encoder-weights", "none.pth"], ModelError, "exist"),
        (["--data", "{toy}", "--out", "x", "--device", "cuda:77"], InvalidValueError, "use cpu"),
        (["--data", "{toy}", "--out", "x", "--split", "a", "--val", "1"], DataError, "not both"),
        (["--resume", "none.pt"], ModelError, "does not exist"),
        (["--resume", "none.pt", "--epochs", "4"], InvalidValueError, "--epochs cannot be changed"),
    ],
)
def test_what_fit_refuses(toy, tmp_path, monkeypatch, arguments, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message) as caught:
        run("fit", *(a.format(toy=toy) for a in arguments))
    assert isinstance(caught.value, TouchdownError)


def test_a_run_is_not_overwritten_and_best_cannot_be_resumed(toy, tmp_path):
    out = tmp_path / "run"
    run("fit", "--data", toy, "--out", out, *TINY, "--epochs", "1")
    with pytest.raises(InvalidValueError, match="already holds a run"):
        run("fit", "--data", toy, "--out", out, *TINY, "--epochs", "1")
    with pytest.raises(ModelError, match=r"resume from last\.pt"):
        run("fit", "--resume", out / "best.pt")
    other = fake_data.aeroscapes(tmp_path / "aero")
    with pytest.raises(DataError, match="their classes differ"):
        run("eval", out / "best.pt", "--data", other, "--part", "all")


def test_help_and_recipe_need_no_torch():
    code = (
        "import sys\nfrom trainer.cli import cli\n"
        "try: cli(['fit', '--help'])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--encoder-weights" in done.stdout


def test_the_recorded_command_trains_the_same_again(tmp_path):
    recipe = Recipe(
        data=DataChoice(folder=str(tmp_path / "aero"), train=("040001", "041007"),
                        split_column="scene"),
        width_px=512, height_px=288, decoder_channels=(64, 32), epochs=7, zoom=(0.5, 3.0),
        encoder_weights="/some/where/weights.pth",
    )  # fmt: skip
    command = recipe.command()
    assert command == (
        "touchdown trainer fit --data aero --input 512x288 --split-column scene "
        "--train 040001,041007 --decoder-channels 64,32 --encoder-weights weights.pth --epochs 7 "
        "--zoom 0.5,3.0"
    )
