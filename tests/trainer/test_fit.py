"""The real command line on tiny data: what it writes, that it resumes, and what it refuses."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from landing.errors import DataError, InvalidValueError, ModelError, TouchdownError
from tests.trainer import fake_data
from tests.trainer.tiny import STOPPED, TINY, command, run, train_stopped
from trainer.callbacks import WholeFiles, keep_best
from trainer.checkpoint import Checkpoint, SavingError, write_whole
from trainer.cli import cli
from trainer.recipe import DataChoice, LossChoice, NetworkChoice, Recipe, Variation


def same_weights(one: Path, other: Path) -> None:
    a, b = Checkpoint.load(one), Checkpoint.load(other)
    assert a.epoch == b.epoch
    assert a.weights.keys() == b.weights.keys()
    for name, tensor in a.weights.items():
        assert torch.equal(tensor, b.weights[name]), name
    assert a.metrics == b.metrics


def test_a_folder_that_is_not_there_is_said_before_torch_is_imported(tmp_path):
    script = "import sys; from trainer.cli import cli\ntry: cli()\nfinally: print('torch' in sys.modules)"
    for options in (["--data", "none"], ["--images", "none", "--labels", "none", "--taxonomy", "roles"]):
        words = [sys.executable, "-c", script, "fit", *options, "--out", str(tmp_path / "run")]
        done = subprocess.run(
            words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, capture_output=True
        )
        assert b"data folder none does not exist" in done.stderr and done.stdout.strip() == b"False", done


def test_best_pt_appears_with_its_thresholds_or_not_at_all(toy, tmp_path, monkeypatch):
    """Without them an export of it would fly at the default thresholds, and say nothing."""

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.evaluation.calibrate.fit_calibration", stopped)
    result = CliRunner().invoke(cli, ["fit", "--data", str(toy), *TINY, "--epochs", "1", "--out", str(tmp_path / "r")])
    assert result.exit_code != 0
    assert (tmp_path / "r" / "last.pt").is_file() and not (tmp_path / "r" / "best.pt").exists()


def test_a_calibrated_checkpoint_that_cannot_be_written_is_said_first(stopped, toy, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("trainer.evaluation.calibrate.fit_calibration", lambda *_: pytest.fail("measured for nothing"))
    words = ["calibrate", str(stopped / "last.pt"), "--data", str(toy), "-o", str(tmp_path / "file" / "x.pt")]
    result = CliRunner().invoke(cli, words)
    assert isinstance(result.exception, TouchdownError) and "--output" in str(result.exception)
    with pytest.raises(SavingError, match="check the folder and its rights"):
        write_whole({}, tmp_path / "file" / "x.pt")


def test_fit_writes_checkpoints_and_metrics_and_learns(toy, tmp_path):
    out = tmp_path / "run"
    printed = run(
        "fit",
        "--data",
        toy,
        "--out",
        out,
        *TINY,
        "--epochs",
        "8",
        "--lr",
        "1e-2",
        "--ema",
        "0.5",
        "--repeat",
        "2",
        "--keep-every",
        "3",
        "--keep-best",
        "2",
        "--logger",
        "csv",
    )
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in printed.splitlines() if line.startswith("epoch")]
    assert len(losses) == 8
    assert losses[-1] < 0.8 * losses[0]
    report = json.loads((out / "metrics.json").read_text())
    assert "test (3 pictures) was not looked at" in printed
    assert "test" not in report["parts"]
    best = Checkpoint.load(out / "best.pt")
    assert best.taxonomy.name == "toy"
    assert best.epoch == report["best_epoch"]
    assert best.provenance["trained_on"] == "set: 9 pictures"
    assert "--epochs 8" in best.provenance["recipe"]
    assert str(tmp_path) not in json.dumps(best.provenance)
    assert (out / "best.pt").stat().st_size < 0.7 * (out / "last.pt").stat().st_size
    kept = {p.name for p in out.glob("*.pt")}
    assert {"epoch-003.pt", "epoch-006.pt", "last.pt", "best.pt"} <= kept
    assert len([name for name in kept if name.startswith("best-epoch")]) == 2
    logged = next(out.glob("logs/*/metrics.csv")).read_text()
    assert "val_miou" in logged
    assert "train_loss" in logged


def test_a_stopped_run_resumes_to_the_last_digit(toy, tmp_path):
    parts = train_stopped(toy, tmp_path / "parts")
    assert Checkpoint.load(parts / "last.pt").epoch == 1
    run("fit", "--data", toy, *STOPPED, "--out", tmp_path / "whole")
    run("fit", "--resume", parts / "last.pt", "--workers", "2", "--threads", "1", "--logger", "none")
    same_weights(tmp_path / "whole" / "last.pt", parts / "last.pt")
    same_weights(tmp_path / "whole" / "best.pt", parts / "best.pt")


def test_a_run_goes_on_where_it_was_moved_and_only_on_its_own_parts(toy, tmp_path):
    out = Path(shutil.copytree(train_stopped(toy, tmp_path / "first"), tmp_path / "moved"))
    shutil.move(tmp_path / "first", tmp_path / "gone")
    state = WholeFiles(out).load_checkpoint(out / "last.pt")["callbacks"]
    best = next(one for name, one in state.items() if "val_choice" in name)
    callback = keep_best(out, 1)
    callback.load_state_dict(best)
    assert callback.best_model_score == best["best_model_score"] and len(callback.best_k_models) == 1
    assert Path(callback.best_model_path).parent == out and Path(callback.best_model_path).is_file()
    less = Path(shutil.copytree(toy, tmp_path / "set"))
    gone = next(iter(sorted((less / "images").iterdir())))
    (less / "labels" / f"{gone.stem}.png").unlink()
    gone.unlink()
    with pytest.raises(ModelError, match=r"other pictures in train or val .*--init"):
        run("fit", "--resume", out / "last.pt", "--data", less, "--workers", "0", "--threads", "1", "--logger", "none")


def test_every_epoch_can_be_kept_before_and_after_a_stop(toy, tmp_path):
    out = tmp_path / "run"
    run("fit", "--data", toy, *TINY, "--epochs", "2", "--stop-after", "1", "--keep-every", "1", "--out", out)
    run("fit", "--resume", out / "last.pt", "--keep-every", "1", "--workers", "0", "--threads", "1", "--logger", "none")
    assert {"epoch-001.pt", "epoch-002.pt"} == {path.name for path in out.glob("epoch-*.pt")}
    same_weights(out / "epoch-002.pt", out / "last.pt")


def test_a_killed_run_resumes_to_the_last_digit(toy, tmp_path):
    recipe = ["--data", toy, *TINY, "--epochs", "8"]
    child = subprocess.Popen(command("fit", *recipe, "--out", tmp_path / "parts"))
    run("fit", *recipe, "--out", tmp_path / "whole")
    last = tmp_path / "parts" / "last.pt"
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    reached = Checkpoint.load(last).epoch
    assert 1 <= reached < 8
    run("fit", "--resume", last, "--threads", "1", "--workers", "0", "--logger", "none")
    same_weights(tmp_path / "whole" / "last.pt", last)


def two_processes(*arguments: object) -> str:
    """Output of a run in two processes on this machine, by Gloo."""
    done = subprocess.run(
        command("fit", *arguments, "--batch", "2", "--devices", "2", "--device", "cpu"),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_two_processes_and_one_give_the_same_network(toy, tmp_path):
    """Without BatchNorm's own statistics and chance, halves of a batch add up to the batch; val is counted once."""
    recipe = ["--data", toy, *TINY, "--epochs", "1", "--rare", "0", "--repeat", "4", "--lr", "1e-5"]
    run("fit", *recipe, "--batch", "4", "--out", tmp_path / "one")
    printed = two_processes(*recipe, "--out", tmp_path / "two")
    assert "2 x cpu" in printed
    assert printed.count("epoch 1/1") == 1
    one = Checkpoint.load(tmp_path / "one" / "last.pt")
    two = Checkpoint.load(tmp_path / "two" / "last.pt")
    name = "segmentation_head.0.weight"
    assert torch.allclose(one.weights[name], two.weights[name], atol=2e-4)
    pixels = [Checkpoint.load(tmp_path / run / "best.pt").metrics["val"]["pixels"] for run in ("one", "two")]
    assert pixels[0] == pixels[1]


