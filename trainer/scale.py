"""Range of ground scales that a recipe trains for. No torch here."""

from __future__ import annotations

from landing.model.spec import GroundRange
from trainer.data.ground import GroundWidth, range_of
from trainer.data.samples import LabeledSet, Sample
from trainer.recipe import DataChoice, Recipe


def width_of(choice: DataChoice, data: LabeledSet, sample: Sample) -> GroundWidth | None:
    """Return the ground across a picture: the user's word, else the data set's; None where nobody knows it.

    Raises:
        InvalidValueError: The user's width is none.
    """
    given = choice.ground_width_m
    return data.ground_width(sample) if given is None else GroundWidth.given(given, "--ground-width-m")


def trained_range(recipe: Recipe, data: LabeledSet, samples: tuple[Sample, ...]) -> GroundRange | None:
    """Return the range that a recipe trains for on these samples; None where the ground of one is not known.

    Raises:
        DataError: A picture's size cannot be read.
        InvalidValueError: The recipe's own width is none.
    """
    pictures = []
    for sample in samples:
        width = width_of(recipe.data, data, sample)
        if width is None:
            return None
        pictures.append((width, data.size_wh(sample)))
    words = f"{len(samples)} training pictures of {data.name}"
    return range_of(pictures, recipe.input_wh, recipe.variation, words)
