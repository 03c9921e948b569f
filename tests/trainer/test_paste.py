"""People pasted into training pictures."""

from __future__ import annotations

import numpy as np

from trainer.data.augment.people import cut_out, with_people

GRASS, PERSON, ROOF = 0, 1, 2


def picture(light: int) -> tuple[np.ndarray, np.ndarray]:
    image, labels = np.full((120, 160, 3), light, np.uint8), np.full((120, 160), GRASS, np.uint8)
    labels[:, 100:] = ROOF
    return image, labels


def with_one() -> tuple[np.ndarray, np.ndarray]:
    image, labels = picture(100)
    image[40:60, 30:38] = (20, 30, 200)
    labels[40:60, 30:38] = PERSON
    return image, labels


def pasted(light: int, count: int = 4, seed: int = 0, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    cutout = cut_out(*with_one(), (33, 50))
    assert cutout is not None
    return with_people(*picture(light), [(cutout, scale)] * count, (GRASS,), np.random.default_rng(seed))


def test_a_whole_person_is_cut_out_and_nothing_else():
    cutout = cut_out(*with_one(), (33, 50))
    assert cutout is not None
    assert np.count_nonzero(cutout.mask) == 20 * 8 and cutout.label == PERSON and abs(cutout.light - 100) < 1
    image, labels = with_one()
    labels[:], labels[3, 3] = GRASS, PERSON
    assert cut_out(image, labels, (3, 3)) is None  # a pixel is nobody
    labels[:, :60] = PERSON
    assert cut_out(image, labels, (33, 50)) is None  # reaches the border: cut off


def test_people_stand_on_the_ground_with_their_labels():
    image, labels = pasted(100)
    assert (labels[:, 100:] == ROOF).all()
    people = labels == PERSON
    assert 2 * 160 * 0.5 < np.count_nonzero(people) <= 4 * 160 * 1.6
    red = image[..., 2].astype(int) - image[..., 1]
    assert red[people].mean() > 50 and np.abs(red[~people]).mean() < 5


def test_scale_is_that_of_the_ground():
    small, large = (np.count_nonzero(pasted(100, 1, seed, s)[1] == PERSON) for s, seed in ((1.0, 3), (2.0, 3)))
    assert 3.0 < large / small < 5.0


def test_they_take_on_the_light_of_the_place():
    dark, bright = (pasted(light) for light in (25, 220))
    assert dark[0][dark[1] == PERSON].mean() < 0.6 * bright[0][bright[1] == PERSON].mean()


def test_shadows_darken_only_the_ground():
    shaded = 0
    for seed in range(12):
        image, labels = pasted(200, 2, seed)
        below = (image[:, :100] < 150).all(2) & (labels[:, :100] == GRASS)
        shaded += below.any()
    assert 4 <= shaded <= 12


def test_nobody_stands_where_there_is_no_ground():
    image, labels = picture(100)
    labels[:] = ROOF
    cutout = cut_out(*with_one(), (33, 50))
    assert cutout is not None
    after, marked = with_people(image, labels, [(cutout, 1.0)], (GRASS,), np.random.default_rng(0))
    np.testing.assert_array_equal(after, image)
    np.testing.assert_array_equal(marked, labels)


def test_the_source_is_left_alone_and_chance_is_the_callers():
    image, labels = picture(100)
    cutout = cut_out(*with_one(), (33, 50))
    assert cutout is not None
    first = with_people(image, labels, [(cutout, 1.0)] * 3, (GRASS,), np.random.default_rng(5))
    again = with_people(image, labels, [(cutout, 1.0)] * 3, (GRASS,), np.random.default_rng(5))
    np.testing.assert_array_equal(first[0], again[0])
    assert (image == 100).all() and not (labels == PERSON).any()
