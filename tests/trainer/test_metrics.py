from __future__ import annotations

import numpy as np
import pytest

from landing.errors import DataError
from landing.model.spec import Letterbox
from landing.taxonomy import Taxonomy
from tests.trainer import fake_data
from trainer.metrics import Scores, confusion


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(fake_data.TOY_TAXONOMY)
    return Taxonomy.load(path)


def test_confusion_counts_true_rows_and_predicted_columns():
    truth = np.array([[0, 0, 1], [2, 255, 2]], np.uint8)
    found = np.array([[0, 1, 1], [0, 2, 2]], np.uint8)
    assert confusion(truth, found, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_scores_by_hand(toy):
    # grass (landable), house (obstacle), person
    matrix = np.array([[50, 5, 0], [10, 20, 5], [4, 2, 4]])
    scores = Scores.of(matrix, toy, 7)
    assert scores.class_iou == {
        "grass": pytest.approx(50 / 69),
        "house": pytest.approx(20 / 42),
        "person": pytest.approx(4 / 15),
    }
    assert scores.miou == pytest.approx((50 / 69 + 20 / 42 + 4 / 15) / 3)
    assert scores.accuracy == pytest.approx(74 / 100)
    assert scores.landable_iou == pytest.approx(50 / 69)
    assert scores.person_recall == pytest.approx(4 / 10)
    assert scores.hazard_recall == pytest.approx(31 / 45)
    assert scores.false_safe_rate == pytest.approx(14 / 45)
    assert scores.hazard_false_safe_rate == pytest.approx(14 / 45)
    assert scores.person_false_safe_rate == pytest.approx(4 / 10)
    assert scores.pictures == 7
    assert scores.pixels == 100


def test_absent_classes_are_left_out_and_said(toy):
    scores = Scores.of(np.array([[8, 0, 0], [0, 2, 0], [0, 0, 0]]), toy, 1)
    assert scores.miou == 1.0
    assert scores.class_iou["person"] is None
    assert scores.person_recall is None
    assert "person_recall" not in scores.rates()


def test_no_epoch_is_chosen_by_what_val_does_not_show(toy):
    """Every epoch would score 0 in people that are not there, and the first would fly."""
    nobody = Scores.of(np.array([[8, 0, 0], [0, 2, 0], [0, 0, 0]]), toy, 1)
    grass = Scores.of(np.array([[8, 0, 0], [0, 0, 0], [0, 0, 0]]), toy, 1)
    assert nobody.chosen_by("miou") == nobody.chosen_by("safety") == 1.0
    with pytest.raises(DataError, match="val shows no person, so no epoch can be chosen by person_recall"):
        nobody.chosen_by("person_recall")
    with pytest.raises(DataError, match="val shows no hazard"):
        grass.chosen_by("safety")
    with pytest.raises(DataError, match="no pixel of val is labelled"):
        Scores.of(np.zeros((3, 3), np.int64), toy, 1).chosen_by("miou")
    seen = Scores.of(np.array([[8, 0, 0], [1, 2, 1], [1, 1, 2]]), toy, 1)
    assert seen.chosen_by("person_recall") == 0.5
    assert seen.chosen_by("safety") == pytest.approx(seen.miou_in_truth - 2 / 8)


def test_a_class_only_predicted_lowers_miou_but_not_what_chooses(toy):
    scores = Scores.of(np.array([[8, 0, 1], [0, 2, 0], [0, 0, 0]]), toy, 1)
    assert scores.class_iou["person"] == 0.0
    assert scores.miou == pytest.approx((8 / 9 + 1 + 0) / 3)
    assert scores.miou_in_truth == pytest.approx((8 / 9 + 1) / 2)


@pytest.mark.parametrize("size", [(1280, 720), (100, 400), (33, 17), (512, 288)])
def test_letterbox_fits_top_left(size):
    box = Letterbox.of(size, (512, 288))
    assert box.valid_wh[0] <= 512
    assert box.valid_wh[1] <= 288
    assert 512 in box.valid_wh[:1] or 288 in box.valid_wh[1:]
    image = np.full((size[1], size[0], 3), 200, np.uint8)
    applied = box.apply(image)
    assert applied.shape == (288, 512, 3)
    assert (applied[: box.valid_wh[1], : box.valid_wh[0]] == 200).all()
