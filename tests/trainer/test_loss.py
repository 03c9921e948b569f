from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from landing.taxonomy import Role, Taxonomy
from trainer.data.roles import role_label
from trainer.loss import HAZARD_WEIGHT, SegmentationLoss, inverse_sqrt_weights, labels_at
from trainer.recipe import LossChoice

TAXONOMY = Taxonomy.parse(
    {
        "name": "five",
        "classes": [
            {"id": i, "name": f"{role}{i}", "color_rgb": (i, i, i), "role": role}
            for i, role in enumerate(("landable", "landable", "obstacle", "person", "ignore"))
        ],
    },
    "test",
)
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 3.0, 1.5])
EACH = {
    "ce": LossChoice(dice=0),
    "dice": LossChoice(dice=1.0),
    "hazard": LossChoice(dice=0, hazard_cost=1.0),
    "all": LossChoice(dice=0.5, hazard_cost=0.5),
}


def batch(size: int = 8, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 5, size, size, generator=generator) * 2
    labels = torch.randint(0, 5, (2, size, size), generator=generator)
    labels[:, 0, :3] = 255
    return logits, labels


def loss_of(choice: LossChoice, logits: torch.Tensor, labels: torch.Tensor) -> float:
    return float(SegmentationLoss(choice, WEIGHTS, TAXONOMY)(logits, labels))


def test_cross_entropy_is_that_of_torch():
    logits, labels = batch()
    expected = F.cross_entropy(logits, labels, weight=WEIGHTS, ignore_index=255)
    assert loss_of(EACH["ce"], logits, labels) == pytest.approx(float(expected), rel=1e-5)


def test_dice_by_hand():
    labels = torch.tensor([[[0, 0], [1, 255]]])
    logits = torch.full((1, 5, 2, 2), -50.0)
    logits[:, :2] = 0
    # All probabilities 1/2: class 0: 2*1/(1.5+2), class 1: 2*0.5/(1.5+1).
    expected = 1 - (2 / 3.5 + 1 / 2.5) / 2
    loss = SegmentationLoss(LossChoice(dice=1.0), None, TAXONOMY)(logits, labels)
    assert float(loss) == pytest.approx(math.log(2) + expected, rel=1e-5)


def test_hazard_cost_by_hand():
    probabilities = torch.tensor([[0.3, 0.2, 0.4, 0.05, 0.05], [0.8, 0.1, 0.05, 0.04, 0.01], [0.9, 0.1, 0.0, 0.0, 0.0]])
    logits = torch.log(probabilities + 1e-9).T.reshape(1, 5, 1, 3)
    labels = torch.tensor([[[2, 3, 0]]])  # obstacle, person, landable: the last costs nothing
    obstacle, person = -math.log(0.5), -math.log(0.1)
    weight = next(w for role, w in HAZARD_WEIGHT.items() if role.value == "person")
    expected = (obstacle + weight * person) / (1 + weight)
    without = loss_of(EACH["ce"], logits, labels)
    assert loss_of(EACH["hazard"], logits, labels) - without == pytest.approx(expected, rel=1e-4)


def test_hazard_cost_teaches_where_the_network_is_surest_and_most_wrong():
    logits = torch.tensor([60.0, 0, 0, 0, 0]).reshape(1, 5, 1, 1).requires_grad_()
    choice = LossChoice(dice=0, hazard_cost=1.0)
    loss = SegmentationLoss(choice, None, TAXONOMY)(logits, torch.full((1, 1, 1), 3))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(60 + 60 - math.log(3), rel=1e-3)
    # 1 from cross-entropy and 1 from the cost: the gradient does not vanish with 1 - p.
    assert float(logits.grad[0, 0]) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("name", EACH)
def test_lower_resolution_costs_the_same_where_labels_are_blocks(name):
    coarse, labels = batch()
    fine_labels = labels.repeat_interleave(4, 1).repeat_interleave(4, 2)
    fine = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)
    full = loss_of(EACH[name], fine, fine_labels)
    assert loss_of(EACH[name], coarse, fine_labels) == pytest.approx(full, rel=1e-5)
    assert loss_of(EACH[name], coarse, labels) == pytest.approx(full, rel=1e-5)


def test_labels_are_sampled_in_the_middle_of_each_cell():
    columns = torch.arange(16).expand(1, 16, 16)
    assert labels_at(columns, (4, 4))[0, 0].tolist() == [2, 6, 10, 14]
    assert labels_at(columns, (16, 16)) is columns
    uneven = labels_at(torch.arange(10).expand(1, 10, 10), (10, 3))
    assert uneven[0, 0].tolist() == [1, 5, 8]


