"""The commands, from files to files."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from landing.errors import DataError
from landing.model.spec import OperatingPoint
from landing.taxonomy import Taxonomy
from tests.trainer import fake_checkpoint, fake_data
from trainer.checkpoint import Checkpoint
from trainer.cli import cli
from trainer.data.choice import open_and_split
from trainer.evaluation.calibrate import calibrate_checkpoint
from trainer.evaluation.measure import EvaluationSet, SiteAssumptions, fit_calibration, measure
from trainer.evaluation.pixel_counts import PixelCounts
from trainer.evaluation.predictor import Predictor
from trainer.evaluation.scoring import Judged, interval, score, stored_calibration
from trainer.evaluation.view import AssumedView
from trainer.model import ModelConfig, build
from trainer.recipe import DataChoice

CPU = torch.device("cpu")
VIEW = AssumedView(4.0, 75.0, "made up")


def run(*arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert (result.exit_code == 0) is (status == 0), (result.output, result.exception)
    return result.output + ("" if status == 0 else str(result.exception))


@pytest.fixture(scope="module")
def toy_taxonomy(toy):
    return Taxonomy.load(toy / "taxonomy.toml")


@pytest.fixture(scope="module")
def random_checkpoint(tmp_path_factory, toy_taxonomy):
    torch.manual_seed(0)
    config = ModelConfig(
        arch="unet", encoder_depth=3, decoder_channels=(16, 8, 8), classes=3, width_px=96, height_px=64
    )
    folder = tmp_path_factory.mktemp("run")
    recipe = "touchdown trainer fit --data set --split-column other"
    Checkpoint(
        config,
        toy_taxonomy,
        build(config).state_dict(),
        3,
        {"recipe": recipe, "trained_on": "nothing"},
        {"val": {"miou": 0.1}},
    ).save(folder / "a.pt")
    return folder / "a.pt"


def pictures_of(toy, part="val", **changes):
    data, split = open_and_split(DataChoice(folders=(str(toy),), **changes))
    return EvaluationSet(data, getattr(split, part), part, split.describe(), "")


def test_a_good_network_is_judged_good(toy, toy_taxonomy):
    checkpoint = fake_checkpoint.checkpoint(toy_taxonomy)
    pictures = pictures_of(toy)
    calibration, on_val = fit_calibration(Predictor(checkpoint, CPU), pictures, SiteAssumptions(VIEW))
    column = score(Judged.of_checkpoint(checkpoint), on_val, pictures, calibration)
    assert column["scores"]["miou"] > 0.9 and column["scores"]["classes"] == 3
    assert column["recall"]["person"]["operating"] >= 0.95
    assert column["recall"]["water"]["operating"] is None
    assert column["false_safe"]["all"] <= 0.04
    assert calibration.nll[1] <= calibration.nll[0]
    after = column["reliability"]["class_after"]
    assert after["pixels"] == column["scores"]["pixels"]  # so small that every pixel is looked at
    json.dumps(column)


def test_who_does_not_see_persons_is_found_out(toy, toy_taxonomy):
    """A network blind for persons: its sites hold some, and the curve says so."""
    checkpoint = fake_checkpoint.checkpoint(toy_taxonomy, blind=(fake_checkpoint.PERSON,))
    pictures = pictures_of(toy)
    calibration, on_val = fit_calibration(Predictor(checkpoint, CPU), pictures, SiteAssumptions(VIEW))
    found = score(Judged.of_checkpoint(checkpoint), on_val, pictures, calibration)
    assert found["recall"]["person"]["argmax"] == 0.0
    assert found["found"]["person"]["ground"] < 0.98
    assert any("person: 0." in text and "0.98 wanted" in text for text in calibration.operating.unmet)


def test_counts_do_not_depend_on_the_networks_stride_much(toy, toy_taxonomy):
    scores = []
    for stride in (1, 4):
        checkpoint = fake_checkpoint.checkpoint(toy_taxonomy, stride=stride)
        measured = measure(Predictor(checkpoint, CPU), pictures_of(toy), 1.0, SiteAssumptions(VIEW))
        scores.append(measured.tally.matrix)
    assert scores[0].sum() == scores[1].sum()
    assert np.trace(scores[1]) > 0.8 * np.trace(scores[0])


def test_all_ignored_and_empty_parts_are_refused(tmp_path, toy_taxonomy):
    root = fake_data.folder(tmp_path / "set")
    for path in (root / "labels").glob("1003_*.png"):  # the val world
        cv2.imwrite(str(path), np.full((64, 96), 255, np.uint8))
    predictor = Predictor(fake_checkpoint.checkpoint(toy_taxonomy), CPU)
    with pytest.raises(DataError, match="labelled"):
        fit_calibration(predictor, pictures_of(root), SiteAssumptions(VIEW))
    measured = measure(predictor, pictures_of(root), 1.0, SiteAssumptions(VIEW))
    assert measured.tally.matrix.sum() == 0
    with pytest.raises(DataError, match="empty"):
        measure(predictor, EvaluationSet(pictures_of(root).data, ()), 1.0, SiteAssumptions(VIEW))


def test_interval_is_over_scenes(toy_taxonomy):
    tally = PixelCounts(toy_taxonomy)
    for k in range(6):
        labels = np.full((4, 4), k % 2, np.uint8)
        found = labels if k < 4 else 1 - labels
        tally.add(str(k), f"g{k // 2}", labels, found, np.zeros((5, 4, 4), np.uint8))
    low, high = interval(tally)
    assert low == 0.0 and high == 1.0
    assert interval(PixelCounts(toy_taxonomy)) is None


@pytest.fixture(scope="module")
def report(tmp_path_factory, toy, random_checkpoint):
    out = tmp_path_factory.mktemp("report")
    printed = run("evaluate", random_checkpoint, "--data", toy, "--out", out, "--height-m", 5)
    return out, printed


def test_evaluate_writes_a_report_that_stands_alone(report):
    out, printed = report
    assert "site false-safe" in printed and "no site, truth has one" in printed
    html = (out / "report.html").read_text("utf-8")
    assert not re.search(r"https?://|<script|<link|@import", html)
    images = re.findall(r"<img[^>]*>", html)
    assert len(images) >= 3 + 3
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)
    sources = re.findall(r'src="([^"]+)"', html)
    assert all(s.startswith("data:image/") or (out / s).is_file() for s in sources)
    assert len(html) < 10_000_000
    assert "height as given" in html
    text = (out / "results.md").read_text("utf-8")
    assert "## IoU by class" in text and "grass" in text


def test_results_say_what_stands_behind_them(report, random_checkpoint):
    out, _ = report
    (column,) = json.loads((out / "results.json").read_text("utf-8"))["columns"]
    assert column["name"] == f"{random_checkpoint.parent.name}/a"
    assert len(column["sha256"]) == 64 and column["scores"]["pictures"] == 3
    assert column["calibrated_on"].startswith("val: 3 pictures")
    OperatingPoint.model_validate(column["operating"])
    assert next(s["threshold"] for s in column["sites"]["curve"]) == 0.5
    assert len(column["confusion"]) == 3
    assert {p["name"] for p in column["pictures"]} == {f"1004_{i:02d}" for i in range(3)}


def test_earlier_results_stand_beside_and_scenes_first(report, toy, random_checkpoint, tmp_path):
    split = tmp_path / "s.csv"
    rows = (toy / "split.csv").read_text().replace("id,split", "id,scene")
    split.write_text(rows)
    run(
        "evaluate",
        random_checkpoint,
        random_checkpoint,
        "--data",
        toy,
        "--out",
        tmp_path / "o",
        "--split",
        split,
        "--split-column",
        "scene",
        "--also",
        report[0] / "results.json",
    )
    columns = json.loads((tmp_path / "o" / "results.json").read_text("utf-8"))["columns"]
    assert [c["split_column"] for c in columns] == ["scene", "scene", ""]
    assert any("another split than scene" in w for w in columns[0]["warnings"])
    text = (tmp_path / "o" / "report.html").read_text("utf-8")
    assert text.index("scene split") < text.index("(test)")


def test_a_split_that_did_not_train_it_is_told(toy, random_checkpoint, tmp_path):
    """By the names in train and val: a column of the same name, or patterns, say nothing."""
    data, split = open_and_split(DataChoice(folders=(str(toy),)))
    known = Checkpoint.load(random_checkpoint)
    origin = {"trained_on": f"{data.name}: 9 pictures", "parts_sha256": split.digest()}
    replace(known, provenance={**known.provenance, **origin}).save(tmp_path / "own.pt")
    words = ("--data", toy, "--out", tmp_path / "o")
    other = ("--val", split.train[0].name, "--test", split.test[0].name)

    def warnings() -> str:
        (column,) = json.loads((tmp_path / "o" / "results.json").read_text("utf-8"))["columns"]
        return " ".join(column["warnings"])

    run("evaluate", tmp_path / "own.pt", *words)
    assert "another split" not in warnings()
    run("evaluate", tmp_path / "own.pt", *words, *other)
    assert "another split" in warnings()
    said = run("calibrate", tmp_path / "own.pt", "--data", toy, *other[:2], "-o", tmp_path / "c.pt")
    assert "another split" in said
    assert "another split" not in run("calibrate", tmp_path / "own.pt", "--data", toy, "-o", tmp_path / "c.pt")


def test_evaluate_refuses_what_it_cannot_judge(toy, random_checkpoint, tmp_path):
    other = fake_data.aeroscapes(tmp_path / "aero")
    text = run("evaluate", random_checkpoint, "--data", other, "--out", tmp_path / "o", status=1)
    assert "aeroscapes" in text and "toy" in text
    text = run(
        "evaluate", random_checkpoint, "--data", toy, "--out", tmp_path / "o", "--also", toy / "taxonomy.toml", status=1
    )
    assert "--also" in text
    text = run("evaluate", tmp_path / "none.pt", "--data", toy, "--out", tmp_path, status=1)
    assert "does not exist" in text
    text = run("evaluate", random_checkpoint, "--data", toy, "--out", toy / "split.csv", status=1)
    assert "--out" in text


def test_calibrate_keeps_the_weights_and_what_was_known(toy, random_checkpoint, tmp_path):
    target = tmp_path / "c.pt"
    run("calibrate", random_checkpoint, "--data", toy, "-o", target, "--target", "person=0.5")
    before, after = Checkpoint.load(random_checkpoint), Checkpoint.load(target)
    assert all(torch.equal(v, after.weights[k]) for k, v in before.weights.items())
    assert after.provenance == before.provenance and after.epoch == 3
    kept = stored_calibration(after)
    assert kept is not None and kept.operating.targets["person"] == 0.5
    assert kept.temperature == after.metrics["temperature"]
    assert stored_calibration(before) is None
    assert after.metrics["val"]["classes"] == 3
    assert "--target" in run("calibrate", random_checkpoint, "--data", toy, "--target", "dog=1", status=1)
    # What is stored is used, unless asked otherwise.
    out = tmp_path / "o"
    run("evaluate", target, "--data", toy, "--out", out)
    (column,) = json.loads((out / "results.json").read_text("utf-8"))["columns"]
    assert column["operating"]["targets"]["person"] == 0.5 and column["nll"] == []
    run("evaluate", target, "--data", toy, "--out", out, "--recalibrate", "--part", "val")
    (column,) = json.loads((out / "results.json").read_text("utf-8"))["columns"]
    assert column["operating"]["targets"]["person"] == 0.98 and len(column["nll"]) == 2


def test_a_calibrated_file_holds_its_figures_on_val_and_test_is_not_read(toy, random_checkpoint, tmp_path):
    data, split = open_and_split(DataChoice(folders=(str(toy),)))
    target = tmp_path / "best.pt"
    target.write_bytes(random_checkpoint.read_bytes())
    finished = calibrate_checkpoint(target, data, split, "cpu")
    assert Checkpoint.load(target).metrics == finished.metrics
    assert set(finished.metrics) == {"temperature", "operating", "site_confidence", "val"}
    assert finished.metrics["val"]["pictures"] == 3
    assert {"person_recall_operating", "site_false_safe", "ece_class_after"} <= set(finished.metrics["val"])
    assert list(tmp_path.iterdir()) == [target]


def test_predict_pictures_and_video(random_checkpoint, toy, tmp_path):
    out = tmp_path / "o"
    run("predict", random_checkpoint, toy / "images", "--out", out, "--masks", "--every", 5)
    masks = sorted(out.glob("*.mask.png"))
    assert len(masks) == 3 == len(list(out.glob("*.overlay.jpg")))
    mask = cv2.imread(str(masks[0]), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (64, 96) and mask.max() < 3
    clip = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), 10, (96, 64))
    for k in range(5):
        writer.write(np.full((64, 96, 3), 40 * k, np.uint8))
    writer.release()
    run("predict", random_checkpoint, clip, "--out", out, "--every", 2)
    drawn = cv2.VideoCapture(str(out / "clip.overlay.mp4"))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert drawn.get(cv2.CAP_PROP_FRAME_WIDTH) > 96  # the legend stands beside
    assert drawn.get(cv2.CAP_PROP_FPS) == pytest.approx(5)


def test_predict_refuses_what_it_cannot_read(random_checkpoint, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    for source, words in (
        (tmp_path / "none.jpg", "does not exist"),
        (tmp_path, "no pictures"),
        (broken, "video"),
        (random_checkpoint, "expected a picture"),
    ):
        text = run("predict", random_checkpoint, source, "--out", tmp_path / "o", status=1)
        assert words in text


def test_predict_reads_tiff_leaves_hidden_files_out_and_keeps_pictures_of_one_stem_apart(
    random_checkpoint, toy, tmp_path
):
    card, out = tmp_path / "card", tmp_path / "o"
    card.mkdir()
    image = np.full((64, 96, 3), 90, np.uint8)
    for name in ("a.TIF", "a.jpg", "b.tiff", "c.webp"):
        assert cv2.imwrite(str(card / name), image)
        (card / f"._{name}").write_bytes(b"\0\5\x16\7 resource fork")
    run("predict", random_checkpoint, card, "--out", out, "--masks")
    assert sorted(path.name.removesuffix(".overlay.jpg") for path in out.glob("*.jpg")) == ["a.TIF", "a.jpg", "b", "c"]
    assert len(list(out.glob("*.mask.png"))) == 4
