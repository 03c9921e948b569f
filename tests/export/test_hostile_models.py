"""Models whose weights are no numbers, and options that no run has: refused in a line, before anything is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.files import read_model
from tests.command import call
from tests.export import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    tiny.pictures(made / "pictures", 2)
    good = tiny.save(made / "good.onnx")
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        model = onnx.load(good)
        for tensor in model.graph.initializer:
            if tensor.name.endswith("d.w"):
                spoilt = numpy_helper.to_array(tensor).copy()
                spoilt[0, 0, 0, 0] = value
                tensor.CopyFrom(numpy_helper.from_array(spoilt, tensor.name))
        onnx.save(model, made / f"{name}.onnx")
    return made


@pytest.mark.parametrize("name", ["nan", "inf"])
@pytest.mark.parametrize(
    "words",
    [
        "export verify {bad} {bad} --data {folder}/pictures --limits exact",
        "export verify {folder}/good.onnx {bad} --data {folder}/pictures",
        "export info {bad}",
        "export bench {bad} --rounds 1 --no-memory",
        "export range {bad} --ground-width-m 5,50 --zoom 1,2",
        "export int8 {bad} --calibrate {folder}/pictures",
        "export thresholds {bad} --data {folder}",
        "export confidence {bad} --data {folder}",
        "export evaluate {bad} --data {folder} --out {folder}/report",
        "export adopt {bad} -o {folder}/x.onnx --taxonomy aeroscapes --output-name landable",
    ],
)
def test_weights_that_are_no_numbers_are_refused(words: str, name: str, folder: Path) -> None:
    done = call(*words.format(bad=folder / f"{name}.onnx", folder=folder).split())
    assert done.returncode == 2 and "weights that are no numbers" in done.stderr, done.stdout + done.stderr
    assert not (folder / "x.onnx").exists()


def test_infinite_constants_that_clip_are_well(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "good.onnx")
    high = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("high"))
    high.CopyFrom(numpy_helper.from_array(np.float32(np.inf), high.name))
    onnx.save(model, tmp_path / "clip.onnx")
    read_model(tmp_path / "clip.onnx")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("export bench {good} --frame 99999999x99999999", "expected 1 to 16384 pixels"),
        ("export bench {good} --frame 0x0", "expected 1 to 16384 pixels"),
        ("export bench {good} --rounds 1 --no-memory --plot {folder}", "cannot be written"),
        ("export verify {good} {good} --data {folder}/pictures --threads 99999", "'--threads'"),
        ("export verify {good} {good} --data {folder}/pictures --frames -1", "'--frames'"),
        ("export int8 {good} --calibrate {folder}/pictures --pictures 0", "'--pictures'"),
        ("export verify {good} {good} --data {folder}/pictures --split {folder}/s.csv", "--split-column"),
        ("export evaluate {good} --data {folder} --out /dev/null", "--out /dev/null: File exists"),
        ("export thresholds {good} --data {folder} --report /dev/null", "/dev/null: File exists"),
        ("export confidence {good} --data {folder} --report /dev/null", "--report /dev/null: File exists"),
    ],
)
def test_options_that_no_run_has(words: str, said: str, folder: Path) -> None:
    tiny.split(folder / "s.csv", {0: "train", 1: "val"})
    beside = sorted(folder.parent.iterdir())
    done = call(*words.format(good=folder / "good.onnx", folder=folder).split())
    assert done.returncode == 2 and said in done.stderr, done.stdout + done.stderr
    assert sorted(folder.parent.iterdir()) == beside