@pytest.mark.parametrize("name", EACH)
def test_unlabelled_pixels_cost_nothing_and_a_batch_of_them_is_zero(name):
    logits, labels = batch()
    changed = logits.clone()
    changed[:, 1, 0, :3] += 9
    assert loss_of(EACH[name], changed, labels) == loss_of(EACH[name], logits, labels)

    logits.requires_grad_()
    loss = SegmentationLoss(EACH[name], WEIGHTS, TAXONOMY)
    nothing = loss(logits, torch.full_like(labels, 255))
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", EACH)
def test_memory_order_and_half_precision_change_little(name):
    logits, labels = batch(16)
    expected = loss_of(EACH[name], logits, labels)
    reordered = logits.to(memory_format=torch.channels_last)
    assert loss_of(EACH[name], reordered, labels) == pytest.approx(expected, rel=1e-5)
    half = SegmentationLoss(EACH[name], WEIGHTS, TAXONOMY)(logits.bfloat16(), labels)
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("name", EACH)
def test_steps_down_the_gradient_find_the_labels(name):
    logits, labels = batch()
    logits.requires_grad_()
    loss = SegmentationLoss(EACH[name], WEIGHTS, TAXONOMY)
    optimizer = torch.optim.Adam([logits], lr=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        loss(logits, labels).backward()
        optimizer.step()
    valid = labels != 255
    assert (logits.argmax(1) == labels)[valid].all()


def test_a_checkpoint_holds_nothing_of_the_loss():
    assert not SegmentationLoss(EACH["all"], WEIGHTS, TAXONOMY).state_dict()


def test_rare_classes_weigh_more_within_bounds():
    weights = inverse_sqrt_weights(np.array([1_000_000, 10_000, 100, 0])).tolist()
    assert weights == pytest.approx([0.3, 1.0, 6.0, 1.0])


def test_a_role_label_asks_for_the_sum_of_its_classes():
    landable = role_label(TAXONOMY, Role.LANDABLE)
    logits = torch.tensor([1.0, 3.0, 0.0, -1.0, 0.5]).reshape(1, 5, 1, 1)
    loss = SegmentationLoss(LossChoice(dice=0), None, TAXONOMY, by_role=True)
    expected = -math.log(float(logits.softmax(1)[0, :2].sum()))
    assert float(loss(logits, torch.tensor([[[landable]]]))) == pytest.approx(expected, rel=1e-5)


def test_a_role_label_does_not_say_which_class_of_the_role():
    logits = torch.tensor([2.0, 2.0, 0.0, 0.0, 0.0]).reshape(1, 5, 1, 1).requires_grad_()
    label = torch.tensor([[[role_label(TAXONOMY, Role.LANDABLE)]]])
    loss = SegmentationLoss(EACH["all"], WEIGHTS, TAXONOMY, by_role=True)
    loss(logits, label).backward()
    gradient = logits.grad.flatten()
    assert gradient[0] == gradient[1] < 0 and (gradient[2:] > 0).all()


def test_role_labels_cost_as_hazards_and_leave_dice_alone():
    person = torch.tensor([[[role_label(TAXONOMY, Role.PERSON), 3]]])
    logits = torch.tensor([4.0, 0.0, 0.0, 0.0, 0.0]).reshape(1, 5, 1, 1).expand(1, 5, 1, 2)
    both = SegmentationLoss(LossChoice(dice=0, hazard_cost=1.0), None, TAXONOMY, by_role=True)
    assert float(both(logits, person)) == pytest.approx(float(both(logits, person.flip(2))))
    exact = torch.tensor([[[255, 3]]])
    dice = SegmentationLoss(LossChoice(dice=1.0), None, TAXONOMY, by_role=True)
    plain = SegmentationLoss(LossChoice(dice=0), None, TAXONOMY, by_role=True)
    assert float(dice(logits, person) - plain(logits, person)) == pytest.approx(
        float(dice(logits, exact) - plain(logits, exact)), rel=1e-5
    )


def test_without_role_labels_the_loss_is_the_same():
    logits, labels = batch()
    by_role = SegmentationLoss(EACH["all"], WEIGHTS, TAXONOMY, by_role=True)
    assert float(by_role(logits, labels)) == pytest.approx(loss_of(EACH["all"], logits, labels), rel=1e-6)
