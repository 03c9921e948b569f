from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from landing.errors import InvalidValueError
from landing.taxonomy import Taxonomy
from trainer.data.rare import RarePicker
from trainer.data.store import DecodedSample, centres_of

TAXONOMY = Taxonomy.load("semantic-drone")
ID = {c.name: c.id for c in TAXONOMY.classes}


def sample(name: str, **patches: int) -> DecodedSample:
    """Grass with a patch of so many pixels of each class."""
    labels = np.full((50, 60), ID["grass"], np.uint8)
    start = 0
    for class_name, count in patches.items():
        labels.reshape(-1)[start : start + count] = ID[class_name.replace("_", "-")]
        start += count
    return DecodedSample(name, np.zeros((50, 60, 3), np.uint8), labels, centres_of(labels))


SAMPLES = [
    sample("a", person=9, conflicting=4),
    sample("b"),
    sample("c", person=300, car=900, roof=700),
    sample("d", door=2, car=800, ar_marker=5),
]


def picker(*names: str, samples=SAMPLES) -> RarePicker:
    pixels = sum(np.bincount(s.labels.ravel(), minlength=len(TAXONOMY)) for s in samples)
    return RarePicker([s.centres for s in samples], pixels, TAXONOMY, names)


def test_people_vehicles_and_what_is_small_are_rare_but_never_doubts():
    assert picker().classes == ("door", "person", "car")


def test_each_class_is_picked_alike_and_lies_where_it_says():
    rare, rng = picker(), np.random.default_rng(0)
    classes, pictures = Counter(), Counter()
    for _ in range(3000):
        number, (column, row) = rare.pick(rng)
        class_id = int(SAMPLES[number].labels[row, column])
        classes[class_id] += 1
        pictures[class_id, number] += 1
    assert set(classes) == {ID["door"], ID["person"], ID["car"]}
    assert all(900 < count < 1100 for count in classes.values())
    # Nine pixels of a person are as good a picture as three hundred.
    assert 400 < pictures[ID["person"], 0] < 600
    assert 400 < pictures[ID["person"], 2] < 600


def test_named_classes_replace_the_choice():
    assert picker("roof", "ar-marker", "dog").classes == ("roof", "ar-marker")
    with pytest.raises(InvalidValueError, match="'persn' is not in taxonomy 'semantic-drone'"):
        picker("persn")


def test_nothing_rare_is_said_by_none():
    rare = picker(samples=[SAMPLES[1]])
    assert rare.pick(np.random.default_rng(0)) is None
    assert rare.classes == ()


def test_the_pick_is_the_generators_alone():
    picks = [[picker().pick(rng) for _ in range(20)] for rng in (np.random.default_rng(5), np.random.default_rng(5))]
    assert picks[0] == picks[1]