def test_fine_tuning_starts_from_all_that_fits(stopped, tmp_path):
    other = fake_data.aeroscapes(tmp_path / "aero")
    recipe = ["--data", other, *TINY, "--epochs", "1", "--init", stopped / "best.pt"]
    printed = run("fit", *recipe, "--out", tmp_path / "second")
    own = len(Checkpoint.load(tmp_path / "second" / "best.pt").weights)
    assert f"{own - 2} of {own} tensors fit" in printed  # all but the head's weight and bias
    with pytest.raises(ModelError, match="decoder_channels differ"):
        run("fit", *recipe, "--decoder-channels", "8,8,8", "--out", tmp_path / "third")


def test_every_layout_trains(tmp_path):
    table = tmp_path / "split.csv"
    parts = ["train", "train", "train", "train", "val", "test"]
    table.write_text("id,scene\n" + "".join(f"{i:03d},{p}\n" for i, p in enumerate(parts)))
    root = fake_data.semantic_drone_low_res(tmp_path / "drone")
    run(
        "fit",
        "--data",
        root,
        "--split",
        table,
        "--split-column",
        "scene",
        *TINY,
        "--epochs",
        "1",
        "--out",
        tmp_path / "a",
    )
    assert "non-commercial" in Checkpoint.load(tmp_path / "a" / "best.pt").provenance["licence"]
    root = fake_data.aeroscapes(tmp_path / "aero")
    printed = run(
        "fit",
        "--data",
        root,
        "--train",
        "040001,041007",
        "--test",
        "001101",
        *TINY,
        "--epochs",
        "1",
        "--limit",
        "4",
        "--out",
        tmp_path / "b",
    )
    assert "train 4 (2 groups), val 2 (2 groups), test 4 (1 groups)" in printed


