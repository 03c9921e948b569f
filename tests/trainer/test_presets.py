"""Every preset is a recipe whose network can be built, and what the user gives wins."""

from __future__ import annotations

import pytest
import torch

from trainer.cli import recipe_of
from trainer.model import build
from trainer.presets import PRESETS
from trainer.recipe import DataChoice
from trainer.start import prepare_network


def values(**given: object) -> dict[str, object]:
    defaults = {name: field.default for name, field in DataChoice.model_fields.items()}
    return {k: v for k, v in defaults.items() if k != "folders"} | given


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_builds_and_gives_logits_at_its_stride(name):
    recipe = recipe_of(("somewhere",), name, values())
    _, config = prepare_network(recipe, classes=5)
    assert config.input_wh == recipe.input_wh == (768, 512)
    small = config.model_copy(update={"width_px": 96, "height_px": 64})
    with torch.inference_mode():
        logits = build(small).eval()(torch.zeros(1, 3, 64, 96))
    assert logits.shape == (1, 5, 64 // config.output_stride, 96 // config.output_stride)


def test_what_the_user_gives_wins_over_the_preset():
    recipe = recipe_of(("somewhere",), "fast", values(epochs=3, input_wh=(384, 256), decoder_channels=(64, 64)))
    assert (recipe.epochs, recipe.input_wh) == (3, (384, 256))
    assert recipe.network.decoder_channels == (64, 64)
    assert recipe.ema == PRESETS["fast"].options["ema"]
    command = recipe.command()
    assert "--epochs 3" in command
    assert "--preset" not in command  # the command stands by itself if presets change
