"""Range of ground scales that a recipe trains for. No torch here."""

from __future__ import annotations

from landing.spec import GroundRange
from trainer.data.ground import GroundWidth, range_of
from trainer.data.samples import LabeledSet, Sample
from trainer.recipe import Recipe


def trained_range(recipe: Recipe, data: LabeledSet, samples: tuple[Sample, ...]) -> GroundRange | None:
    """Return the range that a recipe trains for on these samples; None where the ground of one is not known.

    Raises:
        DataError: A picture's size cannot be read.
        InvalidValueError: The recipe's own width is none.
    """
    given = recipe.data.ground_width_m
    of_all = GroundWidth.given(given, "--ground-width-m") if given is not None else None
    pictures = []
    for sample in samples:
        width = of_all or data.ground_width(sample)
        if width is None:
            return None
        pictures.append((width, data.size_wh(sample)))
    words = f"{len(samples)} training pictures of {data.name}"
    return range_of(pictures, recipe.input_wh, recipe.variation.zoom, words)