def test_shards_stream_and_resume_to_the_last_digit(toy, tmp_path):
    shards = tmp_path / "shards"
    run("data", "shard", toy, "--out", shards, "--size", "96x64", "--shard-mb", "0.02")
    recipe = ["--data", shards, *TINY, "--epochs", "2"]
    printed = run("fit", *recipe, "--out", tmp_path / "whole")
    assert "2 steps per epoch" in printed
    printed = run("fit", *recipe, "--train", "1001", "--val", "1003", "--out", tmp_path / "some")
    assert "train 3 (1 groups), val 3 (1 groups)" in printed
    assert "1 steps per epoch" in printed
    run("fit", *recipe, "--out", tmp_path / "parts", "--stop-after", "1")
    run("fit", "--resume", tmp_path / "parts" / "last.pt", "--threads", "1", "--workers", "0", "--logger", "none")
    same_weights(tmp_path / "whole" / "last.pt", tmp_path / "parts" / "last.pt")
    two_processes(*recipe, "--out", tmp_path / "two")


def test_a_time_limit_shortens_the_plan_and_patience_ends_it(toy, tmp_path):
    printed = run(
        "fit", "--data", toy, "--out", tmp_path / "run", *TINY, "--epochs", "100000", "--time-limit-min", "0.02"
    )
    assert "of the 100000 planned epochs" in printed
    assert (tmp_path / "run" / "metrics.json").is_file()
    printed = run(
        "fit",
        "--data",
        toy,
        "--out",
        tmp_path / "patient",
        *TINY,
        "--epochs",
        "40",
        "--lr",
        "1e-9",
        "--ema",
        "0",
        "--patience",
        "2",
    )
    assert printed.count("epoch ") < 30


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--data", "nowhere", "--out", "x"], DataError, "does not exist"),
        (["--data", "{toy}", "--out", "x", "--input", "60x32"], InvalidValueError, "multiples"),
        (["--data", "{toy}", "--out", "x", "--lr", "-1"], InvalidValueError, "--lr -1.0"),
        (["--data", "{toy}", "--out", "x", "--encoder-weights", "none.pth"], ModelError, "exist"),
        (["--data", "{toy}", "--out", "x", "--device", "cuda:77"], InvalidValueError, "use"),
        (["--data", "{toy}", "--out", "x", "--split", "a", "--val", "1"], DataError, "not both"),
        (["--data", "{toy}", "--out", "x", "--logger", "no.Such"], InvalidValueError, "--logger"),
        (
            ["--data", "{toy}", "--out", "x", "--output-stride", "2", "--arch", "unet"],
            InvalidValueError,
            "unet can give 1",
        ),
        (
            ["--data", "{toy}", "--out", "x", "--arch", "fpn", "--decoder-channels", "1,2,3"],
            InvalidValueError,
            "fpn wants 2",
        ),
        (["--data", "{toy}", "--out", "x", "--rare-classes", "unicorn"], InvalidValueError, "unicorn"),
        (["--resume", "none.pt"], ModelError, "does not exist"),
        (["--resume", "none.pt", "--epochs", "4"], InvalidValueError, "--epochs cannot be changed"),
    ],
)
def test_what_fit_refuses(toy, tmp_path, monkeypatch, arguments, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message) as caught:
        run("fit", *(a.format(toy=toy) for a in arguments))
    assert isinstance(caught.value, TouchdownError)


def test_labels_that_say_nothing_are_refused_before_training(tmp_path):
    root = fake_data.folder(tmp_path / "set")
    for path in (root / "labels").iterdir():
        cv2.imwrite(str(path), np.full((64, 96), 255, np.uint8))
    with pytest.raises(DataError, match="absent class: 3 of 3, no picture shows grass, house, person"):
        run("fit", "--data", root, "--out", tmp_path / "run", *TINY)
    assert not (tmp_path / "run" / "last.pt").exists()


