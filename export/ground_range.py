"""Range of ground scales written into a finished model: its description changes, its graph and its proof do not."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from export.files import read_model, redescribe, spec_of, write_model
from export.manifest import record_model
from landing.errors import InvalidValueError
from landing.model.manifest import read_engine
from landing.model.spec import GroundRange, ModelSpec
from trainer.data.ground import GroundWidth, range_of
from trainer.data.known_layouts import LAYOUTS
from trainer.options import checked
from trainer.recipe import Variation


@dataclass(frozen=True)
class RangeChoice:
    """Facts that the range is computed from.

    Attributes:
        width: Ground across the training pictures; None for that of the data set that the model names.
        zoom: Least and greatest scale of training pictures; None for that of the recipe in the file.
        picture_wh: Size of the training pictures, px, of which only the shape counts; None for the input's.
    """

    width: GroundWidth | None = None
    zoom: tuple[float, float] | None = None
    picture_wh: tuple[int, int] | None = None


def ground_range_of(spec: ModelSpec, choice: RangeChoice, origin: Path) -> GroundRange:
    """Return the range that a model was trained for, from its recorded recipe and what is given.

    Raises:
        InvalidValueError: Neither the file nor the choice says enough; names what to give.
    """
    own = spec.provenance
    name = own.trained_on.partition(":")[0].strip()
    width = choice.width or next((layout.ground for layout in LAYOUTS if layout.name == name and layout.ground), None)
    if width is None:
        raise InvalidValueError(
            f"{origin}: nothing says how much ground its training pictures show (trained on {own.trained_on!r}); give "
            "--ground-width-m LEAST,GREATEST, or --heights-m and --hfov-deg"
        )
    variation = _variation_of(own.recipe) if choice.zoom is None else checked(Variation, zoom=choice.zoom)
    if variation is None:
        raise InvalidValueError(f"{origin}: no recipe of `trainer fit` is in the file; give --zoom LEAST,GREATEST")
    input_wh = spec.input.width_px, spec.input.height_px
    words = own.trained_on or "training pictures"
    return range_of([(width, choice.picture_wh or input_wh)], input_wh, variation, words)


def _variation_of(recipe: str) -> Variation | None:
    """The scales of a recorded command, the trainer's default where it names none; None without a command."""
    try:
        words = shlex.split(recipe)
        if words[:3] != ["touchdown", "trainer", "fit"]:
            return None
        pairs = {
            name: words[words.index(option) + 1].split(",")
            for name, option in (("zoom", "--zoom"), ("ground_mm", "--ground-mm"))
            if option in words
        }
        return Variation.model_validate(pairs)
    except (ValueError, IndexError):
        return None


def write_range(source: Path, output: Path, choice: RangeChoice) -> ModelSpec:
    """Write a model that says its range: an ONNX file, or the manifest of an engine in place. The new description.

    Weights, graph and reports of `export verify` stay as they are.

    Raises:
        ModelError: The file is no model of ours.
        InvalidValueError: Too little is known, or an engine is to be written elsewhere.
        TouchdownError: The file cannot be written.
    """
    if source.suffix.lower() == ".engine":
        if output != source:
            raise InvalidValueError(
                f"--out {output}: the range of an engine is in its manifest and is written in place"
            )
        manifest, _ = read_engine(source)
        spec = _with_range(manifest.model, choice, source)
        record_model(source, spec)
        return spec
    model = read_model(source)
    spec = _with_range(spec_of(model, source), choice, source)
    redescribe(model, spec)
    write_model(model, output)
    return spec


def _with_range(spec: ModelSpec, choice: RangeChoice, origin: Path) -> ModelSpec:
    return spec.model_copy(update={"ground_range": ground_range_of(spec, choice, origin)})