def test_a_run_is_not_overwritten_and_best_cannot_be_resumed(toy, stopped, tmp_path):
    out = Path(shutil.copytree(stopped, tmp_path / "run"))
    with pytest.raises(InvalidValueError, match="already holds a run"):
        run("fit", "--data", toy, "--out", out, *TINY, "--epochs", "1")
    with pytest.raises(ModelError, match=r"resume from last\.pt"):
        run("fit", "--resume", out / "best.pt")
    other = fake_data.aeroscapes(tmp_path / "aero")
    with pytest.raises(ModelError, match="other classes"):
        run("fit", "--resume", out / "last.pt", "--data", other)
    content = torch.load(out / "last.pt", weights_only=True)
    content["recipe"]["of_a_later_version"] = 1
    torch.save(content, out / "later.pt")
    with pytest.raises(ModelError, match=r"another version of the trainer.*of_a_later_version"):
        run("fit", "--resume", out / "later.pt")


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_epoch_before(toy, tmp_path, monkeypatch):
    from trainer import loss as loss_module

    calls = 0
    forward = loss_module.SegmentationLoss.forward

    def breaks(self, logits, labels):
        nonlocal calls
        calls += 1
        return forward(self, logits, labels) * (float("nan") if calls > 4 else 1.0)

    monkeypatch.setattr(loss_module.SegmentationLoss, "forward", breaks)
    with pytest.raises(TouchdownError, match=r"nan in epoch 3, step 1, on the pictures \w"):
        run("fit", "--data", toy, "--out", tmp_path / "run", *TINY, "--epochs", "5")
    last = Checkpoint.load(tmp_path / "run" / "last.pt")
    assert last.epoch == 2
    assert all(torch.isfinite(t).all() for t in last.weights.values() if t.is_floating_point())


def test_a_full_disk_leaves_the_old_checkpoint(stopped, tmp_path, monkeypatch):
    out = Path(shutil.copytree(stopped, tmp_path / "run"))
    before = (out / "last.pt").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("trainer.files.os.fsync", full)
    with pytest.raises(SavingError, match="the disk is full"):
        run("fit", "--resume", out / "last.pt", "--threads", "1", "--logger", "none")
    assert (out / "last.pt").read_bytes() == before
    assert not list(out.glob("*.partial"))


def test_out_of_memory_says_which_knob(toy, tmp_path, monkeypatch):
    def too_much(self, logits, labels):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate ...")

    monkeypatch.setattr("trainer.loss.SegmentationLoss.forward", too_much)
    with pytest.raises(TouchdownError, match=r"4 pictures of 64x32: try --batch 2 --accumulate 2"):
        run("fit", "--data", toy, "--out", tmp_path / "run", *TINY, "--epochs", "1")


class Bomb:
    def __reduce__(self):
        return (os.mkdir, (os.environ["BOMB"],))


def test_a_pickle_is_refused_and_not_executed(tmp_path, monkeypatch):
    monkeypatch.setenv("BOMB", str(tmp_path / "exploded"))
    for name, write in (
        ("pickle.pt", lambda p: p.write_bytes(pickle.dumps(Bomb()))),
        ("torch.pt", lambda p: torch.save({"format": Bomb()}, p)),
    ):
        path = tmp_path / name
        write(path)
        with pytest.raises(ModelError, match="cannot be read"):
            run("fit", "--resume", path)
        with pytest.raises(ModelError, match="cannot be read"):
            Checkpoint.load(path)
    assert not (tmp_path / "exploded").exists()
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(ModelError, match="not of this trainer"):
        run("fit", "--resume", tmp_path / "foreign.pt")
    with pytest.raises(ModelError, match="not of this trainer"):
        Checkpoint.load(tmp_path / "foreign.pt")


def test_help_and_recipe_need_no_torch():
    code = (
        "import sys\nfrom trainer.cli import cli\n"
        "try: cli(['fit', '--help'])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for option in ("--encoder-weights", "--hazard-cost", "--perspective-deg", "--devices"):
        assert option in done.stdout


def test_the_recorded_command_trains_the_same_again(tmp_path):
    recipe = Recipe(
        data=DataChoice(folders=(str(tmp_path / "aero"),), train=("040001", "041007"), split_column="scene"),
        network=NetworkChoice(decoder_channels=(64, 32), encoder_weights="/some/weights.pth"),
        variation=Variation(zoom=(0.5, 3.0)),
        loss=LossChoice(hazard_cost=2.0),
        width_px=512,
        height_px=288,
        crop_wh=(256, 256),
        epochs=7,
    )
    assert recipe.command() == (
        "touchdown trainer fit --data aero --input 512x288 --split-column scene "
        "--train 040001,041007 --decoder-channels 64,32 --encoder-weights weights.pth "
        "--zoom 0.5,3.0 --hazard-cost 2.0 --crop 256x256 --epochs 7"
    )
